"""Several workers on one conversation, tasks that run twice or are cut off, customers who never stop: one answer each."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from audit import EventType
from conversations.services import planning
from conversations.services.turns import TooManyRaces, process
from conversations.tasks import process_conversation, sweep
from conversations.whatsapp.client import NotSent, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import Update
from tests.lab.faulty_store import FaultyStore

from . import invariants
from .customer import Customer
from .outside import Outside, WorkerDied

SECOND = timedelta(seconds=1)
on_one_store = pytest.mark.parametrize("store", ["embedded"], indirect=True)  # the emulator takes four times as long


def test_eight_writers_on_one_conversation_lose_nothing_and_double_nothing(
    embedded_store: object, valkey: object
) -> None:
    """C4. Customer and workers at once: each message is in one turn, each answer leaves once, in its order."""
    outside = Outside()
    customer = Customer(FaultyStore(embedded_store), outside)  # type: ignore[arg-type]
    customer.writes("oi").is_served()
    start = threading.Barrier(8, timeout=20)

    def work(number: int) -> None:
        try:
            start.wait()
            for _ in range(3):
                if number % 2:
                    Customer(customer.store, outside).writes("Onde fica a empresa?")
                with suppress(TooManyRaces):
                    process(user_key=customer.user_key, client=outside)  # type: ignore[arg-type]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result()
    customer.is_served()
    assert len(customer.received) == 13
    assert {message.state for message in customer.received} == {"HANDLED"}
    assert set(customer.states) == {"SENT"}
    assert [sent.callback_data.partition(".")[2] for sent in outside.sent] == [reply.pk for reply in customer.replies]
    invariants.check(customer)


@on_one_store
def test_a_task_that_the_broker_delivers_a_second_time_while_it_runs_answers_once(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B6: the visibility timeout is over, the lock has expired, and the first one is still thinking."""
    customer.writes("oi")
    plan, again = planning.plan, [True]

    def think_for_long(*args: Any) -> Any:
        planned = plan(*args)
        if again.pop() if again else False:
            customer.is_served()
        return planned

    monkeypatch.setattr(planning, "plan", think_for_long)
    customer.is_served()
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 1)
    assert len(customer.events(EventType.USER_CONTACT)) == 1


@contextmanager
def tasks_run_at_once(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("conversations.tasks.create_client", lambda: customer.outside)
    monkeypatch.setattr(process_conversation, "delay", process_conversation.run)
    monkeypatch.setattr("conversations.tasks.doorbell.ring", lambda waits, files=(): True)
    yield


@on_one_store
def test_a_task_that_is_cut_off_and_gone_is_rung_for_by_the_sweeper(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, clock: Any, valkey: Any
) -> None:
    """B9: a hard time limit acknowledges the task; only the documents know of the message."""
    plan = planning.plan
    customer.writes("oi")
    with tasks_run_at_once(customer, monkeypatch):
        monkeypatch.setattr(planning, "plan", lambda *_: (_ for _ in ()).throw(WorkerDied()))
        with pytest.raises(WorkerDied):
            process_conversation.run(customer.user_key)
        monkeypatch.setattr(planning, "plan", plan)
        valkey.delete(f"lock:{customer.user_key}")  # nobody released it; time does
        clock.shift(16 * SECOND)
        sweep.run()
    assert customer.states == ["SENT"]


@on_one_store
def test_a_message_at_the_very_moment_of_the_commit_is_the_next_turn(customer: Customer) -> None:
    """The header does not show it: it waits, due by itself, and the run tells that there is more to do."""
    customer.writes("oi")
    customer.store.before_commits.append(
        lambda: Customer(customer.store, customer.outside).writes("Onde fica a empresa?")
    )
    customer.is_served()
    assert sorted(message.state for message in customer.received) == ["HANDLED", "RECEIVED"]
    customer.is_served()
    assert customer.states == ["SENT", "SENT"]
    assert len({message.turn_id for message in customer.received}) == 2


@on_one_store
def test_a_customer_who_never_stops_typing_is_answered_at_the_longest_wait_again_and_again(
    customer: Customer, settings: Any, clock: Any
) -> None:
    settings.TURN_QUIET_SECONDS, settings.TURN_MAX_SECONDS = 3 * SECOND, 15 * SECOND
    answered = []
    for number in range(30):  # a minute of it
        customer.writes(f"e mais isto: {number}")
        clock.shift(2 * SECOND)
        customer.is_served()
        answered.append(len(customer.outside.sent))
    assert answered[-1] >= 3
    longest = max(len(list(run)) for run in _equal_runs(answered))
    assert longest <= 8  # never longer than the longest wait


def _equal_runs(numbers: list[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and run[-1] != number:
            yield run
            run = []
        run.append(number)
    yield run


@on_one_store
@pytest.mark.parametrize("kind", ["reaction", "edit", "revoke", "system"])
def test_what_is_never_answered_is_handled_and_says_nothing(customer: Customer, kind: str) -> None:
    customer.writes("oi").is_served()
    own = {
        "reaction": {"message_id": "wamid.1", "emoji": "👍"},
        "edit": {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": "oi!"}}},
        "revoke": {"original_message_id": "wamid.1"},
        "system": {"type": "customer_identity_changed", "body": "…"},
    }
    customer.sends({"type": kind, kind: own[kind]}).is_served()
    assert {message.state for message in customer.received} == {"HANDLED"}
    assert len(customer.outside.sent) == 1


# --- the channel is broken --------------------------------------------------------------------------------------------
@on_one_store
def test_an_expired_token_pauses_the_number_keeps_the_backlog_and_resumes(
    customer: Customer, clock: Any, valkey: Any
) -> None:
    """D9: one send finds out; the others wait without asking Meta, and leave when the number is tried again."""
    expired = Rejected(190, ErrorClass.CHANNEL_BROKEN)
    others = [Customer(customer.store, customer.outside, wa_id=f"554299999{number:04}") for number in range(2, 6)]
    customer.outside.answers = [expired]
    customer.writes("oi").is_served()
    for other in others:
        other.writes("oi").is_served()
    assert len(customer.outside.sent) == 1
    assert [other.states for other in others] == [["QUEUED"]] * 4
    valkey.delete(*valkey.keys("barred:*"))  # as time does
    clock.shift(70 * SECOND)
    for each in (customer, *others):
        each.is_served()
        assert each.states == ["SENT"]
    assert len(customer.outside.sent) == 6


@on_one_store
def test_a_backlog_that_outlived_the_window_goes_to_a_person(customer: Customer, clock: Any, valkey: Any) -> None:
    customer.outside.answers = [Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi").is_served()
    valkey.delete(*valkey.keys("barred:*"))
    clock.shift(timedelta(hours=25))
    customer.is_served()
    assert (customer.states, len(customer.outside.sent)) == (["FAILED"], 1)
    assert "24 horas" in customer.handoffs[0].summary


@on_one_store
def test_an_answer_that_waits_for_meta_does_not_hold_up_the_next_customer_message(
    customer: Customer, clock: Any
) -> None:
    """D1: the second turn is planned while the first answer waits, and both leave in their order."""
    customer.outside.answers = [NotSent("NewConnectionError")]
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?").is_served()
    assert customer.states == ["QUEUED", "QUEUED"]
    customer.is_served_after(clock, 5 * SECOND)
    assert customer.states == ["SENT", "SENT"]


@on_one_store
def test_no_send_is_begun_so_late_that_the_time_limit_would_cut_it_off(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    customer.outside.answers = [NotSent("NewConnectionError")]
    customer.writes("oi").is_served()
    clock.shift(5 * SECOND)
    monkeypatch.setattr("conversations.services.delivery.SENDING_SECONDS", -1)
    assert customer.is_served() is not None  # somebody goes on at once
    assert len(customer.outside.sent) == 1
    monkeypatch.undo()
    customer.is_served()
    assert customer.states == ["SENT"]


@on_one_store
def test_lost_races_take_no_place_among_the_sends(customer: Customer) -> None:
    customer.writes("oi").is_served()
    for _ in range(6):
        customer.store.before_commits += [
            lambda: customer.store.inner.commit([Update(f"conversations/{customer.user_key}", {"unread": 0})])
        ] * 7
        customer.writes("Onde fica a empresa?").is_served()
        customer.store.before_commits.clear()
    assert customer.states == ["SENT"] * 7
