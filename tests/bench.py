"""How fast the audit trail is verified: `make bench`. Ends with status 1 where verification is too slow or grows.

100,000 events as Pyloto makes them are verified, 5,000 after the other. Beside it, in the same run and over the same
events, what anybody would do with the standard library: write each event as JSON again and hash it. The two take turns
three times, and of each the best turn counts, so that a busy machine falsifies neither.

Then the memory: 100,000 events verified as they are made, none of which is kept; and 5,000 and 50,000 that are stored, with
checkpoints of all their chains, verified as `audit_verify` does it.
"""

import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from resource import RUSAGE_SELF, getrusage
from typing import Any

import django
from django.core.management import call_command

from audit.verify_trail import HAS_ORJSON, HASHED_FIELDS, Head, canonical_json, chain_hash, find_problems

EVENTS = 100_000
STORED_EVENTS = (5_000, 50_000)
CHAIN_EVENTS = 10  # of each of their chains: many chains, so that what was observed of them grows too
PART = 5_000
TURNS = 3
BATCH = 400
RATIO_MAX = 0.25  # issue 3: of the time that hashing the re-serialised events takes
GROWTH_MAX_BYTES = 256 * 1024  # from a tenth of the events to all of them
CHAIN = "0123456789abcdef0123456789abcdef"
BEGINNING = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def make_events(count: int, chain: str = CHAIN) -> Iterator[dict[str, Any]]:
    """A chain as it is stored, one event after the other: what a turn, a handoff and a changed mode leave behind."""
    from audit import Event, EventType, event_id, link

    contents: list[tuple[EventType, dict[str, Any], dict[str, Any]]] = [
        (EventType.USER_CONTACT, {}, {"messages": 1}),
        (
            EventType.INTENT_CLASSIFIED,
            {},
            {"confidence_percent": 91, "intents": ["CUSTOM_SOFTWARE"], "source": "RULES"},
        ),
        (EventType.REPLY_QUEUED, {}, {"message_key": "f" * 40, "turn_id": "e" * 40, "type": "text"}),
        (EventType.USER_CONTACT, {}, {"messages": 2}),
        (EventType.SESSION_CLOSED, {}, {"outcome": "HANDOFF_HUMAN", "session_id": "d" * 32}),
        (EventType.MODE_CHANGED, {"mode": ["BOT", "WAITING_HUMAN"]}, {"owner_epoch": 1}),
        (EventType.REPLY_QUEUED, {}, {"message_key": "c" * 40, "turn_id": "b" * 40, "type": "interactive"}),
        (EventType.HANDOFF_RELEASED, {"status": ["OPEN", "RESOLVED"]}, {"session_id": "d" * 32}),
    ]
    head = Head.genesis(chain)
    for number in range(count):
        event_type, changes, metadata = contents[number % len(contents)]
        event = Event(
            event_id=event_id("bench", chain, str(number)),
            event_type=event_type,
            actor="PYLOTO",
            timestamp=BEGINNING + timedelta(seconds=7 * number),
            changes=changes,
            metadata=metadata,
            correlation_id=f"{number:032x}",
        )
        (write,), head = link(head, [event])
        yield {**write.data, "id": write.path.rpartition("/")[2]}


def hash_again(event: dict[str, Any]) -> str:
    """The hash of an event whose fields are written as JSON anew, by the standard library: as it was made."""
    return chain_hash(event["previous_hash"], canonical_json({name: event[name] for name in HASHED_FIELDS}))


def measure_speed() -> float:
    events, head = make_events(EVENTS), Head.genesis(CHAIN)
    verifying = hashing = 0.0
    while part := list(islice(events, PART)):
        start = head

        def verify(part: list[dict[str, Any]] = part, start: Head = start) -> None:
            assert not list(find_problems(CHAIN, part, after=start))

        def hash_all(part: list[dict[str, Any]] = part) -> None:
            assert all(hash_again(event) == event["current_hash"] for event in part)

        turns = [(seconds(hash_all), seconds(verify)) for _ in range(TURNS)]
        hashing += min(turn[0] for turn in turns)
        verifying += min(turn[1] for turn in turns)
        head = Head(CHAIN, part[-1]["seq"], part[-1]["current_hash"])
    assert head.seq == EVENTS
    print(f"verify {EVENTS:,} events       {verifying / EVENTS * 1e6:6.2f} µs an event")
    print(f"json.dumps and sha256 of them  {hashing / EVENTS * 1e6:6.2f} µs an event")
    print(f"ratio                          {verifying / hashing:6.3f}   (at most {RATIO_MAX})")
    return verifying / hashing


def seconds(act: Callable[[], None]) -> float:
    """Of processor time."""
    start = time.process_time()
    act()
    return time.process_time() - start


def peak_bytes(count: int) -> int:
    tracemalloc.start()
    assert not list(find_problems(CHAIN, make_events(count)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def measure_memory() -> int:
    few, many = peak_bytes(EVENTS // 10), peak_bytes(EVENTS)
    print(f"peak, {EVENTS // 10:,} events           {few / 1024:6.0f} KiB")
    print(f"peak, {EVENTS:,} events          {many / 1024:6.0f} KiB   (at most {GROWTH_MAX_BYTES // 1024} KiB more)")
    print(f"peak of the process            {getrusage(RUSAGE_SELF).ru_maxrss / 1024:6.0f} MiB")
    return many - few


def measure_store() -> int:
    """End to end: files of checkpoints and embedded documents, page by page. How much the peak of memory grows."""
    from audit.checkpoints import make_checkpoint
    from pyloto.documents import Create, get_store

    call_command("migrate", database="documents", verbosity=0)
    stored, peaks = 0, []
    for count in STORED_EVENTS:
        chains = range(stored // CHAIN_EVENTS, count // CHAIN_EVENTS)
        events = (event for chain in chains for event in make_events(CHAIN_EVENTS, f"{chain:032x}"))
        while batch := list(islice(events, BATCH)):
            get_store().commit([Create(f"audit_logs/{event.pop('id')}", event) for event in batch])
        assert make_checkpoint(now=BEGINNING)
        stored = count
        seconds, peak = _verified(count)
        peaks.append(peak)
        each = f"{seconds / count * 1e6:6.0f} µs an event"
        print(f"checkpoints and store, {count:6,}  {each}, peak {peak / 1024:6,.0f} KiB")
    print(
        f"growth of that peak            {(peaks[-1] - peaks[0]) / 1024:6,.0f} KiB   (at most {GROWTH_MAX_BYTES // 1024})"
    )
    return peaks[-1] - peaks[0]


def _verified(count: int) -> tuple[float, int]:
    """How long everything that is stored takes, and then how much memory: measuring that takes time itself."""
    from audit.signing import trusted_keys
    from audit.verification import verify_everything

    seconds = []
    for measure in (lambda: None, tracemalloc.start):
        measure()
        start = time.perf_counter()
        report, note = verify_everything(keys=trusted_keys())
        seconds.append(time.perf_counter() - start)
        assert (report.ok, report.events, note is not None) == (True, count, True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds[0], peak


def main() -> int:
    django.setup()
    if not HAS_ORJSON:
        print("orjson is not installed")
        return 1
    ratio, growth = measure_speed(), max(measure_memory(), measure_store())
    return int(ratio > RATIO_MAX or growth > GROWTH_MAX_BYTES)


if __name__ == "__main__":
    sys.exit(main())
