"""Whose commit was it? However a commit ends, the customer gets one reply, sent once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from django.db import connections
from django.utils import timezone

from audit import EventType
from conversations.services import planning, turns
from conversations.services.delivery import RECORD_TRIES, Run
from conversations.services.release import release_to_bot
from conversations.services.turns import RACES_MAX, TooManyRaces, process
from conversations.services.uncertain import resend
from conversations.whatsapp.client import Ambiguous, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import AlreadyExists, NotFound, PreconditionFailed, Unavailable, Update
from tests.lab.faulty_store import Fault, FaultyStore

from .customer import Customer
from .outside import Outside

RACES = (PreconditionFailed("header"), AlreadyExists("audit_logs"), NotFound("sessions"), Unavailable("commit"))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


def assert_answered_once(customer: Customer, *, turns: int = 1) -> None:
    assert len(customer.outside.sent) == turns
    assert customer.states == ["SENT"] * turns
    assert len(customer.events(EventType.REPLY_QUEUED)) == turns
    assert len(customer.events(EventType.USER_CONTACT)) == turns


@pytest.mark.parametrize("error", RACES, ids=lambda error: type(error).__name__)
def test_a_commit_that_was_not_applied_is_made_again(customer: Customer, error: Exception) -> None:
    customer.writes("oi")
    customer.store.commit_faults.append(Fault(error))
    customer.is_served()
    assert_answered_once(customer)


@pytest.mark.parametrize("later", [False, True], ids=["first turn", "later turn"])
def test_a_commit_whose_answer_was_lost_is_known_for_our_own(customer: Customer, later: bool) -> None:
    if later:
        customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?")
    customer.store.lose_commit_answer()
    customer.is_served()
    assert_answered_once(customer, turns=1 + later)


def test_a_commit_whose_answer_was_lost_although_the_store_stays_away(customer: Customer) -> None:
    """The reply is claimed by a run that ended: nobody may send it before its claim is stale."""
    customer.writes("oi")
    customer.store.lose_commit_answer()
    customer.store.before_commits = [lambda: None]
    read = customer.store.query
    customer.store.query = lambda query: _away(read, query, customer)  # type: ignore[method-assign]
    with pytest.raises(TooManyRaces):
        customer.is_served()
    customer.store.query = read  # type: ignore[method-assign]
    customer.is_served()
    assert (customer.outside.sent, customer.states) == ([], ["SENDING"])


def _away(read: Any, query: Any, customer: Customer) -> Any:
    if not customer.store.before_commits:  # the commit was made: from then on there is no answer
        raise Unavailable("query")
    return read(query)


def test_another_worker_that_was_faster_leaves_nothing_to_send(customer: Customer) -> None:
    customer.writes("oi")
    customer.store.before_commits.append(customer.is_served)
    customer.is_served()
    assert_answered_once(customer)


def test_a_message_that_comes_during_the_turn_is_the_next_turn(customer: Customer) -> None:
    customer.writes("oi")
    customer.store.before_commits.append(lambda: customer.writes("Onde fica a empresa?"))
    customer.is_served()
    customer.is_served()
    assert_answered_once(customer, turns=2)


def test_a_takeover_during_the_turn_silences_the_bot(customer: Customer) -> None:
    customer.writes("oi").is_served()
    header = f"conversations/{customer.user_key}"
    takeover = Update(header, {"mode": "HUMAN", "owner_epoch": 1, "attempt": "agent"})
    customer.writes("Onde fica a empresa?")
    customer.store.before_commits.append(lambda: customer.store.inner.commit([takeover]))
    customer.is_served()
    assert len(customer.outside.sent) == 1
    assert [message.state for message in customer.received] == ["HANDLED", "HANDLED"]


def test_a_takeover_before_the_claim_cancels_the_queued_reply(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    takeover = Update(f"conversations/{customer.user_key}", {"mode": "HUMAN", "owner_epoch": 1, "attempt": "agent"})
    clock.shift(10)
    customer.store.before_commits.append(lambda: customer.store.inner.commit([takeover]))
    customer.is_served()
    assert (len(customer.outside.sent), customer.states) == (1, ["CANCELLED"])
    assert customer.events(EventType.SEND_FAILED)[0]["metadata"]["reason"] == "owner_changed"


def test_races_lost_for_ever_are_given_back_and_count_as_no_failure(customer: Customer, valkey: Any) -> None:
    customer.writes("oi")
    customer.store.commit_faults = [Fault(Unavailable("commit"))] * RACES_MAX
    with pytest.raises(TooManyRaces):
        customer.is_served()
    assert not valkey.exists(f"attempts:{customer.user_key}")
    customer.is_served()
    assert_answered_once(customer)


def test_one_slow_race_lost_to_somebody_is_no_failure(
    customer: Customer, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second race is entered, so nothing tells whether the same documents would be met again."""
    customer.writes("oi").is_served()
    monkeypatch.setattr(turns, "RUN_SECONDS", -1)
    customer.writes("Onde fica a empresa?")
    taken = Update(f"conversations/{customer.user_key}", {"attempt": "somebody"})
    customer.store.before_commits.append(lambda: customer.store.inner.commit([taken]))
    with structlog.testing.capture_logs() as logs, pytest.raises(TooManyRaces):
        customer.is_served()
    assert not [line for line in logs if line.get("alert")]
    assert not valkey.exists(f"attempts:{customer.user_key}")


def test_what_an_agent_queues_during_the_turn_leaves_before_its_reply(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT)]
    customer.writes("oi").is_served()
    refused = customer.replies[0]
    release_to_bot(user_key=customer.user_key, agent="user:7", now=timezone.now())
    customer.writes("Onde fica a empresa?")
    load, once = Run.load, [True]

    def load_late(run: Run, *args: Any, **more: Any) -> Any:
        if once:
            once.pop()
            resend(user_key=customer.user_key, message_key=refused.pk, agent="user:7", now=timezone.now())
        return load(run, *args, **more)

    monkeypatch.setattr(Run, "load", load_late)
    customer.is_served()
    assert customer.states == ["CANCELLED", "SENT", "SENT", "SENT"]
    sent = [each.callback_data.partition(".")[2] for each in customer.outside.sent]
    assert sent == [message.pk for message in customer.replies]


def test_a_header_behind_its_chain_costs_no_reply(customer: Customer) -> None:
    """Somebody appended to the chain alone: from then on each commit would meet that event."""
    customer.writes("oi").is_served()
    behind = customer.header.audit_head
    customer.writes("Onde fica a empresa?").is_served()
    customer.store.inner.commit([Update(f"conversations/{customer.user_key}", {"audit_head": behind})])
    customer.writes("Qual o site de vocês?").is_served()
    assert_answered_once(customer, turns=3)


@pytest.mark.parametrize("applied", [False, True])
def test_a_sent_message_is_recorded_although_the_store_hesitates(customer: Customer, applied: bool) -> None:
    customer.writes("oi")
    customer.store.update_faults = [Fault(Unavailable("update"), applied)] * 2
    customer.is_served()
    assert_answered_once(customer)


@pytest.mark.parametrize("fault", [Fault(PreconditionFailed("header")), Fault(Unavailable("commit"), applied=True)])
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Rejected(131026, ErrorClass.PERMANENT), "FAILED"),
        (Rejected(130429, ErrorClass.RETRY), "QUEUED"),
        (Ambiguous("ReadTimeoutError"), "UNKNOWN"),
    ],
)
def test_what_meta_answered_is_not_forgotten_over_a_lost_race(
    customer: Customer, fault: Fault, answer: Any, state: str
) -> None:
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?")
    customer.outside.answers = [answer]
    customer.store.before_commits = [lambda: None, lambda: customer.store.commit_faults.append(fault)]
    customer.is_served()
    sent = [each.callback_data.partition(".")[2] for each in customer.outside.sent]
    assert (sent.count(customer.replies[1].pk), customer.states[:2]) == (1, ["SENT", state])
    assert len(customer.handoffs) == (state == "FAILED")
    assert len(customer.events(EventType.SEND_FAILED) + customer.events(EventType.SEND_UNCERTAIN)) <= 1


def test_an_outcome_that_cannot_be_recorded_is_a_doubt_and_no_second_send(customer: Customer, clock: Any) -> None:
    customer.writes("oi")
    customer.store.update_faults = [Fault(Unavailable("update"))] * RECORD_TRIES
    customer.is_served()
    assert (len(customer.outside.sent), customer.states) == (1, ["SENDING"])
    clock.shift(31)
    customer.is_served()
    assert (len(customer.outside.sent), customer.states) == (1, ["UNKNOWN"])
    customer.gets("delivered", customer.replies[0]).is_served()
    assert_answered_once(customer)


def test_a_claim_whose_answer_was_lost_is_sent_once(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    clock.shift(10)
    customer.store.lose_commit_answer()
    customer.is_served()
    assert (len(customer.outside.sent), customer.states) == (2, ["SENT"])


def test_two_workers_at_once_send_one_reply(
    embedded_store: object, valkey: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the same before either commits."""
    outside = Outside()
    customer = Customer(FaultyStore(embedded_store), outside)  # type: ignore[arg-type]
    customer.writes("oi")
    user_key, both_planned = customer.user_key, threading.Barrier(2, timeout=20)
    plan, planned = planning.plan, threading.local()

    def plan_together(*args: Any) -> Any:
        if not getattr(planned, "once", False):
            planned.once = True
            both_planned.wait()
        return plan(*args)

    monkeypatch.setattr(planning, "plan", plan_together)

    def work() -> None:
        try:
            process(user_key=user_key, client=outside)  # type: ignore[arg-type]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work) for _ in range(2)]:
            done.result()
    assert_answered_once(customer)
