"""What a person gets to read of their conversations."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from conversations.flows import FLOWS
from conversations.intents import Intent
from conversations.media import MediaReason, MediaStatus
from conversations.models import Conversation, Handoff, Message, Session
from conversations.stores import ConversationStore
from profiles.models import UserProfile
from pyloto.documents import Snapshot, get_store, read_all
from pyloto.documents.removal import owned_by
from pyloto.privacy import registry
from pyloto.privacy.access import in_words, label_of, plain, revealed, row_of
from pyloto.privacy.registry import AccessSection, Subject

from . import quarantine

conversations = ConversationStore()

# How the work is done, and says nothing about anybody: claims, versions, numbers in the order, keys of other documents.
HEADER_WORKINGS = ("attempt", "audit_head", "out_seq", "owner_epoch", "tenant_id")
MESSAGE_WORKINGS = (
    "claimed_at", "claimed_by", "correlation_id", "doubted_at", "due", "media_due", "owner_epoch", "phone_number_id",
    "provider", "provider_message_key", "resends", "seq", "tries", "turn_id",
)  # fmt: skip


INTENTS = {intent.value: intent.label for intent in Intent}
NAMES = {  # keys of what was collected, of queued intents and of the lead
    **INTENTS,
    **{field.name: field.label.lower() for flow in FLOWS.values() for field in flow.fields},
    **{name: label_of(UserProfile, name) for name in ("name", "city", "is_business", "business_name", "role")},
    "intent": "intenção", "at": "quando", "confidence": "confiança", "status": "situação", "explicit": "escolhida pelo cliente",
    "urgent": "com urgência", "decision_maker": "fala com quem decide", "opened": "iniciada", "outcome": "desfecho",
    "summary": "resumo",
}  # fmt: skip

ASKED_NAMES = {  # keys of the open question
    "field": "pergunta", "intent": "assunto", "menu": "menu", "next": "seguir com o próximo assunto", "misses": "não entendidas",
    "offered": "atendente oferecido", "last": "última resposta sobre", "unanswered": "perguntas sem resposta",
    "unsupported_said": "avisado do que não lemos", "refused": "pedidos fora do nosso assunto", "fact": "última informação dada",
}  # fmt: skip
FLOOD_NAMES = {
    "count": "vezes", "flooded_at": "última vez", "times": "horários das mensagens", "epoch": "época do responsável",
    "turns": "mensagens respondidas", "at": "quando", "text": "resumo criptográfico do texto",
}  # fmt: skip

FILE_NAMES = {
    "filename": "nome", "mime_type": "tipo", "size_bytes": "tamanho em bytes", "status": "situação", "reason": "motivo",
    "stored_at": "guardado em", "sha256": "SHA-256", "id": "identificador no WhatsApp", "voice": "mensagem de voz",
    "animated": "animada",
}  # fmt: skip

WITHHELD = (
    "Não reproduzido aqui: não se sabe por máquina se também fala de outras pessoas. Peça ao encarregado, que responde "
    "depois de ler a entrega."
)


def _conversation_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    for snapshot in get_store().get_many([conversations.path(key) for key in subject.user_keys]).values():
        row = row_of(Conversation.from_snapshot(snapshot), leave_out=HEADER_WORKINGS)
        yield row | {"contadores de excesso": in_words(row["contadores de excesso"], keys=FLOOD_NAMES)}


def _message_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    """Oldest first, conversation by conversation."""
    for user_key in subject.user_keys:
        newest_first = replace(
            conversations.messages_query(user_key), order_by=(("timestamp", "desc"), ("seq", "desc"))
        )
        yield from reversed([_message_row(Message.from_snapshot(found)) for found in read_all(newest_first)])


def _message_row(message: Message) -> dict[str, Any]:
    """With what is encrypted in it: Meta's id, the sender until the turn has copied them, and a type's own JSON."""
    payload = dict(message.payload)
    if "raw" in payload:
        payload["raw"] = _parsed(revealed(message, "payload.raw", payload["raw"]))
    row = row_of(message, reveal=("provider_message_id", "sender"), leave_out=(*MESSAGE_WORKINGS, "payload", "media"))
    sender = _parsed(revealed(message, "sender", message.sender)) if message.sender else {}
    return row | {
        "remetente": sender,
        "conteúdo": plain(payload),
        label_of(Message, "media"): _media_row(message.media),
        "intenção": INTENTS.get(message.intent or "", message.intent),
    }


def _media_row(media: dict[str, Any]) -> dict[str, Any]:
    """A file by what it is and what became of it, without the name under which it lies and the work of fetching it."""
    known = {label: media[name] for name, label in FILE_NAMES.items() if name in media}
    for name, codes in (("status", MediaStatus), ("reason", MediaReason)):
        if media.get(name) in codes.values:
            known[FILE_NAMES[name]] = codes(media[name]).label
    return dict(plain(known))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _session_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    found = map(Session.from_snapshot, _owned(Session.collection, subject))
    for session in sorted(found, key=lambda session: session.started_at):
        row = row_of(session, leave_out=("user_key", "conversation_id"))
        yield row | {
            "intenções": in_words(row["intenções"], keys=NAMES, codes=INTENTS),
            "anotadas": in_words(row["anotadas"], keys=NAMES, codes=INTENTS),
            "coletado": in_words(row["coletado"], keys=NAMES),
            "perguntado": in_words(row["perguntado"], keys=ASKED_NAMES, codes=NAMES),
        }


def _handoff_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    found = map(Handoff.from_snapshot, _owned(Handoff.collection, subject))
    for handoff in sorted(found, key=lambda handoff: handoff.opened_at):
        row = row_of(handoff, leave_out=("user_key", "conversation_id"))
        intents = ("intenção principal", "intenções detectadas", "intenções resolvidas", "intenções em aberto")
        yield (
            row
            | {name: in_words(row[name], keys=NAMES, codes=INTENTS) for name in intents}
            | {name: in_words(row[name], keys=NAMES) for name in ("lead", "requisitos")}
        )


def _quarantine_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    for entry in quarantine.find_naming(subject):
        row = row_of(entry, leave_out=("body", "file", "correlation_id"))
        yield row | {"conteúdo": quarantine.own_item(entry, subject) or WITHHELD}


def _owned(collection: str, subject: Subject) -> Iterator[Snapshot]:
    for user_key in subject.user_keys:
        yield from get_store().query(owned_by(collection, user_key))


registry.register(
    AccessSection("conversations.conversations", "Conversas", _conversation_rows),
    AccessSection(
        "conversations.messages",
        "Mensagens",
        _message_rows,
        note="Todas as mensagens guardadas, enviadas e recebidas. Imagens, áudios, vídeos e documentos estão aqui pelo tipo, "
        "nome e tamanho; os que guardamos, cifrados, são entregues à parte: peça ao encarregado.",
        columns=("hora no canal", "autor", "tipo", "texto"),
    ),
    AccessSection("conversations.sessions", "Sessões e o que foi coletado", _session_rows),
    AccessSection("conversations.handoffs", "Atendimentos por pessoas", _handoff_rows),
    AccessSection(
        "conversations.quarantine",
        "Entregas do WhatsApp que não puderam ser lidas",
        _quarantine_rows,
        note="Entregas guardadas por pouco tempo em que aparece um identificador seu. Só reproduzimos o que você enviou ou "
        "recebeu: as outras podem falar de outras pessoas.",
    ),
)
