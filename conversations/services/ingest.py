"""From the bytes of a delivery to durable documents: what the webhook does before it answers 200."""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from conversations.dedupe import DedupeStore, Reservation
from conversations.media import MEDIA_TYPES, MediaStatus, first_state
from conversations.models import Actor, Direction, Message, MessageState, Quarantined
from conversations.stores import QUARANTINE_FOLDER, ConversationStore, QuarantineStore, due, write_results
from conversations.whatsapp.signature import Undecodable, decode_delivery
from conversations.whatsapp.split import (
    TOO_MANY_UNREADABLE,
    InboundItem,
    InboundMessage,
    ProviderError,
    StatusUpdate,
    Unreadable,
    provider_key,
    split_delivery,
)
from profiles.services.resolution import Resolved, resolve_senders
from pyloto.documents import Create, Update, get_store
from pyloto.errors import TransientError
from pyloto.failpoints import failpoint
from pyloto.observability.alerts import alert
from pyloto.observability.metrics import STATUSES_UNMATCHED
from pyloto.privacy.fields import encrypt
from pyloto.privacy.hashing import digest

log = structlog.get_logger(__name__)
conversations = ConversationStore()
quarantine = QuarantineStore()

QUARANTINE_INLINE_MAX = 700_000  # characters; a document holds 1 MiB
UNREADABLE_MAX = 1000  # in one delivery, as many as Meta puts into one; 3 MB hold a million tiny ones
SENT = "sent"  # of the moment of a send; an older message is delivered, read or given up at any time
SWEEP_AFTER = timedelta(seconds=15)  # a message that nobody was rung for is found by the sweeper after this


class DuplicateInFlight(TransientError):
    """Another request is storing the same message: only its success may be answered 200."""


@dataclass
class Receipt:
    """What became of one delivery. `rings` holds how long each conversation's worker shall wait."""

    items: int = 0
    stored: int = 0
    duplicates: int = 0
    unreadable: int = 0
    unmatched: int = 0  # statuses of messages that are not here
    by_type: Counter[str] = field(default_factory=Counter)
    rings: dict[str, timedelta] = field(default_factory=dict)
    files: list[tuple[str, str]] = field(default_factory=list)  # (user_key, message_key) of those to be fetched
    statuses_seen: dict[str, datetime] = field(default_factory=dict)  # {phone_number_id: newest send that one tells of}


def receive_delivery(body: bytes, *, dedupe: DedupeStore, received_at: datetime, correlation_id: str) -> Receipt:
    """Store all that a signed delivery holds. On return everything is durable and marked as done.

    Raises `TransientError` (the store or the dedupe store did not answer, or a duplicate is in flight): nothing may
    be answered 200 then, Meta will send it again.
    """
    try:
        envelope = decode_delivery(body)
    except Undecodable as exc:
        return _quarantine_body(body, str(exc), received_at=received_at, correlation_id=correlation_id)
    items = items_of(envelope)
    keys = sorted({provider_key(item.wamid) for item in items if isinstance(item, InboundMessage)})
    token = secrets.token_hex(8)
    states = dedupe.reserve(keys, token) if keys else {}
    try:
        done = _done(states)
        receipt = store_items(items, done=done, received_at=received_at, correlation_id=correlation_id)
    except BaseException:
        with suppress(TransientError):  # the marks expire by themselves
            dedupe.release([key for key, state in states.items() if state is Reservation.NEW], token)
        raise
    failpoint("ingest.after_commit", *keys)
    new = [key for key in keys if key not in done]
    if new:
        dedupe.mark_many(new)
    return receipt


def _done(states: Mapping[str, Reservation]) -> set[str]:
    if Reservation.IN_FLIGHT in states.values():
        raise DuplicateInFlight("a message of this delivery is being stored by another request")
    return {key for key, state in states.items() if state is Reservation.DONE}


def replay_delivery(envelope: Any, *, received_at: datetime, correlation_id: str) -> Receipt:
    """Store what a kept envelope holds, without dedupe marks: what is stored already meets its own documents.

    Raises `TransientError` where not everything is durable; a second try does no harm.
    """
    return store_items(items_of(envelope), received_at=received_at, correlation_id=correlation_id)


def items_of(envelope: Any) -> list[InboundItem]:
    """What stands in it; what cannot be read once each, and where that is still too much, all of it as one."""
    items: list[InboundItem] = []
    unreadable: set[Unreadable] = set()
    for item in split_delivery(envelope, our_numbers=settings.WHATSAPP_PHONE_NUMBER_IDS):
        if not isinstance(item, Unreadable):
            items.append(item)
        elif len(unreadable) <= UNREADABLE_MAX:
            unreadable.add(item)
    if len(unreadable) > UNREADABLE_MAX:
        unreadable = {Unreadable(TOO_MANY_UNREADABLE, json.dumps(envelope))}
    return [*items, *unreadable]


def store_items(
    items: Sequence[InboundItem], *, done: Collection[str] = (), received_at: datetime, correlation_id: str
) -> Receipt:
    """Write all items in one `write_many`. `done` holds the keys of messages known to be stored already."""
    receipt = Receipt(items=len(items), by_type=Counter(map(_kind, items)))
    messages: dict[str, InboundMessage] = {}
    for item in items:
        if isinstance(item, ProviderError):
            alert("whatsapp_provider_error", code=item.code)
        elif isinstance(item, InboundMessage):
            key = provider_key(item.wamid)
            if key in done or key in messages:
                receipt.duplicates += 1
            else:
                messages[key] = item
    resolved = resolve_senders([message.sender for message in messages.values()], now=received_at) if messages else []
    writes: dict[str, Create | Update] = {}
    owners: dict[str, tuple[str, InboundMessage]] = {}
    for position, ((key, message), owner) in enumerate(zip(messages.items(), resolved, strict=True)):
        path = conversations.message_path(owner.user_key, key)
        writes[path] = Create(path, _document(key, path, message, owner, position, received_at, correlation_id))
        owners[path] = (owner.user_key, message)
    statuses = [item for item in items if isinstance(item, StatusUpdate)]
    for update in _status_updates(statuses, receipt, received_at):
        writes[update.path] = update
    for item in items:
        if isinstance(item, Unreadable):
            create = _quarantined(
                item.raw,
                item.reason,
                phone_number_id=item.phone_number_id,
                received_at=received_at,
                correlation_id=correlation_id,
            )
            writes[create.path] = create
            receipt.unreadable += 1
    failpoint("ingest.before_commit", *messages)
    existing = []
    for written in write_results(list(writes.values())) if writes else ():
        if written.path in owners:
            _count(receipt, *owners[written.path], created=written.created)
            existing += [] if written.created else [written.path]
        elif written.missing:
            receipt.unmatched += 1
    _ring_for_waiting(receipt, existing)
    STATUSES_UNMATCHED.inc(receipt.unmatched)
    log.info(
        "delivery_stored",
        items=receipt.items,
        stored=receipt.stored,
        duplicates=receipt.duplicates,
        unreadable=receipt.unreadable,
        unmatched=receipt.unmatched,
        conversations=len(receipt.rings),
    )
    return receipt


def _count(receipt: Receipt, user_key: str, message: InboundMessage, *, created: bool) -> None:
    if not created:
        receipt.duplicates += 1
        return
    receipt.stored += 1
    if message.context.get("group"):
        return
    if _media(message).get("status") == MediaStatus.PENDING:
        receipt.files.append((user_key, provider_key(message.wamid)))
    wait = timedelta(0) if message.is_tap or message.echo else settings.TURN_QUIET_SECONDS
    receipt.rings[user_key] = min(wait, receipt.rings.get(user_key, wait))


def _ring_for_waiting(receipt: Receipt, paths: Sequence[str]) -> None:
    """Messages that stood there already and that nobody has answered: their ring was lost, or our own write came twice
    and met itself. The sweeper would find them too, later."""
    if not paths:
        return
    with suppress(TransientError):
        for path, snapshot in get_store().get_many(paths).items():
            if snapshot.data.get("state") == MessageState.RECEIVED and snapshot.data.get("due"):
                receipt.rings.setdefault(path.split("/")[1], settings.TURN_QUIET_SECONDS)


def _media(message: InboundMessage) -> dict[str, Any]:
    """What is told of a file, and that it is to be fetched. What was said in a group is kept, and nothing more."""
    if message.type not in MEDIA_TYPES or message.context.get("group"):
        return message.media
    return first_state(message.media)


def _kind(item: InboundItem) -> str:
    match item:
        case InboundMessage(echo=True):
            return "echo"
        case InboundMessage():
            return item.type
        case StatusUpdate():
            return "status"
        case ProviderError():
            return "error"
        case Unreadable():
            return "unreadable"


def _document(
    key: str,
    path: str,
    message: InboundMessage,
    owner: Resolved,
    position: int,
    received_at: datetime,
    correlation_id: str,
) -> dict[str, Any]:
    """One message with all that is needed to process it: nothing else is written for it.

    An echo is the owner's own message: a worker finds out whether it is a takeover. A group's message is only kept.
    """
    waits = not message.context.get("group")
    media = _media(message)
    payload = dict(message.payload)
    if message.raw:
        payload["raw"] = encrypt(message.raw, path=path, field="payload.raw")
    document = Message(
        id=key,
        provider_message_id=encrypt(message.wamid, path=path, field="provider_message_id"),
        provider_message_key=key,
        phone_number_id=message.phone_number_id,
        # Nothing of a group becomes a turn, whose commit would delete the sender.
        sender=None if message.context.get("group") else encrypt(owner.sender.to_json(), path=path, field="sender"),
        direction=Direction.OUT if message.echo else Direction.IN,
        actor=Actor.HUMAN if message.echo else Actor.USER,
        type=message.type,
        text=message.text,
        payload=payload,
        timestamp=message.timestamp,
        received_at=received_at,
        seq=int(received_at.timestamp() * 1_000_000) + position,
        state=MessageState.RECEIVED if waits else MessageState.HANDLED,
        due=due(key, received_at + SWEEP_AFTER) if waits else None,
        status_at={"sent": message.timestamp} if message.echo else {},
        context=message.context,
        media=media,
        media_due=due(key, received_at) if media.get("status") == MediaStatus.PENDING else None,
        correlation_id=correlation_id,
    )
    return document.to_document()


def _status_updates(statuses: Sequence[StatusUpdate], receipt: Receipt, received_at: datetime) -> list[Update]:
    """One update for each message, all its statuses of this delivery merged. `state` belongs to the workers: one of them
    looks at what was not delivered.
    """
    unnamed = {provider_key(status.wamid) for status in statuses if _named_path(status) is None}
    found = conversations.find_by_provider_keys(sorted(unnamed)) if unnamed else {}
    fields_by_path: dict[str, dict[str, Any]] = {}
    for status in statuses:
        if status.status == SENT:
            seen = receipt.statuses_seen.get(status.phone_number_id)
            receipt.statuses_seen[status.phone_number_id] = max(status.timestamp, seen or status.timestamp)
        key = provider_key(status.wamid)
        path = _named_path(status) or found.get(key)
        if path is None:
            receipt.unmatched += 1
            continue
        fields = fields_by_path.setdefault(path, {})
        fields[f"status_at.{status.status}"] = status.timestamp
        fields["provider_message_id"] = encrypt(status.wamid, path=path, field="provider_message_id")
        fields["provider_message_key"] = key
        if status.errors:
            fields["errors"] = list(status.errors)
        if status.status == "failed" and path == _named_path(status):
            user_key, _, message_key = status.callback_data.partition(".")
            fields["due"] = due(message_key, received_at)
            receipt.rings.setdefault(user_key, timedelta(0))
    return [Update(path, fields) for path, fields in fields_by_path.items()]


def _named_path(status: StatusUpdate) -> str | None:
    """The message a status is about, by our own id that came back with it; others are looked up by Meta's id."""
    user_key, _, message_key = status.callback_data.partition(".")
    if _is_hex(user_key, 32) and _is_hex(message_key, 40):
        return conversations.message_path(user_key, message_key)
    return None


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not text.strip("0123456789abcdef")


def _quarantine_body(body: bytes, reason: str, *, received_at: datetime, correlation_id: str) -> Receipt:
    raw = body.decode("utf-8", "surrogateescape")  # the very bytes come back with the same handler
    write_results([_quarantined(raw, reason, received_at=received_at, correlation_id=correlation_id)])
    return Receipt(items=1, unreadable=1, by_type=Counter({"unreadable": 1}))


def quarantine_id_of(raw: str) -> str:
    return digest("quarantine", raw)


def _quarantined(
    raw: str, reason: str, *, received_at: datetime, correlation_id: str, phone_number_id: str = ""
) -> Create:
    """The write that keeps what could not be understood, encrypted; what is too large for a document goes to storage."""
    quarantine_id = quarantine_id_of(raw)
    path = quarantine.path(quarantine_id)
    body = encrypt(raw, path=path, field="body")
    file = ""
    if len(body) > QUARANTINE_INLINE_MAX:
        file = f"{QUARANTINE_FOLDER}/{quarantine_id}"
        _store_file(file, body.encode())
        body = ""
    alert("webhook_quarantined", reason=reason, quarantine_id=quarantine_id)
    return quarantine.create(
        Quarantined(
            id=quarantine_id,
            body=body,
            file=file,
            size_bytes=len(raw.encode("utf-8", "surrogateescape")),
            reason=reason,
            phone_number_id=phone_number_id,
            correlation_id=correlation_id,
            received_at=received_at,
        )
    )


def _store_file(name: str, content: bytes) -> None:
    """Under exactly this name: a retry finds the file of the first try, unless that one broke off in its middle."""
    if default_storage.exists(name):
        if default_storage.size(name) == len(content):
            return
        default_storage.delete(name)
    default_storage.save(name, ContentFile(content))
