"""Brings webhooks to the product and, like Meta, comes again until it gets a 200."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import urllib3

from . import webhooks
from .webhooks import Item

FIRST_RETRY_SECONDS = 0.5  # Meta begins at once and slows down over days; this one is for people who watch
LONGEST_RETRY_SECONDS = 5.0
HOLD_SECONDS = 0.4  # how long "batch" and "reorder" gather what comes
STATUSES_TOGETHER = 100
THREADS = 4
CONNECT_SECONDS, READ_SECONDS = 3, 20


@dataclass(frozen=True)
class Parcel:
    """One webhook body on its way. Parcels of one lane never travel at the same time, so they keep their order."""

    items: tuple[Item, ...]
    lane: str
    due_at: float  # time.monotonic()
    tries: int = 0
    number: int = field(default_factory=itertools.count().__next__)


@dataclass
class Manners:
    """How the courier behaves; all off is Meta on a good day."""

    duplicate: int = 0  # extra copies of every body
    reorder: bool = False
    batch: bool = False


class Courier:
    """Threads that post parcels. `on_result(items, status, began)` hears of each try: the HTTP status, 0 for no answer."""

    def __init__(
        self,
        *,
        webhook_url: str,
        app_secret: str,
        display_numbers: Mapping[str, str],
        on_result: Callable[[Sequence[Item], int, datetime], None],
    ) -> None:
        self.webhook_url = webhook_url
        self.manners = Manners()
        self._app_secret = app_secret
        self._display_numbers = display_numbers
        self._on_result = on_result
        self._pool = urllib3.PoolManager(retries=False, maxsize=THREADS)
        self._changed = threading.Condition()
        self._parcels: list[Parcel] = []
        self._held: list[Item] = []
        self._held_until = 0.0
        self._busy_lanes: set[str] = set()
        self._under_way = 0
        self._stopped = True
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"fake-meta-courier-{n}", daemon=True) for n in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=2)  # one that waits for an answer dies with the process
        self._pool.clear()

    def hand_over(self, items: Sequence[Item], lane: str) -> None:
        """Messages, to be delivered now, in one body."""
        with self._changed:
            if self.manners.batch or self.manners.reorder:
                if not self._held:
                    self._held_until = time.monotonic() + HOLD_SECONDS
                self._held.extend(items)
            else:
                self._add(tuple(items), lane, time.monotonic())
            self._changed.notify_all()

    def schedule(self, item: Item, delay_seconds: float) -> None:
        """A status, to be delivered later; those due at the same moment share a body."""
        with self._changed:
            self._add((item,), "statuses", time.monotonic() + delay_seconds)
            self._changed.notify_all()

    def hurry(self, wamid: str) -> bool:
        """Make the next try for this message now; False when none is waiting."""
        with self._changed:
            found = False
            for index, parcel in enumerate(self._parcels):
                if any(item.wamid == wamid for item in parcel.items):
                    self._parcels[index] = replace(parcel, due_at=time.monotonic())
                    found = True
            self._changed.notify_all()
            return found

    def pending(self) -> dict[str, int]:
        """How many bodies wait or travel."""
        with self._changed:
            statuses = sum(parcel.lane == "statuses" for parcel in self._parcels)
            waiting = len(self._parcels) - statuses + bool(self._held)
            return {"messages": waiting, "statuses": statuses, "under_way": self._under_way}

    def _add(self, items: tuple[Item, ...], lane: str, due_at: float) -> None:
        self._parcels.append(Parcel(items, lane, due_at))
        for copy in range(self.manners.duplicate):
            self._parcels.append(Parcel(items, f"{lane} copy {copy}", due_at + 0.05 * copy))

    def _work(self) -> None:
        while (parcel := self._next()) is not None:
            began = datetime.now(UTC)
            status = self._post(parcel.items)
            self._on_result(parcel.items, status, began)
            with self._changed:
                self._busy_lanes.discard(parcel.lane)
                self._under_way -= 1
                if status != 200:
                    wait_seconds = min(FIRST_RETRY_SECONDS * 2**parcel.tries, LONGEST_RETRY_SECONDS)
                    tries = min(parcel.tries + 1, 10)
                    self._parcels.append(replace(parcel, tries=tries, due_at=time.monotonic() + wait_seconds))
                self._changed.notify_all()

    def _next(self) -> Parcel | None:
        """Wait for the parcel that is due first and whose lane is free; None at the end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                self._release_held(now)
                free = [parcel for parcel in self._parcels if parcel.lane not in self._busy_lanes]
                first = min(free, key=lambda parcel: (parcel.due_at, parcel.number), default=None)
                if first is not None and first.due_at <= now:
                    return self._take(first, now)
                wakes = [parcel.due_at for parcel in free] + ([self._held_until] if self._held else [])
                self._changed.wait(timeout=max(min(wakes) - now, 0.001) if wakes else None)
            return None

    def _take(self, parcel: Parcel, now: float) -> Parcel:
        taken = [parcel]
        if parcel.lane == "statuses" and parcel.tries == 0:
            others = [p for p in self._parcels if p is not parcel and p.lane == parcel.lane and p.due_at <= now]
            others = [p for p in others if p.tries == 0]
            taken += sorted(others, key=lambda p: (p.due_at, p.number))[: STATUSES_TOGETHER - 1]
            parcel = replace(parcel, items=tuple(item for p in taken for item in p.items))
        gone = {p.number for p in taken}
        self._parcels = [p for p in self._parcels if p.number not in gone]
        self._busy_lanes.add(parcel.lane)
        self._under_way += 1
        return parcel

    def _release_held(self, now: float) -> None:
        if not self._held or now < self._held_until:
            return
        items, self._held = self._held, []
        if self.manners.reorder:
            items.reverse()
        if self.manners.batch:
            self._add(tuple(items), "held", now)
            return
        for item in items:
            self._add((item,), "held", now)

    def _post(self, items: Sequence[Item]) -> int:
        body = json.dumps(webhooks.envelope(items, self._display_numbers)).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": webhooks.signature(body, self._app_secret),
        }
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        try:
            response = self._pool.request(
                "POST", self.webhook_url, body=body, headers=headers, timeout=timeout, redirect=False
            )
        except urllib3.exceptions.HTTPError:
            return 0
        return response.status
