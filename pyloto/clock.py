"""The time by which workers act: Redis's, where the clock of a process is wrong.

They compare times that others have written: when a message was claimed, until when a doubt waits. A worker whose clock is
fast would end the waits of all, and write times that nobody else reaches for minutes (faults.md G1, G2).
"""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from pyloto.redis_client import redis_seconds

WRONG_SECONDS = 2.0  # faults.md G2
ROUND_TRIP_SECONDS_MAX = 0.5  # a slower answer tells too little

_ahead = timedelta(0)


def now() -> datetime:
    return timezone.now() - _ahead


def compare() -> float:
    """By how many seconds the clock of this process is ahead of Redis's; by a wrong one `now` is mended from here on.

    Raises `RedisError`.
    """
    global _ahead
    began, before = time.monotonic(), time.time()
    there = redis_seconds()
    taken = time.monotonic() - began
    if taken > ROUND_TRIP_SECONDS_MAX:
        return _ahead.total_seconds()
    ahead = before + taken / 2 - there
    _ahead = timedelta(seconds=ahead if abs(ahead) > WRONG_SECONDS else 0)
    return ahead
