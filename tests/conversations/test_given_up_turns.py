"""A turn that fails again and again costs one customer a wait for a person, and nobody else anything."""

from typing import Any

import pytest
import structlog

from audit import EventType
from conversations.models import Mode
from conversations.services import planning
from conversations.services.turns import ATTEMPTS_MAX

from .customer import Customer
from .outside import Outside

POISON = "mensagem que derruba o turno"

# Nothing here depends on the adapter; the emulator takes four times as long.
pytestmark = pytest.mark.parametrize("store", ["embedded"], indirect=True)


class Broken(RuntimeError):
    pass


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules stumble over one text."""
    plan_turn = planning.plan_turn

    def plan(**known: Any) -> Any:
        if any(POISON in message.text for message in known["messages"]):
            raise Broken
        return plan_turn(**known)

    monkeypatch.setattr(planning, "plan_turn", plan)


def fail(customer: Customer, times: int = ATTEMPTS_MAX) -> Customer:
    for _ in range(times):
        with pytest.raises(Broken):
            customer.is_served()
    return customer


def test_after_three_tries_a_person_takes_over(customer: Customer) -> None:
    fail(customer.writes(POISON)).is_served()
    [handoff], [session] = customer.handoffs, customer.sessions
    assert (handoff.status, handoff.routing) == ("OPEN", "failure")
    assert (session.status, session.outcome) == ("CLOSED", "FAILED_INTERNAL")
    assert customer.header.mode == Mode.WAITING_HUMAN
    assert customer.received[0].outcome == "FAILED_INTERNAL"
    assert len(customer.events(EventType.HANDOFF_OPENED)) == len(customer.events(EventType.MODE_CHANGED)) == 1


def test_the_customer_reads_in_neutral_words_that_a_person_answers(customer: Customer) -> None:
    fail(customer.writes(POISON)).is_served()
    [text] = customer.outside.texts
    assert "pessoa" in text
    assert not any(word in text.lower() for word in ("falha", "erro", "exception"))


def test_until_then_nothing_is_said_and_nothing_shown_as_read(customer: Customer) -> None:
    fail(customer.writes(POISON))
    assert (customer.outside.sent, customer.outside.read) == ([], [])
    assert customer.received[0].state == "RECEIVED"


def test_an_open_session_ends_with_it(customer: Customer) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    fail(customer.writes(POISON)).is_served()
    assert [(session.status, session.outcome) for session in customer.sessions] == [("CLOSED", "FAILED_INTERNAL")]


def test_the_turn_is_given_up_with_an_alert(customer: Customer) -> None:
    fail(customer.writes(POISON))
    with structlog.testing.capture_logs() as logs:
        customer.is_served()
    [alert] = [line for line in logs if line.get("alert")]
    assert (alert["event"], alert["conversation_id"]) == ("turn_given_up", customer.header.conversation_id)


def test_the_next_turn_begins_to_count_anew(customer: Customer, valkey: Any) -> None:
    fail(customer.writes(POISON), times=2)
    customer.writes("oi")
    fail(customer, times=1)  # both are one turn
    customer.is_served()
    assert not valkey.exists(f"attempts:{customer.user_key}")
    customer.writes("vocês demoram?").is_served()
    assert len(customer.outside.sent) == 1


def test_others_are_answered_meanwhile(customer: Customer) -> None:
    fail(customer.writes(POISON), times=1)
    other = Customer(customer.store, Outside(), wa_id="5542999990002")
    other.writes("oi").is_served()
    assert len(other.outside.sent) == 1


def test_a_worker_that_dies_during_the_turn_counts_too(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(**known: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "plan_turn", die)
    customer.writes("oi")
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(KeyboardInterrupt):
            customer.is_served()
    customer.is_served()
    assert customer.handoffs[0].routing == "failure"


def test_a_poisoned_turn_with_a_person_in_charge_stays_with_that_person(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    said = len(customer.outside.sent)
    fail(customer.writes(POISON)).is_served()
    assert (len(customer.handoffs), len(customer.outside.sent)) == (1, said)
    assert customer.received[1].state == "HANDLED"
