"""What a turn asks of the document store: at most five round trips, however long the conversation is."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations.models import Actor, Direction, Message, MessageState
from conversations.whatsapp.client import NotSent
from pyloto.documents import Create
from tests.lab.faulty_store import FaultyStore

from .customer import Customer
from .outside import Outside

TURN_MAX = 5  # with a reply, and marking it as sent
HISTORY = 300


def round_trips(customer: Customer, text: str) -> list[str]:
    """Of the worker alone: the webhook's are counted elsewhere."""
    customer.writes(text)
    customer.store.calls.clear()
    customer.is_served()
    return list(customer.store.calls)


def talked_before(customer: Customer, messages: int) -> None:
    """As many messages as that, all of them dealt with."""
    earlier = timezone.now() - timedelta(days=2)
    path = f"conversations/{customer.user_key}/messages"
    customer.store.inner.write_many(
        [
            Create(
                f"{path}/{number:040x}",
                Message(
                    id=f"{number:040x}",
                    direction=Direction.IN if number % 2 else Direction.OUT,
                    actor=Actor.USER if number % 2 else Actor.PYLOTO,
                    type="text",
                    text=f"mensagem {number}",
                    timestamp=earlier + timedelta(seconds=number),
                    received_at=earlier + timedelta(seconds=number),
                    seq=number,
                    state=MessageState.HANDLED if number % 2 else MessageState.SENT,
                ).to_document(),
            )
            for number in range(messages)
        ]
    )


def test_a_first_turn_reads_twice_and_writes_twice(customer: Customer) -> None:
    assert round_trips(customer, "oi") == ["query", "get_many", "commit", "update"]


@pytest.mark.parametrize("history", [0, HISTORY])
def test_a_later_turn_takes_one_more_for_the_session_however_long_the_history(
    faulty: FaultyStore, valkey: object, outside: Outside, history: int
) -> None:
    customer = Customer(faulty, outside).writes("oi")
    customer.is_served()
    talked_before(customer, history)
    calls = round_trips(customer, "Preciso de um sistema sob medida")
    assert calls == ["query", "get_many", "get_many", "commit", "update"]
    assert len(calls) <= TURN_MAX
    assert customer.replies[-1].state == "SENT"


@pytest.mark.parametrize("count", [1, 60])
def test_it_takes_no_more_for_many_messages_at_once(customer: Customer, count: int) -> None:
    customer.writes("oi").is_served()
    customer.sends(*({"text": {"body": f"parte {number}"}} for number in range(count)))
    customer.store.calls.clear()
    customer.is_served()
    assert len(customer.store.calls) <= TURN_MAX


def test_a_handoff_takes_no_more(customer: Customer) -> None:
    customer.writes("oi").is_served()
    assert len(round_trips(customer, "quero falar com uma pessoa")) <= TURN_MAX
    assert customer.handoffs


def test_a_run_that_finds_nothing_asks_once(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.store.calls.clear()
    customer.is_served()
    assert customer.store.calls == ["query"]


@pytest.mark.parametrize(("waited", "for_the_session"), [(3, []), (3600, ["get"])], ids=["soon", "late"])
def test_only_what_is_sent_late_takes_one_more_for_its_session(
    customer: Customer, clock: Any, waited: int, for_the_session: list[str]
) -> None:
    customer.outside.answers = [NotSent("ConnectTimeoutError")]
    customer.writes("oi").is_served()
    customer.store.calls.clear()
    customer.is_served_after(clock, timedelta(seconds=waited))
    looked, sent = ["query", "query", "get_many"], ["commit", "update", "query"]
    assert customer.store.calls == [*looked, *for_the_session, *sent]
