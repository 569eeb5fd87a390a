"""The hash chain: linking events and verifying them. Pure: no store, no clock.

    current_hash = SHA-256(domain tag ‖ previous_hash ‖ canonical)

`canonical` is the JSON that was hashed, stored byte for byte: a later change of how Python writes JSON breaks nothing.
A chain cannot show that its own end was cut off, nor that the whole of it was deleted or written anew: that takes signed
checkpoints outside of the database.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from django.db.models import TextChoices

from pyloto.documents import Create
from pyloto.privacy.hashing import digest

COLLECTION = "audit_logs"
EVENT_TAG = b"pyloto.audit.event.v1\0"
GENESIS_TAG = b"pyloto.audit.genesis.v1\0"

HASH = re.compile(r"[0-9a-f]{64}")
CHAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
HASHED_FIELDS = {
    "conversation_id": str,
    "seq": int,
    "event_id": str,
    "event_type": str,
    "actor": str,
    "timestamp": datetime,
    "changes": dict,
    "metadata": dict,
    "correlation_id": str,
}
CHAIN_FIELDS = {"canonical", "previous_hash", "current_hash"}


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


@dataclass(frozen=True)
class Head:
    """The end of a chain: the number and the hash of its last event."""

    conversation_id: str
    seq: int
    hash: str

    @classmethod
    def genesis(cls, conversation_id: str) -> Self:
        """The head of a chain without events. Raises `ValueError` for an id that could not stand in a document id."""
        if not CHAIN_ID.fullmatch(conversation_id):
            raise ValueError("A chain's id has 1 to 64 letters, digits, '-' or '_'")
        return cls(conversation_id, 0, hashlib.sha256(GENESIS_TAG + conversation_id.encode()).hexdigest())

    @classmethod
    def from_document(cls, conversation_id: str, document: Mapping[str, Any]) -> Self:
        """Out of a header's `audit_head` {"seq", "hash"}; an empty one is a chain without events."""
        if not document:
            return cls.genesis(conversation_id)
        return cls(conversation_id, document["seq"], document["hash"])

    def to_document(self) -> dict[str, Any]:
        return {"seq": self.seq, "hash": self.hash}


class ProblemKind(TextChoices):
    MALFORMED = "MALFORMED", "malformado"
    EDITED = "EDITED", "alterado"
    BROKEN_LINK = "BROKEN_LINK", "elo quebrado"
    GAP = "GAP", "lacuna"
    OUT_OF_ORDER = "OUT_OF_ORDER", "fora de ordem ou repetido"
    FOREIGN = "FOREIGN", "de outra cadeia"
    MISSING = "MISSING", "cadeia inexistente"


@dataclass(frozen=True)
class Problem:
    """Something that a chain as we write it never shows. `detail` names fields and numbers, never values."""

    conversation_id: str
    seq: int | None
    kind: ProblemKind
    detail: str


def event_id(*parts: str) -> str:
    """The same id for the same parts: what the event is about, such as a turn id and a number within the turn."""
    return digest("audit-event", *parts)


def document_id(conversation_id: str, seq: int) -> str:
    """The ids of one chain sort as its events do, and no other chain's stand between them."""
    return f"{conversation_id}-{seq:012d}"


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


def canonical_json(fields: Mapping[str, Any]) -> str:
    """Sorted keys, no spaces, times in UTC with microseconds. Raises `TypeError`, `ValueError` for what is not JSON."""
    plain = {**fields, "timestamp": fields["timestamp"].astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # lone surrogates raise UnicodeEncodeError, a ValueError
    return text


def chain_hash(previous_hash: str, canonical: str) -> str:
    return hashlib.sha256(EVENT_TAG + bytes.fromhex(previous_hash) + canonical.encode()).hexdigest()


def verify(conversation_id: str, events: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Everything that is wrong with a chain, read once from its first event on; memory does not grow with its length.

    After a problem the check goes on from what the event itself claims, so that one edit is not reported for all that
    follows. An event may carry its document's id as "id"; then that is checked too.
    """
    if not CHAIN_ID.fullmatch(conversation_id):
        return [Problem(conversation_id, None, ProblemKind.MALFORMED, "not the id of a chain")]
    problems: list[Problem] = []
    head = Head.genesis(conversation_id)
    for event in events:
        found, head = _check(head, event)
        problems += [Problem(conversation_id, _seq_of(event), kind, detail) for kind, detail in found]
    return problems


def _check(head: Head, event: Mapping[str, Any]) -> tuple[list[tuple[ProblemKind, str]], Head]:
    malformed = _malformed(event)
    if malformed:  # nothing else can be said about it; the next event is expected as if this one had been right
        claimed = event.get("current_hash")
        known = isinstance(claimed, str) and HASH.fullmatch(claimed)
        return [(ProblemKind.MALFORMED, malformed)], Head(
            head.conversation_id, head.seq + 1, str(claimed) if known else head.hash
        )
    seq = event["seq"]
    found = []
    if event["conversation_id"] != head.conversation_id:
        found.append((ProblemKind.FOREIGN, "conversation_id names another chain"))
    if "id" in event and event["id"] != document_id(head.conversation_id, seq):
        found.append((ProblemKind.FOREIGN, "the document's id does not fit chain and seq"))
    if seq > head.seq + 1:
        found.append((ProblemKind.GAP, f"{seq - head.seq - 1} events missing before it"))
    elif seq < head.seq + 1:
        found.append((ProblemKind.OUT_OF_ORDER, f"expected seq {head.seq + 1}"))
    if event["previous_hash"] != head.hash:
        found.append((ProblemKind.BROKEN_LINK, "previous_hash is not the hash of the event before"))
    if event["current_hash"] != chain_hash(event["previous_hash"], event["canonical"]):
        found.append((ProblemKind.EDITED, "current_hash is not the hash of what is stored"))
    if canonical_json({name: event[name] for name in HASHED_FIELDS}) != event["canonical"]:
        found.append((ProblemKind.EDITED, "the fields are not those that were hashed"))
    return found, Head(head.conversation_id, max(seq, head.seq), event["current_hash"])


def _malformed(event: Mapping[str, Any]) -> str:
    """Why the event cannot be an event at all; empty when it can."""
    for name, kind in (HASHED_FIELDS | dict.fromkeys(CHAIN_FIELDS, str)).items():
        if not isinstance(event.get(name), kind) or isinstance(event.get(name), bool):
            return f"{name} is missing or of the wrong type"
    if unknown := event.keys() - HASHED_FIELDS.keys() - CHAIN_FIELDS - {"id"}:
        return f"{len(unknown)} fields that an event does not have"
    if not (HASH.fullmatch(event["previous_hash"]) and HASH.fullmatch(event["current_hash"])):
        return "a hash is not 64 hex digits"
    try:
        canonical_json({name: event[name] for name in HASHED_FIELDS})
        event["canonical"].encode()
    except (TypeError, ValueError):
        return "a field holds what JSON cannot"
    return ""


def _seq_of(event: Mapping[str, Any]) -> int | None:
    seq = event.get("seq")
    return seq if isinstance(seq, int) else None
