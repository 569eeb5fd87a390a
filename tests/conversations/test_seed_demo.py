"""The demonstration: believable conversations that hold every rule of real ones."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import CommandError, call_command

from audit import verify
from audit.stores import AuditLogStore
from conversations.demo import customers as demo
from conversations.demo import seed
from conversations.demo.customers import Answer, Say, invent
from conversations.intents import Intent
from conversations.models import Mode
from conversations.services.ingest import store_items
from conversations.services.release import release_to_bot
from conversations.simulator import customers as simulator
from profiles.identifiers import Sender
from profiles.models import UserProfile
from profiles.services.learning import revealed
from profiles.services.resolution import resolve_senders
from pyloto.documents import DocumentStore, Query, Snapshot, get_store, use_store
from tests.conversations import chat_data as data

COLLECTIONS = ("conversations", "identities", "user_profiles", "sessions", "handoffs", "audit_logs", "classifications")


@pytest.fixture(autouse=True)
def plain(embedded_store: DocumentStore, settings: Any) -> Iterator[None]:
    """These tests ask what no code asks: their own queries need no index."""
    settings.DEBUG = True
    with use_store(embedded_store):
        yield


def all_of(collection: str, *, group: bool = False) -> list[Snapshot]:
    return get_store().query(Query(collection, group=group))


def texts() -> list[str]:
    return sorted(snapshot.data["text"] for snapshot in all_of("messages", group=True))


def broken_chains() -> list[object]:
    """Problems of the chains, and headers that do not know the end of theirs."""
    problems: list[object] = []
    for header in all_of("conversations"):
        conversation_id = header.data["conversation_id"]
        events = [event.to_document() | {"id": event.pk} for event in AuditLogStore().trail(conversation_id, limit=500)]
        problems += verify(conversation_id, events)
        if header.data["audit_head"] != AuditLogStore().tail(conversation_id).to_document():
            problems.append(header.id)
    return problems


def test_the_customers_are_answered_by_the_product_itself():
    call_command("seed_demo", customers=8)
    messages = [snapshot.data for snapshot in all_of("messages", group=True)]
    assert len(all_of("conversations")) == 8
    assert {m["state"] for m in messages if m["direction"] == "in"} == {"HANDLED"}
    assert {m["state"] for m in messages if m["direction"] == "out"} == {"SENT"}
    assert not [m for m in messages if m.get("due")]
    assert broken_chains() == []


def test_nothing_is_left_that_a_worker_would_say_to_them(monkeypatch: pytest.MonkeyPatch):
    nearly_done = (Say(("Oi, queria um orçamento de aplicativo",)), Answer(Intent.CUSTOM_SOFTWARE, at_most=6))
    monkeypatch.setattr(seed, "write_script", lambda customer, rng: nearly_done)
    call_command("seed_demo", customers=5)
    messages = [snapshot.data for snapshot in all_of("messages", group=True)]
    told = [m for m in messages if "uma pessoa vai continuar com você" in m["text"]]
    assert {m["state"] for m in told} == {"SENT"}
    assert not [m for m in messages if m.get("due")]
    assert {s.data["status"] for s in all_of("sessions")} == {"CLOSED"}
    assert max(m["received_at"] for m in messages) < datetime.now(UTC)


@pytest.mark.parametrize("script", [demo._sends_a_voice_note, demo._wants_software_at_once])
def test_no_file_of_an_invented_customer_is_asked_for(monkeypatch: pytest.MonkeyPatch, script: Any):
    monkeypatch.setattr(seed, "write_script", script)
    call_command("seed_demo", customers=1)
    [message] = [s.data for s in all_of("messages", group=True) if s.data["media"]]
    assert (message["media"]["status"], message["media_due"]) == ("UNAVAILABLE", None)


def test_a_worker_that_runs_finds_their_conversations_locked(monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis):
    locked = []

    def store_them(items: Any, **options: Any) -> Any:
        before = valkey.keys("lock:*")
        receipt = store_items(items, **options)
        locked.extend(f"lock:{user_key}" in before for user_key in receipt.rings)
        return receipt

    monkeypatch.setattr(seed, "store_items", store_them)
    call_command("seed_demo", customers=3)
    assert len(locked) >= 3
    assert all(locked)
    assert valkey.keys("lock:*") == []


def test_the_trail_names_the_demonstration_not_a_person(admin_user: User):
    call_command("seed_demo", customers=12)
    released = [s.data for s in all_of("audit_logs") if s.data["event_type"] == "HANDOFF_RELEASED"]
    assert {event["actor"] for event in released} == {"seed_demo"}


def test_a_real_installation_gets_no_invented_customers(settings: Any):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("seed_demo", customers=3)
    assert [snapshot for collection in COLLECTIONS for snapshot in all_of(collection)] == []


def test_beyond_the_played_ones_come_likenesses_with_chains_of_their_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seed, "PLAYED_MAX", 6)
    call_command("seed_demo", customers=20)
    headers = {snapshot.id: snapshot.data for snapshot in all_of("conversations")}
    assert len({header["conversation_id"] for header in headers.values()}) == 20
    assert broken_chains() == []
    profiles = [UserProfile.from_snapshot(snapshot) for snapshot in all_of("user_profiles")]
    assert len({revealed(profile, "phone") for profile in profiles}) == 20
    senders = [Sender(wa_id=revealed(p, "wa_id"), bsuid=revealed(p, "bsuid")) for p in profiles]
    found = resolve_senders(senders, now=profiles[0].created_at)
    assert [resolved.user_key for resolved in found] == [profile.pk for profile in profiles]


def test_a_likeness_can_be_given_back_to_the_bot(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seed, "PLAYED_MAX", 12)
    call_command("seed_demo", customers=40)
    waiting = [s for s in all_of("conversations") if s.data["mode"] == Mode.WAITING_HUMAN]
    assert waiting
    for snapshot in waiting:
        release_to_bot(user_key=snapshot.id, agent="user:1", now=snapshot.data["updated_at"])
    assert broken_chains() == []
    assert {s.data["status"] for s in all_of("handoffs")} == {"RESOLVED"}


def test_the_same_seed_invents_the_same():
    call_command("seed_demo", customers=4, seed=7)
    first = texts()
    for collection in (*COLLECTIONS, "messages"):
        for snapshot in all_of(collection, group=True):
            get_store().delete(snapshot.path)
    cache.clear()  # it knows the identities that are gone
    call_command("seed_demo", customers=4, seed=7)
    assert texts() == first


def test_an_installation_with_data_is_left_alone():
    data.conversation()
    with pytest.raises(CommandError, match="vazia"):
        call_command("seed_demo", customers=3)
    assert [snapshot.id for snapshot in all_of("conversations")] == ["ana"]


def test_the_invented_numbers_belong_to_nobody_not_even_in_the_simulator():
    rng = seed.Random(3)
    for number in (0, 9_999, 20_000, 119_999):
        assert invent(number, rng).sender.phone[5:].startswith("99999")
    assert not {str(code) for code in demo.AREA_CODES} & set(simulator.AREA_CODES)
