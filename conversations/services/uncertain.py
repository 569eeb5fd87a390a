"""A person decides about a message that did not arrive, or may not have: send it once more, or leave it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from audit import Event, EventType, event_id
from conversations.doorbell import doorbell
from conversations.models import Direction, Message, MessageState
from conversations.outbox import IN_DOUBT, Cause, after, is_undelivered
from conversations.services.agents import TakenByOther, WindowClosed, check_no_other, queued
from conversations.services.ownership import Change, Contended, Known, NoConversation, change
from conversations.stores import ConversationStore
from pyloto.documents import Update
from pyloto.errors import PermanentError
from pyloto.observability.correlation import current_correlation_id
from pyloto.privacy.hashing import digest

__all__ = ["Contended", "NoConversation", "NotInDoubt", "TakenByOther", "WindowClosed", "dismiss", "resend"]

conversations = ConversationStore()


class NotInDoubt(PermanentError):
    """Nothing is to be decided about this message: it arrived, somebody has decided, or a worker still has it."""


def resend(*, user_key: str, message_key: str, agent: str, now: datetime, overrules: bool = False) -> Message:
    """Queue the same content once more, as the agent's own message; return that. The old one is left as it is.

    A message is sent anew once, however often the button is pressed. Where another agent has the conversation it is
    theirs to decide, unless this one `overrules`. Raises `TakenByOther`, `NotInDoubt`, `WindowClosed`,
    `NoConversation`, or `Contended`.
    """
    path = conversations.message_path(user_key, message_key)
    new_key = digest("resend", user_key, message_key)
    new_path = conversations.message_path(user_key, new_key)
    anew: Message | None = None

    def decide(known: Known, seed: str) -> Change | None:
        nonlocal anew
        if new_path in known.loaded.snapshots:
            anew = Message.from_snapshot(known.loaded.snapshots[new_path])
            return None
        if not overrules:
            check_no_other(known, agent)
        old = _in_doubt(known, path)
        content = {"type": old.type, "text": old.text, "payload": old.payload, "context": old.context}
        anew, made = queued(known, new_key, content, agent=agent, seed=seed, now=now)
        decided = _decided(old, "resent_by_agent", agent=agent, seed=seed, now=now)
        return replace(made, events=[*made.events, decided], writes=[*made.writes, _closed(old)])

    change(user_key=user_key, decide=decide, now=now, others=[path, new_path])
    doorbell.ring({user_key: timedelta(0)})
    assert anew is not None
    return anew


def dismiss(*, user_key: str, message_key: str, agent: str, now: datetime, overrules: bool = False) -> Message:
    """Leave the message as it is: nobody is asked about it any more. Returns it.

    Raises `TakenByOther` as `resend` does, `NotInDoubt`, `NoConversation`, or `Contended`.
    """
    path = conversations.message_path(user_key, message_key)
    left: Message | None = None

    def decide(known: Known, seed: str) -> Change | None:
        nonlocal left
        if not overrules:
            check_no_other(known, agent)
        left = _in_doubt(known, path)
        return Change({}, [_decided(left, "dismissed_by_agent", agent=agent, seed=seed, now=now)], [_closed(left)])

    change(user_key=user_key, decide=decide, now=now, others=[path])
    assert left is not None
    left.state = after(left.state, Cause.AGENT_DECIDED).state.value
    return left


def _in_doubt(known: Known, path: str) -> Message:
    snapshot = known.loaded.snapshots.get(path)
    if snapshot is None:
        raise NotInDoubt("there is no such message")
    message = Message.from_snapshot(snapshot)
    arrived = bool(message.status_at) and not is_undelivered(message.status_at)
    if message.direction != Direction.OUT or message.state not in IN_DOUBT or arrived:
        raise NotInDoubt("nothing is to be decided about this message")
    return message


def _closed(message: Message) -> Update:
    """Fails where a status came since the message was read: it may have arrived after all."""
    fields: dict[str, Any] = {"state": after(message.state, Cause.AGENT_DECIDED).state.value}
    if message.state == MessageState.NEEDS_HUMAN and not message.status_at:
        fields["errors"] = []  # of a try before the one that nobody knows about
    return Update(message.path, fields, last_update_time=message.update_time)


def _decided(message: Message, reason: str, *, agent: str, seed: str, now: datetime) -> Event:
    return Event(
        event_id(seed, reason),
        EventType.SEND_UNCERTAIN,
        agent,
        now,
        metadata={"message_key": message.pk, "reason": reason},
        correlation_id=current_correlation_id(),
    )
