"""Documents, writes and queries as Firestore's messages.

These are the plain protobuf classes below the library's wrappers, which cost ten times as much for each value.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.firestore_v1 import types

from . import values
from .port import DOCUMENT_ID, ArrayUnion, Create, Delete, Sentinel, Set, Snapshot, Update, Write
from .queries import Plan

PbValue: Any = types.Value.pb()
PbWrite: Any = types.Write.pb()
PbQuery: Any = types.StructuredQuery.pb()
PbFilter: Any = types.StructuredQuery.Filter.pb()

_OPERATORS = {
    "==": types.StructuredQuery.FieldFilter.Operator.EQUAL,
    "!=": types.StructuredQuery.FieldFilter.Operator.NOT_EQUAL,
    "<": types.StructuredQuery.FieldFilter.Operator.LESS_THAN,
    "<=": types.StructuredQuery.FieldFilter.Operator.LESS_THAN_OR_EQUAL,
    ">": types.StructuredQuery.FieldFilter.Operator.GREATER_THAN,
    ">=": types.StructuredQuery.FieldFilter.Operator.GREATER_THAN_OR_EQUAL,
    "in": types.StructuredQuery.FieldFilter.Operator.IN,
    "array-contains": types.StructuredQuery.FieldFilter.Operator.ARRAY_CONTAINS,
}
_NULL_OPERATORS = {
    "==": types.StructuredQuery.UnaryFilter.Operator.IS_NULL,
    "!=": types.StructuredQuery.UnaryFilter.Operator.IS_NOT_NULL,
}
_DIRECTIONS = {
    "asc": types.StructuredQuery.Direction.ASCENDING,
    "desc": types.StructuredQuery.Direction.DESCENDING,
}
_REQUEST_TIME = types.DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Names:
    """The full names of one database's documents."""

    database: str  # "projects/…/databases/…"

    @property
    def root(self) -> str:
        return f"{self.database}/documents"

    def of(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def path(self, name: str) -> str:
        return name.removeprefix(f"{self.root}/")


# --- Values -----------------------------------------------------------------------------------------------------------
def fill_value(target: Any, value: Any) -> None:
    """Put a clean value into the message `target`; sentinels in maps are left out, they are transforms."""
    match value:
        case None:
            target.null_value = 0
        case bool():
            target.boolean_value = value
        case str():
            target.string_value = value
        case int():
            target.integer_value = value
        case float():
            target.double_value = value
        case datetime():
            fill_time(target.timestamp_value, value)
        case bytes():
            target.bytes_value = value
        case list():
            target.array_value.SetInParent()
            for item in value:
                fill_value(target.array_value.values.add(), item)
        case dict():
            target.map_value.SetInParent()
            fill_fields(target.map_value.fields, value)
        case _:
            raise TypeError(f"{type(value).__name__} is no value")


def fill_fields(target: Any, data: dict[str, Any]) -> None:
    for name, value in data.items():
        if not _is_transform(value):
            fill_value(target[name], value)


def fill_time(target: Any, value: datetime) -> None:
    seconds, micros = divmod(values.microseconds(value), 1_000_000)
    target.seconds = seconds
    target.nanos = micros * 1000


def read_time(message: Any) -> datetime:
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def read_value(message: Any) -> Any:
    kind = message.WhichOneof("value_type")
    match kind:
        case "null_value":
            return None
        case "timestamp_value":
            return read_time(message.timestamp_value)
        case "array_value":
            return [read_value(item) for item in message.array_value.values]
        case "map_value":
            return read_fields(message.map_value.fields)
        case "boolean_value" | "string_value" | "integer_value" | "double_value" | "bytes_value" | "reference_value":
            return getattr(message, kind)
    raise TypeError(f"a document holds a {kind}, which nothing here writes")


def read_fields(fields: Any) -> dict[str, Any]:
    return {name: read_value(message) for name, message in fields.items()}


def read_document(names: Names, document: Any) -> Snapshot:
    return Snapshot(
        path=names.path(document.name),
        data=read_fields(document.fields),
        create_time=read_time(document.create_time),
        update_time=read_time(document.update_time),
    )


# --- Writes -----------------------------------------------------------------------------------------------------------
def write_message(names: Names, write: Write) -> Any:
    message = PbWrite()
    match write:
        case Create(path, data):
            _fill_document(message, names.of(path), data)
            message.current_document.exists = False
        case Set(path, data, merge):
            _fill_document(message, names.of(path), data)
            if merge:
                message.update_mask.SetInParent()  # an empty one too: nothing given, nothing replaced
                message.update_mask.field_paths.extend(_quoted(path) for path in _leaf_paths(data))
        case Update(path, fields, last_update_time):
            _fill_update(message, names.of(path), fields)
            _fill_version(message, last_update_time, exists=True)
        case Delete(path, last_update_time):
            message.delete = names.of(path)
            _fill_version(message, last_update_time, exists=None)
    return message


def _fill_document(message: Any, name: str, data: dict[str, Any]) -> None:
    message.update.name = name
    fill_fields(message.update.fields, data)
    _fill_transforms(message, data, ())


def _fill_update(message: Any, name: str, fields: dict[str, Any]) -> None:
    message.update.name = name
    message.update_mask.SetInParent()
    for field, value in fields.items():
        names = tuple(field.split("."))
        if _is_transform(value):
            _fill_transforms(message, {names[-1]: value}, names[:-1])
            continue
        message.update_mask.field_paths.append(_quoted(names))
        if value is Sentinel.DELETE_FIELD:  # in the mask and without a value
            continue
        parent = message.update.fields
        for parent_name in names[:-1]:
            parent = parent[parent_name].map_value.fields
        fill_value(parent[names[-1]], value)
        if isinstance(value, dict):
            _fill_transforms(message, value, names)


def _fill_version(message: Any, last_update_time: datetime | None, *, exists: bool | None) -> None:
    if last_update_time is not None:
        fill_time(message.current_document.update_time, last_update_time)
    elif exists is not None:
        message.current_document.exists = exists


def _fill_transforms(message: Any, data: dict[str, Any], prefix: tuple[str, ...]) -> None:
    for name, value in data.items():
        path = (*prefix, name)
        match value:
            case Sentinel.SERVER_TIMESTAMP:
                message.update_transforms.add(field_path=_quoted(path), set_to_server_value=_REQUEST_TIME)
            case ArrayUnion(items):
                transform = message.update_transforms.add(field_path=_quoted(path))
                transform.append_missing_elements.SetInParent()
                for item in items:
                    fill_value(transform.append_missing_elements.values.add(), item)
            case dict():
                _fill_transforms(message, value, path)


def _is_transform(value: Any) -> bool:
    return value is Sentinel.SERVER_TIMESTAMP or isinstance(value, ArrayUnion)


def _leaf_paths(data: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The fields that a merge replaces: an empty map is one, a map that holds something is not."""
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from _leaf_paths(value, (*prefix, name))
        elif not _is_transform(value):
            yield (*prefix, name)


def _quoted(path: tuple[str, ...]) -> str:
    """Source: Firestore API, `StructuredQuery.FieldReference`."""
    return ".".join(
        name if _PLAIN_NAME.fullmatch(name) else "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
        for name in path
    )


# --- Queries ----------------------------------------------------------------------------------------------------------
def query_message(names: Names, plan: Plan) -> Any:
    message = PbQuery()
    message.from_.add(collection_id=plan.collection_id, all_descendants=plan.group)
    if plan.filters:
        message.where.composite_filter.op = types.StructuredQuery.CompositeFilter.Operator.AND
        message.where.composite_filter.filters.extend(
            _filter_message(names, field, operator, operand) for field, operator, operand in plan.filters
        )
    for field, direction in plan.order:
        order = message.order_by.add(direction=_DIRECTIONS[direction])
        order.field.field_path = _field_name(field)
    if plan.start_after is not None:
        message.start_at.before = False
        for value in plan.start_after[:-1]:
            fill_value(message.start_at.values.add(), value)
        message.start_at.values.add(reference_value=names.of(plan.start_after[-1]))
    if plan.limit is not None:
        message.limit.value = plan.limit
    return message


def _filter_message(names: Names, field: str, operator: str, operand: Any) -> Any:
    message = PbFilter()
    if operand is None:
        message.unary_filter.field.field_path = _field_name(field)
        message.unary_filter.op = _NULL_OPERATORS[operator]
        return message
    message.field_filter.field.field_path = _field_name(field)
    message.field_filter.op = _OPERATORS[operator]
    if operator != "in":
        _fill_operand(message.field_filter.value, names, field, operand)
        return message
    for item in operand:
        _fill_operand(message.field_filter.value.array_value.values.add(), names, field, item)
    return message


def _fill_operand(target: Any, names: Names, field: str, operand: Any) -> None:
    if field == DOCUMENT_ID:
        target.reference_value = names.of(operand)
    else:
        fill_value(target, operand)


def _field_name(field: str) -> str:
    return field if field == DOCUMENT_ID else _quoted(tuple(field.split(".")))
