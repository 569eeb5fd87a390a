"""The port to a document database: what the apps may ask of it, in terms both adapters share.

Paths are strings of alternating collection and document ids: "conversations/u1/messages/m1".
Values are None, bool, int, float, aware datetime (microseconds), str, bytes, list and dict.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Protocol

from .errors import NotFound


class Sentinel(Enum):
    """Values that the store replaces when it applies the write."""

    SERVER_TIMESTAMP = "server_timestamp"
    DELETE_FIELD = "delete_field"  # only as the value of a field path in `Update`


SERVER_TIMESTAMP = Sentinel.SERVER_TIMESTAMP
DELETE_FIELD = Sentinel.DELETE_FIELD


@dataclass(frozen=True)
class ArrayUnion:
    """Adds the values that the array does not hold yet; safe to apply twice."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Create:
    """Fails with `AlreadyExists` where a document stands."""

    path: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Set:
    """Replaces the document, or with `merge` writes only the leaves given. Keys hold no dots."""

    path: str
    data: dict[str, Any]
    merge: bool = False


@dataclass(frozen=True)
class Update:
    """Changes the fields at the given field paths ("status_at.sent") of an existing document.

    Fails with `NotFound` where there is none, with `PreconditionFailed` where `last_update_time` is given and the
    document has another one.
    """

    path: str
    fields: dict[str, Any]
    last_update_time: datetime | None = None


@dataclass(frozen=True)
class Delete:
    """Deletes the document; without `last_update_time` a missing one is no error."""

    path: str
    last_update_time: datetime | None = None


Write = Create | Set | Update | Delete


@dataclass(frozen=True)
class Snapshot:
    """A document as it was read. `update_time` grows with every change of the document."""

    path: str
    data: dict[str, Any]
    create_time: datetime
    update_time: datetime

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]


Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "array-contains"]
Direction = Literal["asc", "desc"]
DOCUMENT_ID = "__name__"  # orders and filters by the document's id


@dataclass(frozen=True)
class Query:
    """One query. `group` searches every collection with the last id of `collection`, wherever it hangs.

    `where` holds (field path, operator, value). `order_by` holds (field path, direction); the document id is added as
    the last key in the direction of the one before it. `start_after` holds one value for each key of `order_by`, and
    the document path as its last value: `cursor_of` makes it out of a snapshot.
    """

    collection: str
    where: tuple[tuple[str, Operator, Any], ...] = ()
    order_by: tuple[tuple[str, Direction], ...] = ()
    limit: int | None = None
    start_after: tuple[Any, ...] | None = None
    group: bool = False


@dataclass
class WriteResult:
    """What became of one write of `write_many`: `error` is None where it was applied."""

    path: str
    error: Exception | None = field(default=None)


class DocumentStore(Protocol):
    """Both adapters hold this contract; `tests/pyloto/documents` checks it on both.

    A call on one document is a `get_many` or a `commit` of one, so the adapters give only those.
    Every call may raise `Unavailable`; bad arguments raise `InvalidDocument` before anything is sent.
    """

    def get(self, path: str) -> Snapshot:
        """Raises `NotFound`."""
        found = self.get_many([path])
        if path not in found:
            raise NotFound(path)
        return found[path]

    def get_many(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        """By path; documents that do not exist are left out. One round trip."""

    def create(self, path: str, data: dict[str, Any]) -> None:
        """Raises `AlreadyExists`."""
        self.commit([Create(path, data)])

    def set(self, path: str, data: dict[str, Any], *, merge: bool = False) -> None:
        self.commit([Set(path, data, merge)])

    def update(self, path: str, fields: dict[str, Any], *, last_update_time: datetime | None = None) -> None:
        """Raises `NotFound` or `PreconditionFailed`."""
        self.commit([Update(path, fields, last_update_time)])

    def delete(self, path: str, *, last_update_time: datetime | None = None) -> None:
        """Raises `PreconditionFailed` where `last_update_time` is given and does not match."""
        self.commit([Delete(path, last_update_time)])

    def query(self, query: Query) -> list[Snapshot]: ...

    def count(self, query: Query) -> int: ...

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        """Applies all writes or none, in order; at most 500, one for each document.

        Returns the `update_time` that each document has then, by path; deleted ones are left out.

        Raises `AlreadyExists`, `PreconditionFailed` or `NotFound` for the first offending write found, `Unavailable`
        where it is not known whether the commit was applied.
        """

    def write_many(self, writes: Sequence[Create | Update]) -> list[WriteResult]:
        """Applies each write on its own; results stand in the order of the writes.

        One write for each document: doubles raise `InvalidDocument`. Sent in chunks of 500 writes and 8 MiB. A chunk
        that could not be sent gives `Unavailable` for each of its writes.
        """

    def purge(self) -> bool:
        """Let what was deleted vanish from the store's own files too; False where somebody stood in the way: later again."""
        return True  # most stores have no files of ours
