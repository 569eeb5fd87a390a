"""What the trail holds about people: codes, counts and digests under random names, kept when everything else goes."""

from collections.abc import Iterator
from typing import Any

from pyloto.privacy import registry
from pyloto.privacy.access import row_of
from pyloto.privacy.registry import AccessSection, Subject

from .labels import type_label
from .models import AuditEvent
from .stores import AuditLogStore

HASHING = ("canonical", "previous_hash", "current_hash")  # they repeat the event, for the verification


def events_of(subject: Subject) -> Iterator[dict[str, Any]]:
    """The trails of their conversations, and what the chain "system" says about them."""
    for conversation_id in subject.conversation_ids:
        yield from (_row(event) for event in _chain(conversation_id))
    for user_key in subject.user_keys:
        yield from (_row(event) for event in AuditLogStore().about(user_key))


def _chain(conversation_id: str) -> Iterator[AuditEvent]:
    """In the order of the documents' ids: a damaged event may have no number."""
    for snapshot in AuditLogStore().iterate(conversation_id):
        if snapshot.data.get("conversation_id") == conversation_id:
            yield AuditEvent.from_snapshot(snapshot)


def _row(event: AuditEvent) -> dict[str, Any]:
    return row_of(event, leave_out=HASHING) | {"tipo": type_label(event.event_type)}


registry.register(
    AccessSection(
        "audit.events",
        "Trilha de auditoria",
        events_of,
        columns=("nº", "quando", "tipo", "autor"),
        note="O que aconteceu, em códigos: a trilha não guarda nome, contato nem texto de mensagens.",
    )
)
