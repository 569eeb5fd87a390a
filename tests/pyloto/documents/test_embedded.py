"""What is the embedded adapter's alone: several processes on one file, locks, indexes."""

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from pyloto.documents import Create, DocumentStore, InvalidDocument, Query, Unavailable, Update

PROCESSES = 3
ROUNDS = 20


def run(command: list[str], run_dir: Path) -> subprocess.Popen[str]:
    env = os.environ | {"PYLOTO_RUN_DIR": str(run_dir), "DJANGO_SETTINGS_MODULE": "pyloto.settings"}
    return subprocess.Popen(
        [sys.executable, *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_several_processes_write_and_nothing_is_lost(tmp_path: Path) -> None:
    """Each counts up in one document and adds one; the loser of a race starts again."""
    finish(run(["manage.py", "migrate", "--database=documents", "--verbosity=0"], tmp_path))
    with sqlite3.connect(tmp_path / "documents.sqlite3") as file:
        file.execute(
            "INSERT INTO documents_document VALUES (?, ?, ?, ?, '{}', '{}', 0, 0)",
            ["conversations/hot", "conversations", "conversations", '{"count":0}'],
        )
    file.close()
    writers = [
        run(["-m", "tests.pyloto.documents.processes", "write", str(number), str(ROUNDS)], tmp_path)
        for number in range(PROCESSES)
    ]
    times = [at for writer in writers for at in json.loads(finish(writer))]
    with sqlite3.connect(tmp_path / "documents.sqlite3") as file:
        rows = dict(file.execute("SELECT path, data FROM documents_document"))
        (journal,) = file.execute("PRAGMA journal_mode").fetchone()
    file.close()
    assert json.loads(rows["conversations/hot"])["count"] == PROCESSES * ROUNDS
    assert len(rows) == PROCESSES * ROUNDS + 1
    assert len(set(times)) == len(times)  # no two writes of one document share an update time
    assert journal == "wal"


def test_a_clock_that_steps_back_makes_no_update_time_older(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(days=1)

    embedded_store.create("things/a", {"n": 0})
    before = embedded_store.get("things/a").update_time
    monkeypatch.setattr("pyloto.documents.embedded.datetime", Yesterday)
    embedded_store.update("things/a", {"n": 1})
    assert embedded_store.get("things/a").update_time > before


def test_a_locked_file_is_unavailable(embedded_store: DocumentStore) -> None:
    embedded_store.create("things/a", {"n": 0})
    with connections["documents"].cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(connections["documents"].settings_dict["NAME"], uri=True)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Unavailable):
            embedded_store.update("things/a", {"n": 1})
        (result,) = embedded_store.write_many([Create("things/b", {})])
        assert isinstance(result.error, Unavailable)
    finally:
        other.rollback()
        other.close()
        connections["documents"].close()
    assert embedded_store.get("things/a").data == {"n": 0}


def test_write_many_tells_which_document_would_grow_too_large(embedded_store: DocumentStore) -> None:
    embedded_store.create("things/a", {"text": "x" * 600_000})
    grown, fine = embedded_store.write_many([Update("things/a", {"more": "x" * 600_000}), Create("things/b", {})])
    assert isinstance(grown.error, InvalidDocument)
    assert fine.error is None


def fill_with_history(store: DocumentStore, now: datetime) -> None:
    """5,000 handled messages, of which 4,000 in one conversation; 1,000 sessions; few wait."""
    handled = {"state": "HANDLED", "due": None, "text": "olá " * 20}
    store.write_many(
        [
            Create(f"conversations/{n % 5 * n}/messages/{n}", handled | {"seq": n, "timestamp": now - timedelta(n)})
            for n in range(5_000)
        ]
    )
    store.write_many(
        [Create(f"conversations/0/messages/d{n}", {"due": {"shard": n, "at": now - timedelta(n)}}) for n in range(10)]
    )
    store.write_many([Create(f"sessions/{n}", {"expires_at": now if n < 3 else None}) for n in range(1_000)])


def explain(sql: str) -> str:
    with connections["documents"].cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%", "%%"))
        return "; ".join(row[3] for row in cursor.fetchall())


def test_what_waits_is_found_without_looking_at_history(embedded_store: DocumentStore) -> None:
    now = datetime.now(UTC)
    fill_with_history(embedded_store, now)
    for query, found in (
        (
            Query(
                "messages",
                where=(("due.shard", "in", tuple(range(16))), ("due.at", "<=", now)),
                order_by=(("due.at", "asc"),),
                limit=200,
                group=True,
            ),
            10,
        ),
        (Query("conversations/0/messages", order_by=(("due.at", "asc"),), limit=200), 10),
        (Query("sessions", where=(("expires_at", "<=", now),), order_by=(("expires_at", "asc"),)), 3),
        (Query("conversations/0/messages", order_by=(("timestamp", "desc"), ("seq", "desc")), limit=50), 50),
    ):
        with CaptureQueriesContext(connections["documents"]) as captured:
            assert len(embedded_store.query(query)) == found
        plan = explain(captured[-1]["sql"])
        assert "USING INDEX documents_" in plan
        assert "SCAN" not in plan
