"""What a document may hold, and how values sort. Checked before anything is sent, so that both adapters refuse alike.

Limits: Firestore, "Usage and limits"; type order: Firestore, "Supported data types".
"""

import math
import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import InvalidDocument
from .port import ArrayUnion, Sentinel

MAX_DEPTH = 20  # maps and arrays inside each other
MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_VALUE_BYTES = 1024 * 1024 - 89  # one string or bytes value
MAX_NAME_BYTES = 1500  # a document id, a collection id, a field with the maps it lies in
MAX_PATH_BYTES = 6 * 1024
MAX_INDEXED_BYTES = 1500  # Firestore cuts longer values in its indexes, so a query for one can't be answered

_RESERVED = re.compile(r"__.*__", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FIELD = re.compile(r"[A-Za-z0-9_-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# --- Paths ------------------------------------------------------------------------------------------------------------
def document_path(path: str) -> str:
    """The path, checked: collection and document ids in turn, ending with a document's."""
    if len(_segments(path)) % 2:
        raise InvalidDocument("a document path has an even number of segments")
    return path


def collection_path(path: str) -> str:
    if not len(_segments(path)) % 2:
        raise InvalidDocument("a collection path has an odd number of segments")
    return path


def _segments(path: str) -> list[str]:
    segments = path.split("/")
    for segment in segments:
        if segment in {"", ".", ".."} or _RESERVED.fullmatch(segment) or _CONTROL.search(segment):
            raise InvalidDocument("a path segment is empty, reserved or holds control characters")
        _limit(_utf8(segment, "path"), MAX_NAME_BYTES, "path segment")
    _limit(path.encode(), MAX_PATH_BYTES, "path")
    return segments


def is_document_id(text: str) -> bool:
    """Whether a document may have this id: what comes in a URL may be none, or a path to somewhere else."""
    try:
        return len(_segments(text)) == 1
    except InvalidDocument:
        return False


def field_path(path: str) -> tuple[str, ...]:
    """The segments of a field path as our own code writes them: "status_at.sent"."""
    names = tuple(path.split("."))
    for name in names:
        if not _FIELD.fullmatch(name) or _RESERVED.fullmatch(name):
            raise InvalidDocument(f"{path!r} is not a field path")
    if len(names) > MAX_DEPTH:
        raise InvalidDocument(f"{path!r} is deeper than {MAX_DEPTH} levels")
    return names


# --- Values -----------------------------------------------------------------------------------------------------------
def clean_document(path: str, data: dict[str, Any]) -> dict[str, Any]:
    """A copy of the data of a new document, of plain types, sentinels in place. Raises `InvalidDocument`."""
    if not isinstance(data, dict):
        raise InvalidDocument("the data of a document is a dict")
    cleaned = _clean_map(data, "", 0)
    check_size(path, cleaned)
    return cleaned


def clean_fields(path: str, fields: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """The changes of an `Update`, by the segments of their field paths, of plain types."""
    if not fields:
        raise InvalidDocument("an update changes at least one field")
    cleaned: dict[tuple[str, ...], Any] = {}
    for name, value in fields.items():
        names = field_path(name)
        is_deletion = value is Sentinel.DELETE_FIELD
        cleaned[names] = value if is_deletion else _clean(value, name, len(names))
    for names in cleaned:
        if any(names[:length] in cleaned for length in range(1, len(names))):
            raise InvalidDocument(f"{'.'.join(names)!r} and a field above it are changed at once")
    check_size(path, {".".join(names): value for names, value in cleaned.items()})
    return cleaned


def clean_operand(value: Any, field: str) -> Any:
    """A value that a query compares with. It must fit into an index whole."""
    cleaned = _clean(value, field, 1, sentinels=False)
    if size_bytes(cleaned) > MAX_INDEXED_BYTES:
        raise InvalidDocument(f"{field!r} is compared with a value over {MAX_INDEXED_BYTES} bytes")
    return cleaned


def _clean(value: Any, where: str, depth: int, *, in_array: bool = False, sentinels: bool = True) -> Any:
    """`depth` is the number of maps and arrays around the value, the document included."""
    match value:
        case None | bool():
            return value
        case str():
            _limit(_utf8(value, where), MAX_VALUE_BYTES, where)
            return str.__str__(value)  # a member of TextChoices becomes its text
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidDocument(f"{where!r} is a number of more than 64 bits")
            return int(value)
        case float():
            if math.isnan(value):
                raise InvalidDocument(f"{where!r} is not a number")
            return float(value)
        case datetime():
            return _utc(value, where)
        case bytes():
            _limit(value, MAX_VALUE_BYTES, where)
            return bytes(value)
        case dict():
            return _clean_map(value, f"{where}.", depth, sentinels=sentinels)
        case list() if not in_array:
            return _clean_items(value, where, depth)
        case list():
            raise InvalidDocument(f"{where!r} holds an array in an array")
        case Sentinel.SERVER_TIMESTAMP if sentinels:
            return value
        case ArrayUnion() if sentinels:
            return ArrayUnion(tuple(_clean_items(value.values, where, depth)))
        case _:
            raise InvalidDocument(f"{where!r} holds a {type(value).__name__}, which can't stand there")


def _clean_items(values: Sequence[Any], where: str, depth: int) -> list[Any]:
    _check_depth(where, depth)
    return [_clean(item, where, depth + 1, in_array=True, sentinels=False) for item in values]


def _clean_map(value: dict[Any, Any], prefix: str, depth: int, *, sentinels: bool = True) -> dict[str, Any]:
    _check_depth(prefix[:-1], depth)
    cleaned: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(name, str) or not name or "." in name or _RESERVED.fullmatch(name):
            raise InvalidDocument(f"a key of {prefix[:-1] or 'the document'!r} is empty, reserved or holds a dot")
        _limit(_utf8(prefix + name, "a key"), MAX_NAME_BYTES, "the path of a key")
        cleaned[str.__str__(name)] = _clean(item, prefix + name, depth + 1, sentinels=sentinels)
    return cleaned


def _check_depth(where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidDocument(f"{where!r} is deeper than {MAX_DEPTH} levels")


def _utc(value: datetime, where: str) -> datetime:
    if value.tzinfo is None:
        raise InvalidDocument(f"{where!r} is a time without a time zone")
    try:
        utc = value.astimezone(UTC)
    except OverflowError as exc:
        raise InvalidDocument(f"{where!r} is a time out of range") from exc
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidDocument(f"{where!r} holds a lone surrogate") from exc


def _limit(value: bytes, limit: int, where: str) -> None:
    if len(value) > limit:
        raise InvalidDocument(f"{where!r} is longer than {limit} bytes")


# --- Sizes ------------------------------------------------------------------------------------------------------------
def check_size(path: str, data: dict[str, Any]) -> None:
    if document_bytes(path, data) > MAX_DOCUMENT_BYTES:
        raise InvalidDocument(f"a document is larger than {MAX_DOCUMENT_BYTES} bytes")


def document_bytes(path: str, data: dict[str, Any]) -> int:
    """Source: Firestore, "Storage size calculations"."""
    return sum(len(segment.encode()) + 1 for segment in path.split("/")) + 16 + size_bytes(data) + 32


def size_bytes(value: Any) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode()) + 1
        case int() | float() | datetime() | Sentinel():
            return 8
        case bytes():
            return len(value)
        case dict():
            return sum(len(name.encode()) + 1 + size_bytes(item) for name, item in value.items())
        case list():
            return sum(map(size_bytes, value))
        case ArrayUnion():
            return sum(map(size_bytes, value.values))
    raise TypeError(f"{type(value).__name__} has no size")


# --- Order ------------------------------------------------------------------------------------------------------------
_END = "\x02"  # below every character of a key, so that a shorter array or text sorts first
LONGEST_KEY = 6000  # longer than the key of any value that a query may compare with
_ESCAPES = {code: f"\x03{chr(0x10 + code)}" for code in range(4)}


def sort_key(value: Any) -> str:
    """A text that sorts, byte by byte, as the values do: null, booleans, numbers, times, texts, bytes, arrays, maps.

    Numbers are compared exactly, whole or not: 1 and 1.0 have one key, and 2**53 and 2**53 + 1 have two.
    """
    match value:
        case None:
            return "a"
        case bool():
            return "b1" if value else "b0"
        case str():
            return "e" + value.translate(_ESCAPES)
        case int() | float():
            return "c" + _number_key(value)
        case datetime():
            return f"d{microseconds(value) + 10**17:019d}"
        case bytes():
            return "f" + value.hex()
        case list():
            return "g" + "".join(sort_key(item) + _END for item in value)
        case dict():
            pairs = sorted(value.items(), key=lambda pair: pair[0].encode())
            return "h" + "".join(f"{name.translate(_ESCAPES)}{_END}{sort_key(item)}{_END}" for name, item in pairs)
    raise TypeError(f"{type(value).__name__} has no order")


def _number_key(value: int | float) -> str:
    nearest = float(value)
    rest = 0
    if isinstance(value, int):
        if int(nearest) > value:
            nearest = math.nextafter(nearest, -math.inf)
        rest = value - int(nearest)  # below 1024: neighbouring doubles lie no further apart in 64 bits
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest or 0.0))
    ordered = bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63)
    return f"{ordered:016x}{rest:03x}"


def microseconds(value: datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    return _EPOCH + value * _MICROSECOND


def index_keys(data: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """The sort key of every field by its path, those of maps and of what they hold. Long ones are cut."""
    keys: dict[str, str] = {}
    for name, value in data.items():
        keys[prefix + name] = sort_key(value)[:LONGEST_KEY]
        if isinstance(value, dict):
            keys |= index_keys(value, f"{prefix}{name}.")
    return keys


def array_keys(data: dict[str, Any], prefix: str = "") -> dict[str, list[str]]:
    """The sort keys of the elements of every array, by field path."""
    arrays: dict[str, list[str]] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            arrays |= array_keys(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            arrays[prefix + name] = sorted({sort_key(item)[:LONGEST_KEY] for item in value})
    return arrays
