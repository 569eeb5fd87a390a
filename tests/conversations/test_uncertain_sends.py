"""Sends of which nobody knows whether they arrived: their status tells, or one more send, or a person."""

from datetime import timedelta
from typing import Any

import pytest

from audit import EventType
from conversations.models import Actor
from conversations.services import delivery, planning
from conversations.whatsapp.client import Accepted, Ambiguous, NotSent, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import Update

from .customer import Customer
from .outside import Outside, WorkerDied

STALE, UNKNOWN = timedelta(seconds=31), timedelta(seconds=121)
LOST = Ambiguous("ReadTimeoutError")


def uncertain(customer: Customer) -> Customer:
    """Their greeting's reply may or may not have arrived."""
    customer.outside.answers = [LOST]
    customer.writes("oi").is_served()
    assert customer.states == ["UNKNOWN"]
    return customer


def statuses_come(customer: Customer, clock: Any, after: float = 6) -> None:
    """Meta tells about somebody else's message, sent so many seconds after ours: the status channel is alive."""
    clock.shift(after)
    customer.status_arrives("f" * 32 + "." + "e" * 40)


def reasons(customer: Customer) -> list[str]:
    events = customer.events(EventType.SEND_UNCERTAIN) + customer.events(EventType.SEND_FAILED)
    return [event["metadata"]["reason"] for event in events]


@pytest.mark.parametrize("arrived", [False, True])
def test_a_worker_that_dies_while_sending_leaves_a_doubt_not_a_second_send(
    customer: Customer, clock: Any, arrived: bool
) -> None:
    customer.outside.answers, customer.outside.dies_before = [WorkerDied()], int(not arrived)
    customer.writes("oi")
    with pytest.raises(WorkerDied):
        customer.is_served()
    customer.is_served()
    assert customer.states == ["SENDING"]
    customer.is_served_after(clock, STALE)
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], int(arrived))
    assert reasons(customer) == ["sender_lost"]


def test_its_status_tells_that_it_was_sent(customer: Customer, clock: Any) -> None:
    uncertain(customer).gets("delivered", customer.replies[0]).is_served()
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 1)
    assert customer.is_served_after(clock, UNKNOWN) is None
    assert len(customer.outside.sent) == 1


def test_its_status_is_heard_while_its_dead_sender_still_holds_it(customer: Customer) -> None:
    customer.outside.answers = [WorkerDied()]
    customer.writes("oi")
    with pytest.raises(WorkerDied):
        customer.is_served()
    customer.gets("sent", customer.replies[0]).is_served()
    assert (customer.states, reasons(customer)) == (["SENT"], [])


def test_a_failed_status_tells_that_it_never_arrived(customer: Customer) -> None:
    uncertain(customer).gets("failed", customer.replies[0]).is_served()
    assert (customer.states, reasons(customer)) == (["FAILED", "SENT"], ["ambiguous", "status_failed"])
    assert [handoff.routing for handoff in customer.handoffs] == ["failure"]


@pytest.mark.parametrize("status", ["delivered", "read", "played", "failed"])
def test_what_becomes_of_older_messages_is_no_sign_that_statuses_come(
    customer: Customer, clock: Any, status: str
) -> None:
    uncertain(customer)
    clock.shift(6)
    customer.status_arrives("f" * 32 + "." + "e" * 40, status)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)


def test_a_worker_whose_clock_is_fast_ends_no_wait(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncertain(customer)
    statuses_come(customer, clock)
    clock.shift(600)
    monkeypatch.setattr("pyloto.clock._ahead", timedelta(seconds=600))
    customer.is_served()
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)


def test_without_a_status_it_is_sent_again_once(customer: Customer, clock: Any) -> None:
    uncertain(customer)
    statuses_come(customer, clock)
    customer.is_served()
    assert len(customer.outside.sent) == 1  # not before its time
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)
    assert customer.outside.sent[0] == customer.outside.sent[1]
    assert reasons(customer) == ["ambiguous", "sent_again"]


def test_a_second_doubt_is_a_persons_to_settle(customer: Customer, clock: Any) -> None:
    uncertain(customer)
    customer.outside.answers = [LOST]
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    statuses_come(customer, clock)
    assert customer.is_served_after(clock, UNKNOWN) is None
    assert (customer.states, len(customer.outside.sent)) == (["NEEDS_HUMAN"], 2)
    assert reasons(customer) == ["ambiguous", "sent_again", "ambiguous", "uncertain"]


def test_where_no_status_of_anybody_comes_silence_proves_nothing(customer: Customer, clock: Any) -> None:
    uncertain(customer)
    for _ in range(6):
        customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["NEEDS_HUMAN"], 1)


def test_what_was_sent_within_the_error_of_our_clock_proves_nothing(customer: Customer, clock: Any) -> None:
    uncertain(customer)
    statuses_come(customer, clock, after=3)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)


def test_what_was_sent_before_whatsapp_failed_to_answer_proves_nothing(customer: Customer, clock: Any) -> None:
    def answer_takes_long() -> None:
        statuses_come(customer, clock)
        clock.shift(6)

    customer.outside.before_answers = [answer_takes_long]
    uncertain(customer)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)


def is_held_up(clock: Any, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Each worker, between claim and send."""

    def failpoint(name: str, subject: str = "") -> None:
        if name == "outbox.before_post":
            clock.shift(seconds)

    monkeypatch.setattr(delivery, "failpoint", failpoint)


@pytest.mark.parametrize("held_up", [0, 20])
def test_a_sender_stops_waiting_before_others_hold_it_for_lost(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch, held_up: int
) -> None:
    is_held_up(clock, monkeypatch, held_up)
    customer.writes("oi").is_served()
    [seconds] = customer.outside.timeouts
    assert 0 < seconds <= 30 - 4 - held_up


def test_who_was_held_up_until_others_hold_it_for_lost_does_not_send(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.writes("oi")
    with monkeypatch.context() as patch:
        is_held_up(clock, patch, 26)
        customer.is_served()
    assert (customer.states, customer.outside.sent) == (["QUEUED"], [])
    customer.is_served_after(clock, timedelta(seconds=3))
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 1)
    assert reasons(customer) == []


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        (NotSent("ConnectTimeoutError"), "QUEUED", []),
        (Rejected(131026, ErrorClass.PERMANENT), "FAILED", ["PERMANENT"]),
        (Accepted("wamid.late"), "SENT", []),
        (LOST, "UNKNOWN", []),
    ],
)
def test_who_was_held_for_lost_while_sending_still_tells_what_became_of_it(
    customer: Customer, clock: Any, answer: Any, state: str, told: list[str]
) -> None:
    def hold_for_lost() -> None:
        clock.shift(STALE)
        delivery.work_outbox(delivery.Run(customer.user_key, "another", customer.outside))  # type: ignore[arg-type]
        assert customer.states == ["UNKNOWN"]

    customer.outside.answers, customer.outside.before_answers = [answer], [hold_for_lost]
    customer.writes("oi").is_served()
    assert (customer.states[0], reasons(customer)) == (state, ["sender_lost", *told])
    assert len(customer.outside.sent) == 1 + (state == "FAILED")  # the person who was called is announced


def test_what_was_sent_while_it_was_still_on_its_way_proves_nothing(customer: Customer, clock: Any) -> None:
    """With statuses slower than the wait: what was sent before it, though claimed after it, is told of before it."""
    customer.outside.answers = [WorkerDied()]
    customer.writes("oi")
    with pytest.raises(WorkerDied):
        customer.is_served()
    statuses_come(customer, clock)
    customer.is_served_after(clock, STALE)  # the doubt begins
    for _ in range(2):
        customer.is_served_after(clock, UNKNOWN)
        assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)
    statuses_come(customer, clock)  # of what was sent after that, however long ago the last wait began
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)


def test_a_status_older_than_the_claim_proves_nothing(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    statuses_come(customer, clock)
    clock.shift(5)
    customer.outside.answers = [LOST]
    customer.writes("Onde fica a empresa?").is_served()
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT", "UNKNOWN"], 2)


def test_a_status_that_comes_while_the_turn_is_planned_proves_nothing(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planning.plan

    def slow(*args: Any) -> Any:
        statuses_come(customer, clock)
        clock.shift(5)
        return plan(*args)

    monkeypatch.setattr(planning, "plan", slow)
    uncertain(customer)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)


def test_an_agents_message_is_never_sent_again(customer: Customer, clock: Any) -> None:
    uncertain(customer)
    path = customer.replies[0].path
    customer.store.inner.commit([Update(path, {"actor": Actor.HUMAN.value})])
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["NEEDS_HUMAN"], 1)


def test_a_status_that_comes_between_reading_and_claiming_prevents_the_second_send(
    customer: Customer, clock: Any
) -> None:
    [reply] = uncertain(customer).replies
    statuses_come(customer, clock)
    customer.store.before_commits.append(lambda: customer.gets("delivered", reply))
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 1)


def test_a_second_send_that_is_refused_is_not_made_a_third_time_once_the_first_arrived(
    customer: Customer, clock: Any
) -> None:
    [reply] = uncertain(customer).replies
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    assert customer.states == ["QUEUED"]
    customer.gets("read", reply)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)


@pytest.mark.parametrize("answer", [Rejected(131026, ErrorClass.PERMANENT), Rejected(130429, ErrorClass.RETRY), LOST])
def test_a_status_that_the_first_arrived_tells_more_than_what_becomes_of_the_second_send(
    customer: Customer, clock: Any, answer: Any
) -> None:
    [reply] = uncertain(customer).replies
    customer.outside.answers = [answer]
    customer.outside.before_answers = [lambda: customer.gets("delivered", reply)]
    statuses_come(customer, clock)
    assert customer.is_served_after(clock, UNKNOWN) is None
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)
    assert (reasons(customer), customer.handoffs) == (["ambiguous", "sent_again"], [])


def test_where_the_first_did_not_arrive_and_the_second_is_refused_a_person_is_called_once(
    customer: Customer, clock: Any
) -> None:
    [reply] = uncertain(customer).replies
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT)]
    customer.outside.before_answers = [lambda: customer.gets("failed", reply)]
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.handoffs)) == (["FAILED", "SENT"], 1)


def test_a_doubt_that_outlives_a_pause_is_a_persons_to_settle(customer: Customer, clock: Any) -> None:
    header = f"conversations/{uncertain(customer).user_key}"
    customer.store.inner.commit([Update(header, {"paused": True, "attempt": "agent"})])
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    assert customer.states == ["UNKNOWN"]
    customer.is_served_after(clock, timedelta(minutes=10))
    assert (customer.states, len(customer.outside.sent)) == (["NEEDS_HUMAN"], 1)


def test_a_newer_message_cancels_it_and_is_answered_at_once(customer: Customer) -> None:
    uncertain(customer).writes("Onde fica a empresa?").is_served()
    assert (customer.states, len(customer.outside.sent)) == (["CANCELLED", "SENT"], 2)
    assert reasons(customer) == ["ambiguous", "superseded"]


@pytest.mark.parametrize("written", ["quero um sistema sob medida", "quero falar com uma pessoa"])
def test_where_nothing_is_said_in_its_place_it_is_sent_again(customer: Customer, clock: Any, written: str) -> None:
    """Neither a thumb nor what is written to the person who was promised is answered."""
    customer.outside.answers = [LOST]
    customer.writes(written).is_served()
    customer.sends({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}}).is_served()
    if "pessoa" in written:
        customer.writes("oi?").is_served()
    assert (customer.states, len(customer.outside.sent)) == (["UNKNOWN"], 1)
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)


def test_a_newer_message_after_its_status_cancels_nothing(customer: Customer) -> None:
    uncertain(customer).gets("delivered", customer.replies[0])
    customer.writes("Onde fica a empresa?").is_served()
    assert (customer.states, len(customer.outside.sent)) == (["SENT", "SENT"], 2)


def test_a_newer_reply_waits_only_until_the_dead_senders_claim_is_stale(customer: Customer, clock: Any) -> None:
    customer.outside.dies_before = 1
    customer.writes("oi")
    with pytest.raises(WorkerDied):
        customer.is_served()
    customer.writes("Onde fica a empresa?").is_served()
    assert (customer.states, customer.outside.sent) == (["SENDING", "QUEUED"], [])
    customer.is_served_after(clock, STALE)
    assert (customer.states, len(customer.outside.sent)) == (["CANCELLED", "SENT"], 1)
    assert reasons(customer) == ["sender_lost", "superseded"]


def test_a_takeover_leaves_no_doubt_to_be_sent_again(customer: Customer, clock: Any) -> None:
    header = f"conversations/{uncertain(customer).user_key}"
    customer.store.inner.commit([Update(header, {"mode": "HUMAN", "owner_epoch": 1})])
    statuses_come(customer, clock)
    customer.is_served_after(clock, UNKNOWN)
    assert (customer.states, len(customer.outside.sent)) == (["CANCELLED"], 1)


def test_another_customer_is_served_meanwhile(customer: Customer) -> None:
    uncertain(customer)
    other = Customer(customer.store, Outside(), wa_id="5542999990002")
    other.writes("oi").is_served()
    assert (other.states, customer.states) == (["SENT"], ["UNKNOWN"])
