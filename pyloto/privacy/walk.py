"""A walk over many documents that may be killed at any point: a document of its own keeps where it stands."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from pyloto.documents import Query, Snapshot, Unavailable, cursor_of, get_store

PAGE = 50  # documents in memory: one may hold 1 MiB
RESUMABLE = timedelta(days=1)  # what an older run counted says little about today


class Walk:
    """The documents of each stage, page by page; `counts` are those of the whole walk, over all its runs.

    A page is done when the next one is asked for: only then its place is stored. What is done with a page must be safe
    to be done twice. Two walks at once under one name both see everything, and either may be resumed from.
    """

    def __init__(self, name: str, stages: Mapping[str, Query], *, target: int, keep: bool = True) -> None:
        """`target` is the version that is being brought in: a walk towards another one begins anew."""
        self.path, self.stages, self.target, self.keep = f"controls/{name}", dict(stages), target, keep
        self.counts: Counter[str] = Counter()
        self.stage: str = next(iter(self.stages))
        self.after: Sequence[Any] | None = None
        self.resumed = keep and self._resume()

    def pages(self) -> Iterator[tuple[str, list[Snapshot]]]:
        """(stage, documents); a page may be empty. Raises `Unavailable`: a later walk goes on from there."""
        names = list(self.stages)
        for name in names[names.index(self.stage) :]:
            if name != self.stage:
                self.stage, self.after = name, None
            while True:
                query = replace(self.stages[name], start_after=None if self.after is None else tuple(self.after))
                size, snapshots = _read(query)
                yield name, snapshots
                if len(snapshots) < size:
                    break
                self.after = cursor_of(snapshots[-1], query)
                self._save()
        if self.keep:
            get_store().delete(self.path)

    def _resume(self) -> bool:
        found = get_store().get_many([self.path]).get(self.path)
        state = found.data if found else {}
        if (
            state.get("target") != self.target
            or state["stage"] not in self.stages
            or timezone.now() - state["at"] > RESUMABLE
        ):
            return False
        self.stage, self.after = state["stage"], state["after"]
        self.counts.update(state["counts"])
        return True

    def _save(self) -> None:
        if self.keep:
            get_store().set(
                self.path,
                {
                    "target": self.target,
                    "stage": self.stage,
                    "after": list(self.after or ()),
                    "counts": dict(self.counts),
                    "at": timezone.now(),
                },
            )


def _read(query: Query) -> tuple[int, list[Snapshot]]:
    """A page, and how many documents it might have held: fewer where large ones take longer than a call may."""
    size = PAGE
    while True:
        try:
            return size, get_store().query(replace(query, limit=size))
        except Unavailable:
            if size == 1:
                raise
            size = max(size // 7, 1)
