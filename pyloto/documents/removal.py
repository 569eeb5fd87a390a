"""Deleting all that a query finds, however much it is: in pages, so that who is killed has lost one page of work."""

from collections.abc import Callable
from dataclasses import replace

from .port import DOCUMENT_ID, Delete, Query, Snapshot
from .queries import cursor_of
from .registry import get_store

PAGE_SIZE = 500  # writes of one commit


def owned_by(collection: str, user_key: str) -> Query:
    """All documents of a collection that name this customer."""
    return Query(collection, where=(("user_key", "==", user_key),))


def delete_found(query: Query, *, keep: Callable[[Snapshot], bool] = lambda snapshot: False) -> int:
    """Delete what the query finds, without what `keep` spares; return how many. May be repeated at any time.

    The query has no order and no limit of its own: documents are read by their ids.
    """
    deleted = 0
    page_query = replace(query, order_by=((DOCUMENT_ID, "asc"),), limit=PAGE_SIZE)
    while True:
        page = get_store().query(page_query)
        doomed = [Delete(snapshot.path) for snapshot in page if not keep(snapshot)]
        if doomed:
            get_store().commit(doomed)
        deleted += len(doomed)
        if len(page) < PAGE_SIZE:
            return deleted
        page_query = replace(page_query, start_after=cursor_of(page[-1], page_query))
