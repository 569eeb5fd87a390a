"""What a turn leads to, put together step by step, and written by one commit. Pure."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from audit import Event, EventType, event_id
from profiles.models import UserProfile

from . import flows, sessions
from .intents import IntentQueue, Outcome
from .models import Actor, Conversation, Handoff, Mode, Session
from .profile_facts import known_facts
from .qualification import open_handoff, summarise
from .replies import Reply

ROUTED_FOR = timedelta(minutes=30)  # product.md §3: no new intent after ROUTE_EXTERNAL
# What reading a session raises that another release wrote in a shape that this one does not know.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
JUDGED = {
    "qualification_level",
    "lead_score",
}  # what we think of a customer; the rest of a profile is what they told us


@dataclass(frozen=True)
class TurnPlan:
    """What one commit writes. `session_id` is the session that the turn's messages and replies belong to."""

    conversation: dict[str, Any]
    sessions: tuple[Session, ...]
    handoff: Handoff | None
    profile: dict[str, Any]
    replies: tuple[Reply, ...]
    events: tuple[Event, ...]
    intent: str | None
    outcome: Outcome
    session_id: str | None = None
    postponed: bool = False  # nothing is written: the messages wait until the bot may speak
    alert: str = ""  # the stable name of an alert to raise once it is written


def waits_for_customer(session: Session) -> bool:
    """Whether an answer is all that it waits for: it is open, and nobody has to call back. Not where it cannot be read."""
    try:
        return sessions.is_active(session) and not expires_to_person(session)
    except UNREADABLE:
        return False


def expires_to_person(session: Session) -> bool:
    """Whether a human should call back if nothing more is said: a lead is complete, or something leads to one anyway."""
    queue = IntentQueue(session.intents, session.noted)
    lead = any(flows.is_complete(entry["intent"], session.collected) for entry in queue.open)
    return lead or queue.strongest_outcome() == Outcome.HANDOFF_HUMAN


class Turn:
    """What a turn has led to so far."""

    def __init__(self, conversation: Conversation, profile: UserProfile | None, now: datetime, turn_id: str):
        self.conversation, self.profile, self.now, self.turn_id = conversation, profile, now, turn_id
        self.changes: dict[str, Any] = {}
        self.sessions: list[Session] = []
        self.handoff: Handoff | None = None
        self.learnt: dict[str, Any] = {}
        self.events: list[Event] = []
        self.lead: list[str] = []  # sentences in front of the reply
        self.intent: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        return known_facts(self.profile, self.learnt)

    def record(
        self,
        event_type: EventType,
        *,
        actor: str = Actor.PYLOTO,
        changes: Mapping[str, Any] | None = None,
        **metadata: Any,
    ) -> None:
        number = str(len(self.events))
        self.events.append(
            Event(
                event_id=event_id(self.turn_id, number),
                event_type=event_type,
                actor=str(actor),
                timestamp=self.now,
                changes=dict(changes or {}),
                metadata=metadata,
            )
        )

    def learn(self, facts: Mapping[str, Any]) -> None:
        known = self.facts
        self.learnt |= {name: value for name, value in facts.items() if known.get(name) != value}

    def end_takeover(self) -> None:
        """The owner, who answered on the phone, has left the conversation alone: it is the bot's again."""
        changes = {
            "mode": Mode.BOT.value,
            "assigned_to": None,
            "app_until": None,
            "owner_epoch": self.conversation.owner_epoch + 1,
            "acknowledged_at": None,
        }
        self.record(EventType.MODE_CHANGED, changes={"mode": [self.conversation.mode, Mode.BOT.value]})
        self.changes |= changes
        self.conversation = copy(self.conversation)
        for name, value in changes.items():
            setattr(self.conversation, name, value)

    def open_session(self, session_id: str, *, at: datetime) -> Session:
        session = sessions.open_session(self.conversation, session_id=session_id, at=at)
        self.changes |= {"session_id": session_id, "routed_until": None, "routed_reminded": False}
        self.record(EventType.SESSION_OPENED, session_id=session_id)
        return session

    def close(self, session: Session, outcome: Outcome) -> None:
        session.summary = summarise(session)
        sessions.close_session(session, outcome=outcome, at=self.now)
        current = self.changes.get("session_id", self.conversation.session_id)
        if current in (None, session.pk):  # else it is a stray one, and another goes on
            self.changes["session_id"] = None
        self.record(EventType.SESSION_CLOSED, session_id=session.pk, outcome=outcome.value)
        if outcome == Outcome.ROUTE_EXTERNAL:
            routed_until = session.last_user_at + ROUTED_FOR
            self.changes |= {"routed_until": routed_until, "routed_reminded": False, "acknowledged_at": None}

    def expire(self, session: Session) -> None:
        """Close a session past its limits: a complete lead goes to a human, anything else is followed up."""
        if expires_to_person(session):
            self.hand_over(session)
        else:
            self.abandon(session)
        self.sessions.append(session)

    def abandon(self, session: Session) -> None:
        """Close a session that waited in vain; the trail tells which answers it had, and not their words."""
        collected = {name: sorted(given) for name, given in session.collected.items() if given}
        self.record(EventType.SESSION_ABANDONED, session_id=session.pk, collected=collected)
        self.close(session, Outcome.SCHEDULED_FOLLOWUP)

    def hand_over(self, session: Session, *, outcome: Outcome = Outcome.HANDOFF_HUMAN, routing: str = "") -> None:
        """Open the handoff, close the session with it, and let the conversation wait for a human."""
        self.open_handoff(session, outcome=outcome, routing=routing)
        epoch = self.conversation.owner_epoch + 1
        self.changes |= {
            "mode": Mode.WAITING_HUMAN.value,
            "owner_epoch": epoch,
            "acknowledged_at": self.now,
        }
        self.record(
            EventType.MODE_CHANGED,
            changes={"mode": [self.conversation.mode, Mode.WAITING_HUMAN.value]},
            owner_epoch=epoch,
        )

    def open_handoff(self, session: Session, *, outcome: Outcome = Outcome.HANDOFF_HUMAN, routing: str = "") -> Handoff:
        """Open the handoff and close the session with it; who answers is left as it is.

        The session stays the conversation's: while a human is awaited, or has it, its messages belong to it.
        """
        handoff = open_handoff(session, self.conversation, facts=self.facts, now=self.now, routing=routing)
        self.handoff, self.intent = handoff, handoff.intent_primary
        self.record(
            EventType.HANDOFF_OPENED,
            session_id=session.pk,
            intent=handoff.intent_primary,
            routing=handoff.routing,
            qualification=handoff.qualification_level,
        )
        self.close(session, outcome)
        self.changes["session_id"] = session.pk
        self.learn({"qualification_level": handoff.qualification_level, "lead_score": handoff.lead_score})
        return handoff

    def silent(self, session: Session | None, outcome: Outcome) -> TurnPlan:
        return self.plan(
            None, None, outcome, session_id=session.pk if session is not None else self.conversation.session_id
        )

    def plan(
        self, session: Session | None, reply: Reply | None, outcome: Outcome, *, session_id: str | None = None
    ) -> TurnPlan:
        if session is not None and session not in self.sessions:
            self.sessions.append(session)
        for actor, fields in ((Actor.USER, self.learnt.keys() - JUDGED), (Actor.PYLOTO, self.learnt.keys() & JUDGED)):
            if fields:
                self.record(EventType.PROFILE_UPDATED, actor=actor, fields=sorted(fields))
        return TurnPlan(
            conversation=self.changes,
            sessions=tuple(self.sessions),
            handoff=self.handoff,
            profile=self.learnt,
            replies=(reply.after(*self.lead),) if reply else (),
            events=tuple(self.events),
            intent=self.intent,
            outcome=outcome,
            session_id=session.pk if session is not None else session_id,
        )
