"""The Redis client of this process: for locks, flags, counters and dedupe marks, never for what must not be lost."""

import os
import time
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from pyloto.observability.alerts import alert

TIMEOUT_SECONDS = 0.5  # a webhook that waits longer is better answered 503
TELL_AGAIN_SECONDS = 60

_told_at = float("-inf")  # of the monotonic clock


def get_redis() -> redis.Redis:
    """One client for each process id, made at its first use; nothing is sent before the first command."""
    return _client(os.getpid(), settings.REDIS_URL)


@lru_cache(maxsize=4)
def _client(pid: int, url: str) -> redis.Redis:
    # Once more only where the connection itself broke (the server was restarted); the library's own three tries with
    # pauses would hold a webhook for seconds.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=retry,
    )


def redis_seconds() -> float:
    """Redis's own time, in seconds since the epoch."""
    time_there: Any = get_redis().time()
    seconds, microseconds = time_there
    return float(seconds + microseconds / 1_000_000)


def tell_unreachable(error: redis.RedisError) -> None:
    """Alert that Redis does not serve us; once a minute from this process, as the limit cannot stand in Redis.

    For web processes: without Redis nobody else has anything to do.
    """
    global _told_at
    if time.monotonic() - _told_at >= TELL_AGAIN_SECONDS:
        _told_at = time.monotonic()
        alert("redis_unreachable", error=type(error).__name__)
