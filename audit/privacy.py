"""What the trail holds about people: codes, counts and digests under random names, kept when everything else goes."""

from collections.abc import Iterator
from typing import Any

from pyloto.privacy import registry
from pyloto.privacy.access import row_of
from pyloto.privacy.registry import AccessSection, Subject

from .chain import EventType
from .models import AuditEvent
from .stores import SYSTEM_CHAIN, AuditLogStore

PAGE = 500
HASHING = ("canonical", "previous_hash", "current_hash")  # they repeat the event, for the verification


def events_of(subject: Subject) -> Iterator[dict[str, Any]]:
    """The trails of their conversations, and what the chain "system" says about them."""
    for conversation_id in subject.conversation_ids:
        yield from (_row(event) for event in _chain(conversation_id))
    for event in _chain(SYSTEM_CHAIN):
        if event.metadata.get("user_key") in subject.user_keys:
            yield _row(event)


def _chain(conversation_id: str) -> Iterator[AuditEvent]:
    after = 0
    while page := AuditLogStore().trail(conversation_id, after_seq=after, limit=PAGE):
        yield from page
        after = page[-1].seq


def _row(event: AuditEvent) -> dict[str, Any]:
    return row_of(event, leave_out=HASHING) | {"tipo": dict(EventType.choices).get(event.event_type, event.event_type)}


registry.register(
    AccessSection(
        "audit.events",
        "Trilha de auditoria",
        events_of,
        columns=("nº", "quando", "tipo", "autor"),
        note="O que aconteceu, em códigos: a trilha não guarda nome, contato nem texto de mensagens.",
    )
)
