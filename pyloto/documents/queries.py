"""Queries, checked and made explicit, so that both adapters read them alike; and the cursors that go on where one ended.

What is refused here is what Firestore refuses, and a little of what it allows but nobody needs.
"""

from dataclasses import dataclass
from typing import Any

from . import values
from .errors import InvalidDocument
from .port import DOCUMENT_ID, Direction, Operator, Query, Snapshot

RANGES = frozenset({"!=", "<", "<=", ">", ">="})
OPERATORS = RANGES | {"==", "in", "array-contains"}
MAX_IN = 30  # Firestore: disjunctions of one query


@dataclass(frozen=True)
class Plan:
    """A query with nothing left implicit."""

    parent: str  # path of the document above the collection; "" at the root
    collection_id: str
    group: bool
    filters: tuple[tuple[str, Operator, Any], ...]
    order: tuple[tuple[str, Direction], ...]  # ends with the document id
    start_after: tuple[Any, ...] | None
    limit: int | None

    @property
    def matches_nothing(self) -> bool:
        """`in` without a value: nothing needs to be asked."""
        return any(operator == "in" and not operand for _, operator, operand in self.filters)


def plan(query: Query) -> Plan:
    """Raises `InvalidDocument` for a query that Firestore would refuse."""
    values.collection_path(query.collection)
    parent, _, collection_id = query.collection.rpartition("/")
    order = effective_order(query)
    if query.limit is not None and query.limit < 1:
        raise InvalidDocument("the limit of a query is at least 1")
    return Plan(
        parent="" if query.group else parent,
        collection_id=collection_id,
        group=query.group,
        filters=_filters(query),
        order=order,
        start_after=_cursor(query, order),
        limit=query.limit,
    )


def cursor_of(snapshot: Snapshot, query: Query) -> tuple[Any, ...]:
    """The `start_after` with which `query` goes on behind the snapshot."""
    order = effective_order(query)
    return (*(_field_value(snapshot.data, field) for field, _ in order[:-1]), snapshot.path)


def effective_order(query: Query) -> tuple[tuple[str, Direction], ...]:
    """The order of the results, with the document id as the last key."""
    order = query.order_by
    ranged = {field for field, operator, _ in query.where if operator in RANGES}
    if len(ranged) > 1:
        raise InvalidDocument("a query compares at most one field by range")
    if ranged and not order:
        order = tuple((field, "asc") for field in ranged)
    if ranged and {order[0][0]} != ranged:
        raise InvalidDocument("a query is ordered by the field that it compares by range")
    fields = [field for field, _ in order]
    if len(set(fields)) != len(fields) or DOCUMENT_ID in fields[:-1]:
        raise InvalidDocument("a query orders by each field once, and by the document id last")
    for field, direction in order:
        if field != DOCUMENT_ID:
            values.field_path(field)
        if direction not in {"asc", "desc"}:
            raise InvalidDocument(f"{direction!r} is no direction")
    if order == ((DOCUMENT_ID, "desc"),):
        raise InvalidDocument("Firestore doesn't read documents backwards by their id alone")
    if fields[-1:] != [DOCUMENT_ID]:
        order = (*order, (DOCUMENT_ID, order[-1][1] if order else "asc"))
    return order


def _filters(query: Query) -> tuple[tuple[str, Operator, Any], ...]:
    filters = tuple(
        (field, operator, _operand(query, field, operator, value)) for field, operator, value in query.where
    )
    operators = [operator for _, operator, _ in filters]
    if operators.count("array-contains") > 1 or operators.count("in") > 1:
        raise InvalidDocument("a query holds at most one `in` and one `array-contains`")
    return filters


def _operand(query: Query, field: str, operator: Operator, value: Any) -> Any:
    if operator not in OPERATORS:
        raise InvalidDocument(f"{operator!r} is no operator")
    if field == DOCUMENT_ID:
        return _id_operand(query, operator, value)
    values.field_path(field)
    if operator == "in":
        return _in_operand(value, lambda item: values.clean_operand(item, field))
    if value is None and operator not in {"==", "!="}:
        raise InvalidDocument(f"{field!r}: null is only equal or not equal")
    return values.clean_operand(value, field)


def _in_operand(value: Any, clean: Any) -> tuple[Any, ...]:
    """Without null, which matches nothing there."""
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_IN:
        raise InvalidDocument(f"`in` takes 1 to {MAX_IN} values")
    return tuple(clean(item) for item in value if item is not None)


def _id_operand(query: Query, operator: Operator, value: Any) -> Any:
    """Paths, also where the ids alone were given."""

    def path(item: Any) -> str:
        if not isinstance(item, str):
            raise InvalidDocument("a document id is compared with a text")
        return values.document_path(item if "/" in item or query.group else f"{query.collection}/{item}")

    if operator == "array-contains":
        raise InvalidDocument("a document id is no array")
    return _in_operand(value, path) if operator == "in" else path(value)


def _cursor(query: Query, order: tuple[tuple[str, Direction], ...]) -> tuple[Any, ...] | None:
    cursor = query.start_after
    if cursor is None:
        return None
    if len(cursor) != len(order) or not isinstance(cursor[-1], str):
        raise InvalidDocument("a cursor holds one value for each key of the order, and the document path last")
    path = values.document_path(cursor[-1])
    collection = path.rpartition("/")[0]
    if collection != query.collection and not (
        query.group and collection.rpartition("/")[2] == query.collection.rpartition("/")[2]
    ):
        raise InvalidDocument("a cursor ends with the path of a document of the collection")
    fields = (field for field, _ in order[:-1])
    return (*(values.clean_operand(value, field) for field, value in zip(fields, cursor[:-1], strict=True)), path)


def _field_value(data: dict[str, Any], field: str) -> Any:
    value: Any = data
    for name in values.field_path(field):
        if not isinstance(value, dict) or name not in value:
            raise InvalidDocument(f"the document lacks {field!r}, by which the query orders")
        value = value[name]
    return value
