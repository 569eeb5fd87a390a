"""A person decides about a message that did not arrive, or may not have: send it once more, or leave it."""

from datetime import datetime, timedelta

from audit import Event, EventType, event_id
from conversations.doorbell import doorbell
from conversations.models import Actor, Direction, Message, MessageState
from conversations.outbox import IN_DOUBT, Cause, after, is_undelivered, window_is_open
from conversations.services.agents import WindowClosed
from conversations.services.commits import preview_of
from conversations.services.ownership import Change, Contended, Known, NoConversation, change
from conversations.stores import ConversationStore, due
from pyloto.documents import Update
from pyloto.errors import PermanentError
from pyloto.observability.correlation import current_correlation_id
from pyloto.privacy.hashing import digest

__all__ = ["Contended", "NoConversation", "NotInDoubt", "WindowClosed", "dismiss", "resend"]

conversations = ConversationStore()


class NotInDoubt(PermanentError):
    """Nothing is to be decided about this message: it arrived, somebody has decided, or a worker still has it."""


def resend(*, user_key: str, message_key: str, agent: str, now: datetime) -> Message:
    """Queue the same content once more, as the agent's own message; return that. The old one is left as it is.

    A message is sent anew once, however often the button is pressed. Raises `NotInDoubt`, `WindowClosed`,
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
        old = _in_doubt(known, path)
        if not window_is_open(known.header.last_user_at, now):
            raise WindowClosed("the customer last wrote more than 24 hours ago")
        anew = _copy(known, old, new_key, now=now)
        fields = {
            "out_seq": anew.seq,
            "last_message_at": now,
            "last_message_preview": preview_of(anew.text, anew.type),
        }
        queued = Event(
            event_id(new_key, "reply"),
            EventType.REPLY_QUEUED,
            agent,
            now,
            metadata={"message_key": new_key, "type": anew.type},
            correlation_id=anew.correlation_id,
        )
        events = [queued, _decided(old, "resent_by_agent", agent=agent, now=now)]
        return Change(fields, events, [conversations.create_message(user_key, anew), _closed(old)])

    change(user_key=user_key, decide=decide, now=now, others=[path, new_path])
    doorbell.ring({user_key: timedelta(0)})
    assert anew is not None
    return anew


def dismiss(*, user_key: str, message_key: str, agent: str, now: datetime) -> Message:
    """Leave the message as it is: nobody is asked about it any more. Returns it.

    Raises `NotInDoubt`, `NoConversation`, or `Contended`.
    """
    path = conversations.message_path(user_key, message_key)
    left: Message | None = None

    def decide(known: Known, seed: str) -> Change | None:
        nonlocal left
        left = _in_doubt(known, path)
        return Change({}, [_decided(left, "dismissed_by_agent", agent=agent, now=now)], [_closed(left)])

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


def _copy(known: Known, old: Message, key: str, *, now: datetime) -> Message:
    """Behind all that was said since, and by the agent: whoever has the conversation, it is sent."""
    return Message(
        id=key,
        phone_number_id=known.header.phone_number_id or old.phone_number_id,
        direction=Direction.OUT.value,
        actor=Actor.HUMAN.value,
        type=old.type,
        text=old.text,
        payload=old.payload,
        timestamp=now.replace(microsecond=0),
        received_at=now,
        seq=max(known.header.out_seq, int(now.timestamp() * 1_000_000)) + 1,
        state=MessageState.QUEUED.value,
        due=due(key, now),
        owner_epoch=known.header.owner_epoch,
        session_id=known.header.session_id,
        context=old.context,
        correlation_id=current_correlation_id(),
    )


def _closed(message: Message) -> Update:
    """Fails where a status came since the message was read: it may have arrived after all."""
    state = after(message.state, Cause.AGENT_DECIDED).state.value
    return Update(message.path, {"state": state}, last_update_time=message.update_time)


def _decided(message: Message, reason: str, *, agent: str, now: datetime) -> Event:
    return Event(
        event_id(message.pk, reason),
        EventType.SEND_UNCERTAIN,
        agent,
        now,
        metadata={"message_key": message.pk, "reason": reason},
        correlation_id=current_correlation_id(),
    )
