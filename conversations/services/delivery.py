"""Sending what is in the outbox: claim, POST, record. One conversation, one message after the other."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from audit import Event, EventType, event_id
from conversations import outbox
from conversations.doorbell import status_seen_at
from conversations.models import Conversation, Direction, Message, MessageState
from conversations.services.commits import header_writes
from conversations.stores import ConversationStore, Loaded, due, load
from conversations.whatsapp.client import Accepted, Recipient, Rejected, SendResult, WhatsAppOutboundClient
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.messages import InvalidMessage, content_from_document
from conversations.whatsapp.split import provider_key
from profiles.models import UserProfile
from profiles.services import profiles, revealed
from pyloto.documents import DELETE_FIELD, Unavailable, Update, get_store
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import encrypt

log = structlog.get_logger(__name__)
conversations = ConversationStore()

OPEN_ITEMS_MAX = 200
STEPS_MAX = 100  # a run that has sent this much lets another one go on
RECORD_TRIES = 3


@dataclass
class Run:
    """One run of a worker on one conversation. Only messages claimed by its own `attempt` may be posted, and once."""

    user_key: str
    attempt: str
    client: WhatsAppOutboundClient
    posted: set[str] = field(default_factory=set)
    tries: int = 0  # which try of the conversation's turn this is; 0 until a turn began

    @property
    def patience(self) -> outbox.Patience:
        return outbox.Patience(stale=settings.OUTBOX_STALE_SECONDS, unknown=settings.OUTBOX_UNKNOWN_SECONDS)


def work_outbox(run: Run) -> datetime | None:
    """Send what may be sent now, in order; return when something will be due, None when nothing waits."""
    for _ in range(STEPS_MAX):
        message = _next_outbound(run)
        if message is None:
            return None
        loaded = load(run.user_key, [profiles.path(run.user_key)])
        if loaded.header is None:  # an outbound message without conversation: nothing to fence it with
            alert("outbox_without_header", message_key=message.pk)
            return None
        now = timezone.now()
        step: outbox.Step | None = outbox.next_step(
            message,
            now=now,
            attempt=run.attempt,
            patience=run.patience,
            status_seen_at=status_seen_at(message.phone_number_id),
        )
        resend = isinstance(step, outbox.Claim) and step.resend
        if isinstance(step, outbox.Claim):
            step = outbox.may_claim(message, loaded.header, now=now, bot_paused=loaded.bot_paused)
            if step is None:
                claim(run, loaded.header, message, resend=resend, now=now)
                step = outbox.Post()
        match step:
            case outbox.Wait(until=until):
                return until
            case outbox.Post() if message.pk in run.posted:  # its outcome could not be recorded: it turns stale
                return (message.claimed_at or now) + run.patience.stale
            case outbox.Post():
                post(run, message, recipient_of(loaded))
            case outbox.Settle():
                settle(run, loaded.header, message, step, now=now)
    return timezone.now()


def _next_outbound(run: Run) -> Message | None:
    items = conversations.open_items(run.user_key, limit=OPEN_ITEMS_MAX)
    return min((item for item in items if item.direction == Direction.OUT), key=lambda item: item.seq, default=None)


def recipient_of(loaded: Loaded) -> Recipient:
    """Where the customer is reached: the number exactly as WhatsApp sent it, else the business-scoped id."""
    assert loaded.header is not None
    snapshot = loaded.snapshots.get(profiles.path(loaded.header.pk))
    profile = UserProfile.from_snapshot(snapshot) if snapshot else None
    return Recipient(wa_id=revealed(profile, "wa_id"), bsuid=revealed(profile, "bsuid"))


def claim(run: Run, header: Conversation, message: Message, *, resend: bool, now: datetime) -> None:
    """Take a message for this run, in one commit with the header. Raises what the store raises for a lost race."""
    fields = {
        "state": MessageState.SENDING.value,
        "claimed_by": run.attempt,
        "claimed_at": now,
        "tries": message.tries + 1,
        "resends": message.resends + resend,
        "due": due(message.pk, now + run.patience.stale),
    }
    run.posted.discard(message.pk)  # an earlier send of it was refused: this claim is for another one
    path = conversations.message_path(run.user_key, message.pk)
    writes = header_writes(header, {}, events=(), attempt=run.attempt, now=now)
    get_store().commit([*writes, Update(path, fields)])
    for name, value in fields.items():
        setattr(message, name, value)


def post(run: Run, message: Message, recipient: Recipient) -> None:
    """Send a message that this run has claimed, and record what became of it."""
    run.posted.add(message.pk)
    result = _send(run, message, recipient)
    now = timezone.now()
    log.info(
        "message_sent" if isinstance(result, Accepted) else "message_not_sent",
        message_key=message.pk,
        result=type(result).__name__,
        code=result.code if isinstance(result, Rejected) else None,
        correlation_id=message.correlation_id,
    )
    if isinstance(result, Accepted):
        _record_sent(run, message, result)
        return
    step = outbox.after_send(message, result, now=now, patience=run.patience)
    header = conversations.get_header(run.user_key)
    settle(run, header, message, step, now=now)


def _send(run: Run, message: Message, recipient: Recipient) -> SendResult:
    try:
        content = content_from_document(message.type, message.text, message.payload)
        return run.client.send_response(
            phone_number_id=message.phone_number_id,
            recipient=recipient,
            content=content,
            callback_data=f"{run.user_key}.{message.pk}",
        )
    except (InvalidMessage, ValueError) as exc:  # nothing was sent, and never will be
        alert("message_cannot_be_sent", message_key=message.pk, error=type(exc).__name__)
        return Rejected(code=0, error_class=ErrorClass.PERMANENT)


def _record_sent(run: Run, message: Message, result: Accepted) -> None:
    """Without the header: nothing about the conversation changes, and statuses write the same fields.

    Where the store does not answer, the message stays SENDING, turns stale, and its status tells that it was sent.
    """
    path = conversations.message_path(run.user_key, message.pk)
    fields = {
        "state": MessageState.SENT.value,
        "due": DELETE_FIELD,
        "provider_message_id": encrypt(result.provider_message_id, path=path, field="provider_message_id"),
        "provider_message_key": provider_key(result.provider_message_id),
    }
    for _ in range(RECORD_TRIES):
        try:
            get_store().update(path, fields)
            return
        except Unavailable:
            log.warning("send_not_recorded", message_key=message.pk)


def settle(run: Run, header: Conversation, message: Message, step: outbox.Settle, *, now: datetime) -> None:
    """Write a change of a message's state, with its audit event. Raises what the store raises for a lost race."""
    if step.alert:
        alert(step.alert, message_key=message.pk)
    fields = {
        "state": step.state.value,
        "due": due(message.pk, step.due_at) if step.due_at else DELETE_FIELD,
    } | ({"errors": step.errors} if step.errors else {})
    events = []
    if step.event:
        codes = [error["code"] for error in step.errors]
        metadata = {"message_key": message.pk, "reason": step.reason, "codes": codes, "try": message.tries}
        key = event_id(message.pk, step.event, str(message.tries), step.state)
        events = [Event(key, EventType(step.event), "PYLOTO", now, {}, metadata, message.correlation_id)]
    path = conversations.message_path(run.user_key, message.pk)
    writes = header_writes(header, {}, events=events, attempt=run.attempt, now=now)
    get_store().commit([*writes, Update(path, fields)])


def seconds_until(at: datetime | None) -> timedelta | None:
    """How long until then, never negative; None stays None."""
    return max(at - timezone.now(), timedelta(0)) if at else None
