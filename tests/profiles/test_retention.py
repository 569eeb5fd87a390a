"""Data go when their time is over, kind by kind; a legal hold keeps them, and what is still open stays."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone

from audit import EventType
from conversations.models import Conversation, MessageState, Quarantined
from conversations.services import merging, silence
from conversations.services.sessions import SessionManager
from profiles import tasks
from profiles.models import Erasure, UserProfile
from profiles.services import erasure, retention
from profiles.services.retention import Applied, apply_retention, held_keys, hold, release_hold
from pyloto.documents import NotFound, Unavailable, get_store
from pyloto.privacy import registry
from pyloto.privacy.registry import retention_rules
from tests.conversations.deliveries import envelope, post, text_message
from tests.conversations.kept import documents, run_turns, stored_messages
from tests.conversations.outside import Outside
from tests.lab.canaries import NAME, WA_ID, find_canaries
from tests.lab.faulty_store import Fault, FaultyStore

from .people import events, writes

DAY = timedelta(days=1)
REASON = UserProfile.HoldReason.LAWSUIT
embedded = pytest.mark.parametrize("store", ["embedded"], indirect=True)
pytestmark = pytest.mark.usefixtures("valkey")


@pytest.fixture(autouse=True)
def terms(settings: Any) -> None:
    settings.RETENTION_MESSAGES_DAYS = 100
    settings.RETENTION_SESSIONS_DAYS = 200
    settings.RETENTION_CLASSIFICATIONS_DAYS = 50
    settings.RETENTION_HISTORY_DAYS = 150
    settings.RETENTION_QUARANTINE_DAYS = 30
    settings.RETENTION_CUSTOMERS_DAYS = 1000


def talked(number: int = 1, body: str = "oi") -> str:
    """Somebody wrote, was answered, and fell silent: their session is closed."""
    user_key = writes(f"wamid.{number}{body}", wa_id=f"554299999000{number}", body=body)
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        SessionManager().check_timeouts(now=timezone.now())
    return user_key


def applied(**arguments: Any) -> Applied:
    return apply_retention(now=timezone.now(), **arguments)


def texts() -> set[str]:
    return {message.text for message in stored_messages()}


def left(*collections: str) -> list[int]:
    return [len(documents(collection, group=collection == "history")) for collection in collections]


def header(user_key: str) -> Conversation:
    return Conversation.from_snapshot(get_store().get(f"conversations/{user_key}"))


# --- kind by kind -----------------------------------------------------------------------------------------------------
def test_each_kind_goes_at_its_time_and_the_rest_stays(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    user_key = talked(body="antiga")
    clock.shift(90 * DAY)
    writes("wamid.2", wa_id="5542999990001", body="recente")
    assert left("classifications") == [2]
    done = applied()
    assert (done.removed["ai.classifications"], done.removed["conversations.messages"]) == (1, 0)
    clock.shift(11 * DAY)  # the first message is 101 days old
    applied()
    assert "recente" in texts()
    assert "antiga" not in texts()
    assert left("sessions", "history") == [2, 1]
    clock.shift(60 * DAY)  # 161 and 71 days
    assert applied().removed["profiles.history"] == 1
    clock.shift(50 * DAY)  # 211 and 121 days
    applied()
    assert left("sessions", "history", "classifications", "webhook_quarantine") == [1, 0, 0, 0]
    assert texts() == set()
    assert header(user_key).last_message_preview == ""  # a message's text too
    assert get_store().get(f"user_profiles/{user_key}").data["name"] == "Ana Souza"
    assert left("audit_logs")[0] > 0
    assert writes("wamid.9", wa_id="5542999990001", body="voltei") == user_key  # and is answered as ever
    assert {message.actor for message in stored_messages()} == {"USER", "PYLOTO"}


@embedded
def test_the_preview_of_a_later_message_stays(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    user_key = talked(body="antiga")
    clock.shift(60 * DAY)
    writes("wamid.2", wa_id="5542999990001", body="recente")
    before = header(user_key)
    clock.shift(60 * DAY)
    assert applied().removed["conversations.messages"] == 2
    assert header(user_key).last_message_preview == before.last_message_preview != ""


@embedded
def test_who_wrote_in_a_group_only_is_forgotten_with_the_last_message(
    faulty: FaultyStore, clock: time_machine.Traveller
) -> None:
    known = talked(2)
    for number in (1, 2):
        message = text_message(f"wamid.g{number}", "no grupo", wa_id="5542999990001", group_id="g1")
        assert post(envelope(message)).status_code == 200
        clock.shift(60 * DAY)
    entries = {snapshot.data["user_key"]: snapshot.path for snapshot in documents("identities")}
    (stranger,) = entries.keys() - {known}
    applied()
    assert len([m for m in stored_messages() if m.path.split("/")[1] == stranger]) == 1
    assert {snapshot.data["user_key"] for snapshot in documents("identities")} == {known, stranger}
    clock.shift(60 * DAY)
    applied()
    assert stored_messages() == []
    assert {snapshot.data["user_key"] for snapshot in documents("identities")} == {known}


@embedded
def test_no_days_keep_for_ever(faulty: FaultyStore, clock: time_machine.Traveller, settings: Any) -> None:
    for name in ("MESSAGES", "SESSIONS", "CLASSIFICATIONS", "HISTORY", "QUARANTINE", "CUSTOMERS"):
        setattr(settings, f"RETENTION_{name}_DAYS", 0)
    talked()
    clock.shift(10_000 * DAY)
    assert applied() == Applied()


@embedded
def test_what_waits_to_be_answered_stays(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    talked(body="respondida")
    assert post(envelope(text_message("wamid.w", "esperando", wa_id="5542999990001"))).status_code == 200
    clock.shift(101 * DAY)
    applied()
    (waiting,) = stored_messages()
    assert (waiting.text, waiting.state) == ("esperando", MessageState.RECEIVED)


@embedded
def test_a_handoff_keeps_its_session_until_long_after_it_was_resolved(
    faulty: FaultyStore, clock: time_machine.Traveller
) -> None:
    user_key = talked(body="quero falar com uma pessoa")
    clock.shift(300 * DAY)
    applied()
    assert left("sessions", "handoffs") == [1, 1]
    (handoff,) = documents("handoffs")
    get_store().update(handoff.path, {"status": "RESOLVED", "resolved_at": timezone.now()})
    clock.shift(199 * DAY)
    applied()
    assert left("sessions", "handoffs") == [1, 1]
    clock.shift(2 * DAY)
    applied()
    assert left("sessions", "handoffs") == [0, 0]
    assert header(user_key)


@embedded
def test_an_active_session_stays(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    writes("wamid.1")
    clock.shift(300 * DAY)
    applied()
    assert left("sessions") == [1]


@embedded
def test_quarantine_goes_with_its_file_whoever_is_on_hold(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    hold(user_key=talked(), reason=REASON, actor="user:7", now=timezone.now())
    for body in (b"{", b'["' + b"x" * 800_000):
        assert post(body).status_code == 200
    (file,) = [entry.file for s in documents("webhook_quarantine") if (entry := Quarantined.from_snapshot(s)).file]
    clock.shift(29 * DAY)
    applied()
    assert left("webhook_quarantine") == [2]
    clock.shift(2 * DAY)
    applied()
    assert left("webhook_quarantine") == [0]
    assert not default_storage.exists(file)


# --- silent customers -------------------------------------------------------------------------------------------------
@embedded
def test_who_has_been_silent_for_long_is_erased_as_a_whole(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    silent, heard = talked(1), talked(2)
    clock.shift(900 * DAY)
    writes("wamid.2", wa_id="5542999990002")
    clock.shift(101 * DAY)
    assert applied().removed["conversations.customers"] == 1
    for _ in range(2):  # the job of the erasures, with the last scan
        clock.shift(timedelta(minutes=5))
        receipt = erasure.resume(silent, timezone.now())
    assert receipt is not None
    assert (receipt.step, receipt.reason) == (Erasure.Step.COMPLETED, Erasure.Reason.RETENTION)
    assert [snapshot.id for snapshot in documents("user_profiles")] == [heard]
    assert [snapshot.id for snapshot in documents("conversations")] == [heard]
    assert applied().removed["conversations.customers"] == 0


@embedded
def test_who_waits_for_a_person_is_not_erased(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    talked(body="quero falar com uma pessoa")
    clock.shift(1001 * DAY)
    assert applied().removed["conversations.customers"] == 0


@embedded
def test_a_merged_customer_is_as_silent_as_the_person(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    old, new = talked(1), talked(2)
    merging.merge(source=old, target=new, actor="user:7", now=timezone.now())
    clock.shift(900 * DAY)
    writes("wamid.2", wa_id="5542999990001")
    clock.shift(101 * DAY)
    assert applied().removed["conversations.customers"] == 0
    clock.shift(900 * DAY)
    assert applied().removed["conversations.customers"] == 1
    assert erasure.receipt(old) == erasure.receipt(new) is not None


@embedded
def test_one_erasure_that_fails_stops_no_other(
    faulty: FaultyStore, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = talked(1), talked(2)
    clock.shift(1001 * DAY)
    begin = erasure.begin

    def fail(*, user_key: str, **arguments: Any) -> Any:
        if user_key == first:
            raise Unavailable("no answer")
        return begin(user_key=user_key, **arguments)

    monkeypatch.setattr(erasure, "begin", fail)
    assert applied().removed["conversations.customers"] == 1
    assert [erasure.receipt(key) is None for key in (first, second)] == [True, False]


@embedded
def test_who_comes_back_after_they_were_found_stays(
    faulty: FaultyStore, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_key = talked()
    clock.shift(1001 * DAY)
    erase_silent = silence.erase_silent

    def come_back(batch: Any) -> int:
        assert post(envelope(text_message("wamid.b", "voltei", wa_id="5542999990001"))).status_code == 200
        return erase_silent(batch)

    rule = next(rule for rule in retention_rules() if rule.name == "conversations.customers")
    monkeypatch.setitem(registry._retention, rule.name, replace(rule, remove=come_back))
    assert applied().removed["conversations.customers"] == 0
    assert erasure.receipt(user_key) is None


@embedded
def test_who_comes_back_while_their_erasure_begins_is_answered_as_somebody_new(
    faulty: FaultyStore, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_key = talked()
    clock.shift(1001 * DAY)
    begin = erasure.begin

    def begin_late(**arguments: Any) -> Any:
        with time_machine.travel(timezone.now() - timedelta(seconds=10)):  # its request took so long
            message = text_message("wamid.b", "voltei", wa_id="5542999990001")
            assert post(envelope(message)).status_code == 200
        return begin(**arguments)

    monkeypatch.setattr(erasure, "begin", begin_late)
    assert applied().removed["conversations.customers"] == 1
    for _ in range(2):
        clock.shift(timedelta(minutes=5))
        erasure.resume(user_key, timezone.now())
    for _ in range(2):  # the first moves it
        run_turns(Outside())
    assert {message.path.split("/")[1] for message in stored_messages()}.isdisjoint({user_key})
    assert "voltei" in texts()
    assert {message.actor for message in stored_messages()} == {"USER", "PYLOTO"}


# --- legal hold -------------------------------------------------------------------------------------------------------
def test_a_hold_keeps_all_of_one_person_and_nothing_of_others(
    faulty: FaultyStore, clock: time_machine.Traveller
) -> None:
    held, merged, other = talked(1, "retida"), talked(2, "da mesma pessoa"), talked(3, "de outra")
    merging.merge(source=merged, target=held, actor="user:7", now=timezone.now())
    hold(user_key=merged, reason=REASON, actor="user:7", now=timezone.now())
    assert held_keys() == {held, merged}
    clock.shift(1001 * DAY)
    done = applied()
    assert (done.removed["conversations.customers"], done.held["conversations.customers"]) == (1, 1)
    assert texts() >= {"retida", "da mesma pessoa"}
    assert "de outra" not in texts()
    assert {s.data["user_key"] for s in (*documents("sessions"), *documents("classifications"))} == {held, merged}
    assert erasure.receipt(other) is not None
    assert release_hold(user_key=held, actor="user:7", now=timezone.now())
    applied()
    assert texts() & {"retida", "da mesma pessoa"} == set()
    assert left("sessions", "classifications") == [0, 0]


@embedded
@pytest.mark.parametrize("merged", [False, True])
def test_a_hold_that_is_put_during_a_run_protects_what_comes_after(
    faulty: FaultyStore, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, merged: bool
) -> None:
    first, second, third = talked(1, "uma"), talked(2, "duas"), talked(3, "tres")
    clock.shift(120 * DAY)
    rule = next(rule for rule in retention_rules() if rule.name == "conversations.messages")
    remove, removed = rule.remove, []
    assert remove is not None

    def hold_meanwhile(batch: Any) -> int:
        if not removed:
            hold(user_key=third, reason=REASON, actor="user:7", now=timezone.now())
            if merged:
                merging.merge(source=third, target=second, actor="user:7", now=timezone.now())
        removed.extend(aged.user_key for aged in batch)
        return remove(batch)

    monkeypatch.setitem(registry._retention, rule.name, replace(rule, remove=hold_meanwhile, batch=2))
    applied()
    assert set(removed) == ({first} if merged else {first, second})


@embedded
def test_who_is_held_is_looked_up_once_for_a_run(
    faulty: FaultyStore, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        hold(user_key=talked(number), reason=REASON, actor="user:7", now=timezone.now())
    talked(3)
    clock.shift(201 * DAY)
    for rule in retention_rules():
        monkeypatch.setitem(registry._retention, rule.name, replace(rule, batch=1))
    looked_up: list[str] = []
    keys_of = retention.keys_of
    monkeypatch.setattr(retention, "keys_of", lambda key: (looked_up.append(key), keys_of(key))[1])
    assert applied().held.total() > 2
    assert len(looked_up) == 2


def test_hold_and_release_stand_in_the_trail_in_codes(faulty: FaultyStore) -> None:
    user_key = writes("wamid.1", name=NAME, wa_id=WA_ID)
    now = timezone.now()
    hold(user_key=user_key, reason=REASON, actor="user:7", now=now)
    assert get_store().get(f"user_profiles/{user_key}").data["legal_hold"] == {
        "reason": "LAWSUIT", "by": "user:7", "at": now,
    }  # fmt: skip
    assert release_hold(user_key=user_key, actor="user:8", now=now)
    assert not release_hold(user_key=user_key, actor="user:8", now=now)
    assert get_store().get(f"user_profiles/{user_key}").data["legal_hold"] is None
    told = [event for event in events(EventType.PROFILE_UPDATED) if "legal_hold" in event.changes]
    assert [(event.actor, event.changes["legal_hold"]) for event in told] == [
        ("user:7", [None, "LAWSUIT"]),
        ("user:8", ["LAWSUIT", None]),
    ]
    assert find_canaries("".join(event.canonical for event in told)) == []


@embedded
def test_a_turn_leaves_the_hold_in_place(faulty: FaultyStore) -> None:
    user_key = writes("wamid.1")
    hold(user_key=user_key, reason=REASON, actor="user:7", now=timezone.now())
    assert writes("wamid.2") == user_key
    assert held_keys() == {user_key}


@embedded
def test_nobody_cannot_be_held(faulty: FaultyStore) -> None:
    with pytest.raises(NotFound):
        hold(user_key="0" * 32, reason=REASON, actor="user:7", now=timezone.now())
    assert documents("audit_logs") == []


# --- the job ----------------------------------------------------------------------------------------------------------
def test_a_run_that_breaks_off_is_completed_by_the_next(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    """Wherever it does: the first run dies at its first commit, the second at its second, and so on."""
    users = [talked(1), talked(2)]
    clock.shift(201 * DAY)
    faulty.lose_commit_answer()
    with pytest.raises(Unavailable):
        applied()
    for commits in range(20):
        faulty.before_commits = [lambda: None] * commits + [no_answer]
        try:
            applied()
        except Unavailable:
            continue
        break
    assert commits > 1
    assert left("sessions", "classifications", "history") == [0, 0, 0]
    assert texts() == set()
    assert [header(user_key).last_message_preview for user_key in users] == ["", ""]


def no_answer() -> None:
    raise Unavailable("no answer")


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The nightly job's rings for its next slice; a slice is over after one document."""
    rung: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.apply_retention, "apply_async", lambda **options: rung.append(options))
    monkeypatch.setattr(tasks, "RETENTION_SLICE", timedelta(microseconds=1))
    return rung


def slices(rung: list[dict[str, Any]]) -> int:
    """How many the job needs; each rings once, and comes further than all before it."""
    seen = [tasks.apply_retention() and ()]
    while rung:
        (ring,) = rung
        rung.clear()
        arguments = json.loads(json.dumps(ring["args"]))
        assert arguments not in seen
        seen.append(arguments)
        tasks.apply_retention(*arguments)
    return len(seen)


@embedded
def test_the_nightly_job_works_in_slices_until_all_is_done(
    faulty: FaultyStore, clock: time_machine.Traveller, rung: list[dict[str, Any]]
) -> None:
    for number in (1, 2, 3):
        talked(number)
    clock.shift(201 * DAY)
    assert slices(rung) > 3
    assert left("sessions", "classifications") == [0, 0]
    assert texts() == set()


@embedded
def test_what_a_hold_keeps_is_passed_once_and_starves_nobody(
    faulty: FaultyStore, clock: time_machine.Traveller, rung: list[dict[str, Any]]
) -> None:
    for number in (1, 2):
        hold(user_key=talked(number, "retida"), reason=REASON, actor="user:7", now=timezone.now())
    clock.shift(DAY)
    talked(3, "livre")
    clock.shift(201 * DAY)
    looked_at = sum(left("sessions", "classifications", "history")) + len(stored_messages())
    assert 3 < slices(rung) <= looked_at + 1
    assert "retida" in texts()
    assert "livre" not in texts()
    assert left("sessions", "classifications") == [2, 2]


@embedded
def test_the_time_is_looked_at_for_each_customer(
    faulty: FaultyStore, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.RETENTION_HISTORY_DAYS = settings.RETENTION_CLASSIFICATIONS_DAYS = 0
    for number in (1, 2, 3):
        talked(number, "quero falar com uma pessoa")
    clock.shift(1001 * DAY)
    looked_at: list[str] = []
    keys_of = silence.keys_of
    monkeypatch.setattr(silence, "keys_of", lambda key: (looked_at.append(key), keys_of(key))[1])
    assert applied(at_most=timedelta(microseconds=1)).progress is not None
    assert len(looked_at) == 1


@embedded
def test_a_slice_that_is_cut_off_goes_on_where_it_was_unless_it_came_no_further(
    faulty: FaultyStore,
    clock: time_machine.Traveller,
    rung: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    talked()
    clock.shift(201 * DAY)
    monkeypatch.setattr(tasks, "RETENTION_SLICE", timedelta(hours=1))

    def cut_off(*arguments: Any) -> Any:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(retention, "_delete", cut_off)
    tasks.apply_retention()
    (ring,) = rung
    rung.clear()
    assert ring["args"][0]
    assert tasks.apply_retention(*ring["args"]) == "Postponed to tomorrow"
    assert rung == []
    assert "retention_stands_still" in capsys.readouterr().out


@embedded
def test_a_rule_that_is_no_more_begins_the_pass_anew(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    talked()
    clock.shift(201 * DAY)
    tasks.apply_retention("gone.rule", timezone.now().isoformat(), "gone/1")
    assert left("sessions", "classifications") == [0, 0]


@embedded
def test_a_store_that_does_not_answer_puts_it_off(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    talked()
    clock.shift(201 * DAY)
    faulty.commit_faults.append(Fault(Unavailable("no answer")))
    assert tasks.apply_retention() == "Postponed to tomorrow"


@embedded
def test_the_log_counts_and_names_nobody(
    faulty: FaultyStore, clock: time_machine.Traveller, capsys: pytest.CaptureFixture[str]
) -> None:
    user_key = writes("wamid.1", name=NAME, wa_id=WA_ID, body=f"Sou {NAME}")
    clock.shift(120 * DAY)
    capsys.readouterr()
    tasks.apply_retention()
    logged = capsys.readouterr().out
    assert '"rule": "conversations.messages"' in logged
    assert find_canaries(logged) == []
    assert user_key not in logged


@embedded
def test_the_command_counts_before_it_removes(faulty: FaultyStore, clock: time_machine.Traveller) -> None:
    talked(1)
    hold(user_key=talked(2), reason=REASON, actor="user:7", now=timezone.now())
    clock.shift(120 * DAY)
    messages = len(stored_messages())
    counted = [run_command(dry_run=True), run_command(dry_run=False)]
    assert [run["dry_run"] for run in counted] == [True, False]
    assert counted[0]["rules"] == counted[1]["rules"]
    assert counted[0]["rules"]["conversations.messages"] == {"removed": messages // 2, "held": messages // 2}
    assert len(stored_messages()) == messages // 2
    out = StringIO()
    call_command("apply_retention", stdout=out)
    assert f"conversations.messages: 0 removed, {messages // 2} on hold" in out.getvalue()


def run_command(*, dry_run: bool) -> dict[str, Any]:
    out = StringIO()
    before = [len(documents(name, group=True)) for name in ("messages", "history")]
    call_command("apply_retention", dry_run=dry_run, json=True, stdout=out)
    if dry_run:
        assert before == [len(documents(name, group=True)) for name in ("messages", "history")]
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def test_the_job_runs_at_three_in_the_morning_in_sao_paulo(settings: Any) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["retention"]
    assert entry["task"] == tasks.apply_retention.name
    assert settings.CELERY_TIMEZONE == "UTC"
    assert (entry["schedule"].hour, entry["schedule"].minute) == ({6}, {0})
