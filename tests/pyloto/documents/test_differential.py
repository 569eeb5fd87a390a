"""The same random operations on both adapters give the same answers.

`DOCUMENTS_FUZZ_RUNS=2000` looks further, each time elsewhere, and shrinks what it finds; without it the same operations
are run each time, so that nobody's change fails by chance.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pyloto.documents import (
    DELETE_FIELD,
    DOCUMENT_ID,
    SERVER_TIMESTAMP,
    ArrayUnion,
    Create,
    Delete,
    DocumentStore,
    Query,
    Set,
    Snapshot,
    Update,
    cursor_of,
)
from pyloto.documents.queries import effective_order
from pyloto.errors import PylotoError

LONGER = "DOCUMENTS_FUZZ_RUNS" in os.environ
RUNS = int(os.environ.get("DOCUMENTS_FUZZ_RUNS", "170"))
OPERATIONS = 12  # of one run, after one that fills the collections
STAMPED = "stamp"  # the field that holds server timestamps: not compared by value

scalars = st.sampled_from(
    [None, False, True, -1, 0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, 1.0, -2.5, 1e20, float("inf"),
     float("-inf"), datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), "", "a", "ab", "b", "é",
     "🛵", "\uffee", "a\x00", "a\x02b", "$t", b"", b"\x00", b"\xff\x01"]
)  # fmt: skip
common = st.sampled_from([None, True, 1, 1.0, 2, "a"])  # few, so that they meet
maps = st.dictionaries(st.sampled_from(["x", "y", "$t", "z z"]), common | scalars, max_size=2)
arrays = st.lists(common | scalars | maps, max_size=3)
values = st.one_of(common, common, common, common, scalars, maps, arrays)
unions = st.lists(common | scalars, max_size=3).map(lambda items: ArrayUnion(tuple(items)))

inner = st.dictionaries(st.sampled_from(["x", "y"]), values | unions, max_size=2)
data = st.fixed_dictionaries(
    {"f": values, "g": values}, optional={"m": inner, "h": unions, STAMPED: st.just(SERVER_TIMESTAMP)}
)
paths = st.sampled_from(["f", "g", "m", "m.x", "m.y", "m.x.y", "f.x", "g.x.x"])
changes = st.lists(
    st.dictionaries(paths, values | unions | st.just(DELETE_FIELD), min_size=1, max_size=3), min_size=1, max_size=1
).map(lambda dicts: {path: value for path, value in dicts[0].items() if not any(
    path.startswith(f"{other}.") for other in dicts[0])})  # fmt: skip

# Documents in two collections and in one group of four, of which one hangs below another.
DOCUMENTS = (
    "{c}/a", "{c}/b", "{c}/c", "{c}/d", "{c}/e", "{c}/A", "{c}/-", "{c}/é",
    "{s}/a", "{s}/b", "{c}/a/{s}/a", "{c}/a/{s}/b", "{c}/a-b/{s}/a", "{c}/b/{s}/a",
)  # fmt: skip
documents = st.sampled_from(DOCUMENTS)
versions = st.sampled_from([None, None, None, "current", "stale"])


@dataclass(frozen=True)
class Versioned:
    """A write whose `last_update_time` each store fills in for itself."""

    write: Update | Delete
    version: str | None


def path_of(write: Any) -> str:
    return write.write.path if isinstance(write, Versioned) else write.path


creates = st.builds(Create, documents, data)
updates = st.builds(Versioned, st.builds(Update, documents, changes), versions)
writes = st.one_of(
    creates,
    st.builds(Set, documents, data, st.booleans()),
    updates,
    st.builds(Versioned, st.builds(Delete, documents), versions),
)

fields = st.sampled_from(["f", "f", "g", "g", "h", "m", "m.x"])
operands = values
some_operands = operands.filter(lambda value: value is not None)
conditions = st.one_of(
    st.tuples(fields, st.just("=="), operands),
    st.tuples(fields, st.sampled_from(["<", "<=", ">", ">=", "!="]), some_operands),
    st.tuples(fields, st.just("!="), operands),
    st.tuples(fields, st.sampled_from(["==", "!="]), common),
    st.tuples(fields, st.just("in"), st.lists(operands, min_size=1, max_size=4)),
    st.tuples(fields, st.just("array-contains"), some_operands.filter(lambda value: not isinstance(value, list))),
)
directions = st.sampled_from(["asc", "desc"])


@st.composite
def cursors(draw: st.DrawFn) -> tuple[Query, list[Any], str]:
    """A query, and a place in its order that no document gave."""
    query = draw(queries())
    keys = [draw(operands) for name, _ in effective_order(query)[:-1]]
    paths = [
        path for path in DOCUMENTS if path.rpartition("/")[0] == query.collection or (query.group and "{s}/" in path)
    ]
    return query, keys, draw(st.sampled_from(paths))


@st.composite
def queries(draw: st.DrawFn) -> Query:
    size = draw(st.sampled_from([0, 0, 1, 1, 1, 2]))
    where = draw(st.lists(conditions, min_size=size, max_size=size, unique_by=lambda given: (given[0], given[1])))
    ranged = {name for name, operator, _ in where if operator not in {"==", "in", "array-contains"}}
    where = [c for c in where if c[0] in {min(ranged, default=""), *({c[0]} - ranged)}]
    order = draw(st.lists(st.tuples(fields, directions), max_size=2, unique_by=lambda key: key[0]))
    first = [(name, draw(directions)) for name in sorted(ranged)[:1]]
    order = [*first, *(key for key in order if key[0] not in ranged)]
    if order and draw(st.booleans()):  # else ties follow the last direction
        order.append((DOCUMENT_ID, draw(directions)))
    collection, group = draw(st.sampled_from([("{c}", False), ("{c}", False), ("{c}/a/{s}", False), ("{s}", True)]))
    return Query(collection, tuple(where), tuple(order), draw(st.none() | st.integers(1, 4)), group=group)


operations = st.one_of(
    st.tuples(st.just("commit"), st.lists(writes, min_size=1, max_size=1)),
    st.tuples(st.just("commit"), st.lists(writes, min_size=2, max_size=3, unique_by=path_of)),
    st.tuples(st.just("write_many"), st.lists(creates | updates, min_size=1, max_size=5, unique_by=path_of)),
    st.tuples(st.just("query"), queries()),
    st.tuples(st.just("pages"), queries()),
    st.tuples(st.just("after"), cursors()),
    st.tuples(st.just("count"), queries()),
)


@dataclass
class Side:
    """One store in one run, and the update times that it gave."""

    store: DocumentStore
    prefix: str
    known: dict[str, datetime] = field(default_factory=dict)
    first: dict[str, datetime] = field(default_factory=dict)

    def named(self, text: str) -> str:
        return text.format(c=f"{self.prefix}c", s=f"{self.prefix}s")

    def query(self, query: Query, **changes: Any) -> Query:
        given = {name: getattr(query, name) for name in ("where", "order_by", "limit", "start_after", "group")}
        return Query(self.named(query.collection), **(given | changes))

    def write(self, write: Any) -> Any:
        version = None
        if isinstance(write, Versioned):
            write, version = write.write, write.version
        path = self.named(write.path)
        known = self.known if version == "current" else self.first
        at = known.get(path, datetime(2026, 1, 1, tzinfo=UTC)) if version else None
        match write:
            case Create(_, data):
                return Create(path, data)
            case Set(_, data, merge):
                return Set(path, data, merge)
            case Update(_, fields):
                return Update(path, fields, at)
            case Delete():
                return Delete(path, at)

    def run(self, kind: str, argument: Any) -> Any:
        match kind:
            case "commit":
                writes = [self.write(write) for write in argument]
                return self.outcome(lambda: self.commit(writes)), self.state(writes)
            case "write_many":
                writes = [self.write(write) for write in argument]
                return self.outcome(lambda: self.results(writes)), self.state(writes)
            case "query":
                return self.outcome(lambda: self.shown(self.store.query(self.query(argument))))
            case "count":
                return self.outcome(lambda: self.store.count(self.query(argument)))
            case "pages":
                return self.outcome(lambda: self.pages(argument))
            case _:
                query, keys, path = argument
                cursor = (*keys, self.named(path))
                return self.outcome(lambda: self.shown(self.store.query(self.query(query, start_after=cursor))))

    def outcome(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except PylotoError as exc:
            return type(exc).__name__

    def commit(self, writes: list[Any]) -> None:
        told = self.store.commit(writes)
        read = self.store.get_many([write.path for write in writes])
        assert told == {path: snapshot.update_time for path, snapshot in read.items()}

    def results(self, writes: list[Any]) -> list[str]:
        return [type(result.error).__name__ for result in self.store.write_many(writes)]

    def state(self, writes: list[Any]) -> Any:
        """What stands there after the writes, and which documents were changed by them."""
        read = self.store.get_many([write.path for write in writes])
        changed = {path for path, snapshot in read.items() if snapshot.update_time != self.known.get(path)}
        for path in changed:
            assert read[path].update_time > self.known.get(path, datetime.min.replace(tzinfo=UTC))
            self.first.setdefault(path, read[path].update_time)
            self.known[path] = read[path].update_time
        return self.shown(sorted(read.values(), key=lambda snapshot: snapshot.path)), changed

    def pages(self, query: Query) -> Any:
        whole = self.query(query, limit=None)
        found: list[Snapshot] = []
        page = self.store.query(self.query(query, limit=3))
        while page:
            found += page
            assert len(found) <= len(DOCUMENTS), "the pages go round in circles"
            page = self.store.query(self.query(query, limit=3, start_after=cursor_of(page[-1], whole)))
        assert [snapshot.path for snapshot in found] == [snapshot.path for snapshot in self.store.query(whole)]
        return self.shown(found)

    def shown(self, snapshots: list[Snapshot]) -> list[Any]:
        return [(snapshot.path, typed(snapshot.data)) for snapshot in snapshots]


def typed(value: Any) -> Any:
    """The value with its types, which `==` overlooks; server timestamps by their type alone."""
    if isinstance(value, dict):
        return {name: "a time" if name == STAMPED else typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value).__name__, value)


runs, operations_done = count(1), count(0)


@pytest.fixture
def both_stores(embedded_store: DocumentStore, firestore_store: DocumentStore) -> tuple[DocumentStore, DocumentStore]:
    return embedded_store, firestore_store


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=not LONGER,
    phases=list(Phase) if LONGER else [Phase.generate],  # to shrink what was found takes minutes
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.tuples(*(st.builds(Create, st.just(path), data) for path in DOCUMENTS)),
    st.lists(operations, min_size=OPERATIONS, max_size=OPERATIONS),
)
def check(
    stores: tuple[DocumentStore, DocumentStore], first: tuple[Create, ...], program: list[tuple[str, Any]]
) -> None:
    prefix = f"run{next(runs)}"
    embedded, firestore = (Side(store, prefix) for store in stores)
    for kind, argument in [("write_many", list(first)), *program]:
        assert (kind, argument, embedded.run(kind, argument)) == (kind, argument, firestore.run(kind, argument))
        next(operations_done)


def test_both_adapters_answer_alike(both_stores: tuple[DocumentStore, DocumentStore]) -> None:
    check(both_stores)
    assert next(operations_done) >= 2_000
