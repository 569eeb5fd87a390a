"""What is left where the bot cannot answer, or its answer cannot arrive: the conversation goes to a person. Pure.

Nothing may fail here that failed before: whatever cannot be read is left out.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from audit import EventType
from profiles.models import UserProfile

from . import replies, sessions
from .failure_texts import failure_text
from .hearing import SILENT_TYPES
from .intents import Outcome
from .models import Actor, Conversation, Message, Mode, Session
from .plans import Turn, TurnPlan
from .qualification import ROUTING_FAILURE
from .replies import Reply

log = structlog.get_logger(__name__)

# Said where not even the hours can be told: in the words of `replies.failed`.
NEUTRAL = "Tive um probleminha por aqui, mas sua mensagem está guardada: uma pessoa da equipe vai te responder."
UNREADABLE_SUMMARY = "O bot falhou nesta conversa e não conseguiu resumir o que foi dito: veja as mensagens."


def neutral_words(now: datetime) -> Reply:
    """That a person will answer; without the hours where the knowledge base cannot be read."""
    try:
        return Reply(replies.failed(now))
    except Exception as exc:  # noqa: BLE001  (whatever is wrong with the file: this is said all the same)
        log.warning("hours_unknown", error=type(exc).__name__)
        return Reply(NEUTRAL)


def plan_undelivered(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    message: Message,
    may_speak: bool,
    now: datetime,
    turn_id: str,
    new_session_id: str,
) -> TurnPlan:
    """A message of ours will not arrive, or nobody knows whether it did: who has the bot gets a person.

    `may_speak`: another text may still arrive, so the customer is told in neutral words.
    """

    def call_person(session: Session | None, profile: UserProfile | None) -> TurnPlan:
        turn = Turn(conversation, profile, now, turn_id)
        current = session
        if current is None or not sessions.is_active(current):
            current = turn.open_session(new_session_id, at=now)
        turn.hand_over(current, outcome=Outcome.FAILED_INTERNAL, routing=ROUTING_FAILURE)
        plan = turn.plan(current, neutral_words(now) if may_speak else None, Outcome.FAILED_INTERNAL)
        assert plan.handoff is not None
        whose = "do atendente" if message.actor == Actor.HUMAN else "do bot"
        failure = f"A resposta {whose} ficou sem entrega. {failure_text(message)}"
        plan.handoff.summary = f"{failure}\n{plan.handoff.summary}"
        return plan

    try:
        return call_person(sessions.copy_of(session) if session is not None else None, profile)
    except Exception as exc:  # noqa: BLE001  (a session or a profile that nobody can read: by the ids alone)
        log.warning("handed_over_unread", session_id=session.pk if session else None, error=type(exc).__name__)
        return call_person(sessions.without_content(session) if session is not None else None, None)


def plan_last_resort(
    *, conversation: Conversation, messages: Sequence[Message], now: datetime, turn_id: str, new_session_id: str
) -> TurnPlan:
    """The turn that not even `plan_failure` could give up: neither session nor profile is looked at.

    An open session stays as it is, and runs out.
    """
    turn = Turn(conversation, None, now, turn_id)
    turn.record(EventType.USER_CONTACT, actor=Actor.USER, messages=len(messages))
    if conversation.mode != Mode.BOT:
        return turn.silent(None, Outcome.HANDOFF_HUMAN)
    session = turn.open_session(new_session_id, at=min(message.received_at for message in messages))
    turn.hand_over(session, outcome=Outcome.FAILED_INTERNAL, routing=ROUTING_FAILURE)
    speaks = any(message.type not in SILENT_TYPES for message in messages)
    plan = turn.plan(session, neutral_words(now) if speaks else None, Outcome.FAILED_INTERNAL)
    assert plan.handoff is not None
    plan.handoff.summary = UNREADABLE_SUMMARY
    return plan
