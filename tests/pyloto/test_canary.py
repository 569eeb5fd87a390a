"""Who looks sees whether each queue is served."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from pyloto import canary
from pyloto.celery import app
from pyloto.observability import health
from pyloto.tasks import canary as canary_task

Readyz = Callable[[], tuple[int, dict[str, Any]]]


@pytest.fixture
def readyz(rf: Any, monkeypatch: pytest.MonkeyPatch) -> Readyz:
    monkeypatch.setattr(health, "_checks", {"workers": health.check_workers})

    def look() -> tuple[int, dict[str, Any]]:
        response = health.readyz(rf.get("/readyz"))
        return response.status_code, json.loads(response.content)["checks"]["workers"]

    return look


def alerts(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line.get("alert")]


def last_seen(valkey: redis.Redis, name: str, *, seconds_ago: float) -> None:
    valkey.set(f"canary:{name}", canary.redis_seconds() - seconds_ago)


# --- queues -----------------------------------------------------------------------------------------------------------
def test_beat_sends_a_canary_to_each_queue_that_workers_serve() -> None:
    entries = {name: entry for name, entry in app.conf.beat_schedule.items() if name.startswith("canary-")}
    sent = {entry["options"]["queue"]: entry["args"] for entry in entries.values()}
    assert sent == {queue: [queue] for queue in canary.STALE_SECONDS}
    routed = {route["queue"] for route in app.conf.task_routes.values()} | {app.conf.task_default_queue}
    assert routed == canary.STALE_SECONDS.keys()


def test_a_queue_is_as_old_as_its_last_canary(valkey: redis.Redis, readyz: Readyz) -> None:
    for queue in canary.STALE_SECONDS:
        last_seen(valkey, queue, seconds_ago=80)
    canary_task.apply(args=["sweep"])
    assert readyz() == (
        200,
        {"ok": True, "age_seconds": {"turns": 80, "sweep": 0, "media": 80, "checkpoints": 80}},
    )


def test_a_queue_that_nobody_serves_is_told_and_the_intake_goes_on(
    valkey: redis.Redis, readyz: Readyz, capsys: pytest.CaptureFixture[str]
) -> None:
    assert readyz() == (200, {"ok": True, "age_seconds": dict.fromkeys(canary.STALE_SECONDS, 0)})
    assert alerts(capsys) == []
    last_seen(valkey, "media", seconds_ago=200)
    status, workers = readyz()
    assert (status, workers["ok"], workers["age_seconds"]["media"]) == (200, False, 200)
    [told] = alerts(capsys)
    assert (told["event"], told["queue"], told["seconds"]) == ("queue_stands_still", "media", 200)


@pytest.mark.parametrize("queue", canary.STALE_SECONDS)
def test_a_worker_that_is_merely_at_work_is_no_alarm(queue: str) -> None:
    limits = [app.conf.task_time_limit] + [
        task.time_limit
        for name, task in app.tasks.items()
        if task.time_limit and app.conf.task_routes.get(name, {}).get("queue") == queue
    ]
    period = app.conf.beat_schedule[f"canary-{queue}"]["schedule"].total_seconds()
    assert canary.STALE_SECONDS[queue] > max(limits) + period
