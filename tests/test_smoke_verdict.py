"""The verdict of the smoke test sees what it is there to see."""

from typing import Any

import pytest

from pyloto.documents import DocumentStore
from pyloto.privacy.hashing import digest
from tests.smoke import judge

pytestmark = pytest.mark.usefixtures("embedded_store")
INBOUND = [{"wamid": "wamid.invented"}]
KEY = digest("whatsapp", "wamid.invented")


def accepted(*callbacks: str) -> list[dict[str, Any]]:
    return [{"callback_data": callback} for callback in callbacks]


def store_message(store: DocumentStore, user_key: str, *, state: str = "HANDLED", turn_id: str | None = "t1") -> None:
    store.create(f"conversations/{user_key}/messages/{KEY}", {"direction": "in", "state": state, "turn_id": turn_id})


def store_reply(store: DocumentStore, user_key: str, reply: str, turn_id: str = "t1") -> None:
    store.create(f"conversations/{user_key}/messages/{reply}", {"direction": "out", "turn_id": turn_id})


def test_a_message_whose_reply_was_accepted_once_is_answered(embedded_store: DocumentStore) -> None:
    store_message(embedded_store, "u1")
    store_reply(embedded_store, "u1", "r1")
    verdict = judge(INBOUND, accepted("u1.r1"))
    assert verdict.line == "smoke: in=1 answered=1 lost=0 doubled=0 chains_ok=true"
    assert verdict.passed


def test_a_message_that_is_not_stored_is_lost() -> None:
    verdict = judge(INBOUND, [])
    assert verdict.line == "smoke: in=1 answered=0 lost=1 doubled=0 chains_ok=true"
    assert not verdict.passed


def test_a_message_that_was_not_handled_is_lost(embedded_store: DocumentStore) -> None:
    store_message(embedded_store, "u1", state="RECEIVED", turn_id=None)
    assert judge(INBOUND, []).lost == {KEY}


def test_a_message_whose_reply_was_never_accepted_is_lost(embedded_store: DocumentStore) -> None:
    store_message(embedded_store, "u1")
    store_reply(embedded_store, "u1", "r1")
    assert judge(INBOUND, []).lost == {KEY}


def test_a_reply_that_was_accepted_twice_is_doubled(embedded_store: DocumentStore) -> None:
    store_message(embedded_store, "u1")
    store_reply(embedded_store, "u1", "r1")
    verdict = judge(INBOUND, accepted("u1.r1", "u1.r1"))
    assert (verdict.doubled, verdict.passed) == ({"u1.r1"}, False)


def test_a_reply_of_a_second_turn_for_the_same_message_is_doubled(embedded_store: DocumentStore) -> None:
    store_message(embedded_store, "u1")
    store_reply(embedded_store, "u1", "r1")
    store_reply(embedded_store, "u1", "r2", turn_id="another")
    assert judge(INBOUND, accepted("u1.r1", "u1.r2")).doubled == {"u1.r2"}


def test_a_message_that_stands_in_two_conversations_is_doubled(embedded_store: DocumentStore) -> None:
    for user_key in ("u1", "u2"):
        store_message(embedded_store, user_key)
        store_reply(embedded_store, user_key, "r1")
    assert judge(INBOUND, accepted("u1.r1", "u2.r1")).doubled == {KEY}


def test_a_conversation_without_its_chain_fails(embedded_store: DocumentStore) -> None:
    store_message(embedded_store, "u1")
    store_reply(embedded_store, "u1", "r1")
    embedded_store.create("conversations/u1", {"conversation_id": "c1", "audit_head": {"seq": 1, "hash": "00"}})
    verdict = judge(INBOUND, accepted("u1.r1"))
    assert (verdict.chains_ok, verdict.passed) == (False, False)
