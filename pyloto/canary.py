"""Canaries: tasks that only come through. A worker whose consumer has stopped answers pings, and takes no task any more.

Beat sends one to each queue; the age of the last one that came through stands in `/readyz`. `python -m pyloto.canary` sends
one to a single worker, for whatever restarts that worker. All times are Redis's, so a wrong clock of ours changes no age.
"""

import argparse
import time

from celery.utils.nodenames import default_nodename, worker_direct
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from pyloto.celery import app
from pyloto.redis_client import get_redis, redis_seconds

# By queue. Above the hard limit of its longest task and the 20 s between two canaries: a worker may be at work on nothing else.
STALE_SECONDS = {"turns": 90, "sweep": 90, "media": 150, "checkpoints": 270}
ANSWER_SECONDS = 30.0  # with a look every 20 s: noticed within 60 (faults.md B10)
TRIES = 2  # a canary may get lost with its connection
POLL_SECONDS = 0.2
PING_SECONDS = 3.0
KEPT_SECONDS = 86_400  # of a worker; the few of queues stay
TELL_AGAIN_SECONDS = 60


def stamp(name: str) -> None:
    """Note that a canary came through."""
    get_redis().set(_key(name), redis_seconds(), ex=None if name in STALE_SECONDS else KEPT_SECONDS)


def ages() -> dict[str, int]:
    """By queue: seconds since a canary came through, or since the first look where none has come yet."""
    now, redis = redis_seconds(), get_redis()
    last = {queue: redis.set(_key(queue), now, nx=True, get=True) for queue in STALE_SECONDS}
    return {queue: round(now - float(str(at or now))) for queue, at in last.items()}


def may_tell(queue: str) -> bool:
    """Whether it was not told within the last minute that the queue stands still: `/readyz` is asked every few seconds."""
    return bool(get_redis().set(f"canary:told:{queue}", 1, ex=TELL_AGAIN_SECONDS, nx=True))


def takes_tasks(node: str, *, within_seconds: float) -> bool:
    """Whether a worker takes a task in time, or is at work on others. Raises where Redis does not answer."""
    if comes_through(node, worker_direct(node), within_seconds=within_seconds):
        return True
    active = app.control.inspect([node], timeout=PING_SECONDS).active()
    return bool(active and active.get(node))  # each has its time limit, so the next looks tell


def comes_through(name: str, queue: str | Queue, *, within_seconds: float) -> bool:
    """Send canaries to a queue until one has come through."""
    began = redis_seconds()
    for _ in range(TRIES):
        app.send_task("pyloto.tasks.canary", args=(name,), queue=queue, retry=False)  # type: ignore[arg-type]  # a Queue will do
        give_up_at = time.monotonic() + within_seconds / TRIES
        while time.monotonic() < give_up_at:
            if float(str(get_redis().get(_key(name)) or 0)) >= began:
                return True
            time.sleep(POLL_SECONDS)
    return False


def _key(name: str) -> str:
    return f"canary:{name}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pyloto.canary", description="Fails where a worker takes no tasks.")
    parser.add_argument(
        "node",
        nargs="?",
        default="",
        help="the worker's name; what is missing of it is taken as Celery does: celery@host",
    )
    node = default_nodename(parser.parse_args().node)
    try:
        if takes_tasks(node, within_seconds=ANSWER_SECONDS):
            parser.exit(0, f"{node} takes tasks\n")
    except (RedisError, OperationalError) as exc:  # a restart would not help
        parser.exit(0, f"Redis does not answer ({type(exc).__name__}): nobody knows about {node}\n")
    parser.exit(1, f"{node} took no task for {ANSWER_SECONDS:.0f} s and is at work on none: restart it\n")


if __name__ == "__main__":
    main()
