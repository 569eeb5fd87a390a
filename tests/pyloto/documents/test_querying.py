"""What queries find, and in which order, on both adapters."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pyloto.documents import DOCUMENT_ID, Create, DocumentStore, Query, cursor_of

# In the order of their types and values.
IN_ORDER: dict[str, Any] = {
    "null": None,
    "false": False,
    "true": True,
    "minus_endless": float("-inf"),
    "minus": -1.5,
    "zero": 0,
    "half": 0.5,
    "one": 1,
    "big": 2**53,
    "bigger": 2**53 + 1,
    "endless": float("inf"),
    "early": datetime(1, 1, 1, tzinfo=UTC),
    "late": datetime(2026, 1, 1, tzinfo=UTC),
    "later": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "empty_text": "",
    "nul": "\x00",
    "after_nul": "\x01",
    "text_a": "a",
    "text_a_nul": "a\x00",
    "text_ab": "ab",
    "text_e": "é",
    "text_bmp": "\uffee",
    "text_astral": "🛵",  # after U+FFEE in UTF-8, before it in UTF-16
    "empty_bytes": b"",
    "bytes": b"\x01",
    "more_bytes": b"\x01\x00",
    "empty_list": [],
    "list_1": [1],
    "list_1_1": [1, 1],
    "list_2": [2],
    "list_a": ["a"],
    "list_ab": ["ab"],
    "empty_map": {},
    "map_a_1": {"a": 1},
    "map_a_1_b": {"a": 1, "b": 0},
    "map_a_2": {"a": 2},
    "map_ab": {"ab": 0},
    "map_b": {"b": 0},
}


def fill(store: DocumentStore, documents: dict[str, dict[str, Any]], collection: str = "things") -> None:
    store.commit([Create(f"{collection}/{name}", data) for name, data in documents.items()])


def ids(store: DocumentStore, **query: Any) -> list[str]:
    query.setdefault("collection", "things")
    return [snapshot.id for snapshot in store.query(Query(**query))]


@pytest.fixture
def types(store: DocumentStore) -> DocumentStore:
    """One document of each value, and one without the field."""
    fill(store, {name: {"v": value, "n": position} for position, (name, value) in enumerate(IN_ORDER.items())})
    store.create("things/without", {"n": -1})
    return store


def test_values_of_all_types_have_one_order(types: DocumentStore) -> None:
    assert ids(types, order_by=(("v", "asc"),)) == list(IN_ORDER)
    assert ids(types, order_by=(("v", "desc"),)) == list(reversed(IN_ORDER))


def test_a_document_without_the_ordered_field_is_not_in_the_result(types: DocumentStore) -> None:
    assert "without" not in ids(types, order_by=(("v", "asc"),))
    assert "without" in ids(types)
    assert ids(types, where=(("v", "==", None),)) == ["null"]


def test_a_range_compares_within_one_type(types: DocumentStore) -> None:
    assert ids(types, where=(("v", ">", 0),)) == ["half", "one", "big", "bigger", "endless"]
    assert ids(types, where=(("v", "<=", "a"),)) == ["empty_text", "nul", "after_nul", "text_a"]
    assert ids(types, where=(("v", ">=", datetime(2026, 1, 1, tzinfo=UTC)),)) == ["late", "later"]
    assert ids(types, where=(("v", "<", True),)) == ["false"]
    assert ids(types, where=(("v", ">", b""),)) == ["bytes", "more_bytes"]
    assert ids(types, where=(("v", ">", [1]), ("v", "<", ["ab"]))) == ["list_1_1", "list_2", "list_a"]
    assert ids(types, where=(("v", "<=", {"a": 2}),)) == ["empty_map", "map_a_1", "map_a_1_b", "map_a_2"]


def test_equality_counts_whole_and_broken_numbers_alike(types: DocumentStore) -> None:
    assert ids(types, where=(("v", "==", 1.0),)) == ["one"]
    assert ids(types, where=(("v", "==", True),)) == ["true"]
    assert ids(types, where=(("v", "==", -0.0),)) == ["zero"]
    assert ids(types, where=(("v", "==", [1]),)) == ["list_1"]
    assert ids(types, where=(("v", "==", {"b": 0, "a": 1}),)) == ["map_a_1_b"]


def test_unequal_leaves_out_null_and_missing(types: DocumentStore) -> None:
    assert ids(types, where=(("v", "!=", 1),)) == [name for name in IN_ORDER if name not in {"null", "one"}]
    assert ids(types, where=(("v", "!=", None),)) == [name for name in IN_ORDER if name != "null"]


def test_null_inside_in_matches_nothing(types: DocumentStore) -> None:
    assert ids(types, where=(("v", "in", (None,)),)) == []
    assert types.count(Query("things", where=(("v", "in", (None,)),))) == 0
    assert ids(types, where=(("v", "in", (None, "a", 1, [1])),)) == ["list_1", "one", "text_a"]


def test_without_an_order_documents_come_by_id(store: DocumentStore) -> None:
    fill(store, {name: {} for name in ("b", "A", "a", "-", "é", "10", "9")})
    assert ids(store) == ["-", "10", "9", "A", "a", "b", "é"]
    assert ids(store, where=((DOCUMENT_ID, ">=", "A"), (DOCUMENT_ID, "<", "b"))) == ["A", "a"]
    assert ids(store, where=((DOCUMENT_ID, "in", ("things/b", "9", "none")),)) == ["9", "b"]


def test_nested_fields_are_compared_and_ordered_by_path(store: DocumentStore) -> None:
    fill(store, {"a": {"due": {"at": 2, "shard": 1}}, "b": {"due": {"at": 1, "shard": 2}}, "c": {"due": None}})
    assert ids(store, order_by=(("due.at", "asc"),)) == ["b", "a"]
    assert ids(store, where=(("due.shard", "in", (0, 1)), ("due.at", "<=", 2)), order_by=(("due.at", "asc"),)) == ["a"]


def test_array_contains_finds_elements(store: DocumentStore) -> None:
    fill(store, {"a": {"v": [1, "x", {"k": 1}]}, "b": {"v": [1.0]}, "c": {"v": 1}, "d": {"v": [["x"]][0]}})
    assert ids(store, where=(("v", "array-contains", 1),)) == ["a", "b"]
    assert ids(store, where=(("v", "array-contains", {"k": 1}),)) == ["a"]
    assert ids(store, where=(("v", "array-contains", "x"), ("v", "==", ["x"]))) == ["d"]


def test_filters_are_joined_and_limits_hold(store: DocumentStore) -> None:
    fill(store, {f"{n:02}": {"n": n, "odd": n % 2 == 1, "third": n % 3} for n in range(20)})
    query = Query("things", where=(("odd", "==", True), ("third", "==", 0), ("n", ">", 3)), limit=2)
    assert [snapshot.id for snapshot in store.query(query)] == ["09", "15"]
    assert store.count(query) == 2
    assert store.count(Query("things", where=(("odd", "==", True),))) == 10
    assert store.count(Query("nothing")) == 0


def test_several_keys_order_in_their_own_directions(store: DocumentStore) -> None:
    fill(store, {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 0, "y": 1}, "d": {"x": 1, "y": 2}})
    assert ids(store, order_by=(("x", "desc"), ("y", "asc"))) == ["a", "b", "d", "c"]
    assert ids(store, order_by=(("x", "asc"), ("y", "desc"))) == ["c", "d", "b", "a"]  # ties in the last direction


def test_a_collection_is_not_its_neighbours_or_descendants(store: DocumentStore) -> None:
    for path in ("things/a", "thing/b", "things/a/things/c", "others/a/things/d", "things2/e"):
        store.create(path, {"v": 1})
    assert ids(store) == ["a"]
    assert ids(store, collection="things/a/things") == ["c"]
    assert ids(store, collection="others/a/things", where=(("v", "==", 1),)) == ["d"]


def test_a_group_holds_every_collection_of_its_name(store: DocumentStore) -> None:
    for path in ("things/z", "users/b/things/a", "users/a/things/b", "users/a-b/things/a", "users/a/others/c"):
        store.create(path, {"v": path[-1] != "z"})
    paths = [snapshot.path for snapshot in store.query(Query("things", group=True))]
    assert paths == ["things/z", "users/a/things/b", "users/a-b/things/a", "users/b/things/a"]
    query = Query("users/x/things", where=(("v", "==", True),), order_by=(("v", "asc"),), group=True)
    assert [snapshot.path for snapshot in store.query(query)] == paths[1:]
    assert store.count(query) == 3


@pytest.mark.parametrize(
    "order_by",
    [
        (("x", "asc"),),
        (("x", "desc"),),
        (("x", "asc"), ("y", "asc")),
        (("x", "desc"), ("y", "asc")),
        (("x", "asc"), ("y", "desc"), (DOCUMENT_ID, "asc")),
        (),
    ],
)
@pytest.mark.parametrize("group", [False, True])
def test_pages_put_together_are_the_whole(store: DocumentStore, order_by: tuple, group: bool) -> None:
    """Many ties, mixed types: each page goes on behind the last document of the one before it."""
    mixed: list[Any] = [None, 1, 1.0, "a", "a", True, datetime(2026, 1, 1, tzinfo=UTC), [1], {"k": 1}]
    for user in ("a", "a-b"):
        documents = {f"{n:02}": {"x": mixed[n % 4 * 2], "y": mixed[n % 9]} for n in range(12)}
        fill(store, documents, f"users/{user}/things")
    query = Query("users/a/things", order_by=order_by, group=group)
    whole = store.query(query)
    assert len(whole) == (24 if group else 12)
    paged, page = [], store.query(Query("users/a/things", order_by=order_by, group=group, limit=5))
    while page:
        paged += page
        cursor = cursor_of(page[-1], query)
        page = store.query(Query("users/a/things", order_by=order_by, group=group, limit=5, start_after=cursor))
    assert [snapshot.path for snapshot in paged] == [snapshot.path for snapshot in whole]


def test_a_cursor_goes_on_also_where_its_document_is_gone(store: DocumentStore) -> None:
    fill(store, {f"{n}": {"n": n // 2} for n in range(6)})
    query = Query("things", where=(("n", ">=", 0),))
    cursor = cursor_of(store.query(query)[2], query)
    store.delete("things/2")
    assert ids(store, where=query.where, start_after=cursor) == ["3", "4", "5"]
