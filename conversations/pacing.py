"""How fast messages leave: within Meta's limits for a recipient and for a number, counted in Redis by all workers together.

Without Redis nothing is held back: Meta refuses then, and the outbox tries again later.
"""

from datetime import timedelta
from functools import lru_cache

import structlog
from django.conf import settings
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from pyloto.redis_client import get_redis

log = structlog.get_logger(__name__)

PAIR_SECONDS, PAIR_BURST = 6, 40  # Meta: one message every 6 s to one recipient, 45 at once borrowed from the future
BROKEN_SECONDS = 60  # a number that Meta bars is tried again after this, by one message
# KEYS: the pause of the number, then a bucket each; ARGV: spacing in seconds and burst of each bucket.
# A bucket holds the time at which all that was sent will have been paid for. Returns the seconds to wait; 0 takes a slot.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local wait = math.max(redis.call('PTTL', KEYS[1]) / 1000, 0)
local paid = {}
for i = 2, #KEYS do
  local spacing, burst = tonumber(ARGV[2 * i - 3]), tonumber(ARGV[2 * i - 2])
  paid[i] = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  wait = math.max(wait, paid[i] - now - spacing * (burst - 1))
end
if wait > 0 then return tostring(wait) end
for i = 2, #KEYS do
  local spacing = tonumber(ARGV[2 * i - 3])
  redis.call('SET', KEYS[i], string.format('%.6f', paid[i] + spacing), 'PX', math.ceil((paid[i] + spacing - now) * 1000))
end
return '0'
"""


def wait_before_send(*, phone_number_id: str, user_key: str) -> timedelta:
    """Zero: send now, a slot is taken. Else how long to wait before asking again."""
    per_second = settings.WHATSAPP_SENDS_PER_SECOND
    keys = [f"barred:{phone_number_id}", f"pace:number:{phone_number_id}", pair_key(user_key)]
    try:
        seconds = _take(get_redis())(keys=keys, args=[1 / per_second, per_second, PAIR_SECONDS, PAIR_BURST])
    except RedisError as exc:
        log.warning("pacing_unavailable", error=type(exc).__name__)
        return timedelta(0)
    return timedelta(seconds=float(str(seconds)))


def pair_key(user_key: str) -> str:
    """Where Redis holds what was sent to one recipient lately."""
    return f"pace:pair:{user_key}"


def bar_number(phone_number_id: str) -> None:
    """Send nothing through this number for a while: Meta accepts nothing from it."""
    try:
        get_redis().set(f"barred:{phone_number_id}", 1, ex=BROKEN_SECONDS)
    except RedisError as exc:
        log.warning("pacing_unavailable", error=type(exc).__name__)


@lru_cache(maxsize=4)
def _take(redis: Redis) -> Script:
    return redis.register_script(_TAKE)
