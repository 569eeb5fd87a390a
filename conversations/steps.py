"""Single steps of a session, by the rules that a turn applies as well: for edges and tests. Pure.

Each gives back what one commit must write; a plan without sessions changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime

from audit import EventType
from profiles.models import UserProfile

from . import flows, replies, sessions
from .intents import STRENGTH, IntentQueue, Outcome
from .models import Conversation, Mode, Session
from .plans import Turn, TurnPlan, expires_to_person
from .profile_facts import to_profile
from .qualification import ROUTING_FAILURE
from .replies import Reply


def plan_session(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    now: datetime,
    turn_id: str,
    new_session_id: str,
) -> TurnPlan:
    """The session that a message received `now` belongs to: see `SessionManager.get_or_create_session`."""
    turn = Turn(conversation, profile, now, turn_id)
    if conversation.mode != Mode.BOT:
        return turn.silent(session, Outcome.HANDOFF_HUMAN)
    if session is not None and sessions.is_active(session):
        if not sessions.has_expired(session, now):
            return turn.silent(session, Outcome.AWAITING_USER)
        expired = sessions.copy_of(session)
        turn.expire(expired)
        if turn.handoff:
            return turn.plan(expired, Reply(replies.handed_over_after_pause(now)), Outcome.HANDOFF_HUMAN)
    return turn.plan(turn.open_session(new_session_id, at=now), None, Outcome.AWAITING_USER)


def plan_intent(
    *,
    conversation: Conversation,
    session: Session,
    intent: str,
    confidence: float,
    explicit: bool,
    urgent: bool,
    now: datetime,
    turn_id: str,
) -> TurnPlan:
    """A wish more in the session's queue, or among those noted."""
    turn = Turn(conversation, None, now, turn_id)
    current = sessions.copy_of(session)
    queue = IntentQueue(current.intents, current.noted)
    added = queue.add_intent(intent, at=now, confidence=confidence, explicit=explicit, urgent=urgent)
    if current.intents == session.intents and current.noted == session.noted:
        return turn.silent(session, Outcome.AWAITING_USER)
    turn.record(
        EventType.INTENT_ADDED, session_id=session.pk, intent=str(intent), explicit=explicit, noted_only=not added
    )
    return turn.plan(current, None, Outcome.AWAITING_USER)


def plan_answers(
    *,
    conversation: Conversation,
    session: Session,
    profile: UserProfile | None,
    intent: str,
    answers: Mapping[str, str],
    now: datetime,
    turn_id: str,
) -> TurnPlan:
    """Answers kept, unless their intent is frozen. Raises `ValueError` for what the intent's flow does not ask."""
    flow = flows.find_flow(intent)
    if flow is None or any(flow.field(name) is None for name in answers):
        raise ValueError("the flow of this intent asks for no such answer")
    turn = Turn(conversation, profile, now, turn_id)
    current = sessions.copy_of(session)
    collected = current.collected.get(intent, {})
    if IntentQueue(current.intents).is_frozen(intent) or dict(answers).items() <= collected.items():
        return turn.silent(session, Outcome.AWAITING_USER)
    current.collected[intent] = collected | dict(answers)
    turn.learn(to_profile(flow, dict(answers)))
    return turn.plan(current, None, Outcome.AWAITING_USER)


def plan_close(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    outcome: Outcome,
    now: datetime,
    turn_id: str,
) -> TurnPlan:
    """The end of the active session, with the strongest outcome that it reached (product.md §3): a lead is never lost.

    A session that ended already stays as it is.
    """
    if outcome == Outcome.AWAITING_USER:
        raise ValueError("a session does not end with AWAITING_USER")
    turn = Turn(conversation, profile, now, turn_id)
    if session is None or not sessions.is_active(session):
        return turn.silent(session, Outcome(session.outcome) if session and session.outcome else outcome)
    current = sessions.copy_of(session)
    if outcome == Outcome.FAILED_INTERNAL:
        turn.hand_over(current, outcome=outcome, routing=ROUTING_FAILURE)
        return turn.plan(current, Reply(replies.failed(now)), outcome)
    if outcome in STRENGTH and outcome != Outcome.HANDOFF_HUMAN and expires_to_person(current):
        turn.hand_over(current)
        return turn.plan(current, Reply(replies.handed_over_after_pause(now)), Outcome.HANDOFF_HUMAN)
    if outcome in STRENGTH:
        reached = IntentQueue(current.intents, current.noted).strongest_outcome() or outcome
        outcome = min(outcome, reached, key=STRENGTH.index)
    if outcome == Outcome.HANDOFF_HUMAN:
        turn.hand_over(current)
        name, requirements = str(turn.facts.get("name") or ""), bool(turn.handoff and turn.handoff.requirements)
        return turn.plan(current, Reply(replies.handed_over(name, now, collected=requirements)), outcome)
    if outcome == Outcome.SCHEDULED_FOLLOWUP:
        turn.abandon(current)
    else:
        turn.close(current, outcome)
    return turn.plan(current, None, outcome)
