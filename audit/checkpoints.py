"""Writes the checkpoints: a Merkle log of the heads of all chains, signed, in files that are written once.

A chain cannot show that its own end was cut off, that it was deleted as a whole or written anew. A signed checkpoint
outside of the database can: it tells which hash stood at which number of which chain.

Each checkpoint has two files in the storage "exports", which are the truth:

    checkpoints/00000007.leaves   the heads that were new, one leaf a line: {"conversation_id","hash","seq"}
    checkpoints/00000007.note     the signed root over the leaves of 1 to 7

and a document `audit_checkpoints/00000007`, the index. The note follows from the note before, the leaves and the time
at which they were written. So a run that was killed is finished by the next one, whoever that is, and two runs at once
sign the same: there are never two checkpoints of one number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.core.files.storage import Storage, storages

from pyloto.documents import AlreadyExists
from pyloto.errors import PermanentError
from pyloto.observability.alerts import alert
from pyloto.write_once import read, save_once, written_at

from .chain import Head
from .log_files import leaves_name, note_name
from .models import Checkpoint
from .signing import require_signing_key, sign_checkpoint, verify_checkpoint
from .stores import AuditLogStore, CheckpointStore, head_of
from .verify_trail import Frontier, Note, NoteError, leaf_bytes, leaf_hash, parse_leaf

# How long after its timestamp an event may still appear. A turn takes its time at its start and commits within the
# worker's hard limit (60 s); the rest is for clocks that differ and a commit of which the answer was lost.
MARGIN = timedelta(minutes=15)
# Longer than any run. Who finds leaves does not know how much their writer had read: everything until its start, and it
# started less than this before it wrote.
LONGEST_RUN = timedelta(days=1)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # before any event


class CheckpointRefused(PermanentError):
    """What is stored does not fit together: nothing is signed on top of it. A person has to look."""


@dataclass(frozen=True)
class _Log:
    """Where the log stands. `observed_until`: no event before it will appear that the leaves do not cover."""

    number: int = 0
    frontier: Frontier = field(default_factory=Frontier)
    observed_until: datetime = BEGINNING


def make_checkpoint(*, now: datetime) -> Checkpoint | None:
    """Sign the heads that are new; None where there are none, and nothing that an earlier run left unfinished.

    Before it signs, it verifies the checkpoint before and finishes what a killed run began. Raises `CheckpointRefused`
    (after an alert) where something does not fit, `TransientError` where documents or storage do not answer: the next
    run goes on from wherever this one got to; `ImproperlyConfigured`, and writes nothing, without the signing key.
    """
    require_signing_key()
    try:
        return _Writer(storages["exports"], now).run()
    except CheckpointRefused as exc:
        alert("audit_checkpoint_inconsistent", reason=str(exc))
        raise


class _Writer:
    def __init__(self, storage: Storage, now: datetime) -> None:
        self.storage = storage
        self.now = now
        self.documents = CheckpointStore()
        self.written: Checkpoint | None = None

    def run(self) -> Checkpoint | None:
        log = self._resume()
        leaves = self._unseen(log.observed_until)
        if leaves:
            ours = b"".join(line + b"\n" for line in leaves)
            name = leaves_name(log.number + 1)
            save_once(self.storage, name, ours)
            stored = self._bytes(name) or b""  # somebody else's, where they were faster
            self._extend(log, stored, observed=stored == ours)
        return self.written

    # --- what is there ------------------------------------------------------------------------------------------------

    def _resume(self) -> _Log:
        """The log as the index has it, verified, and then as far as the files go."""
        newest = self.documents.newest()
        log = self._indexed(newest) if newest else _Log()
        while (further := self._follow(log)) is not None:
            log = further
        if newest and log.number < newest.number:
            raise CheckpointRefused(f"Checkpoint {log.number + 1} is indexed, and its files are gone")
        return log

    def _indexed(self, newest: Checkpoint) -> _Log:
        """The newest checkpoint of the index, where note and frontier are those that were signed.

        The signed root determines the frontier: one that gives the root is the right one, and what is appended to it is
        consistent with everything signed before. One that does not is counted again out of all leaves.
        """
        text = self._text(note_name(newest.number))
        if text is None:
            raise CheckpointRefused(f"Checkpoint {newest.number} is indexed, and its note is gone")
        if text != newest.note:
            raise CheckpointRefused(f"Checkpoint {newest.number} is another one in the index than in the storage")
        note = _verified(newest.number, text)
        try:
            frontier = Frontier(note.size, newest.frontier)
        except (TypeError, ValueError):
            return _Log()
        if frontier.root() != note.root:
            return _Log()
        written = self._written_at(newest.number)
        # Not later than an honest run could have said: the index is not signed.
        return _Log(newest.number, frontier, min(newest.observed_until, written - MARGIN))

    def _follow(self, log: _Log) -> _Log | None:
        """One checkpoint further, where its leaves are there: verified, or signed in place of who was killed."""
        number = log.number + 1
        leaves = self._bytes(leaves_name(number))
        if leaves is not None:
            return self._extend(log, leaves, observed=False)
        if self._text(note_name(number)) is not None:
            raise CheckpointRefused(f"Checkpoint {number} has a note and no leaves")
        return None

    # --- what is new --------------------------------------------------------------------------------------------------

    def _unseen(self, since: datetime) -> list[bytes]:
        """The heads of the chains with events since then that are not in the log yet, sorted by chain."""
        heads: dict[str, Head] = {}
        created_at: dict[str, datetime] = {}  # of those heads
        malformed = ahead = 0
        for snapshot in AuditLogStore().since(since):
            head = head_of(snapshot)
            if head is None:
                malformed += 1  # verification tells which; here it must not keep the others from being signed
            elif head.conversation_id not in heads or head.seq > heads[head.conversation_id].seq:
                heads[head.conversation_id] = head
                created_at[head.conversation_id] = snapshot.create_time
            ahead += snapshot.data["timestamp"] > self.now + MARGIN
        if malformed:
            alert("audit_events_malformed", count=malformed)
        if ahead:
            alert("audit_events_ahead_of_time", count=ahead)
        known = set[bytes]().union(*self._leaves_since(since))
        lines = {chain: line for chain in sorted(heads) if (line := leaf_bytes(heads[chain])) not in known}
        # Those that stood there before `since` have a timestamp ahead of their time.
        early = {line: created_at[chain] for chain, line in lines.items() if created_at[chain] < since}
        signed = self._find_signed(early)
        return [line for line in lines.values() if line not in signed]

    def _find_signed(self, lines: Mapping[bytes, datetime]) -> set[bytes]:
        """Those of the lines that the log holds. Each can be there since its event was created, most in the next one."""
        found: set[bytes] = set()
        if lines:
            for leaves in self._leaves_since(min(lines.values()) - LONGEST_RUN):
                found |= leaves & lines.keys()
                if len(found) == len(lines):
                    break
        return found

    def _leaves_since(self, since: datetime) -> Iterator[set[bytes]]:
        """The leaves of each checkpoint since then. One that is overlooked would stand in the log twice: no harm."""
        for checkpoint in self.documents.created_since(since):
            yield set((self._bytes(leaves_name(checkpoint.number)) or b"").splitlines())

    # --- what is written ----------------------------------------------------------------------------------------------

    def _extend(self, log: _Log, leaves: bytes, *, observed: bool) -> _Log:
        """The next checkpoint, out of the leaves that are stored for it; note and document only where they are missing.

        `observed`: they are what this run has read itself.
        """
        number = log.number + 1
        heads = _parse(number, leaves)
        frontier = Frontier(log.frontier.size, log.frontier.to_list())
        for head in heads:
            frontier.append(leaf_hash(leaf_bytes(head)))
        text = self._text(note_name(number))
        if text is None:
            if not observed:
                self._require_stored(number, heads)
            text = self._sign(number, frontier)
        note = _verified(number, text)
        if (note.size, note.root) != (frontier.size, frontier.root()):
            raise CheckpointRefused(f"Checkpoint {number} does not follow from the one before and its leaves")
        created_at = self.now if observed else self._written_at(number)
        until = created_at - (MARGIN if observed else LONGEST_RUN)
        extended = _Log(number, frontier, max(log.observed_until, until))
        self._index(extended, text, new_leaves=len(heads), created_at=created_at)
        return extended

    def _sign(self, number: int, frontier: Frontier) -> str:
        """The note as it is stored: whoever signs at the same time signs the same text."""
        text = sign_checkpoint(size=frontier.size, root=frontier.root(), at=self._written_at(number))
        save_once(self.storage, note_name(number), text.encode())
        return self._text(note_name(number)) or ""

    @staticmethod
    def _require_stored(number: int, heads: Sequence[Head]) -> None:
        """Leaves that this run did not observe itself are signed only where the events are there."""
        if missing := AuditLogStore().count_missing(heads):
            raise CheckpointRefused(f"Checkpoint {number} was begun with {missing} leaves of which there are no events")

    def _index(self, log: _Log, note: str, *, new_leaves: int, created_at: datetime) -> None:
        checkpoint = Checkpoint(
            number=log.number,
            size=log.frontier.size,
            root=log.frontier.root().hex(),
            note=note,
            frontier=log.frontier.to_list(),
            new_leaves=new_leaves,
            observed_until=log.observed_until,
            created_at=created_at,
        )
        try:
            self.written = self.documents.create(checkpoint)
        except AlreadyExists:
            if self.documents.get(log.number).note != note:
                raise CheckpointRefused(f"Checkpoint {log.number} is another one in the index") from None

    # --- files --------------------------------------------------------------------------------------------------------

    def _bytes(self, name: str) -> bytes | None:
        try:
            return read(self.storage, name)
        except FileNotFoundError:
            return None

    def _text(self, name: str) -> str | None:
        content = self._bytes(name)
        try:
            return content.decode() if content is not None else None
        except UnicodeDecodeError as exc:
            raise CheckpointRefused(f"{name} is not text") from exc

    def _written_at(self, number: int) -> datetime:
        try:
            return written_at(self.storage, leaves_name(number))
        except FileNotFoundError as exc:
            raise CheckpointRefused(f"Checkpoint {number} has lost its leaves") from exc


def _verified(number: int, text: str) -> Note:
    try:
        return verify_checkpoint(text)
    except NoteError as exc:
        raise CheckpointRefused(f"The note of checkpoint {number} is malformed, or none of our keys signed it") from exc


def _parse(number: int, content: bytes) -> list[Head]:
    """The heads of a file of leaves: at least one, canonical, one for a chain, in order."""
    *lines, rest = content.split(b"\n")
    heads = [head for head in map(parse_leaf, lines) if head]
    chains = [head.conversation_id for head in heads]
    if rest or not lines or len(heads) < len(lines) or chains != sorted(set(chains)):
        raise CheckpointRefused(f"The leaves of checkpoint {number} are malformed")
    return heads
