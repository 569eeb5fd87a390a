"""What a worker meets that no race explains: a chain ahead of its header, replies of a former owner, a full page."""

from datetime import timedelta
from typing import Any

import pytest

from audit import Event, EventType, event_id
from audit.chain import verify
from audit.stores import AuditLogStore
from conversations.models import MessageState
from conversations.services import delivery, turns
from conversations.stores import ConversationStore
from conversations.whatsapp.client import Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import get_store

from .customer import Customer


def test_a_chain_that_went_on_without_its_header_is_taken_up_at_its_end(customer: Customer) -> None:
    customer.writes("oi").is_served()
    header = customer.header
    stray = Event(event_id("stray"), EventType.NOTE_ADDED, "HUMAN", header.updated_at)
    AuditLogStore().append(header.conversation_id, stray)
    customer.writes("Onde fica a empresa?").is_served()
    assert customer.states == ["SENT", "SENT"]
    trail = customer.trail()
    assert verify(header.conversation_id, trail) == []
    assert customer.header.audit_head["seq"] == trail[-1]["seq"]


def test_a_reply_of_a_former_owner_holds_back_nothing(customer: Customer) -> None:
    customer.outside.answers = [Rejected(code=4, error_class=ErrorClass.RETRY)] * 6
    customer.writes("oi").is_served()
    [waiting] = customer.replies
    assert waiting.state == MessageState.QUEUED
    customer.writes("quero falar com uma pessoa")
    customer.outside.answers = []
    customer.is_served()
    assert customer.states == ["CANCELLED", "SENT"]


def test_behind_a_full_page_no_reply_overtakes_an_older_one(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.outside.answers = [Rejected(code=4, error_class=ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    [older] = customer.replies
    path = ConversationStore.message_path(customer.user_key, older.pk)
    monkeypatch.setattr(turns, "OPEN_ITEMS_MAX", 1)
    customer.writes("Onde fica a empresa?")
    due = {**(older.due or {}), "at": older.due["at"].replace(year=older.due["at"].year + 1)}
    get_store().update(path, {"due": due})
    customer.is_served()
    assert customer.states == ["QUEUED", "QUEUED"]


def test_a_reply_that_is_due_waits_for_an_older_one_beyond_a_full_page(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox is read by due time; what was put off for longer comes later, whatever its place in the conversation."""
    customer.outside.answers = [Rejected(code=4, error_class=ErrorClass.RETRY)] * 2
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?").is_served()
    monkeypatch.setattr(delivery, "OPEN_ITEMS_MAX", 1)
    assert customer.is_served() is not None
    assert (customer.states, len(customer.outside.sent)) == (["QUEUED", "QUEUED"], 1)
    customer.outside.answers = []
    customer.is_served_after(clock, timedelta(minutes=1))
    assert customer.states == ["SENT", "SENT"]
    assert [each.callback_data.partition(".")[2] for each in customer.outside.sent[1:]] == [
        reply.pk for reply in customer.replies
    ]
