"""What no adapter takes: refused before anything is sent, by both alike."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pyloto.documents import (
    DELETE_FIELD,
    DOCUMENT_ID,
    SERVER_TIMESTAMP,
    ArrayUnion,
    DocumentStore,
    InvalidDocument,
    Query,
)


def nested(levels: int, *, arrays: bool = False) -> Any:
    """A value of so many maps, or maps and arrays in turn, inside each other."""
    value: Any = 1
    for level in range(levels):
        value = [value] if arrays and level % 2 else {"a": value}
    return value


REFUSED = {
    "naive time": datetime(2026, 1, 1),  # noqa: DTZ001
    "time out of range": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    "set": {1},
    "tuple": (1,),
    "too big a number": 2**63,
    "too small a number": -(2**63) - 1,
    "not a number": float("nan"),
    "lone surrogate": "\ud83d",
    "array in an array": [[1]],
    "array in an array, further down": {"a": [{"b": [[1]]}]},
    "deep maps": nested(21),
    "deep maps and arrays": nested(21, arrays=True),
    "key with a dot": {"a.b": 1},
    "empty key": {"": 1},
    "reserved key": {"__a__": 1},
    "key that is no text": {1: 1},
    "lone surrogate in a key": {"\ud83d": 1},
    "long path of keys": {"k" * 749: {"k" * 749: 1}},
    "long text": "x" * (1024 * 1024 - 88),
    "long bytes": b"x" * (1024 * 1024 - 88),
    "large document": ["x" * 600_000, "y" * 600_000],
    "sentinel in an array": [SERVER_TIMESTAMP],
    "sentinel in a map in an array": [{"a": SERVER_TIMESTAMP}],
    "union in an array": [ArrayUnion((1,))],
    "union of arrays": ArrayUnion(([1],)),
    "union of a sentinel": ArrayUnion((SERVER_TIMESTAMP,)),
    "deletion inside a value": {"a": DELETE_FIELD},
}


def test_values_that_cannot_be_stored(store: DocumentStore, subtests: pytest.Subtests) -> None:
    store.create("things/a", {"n": 1})
    for name, value in REFUSED.items():
        for call, write in (
            ("create", lambda v: store.create("things/b", {"v": v})),
            ("set", lambda v: store.set("things/a", {"v": v})),
            ("merge", lambda v: store.set("things/a", {"v": v}, merge=True)),
            ("update", lambda v: store.update("things/a", {"v": v})),
        ):
            with subtests.test(f"{call} {name}"), pytest.raises(InvalidDocument):
                write(value)
    assert {path: read.data for path, read in store.get_many(["things/a", "things/b"]).items()} == {
        "things/a": {"n": 1}
    }


TAKEN = {
    "deepest maps": nested(20),
    "deepest maps and arrays": nested(20, arrays=True),
    "array in a map in an array": [{"a": [1]}],
    "longest text": "x" * (1024 * 1024 - 89),
    "longest bytes": b"x" * (1024 * 1024 - 89),
    "longest path of keys": {"k" * 749: {"k" * 748: 1}},
    "smallest number": -(2**63),
    "text longer than an index value": "é" * 20_000,
}


def test_values_just_within_the_limits(store: DocumentStore, subtests: pytest.Subtests) -> None:
    for name, value in TAKEN.items():
        with subtests.test(name):
            store.set("things/a", {"v": value})
            assert store.get("things/a").data == {"v": value}


def test_a_document_may_fill_its_mebibyte_and_no_byte_more(store: DocumentStore) -> None:
    fill = 1024 * 1024 - 32 - 16 - len("things/a") - 1 - 2 * len("a_") - 2
    store.create("things/a", {"a": "x" * 500_000, "b": "x" * (fill - 500_000)})
    with pytest.raises(InvalidDocument):
        store.set("things/a", {"a": "x" * 500_000, "b": "x" * (fill - 500_000 + 1)})


def test_a_document_cannot_grow_over_its_mebibyte(store: DocumentStore) -> None:
    store.create("things/a", {"a": "x" * 600_000})
    with pytest.raises(InvalidDocument):
        store.update("things/a", {"b": "x" * 600_000})
    with pytest.raises(InvalidDocument):
        store.set("things/a", {"b": "x" * 600_000}, merge=True)
    assert list(store.get("things/a").data) == ["a"]


BAD_PATHS = [
    "", "things", "things/", "/things", "things//a", "things/.", "things/..", "things/__a__", "things/a/parts",
    "things/\ud83d", "things/a\n", "things/" + "a" * 1501, "/".join("a" * 1400 for _ in range(6)),
]  # fmt: skip


def test_paths_that_name_no_document(store: DocumentStore, subtests: pytest.Subtests) -> None:
    for number, path in enumerate(BAD_PATHS):
        for call in (
            store.get,
            lambda p: store.get_many(["things/a", p]),
            lambda p: store.create(p, {}),
            lambda p: store.update(p, {"a": 1}),
            store.delete,
        ):
            with subtests.test(str(number)), pytest.raises(InvalidDocument):
                call(path)


BAD_UPDATES: list[dict[str, Any]] = [
    {}, {"": 1}, {"a.": 1}, {"a..b": 1}, {"a b": 1}, {"a`": 1}, {"__name__": 1}, {"a": 1, "a.b": 2},
    {"a.b.c": 1, "a": DELETE_FIELD}, {".".join("a" * 21): 1}, {".".join("a" * 20): {"b": {}}},
]  # fmt: skip


def test_updates_that_make_no_sense(store: DocumentStore, subtests: pytest.Subtests) -> None:
    store.create("things/a", {"n": 1})
    for fields in BAD_UPDATES:
        with subtests.test(str(fields)), pytest.raises(InvalidDocument):
            store.update("things/a", fields)
    assert store.get("things/a").data == {"n": 1}


at = datetime(2026, 1, 1, tzinfo=UTC)
BAD_QUERIES = [
    Query("things/a"),
    Query(""),
    Query("things", limit=0),
    Query("things", where=(("a b", "==", 1),)),
    Query("things", where=(("a", "~", 1),)),  # type: ignore[arg-type]
    Query("things", where=(("a", "<", None),)),
    Query("things", where=(("a", "array-contains", None),)),
    Query("things", where=(("a", "==", float("nan")),)),
    Query("things", where=(("a", "==", "\ud83d"),)),
    Query("things", where=(("a", "==", SERVER_TIMESTAMP),)),
    Query("things", where=(("a", "==", "x" * 1500),)),  # longer than an index holds
    Query("things", where=(("a", "in", ()),)),
    Query("things", where=(("a", "in", 1),)),
    Query("things", where=(("a", "in", tuple(range(31))),)),
    Query("things", where=(("a", "in", (1,)), ("b", "in", (1,)))),
    Query("things", where=(("a", "array-contains", 1), ("b", "array-contains", 1))),
    Query("things", where=(("a", "<", 1), ("b", ">", 1))),
    Query("things", where=(("a", "<", 1),), order_by=(("b", "asc"),)),
    Query("things", where=((DOCUMENT_ID, "==", 1),)),
    Query("things", where=((DOCUMENT_ID, "array-contains", "a"),)),
    Query("things", order_by=(("a", "asc"), ("a", "desc"))),
    Query("things", order_by=((DOCUMENT_ID, "asc"), ("a", "asc"))),
    Query("things", order_by=((DOCUMENT_ID, "desc"),)),
    Query("things", order_by=(("a", "up"),)),  # type: ignore[arg-type]
    Query("things", order_by=(("a", "asc"),), start_after=(1,)),
    Query("things", order_by=(("a", "asc"),), start_after=(1, 2)),
    Query("things", order_by=(("a", "asc"),), start_after=(1, "other/a")),
    Query("things", order_by=(("a", "asc"),), start_after=("x" * 1500, "things/a")),
    Query("things", order_by=(("a", "asc"),), start_after=(1, "a/other/b"), group=True),
]


def test_queries_that_cannot_be_answered(store: DocumentStore, subtests: pytest.Subtests) -> None:
    for query in BAD_QUERIES:
        for ask in (store.query, store.count):
            with subtests.test(f"{query.where}{query.order_by}"[:60]), pytest.raises(InvalidDocument):
                ask(query)


def test_a_refusal_names_the_field_and_never_its_value(store: DocumentStore) -> None:
    with pytest.raises(InvalidDocument) as refused:
        store.create("things/a", {"phone": {"number": "+5542999990000\ud83d"}})
    assert "phone.number" in str(refused.value)
    assert "99999" not in str(refused.value)
