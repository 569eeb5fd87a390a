"""Workers act by one clock: Redis's, where their own is wrong."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from celery import shared_task

from pyloto import clock
from pyloto.redis_client import redis_seconds

told: list[datetime] = []


@shared_task
def tell_the_time() -> None:
    told.append(clock.now())


@pytest.fixture(autouse=True)
def by_valkey(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "redis_seconds", redis_seconds)


@pytest.mark.parametrize(("ahead", "off"), [(600, 0), (-600, 0), (3, 0), (1, 1), (-1, -1), (0, 0)])
def test_a_task_gets_the_time_of_redis_where_its_own_is_wrong(ahead: int, off: int) -> None:
    there = redis_seconds()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=ahead)):
        tell_the_time.apply()
    assert told.pop().timestamp() - there == pytest.approx(off, abs=0.4)


def test_a_clock_that_was_mended_is_right_again() -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10)):
        tell_the_time.apply()
    tell_the_time.apply()
    assert told.pop().timestamp() == pytest.approx(time.time(), abs=0.4)


def test_a_slow_answer_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly() -> float:
        time.sleep(clock.ROUND_TRIP_SECONDS_MAX + 0.1)
        return 0.0

    monkeypatch.setattr(clock, "redis_seconds", slowly)
    assert clock.compare() == 0
    assert clock.now().timestamp() == pytest.approx(time.time(), abs=0.4)


def test_without_redis_the_own_clock_counts(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    tell_the_time.apply()
    assert told.pop().timestamp() == pytest.approx(time.time(), abs=0.4)
