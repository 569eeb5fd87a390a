"""What conversations keep about people: messages, sessions, handoffs, what could not be read, and traces in Redis."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.utils import timezone
from redis.exceptions import RedisError

from profiles.identifiers import Sender
from profiles.models import Erasure, UserProfile
from profiles.services import erasure
from profiles.services.subjects import subject_of
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import (
    Delete,
    NotFound,
    PreconditionFailed,
    Query,
    Snapshot,
    Update,
    get_store,
    read_all,
    read_pages,
)
from pyloto.documents.removal import delete_found, owned_by
from pyloto.errors import PylotoError, TransientError
from pyloto.observability.alerts import alert
from pyloto.privacy import registry
from pyloto.privacy.access import in_words, label_of, plain, revealed, row_of
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.identifying import names_person
from pyloto.privacy.registry import (
    AccessSection,
    Aged,
    EncryptedField,
    ErasureStep,
    IdentifierSource,
    Phase,
    RetentionRule,
    Subject,
)
from pyloto.privacy.removal import owned_step
from pyloto.redis_client import get_redis

from .flows import FLOWS
from .intents import Intent
from .models import Conversation, Direction, Handoff, Message, MessageState, Mode, Quarantined, Session
from .outbox import is_echo
from .pacing import pair_key
from .stores import QUARANTINE_FOLDER, ConversationStore, HandoffStore, QuarantineStore
from .turn_lock import keys_of

conversations = ConversationStore()
quarantine = QuarantineStore()
profiles = UserProfileStore()

OPEN_PAGE = 200

# --- erasure ----------------------------------------------------------------------------------------------------------


def _stop_outbox(subject: Subject) -> int:
    """Nothing of it is sent any more; what a worker is sending right now may still arrive."""
    paths = _unsent(subject)
    get_store().commit([Delete(path) for path in paths])
    return len(paths)


def _unsent(subject: Subject) -> list[str]:
    return [
        item.path
        for user_key in subject.user_keys
        for item in conversations.open_items(user_key, limit=OPEN_PAGE)
        if item.direction == Direction.OUT and not is_echo(item)
    ]


def _erase_messages(subject: Subject) -> int:
    """All but what came in later and waits: a worker moves that to the new customer it belongs to."""
    return sum(delete_found(query, keep=lambda found: came_later(found, subject)) for query in _messages(subject))


def _count_messages(subject: Subject) -> int:
    waiting = (item for user_key in subject.user_keys for item in conversations.open_items(user_key, limit=OPEN_PAGE))
    later = sum(is_later(item, subject) for item in waiting)
    return max(sum(get_store().count(query) for query in _messages(subject)) - later, 0)


def _messages(subject: Subject) -> list[Query]:
    return [Query(f"{conversations.path(user_key)}/{Message.collection}") for user_key in subject.user_keys]


def came_later(snapshot: Snapshot, subject: Subject) -> bool:
    return is_later(Message.from_snapshot(snapshot), subject)


def is_later(message: Message, subject: Subject) -> bool:
    """Whether it came in after its customer had asked to be erased, through a process that did not know yet."""
    return (
        subject.asked_at is not None
        and message.state == MessageState.RECEIVED
        and message.received_at > subject.asked_at
    )


def _erase_quarantine(subject: Subject) -> int:
    erased = 0
    for entry in _quarantined(subject):
        if entry.file:
            default_storage.delete(entry.file)  # before the document that names it; a missing file is no error
        get_store().delete(entry.path)
        erased += 1
    for file in _left_over(subject):
        default_storage.delete(file)
        erased += 1
    return erased


def _count_quarantine(subject: Subject) -> int:
    return sum(1 for _ in _quarantined(subject)) + sum(1 for _ in _left_over(subject))


def _left_over(subject: Subject) -> Iterator[str]:
    """Files that no document names, such as those of a rotation of keys that was killed, with the person in them."""
    try:
        names = default_storage.listdir(QUARANTINE_FOLDER)[1]
    except FileNotFoundError:
        return
    for name in names:
        entry = quarantine.find(name.partition(".")[0])
        file = f"{QUARANTINE_FOLDER}/{name}"
        if entry is not None and entry.file == file:
            continue
        unnamed = Quarantined(id=name.partition(".")[0], file=file)
        unnamed.path = quarantine.path(unnamed.pk)
        try:
            body = _body_of(unnamed)
        except DecryptionFailed:
            alert("quarantine_unreadable", quarantine_id=unnamed.pk)
            continue
        if names_person(body, subject.identifiers):
            yield file


def _quarantined(subject: Subject) -> Iterator[Quarantined]:
    """The deliveries in whose bytes one of the person's identifiers stands: all are read for that."""
    for entry in quarantine.iterate():
        if subject.asked_at is not None and entry.received_at > subject.asked_at:
            continue  # of whoever they are by now
        try:
            body = _body_of(entry)
        except DecryptionFailed:
            alert("quarantine_unreadable", quarantine_id=entry.pk)
            continue
        if names_person(body, subject.identifiers):
            yield entry


def _body_of(entry: Quarantined) -> str:
    """The plain text; empty where its file is gone. Raises `DecryptionFailed`."""
    envelope = entry.body
    if entry.file:
        try:
            with default_storage.open(entry.file) as file:
                envelope = file.read().decode()
        except FileNotFoundError:
            return ""
    return decrypt(envelope, path=entry.path, field="body") if envelope else ""


class RedisUnavailable(TransientError):
    """Nobody knows what it holds."""


def _forget_in_redis(subject: Subject) -> int:
    try:
        return int(get_redis().delete(*_redis_keys(subject)))
    except RedisError as exc:
        raise RedisUnavailable("Redis did not answer") from exc


def _count_in_redis(subject: Subject) -> int:
    try:
        return int(get_redis().exists(*_redis_keys(subject)))
    except RedisError as exc:
        raise RedisUnavailable("Redis did not answer") from exc


def _redis_keys(subject: Subject) -> list[str]:
    """Locks, counters and flags under the person's random keys."""
    return [key for user_key in subject.user_keys for key in (*keys_of(user_key), pair_key(user_key))]


registry.register(
    ErasureStep(
        "conversations.outbox", "Mensagens que esperavam para sair", Phase.STOP, _stop_outbox, lambda s: len(_unsent(s))
    ),
    ErasureStep(
        "conversations.quarantine",
        "Entregas em quarentena, com seus arquivos",
        Phase.FILES,
        _erase_quarantine,
        _count_quarantine,
    ),
    ErasureStep(
        "conversations.messages",
        "Mensagens, também as que esperavam para sair",
        Phase.DOCUMENTS,
        _erase_messages,
        _count_messages,
    ),
    owned_step("conversations.sessions", "Sessões", Session.collection),
    owned_step("conversations.handoffs", "Atendimentos humanos", Handoff.collection),
    ErasureStep("conversations.redis", "Marcas de processamento", Phase.CACHES, _forget_in_redis, _count_in_redis),
)


# --- access -----------------------------------------------------------------------------------------------------------
# How the work is done, and says nothing about anybody: claims, versions, numbers in the order, keys of other documents.
HEADER_WORKINGS = ("attempt", "audit_head", "out_seq", "owner_epoch", "tenant_id")
MESSAGE_WORKINGS = (
    "claimed_at", "claimed_by", "correlation_id", "due", "owner_epoch", "phone_number_id", "provider",
    "provider_message_key", "resends", "seq", "tries", "turn_id",
)  # fmt: skip


INTENTS = {intent.value: intent.label for intent in Intent}
NAMES = {  # keys of what was collected, of queued intents and of the lead
    **INTENTS,
    **{field.name: field.label.lower() for flow in FLOWS.values() for field in flow.fields},
    **{name: label_of(UserProfile, name) for name in ("name", "city", "is_business", "business_name", "role")},
    "intent": "intenção", "at": "quando", "confidence": "confiança", "status": "situação", "explicit": "escolhida pelo cliente",
}  # fmt: skip


def _conversation_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    for snapshot in get_store().get_many([conversations.path(key) for key in subject.user_keys]).values():
        yield row_of(Conversation.from_snapshot(snapshot), leave_out=HEADER_WORKINGS)


def _message_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    """Oldest first, conversation by conversation."""
    for query in _messages(subject):
        newest_first = replace(query, order_by=(("timestamp", "desc"), ("seq", "desc")))
        yield from reversed([_message_row(Message.from_snapshot(found)) for found in read_all(newest_first)])


def _message_row(message: Message) -> dict[str, Any]:
    """With what is encrypted in it: Meta's id, the sender until the turn has copied them, and a type's own JSON."""
    payload = dict(message.payload)
    if "raw" in payload:
        payload["raw"] = _parsed(revealed(message, "payload.raw", payload["raw"]))
    row = row_of(message, reveal=("provider_message_id", "sender"), leave_out=(*MESSAGE_WORKINGS, "payload"))
    sender = _parsed(revealed(message, "sender", message.sender)) if message.sender else {}
    return row | {
        "remetente": sender,
        "conteúdo": plain(payload),
        "intenção": INTENTS.get(message.intent or "", message.intent),
    }


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
            "coletado": in_words(row["coletado"], keys=NAMES),
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


def _owned(collection: str, subject: Subject) -> Iterator[Snapshot]:
    for user_key in subject.user_keys:
        yield from get_store().query(owned_by(collection, user_key))


registry.register(
    AccessSection("conversations.conversations", "Conversas", _conversation_rows),
    AccessSection(
        "conversations.messages",
        "Mensagens",
        _message_rows,
        note="Todas as mensagens guardadas, enviadas e recebidas. Imagens, áudios e outros arquivos não são guardados por "
        "nós: só o tipo, o nome e o identificador no WhatsApp.",
        columns=("hora no canal", "autor", "tipo", "texto"),
    ),
    AccessSection("conversations.sessions", "Sessões e o que foi coletado", _session_rows),
    AccessSection("conversations.handoffs", "Atendimentos por pessoas", _handoff_rows),
)

# --- retention --------------------------------------------------------------------------------------------------------
QUARANTINE_PAGE = 20  # a body has up to 700 KB


def _old_messages(cutoff: datetime) -> Iterator[Aged]:
    """By the time of receipt, which is ours; without those that wait to be answered or sent."""
    for snapshot in read_all(Query(Message.collection, where=(("received_at", "<=", cutoff),), group=True)):
        if not snapshot.data.get("due"):
            yield Aged((snapshot.path,), snapshot.path.split("/")[1], snapshot.data["received_at"])


def _remove_messages(batch: Sequence[Aged]) -> int:
    """What hangs on them goes first: killed in between, the messages are found again."""
    newest = max(aged.at for aged in batch if aged.at)
    user_keys = sorted({aged.user_key for aged in batch})
    headers = get_store().get_many([conversations.path(user_key) for user_key in user_keys])
    _forget_strangers([key for key in user_keys if conversations.path(key) not in headers], batch)
    for snapshot in headers.values():
        header = Conversation.from_snapshot(snapshot)
        if header.last_message_preview and header.last_message_at and header.last_message_at <= newest:
            with suppress(PreconditionFailed, NotFound):  # somebody writes: then it is another preview
                change = Update(header.path, {"last_message_preview": ""}, last_update_time=header.update_time)
                get_store().commit([change])
    get_store().commit([Delete(path) for aged in batch for path in aged.paths])
    return len(batch)


def _forget_strangers(user_keys: Sequence[str], batch: Sequence[Aged]) -> None:
    """Who wrote in groups only, or never had an answer, is known by messages alone: their identifiers go with the last."""
    known = profiles.find_many(user_keys)
    going = {path for aged in batch for path in aged.paths}
    for user_key in user_keys:
        if user_key in known:
            continue
        messages = Query(f"{conversations.path(user_key)}/{Message.collection}")
        if all(snapshot.path in going for snapshot in read_all(messages)):
            with suppress(PreconditionFailed, NotFound):
                get_store().commit(IdentityStore().deletes_of(user_key))


def _old_sessions(cutoff: datetime) -> Iterator[Aged]:
    """Each with its handoff; where that is still open, or was until after the cutoff, both stay."""
    for page in read_pages(Query(Session.collection, where=(("closed_at", "<=", cutoff),))):
        paths = {snapshot.path: HandoffStore.path(snapshot.id) for snapshot in page}
        handoffs = get_store().get_many(list(paths.values()))
        for snapshot in page:
            found = handoffs.get(paths[snapshot.path])
            if found is None or _is_over(Handoff.from_snapshot(found), cutoff):
                together = (snapshot.path, found.path) if found else (snapshot.path,)
                yield Aged(together, snapshot.data.get("user_key", ""), snapshot.data["closed_at"])


def _is_over(handoff: Handoff, cutoff: datetime) -> bool:
    return (
        handoff.status == Handoff.Status.RESOLVED and handoff.resolved_at is not None and handoff.resolved_at <= cutoff
    )


def _old_quarantine(cutoff: datetime) -> Iterator[Aged]:
    """Nobody knows whose they are, so that no hold keeps them."""
    query = Query(Quarantined.collection, where=(("received_at", "<=", cutoff),))
    for snapshot in read_all(query, page=QUARANTINE_PAGE):
        yield Aged((snapshot.path,), at=snapshot.data["received_at"])


def _remove_quarantine(batch: Sequence[Aged]) -> int:
    for path, snapshot in get_store().get_many([path for aged in batch for path in aged.paths]).items():
        if file := snapshot.data.get("file"):
            default_storage.delete(file)  # before the document that names it; a missing file is no error
        get_store().delete(path)
    return len(batch)


def _silent_customers(cutoff: datetime) -> Iterator[Aged]:
    """People with whom nobody has spoken since: no message, nothing open, under none of their keys."""
    for profile in profiles.find_silent(cutoff):
        subject = subject_of(profile.pk)
        if subject.user_keys[0] == profile.pk and not _is_in_touch(subject, cutoff):
            yield Aged((profile.path,), profile.pk, profile.last_interaction)


def _is_in_touch(subject: Subject, cutoff: datetime) -> bool:
    """Also where they are being erased already: others see to that."""
    heard = [profile.last_interaction for profile in profiles.find_many(subject.user_keys).values()]
    found = get_store().get_many([conversations.path(user_key) for user_key in subject.user_keys])
    headers = [Conversation.from_snapshot(snapshot) for snapshot in found.values()]
    spoken = [header.last_message_at for header in headers if header.last_message_at]
    return (
        any(at > cutoff for at in (*heard, *spoken))
        or any(header.status == Conversation.Status.ERASED or header.mode != Mode.BOT for header in headers)
        or any(conversations.open_items(user_key, limit=1) for user_key in subject.user_keys)
    )


def _erase_customers(batch: Sequence[Aged]) -> int:
    """Begin each erasure; the job that goes on with unfinished ones does the rest. One that fails is found tomorrow."""
    begun = 0
    for aged in batch:
        try:
            erasure.begin(user_key=aged.user_key, reason=Erasure.Reason.RETENTION, actor="SYSTEM", now=timezone.now())
        except PylotoError as exc:
            alert("retention_erasure_failed", user_key=aged.user_key, error=type(exc).__name__)
            continue
        begun += 1
    return begun


registry.register(
    RetentionRule(
        "conversations.customers",
        "Todos os dados de quem não fala conosco",
        "RETENTION_CUSTOMERS_DAYS",
        _silent_customers,
        remove=_erase_customers,
        batch=10,
    ),
    RetentionRule(
        "conversations.messages", "Mensagens", "RETENTION_MESSAGES_DAYS", _old_messages, remove=_remove_messages
    ),
    RetentionRule(
        "conversations.sessions", "Sessões, dados coletados e atendimentos", "RETENTION_SESSIONS_DAYS", _old_sessions
    ),
    RetentionRule(
        "conversations.quarantine",
        "Entregas que não puderam ser lidas",
        "RETENTION_QUARANTINE_DAYS",
        _old_quarantine,
        remove=_remove_quarantine,
        batch=QUARANTINE_PAGE,
    ),
)


# --- keys -------------------------------------------------------------------------------------------------------------
def _waiting() -> Query:
    """Messages that no turn has brought into a profile yet; each is due within seconds."""
    return conversations.due_query(timezone.now() + timedelta(days=1))


def _sent_by(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    envelope = snapshot.data.get("sender")
    if envelope:
        sender = Sender.from_json(decrypt(envelope, path=snapshot.path, field="sender"))
        yield from sender.identifiers()
        yield from sender.renewed().identifiers()


registry.register(
    EncryptedField(Message.collection, "sender", group=True),
    EncryptedField(Message.collection, "provider_message_id", group=True),
    EncryptedField(Message.collection, "payload.raw", group=True),
    EncryptedField(Quarantined.collection, "body", file="file", folder=QUARANTINE_FOLDER),
    IdentifierSource(Message.collection, _waiting, _sent_by, conversations.open_query),
)
