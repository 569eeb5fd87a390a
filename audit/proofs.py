"""Proves that a chain's event stands in the signed log: the way from its leaf to the root of a checkpoint.

The proof of a leaf leads to the root of the checkpoint that it came with. It needs the leaves of that checkpoint, and
of all before only the frontier: one pass over the log proves as many chains as are asked for.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .verify_trail import (
    Frontier,
    Head,
    NoteError,
    leaf_hash,
    node_hash,
    parse_note,
)

TIME = "time "  # the line of a note that says when


@dataclass(frozen=True)
class Proof:
    """`head` is leaf `index` of the log, and `hashes` lead from it to the root in the note of checkpoint `number`."""

    head: Head
    index: int
    hashes: tuple[bytes, ...]
    number: int
    note: str


@dataclass(frozen=True)
class Batch:
    """One checkpoint: its note, and the leaves that were new. `before` is the frontier that it extends."""

    number: int
    note: str
    leaves: Sequence[bytes]
    before: Frontier

    def prove(self, wanted: Iterable[tuple[int, Head]]) -> Iterator[Proof]:
        """The proofs of heads of this checkpoint, each given with its place among the new leaves."""
        tree, start = _Tree(self), self.before.size
        for place, head in wanted:
            hashes = tree.path(start + place, 0, start + len(self.leaves))
            yield Proof(head, start + place, tuple(hashes), self.number, self.note)


def time_of(note: str) -> datetime | None:
    """When the checkpoint was made, as its note says; not verified."""
    try:
        lines = [line for line in parse_note(note).extensions if line.startswith(TIME)]
        return datetime.strptime(lines[0].removeprefix(TIME), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (NoteError, ValueError, IndexError):
        return None


class _Tree:
    """The Merkle tree of a checkpoint, of which everything before its own leaves is known by subtrees only."""

    def __init__(self, batch: Batch) -> None:
        self._start = batch.before.size
        self._leaves = [leaf_hash(line) for line in batch.leaves]
        self._known = dict(_subtrees(batch.before))

    def path(self, index: int, first: int, end: int) -> list[bytes]:
        """RFC 6962, 2.1.1: the sibling next to the leaf comes first."""
        if end - first == 1:
            return []
        middle = _middle(first, end)
        if index < middle:
            return [*self.path(index, first, middle), self._root(middle, end)]
        return [*self.path(index, middle, end), self._root(first, middle)]

    def _root(self, first: int, end: int) -> bytes:
        """Of the leaves from `first` to before `end`. What lies before this checkpoint is one of the frontier's subtrees."""
        if (first, end) not in self._known:
            if end - first == 1:
                return self._leaves[first - self._start]
            middle = _middle(first, end)
            self._known[first, end] = node_hash(self._root(first, middle), self._root(middle, end))
        return self._known[first, end]


def _subtrees(frontier: Frontier) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Which leaves stand below each hash of a frontier: the largest power of two first."""
    first = 0
    for text in frontier.to_list():
        end = first + (1 << (frontier.size - first).bit_length() - 1)
        yield (first, end), bytes.fromhex(text)
        first = end


def _middle(first: int, end: int) -> int:
    return first + (1 << (end - first - 1).bit_length() - 1)  # the largest power of two below their number
