"""The plain kind of erasure step: delete all documents that some queries find."""

from collections.abc import Callable, Iterable

from pyloto.documents import Query, get_store
from pyloto.documents.removal import delete_found, owned_by

from .registry import ErasureStep, Phase, Subject

Queries = Callable[[Subject], Iterable[Query]]


def documents_step(name: str, label: str, queries: Queries, *, phase: Phase = Phase.DOCUMENTS) -> ErasureStep:
    def erase(subject: Subject) -> int:
        return sum(delete_found(query) for query in queries(subject))

    def count(subject: Subject) -> int:
        return sum(get_store().count(query) for query in queries(subject))

    return ErasureStep(name, label, phase, erase, count)


def owned_step(name: str, label: str, collection: str) -> ErasureStep:
    """All documents of a collection whose `user_key` is one of the person's."""
    return documents_step(name, label, lambda subject: [owned_by(collection, key) for key in subject.user_keys])
