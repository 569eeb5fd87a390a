"""One person, one conversation: whatever WhatsApp names them by, and whoever asks at the same time."""

import base64
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.services.turns import process
from profiles.identifiers import Sender
from profiles.models import Identity
from profiles.services import resolution
from profiles.services.learning import profiles, revealed
from profiles.services.resolution import resolve_senders
from pyloto.documents import DocumentStore, get_store, use_store
from pyloto.documents.recorder import RecordingStore
from pyloto.privacy import hashing, keyring
from pyloto.privacy.hashing import identity_keys

from .deliveries import envelope, post, text_message
from .kept import documents, run_turns, sample, stored_messages, user_keys
from .outside import Outside

pytestmark = pytest.mark.usefixtures("valkey")

PHONE, OLD_WA_ID = "5542999990001", "554299990001"  # one number, with and without the ninth digit
BSUID = "BR.100200300"
BOTH = [("v1-", 1), ("v2-", 2)]
NEW_PEPPER = "2:" + base64.b64encode(b"the-pepper-of-the-next-year-32-b").decode()


def write(wamid: str, **fields: Any) -> None:
    """A message of somebody; without `wa_id` WhatsApp gives no phone."""
    message = text_message(wamid, "oi", **fields)
    if not fields.get("wa_id"):
        del message["from"]
    assert post(envelope(message)).status_code == 200
    cache.clear()  # each delivery may meet another process


def entries() -> dict[str, str]:
    """{kind: user_key} of all identity entries."""
    found = [Identity.from_snapshot(snapshot) for snapshot in documents("identities")]
    assert len({(entry.kind, entry.pk) for entry in found}) == len(found)
    return {entry.kind: entry.user_key for entry in found}


def candidates() -> dict[str, list[str]]:
    return {snapshot.id: snapshot.data["merge_candidates"] for snapshot in documents("user_profiles")}


def test_the_ninth_digit_makes_no_second_person(store: DocumentStore) -> None:
    write("wamid.1", wa_id=OLD_WA_ID)
    write("wamid.2", wa_id=PHONE)
    write("wamid.3", wa_id="+" + OLD_WA_ID)
    assert len(user_keys()) == 1
    assert len(documents("identities")) == 1


def test_who_came_without_phone_is_the_same_person_with_one(store: DocumentStore, outside: Outside) -> None:
    write("wamid.1", wa_id="", bsuid=BSUID)
    run_turns(outside)
    write("wamid.2", wa_id=PHONE, bsuid=BSUID)
    run_turns(outside)  # attaches the phone
    write("wamid.3", wa_id=OLD_WA_ID)
    assert len(user_keys()) == 1
    assert entries() == {"BSUID": user_keys()[0], "PHONE": user_keys()[0]}


def test_who_is_known_by_phone_gets_their_business_scoped_id(embedded_store: DocumentStore, outside: Outside) -> None:
    write("wamid.1", wa_id=PHONE)
    write("wamid.2", wa_id=PHONE, bsuid=BSUID)
    run_turns(outside)
    write("wamid.3", wa_id="", bsuid=BSUID)
    assert len(user_keys()) == 1


def test_the_profile_learns_both_and_forgets_neither(embedded_store: DocumentStore, outside: Outside) -> None:
    write("wamid.1", wa_id=OLD_WA_ID, bsuid=BSUID)
    run_turns(outside)
    write("wamid.2", wa_id="", bsuid=BSUID)
    run_turns(outside)
    profile = profiles.find(user_keys()[0])
    assert [revealed(profile, field) for field in ("phone", "wa_id", "bsuid")] == ["+" + PHONE, OLD_WA_ID, BSUID]
    assert {sent.recipient.wa_id for sent in outside.sent} == {OLD_WA_ID}
    assert all(message.sender is None for message in stored_messages())


def test_two_messages_of_one_new_person_in_one_delivery(store: DocumentStore) -> None:
    by_phone, by_both = (
        text_message("wamid.1", "oi", wa_id=PHONE),
        text_message("wamid.2", "oi", wa_id=OLD_WA_ID, bsuid=BSUID),
    )
    assert post(envelope(by_phone, by_both)).status_code == 200
    assert len(user_keys()) == 1


def test_a_username_counts_only_where_nothing_else_is_known(embedded_store: DocumentStore) -> None:
    """It can pass to another person."""
    write("wamid.1", wa_id="", bsuid="BR.1")
    message = text_message("wamid.2", "oi", bsuid="BR.2")
    del message["from"]
    contacts = [{"profile": {"name": "B", "username": "ana"}, "user_id": "BR.2"}]
    post(
        envelope() | envelope(message) | {"entry": [{"changes": [{"value": {**value(message), "contacts": contacts}}]}]}
    )
    assert len(user_keys()) == 2
    assert set(entries()) == {"BSUID"}


def test_a_username_alone_is_one_person_however_it_is_written(store: DocumentStore) -> None:
    first, again, other = (Sender(username=name) for name in ("ana.silva", "Ana.Silva", "ana.souza"))
    resolved = [resolve_senders([sender], now=timezone.now())[0].user_key for sender in (first, again, other)]
    assert resolved[0] == resolved[1] != resolved[2]
    assert [entry.data["kind"] for entry in documents("identities")] == ["USERNAME", "USERNAME"]


def test_two_first_messages_in_two_processes_make_one_person_and_one_profile(
    store: DocumentStore, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolution, "cache", NoCache())
    both = threading.Barrier(2, timeout=20)

    def deliver(wamid: str) -> int:
        try:
            body = envelope(text_message(wamid, "oi", wa_id=PHONE, bsuid=BSUID))
            both.wait()
            return post(body).status_code
        finally:
            connections.close_all()

    def work(user_key: str) -> None:
        try:
            both.wait()
            process(user_key=user_key, client=outside)  # type: ignore[arg-type]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(deliver, ["wamid.1", "wamid.2"])) == [200, 200]
        [user_key] = user_keys()
        list(pool.map(work, [user_key, user_key]))
    assert [profile.id for profile in documents("user_profiles")] == [user_key]
    assert entries() == {"BSUID": user_key, "PHONE": user_key}
    assert {message.state for message in stored_messages() if message.direction == "in"} == {"HANDLED"}


def value(*messages: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = envelope(*messages)["entry"][0]["changes"][0]["value"]
    return found


# --- Races ------------------------------------------------------------------------------------------------------------
class Overtaken(RecordingStore):
    """Between our looking and our creating, somebody else delivers the same new customer."""

    overtaken = False

    def write_many(self, writes: Sequence[Any]) -> list[Any]:
        if not self.overtaken and writes[0].path.startswith("identities/"):
            self.overtaken = True
            with use_store(self.inner):
                first = Sender(wa_id=OLD_WA_ID)
                self.winner = resolve_senders([first], now=writes[0].data["created_at"])[0].user_key
        return super().write_many(writes)


class OvertakenBy(RecordingStore):
    """The same, by a process whose ring of peppers is another one."""

    winner = ""

    def __init__(self, inner: DocumentStore, settings: Any, ring: str) -> None:
        super().__init__(inner)
        self.settings, self.ring = settings, ring

    def overtake(self) -> None:
        if self.winner:
            return
        ours, self.settings.PRIVACY_PEPPERS = self.settings.PRIVACY_PEPPERS, self.ring
        with use_store(self.inner):
            self.winner = resolve_senders([Sender(wa_id=PHONE)], now=timezone.now())[0].user_key
        self.settings.PRIVACY_PEPPERS = ours
        cache.clear()

    def write_many(self, writes: Sequence[Any]) -> list[Any]:
        self.overtake()
        return super().write_many(writes)

    def commit(self, writes: Sequence[Any]) -> dict[str, datetime]:
        self.overtake()
        return super().commit(writes)


class NoCache:
    def get_many(self, keys: Any) -> dict[str, str]:
        return {}

    def set_many(self, *args: Any) -> None: ...

    def delete_many(self, *args: Any) -> None: ...


@pytest.fixture
def overtaken(store: DocumentStore) -> Iterator[Overtaken]:
    with use_store(Overtaken(store)) as overtaken:
        yield overtaken


def test_who_loses_the_race_for_a_new_person_takes_the_winners_key(overtaken: Overtaken) -> None:
    messages = [text_message(f"wamid.{n}", "oi", wa_id=PHONE) for n in range(2)]
    assert post(envelope(*messages)).status_code == 200
    assert user_keys() == [overtaken.winner]
    assert post(envelope(text_message("wamid.9", "oi", wa_id=PHONE))).status_code == 200  # out of the cache
    assert user_keys() == [overtaken.winner]


def test_that_somebody_was_unknown_is_not_believed_for_a_minute(embedded_store: DocumentStore) -> None:
    """Another process may have met them by another identifier in the meantime: else one person becomes two."""
    post(sample("text"))  # fills this process's cache with what there is
    stranger = Sender(wa_id=PHONE, bsuid=BSUID)
    cache.set_many({f"identity:{key}": "" for kind, v in stranger.identifiers() for key in identity_keys(kind, v)})
    other = resolve_senders([Sender(wa_id=PHONE)], now=stored_messages()[0].received_at)
    cache.set_many({f"identity:{key}": "" for key in identity_keys("PHONE", "+" + PHONE)})
    post(envelope(text_message("wamid.2", "oi", wa_id=PHONE, bsuid=BSUID)))
    assert other[0].user_key in user_keys()


# --- One identifier, two people ---------------------------------------------------------------------------------------
def test_an_identifier_of_somebody_else_is_a_merge_candidate(store: DocumentStore, outside: Outside) -> None:
    write("wamid.1", wa_id=PHONE)
    [by_phone] = user_keys()
    write("wamid.2", wa_id="", bsuid=BSUID)
    by_bsuid = next(key for key in user_keys() if key != by_phone)
    write("wamid.3", wa_id=PHONE, bsuid=BSUID)
    run_turns(outside)
    assert candidates() == {by_phone: [], by_bsuid: [by_phone]}
    assert entries() == {"PHONE": by_phone, "BSUID": by_bsuid}
    assert len(outside.sent) == 2


def test_a_merge_candidate_is_found_under_the_previous_pepper_too(
    embedded_store: DocumentStore, outside: Outside, settings: Any
) -> None:
    write("wamid.1", wa_id=PHONE)
    [by_phone] = user_keys()
    write("wamid.2", wa_id="", bsuid=BSUID)
    settings.PRIVACY_PEPPERS = f"{NEW_PEPPER},{settings.PRIVACY_PEPPERS}"
    write("wamid.3", wa_id=PHONE, bsuid=BSUID)
    run_turns(outside)
    assert [by_phone] in candidates().values()
    entered = [(entry.data["kind"], entry.data["pepper_version"]) for entry in documents("identities")]
    assert sorted(entered) == [("BSUID", 1), ("BSUID", 2), ("PHONE", 1)]  # the phone is somebody else's


# --- Rotation of the pepper -------------------------------------------------------------------------------------------
def test_who_was_met_under_the_previous_pepper_is_known(store: DocumentStore, outside: Outside, settings: Any) -> None:
    write("wamid.1", wa_id=PHONE, bsuid=BSUID)
    run_turns(outside)
    settings.PRIVACY_PEPPERS = f"{NEW_PEPPER},{settings.PRIVACY_PEPPERS}"
    write("wamid.2", wa_id=OLD_WA_ID)
    write("wamid.3", wa_id="", bsuid=BSUID)
    run_turns(outside)
    assert len(user_keys()) == 1
    assert len(documents("identities")) == 4  # the turns gave each its twin under the new pepper
    assert {entry.data["user_key"] for entry in documents("identities")} == set(user_keys())
    settings.PRIVACY_PEPPERS = NEW_PEPPER
    write("wamid.4", wa_id=PHONE)
    write("wamid.5", wa_id="", bsuid=BSUID)
    assert len(user_keys()) == 1


def test_new_people_are_entered_under_every_pepper(store: DocumentStore, outside: Outside, settings: Any) -> None:
    """Processes that were started with another ring meet them under the one that both have."""
    settings.PRIVACY_PEPPERS = f"{NEW_PEPPER},{settings.PRIVACY_PEPPERS}"
    write("wamid.1", wa_id=PHONE)
    assert sorted((entry.id[:3], entry.data["pepper_version"]) for entry in documents("identities")) == BOTH
    write("wamid.2", wa_id=PHONE, bsuid=BSUID)
    run_turns(outside)  # attaches the other identifier
    versions = [(entry.data["kind"], entry.data["pepper_version"]) for entry in documents("identities")]
    assert sorted(versions) == [("BSUID", 1), ("BSUID", 2), ("PHONE", 1), ("PHONE", 2)]
    assert {entry.data["user_key"] for entry in documents("identities")} == set(user_keys())


OLD_PEPPER = "1:" + base64.b64encode(b"the-pepper-of-this-year-32-bytes").decode()
RINGS = [OLD_PEPPER, f"{OLD_PEPPER},{NEW_PEPPER}", f"{NEW_PEPPER},{OLD_PEPPER}", NEW_PEPPER]
NEIGHBOURS = [(one, other) for one in range(4) for other in range(4) if abs(one - other) <= 1]


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_processes_with_neighbouring_rings_make_one_person(
    embedded_store: DocumentStore, settings: Any, one: int, other: int
) -> None:
    """The other process delivers between our looking and our creating."""
    settings.PRIVACY_PEPPERS = RINGS[one]
    with use_store(OvertakenBy(embedded_store, settings, RINGS[other])) as store:
        [resolved] = resolve_senders([Sender(wa_id=PHONE)], now=timezone.now())
        assert resolved.user_key == store.winner
        assert resolved.sender.unattached == ()
    assert {entry.data["user_key"] for entry in documents("identities")} == {store.winner}


def test_threads_with_neighbouring_rings_make_one_person(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = threading.local()
    monkeypatch.setattr(hashing, "read_ring", lambda setting: keyring._parse(setting, ring.value))
    monkeypatch.setattr(resolution, "cache", NoCache())  # as in two processes
    phones = [f"55429999{number:05}" for number in range(4)]

    def resolve(value: str) -> list[str]:
        ring.value = value
        try:
            return [resolve_senders([Sender(wa_id=phone)], now=timezone.now())[0].user_key for phone in phones]
        finally:
            connections.close_all()

    for one, other in pairwise(RINGS):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(resolve, [one, other, one, other]))
        assert all(answer == answers[0] for answer in answers)
        for entry in documents("identities"):
            get_store().delete(entry.path)


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_an_identifier_is_attached_to_one_person_whatever_the_rings(
    embedded_store: DocumentStore, outside: Outside, settings: Any, one: int, other: int
) -> None:
    """While a turn is about to attach the phone, it becomes somebody else's in another process."""
    settings.PRIVACY_PEPPERS = RINGS[one]
    write("wamid.1", wa_id="", bsuid=BSUID)
    [user_key] = user_keys()
    write("wamid.2", wa_id=PHONE, bsuid=BSUID)
    with use_store(OvertakenBy(embedded_store, settings, RINGS[other])) as store:
        process(user_key=user_key, client=outside)  # type: ignore[arg-type]
    phones = {entry.data["user_key"] for entry in documents("identities") if entry.data["kind"] == "PHONE"}
    assert phones == {store.winner}
    assert candidates() == {user_key: [store.winner]}
    assert len(outside.sent) == 1


# --- In any order -----------------------------------------------------------------------------------------------------
SENDERS = st.sampled_from([{"wa_id": PHONE}, {"wa_id": OLD_WA_ID}, {"bsuid": BSUID}, {"wa_id": PHONE, "bsuid": BSUID}])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(SENDERS, min_size=1, max_size=3), min_size=1, max_size=4), st.booleans())
def test_every_message_is_kept_once_and_two_people_of_one_are_noticed(
    embedded_store: DocumentStore, valkey: Any, deliveries: list[list[dict[str, str]]], forgets: bool
) -> None:
    outside, number = Outside(), 0
    for senders in deliveries:
        messages = []
        for sender in senders:
            number += 1
            message = text_message(f"wamid.{number}", "oi", **{"wa_id": "", **sender})
            messages.append({key: content for key, content in message.items() if content != ""})
        assert post(envelope(*messages)).status_code == 200
        if forgets:
            cache.clear()
        run_turns(outside)
    inbound = [message for message in stored_messages() if message.direction == "in"]
    both_seen = any("bsuid" in sender and "wa_id" in sender for senders in deliveries for sender in senders)
    people, noticed = len(user_keys()), any(candidates().values())
    for collection, group in ALL.items():
        for snapshot in documents(collection, group=group):
            embedded_store.delete(snapshot.path)
    valkey.flushall()
    cache.clear()
    assert len(inbound) == number
    assert people <= 2
    assert people == 1 or not both_seen or noticed


ALL = {
    "messages": True, "conversations": False, "identities": False, "user_profiles": False, "sessions": False,
    "handoffs": False, "audit_logs": False, "classifications": False,
}  # fmt: skip
