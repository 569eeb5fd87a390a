"""Meta's limits for a number and for a recipient are kept before Meta has to."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from conversations.pacing import BROKEN_SECONDS, PAIR_BURST, PAIR_SECONDS, wait_before_send
from conversations.whatsapp.client import Rejected
from conversations.whatsapp.errors import ErrorClass

from .customer import Customer
from .outside import Outside

pytestmark = pytest.mark.parametrize("store", ["embedded"], indirect=True)


def another(customer: Customer) -> Customer:
    return Customer(customer.store, Outside(), wa_id="5542999990002")


def test_a_number_sends_no_faster_than_allowed(customer: Customer, settings: Any, valkey: redis.Redis) -> None:
    settings.WHATSAPP_SENDS_PER_SECOND = 1
    first, second = customer, another(customer)
    first.writes("oi").is_served()
    next_at = second.writes("oi").is_served()
    assert (first.states, second.states, second.outside.sent) == (["SENT"], ["QUEUED"], [])
    assert next_at is not None
    assert timedelta(0) < next_at - timezone.now() <= timedelta(seconds=1)
    valkey.delete(*valkey.keys("pace:number:*"))  # as time does
    second.is_served()
    assert second.states == ["SENT"]


def test_one_recipient_gets_a_burst_and_then_one_every_six_seconds(customer: Customer, settings: Any) -> None:
    settings.WHATSAPP_SENDS_PER_SECOND = 1000
    waits = [wait_before_send(phone_number_id="1", user_key="u") for _ in range(PAIR_BURST + 1)]
    assert waits[:-1] == [timedelta(0)] * PAIR_BURST
    assert PAIR_SECONDS - 2 < waits[-1].total_seconds() <= PAIR_SECONDS
    assert wait_before_send(phone_number_id="1", user_key="somebody else") == timedelta(0)


def test_who_has_to_wait_takes_no_slot_meanwhile(customer: Customer, settings: Any) -> None:
    settings.WHATSAPP_SENDS_PER_SECOND = 1
    waits = [wait_before_send(phone_number_id="1", user_key=f"u{number}") for number in range(5)]
    assert waits[0] == timedelta(0)
    assert all(wait <= timedelta(seconds=1) for wait in waits[1:])


def test_a_barred_number_is_tried_once_a_minute_and_by_nobody_else(customer: Customer, valkey: redis.Redis) -> None:
    customer.outside.answers = [Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi").is_served()
    other = another(customer)
    next_at = other.writes("oi").is_served()
    assert (other.states, other.outside.sent) == (["QUEUED"], [])
    assert next_at is not None
    assert next_at - timezone.now() > timedelta(seconds=BROKEN_SECONDS - 5)
    valkey.delete(*valkey.keys("barred:*"))  # as time does
    other.is_served()
    assert other.states == ["SENT"]


def test_silence_takes_no_slot(customer: Customer, valkey: redis.Redis) -> None:
    customer.store.inner.set("controls/bot", {"paused": True})
    customer.writes("oi").is_served()
    assert not valkey.keys("pace:*")
