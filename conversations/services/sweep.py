"""Finding what stands still: messages past their due time, whatever became of their ring."""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from conversations.stores import ConversationStore
from conversations.turn_lock import may_ring
from pyloto.documents import Unavailable

RING_AGAIN_SWEEPS = 3  # each conversation is rung for at most every so many sweeps: 30 s


def find_still(*, now: datetime) -> Iterator[str]:
    """Each conversation with something due that has not been rung for lately, once."""
    seen: set[str] = set()
    seconds = math.ceil(RING_AGAIN_SWEEPS * settings.SWEEP_SECONDS.total_seconds())
    for user_key in ConversationStore().find_due(now):
        if user_key not in seen:
            seen.add(user_key)
            if may_ring(user_key, seconds=seconds):
                yield user_key


def oldest_due_seconds(*, now: datetime) -> int:
    """For how long the longest waiting message has been due; 0 when nothing is."""
    oldest = ConversationStore().oldest_due(now)
    return int((now - oldest).total_seconds()) if oldest else 0


def check_oldest_due() -> dict[str, Any]:
    """A number to watch in `/readyz`; it makes nobody unready, and a store that cannot be read is another's finding."""
    try:
        return {"oldest_due_seconds": oldest_due_seconds(now=timezone.now())}
    except Unavailable:
        return {}
