"""Writes: checked, measured, and what they make of a document (Firestore knows that by itself). No I/O, no clock."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from . import values
from .errors import AlreadyExists, InvalidDocument, NotFound, PreconditionFailed
from .port import ArrayUnion, Create, Delete, Sentinel, Set, Snapshot, Update, Write

MAX_WRITES = 500  # of one commit, and of one chunk of `write_many`
MAX_REQUEST_BYTES = 8 * 1024 * 1024  # Firestore refuses requests over 10 MiB


def clean(write: Write) -> Write:
    """The write with its path and data checked and of plain types. Raises `InvalidDocument`."""
    values.document_path(write.path)
    match write:
        case Create(path, data):
            return Create(path, values.clean_document(path, data))
        case Set(path, data, merge):
            return Set(path, values.clean_document(path, data), merge)
        case Update(path, fields, last_update_time):
            cleaned = values.clean_fields(path, fields)
            return Update(path, {".".join(names): value for names, value in cleaned.items()}, last_update_time)
        case Delete():
            return write


def clean_commit(writes: Sequence[Write]) -> list[Write]:
    """The writes of one commit, checked."""
    if len(writes) > MAX_WRITES:
        raise InvalidDocument(f"a commit holds at most {MAX_WRITES} writes")
    return _clean_all(writes)


def clean_many(writes: Sequence[Create | Update]) -> list[Write]:
    """The writes of `write_many`, checked."""
    if not all(isinstance(write, Create | Update) for write in writes):
        raise InvalidDocument("write_many creates and updates, nothing else: both may be applied twice")
    return _clean_all(writes)


def _clean_all(writes: Sequence[Write]) -> list[Write]:
    if len({write.path for write in writes}) != len(writes):
        raise InvalidDocument("two writes for one document: merge them")
    return [clean(write) for write in writes]


def chunks(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Parts that one request may hold each."""
    chunk: list[Write] = []
    chunk_bytes = 0
    for write in writes:
        write_bytes = request_bytes(write)
        if chunk and (len(chunk) == MAX_WRITES or chunk_bytes + write_bytes > MAX_REQUEST_BYTES):
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(write)
        chunk_bytes += write_bytes
    if chunk:
        yield chunk


def request_bytes(write: Write) -> int:
    """An upper bound of the write's size in a request, near enough to cut chunks by."""
    match write:
        case Create(path, data) | Set(path, data):
            return 200 + len(path) + 2 * values.size_bytes(data)
        case Update(path, fields):
            return 200 + len(path) + 2 * values.size_bytes(fields)
        case Delete(path):
            return 200 + len(path)


def apply(write: Write, current: Snapshot | None, now: datetime) -> dict[str, Any] | None:
    """The data of the document after the write, None where it is gone. May change `current.data` in place.

    Raises `AlreadyExists`, `NotFound`, `PreconditionFailed`; `InvalidDocument` where the document would grow too big.
    """
    match write:
        case Create(path, data):
            if current is not None:
                raise AlreadyExists(path)
            return _with_times(data, now)
        case Set(path, data, merge):
            if not merge:
                return _with_times(data, now)
            merged = current.data if current else {}
            _merge(merged, data, now)
        case Update(path, fields, last_update_time):
            _check_version(path, current, last_update_time)
            if current is None:
                raise NotFound(path)
            merged = current.data
            for field, value in fields.items():
                _put(merged, field.split("."), value, now)
        case Delete(path, last_update_time):
            _check_version(path, current, last_update_time)
            return None
    values.check_size(path, merged)
    return merged


def _check_version(path: str, current: Snapshot | None, expected: datetime | None) -> None:
    if expected is not None and (current is None or current.update_time != expected):
        raise PreconditionFailed(path)


def _merge(target: dict[str, Any], data: dict[str, Any], now: datetime) -> None:
    for name, value in data.items():
        if isinstance(value, dict) and value:
            if not isinstance(target.get(name), dict):
                target[name] = {}
            _merge(target[name], value, now)
        else:
            target[name] = _value(value, target.get(name), now)


def _put(target: dict[str, Any], names: list[str], value: Any, now: datetime) -> None:
    """Deleting makes no parents; writing replaces a parent that is no map."""
    *parents, last = names
    for name in parents:
        child = target.get(name)
        if not isinstance(child, dict):
            if value is Sentinel.DELETE_FIELD:
                return
            child = target[name] = {}
        target = child
    if value is Sentinel.DELETE_FIELD:
        target.pop(last, None)
    else:
        target[last] = _value(value, target.get(last), now)


def _value(value: Any, current: Any, now: datetime) -> Any:
    match value:
        case Sentinel.SERVER_TIMESTAMP:
            return now
        case ArrayUnion(items):
            return _union(current if isinstance(current, list) else [], items)
        case dict():
            return _with_times(value, now)
    return value


def _with_times(data: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The data of a new document or map, its sentinels replaced."""
    return {name: _value(value, None, now) for name, value in data.items()}


def _union(current: list[Any], items: tuple[Any, ...]) -> list[Any]:
    known = {values.sort_key(item) for item in current}
    union = list(current)
    for item in items:
        key = values.sort_key(item)
        if key not in known:
            known.add(key)
            union.append(item)
    return union
