"""The state machine of an outbound message. Pure: message, clock and evidence in, the next step out.

    QUEUED → SENDING → SENT, or FAILED, CANCELLED, UNKNOWN, NEEDS_HUMAN

A claim is written before the POST, so a message found in SENDING may have left: it becomes UNKNOWN and waits for its
status, it is never simply sent again.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from audit import EventType

from .models import Actor, Conversation, Direction, Message, MessageState, Mode
from .whatsapp.client import Accepted, Ambiguous, NotSent, Rejected, SendResult
from .whatsapp.errors import ErrorClass

WINDOW = timedelta(hours=24)  # Meta: free-form messages only within 24 h of the customer's last one
WINDOW_CLOSED = 131047  # Meta's code for it, used for our own check too
PAIR_LIMIT = 131056
RESENDS_MAX = 1
FIXES_MAX = 2
PAUSED_RETRY = timedelta(seconds=60)
BACKOFF_MAX = timedelta(minutes=5)
BROKEN_BACKOFF_MAX = timedelta(minutes=15)
CHANNEL_EVIDENCE_MAX = timedelta(minutes=10)  # without any sign of life of the status channel a person decides


@dataclass(frozen=True)
class Patience:
    """How long doubt is allowed to last: `stale` for a claim, `unknown` for a status."""

    stale: timedelta
    unknown: timedelta


@dataclass(frozen=True)
class Wait:
    until: datetime


@dataclass(frozen=True)
class Claim:
    resend: bool = False


@dataclass(frozen=True)
class Post:
    """Claimed by this very run: send it."""


@dataclass(frozen=True)
class Settle:
    """The message changes its state. `due_at` None: nothing waits any more."""

    state: MessageState
    due_at: datetime | None = None
    event: EventType | None = None
    reason: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)
    alert: str = ""  # the stable name of an alert to raise


Step = Wait | Claim | Post | Settle

SUPERSEDED = Settle(MessageState.CANCELLED, event=EventType.SEND_FAILED, reason="superseded")


def is_echo(message: Message) -> bool:
    """What the owner sent from the phone app, and no worker has looked at: nothing of it is to be sent."""
    return message.direction == Direction.OUT and message.state == MessageState.RECEIVED


def next_step(
    message: Message,
    *,
    now: datetime,
    attempt: str,
    patience: Patience,
    status_seen_at: float,
    superseded: bool = False,
) -> Step:
    """What to do with a waiting message.

    `status_seen_at`: until when (Meta's time, in seconds) statuses are known to have come. `superseded`: a later turn,
    or a person, has something to say after it.
    """
    match message.state:
        case MessageState.SENDING if message.claimed_by == attempt:
            return Post()
        case MessageState.QUEUED | MessageState.SENDING | MessageState.UNKNOWN if message.status_at:
            return _told_by_status(message)
        case MessageState.QUEUED:
            at = _due_at(message, now)
            return Claim() if at <= now else Wait(at)
        case MessageState.SENDING:
            return _sending(message, now=now, patience=patience)
        case MessageState.UNKNOWN if superseded and gives_way(message):
            return SUPERSEDED
        case MessageState.UNKNOWN:
            return _unknown(message, now=now, patience=patience, status_seen_at=status_seen_at)
        case _:  # nothing waits in any other state
            return Settle(MessageState(message.state))


def _sending(message: Message, *, now: datetime, patience: Patience) -> Step:
    stale_at = (message.claimed_at or message.received_at) + patience.stale
    if stale_at > now:
        return Wait(stale_at)
    return Settle(
        MessageState.UNKNOWN, due_at=now + patience.unknown, event=EventType.SEND_UNCERTAIN, reason="sender_lost"
    )


def _unknown(message: Message, *, now: datetime, patience: Patience, status_seen_at: float) -> Step:
    at = _due_at(message, now)
    if at > now:
        return Wait(at)
    claimed_at = message.claimed_at or message.received_at
    if message.actor == Actor.PYLOTO and message.resends < RESENDS_MAX:
        if datetime.fromtimestamp(status_seen_at, UTC) > claimed_at:
            return Claim(resend=True)
        if now < claimed_at + CHANNEL_EVIDENCE_MAX:
            return Settle(MessageState.UNKNOWN, due_at=now + patience.unknown)
    return Settle(MessageState.NEEDS_HUMAN, event=EventType.SEND_FAILED, reason="uncertain", alert="send_needs_human")


def _told_by_status(message: Message) -> Settle:
    """Meta's statuses settle every doubt: `failed` alone means it was not delivered, any other that it was accepted.

    Even of a message that is queued again: what was in doubt was sent a second time, refused, and had arrived at first.
    """
    if set(message.status_at) == {"failed"}:
        return Settle(MessageState.FAILED, event=EventType.SEND_FAILED, reason="status_failed")
    return Settle(MessageState.SENT)


def gives_way(message: Message) -> bool:
    """A bot's text of which nobody knows whether it arrived: whoever speaks next speaks in its place."""
    return message.state == MessageState.UNKNOWN and message.actor == Actor.PYLOTO and not message.status_at


def may_claim(message: Message, header: Conversation, *, now: datetime, bot_paused: bool) -> Settle | None:
    """Why a message must not be sent now, as the step to take instead; None when it may be claimed."""
    if lost := disowned(message, header):
        return lost
    if message.actor == Actor.PYLOTO and (bot_paused or header.paused):
        return Settle(MessageState.QUEUED, due_at=now + PAUSED_RETRY)
    if not window_is_open(header.last_user_at, now):
        errors = [{"code": WINDOW_CLOSED, "title": "24-hour window closed"}]
        return Settle(MessageState.FAILED, event=EventType.SEND_FAILED, reason="window_closed", errors=errors)
    return None


def disowned(message: Message, header: Conversation) -> Settle | None:
    """The end of a bot's message that was queued before the conversation changed hands; None for any other."""
    if message.actor != Actor.PYLOTO or (header.mode != Mode.HUMAN and message.owner_epoch == header.owner_epoch):
        return None
    return Settle(MessageState.CANCELLED, event=EventType.SEND_FAILED, reason="owner_changed")


def window_is_open(last_user_at: datetime | None, now: datetime) -> bool:
    return last_user_at is not None and now - last_user_at <= WINDOW


def after_send(message: Message, result: SendResult, *, now: datetime, patience: Patience) -> Settle:
    """What a send made of its message; `message.tries` counts this send too."""
    match result:
        case Accepted():
            return Settle(MessageState.SENT)
        case NotSent():
            return Settle(MessageState.QUEUED, due_at=now + _backoff(2, message.tries, BACKOFF_MAX))
        case Ambiguous():
            return Settle(
                MessageState.UNKNOWN, due_at=now + patience.unknown, event=EventType.SEND_UNCERTAIN, reason="ambiguous"
            )
        case Rejected():
            return _rejected(message, result, now)


def _rejected(message: Message, result: Rejected, now: datetime) -> Settle:
    errors = [{"code": result.code or 0, "title": result.error_class.value}]
    match result.error_class:
        case ErrorClass.RETRY:
            base = 4 if result.code == PAIR_LIMIT else 2  # Meta: 4^X seconds for one recipient
            return Settle(MessageState.QUEUED, due_at=now + _backoff(base, message.tries, BACKOFF_MAX), errors=errors)
        case ErrorClass.CHANNEL_BROKEN:
            wait = _backoff(2, message.tries + 5, BROKEN_BACKOFF_MAX)
            return Settle(MessageState.QUEUED, due_at=now + wait, errors=errors, alert="whatsapp_channel_broken")
        case ErrorClass.FIX_ONCE if message.tries < FIXES_MAX:
            return Settle(MessageState.QUEUED, due_at=now, errors=errors)
        case _:
            return Settle(
                MessageState.FAILED, event=EventType.SEND_FAILED, reason=result.error_class.value, errors=errors
            )


def _backoff(base: int, tries: int, maximum: timedelta) -> timedelta:
    return min(timedelta(seconds=float(base ** min(tries, 20))), maximum)


def _due_at(message: Message, now: datetime) -> datetime:
    at = message.due["at"] if message.due else now
    assert isinstance(at, datetime)
    return at
