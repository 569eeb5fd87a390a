"""A message that comes in under the key of somebody who is gone finds its customer, and is answered there, once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from django.utils import timezone

from audit import EventType
from conversations import tasks
from conversations.models import Conversation, Message, Mode
from conversations.services import moving
from conversations.services.merging import merge, undo
from conversations.services.sessions import SessionManager
from conversations.services.sweep import find_still
from conversations.services.turns import process
from conversations.whatsapp.client import Rejected
from conversations.whatsapp.errors import ErrorClass
from profiles.identifiers import Sender
from profiles.models import Erasure
from profiles.services import erasure
from profiles.services.resolution import resolve_senders
from profiles.stores import ErasureStore, IdentityStore
from pyloto.documents import AlreadyExists, Create, Delete, NotFound, PreconditionFailed, Unavailable, Update, use_store
from pyloto.observability.metrics import STATUSES_UNMATCHED
from pyloto.privacy.hashing import identity_keys
from tests.lab.canaries import BSUID, NAME, WA_ID, find_canaries, planted_wamid
from tests.lab.faulty_store import Fault, FaultyStore

from . import invariants
from .customer import Customer
from .deliveries import envelope, post, text_message
from .kept import documents, revealed, sample, stored_messages
from .outside import Outside, WorkerDied

PHONE = "5542999990001"
GONE = ["marked as erased", "gone altogether"]
ONE_ADAPTER = pytest.mark.parametrize("store", ["embedded"], indirect=True)  # no store could tell a difference


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery", "merging"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


def erase(customer: Customer, *, how: str = GONE[0]) -> None:
    """As an erasure leaves the documents, at its first commit or at its last one. Other processes' caches know nothing."""
    now, store, path = timezone.now(), customer.store.inner, f"conversations/{customer.user_key}"
    journal = Erasure(id=customer.user_key, reason=Erasure.Reason.REQUEST, requested_by="user:7", requested_at=now)
    entries = IdentityStore().of(customer.user_key, limit=50)
    header: Any = Update(path, {"status": Conversation.Status.ERASED.value, "session_id": None})
    header = header if how == GONE[0] else Delete(path)
    removed = [Delete(f"identities/{entry.pk}") for entry in entries]
    store.commit([header, Create(ErasureStore.path(customer.user_key), journal.to_document()), *removed])


def comes_late(gone: str, wamid: str, text: str = "oi de novo", **fields: Any) -> None:
    """A delivery that a process takes in which still has the old key in its cache."""
    senders = [Sender(wa_id=PHONE), Sender(bsuid=BSUID)]
    ids = [key for sender in senders for kind, value in sender.identifiers() for key in identity_keys(kind, value)]
    cache.set_many({f"identity:{key}": gone for key in ids}, 60)
    assert post(envelope(text_message(wamid, text, wa_id=PHONE) | fields)).status_code == 200


def serve(user_key: str, outside: Outside) -> frozenset[str]:
    return process(user_key=user_key, client=outside).ring  # type: ignore[arg-type]


def serve_all(outside: Outside) -> None:
    for _ in range(3):
        for user_key in sorted({message.path.split("/")[1] for message in stored_messages()}):
            serve(user_key, outside)


def below(user_key: str) -> list[Message]:
    return [message for message in stored_messages() if message.path.split("/")[1] == user_key]


@pytest.fixture
def gone(customer: Customer) -> str:
    """The key of somebody who was answered and then erased; what is left of them waits to be deleted."""
    customer.writes("oi").is_served()
    erase(customer)
    return customer.user_key


def newcomer(customer: Customer) -> Customer:
    """Whom the phone leads to now."""
    other = Customer(customer.store, customer.outside)
    cache.clear()
    other._user_key = resolve_senders([Sender(wa_id=PHONE)], now=timezone.now())[0].user_key
    return other


# --- Erased -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", GONE)
def test_who_writes_after_their_erasure_is_somebody_new(customer: Customer, how: str) -> None:
    customer.writes("oi").is_served()
    gone = customer.user_key
    erase(customer, how=how)
    left = len(below(gone))
    comes_late(gone, "wamid.late")
    [ring] = serve(gone, customer.outside)
    new = newcomer(customer)
    assert ring == new.user_key != gone
    assert [revealed(message, "provider_message_id") for message in new.received] == ["wamid.late"]
    assert len(below(gone)) == left
    new.is_served()
    assert [message.state for message in new.received] == ["HANDLED"]
    assert new.replies[0].state == "SENT"
    assert new.header.conversation_id != customer.store.inner.get(f"erasures/{gone}").id
    invariants.check(new)
    customer._user_key = new.user_key


@ONE_ADAPTER
def test_the_workers_ring_for_the_new_one(customer: Customer, gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rings: list[dict[str, timedelta]] = []
    monkeypatch.setattr(tasks.doorbell, "ring", lambda waits, files=(): rings.append(dict(waits)))
    monkeypatch.setattr(tasks, "create_client", lambda: customer.outside)
    comes_late(gone, "wamid.late")
    tasks.process_conversation(gone)
    assert rings[-1] == {newcomer(customer).user_key: timedelta(0)}
    customer._user_key = ""


@ONE_ADAPTER
def test_several_messages_find_the_same_new_customer(customer: Customer, gone: str) -> None:
    for number in range(3):
        comes_late(gone, f"wamid.late{number}")
    serve(gone, customer.outside)
    new = newcomer(customer)
    new.is_served()
    assert len(new.received) == 3
    assert len(customer.outside.sent) == 2  # to the one before, and to them
    customer._user_key = new.user_key


def test_what_came_before_the_request_is_erased_and_nothing_is_sent(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.writes("Onde fica a empresa?").is_served()
    customer.writes("apaguem tudo")
    sent = len(customer.outside.sent)
    assert customer.states == ["SENT", "QUEUED"]
    erase(customer)
    clock.shift(60)
    assert serve(customer.user_key, customer.outside) == frozenset()
    assert len(customer.outside.sent) == sent
    assert [message.state for message in below(customer.user_key)] == ["HANDLED", "SENT", "HANDLED"]
    assert documents("identities") == []
    customer._user_key = ""


@ONE_ADAPTER
def test_an_echo_is_a_takeover_of_the_new_ones_conversation(customer: Customer, gone: str) -> None:
    cache.set_many({f"identity:{key}": gone for key in identity_keys("PHONE", f"+{PHONE}")}, 60)
    customer.is_answered_on_the_phone("Olá de novo")
    serve(gone, customer.outside)
    new = newcomer(customer)
    new.is_served()
    assert (new.header.mode, [echo.text for echo in new.echoes]) == (Mode.HUMAN, ["Olá de novo"])
    assert len(customer.outside.sent) == 1
    customer._user_key = new.user_key


def test_an_entry_that_still_leads_to_the_erased_one_is_removed(customer: Customer, gone: str) -> None:
    """A turn had attached it between the two commits of the erasure."""
    [entry] = IdentityStore().new(
        identity_ids=identity_keys("PHONE", f"+{PHONE}"), user_key=gone, kind="PHONE", evidence="x", now=timezone.now()
    )
    customer.store.inner.commit([entry])
    comes_late(gone, "wamid.late")
    [ring] = serve(gone, customer.outside)
    assert ring == newcomer(customer).user_key != gone
    assert [snapshot.data["user_key"] for snapshot in documents("identities")] == [ring]
    customer._user_key = ""


def test_all_that_is_encrypted_can_be_read_at_its_new_place(customer: Customer, gone: str) -> None:
    contacts = sample("contacts")["entry"][0]["changes"][0]["value"]["messages"][0]
    comes_late(gone, "wamid.late", type="contacts", contacts=contacts["contacts"])
    serve(gone, customer.outside)
    [moved] = below(newcomer(customer).user_key)
    assert json.loads(revealed(moved, "payload.raw")) == contacts["contacts"]
    assert json.loads(revealed(moved, "sender"))["wa_id"] == PHONE
    assert revealed(moved, "provider_message_id") == "wamid.late"
    customer._user_key = ""


@ONE_ADAPTER
def test_a_notice_of_a_number_change_moves_with_what_it_brings(customer: Customer, gone: str) -> None:
    notice = {"type": "system", "system": {"type": "user_changed_number", "wa_id": "5542999990102"}}
    comes_late(gone, "wamid.late", **notice)
    serve(gone, customer.outside)
    new = newcomer(customer)
    new.is_served()
    assert resolve_senders([Sender(wa_id="5542999990102")], now=timezone.now())[0].user_key == new.user_key
    customer._user_key = new.user_key


@ONE_ADAPTER
def test_a_message_that_cannot_be_read_stays_and_holds_nothing_back(
    customer: Customer, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    comes_late(gone, "wamid.late1")
    comes_late(gone, "wamid.late2")
    first = next(message for message in below(gone) if message.state == "RECEIVED")
    customer.store.inner.commit([Update(first.path, {"sender": "1.broken"})])
    serve(gone, customer.outside)
    assert [revealed(message, "provider_message_id") for message in below(newcomer(customer).user_key)] == [
        "wamid.late2"
    ]
    [stays] = [message for message in below(gone) if message.path == first.path]
    assert (stays.state, stays.due) == ("RECEIVED", None)
    told = [record for record in caplog.records if "message_not_moved" in record.getMessage()]
    serve(gone, customer.outside)
    assert len(told) == len([r for r in caplog.records if "message_not_moved" in r.getMessage()]) == 1
    assert gone not in find_still(now=timezone.now() + timedelta(minutes=5))
    customer._user_key = ""


@ONE_ADAPTER
def test_statuses_of_what_is_gone_are_counted_and_harmless(customer: Customer, gone: str) -> None:
    reply = customer.replies[0]
    customer.store.inner.delete(reply.path)
    before = STATUSES_UNMATCHED._value.get()
    customer.status_arrives(f"{gone}.{reply.pk}")
    assert STATUSES_UNMATCHED._value.get() == before + 1
    customer._user_key = ""


@ONE_ADAPTER
def test_the_timeouts_job_leaves_the_erased_alone(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    erase(customer)
    clock.shift(timedelta(minutes=32))
    assert SessionManager().check_timeouts(now=timezone.now()) == []
    assert len(customer.outside.sent) == 1
    customer._user_key = ""


@ONE_ADAPTER
def test_a_real_erasure_keeps_its_hands_off_the_new_one(customer: Customer, clock: Any) -> None:
    """Late messages come in while it goes on, and after its last look when even the header is gone."""
    customer.writes("Sou o cliente", "oi").is_served()
    gone = customer.user_key
    asked = {"user_key": gone, "reason": Erasure.Reason.REQUEST, "actor": "user:7"}
    erasure.begin(**asked, now=timezone.now())  # type: ignore[arg-type]
    clock.shift(1)
    comes_late(gone, "wamid.late1")
    erasure.resume(gone, timezone.now())
    [ring] = serve(gone, customer.outside)
    serve(ring, customer.outside)
    clock.shift(timedelta(minutes=3))
    erasure.resume(gone, timezone.now())
    assert customer.store.inner.get_many([f"conversations/{gone}"]) == {}
    comes_late(gone, "wamid.late2")
    assert serve(gone, customer.outside) == {ring}
    serve(ring, customer.outside)
    new = newcomer(customer)
    assert new.user_key == ring
    assert [message.state for message in new.received] == ["HANDLED", "HANDLED"]
    assert below(gone) == []
    invariants.check(new)
    customer._user_key = ring


# --- Merged -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def twins(customer: Customer) -> tuple[Customer, Customer]:
    """Two who are one person; the first is known by `PHONE`."""
    other = Customer(customer.store, customer.outside, wa_id="5542999990002")
    customer.writes("oi").is_served()
    other.writes("oi").is_served()
    return customer, other


def test_a_message_that_lands_at_who_was_merged_follows_them(twins: tuple[Customer, Customer]) -> None:
    source, target = twins
    merge(source=source.user_key, target=target.user_key, actor="user:7", now=timezone.now())
    comes_late(source.user_key, "wamid.late", "Onde fica a empresa?")
    assert serve(source.user_key, source.outside) == {target.user_key}
    target.is_served()
    assert [len(source.received), len(target.received)] == [1, 2]
    assert len(source.outside.sent) == 3
    assert target.outside.sent[-1].recipient.wa_id == PHONE  # where they wrote from
    invariants.check(target)


@ONE_ADAPTER
def test_a_merge_that_was_undone_meanwhile_moves_nothing(twins: tuple[Customer, Customer]) -> None:
    source, target = twins
    done = merge(source=source.user_key, target=target.user_key, actor="user:7", now=timezone.now())
    comes_late(source.user_key, "wamid.late", "Onde fica a empresa?")
    resolve = moving._owner_of

    def undone_first(sender: Sender, **times: Any) -> Any:
        undo(merge_id=done.pk, actor="user:7", now=timezone.now())
        return resolve(sender, **times)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "_owner_of", undone_first)
        assert serve(source.user_key, source.outside) == {source.user_key}
    source.is_served()
    assert [len(source.received), len(target.received)] == [2, 1]
    assert len(source.outside.sent) == 3


# --- However it ends --------------------------------------------------------------------------------------------------
RACES = (PreconditionFailed("message"), AlreadyExists("message"), NotFound("message"), Unavailable("commit"))
FAULTS = [*map(Fault, RACES), Fault(Unavailable("no answer"), applied=True)]


def assert_answered_once(customer: Customer, gone: str) -> None:
    new = newcomer(customer)
    assert [message.state for message in new.received] == ["HANDLED"]
    assert [message.state for message in below(gone)] == ["HANDLED", "SENT"]  # what was there before
    assert len(customer.outside.sent) == 2
    assert len(new.events(EventType.USER_CONTACT)) == 1
    invariants.check(new)
    customer._user_key = new.user_key


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_move_is_made_once_however_its_commit_ends(customer: Customer, gone: str, fault: Fault) -> None:
    comes_late(gone, "wamid.late")
    customer.store.commit_faults.append(fault)
    serve_all(customer.outside)
    assert_answered_once(customer, gone)


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_a_worker_that_dies_at_the_move_is_followed_by_another(customer: Customer, gone: str, applied: bool) -> None:
    comes_late(gone, "wamid.late")
    customer.store.commit_faults.append(Fault(WorkerDied(), applied))
    with pytest.raises(WorkerDied):
        serve(gone, customer.outside)
    serve_all(customer.outside)
    assert_answered_once(customer, gone)


def test_a_worker_that_was_faster_leaves_nothing_to_move(customer: Customer, gone: str) -> None:
    comes_late(gone, "wamid.late")
    customer.store.before_commits.append(lambda: serve_all(customer.outside))
    serve_all(customer.outside)
    assert_answered_once(customer, gone)


def test_meta_may_send_it_again_before_it_is_moved(customer: Customer, gone: str, valkey: Any) -> None:
    comes_late(gone, "wamid.late")
    valkey.flushall()  # the marks of messages that were taken in
    cache.clear()
    assert post(envelope(text_message("wamid.late", "oi de novo", wa_id=PHONE))).status_code == 200
    serve_all(customer.outside)
    assert_answered_once(customer, gone)


def test_an_erasure_during_the_turn_makes_the_next_try_a_move(customer: Customer) -> None:
    """The turn has read a conversation that is open; its message came after the request."""
    customer.writes("oi").is_served()
    gone = customer.user_key

    def erased_and_written_to() -> None:
        erase(customer)
        comes_late(gone, "wamid.late")

    customer.writes("apaguem tudo")
    customer.store.before_commits.append(erased_and_written_to)
    serve(gone, customer.outside)
    serve_all(customer.outside)
    assert_answered_once(customer, gone)


def test_two_workers_at_once_move_it_once(embedded_store: Any, valkey: object) -> None:
    customer = Customer(FaultyStore(embedded_store), Outside())
    customer.writes("oi").is_served()
    gone = customer.user_key
    erase(customer)
    comes_late(gone, "wamid.late")
    both = threading.Barrier(2, timeout=20)
    find = moving._owner_of

    def together(sender: Sender, **times: Any) -> Any:
        owner = find(sender, **times)
        both.wait()
        return owner

    def work() -> None:
        try:
            serve(gone, customer.outside)
        finally:
            connections.close_all()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "_owner_of", together)
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(work) for _ in range(2)]:
                done.result()
    serve_all(customer.outside)
    assert_answered_once(customer, gone)


def test_nothing_personal_is_logged(embedded_store: Any, valkey: object, capsys: pytest.CaptureFixture[str]) -> None:
    with use_store(FaultyStore(embedded_store)) as store:
        customer = Customer(store, Outside(), wa_id=WA_ID)
        customer.writes("oi").is_served()
        erase(customer)
        keys = identity_keys("PHONE", "+5542998761234")
        cache.set_many({f"identity:{key}": customer.user_key for key in keys}, 60)
        message = text_message(planted_wamid(), f"Sou {NAME}", wa_id=WA_ID)
        assert post(envelope(message, name=NAME)).status_code == 200
        capsys.readouterr()
        serve(customer.user_key, customer.outside)
    logged = capsys.readouterr().out
    assert "message_moved" in logged
    assert find_canaries(logged) == []
