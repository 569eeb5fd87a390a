"""Stores and servers for the tests. `tests.settings` has set the environment before anything of Django loads."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.core.management.commands import flush

from pyloto import clock
from pyloto.documents import DocumentStore, use_store
from pyloto.documents.indexes import undeclared
from pyloto.documents.recorder import RecordingStore
from pyloto.documents.shapes import SHAPES
from pyloto.processes import Runner
from tests.lab import emulator
from tests.lab.gcs import Gcs, gcs_emulator
from tests.lab.valkey import start_valkey


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The embedded store is a database alias: whoever asks for it may use both aliases, with real commits."""
    for item in items:
        if {"store", "embedded_store"} & set(getattr(item, "fixturenames", ())):
            marker = pytest.mark.django_db(databases=["default", "documents"], transaction=True)
            item.add_marker(marker, append=False)


@pytest.fixture(scope="session", autouse=True)
def permissions_stay() -> None:
    """After a test with real commits Django empties each table, and writes types and permissions anew, which takes it
    longer than most tests: they are the same for all tests, and stay.
    """
    everything = flush.sql_flush

    def sql_flush(*args: object, **options: object) -> list[str]:
        tables = ("django_content_type", "auth_permission")
        return [sql for sql in everything(*args, **options) if not any(table in sql for table in tables)]

    flush.sql_flush = sql_flush
    flush.emit_post_migrate_signal = lambda *args, **options: None


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """Starts the servers of the tests; none of them outlives the tests, whatever ends those."""
    with Runner(settings.RUN_DIR / "logs") as runner:
        yield runner


@pytest.fixture(scope="session")
def firestore_emulator(runner: Runner) -> Iterator[emulator.FirestoreEmulator]:
    """The official emulator, started once, at the first test that asks for it."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(emulator.firestore_emulator(runner, project=settings.FIRESTORE_PROJECT))
        except emulator.EmulatorMissing as exc:
            if os.environ.get("REQUIRE_EMULATORS") == "1":
                pytest.fail(str(exc))
            pytest.skip(str(exc))
        yield running


@pytest.fixture(scope="session")
def gcs_server(runner: Runner) -> Iterator[Gcs]:
    """The emulator of Cloud Storage, started once, at the first test that asks for it."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(gcs_emulator(runner))
        except emulator.EmulatorMissing as exc:
            if os.environ.get("REQUIRE_EMULATORS") == "1":
                pytest.fail(str(exc))
            pytest.skip(str(exc))
        yield running


@pytest.fixture
def gcs(gcs_server: Gcs) -> Gcs:
    """A server with an empty bucket; `gcs.storage()` and `gcs.options()` lead to it."""
    gcs_server.clear()
    return gcs_server


def _watched(store: DocumentStore) -> Iterator[DocumentStore]:
    """Put the store in place. A query that the product asks of it and that no index is listed for fails the test."""
    recording = RecordingStore(store)
    with use_store(recording):
        yield store
    missing = undeclared(recording.shapes, SHAPES)
    assert not missing, f"list these queries in pyloto/documents/shapes.py: {missing}"


@pytest.fixture
def embedded_store() -> Iterator[DocumentStore]:
    from pyloto.documents.embedded import EmbeddedStore

    yield from _watched(EmbeddedStore())


@pytest.fixture(scope="session")
def firestore_client(firestore_emulator: emulator.FirestoreEmulator) -> DocumentStore:
    from pyloto.documents.firestore import FirestoreStore

    return FirestoreStore(project=firestore_emulator.project, database="(default)")


@pytest.fixture
def firestore_store(
    firestore_emulator: emulator.FirestoreEmulator, firestore_client: DocumentStore
) -> Iterator[DocumentStore]:
    firestore_emulator.clear()
    yield from _watched(firestore_client)


@pytest.fixture(params=["embedded", "firestore"])
def store(request: pytest.FixtureRequest) -> DocumentStore:
    """Each test that asks for it runs on both adapters, empty at its start."""
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests travel in time, and Valkey stays where it is: nobody takes its time for the right one."""
    monkeypatch.setattr(clock, "redis_seconds", time.time)
    monkeypatch.setattr(clock, "_ahead", timedelta(0))


@pytest.fixture(scope="session")
def valkey_server(runner: Runner) -> None:
    start_valkey(runner, settings.RUN_DIR)


@pytest.fixture
def valkey(valkey_server: None) -> Iterator[redis.Redis]:
    """A client of the real server that `settings.REDIS_URL` names, empty at the test's start."""
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        client.flushall()
        yield client
