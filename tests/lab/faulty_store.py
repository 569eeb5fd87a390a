"""A store that records what is asked of it, and loses races and answers on demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pyloto.documents import DocumentStore, Unavailable, Write
from pyloto.documents.recorder import RecordingStore

T = TypeVar("T")


@dataclass
class Fault:
    """What happens to one call. `applied`: the write is made, and its answer lost."""

    error: BaseException
    applied: bool = False


class FaultyStore(RecordingStore):
    """Passes everything on; the faults that wait in `commit_faults` and `update_faults` meet one call each.

    `before_commits` holds what somebody else does between a worker's reading and its commit, one for each commit.
    """

    def __init__(self, inner: DocumentStore) -> None:
        super().__init__(inner)
        self.commit_faults: list[Fault] = []
        self.update_faults: list[Fault] = []
        self.before_commits: list[Callable[[], object]] = []

    def lose_commit_answer(self) -> None:
        self.commit_faults.append(Fault(Unavailable("no answer"), applied=True))

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        if self.before_commits:
            self.before_commits.pop(0)()
        return _meet(self.commit_faults, lambda: super(FaultyStore, self).commit(writes))

    def update(self, path: str, fields: dict[str, Any], **precondition: Any) -> None:
        _meet(self.update_faults, lambda: super(FaultyStore, self).update(path, fields, **precondition))


def _meet(faults: list[Fault], call: Callable[[], T]) -> T:
    fault = faults.pop(0) if faults else None
    if fault is None:
        return call()
    if fault.applied:
        call()
    raise fault.error
