"""What writes do to one document, on both adapters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyloto.documents import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    AlreadyExists,
    ArrayUnion,
    DocumentStore,
    NotFound,
    PreconditionFailed,
)

EVERY_TYPE = {
    "null": None,
    "flag": True,
    "whole": 2**63 - 1,
    "number": -0.5,
    "whole_number": 1.0,
    "endless": float("-inf"),
    "at": datetime(2026, 2, 28, 12, 30, 1, 123456, tzinfo=UTC),
    "text": "Olá, não\u0000é\n🛵",
    "bytes": b"\x00\xff",
    "list": [1, "a", {"b": [2]}, None],
    "map": {"$t": 1, "$": {"$$b": "x"}, "inner": {}},
}


def test_reads_back_what_was_created(store: DocumentStore) -> None:
    store.create("things/a", EVERY_TYPE)
    read = store.get("things/a")
    assert read.data == EVERY_TYPE
    assert {name: type(value) for name, value in read.data.items()} == {
        name: type(value) for name, value in EVERY_TYPE.items()
    }
    assert (read.path, read.id) == ("things/a", "a")
    assert read.create_time == read.update_time
    assert abs(datetime.now(UTC) - read.create_time) < timedelta(minutes=1)


def test_times_come_back_in_utc(store: DocumentStore) -> None:
    at = datetime.fromisoformat("2026-02-28T09:30:00.000001-03:00")
    store.create("things/a", {"at": at})
    assert store.get("things/a").data["at"].isoformat() == "2026-02-28T12:30:00.000001+00:00"


def test_what_is_not_there_is_not_found(store: DocumentStore) -> None:
    store.create("things/a/parts/p", {})
    with pytest.raises(NotFound):
        store.get("things/a")  # a path on the way to a document is no document
    assert list(store.get_many(["things/a", "things/a/parts/p", "things/b"])) == ["things/a/parts/p"]
    assert store.get_many([]) == {}


def test_create_leaves_an_existing_document_alone(store: DocumentStore) -> None:
    store.create("things/a", {"n": 1})
    with pytest.raises(AlreadyExists):
        store.create("things/a", {"n": 2})
    assert store.get("things/a").data == {"n": 1}


def test_set_replaces_and_set_with_merge_writes_only_its_leaves(store: DocumentStore) -> None:
    store.set("things/a", {"n": 1, "map": {"x": 1, "y": {"z": 1}}, "list": [1]})
    store.set("things/a", {"map": {"y": {"w": 2}}, "list": [2]}, merge=True)
    assert store.get("things/a").data == {"n": 1, "map": {"x": 1, "y": {"z": 1, "w": 2}}, "list": [2]}
    store.set("things/a", {"map": {"y": {}}}, merge=True)
    assert store.get("things/a").data == {"n": 1, "map": {"x": 1, "y": {}}, "list": [2]}
    store.set("things/a", {"n": 2})
    assert store.get("things/a").data == {"n": 2}


def test_merging_nothing_makes_an_empty_document_and_changes_none(store: DocumentStore) -> None:
    store.set("things/new", {}, merge=True)
    assert store.get("things/new").data == {}
    store.set("things/old", {"n": 1})
    store.set("things/old", {}, merge=True)
    assert store.get("things/old").data == {"n": 1}


def test_keys_that_are_no_plain_names_are_merged_too(store: DocumentStore) -> None:
    store.set("things/a", {"a b": {"`": 1}})
    store.set("things/a", {"a b": {"\\": 2}, "é": 3, "1st": 4}, merge=True)
    assert store.get("things/a").data == {"a b": {"`": 1, "\\": 2}, "é": 3, "1st": 4}


def test_update_changes_the_fields_at_its_paths(store: DocumentStore) -> None:
    store.create("things/a", {"n": 1, "map": {"x": 1, "y": 2}, "flat": 1})
    store.update("things/a", {"map.x": 9, "new.deep.er": 1, "flat.now": "a map", "at-1.2nd": True})
    assert store.get("things/a").data == {
        "n": 1,
        "map": {"x": 9, "y": 2},
        "new": {"deep": {"er": 1}},
        "flat": {"now": "a map"},
        "at-1": {"2nd": True},
    }
    store.update("things/a", {"map": {"z": 1}})  # a path to a map replaces the map
    assert store.get("things/a").data["map"] == {"z": 1}


def test_update_needs_a_document(store: DocumentStore) -> None:
    with pytest.raises(NotFound):
        store.update("things/a", {"n": 1})
    assert store.get_many(["things/a"]) == {}


def test_deleting_a_nested_field_makes_no_empty_parent(store: DocumentStore) -> None:
    store.create("things/a", {"n": 1, "map": {"x": 1}, "flat": 1})
    store.update("things/a", {"none.x": DELETE_FIELD, "flat.x": DELETE_FIELD, "map.y": DELETE_FIELD, "m": DELETE_FIELD})
    assert store.get("things/a").data == {"n": 1, "map": {"x": 1}, "flat": 1}
    store.update("things/a", {"map.x": DELETE_FIELD, "n": DELETE_FIELD})
    assert store.get("things/a").data == {"map": {}, "flat": 1}


@pytest.mark.parametrize(
    ("before", "added", "after"),
    [
        ([1, "a"], ("a", "b", "b", 1.0), [1, "a", "b"]),  # 1 and 1.0 are equal, the first one stays
        ("no list", (1,), [1]),
        ([True, None], (1, 0, None, False), [True, None, 1, 0, False]),
        ([{"x": [1]}], ({"x": [1]}, {"x": [2]}), [{"x": [1]}, {"x": [2]}]),
        ([], (), []),
    ],
)
def test_array_union_adds_what_is_missing(store: DocumentStore, before: Any, added: tuple, after: list) -> None:
    store.create("things/a", {"deep": {"list": before}})
    for _ in range(2):  # safe to apply twice
        store.update("things/a", {"deep.list": ArrayUnion(added)})
        assert store.get("things/a").data == {"deep": {"list": after}}


def test_array_union_starts_from_nothing_in_a_new_document(store: DocumentStore) -> None:
    store.create("things/a", {"list": ArrayUnion((1, 1)), "map": {"list": ArrayUnion((2,))}})
    assert store.get("things/a").data == {"list": [1], "map": {"list": [2]}}
    store.set("things/a", {"list": ArrayUnion((3,)), "map": {"list": ArrayUnion((3,))}}, merge=True)
    assert store.get("things/a").data == {"list": [1, 3], "map": {"list": [2, 3]}}
    store.update("things/a", {"map": {"list": ArrayUnion((4,))}})
    assert store.get("things/a").data == {"list": [1, 3], "map": {"list": [4]}}


def test_server_timestamp_is_the_time_of_the_write(store: DocumentStore) -> None:
    store.create("things/a", {"at": SERVER_TIMESTAMP, "map": {"at": SERVER_TIMESTAMP}})
    store.update("things/a", {"map.again": SERVER_TIMESTAMP, "other": {"at": SERVER_TIMESTAMP}})
    read = store.get("things/a")
    at, again = read.data["at"], read.data["map"]["again"]
    assert read.data == {"at": at, "map": {"at": at, "again": again}, "other": {"at": again}}
    assert at < again
    assert abs(datetime.now(UTC) - again) < timedelta(minutes=1)


def test_deletes(store: DocumentStore) -> None:
    store.create("things/a", {})
    store.create("things/a/parts/p", {})
    store.delete("things/a")
    store.delete("things/a")  # a missing one is no error
    assert list(store.get_many(["things/a", "things/a/parts/p"])) == ["things/a/parts/p"]


def test_update_time_grows_with_every_change(store: DocumentStore) -> None:
    store.create("things/a", {"n": 0})
    times = [store.get("things/a").update_time]
    for n in range(1, 4):
        store.update("things/a", {"n": n})
        times.append(store.get("things/a").update_time)
    assert times == sorted(set(times))
    assert store.get("things/a").create_time == times[0]


def test_a_write_that_changes_nothing_keeps_the_update_time(store: DocumentStore) -> None:
    store.create("things/a", {"b": 1, "a": [1], "c": {}})
    before = store.get("things/a").update_time
    store.set("things/a", {"a": [1], "b": 1, "c": {}})
    store.set("things/a", {"b": 1}, merge=True)
    store.update("things/a", {"b": 1, "a": ArrayUnion((1,)), "d.e": DELETE_FIELD})
    assert store.get("things/a").update_time == before
    store.update("things/a", {"b": 1.0})  # another type is another value
    assert store.get("things/a").update_time > before


def test_update_time_guards_updates_and_deletes(store: DocumentStore) -> None:
    store.create("things/a", {"n": 0})
    read = store.get("things/a").update_time
    store.update("things/a", {"n": 1}, last_update_time=read)
    with pytest.raises(PreconditionFailed):
        store.update("things/a", {"n": 2}, last_update_time=read)
    with pytest.raises(PreconditionFailed):
        store.delete("things/a", last_update_time=read)
    assert store.get("things/a").data == {"n": 1}
    store.delete("things/a", last_update_time=store.get("things/a").update_time)
    with pytest.raises(PreconditionFailed):
        store.update("things/a", {"n": 2}, last_update_time=read)
    with pytest.raises(PreconditionFailed):
        store.delete("things/a", last_update_time=read)


def test_a_document_made_again_is_another_one(store: DocumentStore) -> None:
    store.create("things/a", {"n": 1})
    first = store.get("things/a")
    store.delete("things/a")
    store.create("things/a", {"n": 1})
    second = store.get("things/a")
    assert second.create_time > first.create_time
    with pytest.raises(PreconditionFailed):
        store.update("things/a", {"n": 2}, last_update_time=first.update_time)
