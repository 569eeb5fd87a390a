"""One turn of a conversation: what the customer's open messages change, and what is said to them. Pure.

`plan_turn` and `plan_timeout` read the documents of a conversation and give back everything that a single commit must
write; they change no argument, know no clock, and read one setting: the delivery desk's number. Source: product.md §2 to §5.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from ai.responses import AIResponse
from audit import EventType
from profiles.models import UserProfile

from . import replies, sessions
from .dialogue import Dialogue
from .hearing import SILENT_TYPES, Heard, hear, is_typed
from .intents import Intent, Outcome
from .models import Actor, Conversation, Message, Mode, Session
from .plans import Turn, TurnPlan
from .qualification import ROUTING_FAILURE
from .replies import Reply

__all__ = ["TurnPlan", "needs_classification", "plan_failure", "plan_timeout", "plan_turn"]

ACKNOWLEDGE_EVERY = timedelta(minutes=30)


def needs_classification(*, conversation: Conversation, session: Session | None, messages: Sequence[Message]) -> bool:
    """Whether somebody should read what was written: not for taps, reactions, or where a human or nobody answers."""
    if conversation.mode != Mode.BOT or conversation.paused:
        return False
    return any(is_typed(message) for message in messages)


def plan_turn(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    messages: Sequence[Message],
    classification: AIResponse | None,
    now: datetime,
    paused: bool,
    turn_id: str,
    new_session_id: str,
) -> TurnPlan:
    """What the open messages of a conversation (oldest first) lead to.

    `classification` is what was read in the typed ones; without it the rules read here. `paused`: the bot is silent for
    everybody.
    """
    turn = Turn(conversation, profile, now, turn_id)
    turn.record(EventType.USER_CONTACT, actor=Actor.USER, messages=len(messages))
    current = sessions.copy_of(session) if session is not None else None
    speaking = [message for message in messages if message.type not in SILENT_TYPES]
    if conversation.mode == Mode.HUMAN:
        return turn.silent(current, Outcome.HANDOFF_HUMAN)
    if paused or conversation.paused or not speaking:
        if conversation.mode == Mode.WAITING_HUMAN:
            return turn.silent(current, Outcome.HANDOFF_HUMAN)
        return _listen(turn, current, speaking)
    heard = hear(speaking, classification)
    if conversation.mode == Mode.WAITING_HUMAN:
        return _acknowledge(turn, current, heard)
    turn.lead = [replies.LATE] if heard.late else []
    if current is not None and sessions.is_active(current):
        if not sessions.has_expired(current, heard.first_at):
            sessions.touch(current, heard.last_at)
            return Dialogue(turn, current, heard, is_new=False).run()
        turn.expire(current)
        if turn.handoff:
            return turn.plan(current, Reply(replies.handed_over_after_pause(now)), Outcome.HANDOFF_HUMAN)
    elif _is_routed(conversation, heard) and not heard.wants_human:
        return _point_outside(turn, heard)
    opened = turn.open_session(new_session_id, at=heard.first_at)
    sessions.touch(opened, heard.last_at)
    return Dialogue(turn, opened, heard, is_new=True).run()


def plan_timeout(
    *, conversation: Conversation, session: Session, profile: UserProfile | None, now: datetime, turn_id: str
) -> TurnPlan:
    """What the timeouts job does to a session: closes it where its time is over, else nothing."""
    turn = Turn(conversation, profile, now, turn_id)
    if not sessions.is_active(session) or not sessions.has_expired(session, now):
        return turn.plan(None, None, Outcome.AWAITING_USER)
    current = sessions.copy_of(session)
    turn.expire(current)
    if turn.handoff:
        return turn.plan(current, Reply(replies.handed_over_after_pause(now)), Outcome.HANDOFF_HUMAN)
    return turn.plan(current, None, Outcome.SCHEDULED_FOLLOWUP)


def plan_failure(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    messages: Sequence[Message],
    now: datetime,
    turn_id: str,
    new_session_id: str,
) -> TurnPlan:
    """The turn that is given up (product.md §5): the session ends FAILED_INTERNAL and a human is told."""
    turn = Turn(conversation, profile, now, turn_id)
    turn.record(EventType.USER_CONTACT, actor=Actor.USER, messages=len(messages))
    if conversation.mode != Mode.BOT:
        return turn.silent(session, Outcome.HANDOFF_HUMAN)
    if session is not None and sessions.is_active(session):
        current = sessions.copy_of(session)
    else:
        current = sessions.open_session(
            conversation, session_id=new_session_id, at=min(m.received_at for m in messages)
        )
        turn.record(EventType.SESSION_OPENED, session_id=new_session_id)
    turn.hand_over(current, outcome=Outcome.FAILED_INTERNAL, routing=ROUTING_FAILURE)
    reply = Reply(replies.failed(now)) if any(m.type not in SILENT_TYPES for m in messages) else None
    return turn.plan(current, reply, Outcome.FAILED_INTERNAL)


# --- turns without a conversation -------------------------------------------------------------------------------------
def _listen(turn: Turn, session: Session | None, speaking: Sequence[Message]) -> TurnPlan:
    """Nothing is said: the bot is paused, or nothing was said to it. What was written keeps a session alive."""
    if session is None or not sessions.is_active(session) or not speaking:
        return turn.silent(session, Outcome.AWAITING_USER)
    if not sessions.has_expired(session, min(message.received_at for message in speaking)):
        sessions.touch(session, max(message.received_at for message in speaking))
        return turn.plan(session, None, Outcome.AWAITING_USER)
    return turn.silent(session, Outcome.AWAITING_USER)


def _acknowledge(turn: Turn, session: Session | None, heard: Heard) -> TurnPlan:
    """A human is awaited: one acknowledgement, when none was given in the last 30 minutes."""
    last = turn.conversation.acknowledged_at
    if last is not None and heard.last_at - last < ACKNOWLEDGE_EVERY:
        return turn.silent(session, Outcome.HANDOFF_HUMAN)
    turn.changes["acknowledged_at"] = turn.now
    session_id = session.pk if session is not None else turn.conversation.session_id
    return turn.plan(None, replies.still_waiting(turn.now), Outcome.HANDOFF_HUMAN, session_id=session_id)


def _is_routed(conversation: Conversation, heard: Heard) -> bool:
    return conversation.routed_until is not None and heard.first_at < conversation.routed_until


def _point_outside(turn: Turn, heard: Heard) -> TurnPlan:
    """Half an hour after ROUTE_EXTERNAL no intent is taken: the channel is named once more, once."""
    turn.intent = Intent.PYLOTO_ENTREGA_REQUEST.value
    desk = settings.DELIVERY_DESK_WHATSAPP
    if turn.conversation.routed_reminded or not desk:
        return turn.plan(None, replies.routed_already(), Outcome.ROUTE_EXTERNAL)
    turn.changes["routed_reminded"] = True
    return turn.plan(None, replies.route_reminder(desk), Outcome.ROUTE_EXTERNAL)
