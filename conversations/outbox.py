"""The state machine of an outbound message. Pure: message, clock and evidence in, the next step out.

A claim is written before the POST, so a message found in SENDING may have left: it becomes UNKNOWN and waits for its
status, it is never simply sent again. All that can happen to a message stands in `TRANSITIONS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from audit import EventType

from .models import Actor, Conversation, Direction, Message, MessageState, Mode
from .whatsapp.client import Accepted, Ambiguous, NotSent, Rejected, SendResult
from .whatsapp.errors import ErrorClass

WINDOW = timedelta(hours=24)  # Meta: free-form messages only within 24 h of the customer's last one
WINDOW_CLOSED = 131047  # Meta's code for it, used for our own check too
PAIR_LIMIT = 131056
FEW_TRIES = {135000: 5}  # Meta: "message failed with an unknown error"; often the message itself is to blame
RESENDS_MAX = 1
PAUSED_RETRY = timedelta(seconds=60)
BACKOFF_MAX = timedelta(minutes=5)
TELL_TRIES = 8  # with the waits before it: after about four minutes
BROKEN_BACKOFF_MAX = timedelta(minutes=15)
CHANNEL_EVIDENCE_MAX = timedelta(minutes=10)  # without any sign of life of the status channel a person decides
CLOCKS_APART = timedelta(seconds=4)  # each worker's, and Meta's, are two seconds from Redis's at most (faults.md G2)


class Cause(StrEnum):
    """What happens to an outbound message."""

    CLAIMED = "CLAIMED"  # a worker takes it to send it; out of UNKNOWN for the second time
    ACCEPTED = "ACCEPTED"  # Meta took it
    PUT_OFF = "PUT_OFF"  # surely not sent, and may pass later or mended
    REFUSED = "REFUSED"  # surely not sent, and never will be
    NO_ANSWER = "NO_ANSWER"
    SENDER_LOST = "SENDER_LOST"  # the worker that had claimed it did not come back
    TOLD_ACCEPTED = "TOLD_ACCEPTED"  # by its statuses
    TOLD_UNDELIVERED = "TOLD_UNDELIVERED"
    NO_STATUS_YET = "NO_STATUS_YET"
    NOBODY_KNOWS = "NOBODY_KNOWS"
    SUPERSEDED = "SUPERSEDED"  # in doubt or paused, and something newer is said
    OWNER_CHANGED = "OWNER_CHANGED"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    BOT_PAUSED = "BOT_PAUSED"
    AGENT_DECIDED = "AGENT_DECIDED"  # a person has seen it, and sends it anew or leaves it


QUEUED, SENDING, SENT = MessageState.QUEUED, MessageState.SENDING, MessageState.SENT
FAILED, CANCELLED = MessageState.FAILED, MessageState.CANCELLED
UNKNOWN, NEEDS_HUMAN = MessageState.UNKNOWN, MessageState.NEEDS_HUMAN

TRANSITIONS: dict[MessageState, dict[Cause, MessageState]] = {
    QUEUED: {
        Cause.CLAIMED: SENDING,
        Cause.BOT_PAUSED: QUEUED,
        Cause.SUPERSEDED: CANCELLED,
        Cause.OWNER_CHANGED: CANCELLED,
        Cause.WINDOW_CLOSED: FAILED,
        Cause.TOLD_ACCEPTED: SENT,  # it was in doubt, was sent again and put off, and had arrived at first
        Cause.TOLD_UNDELIVERED: FAILED,
    },
    SENDING: {
        Cause.ACCEPTED: SENT,
        Cause.PUT_OFF: QUEUED,
        Cause.REFUSED: FAILED,
        Cause.NO_ANSWER: UNKNOWN,
        Cause.SENDER_LOST: UNKNOWN,
        Cause.TOLD_ACCEPTED: SENT,
        Cause.TOLD_UNDELIVERED: FAILED,
    },
    UNKNOWN: {
        Cause.CLAIMED: SENDING,
        Cause.PUT_OFF: QUEUED,  # its sender was not lost, and knows what became of it
        Cause.REFUSED: FAILED,
        Cause.NO_STATUS_YET: UNKNOWN,
        Cause.BOT_PAUSED: UNKNOWN,
        Cause.SUPERSEDED: CANCELLED,
        Cause.OWNER_CHANGED: CANCELLED,
        Cause.NOBODY_KNOWS: NEEDS_HUMAN,
        Cause.WINDOW_CLOSED: NEEDS_HUMAN,  # it may have arrived while the window was open
        Cause.TOLD_ACCEPTED: SENT,
        Cause.TOLD_UNDELIVERED: FAILED,
    },
    SENT: {Cause.TOLD_UNDELIVERED: FAILED},  # accepted, and not delivered after all
    FAILED: {Cause.AGENT_DECIDED: CANCELLED},
    NEEDS_HUMAN: {Cause.AGENT_DECIDED: CANCELLED},
    CANCELLED: {},
}
OPEN = (QUEUED, SENDING, UNKNOWN)  # what a worker still has to do something about
IN_DOUBT = (FAILED, NEEDS_HUMAN)  # what a person should decide about

# What the trail tells of each; the others change nothing that anybody must be told.
EVENTS: dict[Cause, tuple[EventType, str]] = {
    Cause.REFUSED: (EventType.SEND_FAILED, "refused"),
    Cause.NO_ANSWER: (EventType.SEND_UNCERTAIN, "ambiguous"),
    Cause.SENDER_LOST: (EventType.SEND_UNCERTAIN, "sender_lost"),
    Cause.TOLD_UNDELIVERED: (EventType.SEND_FAILED, "status_failed"),
    Cause.NOBODY_KNOWS: (EventType.SEND_FAILED, "uncertain"),
    Cause.SUPERSEDED: (EventType.SEND_FAILED, "superseded"),
    Cause.OWNER_CHANGED: (EventType.SEND_FAILED, "owner_changed"),
    Cause.WINDOW_CLOSED: (EventType.SEND_FAILED, "window_closed"),
}


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


def after(state: str, cause: Cause, *, reason: str = "", **details: Any) -> Settle:
    """What becomes of a message in this state. Raises `KeyError` for what cannot happen to it."""
    event, told = EVENTS.get(cause, (None, ""))
    return Settle(TRANSITIONS[MessageState(state)][cause], event=event, reason=reason or told, **details)


SUPERSEDED = after(UNKNOWN, Cause.SUPERSEDED)


def is_echo(message: Message) -> bool:
    """What the owner sent from the phone app, and no worker has looked at: nothing of it is to be sent."""
    return message.direction == Direction.OUT and message.state == MessageState.RECEIVED


def is_to_send(message: Message) -> bool:
    """Whether we made it for the customer: of what waits, all that is to be sent, or in doubt."""
    return message.direction == Direction.OUT and not is_echo(message)


def is_undelivered(status_at: Mapping[str, Any]) -> bool:
    """Whether Meta says that it did not arrive; what was delivered once was delivered, whatever is told later."""
    return "failed" in status_at and not {"delivered", "read", "played"} & status_at.keys()


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
            return after(message.state, _told_by_status(message))
        case MessageState.QUEUED:
            at = _due_at(message, now)
            never_put_off = at == message.received_at  # it is due, though it may come from a clock ahead of ours
            return Claim() if never_put_off or at <= now else Wait(at)
        case MessageState.SENDING:
            return _sending(message, now=now, patience=patience)
        case MessageState.UNKNOWN if superseded and gives_way(message):
            return SUPERSEDED
        case MessageState.UNKNOWN:
            return _unknown(message, now=now, patience=patience, status_seen_at=status_seen_at)
        case MessageState.SENT if is_undelivered(message.status_at):
            return after(message.state, Cause.TOLD_UNDELIVERED)
        case _:  # nothing waits in any other state
            return Settle(MessageState(message.state))


def stale_at(message: Message, patience: Patience) -> datetime:
    """When others hold the sender for lost."""
    return (message.claimed_at or message.received_at) + patience.stale


def send_until(message: Message, patience: Patience) -> datetime:
    """When the sender must have stopped waiting for Meta: nobody's next words overtake it, and no doubt begins before it ends."""
    return stale_at(message, patience) - CLOCKS_APART


def _sending(message: Message, *, now: datetime, patience: Patience) -> Step:
    until = stale_at(message, patience)
    if until > now:
        return Wait(until)
    return after(message.state, Cause.SENDER_LOST, due_at=now + patience.unknown)


def _unknown(message: Message, *, now: datetime, patience: Patience, status_seen_at: float) -> Step:
    at = _due_at(message, now)
    if at > now:
        return Wait(at)
    since = _doubted_since(message)
    if message.actor == Actor.PYLOTO and message.resends < RESENDS_MAX:
        # What was sent while it was still on its way may have been taken, and told of, before it.
        if datetime.fromtimestamp(status_seen_at, UTC) > since + CLOCKS_APART:
            return Claim(resend=True)
        if now < since + CHANNEL_EVIDENCE_MAX:
            return after(message.state, Cause.NO_STATUS_YET, due_at=now + patience.unknown)
    return after(message.state, Cause.NOBODY_KNOWS, alert="send_needs_human")


def _told_by_status(message: Message) -> Cause:
    """Meta's statuses settle every doubt, even of a message that is queued again: what was in doubt was sent a second
    time, refused, and had arrived at first."""
    return Cause.TOLD_UNDELIVERED if is_undelivered(message.status_at) else Cause.TOLD_ACCEPTED


def _doubted_since(message: Message) -> datetime:
    return max(filter(None, (message.doubted_at, message.claimed_at)), default=message.received_at)


def begins_doubt(step: Settle) -> bool:
    """Whether it comes into doubt; not where it has been in doubt, and only goes on waiting."""
    return step.event == EventType.SEND_UNCERTAIN


def gives_way(message: Message) -> bool:
    """A bot's text of which nobody knows whether it arrived: whoever speaks next speaks in its place."""
    return message.state == MessageState.UNKNOWN and message.actor == Actor.PYLOTO and not message.status_at


def may_claim(message: Message, header: Conversation, *, now: datetime, bot_paused: bool) -> Settle | None:
    """Why a message must not be sent now, as the step to take instead; None when it may be claimed."""
    if lost := disowned(message, header):
        return lost
    if message.actor == Actor.PYLOTO and (bot_paused or header.paused):
        if message.state == MessageState.UNKNOWN and now > _doubted_since(message) + CHANNEL_EVIDENCE_MAX:
            return after(message.state, Cause.NOBODY_KNOWS, alert="send_needs_human")  # too late to say it again
        return after(message.state, Cause.BOT_PAUSED, due_at=now + PAUSED_RETRY)
    if not window_is_open(header.last_user_at, now):
        errors = [{"code": WINDOW_CLOSED, "title": "24-hour window closed"}]
        return after(message.state, Cause.WINDOW_CLOSED, errors=errors)
    return None


def paused_until(since: datetime, now: datetime) -> datetime:
    """When to look again whether the bot may speak, for what waits `since` then: in a minute, later every five."""
    return now + min(max(now - since, PAUSED_RETRY), BACKOFF_MAX)


def is_postponed(message: Message) -> bool:
    """Whether a worker has read this message of a customer and left it for when the bot may speak."""
    return message.due is not None and message.due["at"] - message.received_at >= PAUSED_RETRY


def disowned(message: Message, header: Conversation) -> Settle | None:
    """The end of a bot's message that was queued before the conversation changed hands; None for any other."""
    if message.actor != Actor.PYLOTO or (header.mode != Mode.HUMAN and message.owner_epoch == header.owner_epoch):
        return None
    return after(message.state, Cause.OWNER_CHANGED)


def gives_way_to_person(
    message: Message, header: Conversation, behind: Sequence[Message], *, bot_paused: bool
) -> Settle | None:
    """The end of a bot's text that a pause holds back, and what a person says `behind` it with it; None for any other.

    Where only the bot has the conversation it keeps its place: nobody else would answer the customer.
    """
    is_held = message.actor == Actor.PYLOTO and (bot_paused or header.paused) and not message.status_at
    if is_held and header.mode != Mode.BOT and any(other.actor == Actor.HUMAN for other in behind):
        return after(message.state, Cause.SUPERSEDED)
    return None


def calls_person(message: Message, step: Settle, header: Conversation) -> bool:
    """Whether nobody would notice: it will not arrive, or may not have, and only the bot has the conversation.

    Where a person has it, or is awaited, the conversation shows it to them. What the bot said in an earlier session does
    not end the one that the customer has begun since.
    """
    only_bot = header.mode == Mode.BOT and not header.merged_into
    return _goes_wrong(message, step) and only_bot and not _is_outlived(message, header)


def _is_outlived(message: Message, header: Conversation) -> bool:
    """Whether it is a bot's words of an earlier session, and the customer is being answered in another one."""
    sessions = (message.session_id, header.session_id)
    return message.actor == Actor.PYLOTO and all(sessions) and message.session_id != header.session_id


def fails_person(message: Message, step: Settle, header: Conversation) -> bool:
    """Whether an agent's answer will not arrive, or may not have, and a person still has the conversation."""
    return _goes_wrong(message, step) and header.mode != Mode.BOT and message.actor == Actor.HUMAN


def _goes_wrong(message: Message, step: Settle) -> bool:
    return step.state in IN_DOUBT and message.state not in IN_DOUBT


def window_is_open(last_user_at: datetime | None, now: datetime) -> bool:
    return last_user_at is not None and now - last_user_at <= WINDOW


def after_send(
    message: Message, result: SendResult, *, now: datetime, patience: Patience, can_mend: bool = False
) -> Settle:
    """What a send made of its message, as that is stored by now; `message.tries` counts this send too.

    `can_mend`: what Meta refused can be sent in another way, which was not tried yet.
    """
    if message.status_at:  # it tells of an earlier send, or of this one where its answer was lost
        return after(message.state, _told_by_status(message))
    match result:
        case Accepted():
            return after(message.state, Cause.ACCEPTED)
        case NotSent():
            return _put_off(message, now + _backoff(2, message.tries, BACKOFF_MAX), [])
        case Ambiguous():
            return after(message.state, Cause.NO_ANSWER, due_at=now + patience.unknown)
        case Rejected():
            return _rejected(message, result, now, can_mend)


def _rejected(message: Message, result: Rejected, now: datetime, can_mend: bool) -> Settle:
    errors = [{"code": result.code or 0, "title": result.error_class.value}]
    tries_max = FEW_TRIES.get(result.code or 0)
    match result.error_class:
        case ErrorClass.RETRY if tries_max is None or message.tries < tries_max:
            base = 4 if result.code == PAIR_LIMIT else 2  # Meta: 4^X seconds for one recipient
            return _put_off(message, now + _backoff(base, message.tries, BACKOFF_MAX), errors)
        case ErrorClass.CHANNEL_BROKEN:
            wait = _backoff(2, message.tries + 5, BROKEN_BACKOFF_MAX)
            return after(
                message.state, Cause.PUT_OFF, due_at=now + wait, errors=errors, alert="whatsapp_channel_broken"
            )
        case ErrorClass.FIX_ONCE if can_mend:
            return after(message.state, Cause.PUT_OFF, due_at=now, errors=errors)
        case _:
            return after(message.state, Cause.REFUSED, reason=result.error_class.value, errors=errors)


def _put_off(message: Message, due_at: datetime, errors: list[dict[str, Any]]) -> Settle:
    step = after(message.state, Cause.PUT_OFF, due_at=due_at, errors=errors)
    return replace(step, alert="message_put_off_for_long") if message.tries >= TELL_TRIES else step


def _backoff(base: int, tries: int, maximum: timedelta) -> timedelta:
    return min(timedelta(seconds=float(base ** min(tries, 20))), maximum)


def _due_at(message: Message, now: datetime) -> datetime:
    at = message.due["at"] if message.due else now
    assert isinstance(at, datetime)
    return at
