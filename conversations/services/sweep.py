"""Finding what stands still: messages past their due time, whatever became of their ring."""

from collections.abc import Iterator
from datetime import datetime

from conversations.stores import ConversationStore
from conversations.turn_lock import may_ring

RING_AGAIN_SECONDS = 30  # each conversation is rung for at most this often


def find_still(*, now: datetime) -> Iterator[str]:
    """Each conversation with something due that has not been rung for lately, once."""
    seen: set[str] = set()
    for user_key in ConversationStore().find_due(now):
        if user_key not in seen:
            seen.add(user_key)
            if may_ring(user_key, seconds=RING_AGAIN_SECONDS):
                yield user_key
