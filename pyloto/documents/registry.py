"""Which store this process uses: the one that `DOCUMENTS_BACKEND` names."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings

from .errors import Unavailable
from .port import DocumentStore

_store: DocumentStore | None = None


def get_store() -> DocumentStore:
    """The store of this process. The Firestore client behind it is made at its first call, once for each process id."""
    global _store
    if _store is None:
        _store = create_store()
    return _store


def create_store() -> DocumentStore:
    """A new store of the kind that the settings name. Raises `ValueError` for an unknown `DOCUMENTS_BACKEND`."""
    match settings.DOCUMENTS_BACKEND:
        case "embedded":
            from .embedded import EmbeddedStore

            return EmbeddedStore()
        case "firestore":
            from .firestore import FirestoreStore

            return FirestoreStore(project=settings.FIRESTORE_PROJECT, database=settings.FIRESTORE_DATABASE)
        case other:
            raise ValueError(f"DOCUMENTS_BACKEND is {other!r}; use 'embedded' or 'firestore'")


@contextmanager
def use_store(store: DocumentStore) -> Iterator[DocumentStore]:
    """Puts another store in place for a while: a counting or failing one in tests."""
    global _store
    previous, _store = _store, store
    try:
        yield store
    finally:
        _store = previous


def warm_up() -> None:
    """Connect now, so that the first customer does not wait for it. A store that does not answer is met later."""
    with suppress(Unavailable):
        get_store().get_many(["controls/readiness"])
