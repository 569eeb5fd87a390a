"""Reports for auditors: the trail of a conversation or of a period, verified, as JSON that can be checked and as PDF.

The JSON is one object; `python audit/verify_trail.py REPORT.json --pubkey FILE` checks it with the public key alone:

    {"format": "pyloto-audit-report/1", "kind": "conversation" | "period", "generated_at",
     "conversation_id" | "start" and "end" (the first moment, and the first one after the period),
     "public_key" (for comparison: auditors have their own),
     "verification": {"ok", "chains", "events", "problem_count", "problems": [{"conversation_id", "seq", "kind", "detail"}]},
     "counts": {event type: number of events},
     "trails": [the chains, as `verify_trail` describes them]}

A chain comes with the checkpoint that covers most of it. Of a period, its events go on to the first one that a
checkpoint covers, so that those before it are proven.

Reports hold what events hold: codes, counts and digests under random ids, no personal data.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.files.storage import storages
from django.utils import timezone

from pyloto.documents import Snapshot
from pyloto.errors import PermanentError

from .chain import CHAIN_ID, Head, find_problems
from .labels import when_label
from .log_files import stored_checkpoints
from .proofs import Batch, Proof, time_of
from .signing import trusted_keys, verifier_key
from .stores import AuditLogStore
from .verification import chain_id_of, indexed_notes
from .verify_trail import CheckpointFiles, Frontier, ObservedHeads, Report, leaf_hash, parse_leaf, verify_log

FORMAT = "pyloto-audit-report/1"
YEARS = (2000, 2200)


class NoTrail(PermanentError):
    """There is nothing to report about: no events, and no trace of any."""


class TooManyEvents(PermanentError):
    """More events than the caller wants to wait for."""


@dataclass
class Part:
    """The events of one chain that a report shows: from `first` to `last`. `head` is the last one that is stored."""

    conversation_id: str
    first: int
    last: int | None = None  # None: all there are
    head: int = 0
    is_shown: bool = True  # else it is verified only, and shown where something is wrong with it
    proof: Proof | None = None

    @property
    def end(self) -> int:
        """The last event to show: on to the one that the checkpoint covers."""
        last = self.head if self.last is None else self.last
        return max(last, self.proof.head.seq) if self.proof else last

    @property
    def is_covered(self) -> bool:
        return self.proof is not None and self.proof.head.seq >= (self.head if self.last is None else self.last)

    def wants(self, leaf: Head) -> bool:
        """Whether the leaf proves more of this part than the one before did: the first behind its end, or the latest."""
        settled = self.proof is not None and self.last is not None and self.proof.head.seq >= self.last
        return leaf.seq >= self.first and not settled


@dataclass
class TrailReport:
    """What is known after the chains were read and verified once. The events are read again where they are written."""

    generated_at: datetime
    conversation_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    verification: Report = field(default_factory=Report)
    by_type: Counter[str] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)
    events_max: int | None = None  # read at most

    @property
    def events(self) -> int:
        return sum(self.by_type.values())

    @property
    def public_key(self) -> str:
        """The vkey of today's signer."""
        return str(verifier_key())

    @property
    def proofs(self) -> list[Proof]:
        """Of the chains that are shown; those of the newest checkpoint last."""
        return sorted((p.proof for p in self.parts.values() if p.proof), key=lambda proof: proof.number)

    def limit(self, events: int) -> None:
        if self.events_max is not None and events > self.events_max:
            raise TooManyEvents(f"More than {self.events_max} events")

    def covers(self, event: Snapshot) -> bool:
        at = event.data.get("timestamp")
        if self.start is None or self.end is None:
            return True
        return isinstance(at, datetime) and self.start <= at < self.end


def conversation_report(conversation_id: str, *, now: datetime, events_max: int | None = None) -> TrailReport:
    """The whole trail of a conversation, or of the chain "system".

    Raises `NoTrail`, `TooManyEvents` where it would read more than `events_max`, and `TransientError`.
    """
    if not CHAIN_ID.fullmatch(conversation_id):
        raise NoTrail("Not the id of a conversation")
    parts = {conversation_id: Part(conversation_id, 1)}
    report = TrailReport(now, conversation_id=conversation_id, parts=parts, events_max=events_max)
    _verify(report)
    part = report.parts[conversation_id]
    if part.head == 0 and part.proof is None:
        raise NoTrail("There are no events of this conversation")
    return report


def period_report(start: datetime, end: datetime, *, now: datetime, events_max: int | None = None) -> TrailReport:
    """The events from `start` on to before `end`, chain by chain; each chain that has any is verified as a whole.

    So is each chain of which a checkpoint of that time says that it had events: they may have been deleted. Memory grows
    with the number of conversations, not with that of their events. Raises `TooManyEvents` where it would read more than
    `events_max`, and `TransientError`.
    """
    report = TrailReport(now, start=start, end=end, events_max=events_max)
    for number, snapshot in enumerate(AuditLogStore().since(start), start=1):
        if not report.covers(snapshot):
            break
        report.limit(number)
        conversation_id, seq = chain_id_of(snapshot), snapshot.data.get("seq")
        if isinstance(seq, int) and CHAIN_ID.fullmatch(conversation_id):
            part = report.parts.setdefault(conversation_id, Part(conversation_id, seq, seq))
            part.first, part.last = min(part.first, seq), max(part.last or seq, seq)
    _verify(report)
    return report


def verify_beginning(conversation_id: str, events_max: int) -> tuple[Report, bool]:
    """Verify a chain's first events, without the checkpoints; whether those were all that there are."""
    found = Report(chains=1)
    chain = _chain(conversation_id)

    def events() -> Iterator[dict[str, Any]]:
        for snapshot in itertools.islice(chain, events_max):
            found.events += 1
            yield {**snapshot.data, "id": snapshot.id}

    found.add(find_problems(conversation_id, events()))
    return found, next(chain, None) is None


def is_period(first: date, last: date) -> bool:
    """Whether these are two days in their order, of years that a trail can have."""
    return YEARS[0] <= first.year and first <= last and last.year <= YEARS[1]


def start_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def to_document(report: TrailReport) -> dict[str, Any]:
    """The JSON's object, of a report that fits into memory."""
    document: dict[str, Any] = json.loads("".join(write_json(report)))
    return document


def write_json(report: TrailReport) -> Iterator[str]:
    """The report's JSON, piece by piece: a period may hold hundreds of thousands of events."""
    yield json.dumps(_head(report), ensure_ascii=False, indent=1).removesuffix("\n}") + ',\n "trails": ['
    separator = "\n"
    for _, part in sorted(report.parts.items()):
        yield separator
        yield from _trail_in_json(part)
        separator = ",\n"
    yield "]\n}\n"


def events_by_time(report: TrailReport) -> Iterator[Snapshot]:
    """For people to read: a conversation from its beginning, a period in the order of its events."""
    if report.start is None:
        for part in report.parts.values():
            yield from _split(part)[1]
        return
    for snapshot in AuditLogStore().since(report.start):
        if not report.covers(snapshot):
            return
        yield snapshot


# --- verifying --------------------------------------------------------------------------------------------------------
def _verify(report: TrailReport) -> None:
    """The signed log first, which proves the best leaf of each chain on the way; then the chains against it."""
    keys = trusted_keys()
    found = report.verification
    with closing(ObservedHeads()) as observed:
        remembered, problems = indexed_notes(keys)
        found.add(problems)
        problems, _ = verify_log(_proving(report, stored_checkpoints(storages["exports"])), keys, observed, remembered)
        found.add(problems)
        for conversation_id, part in list(report.parts.items()):
            events = _counted(report, part)
            wrong = find_problems(conversation_id, events, observed=observed.of(conversation_id))
            count = found.problem_count
            found.add(wrong)
            if not part.is_shown and found.problem_count == count:
                del report.parts[conversation_id]


def _proving(report: TrailReport, checkpoints: Iterable[CheckpointFiles]) -> Iterator[CheckpointFiles]:
    """Hand the checkpoints through, and keep what proves the report's chains."""
    frontier = Frontier()
    for files in checkpoints:
        lines = list(files.leaves or ())
        yield CheckpointFiles(files.number, None if files.leaves is None else lines, files.note)
        leaves = [line.removesuffix(b"\n") for line in lines]
        if files.note:
            _keep_proofs(report, Batch(files.number, files.note, leaves, frontier))
        frontier = Frontier(frontier.size, frontier.to_list())
        for leaf in leaves:
            frontier.append(leaf_hash(leaf))


def _keep_proofs(report: TrailReport, batch: Batch) -> None:
    """A checkpoint of the period brings its chains in: they had events about then, even if those are gone now."""
    at = time_of(batch.note)
    is_of_period = bool(report.start and report.end and at and report.start <= at < report.end)
    wanted = []
    for place, leaf in enumerate(batch.leaves):
        if head := parse_leaf(leaf):
            if is_of_period:
                report.parts.setdefault(head.conversation_id, Part(head.conversation_id, 1, head.seq, is_shown=False))
            part = report.parts.get(head.conversation_id)
            wanted += [(place, head)] if part and part.wants(head) else []
    for proof in batch.prove(wanted):
        report.parts[proof.head.conversation_id].proof = proof


def _counted(report: TrailReport, part: Part) -> Iterator[dict[str, Any]]:
    """The events of the whole chain for the verification; those that the report is about are counted."""
    report.verification.chains += 1
    for snapshot in _chain(part.conversation_id):
        event = snapshot.data
        report.verification.events += 1
        report.limit(report.verification.events)
        if isinstance(seq := event.get("seq"), int):
            part.head = max(part.head, seq)
        if report.covers(snapshot):
            report.by_type[str(event.get("event_type"))] += 1
            report.by_day[when_label(event.get("timestamp"), "%Y-%m-%d")] += 1
        yield {**event, "id": snapshot.id}


def _split(part: Part) -> tuple[Snapshot | None, Iterator[Snapshot]]:
    """The event before the part, if any, and the part's: nothing that was appended since it was verified.

    An event without a number that can be read stands where it is stored.
    """
    before: Snapshot | None = None
    chain = _chain(part.conversation_id)
    for snapshot in chain:
        if not isinstance(seq := snapshot.data.get("seq"), int) or seq >= part.first:
            rest = itertools.chain([snapshot], chain)
            return before, (s for s in rest if not isinstance(s.data.get("seq"), int) or s.data["seq"] <= part.end)
        before = snapshot
    return before, iter(())


def _chain(conversation_id: str) -> Iterator[Snapshot]:
    return (s for s in AuditLogStore().iterate(conversation_id) if chain_id_of(s) == conversation_id)


# --- JSON -------------------------------------------------------------------------------------------------------------
def _head(report: TrailReport) -> dict[str, Any]:
    """Everything but the chains."""
    found = report.verification
    about: dict[str, Any] = {"format": FORMAT, "generated_at": _utc(report.generated_at)}
    if report.start and report.end:
        about |= {"kind": "period", "start": _utc(report.start), "end": _utc(report.end)}
    else:
        about |= {"kind": "conversation", "conversation_id": report.conversation_id}
    return {
        **about,
        "public_key": report.public_key,
        "verification": {
            "ok": found.ok,
            "chains": found.chains,
            "events": found.events,
            "problem_count": found.problem_count,
            "problems": [
                {"conversation_id": p.conversation_id, "seq": p.seq, "kind": p.kind.value, "detail": p.detail}
                for p in found.problems
            ],
        },
        "counts": dict(sorted(report.by_type.items())),
    }


def _trail_in_json(part: Part) -> Iterator[str]:
    about: dict[str, Any] = {"conversation_id": part.conversation_id, "checkpoints": []}
    if part.proof:
        about["checkpoints"] = [_proof_in_json(part.proof)]
    before, shown = _split(part)
    if before:
        about["after"] = {"seq": before.data.get("seq"), "hash": plain(before.data.get("current_hash"))}
    yield f'  {json.dumps(about)[:-1]}, "events": ['
    separator = "\n"
    for snapshot in shown:
        yield f"{separator}   {_event_in_json(snapshot)}"
        separator = ",\n"
    yield "]}"


def _proof_in_json(proof: Proof) -> dict[str, Any]:
    return {
        "number": proof.number,
        "note": proof.note,
        "leaf_index": proof.index,
        "leaf": {"conversation_id": proof.head.conversation_id, "seq": proof.head.seq, "hash": proof.head.hash},
        "proof": [each.hex() for each in proof.hashes],
    }


def _event_in_json(snapshot: Snapshot) -> str:
    """The stored document. What no event of ours holds is written as text: the verification has told of it."""
    return json.dumps({"id": snapshot.id, **plain(snapshot.data)}, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """What JSON can hold, of whatever a document does."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return _utc(value)
    is_json = (
        value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    )
    return value if is_json else str(value)


def _utc(at: datetime) -> str:
    """A time that is in no calendar once it is in UTC stays as it is: the verification has told of it."""
    with suppress(OverflowError):
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")
