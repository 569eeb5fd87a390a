"""What nobody rang for, or whose worker is gone: the sweeper rings, the task answers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import structlog

from conversations import tasks, turn_lock
from conversations.services import sweep
from conversations.stores import ConversationStore
from conversations.tasks import process_conversation
from conversations.turn_lock import TurnLock
from conversations.whatsapp.client import Rejected
from conversations.whatsapp.errors import ErrorClass

from .customer import Customer
from .outside import Outside, WorkerDied

UNSEEN = timedelta(seconds=16)  # a message that no worker has answered is due 15 s after it came


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch, outside: Outside) -> list[tuple[str, float]]:
    """The rings of the tasks, (user_key, seconds ahead); and the tasks send through the double."""
    rings: list[tuple[str, float]] = []

    def ring(waits: dict[str, timedelta], files: object = ()) -> bool:
        rings.extend((user_key, wait.total_seconds()) for user_key, wait in waits.items())
        return True

    monkeypatch.setattr(tasks.doorbell, "ring", ring)
    monkeypatch.setattr(tasks.process_conversation, "delay", lambda user_key: rings.append((user_key, 0)))
    monkeypatch.setattr(tasks, "create_client", lambda: outside)
    return rings


# --- the sweeper ------------------------------------------------------------------------------------------------------
def test_a_message_whose_ring_was_lost_is_found_and_answered(customer: Customer, rung: list[Any], clock: Any) -> None:
    customer.writes("oi")
    rung.clear()
    assert tasks.sweep() == "Rang for 0 conversations"  # its ring may still be on the way
    clock.shift(UNSEEN)
    assert tasks.sweep() == "Rang for 1 conversations"
    assert rung == [(customer.user_key, 0)]
    process_conversation(customer.user_key)
    assert len(customer.outside.sent) == 1
    assert tasks.sweep() == "Rang for 0 conversations"


def test_a_reply_whose_worker_died_is_found(customer: Customer, rung: list[Any], clock: Any) -> None:
    customer.outside.dies_before = 1
    customer.writes("oi")
    with pytest.raises(WorkerDied):
        process_conversation(customer.user_key)
    rung.clear()
    clock.shift(31)
    tasks.sweep()
    assert rung == [(customer.user_key, 0)]


def test_a_conversation_is_rung_for_once_in_thirty_seconds(
    customer: Customer, rung: list[Any], clock: Any, valkey: redis.Redis
) -> None:
    customer.writes("oi", "tudo bem?")
    rung.clear()
    clock.shift(UNSEEN)
    tasks.sweep()
    tasks.sweep()
    assert len(rung) == 1
    assert 25 < valkey.ttl(f"ring:{customer.user_key}") <= 30


def test_the_sweeper_pages_until_nothing_is_left(
    customer: Customer, rung: list[Any], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_due = ConversationStore.find_due
    monkeypatch.setattr(ConversationStore, "find_due", lambda self, now: find_due(self, now, page=3))
    customers = [Customer(customer.store, Outside(), wa_id=f"55429999900{number}") for number in range(10, 17)]
    keys = {each.writes("oi", "e aí?").user_key for each in customers}
    rung.clear()
    clock.shift(UNSEEN)
    tasks.sweep()
    assert len(rung) == len(customers)
    assert {user_key for user_key, _ in rung} == keys


def test_work_that_stands_still_for_long_raises_an_alert(customer: Customer, rung: list[Any], clock: Any) -> None:
    customer.writes("oi")
    clock.shift(UNSEEN)
    with structlog.testing.capture_logs() as logs:
        tasks.sweep()
        clock.shift(timedelta(minutes=16))
        tasks.sweep()
    assert [line["event"] for line in logs if line.get("alert")] == ["work_stands_still"]


def test_readiness_shows_for_how_long_the_oldest_message_waits(customer: Customer, clock: Any) -> None:
    assert sweep.check_oldest_due() == {"oldest_due_seconds": 0}
    customer.writes("oi")
    clock.shift(timedelta(seconds=75))
    assert sweep.check_oldest_due()["oldest_due_seconds"] in (60, 61)
    customer.is_served()
    assert sweep.check_oldest_due() == {"oldest_due_seconds": 0}


# --- the task and its lock --------------------------------------------------------------------------------------------
def test_the_task_rings_for_what_is_due_soon_and_leaves_the_rest_to_the_sweeper(
    customer: Customer, rung: list[Any], clock: Any
) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY), Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi")
    rung.clear()
    process_conversation(customer.user_key)
    [(user_key, wait)] = rung
    assert (user_key, 0 < wait <= 2) == (customer.user_key, True)
    clock.shift(3)
    process_conversation(customer.user_key)
    assert len(rung) == 1  # a minute and more


def test_who_finds_a_worker_busy_leaves_and_the_worker_looks_again(
    customer: Customer, rung: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that came, and a ring that was answered, while a turn was made."""
    customer.writes("oi")
    rung.clear()

    def another_comes() -> None:
        customer.writes("Onde fica a empresa?")
        process_conversation(customer.user_key)
        assert not customer.outside.sent

    customer.store.before_commits.append(another_comes)
    process_conversation(customer.user_key)
    assert (customer.user_key, 0) in rung
    process_conversation(customer.user_key)
    assert customer.states == ["SENT", "SENT"]


def test_nobody_rang_is_nothing_to_ring_for(customer: Customer, rung: list[Any]) -> None:
    customer.writes("oi")
    rung.clear()
    process_conversation(customer.user_key)
    assert rung == []


def test_the_lock_of_a_dead_worker_is_waited_out(customer: Customer, rung: list[Any], valkey: redis.Redis) -> None:
    customer.writes("oi")
    rung.clear()
    assert TurnLock(customer.user_key).acquire() is None  # and then its worker dies
    process_conversation(customer.user_key)
    process_conversation(customer.user_key)
    [(_, wait)] = rung  # one late ring, however many come meanwhile
    assert turn_lock.LOCK_SECONDS - 1 < wait <= turn_lock.LOCK_SECONDS + 0.2
    valkey.delete(f"lock:{customer.user_key}", f"later:{customer.user_key}")  # as time does
    process_conversation(customer.user_key)
    assert len(customer.outside.sent) == 1


def test_a_turn_that_raises_frees_the_conversation(
    customer: Customer, rung: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.writes("oi")
    customer.outside.answers = [WorkerDied()]
    with pytest.raises(WorkerDied):
        process_conversation(customer.user_key)
    assert TurnLock(customer.user_key).acquire() is None


def test_a_lock_that_ran_out_is_not_taken_from_its_next_holder(customer: Customer, valkey: redis.Redis) -> None:
    customer.writes("oi")
    slow, next_one = TurnLock(customer.user_key), TurnLock(customer.user_key)
    slow.acquire()
    valkey.delete(f"lock:{customer.user_key}")  # as time does
    assert next_one.acquire() is None
    slow.release()
    assert valkey.exists(f"lock:{customer.user_key}")


# --- without Redis ----------------------------------------------------------------------------------------------------
@pytest.fixture
def redis_gone(settings: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """From the moment it is called nobody answers at the address of Redis."""
    url = settings.REDIS_URL

    def go() -> None:
        settings.REDIS_URL = "redis://127.0.0.1:9/0"

    yield go
    settings.REDIS_URL = url


def test_without_redis_a_worker_still_sends_exactly_one_reply(
    customer: Customer, rung: list[Any], redis_gone: Any
) -> None:
    customer.writes("oi")
    redis_gone()
    process_conversation(customer.user_key)
    process_conversation(customer.user_key)
    assert customer.states == ["SENT"]
    assert len(customer.outside.sent) == 1


def test_redis_that_goes_during_the_turn_costs_nothing(customer: Customer, rung: list[Any], redis_gone: Any) -> None:
    customer.writes("oi")
    customer.store.before_commits.append(redis_gone)
    process_conversation(customer.user_key)
    process_conversation(customer.user_key)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 1)


def test_without_redis_no_doubtful_text_is_sent_again(
    customer: Customer, rung: list[Any], redis_gone: Any, clock: Any
) -> None:
    """Nobody knows then whether statuses come."""
    customer.outside.dies_before = 1
    customer.writes("oi")
    with pytest.raises(WorkerDied):
        customer.is_served()
    redis_gone()
    customer.is_served_after(clock, timedelta(seconds=31))
    for _ in range(6):
        customer.is_served_after(clock, timedelta(seconds=121))
    assert (customer.states, customer.outside.sent) == (["NEEDS_HUMAN"], [])


def test_without_redis_the_sweeper_rings_for_everything(
    customer: Customer, rung: list[Any], redis_gone: Any, clock: Any
) -> None:
    customer.writes("oi")
    rung.clear()
    clock.shift(UNSEEN)
    redis_gone()
    tasks.sweep()
    tasks.sweep()
    assert [user_key for user_key, _ in rung] == [customer.user_key] * 2
