"""Workers act by one clock: Redis's, where their own is wrong."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from celery import shared_task
from django.test import Client

from pyloto import clock
from pyloto.documents import DocumentStore
from pyloto.redis_client import redis_seconds
from tests.conversations.deliveries import envelope, post

told: list[datetime] = []


@shared_task
def tell_the_time() -> None:
    told.append(clock.now())


@pytest.fixture(autouse=True)
def by_valkey(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "redis_seconds", redis_seconds)


def web_takes_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_testified_at", float("-inf"))
    assert post(envelope()).status_code == 200


def told_by_a_worker(*, ahead: float) -> float:
    """By how many seconds the time that its task gets is ahead of Redis's."""
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=ahead)):
        there = clock.redis_seconds()
        tell_the_time.apply()
    return told.pop().timestamp() - there


@pytest.mark.parametrize(("ahead", "off"), [(600, 0), (-600, 0), (3, 0), (1, 1), (-1, -1), (0, 0)])
def test_a_task_gets_the_time_of_redis_where_its_own_is_wrong(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch, ahead: int, off: int
) -> None:
    web_takes_a_delivery(monkeypatch)
    assert told_by_a_worker(ahead=ahead) == pytest.approx(off, abs=0.4)


def test_without_a_witness_the_own_clock_counts() -> None:
    assert told_by_a_worker(ahead=600) == pytest.approx(600, abs=0.4)


def test_who_asks_whether_the_web_process_is_ready_makes_it_a_witness(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_testified_at", float("-inf"))
    assert Client().get("/readyz").status_code == 200
    assert told_by_a_worker(ahead=600) == pytest.approx(0, abs=0.4)


@pytest.mark.parametrize(
    ("ahead", "off"),
    [(600, 0), (601, 0), (0, 0), (1, 1), (300, 300), (-600, -600)],
    ids=["as before", "slewed", "mended", "nearly mended", "changed", "turned round"],
)
def test_in_a_quiet_hour_what_was_known_holds_until_a_clock_changes(
    embedded_store: DocumentStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, ahead: int, off: int
) -> None:
    web_takes_a_delivery(monkeypatch)
    assert told_by_a_worker(ahead=600) == pytest.approx(0, abs=0.4)
    valkey.delete(clock.WITNESS)  # as time does
    for _ in range(2):
        assert told_by_a_worker(ahead=ahead) == pytest.approx(off, abs=0.4)


def test_a_witness_that_contradicts_ends_what_was_known(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    web_takes_a_delivery(monkeypatch)
    assert told_by_a_worker(ahead=600) == pytest.approx(0, abs=0.4)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10)):
        web_takes_a_delivery(monkeypatch)
    assert told_by_a_worker(ahead=600) == pytest.approx(600, abs=0.4)


@pytest.mark.parametrize("shift", [600, -600])
def test_a_redis_with_a_wrong_clock_misleads_nobody(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shift: int
) -> None:
    monkeypatch.setattr(clock, "redis_seconds", lambda: redis_seconds() + shift)
    web_takes_a_delivery(monkeypatch)
    assert '"clock_is_wrong"' in capsys.readouterr().out
    assert told_by_a_worker(ahead=0) == pytest.approx(-shift, abs=0.4)


@pytest.mark.parametrize("shift", [600, -600])
def test_what_was_seen_before_redis_jumped_does_not_count(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    web_takes_a_delivery(monkeypatch)
    monkeypatch.setattr(clock, "redis_seconds", lambda: redis_seconds() + shift)
    assert told_by_a_worker(ahead=0) == pytest.approx(-shift, abs=0.4)


def test_a_clock_that_was_mended_is_right_again(embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    web_takes_a_delivery(monkeypatch)
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
