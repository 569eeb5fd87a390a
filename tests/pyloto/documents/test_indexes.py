"""Every query has its indexes, in Firestore's list and on the embedded table."""

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connections

from pyloto.documents import DocumentStore, Query, embedded_query, queries
from pyloto.documents.document_model import DocumentModel
from pyloto.documents.indexes import Index, Shape, firestore_indexes, required, shape_of, undeclared
from pyloto.documents.shapes import EXPIRING, SHAPES, UNINDEXED

ROOT = Path(__file__).parents[3]
ASC, DESC = (("n", "asc"),), (("n", "desc"),)


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        (Query("things"), None),
        (Query("things", (("a", "==", 1), ("b", "in", (1,)))), None),
        (Query("things", (("n", ">", 1),)), None),
        (Query("things", (("n", ">", 1), ("n", "<", 2)), DESC), None),
        (Query("things", (("n", "==", 1),), DESC), None),
        (Query("things", (("a", "array-contains", 1),)), None),
        (Query("things", (("a", "==", 1), ("__name__", ">", "x"))), None),
        (Query("things", (("b", "==", 1), ("a", "==", 1)), DESC), (("a", "asc"), ("b", "asc"), ("n", "desc"))),
        (Query("things", (("a", "in", (1,)), ("n", "!=", 1))), (("a", "asc"), ("n", "asc"))),
        (Query("things", (("a", "array-contains", 1),), ASC), (("a", "contains"), ("n", "asc"))),
        (Query("things", (), (("b", "desc"), ("a", "asc"))), (("b", "desc"), ("a", "asc"))),
        (Query("things", (), (*DESC, ("__name__", "asc"))), (("n", "desc"), ("__name__", "asc"))),
    ],
)
def test_an_index_is_required_where_fields_are_combined(query: Query, parts: tuple | None) -> None:
    assert required(shape_of(query)) == ({Index("things", False, parts)} if parts else set())


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        (Query("things", group=True), []),
        (Query("things", (("a", "==", 1), ("b", "==", 1)), group=True), [(("a", "asc"),), (("b", "asc"),)]),
        (Query("things", (), DESC, group=True), [(("n", "desc"),)]),
        (Query("users/u/things", (("a", "in", (1,)),), ASC, group=True), [(("a", "asc"), ("n", "asc"))]),
    ],
)
def test_a_collection_group_needs_indexes_of_its_own(query: Query, parts: list) -> None:
    assert required(shape_of(query)) == {Index("things", True, part) for part in parts}


def test_a_field_indexed_for_its_group_keeps_the_indexes_of_its_collections() -> None:
    shapes = [Shape("things", (("n", "<="),), ASC, group=True)]
    (override,) = firestore_indexes(shapes, {}, {})["fieldOverrides"]
    assert override == {
        "collectionGroup": "things",
        "fieldPath": "n",
        "indexes": [
            {"order": "ASCENDING", "queryScope": "COLLECTION"},
            {"order": "DESCENDING", "queryScope": "COLLECTION"},
            {"arrayConfig": "CONTAINS", "queryScope": "COLLECTION"},
            {"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"},
        ],
    }


def test_one_field_of_a_map_that_is_not_indexed_may_be() -> None:
    shapes = [Shape("things", (("a", "=="), ("map.n", "==")))]
    outer, inner = firestore_indexes(shapes, {"things": ("map",)}, {})["fieldOverrides"]
    assert (outer["fieldPath"], outer["indexes"]) == ("map", [])
    assert (inner["fieldPath"], inner["indexes"]) == ("map.n", [{"order": "ASCENDING", "queryScope": "COLLECTION"}])


def test_firestore_is_told_of_every_index() -> None:
    """If this fails: python -m pyloto.documents.indexes > firestore.indexes.json"""
    written = json.loads((ROOT / "firestore.indexes.json").read_text())
    assert written == firestore_indexes(SHAPES, UNINDEXED, EXPIRING)
    assert {"collectionGroup": "dedupe", "fieldPath": "expires_at", "ttl": True, "indexes": []} in written[
        "fieldOverrides"
    ]


def test_no_client_may_read_or_write_the_database_itself() -> None:
    rules = (ROOT / "firestore.rules").read_text()
    assert rules.count("allow") == 1
    assert "match /{document=**} {\n      allow read, write: if false;" in rules


def test_no_query_looks_at_a_field_without_index() -> None:
    for shape in SHAPES:
        ordered = {field.partition(".")[0] for field, _ in shape.order_by}
        asked = {field for field, _ in shape.where} | ordered  # what is asked for in a map gets its own index
        assert not asked & set(UNINDEXED.get(shape.collection_id, ()))


def test_the_lists_name_fields_that_exist() -> None:
    models = {model.collection: model for model in apps.get_models() if issubclass(model, DocumentModel)}
    named = {(shape.collection_id, field) for shape in SHAPES for field, _ in (*shape.where, *shape.order_by)}
    named |= {(collection, field) for collection, fields in UNINDEXED.items() for field in fields}
    for collection, field in named:
        assert field == "__name__" or field.partition(".")[0] in models[collection].field_names()


def test_a_query_that_no_listed_index_serves_is_found() -> None:
    combined = Shape("sessions", (("status", "=="),), (("closed_at", "desc"),))
    single = Shape("sessions", order_by=(("closed_at", "desc"),))
    assert undeclared({*SHAPES, single, combined}, SHAPES) == [combined]


EXAMPLES = {"<=": 1, ">": 1, ">=": 1, "<": 2, "==": 1, "in": tuple(range(16)), "array-contains": "a"}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_embedded_table_answers_every_query_from_an_index(embedded_store: DocumentStore, shape: Shape) -> None:
    """It reads what it returns, in order, and sorts only what several shards gave; the items of an array it looks up."""
    where = tuple(
        (field, operator, "a" if field == "__name__" else EXAMPLES[operator]) for field, operator in shape.where
    )
    query = Query(shape.collection_id, where, shape.order_by, limit=50, group=shape.group)
    assert shape_of(query) == shape
    sql, params = embedded_query.select(queries.plan(query), ("path",))
    with connections["documents"].cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        plan = [row[3] for row in cursor.fetchall()]
    way = "SCAN" if shape.group and not shape.where else "SEARCH"  # of all that a group has: by its own index too
    assert plan[0].startswith(f"{way} documents_document USING INDEX documents_")
    if any(operator == "array-contains" for _, operator in shape.where):
        return
    sorted_again = shape.group and any(operator == "in" for _, operator in shape.where)
    assert plan[1:] == (["USE TEMP B-TREE FOR ORDER BY"] if sorted_again else [])
