"""Invented conversations, written straight to the store: what the admin has to show."""

from datetime import UTC, datetime, timedelta
from typing import Any

from audit.chain import Event, EventType, Head, event_id, link
from conversations.models import (
    Actor,
    Conversation,
    Direction,
    Handoff,
    Message,
    MessageState,
    Mode,
    Quarantined,
    Session,
)
from profiles.models import UserProfile
from pyloto.documents import Create, get_store
from pyloto.privacy.fields import encrypt

NOON = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)  # 12:00 in São Paulo


def conversation(
    user_key: str = "ana", *, mode: Mode = Mode.BOT, name: str = "Ana Souza", **header: Any
) -> Conversation:
    """A header with profile; the session is `{user_key}-session`."""
    fields = {
        "conversation_id": f"{user_key}-conversation",
        "session_id": f"{user_key}-session",
        "mode": mode,
        "last_message_at": NOON,
        "last_message_preview": "Olá",
        "created_at": NOON,
        "updated_at": NOON,
        **header,
    }
    head = Conversation(id=user_key, **fields)
    path = f"user_profiles/{user_key}"
    profile = UserProfile(
        id=user_key,
        name=name,
        phone=encrypt("+5542999991234", path=path, field="phone"),
        created_at=NOON,
        updated_at=NOON,
        last_interaction=NOON,
    )
    get_store().commit([Create(f"conversations/{user_key}", head.to_document()), Create(path, profile.to_document())])
    return head


def message(user_key: str = "ana", *, n: int = 1, outbound: bool = False, key: str = "", **fields: Any) -> Message:
    """The n-th message of a conversation, one a minute. `key`: hexadecimal, as ours are, where it is to be put off."""
    at = NOON + timedelta(minutes=n)
    values = {
        "direction": Direction.OUT if outbound else Direction.IN,
        "actor": Actor.PYLOTO if outbound else Actor.USER,
        "type": "text",
        "text": f"mensagem {n}",
        "timestamp": at,
        "received_at": at,
        "seq": n,
        "state": MessageState.SENT if outbound else MessageState.HANDLED,
        **fields,
    }
    stored = Message(id=key or f"m{n:04d}", **values)
    get_store().create(f"conversations/{user_key}/messages/{stored.pk}", stored.to_document())
    return stored


def session(user_key: str = "ana", **fields: Any) -> Session:
    values = {
        "user_key": user_key,
        "conversation_id": f"{user_key}-conversation",
        "started_at": NOON,
        "last_user_at": NOON,
        **fields,
    }
    stored = Session(id=f"{user_key}-session", **values)
    get_store().create(f"sessions/{stored.pk}", stored.to_document())
    return stored


def handoff(user_key: str = "ana", **fields: Any) -> Handoff:
    values = {
        "user_key": user_key,
        "conversation_id": f"{user_key}-conversation",
        "intent_primary": "CUSTOM_SOFTWARE",
        "routing": "commercial",
        "qualification_level": Handoff.Qualification.HIGH,
        "opened_at": NOON,
        **fields,
    }
    stored = Handoff(id=f"{user_key}-session", **values)
    get_store().create(f"handoffs/{stored.pk}", stored.to_document())
    return stored


def quarantined(reason: str = "invalid_json") -> Quarantined:
    stored = Quarantined(id="q1", size_bytes=42, reason=reason, received_at=NOON)
    get_store().create("webhook_quarantine/q1", stored.to_document())
    return stored


def audit_events(conversation_id: str = "ana-conversation", *, count: int = 3, **fields: Any) -> Head:
    events = [
        Event(
            event_id=event_id(conversation_id, str(n)),
            event_type=fields.get("event_type", EventType.USER_CONTACT),
            actor=fields.get("actor", "USER"),
            timestamp=NOON + timedelta(minutes=n),
            changes=fields.get("changes", {}),
            metadata=fields.get("metadata", {}),
        )
        for n in range(count)
    ]
    writes, head = link(Head.genesis(conversation_id), events)
    get_store().commit(writes)
    return head
