"""What is the Firestore adapter's alone: connections, time limits, and answers that never come.

The proxy stands between the client and the official emulator.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import GoogleAPIError, ResourceExhausted, ServiceUnavailable

from pyloto.documents import (
    AlreadyExists,
    ArrayUnion,
    Create,
    DocumentStore,
    PreconditionFailed,
    Query,
    Unavailable,
    Update,
    firestore,
)
from pyloto.documents.firestore import FirestoreStore
from tests.lab.proxy import Mode, TcpProxy

STORE = {"project": "pyloto-test", "database": "(default)"}


@pytest.fixture
def proxy(firestore_store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    firestore_store.get_many(["things/warm"])  # connected directly, before the variable names the proxy
    with TcpProxy(os.environ["FIRESTORE_EMULATOR_HOST"]) as proxy:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", proxy.address)
        monkeypatch.setattr(firestore, "READ_TIMEOUT", 1.0)
        monkeypatch.setattr(firestore, "WRITE_TIMEOUT", 1.0)
        yield proxy


@pytest.fixture
def proxied(proxy: TcpProxy, firestore_store: Any) -> FirestoreStore:
    """A store whose connection goes through the proxy; `firestore_store` looks at the same documents directly."""
    store = FirestoreStore(
        project=firestore_store.names.database.split("/")[1], database=firestore_store.names.database.split("/")[3]
    )
    store.get_many(["things/warm"])
    return store


def test_a_commit_whose_answer_is_lost_is_unavailable_and_may_stand(
    proxy: TcpProxy, proxied: FirestoreStore, firestore_store: DocumentStore
) -> None:
    firestore_store.create("conversations/u", {"attempt": ""})
    read = proxied.get("conversations/u")
    proxy.lose_next_reply()
    with pytest.raises(Unavailable) as lost:
        proxied.commit(
            [
                Update("conversations/u", {"attempt": "mine"}, read.update_time),
                Create("conversations/u/messages/reply", {"claimed_by": "mine"}),
            ]
        )
    assert isinstance(lost.value.__cause__, GoogleAPIError)
    assert proxied.get("conversations/u/messages/reply").data["claimed_by"] == "mine"  # whose it was shows by reading
    with pytest.raises(PreconditionFailed):  # and the same commit again has no effect
        proxied.commit([Update("conversations/u", {"attempt": "mine", "again": True}, read.update_time)])
    assert firestore_store.get("conversations/u").data == {"attempt": "mine"}


def test_a_commit_that_never_left_is_unavailable_too(
    proxy: TcpProxy, proxied: FirestoreStore, firestore_store: DocumentStore
) -> None:
    proxy.set_mode(Mode.REFUSE)
    with pytest.raises(Unavailable):
        proxied.create("things/a", {})
    assert firestore_store.get_many(["things/a"]) == {}


def test_many_writes_whose_answer_is_lost_are_sent_again(
    proxy: TcpProxy, proxied: FirestoreStore, firestore_store: DocumentStore
) -> None:
    firestore_store.create("things/old", {"n": 1})
    proxy.lose_next_reply()
    results = proxied.write_many([Create("things/new", {"n": 1}), Update("things/old", {"list": ArrayUnion((1,))})])
    assert [type(result.error) for result in results] == [AlreadyExists, type(None)]  # the first try stands
    assert firestore_store.get("things/new").data == {"n": 1}
    assert firestore_store.get("things/old").data == {"n": 1, "list": [1]}


def test_many_writes_that_cannot_be_sent_are_unavailable_each(proxy: TcpProxy, proxied: FirestoreStore) -> None:
    proxy.set_mode(Mode.BLACKHOLE)
    results = proxied.write_many([Create("things/a", {}), Create("things/b", {})])
    assert [(result.path, type(result.error)) for result in results] == [
        ("things/a", Unavailable),
        ("things/b", Unavailable),
    ]


def test_a_read_whose_answer_is_lost_is_asked_again(proxy: TcpProxy, proxied: FirestoreStore) -> None:
    proxied.create("things/a", {"n": 1})
    for read in (
        lambda: proxied.get("things/a").data["n"],
        lambda: len(proxied.query(Query("things"))),
        lambda: proxied.count(Query("things")),
    ):
        proxy.lose_next_reply()
        assert read() == 1


def test_no_call_outlives_its_limit(proxy: TcpProxy, proxied: FirestoreStore) -> None:
    proxy.set_mode(Mode.BLACKHOLE)
    for call, limit in (
        (lambda: proxied.get("things/a"), 1.0),
        (lambda: proxied.query(Query("things")), 1.0),
        (lambda: proxied.count(Query("things")), 1.0),
        (lambda: proxied.create("things/a", {}), 1.0),
    ):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            call()
        assert time.monotonic() - began < limit + 0.5


def test_a_slow_database_is_waited_for(proxy: TcpProxy, proxied: FirestoreStore) -> None:
    proxy.set_mode(Mode.DELAY, delay_seconds=0.2)
    proxied.create("things/a", {"n": 1})
    assert proxied.get("things/a").data == {"n": 1}


def test_works_again_soon_after_an_outage(proxy: TcpProxy, proxied: FirestoreStore) -> None:
    proxy.set_mode(Mode.REFUSE)
    with pytest.raises(Unavailable):
        proxied.get("things/a")
    proxy.set_mode(Mode.OK)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert proxied.get_many(["things/a"]) == {}
            return
        except Unavailable:
            time.sleep(0.1)
    pytest.fail("not back after 5 seconds")


def test_every_call_brings_its_timeout_and_its_retry_policy(
    firestore_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own retries are off: they go on for up to five minutes."""
    seen: list[tuple[str, Any, Any]] = []
    client = firestore_store._connected()
    for name in ("batch_get_documents", "run_query", "run_aggregation_query", "commit", "batch_write"):
        original = getattr(client, name)

        def call(request: Any, *, _name: str = name, _original: Any = original, **options: Any) -> Any:
            seen.append((_name, options["timeout"], options["retry"]))
            return _original(request, **options)

        monkeypatch.setattr(client, name, call)
    firestore_store.create("things/a", {})
    firestore_store.get("things/a")
    firestore_store.query(Query("things"))
    firestore_store.count(Query("things"))
    firestore_store.write_many([Create("things/b", {})])
    assert seen == [
        ("commit", 5.0, None),
        ("batch_get_documents", 3.0, None),
        ("run_query", 3.0, None),
        ("run_aggregation_query", 3.0, None),
        ("batch_write", 5.0, None),
    ]


@pytest.mark.parametrize(("error", "calls"), [(ResourceExhausted("quota"), 1), (ServiceUnavailable("down"), 2)])
def test_an_exhausted_quota_is_pressed_no_further(
    monkeypatch: pytest.MonkeyPatch, error: GoogleAPIError, calls: int
) -> None:
    """The library's own policy would go on for a minute; what is merely unavailable is asked once more."""
    seen: list[str] = []

    class Refusing:
        def batch_get_documents(self, request: Any, **options: Any) -> Any:
            seen.append("read")
            if len(seen) > 1:
                raise ResourceExhausted("quota")
            raise error

    store = FirestoreStore(**STORE)
    monkeypatch.setattr(store, "_connected", Refusing)
    with pytest.raises(Unavailable):
        store.get_many(["things/a"])
    assert len(seen) == calls


def test_one_of_two_racing_commits_wins(firestore_store: DocumentStore) -> None:
    for number in range(5):
        path = f"conversations/{number}"
        firestore_store.create(path, {"attempt": ""})
        read = firestore_store.get(path).update_time
        outcomes: list[str] = []

        def race(name: str, path: str = path, read: Any = read, outcomes: list[str] = outcomes) -> None:
            try:
                firestore_store.commit([Update(path, {"attempt": name}, read), Create(f"{path}/messages/{name}", {})])
                outcomes.append(name)
            except (PreconditionFailed, Unavailable):
                pass  # lost; Firestore may also say that it was too busy

        threads = [threading.Thread(target=race, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [firestore_store.get(path).data["attempt"]] == outcomes
        assert [snapshot.id for snapshot in firestore_store.query(Query(f"{path}/messages"))] == outcomes


def test_loading_the_project_opens_no_connection() -> None:
    env = os.environ | {"DOCUMENTS_BACKEND": "firestore", "DJANGO_SETTINGS_MODULE": "pyloto.settings"}
    command = [sys.executable, "-m", "tests.pyloto.documents.processes", "imports"]
    loaded = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(loaded) == []  # no gRPC at all, hence no channel


def test_the_client_is_made_at_the_first_call_and_anew_in_another_process(
    firestore_emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels: list[str] = []
    make = grpc.insecure_channel

    def counting(target: str, *args: Any, **kwargs: Any) -> Any:
        channels.append(target)
        return make(target, *args, **kwargs)

    monkeypatch.setattr(grpc, "insecure_channel", counting)
    store = FirestoreStore(**STORE)
    assert channels == []
    store.get_many(["things/a"])
    store.get_many(["things/a"])
    assert channels == [firestore_emulator.host]
    monkeypatch.setattr(os, "getpid", lambda: 0)
    store.get_many(["things/a"])
    assert len(channels) == 2
