"""Canaries: tasks that only come through. Beat sends one to each queue; the age of the last one stands in `/readyz`.

All times are Redis's, so a wrong clock of ours changes no age.
"""

from typing import Any

from pyloto.redis_client import get_redis

# By queue. Above the hard limit of its longest task and the 20 s between two canaries: a worker may be at work on nothing else.
STALE_SECONDS = {"turns": 90, "sweep": 90, "media": 150, "checkpoints": 270}
KEPT_SECONDS = 86_400


def stamp(name: str) -> None:
    """Note that a canary came through."""
    get_redis().set(_key(name), redis_seconds(), ex=KEPT_SECONDS)


def ages() -> dict[str, int]:
    """By queue: seconds since a canary came through, or since the first look where none has come yet."""
    now, redis = redis_seconds(), get_redis()
    last = {queue: redis.set(_key(queue), now, nx=True, get=True, ex=KEPT_SECONDS) for queue in STALE_SECONDS}
    return {queue: round(now - float(str(at or now))) for queue, at in last.items()}


def redis_seconds() -> float:
    time_there: Any = get_redis().time()
    seconds, microseconds = time_there
    return float(seconds + microseconds / 1_000_000)


def _key(name: str) -> str:
    return f"canary:{name}"
