"""What an agent does in a conversation: take it, reply, close it, put it back into the queue.

`agent` is "user:<pk>" everywhere: in the header, in handoffs and in the trail.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from audit import Event, EventType, event_id
from conversations.doorbell import doorbell
from conversations.models import WHATSAPP_APP, Actor, Conversation, Direction, Message, MessageState, Mode
from conversations.outbox import window_is_open
from conversations.services.commits import preview_of
from conversations.services.ownership import (
    Change,
    Contended,
    Known,
    NewMessages,
    NoConversation,
    Unsure,
    change,
    given_back,
    handoffs,
    taken,
)
from conversations.services.release import NotWithHuman
from conversations.stores import ConversationStore, due
from conversations.whatsapp.messages import InvalidMessage, Text, content_to_document
from pyloto.documents import Update, Write
from pyloto.errors import PermanentError, PylotoError
from pyloto.observability.correlation import current_correlation_id
from pyloto.privacy.hashing import digest

__all__ = [
    "Contended",
    "InvalidMessage",
    "NewMessages",
    "NoConversation",
    "NotTaken",
    "NotWithHuman",
    "TakenByOther",
    "Unsure",
    "WindowClosed",
    "agent_of",
    "close",
    "put_back",
    "put_back_all",
    "reply",
    "take",
]

log = structlog.get_logger(__name__)
conversations = ConversationStore()

SYSTEM = "SYSTEM"  # the actor in the trail where nobody pressed a button


class TakenByOther(PermanentError):
    """Somebody else has the conversation: `agent` tells who."""

    def __init__(self, agent: str) -> None:
        super().__init__("another agent has this conversation")
        self.agent = agent


class NotTaken(PermanentError):
    """The agent does not have this conversation: to take it comes first."""


class WindowClosed(PermanentError):
    """The customer last wrote more than 24 hours ago: Meta carries no free text to them now."""


def agent_of(user_pk: object) -> str:
    """How an agent is called in documents and in the trail."""
    return f"user:{user_pk}"


def take(*, user_key: str, agent: str, now: datetime) -> Conversation:
    """The conversation is the agent's, whoever had it but another agent: the bot, the queue, or the phone app.

    What the bot has queued is cancelled; what it is sending right now may still arrive. Doing it twice changes nothing.
    Raises `TakenByOther`, `NoConversation`, or `Contended`.
    """

    def decide(known: Known, seed: str) -> Change | None:
        if _owner(known) == agent:
            return None
        check_no_other(known, agent)
        made = taken(known, owner=agent, actor=agent, seed=seed, now=now, always=True)
        made.fields.update(app_until=None, unread=0)
        return made

    header = change(user_key=user_key, decide=decide, now=now)
    doorbell.ring({user_key: timedelta(0)})  # what the bot has queued need not wait for its time to be cancelled
    return header


def reply(*, user_key: str, agent: str, text: str, key: str, now: datetime) -> Message:
    """Queue the agent's text behind what is on its way already; return its message.

    `key` is random and made where the agent writes: the same key twice is one message, whatever got lost in between.
    Raises `InvalidMessage` beyond Meta's limits, `NotTaken`, `WindowClosed`, `NoConversation`, or `Contended`.
    """
    kind, text, payload = content_to_document(_checked(text))
    message_key = digest("agent-reply", user_key, agent, key)
    path = conversations.message_path(user_key, message_key)
    content = {"type": kind, "text": text, "payload": payload}
    message: Message | None = None

    def decide(known: Known, seed: str) -> Change | None:
        nonlocal message
        if path in known.loaded.snapshots:
            message = Message.from_snapshot(known.loaded.snapshots[path])
            return None
        _check_owner(known, agent)
        message, made = queued(known, message_key, content, agent=agent, seed=seed, now=now)
        return made

    change(user_key=user_key, decide=decide, now=now, others=[path])
    doorbell.ring({user_key: timedelta(0)})
    assert message is not None
    return message


def queued(
    known: Known, key: str, content: Mapping[str, Any], *, agent: str, seed: str, now: datetime
) -> tuple[Message, Change]:
    """A message of the agent's behind all that was said, and the change that queues it.

    `content` holds fields of the message. In the hands of a person it counts as their answer. Raises `WindowClosed`.
    """
    header = known.header
    if not window_is_open(header.last_user_at, now):
        raise WindowClosed("the customer last wrote more than 24 hours ago")
    message = Message(
        id=key,
        phone_number_id=header.phone_number_id,
        direction=Direction.OUT.value,
        actor=Actor.HUMAN.value,
        timestamp=now.replace(microsecond=0),
        received_at=now,
        seq=max(header.out_seq, int(now.timestamp() * 1_000_000)) + 1,
        state=MessageState.QUEUED.value,
        due=due(key, now),
        owner_epoch=header.owner_epoch,
        session_id=header.session_id,
        correlation_id=current_correlation_id(),
        **content,
    )
    event = Event(
        event_id(seed, "reply"),
        EventType.REPLY_QUEUED,
        agent,
        now,
        metadata={"message_key": key, "type": message.type},
        correlation_id=message.correlation_id,
    )
    fields: dict[str, Any] = {
        "out_seq": message.seq,
        "last_message_at": now,
        "last_message_preview": preview_of(message.text, message.type),
    }
    writes: list[Write] = [conversations.create_message(header.pk, message)]
    if header.mode == Mode.HUMAN:
        fields["unread"] = 0
        if known.waiting is not None and known.waiting.first_reply_at is None:
            writes.append(Update(handoffs.path(known.waiting.pk), {"first_reply_at": now}))
    return message, Change(fields, [event], writes)


def _checked(text: str) -> Text:
    """Raises `InvalidMessage`."""
    text = text.strip()
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidMessage("text body is no valid Unicode") from exc
    return Text(text)


def close(*, user_key: str, agent: str, now: datetime, seen: str | None = None) -> Conversation:
    """The agent is done: the handoff is resolved, and the bot answers the next message.

    `seen`: the header's `attempt` on the page where they pressed the button. Raises `NotWithHuman` where the bot has it
    already, `NewMessages`, `NotTaken`, `TakenByOther`, `NoConversation`, or `Contended`.
    """

    def decide(known: Known, seed: str) -> Change:
        if known.header.mode == Mode.BOT:
            raise NotWithHuman("this conversation is not with a person")
        _check_owner(known, agent)
        return given_back(
            known, mode=Mode.BOT, event_type=EventType.HANDOFF_RESOLVED, actor=agent, seed=seed, now=now, seen=seen
        )

    return change(user_key=user_key, decide=decide, now=now)


def put_back(*, user_key: str, agent: str, now: datetime, actor: str = "") -> Conversation:
    """What the agent has taken waits for a person again. `actor`: who does it, unless it is the agent.

    Raises `NotTaken`, `TakenByOther`, `NoConversation`, or `Contended`.
    """

    def decide(known: Known, seed: str) -> Change:
        _check_owner(known, agent)
        return given_back(
            known,
            mode=Mode.WAITING_HUMAN,
            event_type=EventType.HANDOFF_RELEASED,
            actor=actor or agent,
            seed=seed,
            now=now,
            agent_id=agent,
        )

    return change(user_key=user_key, decide=decide, now=now)


def put_back_all(agent: str, *, now: datetime) -> int:
    """Put back all that an agent has, who cannot go on with it; return how many conversations.

    Raises `Contended` after the last one where some could not be put back now: the job in `leaving` does the rest.
    """
    done = failed = 0
    for user_key in conversations.find_assigned(agent):
        try:
            put_back(user_key=user_key, agent=agent, now=now, actor=SYSTEM)
            done += 1
        except (NotTaken, TakenByOther, NoConversation):
            pass  # somebody was faster
        except PylotoError as exc:  # what is wrong with one conversation is no reason to leave the others
            log.warning("conversation_not_put_back", user_key=user_key, error=type(exc).__name__)
            failed += 1
    if failed:
        raise Contended("some conversations could not be put back")
    return done


def _owner(known: Known) -> str | None:
    """Whose the conversation is; None where it is the bot's or the queue's."""
    return known.header.assigned_to if known.header.mode == Mode.HUMAN else None


def check_no_other(known: Known, agent: str) -> None:
    """Raises `TakenByOther`."""
    if _owner(known) not in (None, agent, WHATSAPP_APP):
        raise TakenByOther(str(_owner(known)))


def _check_owner(known: Known, agent: str) -> None:
    check_no_other(known, agent)
    if _owner(known) != agent:
        raise NotTaken("take the conversation first")
