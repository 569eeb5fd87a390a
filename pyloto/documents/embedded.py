"""The embedded adapter: documents as rows of one SQLite table. For one machine; it needs nothing but Python.

Every commit is one transaction that takes SQLite's write lock at once (`BEGIN IMMEDIATE`, see DATABASES) and ends only
when it is on disk. Writers wait for each other, readers for nobody.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import OperationalError, connections, transaction

from pyloto.errors import PermanentError
from pyloto.failpoints import failpoint

from . import changes, codec, embedded_query, queries, values
from .errors import Unavailable
from .models import Document
from .port import Create, DocumentStore, Query, Snapshot, Update, Write, WriteResult

ALIAS = "documents"
PURGE_WAIT_MS = 1000
COLUMNS = ("path", "data", "created", "updated")
_UPSERT = """
INSERT INTO documents_document (path, parent, collection_id, data, keys, arrays, created, updated)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (path) DO UPDATE SET data = excluded.data, keys = excluded.keys, arrays = excluded.arrays,
created = excluded.created, updated = excluded.updated
"""


class EmbeddedStore(DocumentStore):
    """See `port.DocumentStore`."""

    def get_many(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        wanted = [values.document_path(path) for path in paths]
        with _translated():
            return {path: _snapshot(*row) for path, row in _rows(wanted).items()}

    def query(self, query: Query) -> list[Snapshot]:
        plan = queries.plan(query)
        if plan.matches_nothing:
            return []
        sql, params = embedded_query.select(plan, COLUMNS)
        with _translated(), connections[ALIAS].cursor() as cursor:
            cursor.execute(sql, params)
            return [_snapshot(*row) for row in cursor.fetchall()]

    def count(self, query: Query) -> int:
        plan = queries.plan(query)
        if plan.matches_nothing:
            return 0
        sql, params = embedded_query.count(plan)
        with _translated(), connections[ALIAS].cursor() as cursor:
            cursor.execute(sql, params)
            return int(cursor.fetchone()[0])

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        cleaned = changes.clean_commit(writes)
        if not cleaned:
            return {}
        with _translated(), transaction.atomic(using=ALIAS, durable=True):
            batch = _Batch(cleaned)
            for write in cleaned:
                batch.apply(write)
            batch.flush()
        return batch.update_times

    def write_many(self, writes: Sequence[Create | Update]) -> list[WriteResult]:
        cleaned = changes.clean_many(writes)
        return [result for chunk in changes.chunks(cleaned) for result in self._write_chunk(chunk)]

    def purge(self) -> bool:
        """Empty the write-ahead log, where the pages of before stand. Readers are waited for only a moment.

        In the file itself what is deleted is overwritten at once (`secure_delete`, see DATABASES).
        """
        with _translated(), connections[ALIAS].cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (patience_ms,) = cursor.fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {PURGE_WAIT_MS}")
            try:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                (is_busy, _pages, _moved) = cursor.fetchone()
                return not is_busy
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {patience_ms}")

    def _write_chunk(self, chunk: list[Write]) -> list[WriteResult]:
        failpoint("store.chunk")
        try:
            with _translated(), transaction.atomic(using=ALIAS, durable=True):
                batch = _Batch(chunk)
                results = [batch.try_apply(write) for write in chunk]
                batch.flush()
        except Unavailable as exc:
            return [WriteResult(write.path, exc) for write in chunk]
        return results


class _Batch:
    """The writes of one transaction: the documents they meet, and what becomes of them. All get one update time."""

    def __init__(self, writes: Sequence[Write]) -> None:
        self.rows = _rows([write.path for write in writes])
        latest = max((row[3] for row in self.rows.values()), default=0)
        # The clock may have stepped back, or be behind that of the process that wrote last.
        self.now = max(values.microseconds(datetime.now(UTC)), latest + 1)
        self.changed: list[tuple[Any, ...]] = []
        self.deleted: list[str] = []
        self.update_times: dict[str, datetime] = {}

    def apply(self, write: Write) -> None:
        row = self.rows.get(write.path)
        data = changes.apply(write, _snapshot(*row) if row else None, values.from_microseconds(self.now))
        if data is None:
            self.deleted.append(write.path)
            return
        text = codec.dumps(data)
        if row and text == row[1]:  # nothing changed: Firestore keeps the update time too
            self.update_times[write.path] = values.from_microseconds(row[3])
            return
        self.update_times[write.path] = values.from_microseconds(self.now)
        parent = write.path.rpartition("/")[0]
        keys, arrays = json.dumps(values.index_keys(data)), json.dumps(values.array_keys(data))
        created = row[2] if row else self.now
        self.changed.append((write.path, parent, parent.rpartition("/")[2], text, keys, arrays, created, self.now))

    def try_apply(self, write: Write) -> WriteResult:
        try:
            self.apply(write)
        except PermanentError as exc:
            return WriteResult(write.path, exc)
        return WriteResult(write.path)

    def flush(self) -> None:
        if self.changed:
            with connections[ALIAS].cursor() as cursor:
                cursor.executemany(_UPSERT, self.changed)
        if self.deleted:
            Document.objects.using(ALIAS).filter(path__in=self.deleted).delete()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as exc:  # locked for longer than the timeout, disk full, file gone
        raise Unavailable("the embedded documents can't be reached") from exc


def _rows(paths: Sequence[str]) -> dict[str, tuple[str, str, int, int]]:
    """The rows' `COLUMNS`, by path."""
    found: dict[str, tuple[str, str, int, int]] = {}
    for start in range(0, len(paths), changes.MAX_WRITES):
        part = paths[start : start + changes.MAX_WRITES]
        rows = Document.objects.using(ALIAS).filter(path__in=part).values_list(*COLUMNS)
        found.update({row[0]: row for row in rows})
    return found


def _snapshot(path: str, data: str, created: int, updated: int) -> Snapshot:
    return Snapshot(path, codec.loads(data), values.from_microseconds(created), values.from_microseconds(updated))
