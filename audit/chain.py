"""The hash chain: what an event is, and how events are linked. Pure: no store, no clock.

    current_hash = SHA-256(domain tag ‖ previous_hash ‖ canonical)

How a chain is hashed and verified stands in `verify_trail`, which auditors run without Pyloto. A chain cannot show that
its own end was cut off, nor that the whole of it was deleted or written anew: the signed checkpoints can.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import TextChoices

from pyloto.documents import Create
from pyloto.privacy.hashing import digest

from .verify_trail import (
    CHAIN_ID,
    HASH,
    Head,
    Problem,
    ProblemKind,
    canonical_json,
    chain_hash,
    document_id,
    find_problems,
    verify,
)

__all__ = [
    "CHAIN_ID",
    "COLLECTION",
    "HASH",
    "Event",
    "EventType",
    "Head",
    "Problem",
    "ProblemKind",
    "document_id",
    "event_id",
    "find_problems",
    "link",
    "verify",
]

COLLECTION = "audit_logs"


class EventType(TextChoices):
    USER_CONTACT = "USER_CONTACT", "Contato do cliente"
    SESSION_OPENED = "SESSION_OPENED", "Sessão aberta"
    SESSION_CLOSED = "SESSION_CLOSED", "Sessão encerrada"
    SESSION_ABANDONED = "SESSION_ABANDONED", "Sessão abandonada"
    INTENT_ADDED = "INTENT_ADDED", "Intenção acrescentada"
    INTENT_CLASSIFIED = "INTENT_CLASSIFIED", "Intenção classificada"
    REPLY_QUEUED = "REPLY_QUEUED", "Resposta na fila"
    SEND_FAILED = "SEND_FAILED", "Envio falhou"
    SEND_UNCERTAIN = "SEND_UNCERTAIN", "Envio incerto"
    HANDOFF_OPENED = "HANDOFF_OPENED", "Atendimento humano aberto"
    HANDOFF_TAKEN = "HANDOFF_TAKEN", "Atendimento humano assumido"
    HANDOFF_RELEASED = "HANDOFF_RELEASED", "Atendimento humano devolvido"
    HANDOFF_RESOLVED = "HANDOFF_RESOLVED", "Atendimento humano resolvido"
    MODE_CHANGED = "MODE_CHANGED", "Modo alterado"
    NOTE_ADDED = "NOTE_ADDED", "Nota acrescentada"
    CONTROL_CHANGED = "CONTROL_CHANGED", "Controle alterado"
    CONTACT_REVEALED = "CONTACT_REVEALED", "Contato revelado"
    PROFILE_UPDATED = "PROFILE_UPDATED", "Perfil atualizado"
    IDENTITY_MERGED = "IDENTITY_MERGED", "Identidades unidas"
    IDENTITY_UNMERGED = "IDENTITY_UNMERGED", "União de identidades desfeita"
    EXPORT_REQUESTED = "EXPORT_REQUESTED", "Exportação pedida"
    EXPORT_GENERATED = "EXPORT_GENERATED", "Exportação gerada"
    EXPORT_DOWNLOADED = "EXPORT_DOWNLOADED", "Exportação baixada"
    EXPORT_REVOKED = "EXPORT_REVOKED", "Exportação revogada"
    EXPORT_EXPIRED = "EXPORT_EXPIRED", "Exportação expirada"
    ERASURE_REQUESTED = "ERASURE_REQUESTED", "Apagamento pedido"
    ERASURE_COMPLETED = "ERASURE_COMPLETED", "Apagamento concluído"


@dataclass(frozen=True)
class Event:
    """What happened, before it has a place in a chain. Codes, counts and digests only: nothing a customer wrote.

    `event_id` is deterministic (`event_id()`), so that an event delivered twice is recognised.
    """

    event_id: str
    event_type: EventType
    actor: str
    timestamp: datetime
    changes: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: str = ""


def event_id(*parts: str) -> str:
    """The same id for the same parts: what the event is about, such as a turn id and a number within the turn."""
    return digest("audit-event", *parts)


def link(head: Head, events: Sequence[Event]) -> tuple[list[Create], Head]:
    """The writes that append the events after `head`, and the head that results.

    Whoever changes a conversation puts both into its own commit. Raises `TypeError` or `ValueError` for an event that
    JSON cannot hold.
    """
    writes = []
    for event in events:
        fields = {
            "conversation_id": head.conversation_id,
            "seq": head.seq + 1,
            "event_id": event.event_id,
            "event_type": str(event.event_type),
            "actor": event.actor,
            "timestamp": event.timestamp,
            "changes": dict(event.changes),
            "metadata": dict(event.metadata),
            "correlation_id": event.correlation_id,
        }
        canonical = canonical_json(fields)
        current_hash = chain_hash(head.hash, canonical)
        chained = {**fields, "canonical": canonical, "previous_hash": head.hash, "current_hash": current_hash}
        head = Head(head.conversation_id, head.seq + 1, current_hash)
        writes.append(Create(f"{COLLECTION}/{document_id(head.conversation_id, head.seq)}", chained))
    return writes, head
