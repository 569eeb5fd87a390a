"""One worker for each conversation at a time, and how often its turn was tried. In Redis, and only to save work:

the header's precondition is what keeps two workers apart. A Redis that forgets costs tries, never a reply.
"""

from contextlib import suppress
from datetime import timedelta

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from pyloto.redis_client import get_redis

log = structlog.get_logger(__name__)

LOCK_SECONDS = 15  # a turn takes less than one; who waits for a model longer than this is fenced by the header
AGAIN_SECONDS = 600
ATTEMPTS_SECONDS = 3600


def keys_of(user_key: str) -> list[str]:
    """All that Redis may hold about one conversation's turns."""
    return [f"{name}:{user_key}" for name in ("again", "lock", "later", "attempts", "ring")]


class TurnLock:
    """Usage: `acquire`, work, `release`; `release` tells whether somebody rang in the meantime."""

    def __init__(self, user_key: str) -> None:
        self._user_key = user_key
        self._lock: Lock | None = None

    def acquire(self) -> timedelta | None:
        """None when the work may begin; else how long to wait before ringing once more, zero for not at all.

        The holder rings again when it is done; the later ring is for a holder that died.
        """
        redis = get_redis()
        try:
            redis.set(f"again:{self._user_key}", 1, ex=AGAIN_SECONDS)
            lock = redis.lock(f"lock:{self._user_key}", timeout=LOCK_SECONDS, blocking=False, thread_local=False)
            if lock.acquire():
                self._lock = lock
                redis.delete(f"again:{self._user_key}")  # what was rung for until now is read by this run
                return None
            if redis.set(f"later:{self._user_key}", 1, ex=LOCK_SECONDS, nx=True):
                left = max(redis.pttl(f"lock:{self._user_key}"), 0)
                return timedelta(milliseconds=left + 200)
            return timedelta(0)
        except RedisError as exc:
            log.warning("turn_lock_unavailable", error=type(exc).__name__)
            return None

    def release(self) -> bool:
        """Whether somebody rang while the lock was held."""
        if self._lock is None:
            return False
        try:
            with suppress(LockError):  # it expired: another worker may hold it
                self._lock.release()
            return bool(get_redis().getdel(f"again:{self._user_key}"))
        except RedisError as exc:
            log.warning("turn_lock_unavailable", error=type(exc).__name__)
            return True


def count_attempt(user_key: str) -> int:
    """Which try of the conversation's next turn this is; 1 where Redis does not know.

    They are forgotten an hour after the first one, however often somebody rings until then.
    """
    try:
        pipeline = get_redis().pipeline()
        pipeline.incr(f"attempts:{user_key}")
        pipeline.expire(f"attempts:{user_key}", ATTEMPTS_SECONDS, nx=True)
        return int(pipeline.execute()[0])
    except RedisError:
        return 1


def clear_attempts(user_key: str) -> None:
    with suppress(RedisError):
        get_redis().delete(f"attempts:{user_key}")


def may_ring(user_key: str, *, seconds: int) -> bool:
    """Whether the sweeper has not rung for this conversation within the last `seconds`."""
    try:
        return bool(get_redis().set(f"ring:{user_key}", 1, ex=seconds, nx=True))
    except RedisError:
        return True
