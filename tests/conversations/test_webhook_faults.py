"""What the webhook answers, and what is stored, when it is interrupted, repeated or half down (faults.md §1.A)."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.db import connections

from conversations import views
from conversations.doorbell import doorbell
from conversations.stores import ConversationStore
from conversations.whatsapp.split import provider_key
from pyloto import clock, redis_client
from pyloto.documents import Create, DocumentStore, Unavailable, Update, WriteResult, use_store
from pyloto.documents.recorder import RecordingStore

from .deliveries import envelope, post, text_message
from .kept import quarantined, run_turns, stored_messages, user_keys
from .outside import Outside

A = envelope(text_message("wamid.A", "oi"))


class HalfDown(RecordingStore):
    """Of each `write_many`, the writes from `broken_from` on get no answer and are not made."""

    broken_from: int | None = None

    def write_many(self, writes: Sequence[Create | Update]) -> list[WriteResult]:
        if self.broken_from is None:
            return super().write_many(writes)
        whole, broken = writes[: self.broken_from], writes[self.broken_from :]
        done = super().write_many(whole) if whole else []
        return [*done, *(WriteResult(write.path, Unavailable("cut")) for write in broken)]


class Down:
    def __getattr__(self, name: str) -> Any:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise Unavailable("down")

        return fail


@pytest.fixture
def half_down(store: DocumentStore, valkey: object) -> Iterator[HalfDown]:
    with use_store(HalfDown(store)) as half_down:
        yield half_down


# --- Duplicates (A1, A4, A5, A20) -------------------------------------------------------------------------------------
def test_twenty_deliveries_at_once_are_stored_once(embedded_store: DocumentStore, valkey: object) -> None:
    def deliver(_: int) -> int:
        try:
            return post(A).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(deliver, range(20)))
    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert len(stored_messages()) == 1
    assert len(user_keys()) == 1


def test_new_customers_at_once_are_one_person_each(embedded_store: DocumentStore, valkey: object) -> None:
    def deliver(number: int) -> int:
        message = text_message(f"wamid.{number}", "oi", wa_id=f"554299999000{number % 2}")
        try:
            return post(envelope(message)).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(deliver, range(10))) == {200}
    assert len(stored_messages()) == 10
    assert len(user_keys()) == 2


def test_while_another_request_stores_the_message_nobody_is_told_200(
    embedded_store: DocumentStore, valkey: redis.Redis
) -> None:
    views.dedupe_store().reserve([provider_key("wamid.A")], "somebody else")
    response = post(envelope(text_message("wamid.A", "oi"), text_message("wamid.B", "tudo bem?")))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert stored_messages() == []
    assert valkey.get(f"dedupe:{provider_key('wamid.B')}") is None  # given back: its next delivery is not in flight


def test_an_old_body_sent_again_has_no_effect(store: DocumentStore, valkey: redis.Redis, outside: Outside) -> None:
    post(A)
    run_turns(outside)
    valkey.flushall()
    assert post(A).status_code == 200
    run_turns(outside)
    assert len([message for message in stored_messages() if message.direction == "in"]) == 1
    assert len(outside.sent) == 1


def test_a_duplicate_rings_where_the_marks_are_lost_and_nobody_has_answered(
    embedded_store: DocumentStore, valkey: redis.Redis, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own ring may be lost, too. With the mark that it is done, it was rung for a moment ago."""
    rings: list[dict[str, Any]] = []
    monkeypatch.setattr(doorbell, "ring", lambda waits, files: rings.append(waits))
    for _ in range(2):
        post(A)
    valkey.flushall()
    post(A)
    run_turns(outside)
    valkey.flushall()
    post(A)
    assert [len(ring) for ring in rings] == [1, 0, 1, 0]


def test_a_message_twice_in_one_delivery_is_stored_once(embedded_store: DocumentStore, valkey: object) -> None:
    message = text_message("wamid.A", "oi")
    assert post(envelope(message, message)).status_code == 200
    assert len(stored_messages()) == 1


# --- Large batches, poison among them (A6) ----------------------------------------------------------------------------
def test_a_thousand_messages_with_duplicates_and_poison(store: DocumentStore, valkey: object) -> None:
    good = [text_message(f"wamid.{n}", f"{n}", wa_id=f"55429999{n % 200:05}") for n in range(950)]
    poison = [{"id": f"wamid.bad{n}", "type": "text", "n": n} for n in range(20)]
    mixed = [*good[:500], *poison, *good[:30], *good[500:]]
    assert post(envelope(*mixed)).status_code == 200
    assert {message.text for message in stored_messages()} == {str(n) for n in range(950)}
    assert len(user_keys()) == 200
    assert {kept.reason for kept in quarantined()} == {"bad_messages_ValidationError"}
    assert len(quarantined()) == 20


# --- The documents do not answer (A7, C1) -----------------------------------------------------------------------------
def test_a_batch_that_is_not_wholly_durable_is_asked_for_again(half_down: HalfDown) -> None:
    batch = envelope(*(text_message(f"wamid.{n}", f"{n}", wa_id="5542999990001") for n in range(5)))
    post(envelope(text_message("wamid.first", "first")))  # the customer is known from here on
    half_down.broken_from = 2
    assert post(batch).status_code == 503
    assert len(stored_messages()) == 3
    half_down.broken_from = None
    assert post(batch).status_code == 200
    assert [message.text for message in stored_messages()] == ["first", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize("backend", ["redis", "firestore"])
def test_documents_that_do_not_answer_are_503(
    valkey: redis.Redis,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backend: str,
) -> None:
    settings.DEDUPE_BACKEND = backend
    monkeypatch.setattr(redis_client, "_told_at", float("-inf"))
    with use_store(Down()):  # type: ignore[arg-type]
        response = post(A)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert valkey.keys("dedupe:*") == []
    assert '"redis_unreachable"' not in capsys.readouterr().out


def test_unreadable_bytes_that_cannot_be_kept_are_503(valkey: object) -> None:
    with use_store(Down()):  # type: ignore[arg-type]
        assert post(b"{").status_code == 503


# --- Redis does not answer (B2, B3) -----------------------------------------------------------------------------------
@pytest.fixture(params=["refused", "silent"])
def no_redis(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody listens at the address, or somebody who never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"redis://127.0.0.1:{listener.getsockname()[1] if request.param == 'silent' else 9}/0"
        settings.REDIS_URL = url
        from pyloto.celery import app

        # In this order: without a value of its own the write URL reads as the other, and would be put back as `url`.
        monkeypatch.setattr(app.conf, "broker_write_url", url)
        monkeypatch.setattr(app.conf, "broker_url", url)
        monkeypatch.setattr(doorbell, "_connection", None)
        monkeypatch.setattr(doorbell, "_broken_until", 0.0)
        yield


def test_without_redis_intake_stops_within_a_second(embedded_store: DocumentStore, no_redis: None) -> None:
    start = time.perf_counter()
    assert post(A).status_code == 503
    assert time.perf_counter() - start < 5  # the default would wait for minutes
    assert stored_messages() == []


def test_with_marks_in_the_documents_intake_goes_on_without_redis(
    embedded_store: DocumentStore, no_redis: None, settings: Any
) -> None:
    settings.DEDUPE_BACKEND = "firestore"
    start = time.perf_counter()
    assert post(A).status_code == 200
    assert time.perf_counter() - start < 5
    [message] = stored_messages()
    assert message.due is not None  # the sweeper finds what nobody was rung for
    start = time.perf_counter()
    assert post(envelope(text_message("wamid.B", "e aí?"))).status_code == 200
    assert time.perf_counter() - start < 5  # after a failure the broker is left alone for a while


@pytest.mark.parametrize("backend", ["redis", "firestore"])
def test_a_webhook_that_finds_redis_gone_tells_of_it_once(
    embedded_store: DocumentStore,
    no_redis: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backend: str,
) -> None:
    settings.DEDUPE_BACKEND = backend
    monkeypatch.setattr(redis_client, "_told_at", float("-inf"))
    monkeypatch.setattr(clock, "_testified_at", float("-inf"))
    for name in ("A", "B"):
        post(envelope(text_message(f"wamid.{name}", "oi")))
    assert capsys.readouterr().out.count('"redis_unreachable"') == 1


def test_all_rings_of_a_delivery_share_one_budget(
    embedded_store: DocumentStore, valkey: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    class Taken:
        """Another thread has the connection, and keeps it."""

        def acquire(self, *, timeout: float) -> bool:
            waited.append(timeout)
            return False

    monkeypatch.setattr(doorbell, "_lock", Taken())
    assert post(envelope(text_message("wamid.i", "", type="image", image={"id": "1"}))).status_code == 200
    assert waited == [0.3]


# --- Order (A17) ------------------------------------------------------------------------------------------------------
def test_late_messages_keep_both_times_and_their_place(embedded_store: DocumentStore, valkey: object) -> None:
    for wamid, body, sent_at in [("wamid.2", "depois", "1790000060"), ("wamid.1", "antes", "1790000000")]:
        assert post(envelope(text_message(wamid, body, timestamp=sent_at))).status_code == 200
    [user_key] = user_keys()
    newest, oldest = ConversationStore().get_messages(user_key)
    assert (newest.text, oldest.text) == ("depois", "antes")
    assert newest.received_at < oldest.received_at
    assert oldest.timestamp == datetime.fromtimestamp(1790000000, UTC)


# --- Millions of tiny things (A13) ------------------------------------------------------------------------------------
def test_what_cannot_be_read_is_kept_once_however_often_it_stands_there(
    embedded_store: DocumentStore, valkey: object
) -> None:
    body = b'{"object": "whatsapp_business_account", "entry": [' + b", ".join([b"{}"] * 4_000) + b"]}"
    assert post(body).status_code == 200
    assert [kept.reason for kept in quarantined()] == ["no_changes"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"entry": [{}] * 100_000}, "too_many_entries"),
        ({"entry": [{"changes": [{}] * 100_000}]}, "too_many_changes"),
        ({"entry": [{"changes": [{"value": {"messages": [{}] * 100_000}}]}]}, "unknown_phone_number_id"),
    ],
)
def test_lists_longer_than_any_of_metas_are_kept_unread(
    embedded_store: DocumentStore, valkey: object, body: dict[str, Any], reason: str
) -> None:
    start = time.perf_counter()
    assert post({"object": "whatsapp_business_account", **body}).status_code == 200
    assert time.perf_counter() - start < 10
    assert [kept.reason for kept in quarantined()] == [reason]


def test_a_delivery_full_of_what_cannot_be_read_is_kept_as_one(embedded_store: DocumentStore, valkey: object) -> None:
    good = text_message("wamid.A", "oi")
    body = envelope(good)
    body["entry"] += [{"n": number} for number in range(1001)]
    assert post(json.dumps(body).encode()).status_code == 200
    assert [kept.reason for kept in quarantined()] == ["too_many_unreadable"]
    assert [message.text for message in stored_messages()] == ["oi"]
