"""How fast one may send; more is refused as Meta refuses it. Not thread-safe: `FakeMeta` holds its lock."""

import time
from collections import deque

from .graph import GraphError

PAIR_BURST, PAIR_SECONDS = 45, 6  # to one customer: 45 at once, then one per 6 s


class Rates:
    def __init__(self) -> None:
        self._sent_at: dict[str, deque[float]] = {}  # per number of ours, the last second
        self._pairs: dict[tuple[str, str], tuple[float, float]] = {}  # (tokens left, time.monotonic())

    def count(self, phone_number_id: str, recipient: str, *, per_second: int, pair_limit: bool) -> None:
        """Count one send; raises the GraphError of a limit that it breaks. `per_second` 0 is unlimited."""
        now = time.monotonic()
        sent = self._sent_at.setdefault(phone_number_id, deque())
        while sent and sent[0] < now - 1:
            sent.popleft()
        if per_second and len(sent) >= per_second:
            raise GraphError(130429, "Rate limit hit", "Too many messages were sent from this number", status=429)
        tokens, then = self._pairs.get((phone_number_id, recipient), (float(PAIR_BURST), now))
        tokens = min(PAIR_BURST, tokens + (now - then) / PAIR_SECONDS)
        if pair_limit and tokens < 1:
            details = "Too many messages were sent from this number to the same recipient in a short time."
            raise GraphError(131056, "(Business Account, Consumer Account) pair rate limit hit", details)
        self._pairs[phone_number_id, recipient] = tokens - 1, now
        sent.append(now)
