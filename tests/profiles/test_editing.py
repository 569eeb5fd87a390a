"""Staff correct a profile: checked, once, without taking anything from somebody else, and with a trace."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.chain import verify
from conversations.services.merging import merge
from profiles.facts import clean_text
from profiles.models import Identity, UserProfile
from profiles.services import editing
from profiles.services.editing import (
    InvalidProfile,
    ProfileChanged,
    ProfileMerged,
    Refusal,
    cleaned,
    edit_profile,
    version_of,
)
from profiles.services.history import history, values_of
from profiles.services.search import Found, search
from profiles.stores import MergeStore, UserProfileStore
from pyloto.documents import Create, DocumentStore, NotFound, get_store, use_store
from tests.conversations.kept import documents
from tests.lab import canaries, hostile
from tests.lab.faulty_store import FaultyStore

from .people import NOW, PHONE, STAFF_USER, WA_ID, events, writes, written_down

profiles = UserProfileStore()
OTHER = "+5542999990002"
LATER = NOW + timedelta(minutes=1)


def edit(profile: UserProfile, version: str = "", **changes: Any) -> UserProfile:
    return edit_profile(
        user_key=profile.pk,
        changes=changes,
        expected_version=version or version_of(profile),
        actor=STAFF_USER,
        now=LATER,
    )


def owners() -> set[tuple[str, str]]:
    """(customer, evidence) of each identity entry."""
    found = [Identity.from_snapshot(snapshot) for snapshot in documents("identities")]
    return {(entry.user_key, entry.evidence) for entry in found}


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"phone": "123"}, {"phone": Refusal.NOT_A_PHONE}),
        ({"phone": "quarenta e dois"}, {"phone": Refusal.NOT_A_PHONE}),
        ({"name": "x" * 201}, {"name": Refusal.TOO_LONG}),
        ({"name": None, "city": 3}, {"name": Refusal.WRONG_TYPE, "city": Refusal.WRONG_TYPE}),
        ({"is_business": "sim"}, {"is_business": Refusal.WRONG_TYPE}),
        ({"wa_id": "x"}, {"wa_id": Refusal.UNKNOWN_FIELD}),
        ({"nickname": "x", "role": "y" * 121}, {"nickname": Refusal.UNKNOWN_FIELD, "role": Refusal.TOO_LONG}),
    ],
)
def test_what_a_field_cannot_hold_is_refused_by_its_name(changes: dict[str, Any], errors: dict[str, Any]) -> None:
    with pytest.raises(InvalidProfile) as refused:
        cleaned(changes)
    assert refused.value.errors == errors
    assert not any(str(value) in str(refused.value) for value in changes.values() if value)


@given(st.text(alphabet=st.characters()) | st.sampled_from(hostile.texts(500)))
def test_any_text_becomes_one_visible_line(text: str) -> None:
    once = clean_text(text)
    assert once == clean_text(once)
    once.encode()  # no lone surrogates: the store refuses them
    assert once.isprintable() or once == ""


def test_an_edit_is_stored_told_and_audited(store: DocumentStore) -> None:
    ana = written_down()
    edited = edit(ana, name="  Ana\tLúcia ", city="Irati", is_business=True, role="sócia")
    assert (edited.name, edited.city, edited.is_business, edited.role) == ("Ana Lúcia", "Irati", True, "sócia")
    assert search("lucia") == search("irati") == Found([ana.pk])
    newest, first = history(ana.pk).changes
    assert (newest.actor, newest.at) == (STAFF_USER, LATER)
    assert values_of(newest) == {
        "name": ["Ana Souza", "Ana Lúcia"],
        "city": ["", "Irati"],
        "is_business": [None, True],
        "role": ["", "sócia"],
    }
    assert values_of(first) == {"phone": ["", PHONE], "name": ["", "Ana Souza"]}
    created, updated = events("PROFILE_UPDATED")
    assert created.metadata == {"fields": ["name", "phone"], "user_key": ana.pk}
    assert updated.metadata == {"fields": ["city", "is_business", "name", "role"], "user_key": ana.pk}
    assert updated.actor == STAFF_USER


def test_what_is_the_same_already_leaves_no_trace(embedded_store: DocumentStore) -> None:
    ana = written_down()
    edit(ana, name="Ana Souza ", phone="42 9999-0001", city="")
    assert len(events("PROFILE_UPDATED")) == len(documents("history", group=True)) == 1


@pytest.mark.usefixtures("valkey")
def test_an_edit_of_a_customer_who_writes_stands_in_the_trail_of_the_conversation(store: DocumentStore) -> None:
    key = writes("wamid.1")
    edit(profiles.get(key), city="Irati")
    (event,) = events("PROFILE_UPDATED")
    trail = [s.data for s in documents("audit_logs") if s.data["conversation_id"] == event.conversation_id]
    assert event.metadata == {"fields": ["city"]}
    assert verify(event.conversation_id, sorted(trail, key=lambda e: e["seq"])) == []


@pytest.mark.usefixtures("valkey")
def test_a_form_that_shows_old_values_is_refused_and_one_shown_before_a_message_is_not(
    embedded_store: DocumentStore,
) -> None:
    key = writes("wamid.1")
    shown = profiles.get(key)
    writes("wamid.2")
    assert profiles.get(key).update_time != shown.update_time
    edit(shown, city="Irati")
    with pytest.raises(ProfileChanged):
        edit(shown, city="Castro")
    assert profiles.get(key).city == "Irati"


def test_of_two_edits_at_once_one_is_refused(store: DocumentStore) -> None:
    """Whoever comes between reading and commit is seen: no change is lost, and none is told twice."""
    ana = written_down()
    version = version_of(ana)
    faulty = FaultyStore(store)

    def rival() -> None:
        with use_store(store):
            edit(ana, version, city="Castro")

    faulty.before_commits = [rival]
    with use_store(faulty), pytest.raises(ProfileChanged):
        edit(ana, version, city="Irati")
    assert profiles.get(ana.pk).city == "Castro"
    assert len(events("PROFILE_UPDATED")) == len(documents("history", group=True)) == 2


@pytest.mark.usefixtures("valkey")
def test_a_message_that_comes_between_refuses_no_edit(store: DocumentStore) -> None:
    key = writes("wamid.1")
    shown = profiles.get(key)
    faulty = FaultyStore(store)
    faulty.before_commits = [lambda: writes("wamid.2", username="ana.s")]
    with use_store(faulty):
        edited = edit(shown, city="Irati")
    assert (edited.city, edited.reveal("username")) == ("Irati", "ana.s")
    assert [change.actor for change in history(key).changes].count(STAFF_USER) == 1


@pytest.mark.usefixtures("valkey")
def test_an_edit_whose_answer_is_lost_is_made_once(embedded_store: DocumentStore) -> None:
    key = writes("wamid.1")
    faulty = FaultyStore(embedded_store)
    faulty.lose_commit_answer()
    with use_store(faulty):
        assert edit(profiles.get(key), city="Irati").city == "Irati"
    assert len(events("PROFILE_UPDATED")) == 1


def test_the_version_in_the_form_tells_nothing_to_who_has_not_our_key(
    embedded_store: DocumentStore, settings: Any
) -> None:
    """Who sees it may not know the phone: its few hidden digits are soon tried out where no key is needed."""
    ana = written_down()
    version = version_of(ana)
    assert version == version_of(profiles.get(ana.pk))
    settings.SECRET_KEY = "another"
    assert version_of(ana) != version


@pytest.mark.usefixtures("valkey")
def test_a_customer_who_is_merged_meanwhile_is_not_edited(embedded_store: DocumentStore) -> None:
    ana, rui = writes("wamid.1"), written_down(name="Rui", phone=OTHER).pk
    faulty = FaultyStore(embedded_store)

    def rival() -> None:
        with use_store(embedded_store):
            merge(source=ana, target=rui, actor=STAFF_USER, now=NOW)

    faulty.before_commits = [rival]
    with use_store(faulty), pytest.raises(ProfileMerged) as refused:
        edit(profiles.get(ana), city="Irati")
    assert (refused.value.target, profiles.get(ana).city) == (rui, "")


# --- Phones -----------------------------------------------------------------------------------------------------------
def test_who_writes_from_a_phone_that_staff_wrote_down_is_that_customer(store: DocumentStore, valkey: object) -> None:
    ana = written_down()
    assert writes("wamid.1", name="Aninha") == ana.pk
    profile = profiles.get(ana.pk)
    assert (profile.name, profile.reveal("wa_id"), profile.reveal("phone")) == ("Ana Souza", WA_ID, PHONE)


def test_a_phone_of_somebody_else_is_refused_and_names_them(store: DocumentStore) -> None:
    ana, rui = written_down(), written_down(name="Rui", phone=OTHER)
    with pytest.raises(InvalidProfile) as refused:
        edit(rui, phone="(42) 99999-0001")
    assert refused.value.errors == {"phone": Refusal.PHONE_TAKEN}
    assert refused.value.owner == ana.pk
    with pytest.raises(InvalidProfile) as refused:
        written_down(name="Ana de novo")
    assert refused.value.owner == ana.pk
    assert len(documents("user_profiles")) == 2
    assert search(PHONE) == Found([ana.pk])


def test_a_phone_that_staff_mistyped_is_nobodys_once_it_is_corrected(store: DocumentStore) -> None:
    ana = written_down()
    edit(ana, phone=OTHER)
    assert search(PHONE) == Found([])
    assert search(OTHER) == Found([ana.pk])
    edit(profiles.get(ana.pk), phone="")
    assert search(OTHER) == Found([])
    assert profiles.get(ana.pk).phone is None


@pytest.mark.usefixtures("valkey")
def test_a_phone_that_the_customer_writes_from_stays_theirs(embedded_store: DocumentStore) -> None:
    key = writes("wamid.1")
    with pytest.raises(InvalidProfile) as refused:
        edit(profiles.get(key), phone="")
    assert refused.value.errors == {"phone": Refusal.PHONE_IN_USE}
    edit(profiles.get(key), phone=OTHER)
    assert search(PHONE) == search(OTHER) == Found([key])
    assert owners() == {(key, "webhook"), (key, "staff")}
    assert writes("wamid.2") == key
    assert profiles.get(key).reveal("phone") == OTHER  # the next message does not undo it
    assert profiles.get(key).reveal("wa_id") == WA_ID


def test_a_phone_that_somebody_takes_meanwhile_is_not_taken_from_them(store: DocumentStore) -> None:
    ana = written_down()
    faulty = FaultyStore(store)

    def rival() -> None:
        with use_store(store):
            written_down(name="Rui", phone=OTHER)

    faulty.before_commits = [rival]
    with use_store(faulty), pytest.raises(InvalidProfile) as refused:
        edit(ana, phone=OTHER)
    assert refused.value.errors == {"phone": Refusal.PHONE_TAKEN}
    assert profiles.get(ana.pk).reveal("phone") == PHONE


def test_of_many_who_write_one_customer_down_at_once_one_does(store: DocumentStore) -> None:
    outcomes: list[Any] = []

    def attempt() -> None:
        try:
            outcomes.append(written_down().pk)
        except InvalidProfile as refused:
            outcomes.append(refused)

    run_together(attempt, 4)
    (created,) = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert [s.id for s in documents("user_profiles")] == [created]
    assert {outcome.owner for outcome in outcomes if outcome != created} == {created}


@pytest.mark.usefixtures("valkey")
def test_two_first_messages_of_one_person_at_once_make_one_profile(store: DocumentStore) -> None:
    from tests.conversations.deliveries import envelope, post, text_message
    from tests.conversations.kept import run_turns
    from tests.conversations.outside import Outside

    spellings = iter(["554299990001", "5542999990001", "+554299990001", "5542999990001"])
    statuses: list[int] = []

    def deliver() -> None:
        wa_id = next(spellings)
        statuses.append(post(envelope(text_message(f"wamid.{wa_id}{len(wa_id)}", "oi", wa_id=wa_id))).status_code)

    run_together(deliver, 3)
    assert statuses == [200, 200, 200]
    run_turns(Outside())
    assert len(documents("user_profiles")) == len(documents("identities")) == 1


def run_together(work: Callable[[], None], count: int) -> None:
    from django.db import connections

    start = threading.Barrier(count)

    def run() -> None:
        start.wait()
        try:
            work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- Who is not there -------------------------------------------------------------------------------------------------
def test_who_is_not_there_cannot_be_edited(embedded_store: DocumentStore) -> None:
    with pytest.raises(NotFound):
        edit_profile(user_key="nobody", changes={"city": "x"}, expected_version="", actor=STAFF_USER, now=NOW)


def test_who_was_merged_is_edited_as_the_customer_that_they_are_now(embedded_store: DocumentStore) -> None:
    ana, rui = written_down(), written_down(name="Rui", phone=OTHER)
    merge = {"source": ana.pk, "target": rui.pk, "merged_by": STAFF_USER, "merged_at": NOW}
    get_store().commit([Create(MergeStore.path("m1"), merge)])
    with pytest.raises(ProfileMerged) as refused:
        edit(ana, city="Irati")
    assert refused.value.target == rui.pk


def test_nothing_unlisted_is_stored_about_anybody(embedded_store: DocumentStore) -> None:
    with pytest.raises(ValueError, match="religion"):
        profiles.write("ana", {"religion": "x"})


@pytest.mark.usefixtures("valkey")
def test_edits_leave_no_personal_data_in_logs_and_trail(
    embedded_store: DocumentStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = written_down(phone=canaries.PHONE, name=canaries.NAME)
    with pytest.raises(InvalidProfile):
        written_down(phone=canaries.PHONE, name=canaries.NAME)
    edit(ana, name=f"{canaries.NAME} Neto", phone=OTHER)
    stored = repr([s.data for s in documents("audit_logs")]) + repr([s.data for s in documents("history", group=True)])
    assert canaries.find_canaries(caplog.text + stored) == []
    monkeypatch.setattr(editing, "TRIES", 0)
    with pytest.raises(editing.ProfileContended) as contended:
        edit(profiles.get(ana.pk), city=canaries.NAME)
    assert canaries.find_canaries(str(contended.value)) == []
