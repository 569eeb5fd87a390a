"""Which messages make a turn, when it starts, and when nobody answers. From the signed delivery on."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit import EventType
from conversations.models import Mode
from conversations.services.delivery import OPEN_ITEMS_MAX
from conversations.services.turns import TURN_MESSAGES_MAX
from conversations.whatsapp.client import Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import Update

from .customer import Customer

SECOND = timedelta(seconds=1)
LEAD = ("Preciso de um sistema sob medida", "Empresa")


@pytest.fixture
def quiet(settings: Any) -> None:
    settings.TURN_QUIET_SECONDS, settings.TURN_MAX_SECONDS = 3 * SECOND, 15 * SECOND


def test_messages_within_the_quiet_time_are_one_turn(customer: Customer, quiet: None, clock: Any) -> None:
    customer.writes("oi", "tudo bem?", "quero saber de vocês")
    assert customer.is_served() is not None
    assert not customer.outside.sent
    customer.is_served_after(clock, 4 * SECOND)
    assert len(customer.outside.sent) == 1
    assert len({message.turn_id for message in customer.received}) == 1
    assert {message.state for message in customer.received} == {"HANDLED"}


def test_each_message_puts_the_turn_off_but_not_beyond_the_longest_wait(
    customer: Customer, quiet: None, clock: Any
) -> None:
    for _ in range(6):  # one every 2.5 s: never 3 s of silence
        customer.writes("e mais uma coisa")
        clock.shift(2.5 * SECOND)
        customer.is_served()
    assert len(customer.outside.sent) == 1


def test_the_worker_asks_to_come_back_when_the_customer_will_have_paused(customer: Customer, quiet: None) -> None:
    customer.writes("oi")
    [message] = customer.received
    assert customer.is_served() == message.received_at + 3 * SECOND


def test_a_tap_waits_for_nothing(customer: Customer, quiet: None) -> None:
    customer.taps("intent:CUSTOM_SOFTWARE", "Sistemas sob medida").is_served()
    assert len(customer.outside.sent) == 1


def test_a_message_from_a_clock_ahead_of_ours_is_not_waited_for(customer: Customer, quiet: None, clock: Any) -> None:
    clock.shift(timedelta(minutes=10))
    customer.writes("oi")
    clock.shift(-timedelta(minutes=10))
    customer.is_served()
    assert len(customer.outside.sent) == 1


def test_more_messages_than_a_turn_takes_are_answered_in_several(customer: Customer) -> None:
    customer.sends(*({"text": {"body": f"mensagem {number}"}} for number in range(TURN_MESSAGES_MAX + 20)))
    assert customer.is_served() is not None
    customer.is_served()
    assert {message.state for message in customer.received} == {"HANDLED"}
    assert len({message.turn_id for message in customer.received}) == len(customer.outside.sent) == 2
    assert [event["metadata"]["messages"] for event in customer.events(EventType.USER_CONTACT)] == [100, 20]


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
def test_a_flood_that_hides_an_older_reply_does_not_overtake_it(customer: Customer) -> None:
    """The run reads so many open items at most, the longest due first; the refused reply is due after all of them."""
    customer.outside.answers = [Rejected(131056, ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    customer.store.inner.commit([Update(customer.replies[0].path, {"due.at": timezone.now() + timedelta(minutes=5)})])
    customer.sends(*({"text": {"body": f"mensagem {number}"}} for number in range(OPEN_ITEMS_MAX + 1)))
    while customer.is_served() and any(message.due for message in customer.received):
        pass
    assert set(customer.states) == {"QUEUED"}
    assert len(customer.outside.sent) == 1


def test_nothing_that_waits_is_nothing_to_do(customer: Customer) -> None:
    customer.writes("oi").is_served()
    assert customer.is_served() is None
    assert len(customer.outside.sent) == 1


def test_a_message_after_the_idle_limit_closes_the_session_and_opens_another(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(timedelta(minutes=31))
    customer.writes("oi de novo").is_served()
    first, second = customer.sessions
    assert (first.status, first.outcome, second.status) == ("CLOSED", "SCHEDULED_FOLLOWUP", "ACTIVE")
    assert customer.header.session_id == second.pk
    assert len(customer.events(EventType.SESSION_ABANDONED)) == len(customer.events(EventType.SESSION_CLOSED)) == 1


def test_who_asks_for_a_person_gets_one_and_is_acknowledged_once(customer: Customer) -> None:
    customer.writes(*LEAD).is_served()
    customer.writes("quero falar com uma pessoa").is_served()
    [handoff] = customer.handoffs
    assert (handoff.status, customer.header.mode) == ("OPEN", Mode.WAITING_HUMAN)
    said = len(customer.outside.sent)
    customer.writes("vocês demoram?").is_served()
    assert len(customer.outside.sent) == said
    assert customer.states == ["SENT"] * said
    assert len(customer.events(EventType.HANDOFF_OPENED)) == len(customer.events(EventType.MODE_CHANGED)) == 1


def test_while_a_person_answers_the_bot_is_silent_and_everything_is_kept(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.store.inner.commit([Update(f"conversations/{customer.user_key}", {"mode": "HUMAN", "owner_epoch": 1})])
    customer.writes("você está aí?").is_served()
    assert len(customer.outside.sent) == 1
    assert [message.state for message in customer.received] == ["HANDLED", "HANDLED"]
    assert customer.trail()[-1]["event_type"] == EventType.USER_CONTACT


def test_silent_turns_are_found_by_their_correlation_id(customer: Customer) -> None:
    customer.sends({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}}).is_served()
    assert customer.trail()[0]["correlation_id"] == customer.received[0].correlation_id != ""
