"""Verification of stored chains: one pass over the documents, in memory that does not grow with them.

Finds edits, gaps, insertions, reorderings and malformed events. A chain whose end was cut off, a chain that is gone as a
whole and one that was written anew from its genesis all look right from here: that takes the signed checkpoints.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pyloto.documents import Snapshot

from .chain import Problem, ProblemKind, verify
from .stores import AuditLogStore

PROBLEMS_MAX = 1000  # kept for the report; the others are counted


@dataclass
class Report:
    chains: int = 0
    events: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.problem_count == 0

    def add(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problem_count += 1
            if len(self.problems) < PROBLEMS_MAX:
                self.problems.append(problem)


def verify_stored_chains(store: AuditLogStore, conversation_id: str | None = None) -> Report:
    """Verify the chain of one conversation, or all of them. A conversation that was named must have a chain."""
    report = Report()
    for chain_id, snapshots in groupby(store.iterate(conversation_id), key=_chain_id):
        if conversation_id is None or chain_id == conversation_id:
            report.chains += 1
            report.add(verify(chain_id, _count(snapshots, report)))
    if conversation_id is not None and report.chains == 0:
        report.add([Problem(conversation_id, None, ProblemKind.MISSING, "there are no events of this chain")])
    return report


def _chain_id(snapshot: Snapshot) -> str:
    return snapshot.id.rpartition("-")[0]


def _count(snapshots: Iterable[Snapshot], report: Report) -> Iterator[dict[str, Any]]:
    for snapshot in snapshots:
        report.events += 1
        yield {**snapshot.data, "id": snapshot.id}
