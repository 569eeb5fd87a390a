"""Four processes append to one chain and are killed at it: no event is lost, none doubled, and the chain verifies."""

import os
import subprocess
import sys

from django.db import connections

from audit import verify
from audit.stores import AuditLogStore

CHAIN = "contended"
WRITERS = ("a", "b", "c", "d")


def write_and_kill(tmp_path, *, events, kills, **env):
    """Start the writers, wait for their end, give back how often each was killed."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.audit.writers", CHAIN, name, str(events), str(kills)],
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "pyloto.settings", "LOG_LEVEL": "ERROR"} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in WRITERS
    ]
    results = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * len(WRITERS), results
    return [int(out) for out, _ in results]


def assert_complete(events):
    stored = [{**snapshot.data, "id": snapshot.id} for snapshot in AuditLogStore().iterate(CHAIN)]
    assert sorted(event["event_id"] for event in stored) == sorted(f"{w}-{n}" for w in WRITERS for n in range(events))
    assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
    assert verify(CHAIN, stored) == []


def test_killed_writers_on_the_embedded_documents_lose_and_double_nothing(embedded_store, tmp_path):
    database = connections["documents"].settings_dict["NAME"]
    (tmp_path / "documents.sqlite3").symlink_to(database)

    killed = write_and_kill(tmp_path, events=100, kills=3, PYLOTO_RUN_DIR=str(tmp_path))

    assert min(killed) >= 2
    assert_complete(100)


def test_killed_writers_on_firestore_lose_and_double_nothing(firestore_store, tmp_path):
    killed = write_and_kill(tmp_path, events=15, kills=2, DOCUMENTS_BACKEND="firestore", PYLOTO_RUN_DIR=str(tmp_path))

    assert min(killed) >= 1
    assert_complete(15)
