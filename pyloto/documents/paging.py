"""All results of a query, however many: read page by page, each from where the one before ended."""

from collections.abc import Iterator
from dataclasses import replace

from .port import Query, Snapshot
from .queries import cursor_of
from .registry import get_store

PAGE = 250


def read_pages(query: Query, *, page: int = PAGE) -> Iterator[list[Snapshot]]:
    """`query` has no limit of its own. What was given out may be deleted meanwhile."""
    query = replace(query, limit=page)
    while True:
        snapshots = get_store().query(query)
        if snapshots:
            yield snapshots
        if len(snapshots) < page:
            return
        query = replace(query, start_after=cursor_of(snapshots[-1], query))


def read_all(query: Query, *, page: int = PAGE) -> Iterator[Snapshot]:
    for snapshots in read_pages(query, page=page):
        yield from snapshots
