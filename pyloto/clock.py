"""The time by which workers act: Redis's, where their own clock is wrong.

They compare times that others have written: when a message was claimed, until when a doubt waits. A worker whose clock is
fast would end the waits of all, and write times that nobody else reaches for minutes (faults.md G1, G2).

Two clocks are believed against a third: a worker goes by Redis's only where the process that takes webhooks, whose times
meet Meta's, has found Redis's right just before. Where Redis's is the wrong one all keep their own. While nobody looks, what
a worker has found out holds until its own clock or Redis's changes.
"""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from pyloto.observability.alerts import alert
from pyloto.redis_client import get_redis, redis_seconds

WRONG_SECONDS = 2.0  # faults.md G2
ROUND_TRIP_SECONDS_MAX = 0.5  # a slower answer tells too little
WITNESS = "clock:web"  # "{when, by Redis} {seconds ahead of Redis}"
WITNESS_SECONDS = 60  # so old it may be; by a Redis that has jumped it is older, or of the future
TESTIFY_SECONDS = 20

_ahead = timedelta(0)
_testified_at = float("-inf")  # of the monotonic clock


def now() -> datetime:
    return timezone.now() - _ahead


def compare() -> float:
    """By how many seconds the clock of this process is ahead of Redis's; by a wrong one `now` is mended from here on.

    For workers. Raises `RedisError`.
    """
    global _ahead
    there, ahead = _measure()
    right = _is_right(there)
    if right is None:
        right = not is_wrong(ahead - _ahead.total_seconds())  # as far apart as before: neither clock has changed
    _ahead = timedelta(seconds=ahead if right and is_wrong(ahead) else 0)
    return ahead


def testify() -> None:
    """Note how far away from Redis's the clock of this process is, which takes webhooks; now and then. Raises `RedisError`."""
    global _testified_at
    if time.monotonic() - _testified_at < TESTIFY_SECONDS:
        return
    _testified_at = time.monotonic()
    there, ahead = _measure()
    get_redis().set(WITNESS, f"{there} {ahead}", ex=WITNESS_SECONDS)
    tell(ahead)


def tell(ahead: float) -> None:
    """Alert where a clock so far ahead is wrong."""
    if is_wrong(ahead):
        alert("clock_is_wrong", seconds=round(ahead, 1))


def is_wrong(ahead: float) -> bool:
    return abs(ahead) > WRONG_SECONDS


def _measure() -> tuple[float, float]:
    """Redis's time, and by how many seconds the own one is ahead of it; as before where the answer was slow."""
    began, before = time.monotonic(), time.time()
    there = redis_seconds()
    taken = time.monotonic() - began
    if taken > ROUND_TRIP_SECONDS_MAX:
        return there, _ahead.total_seconds()
    return there, before + taken / 2 - there


def _is_right(there: float) -> bool | None:
    """Whether the witness has found Redis's clock right, and that clock has not jumped since; None without a witness."""
    at, _, ahead = str(get_redis().get(WITNESS) or "").partition(" ")
    if not at:
        return None
    return abs(there - float(at)) <= WITNESS_SECONDS and not is_wrong(float(ahead))
