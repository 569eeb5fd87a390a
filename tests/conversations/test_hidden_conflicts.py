"""What a worker meets that no race explains: a chain ahead of its header, replies of a former owner, a full page."""

import pytest

from audit import Event, EventType, event_id
from audit.chain import verify
from audit.stores import AuditLogStore
from conversations.models import MessageState
from conversations.services import turns
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
