"""The repository layer: a narrow port to a document database, with two adapters."""

from .errors import AlreadyExists, InvalidDocument, NotFound, PreconditionFailed, Unavailable
from .paging import read_all, read_pages
from .port import (
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
    Write,
    WriteResult,
)
from .queries import cursor_of
from .registry import get_store, use_store, warm_up
from .values import is_document_id

__all__ = [
    "DELETE_FIELD",
    "DOCUMENT_ID",
    "SERVER_TIMESTAMP",
    "AlreadyExists",
    "ArrayUnion",
    "Create",
    "Delete",
    "DocumentStore",
    "InvalidDocument",
    "NotFound",
    "PreconditionFailed",
    "Query",
    "Set",
    "Snapshot",
    "Unavailable",
    "Update",
    "Write",
    "WriteResult",
    "cursor_of",
    "get_store",
    "is_document_id",
    "read_all",
    "read_pages",
    "use_store",
    "warm_up",
]
