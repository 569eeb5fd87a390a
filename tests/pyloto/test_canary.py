"""Who looks sees whether each queue is served, whether a worker has stopped taking tasks, and whether its clock is wrong."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from pyloto import canary, clock
from pyloto.celery import app
from pyloto.observability import health
from pyloto.processes import Runner
from pyloto.redis_client import redis_seconds
from pyloto.tasks import canary as canary_task

NODE = "watched@localhost"
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
    valkey.set(f"canary:{name}", redis_seconds() - seconds_ago)


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


# --- one worker -------------------------------------------------------------------------------------------------------
@pytest.fixture
def worker(valkey: redis.Redis, runner: Runner) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "pyloto", "worker", "-Q", "media", "-P", "solo", "-n", NODE]
    own = {"DJANGO_SETTINGS_MODULE": "pyloto.settings"}  # with the environment of the tests: the same Valkey
    runner.start("watched", [*command, "--without-gossip", "--without-mingle"], env=own)
    runner.wait_until("watched", answers_pings)
    yield
    runner.stop_one("watched")


def answers_pings() -> bool:
    return bool(app.control.ping([NODE], timeout=0.5))


def probe(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> int:
    """The exit status of what the health check of a container runs."""
    monkeypatch.setattr(canary, "ANSWER_SECONDS", seconds)
    monkeypatch.setattr("sys.argv", ["canary", NODE])
    with pytest.raises(SystemExit) as ended:
        canary.main()
    return int(str(ended.value.code))


def test_a_worker_that_answers_pings_and_takes_no_tasks_is_found(
    worker: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(monkeypatch, seconds=20) == 0
    app.control.cancel_consumer(f"{NODE}.dq2", destination=[NODE], reply=True)
    assert answers_pings()
    assert probe(monkeypatch, seconds=1) == 1
    assert "watched@localhost took no task for 1 s and is at work on none: restart it" in capsys.readouterr().err


def test_a_worker_that_is_at_work_is_left_alone(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    class Inspect:
        def __init__(self, destination: list[str], timeout: float) -> None:
            [self.node] = destination

        def active(self) -> dict[str, Any]:
            return {self.node: [{"name": "conversations.tasks.fetch_media"}]}

    monkeypatch.setattr(app.control, "inspect", Inspect)
    assert probe(monkeypatch, seconds=0.4) == 0


def test_an_outage_of_redis_restarts_no_worker(
    settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert probe(monkeypatch, seconds=1) == 0
    assert "Redis does not answer (ConnectionError)" in capsys.readouterr().err


# --- clocks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ahead", "told"), [(600, [600]), (-600, [-600]), (3, [3]), (1, []), (-1, [])])
def test_a_process_with_a_wrong_clock_says_so(
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ahead: int,
    told: list[int],
) -> None:
    monkeypatch.setattr(clock, "redis_seconds", redis_seconds)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=ahead)):
        canary_task.apply(args=["turns"])
    found = alerts(capsys)
    assert [round(line["seconds"]) for line in found] == told
    assert {line["event"] for line in found} <= {"clock_is_wrong"}
    assert canary.ages()["turns"] == 0  # by Redis's clock
