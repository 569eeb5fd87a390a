"""A store that notes what is asked of it: round trips for their budget, query shapes for the indexes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from . import changes
from .indexes import Shape, shape_of
from .port import Create, DocumentStore, Query, Snapshot, Update, Write, WriteResult


class RecordingStore:
    """Passes everything on to `inner`. `calls` names the round trips in their order; `shapes` holds those of queries."""

    def __init__(self, inner: DocumentStore) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.shapes: set[Shape] = set()

    @property
    def round_trips(self) -> int:
        return len(self.calls)

    def get(self, path: str) -> Snapshot:
        self.calls.append("get")
        return self.inner.get(path)

    def get_many(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        if paths:
            self.calls.append("get_many")
        return self.inner.get_many(paths)

    def create(self, path: str, data: dict[str, Any]) -> None:
        self.calls.append("create")
        self.inner.create(path, data)

    def set(self, path: str, data: dict[str, Any], *, merge: bool = False) -> None:
        self.calls.append("set")
        self.inner.set(path, data, merge=merge)

    def update(self, path: str, fields: dict[str, Any], *, last_update_time: datetime | None = None) -> None:
        self.calls.append("update")
        self.inner.update(path, fields, last_update_time=last_update_time)

    def delete(self, path: str, *, last_update_time: datetime | None = None) -> None:
        self.calls.append("delete")
        self.inner.delete(path, last_update_time=last_update_time)

    def query(self, query: Query) -> list[Snapshot]:
        self.calls.append("query")
        self.shapes.add(shape_of(query))
        return self.inner.query(query)

    def count(self, query: Query) -> int:
        self.calls.append("count")
        self.shapes.add(shape_of(query))
        return self.inner.count(query)

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        if writes:
            self.calls.append("commit")
        return self.inner.commit(writes)

    def write_many(self, writes: Sequence[Create | Update]) -> list[WriteResult]:
        self.calls += ["write_many" for _ in changes.chunks(changes.clean_many(writes))]
        return self.inner.write_many(writes)

    def purge(self) -> bool:
        return self.inner.purge()
