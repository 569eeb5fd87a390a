"""Sessions at the edges. A turn applies the same rules in its own commit."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from audit.stores import AuditLogStore
from conversations.intents import Outcome
from conversations.models import Conversation, MessageState, Session
from conversations.pipeline import plan_timeout
from conversations.plans import UNREADABLE, TurnPlan, waits_for_customer
from conversations.services.commits import LOST_RACE, jitter, plan_writes, preview_of, profile_in, reply_messages
from conversations.services.delivery import OPEN_ITEMS_MAX
from conversations.services.ownership import Contended, NoConversation, Unsure
from conversations.steps import plan_answers, plan_close, plan_intent, plan_session
from conversations.stores import ConversationStore, SessionStore, load
from profiles.models import UserProfile
from profiles.services.learning import learn_from_senders, profiles
from pyloto.documents import AlreadyExists, NotFound, PreconditionFailed, Unavailable, Write, get_store
from pyloto.errors import PermanentError
from pyloto.observability.alerts import alert
from pyloto.privacy.hashing import digest
from pyloto.privacy.registry import Place

log = structlog.get_logger(__name__)

GRACE = timedelta(minutes=1)  # a message that was received before the limit is in the store by then
RUN_SECONDS = 20  # a run of the job that took this long leaves the rest to the next: well below the task's time limit
TRIES = 8


class NoSession(PermanentError):
    """No session of this conversation is active."""


@dataclass(frozen=True)
class Current:
    """What the rules are told of a conversation."""

    header: Conversation
    session: Session | None
    profile: UserProfile | None

    @property
    def active(self) -> Session:
        """Raises `NoSession`."""
        if self.session is None or self.session.status != Session.Status.ACTIVE:
            raise NoSession("no session is active")
        return self.session


@dataclass(frozen=True)
class Looked:
    """What a run of the timeouts job did. `stopped_at`: where the next one goes on, None where all was looked at."""

    closed: list[Session]
    stopped_at: Place | None


class SessionManager:
    """The sessions of all conversations.

    Each change is one commit under the header's version, with its audit events. What stands already is not done again,
    so every method may be called twice.
    """

    def __init__(self) -> None:
        self._sessions = SessionStore()
        self._conversations = ConversationStore()

    # --- one conversation ---------------------------------------------------------------------------------------------
    def get_or_create_session(self, *, user_key: str, now: datetime) -> Session:
        """The session that a message received `now` belongs to: the active one, else a new one.

        One past its limits is closed first. While a person is awaited or has the conversation, that is the handoff's
        session, which is closed. Raises `NoConversation`, `NoSession` with a person who has no handoff, `Contended` or
        `Unsure`.
        """

        def plan(current: Current, turn_id: str) -> TurnPlan:
            return plan_session(
                conversation=current.header,
                session=current.session,
                profile=current.profile,
                now=now,
                turn_id=turn_id,
                new_session_id=secrets.token_hex(16),
            )

        session = self._change(user_key, plan, now)
        if session is None:
            raise NoSession("a person has this conversation, and no session belongs to it")
        return session

    def add_intent(
        self,
        *,
        user_key: str,
        intent: str,
        confidence: float,
        now: datetime,
        explicit: bool = False,
        urgent: bool = False,
    ) -> Session:
        """Queue a wish in the active session; a fourth one is noted. Raises `NoSession`, and as above."""

        def plan(current: Current, turn_id: str) -> TurnPlan:
            return plan_intent(
                conversation=current.header,
                session=current.active,
                intent=intent,
                confidence=confidence,
                explicit=explicit,
                urgent=urgent,
                now=now,
                turn_id=turn_id,
            )

        return self._change_active(user_key, plan, now)

    def update_session(self, *, user_key: str, intent: str, answers: Mapping[str, str], now: datetime) -> Session:
        """Keep answers of the active session. Those of an intent that is done are frozen: nothing changes then.

        Raises `NoSession`, and as above; `ValueError` for an answer that the flow of the intent does not ask for.
        """

        def plan(current: Current, turn_id: str) -> TurnPlan:
            return plan_answers(
                conversation=current.header,
                session=current.active,
                profile=current.profile,
                intent=intent,
                answers=answers,
                now=now,
                turn_id=turn_id,
            )

        return self._change_active(user_key, plan, now)

    def close_session(self, *, user_key: str, outcome: Outcome, now: datetime) -> Session:
        """End the active session; HANDOFF_HUMAN and FAILED_INTERNAL open its handoff. A closed one stays as it is.

        Raises `NoSession` where the conversation has none, `ValueError` for AWAITING_USER, and as above.
        """

        def plan(current: Current, turn_id: str) -> TurnPlan:
            return plan_close(
                conversation=current.header,
                session=current.session,
                profile=current.profile,
                outcome=outcome,
                now=now,
                turn_id=turn_id,
            )

        return self._change_active(user_key, plan, now)

    def _change_active(self, user_key: str, plan: Callable[[Current, str], TurnPlan], now: datetime) -> Session:
        session = self._change(user_key, plan, now)
        if session is None:
            raise NoSession("no session is active")
        return session

    def _change(self, user_key: str, plan: Callable[[Current, str], TurnPlan], now: datetime) -> Session | None:
        """Plan on what is read and commit it, until nobody was faster; the session that the plan names.

        After any failed commit all is read again: what was applied after all is planned as nothing more to do.
        """
        attempt = secrets.token_hex(16)
        planned: TurnPlan | None = None
        for race in range(TRIES + 1):
            try:
                current = self._read(user_key)
                if planned is not None and _was_applied(planned, current.header, attempt):
                    return self._sessions.find(planned.session_id)  # only its answer was lost
                planned = None
                if race == TRIES:
                    break
                turn_id = digest("session", attempt, str(race))
                planned = plan(current, turn_id)
                if planned.sessions:
                    get_store().commit(_writes(current, planned, turn_id=turn_id, attempt=attempt, now=now))
            except LOST_RACE:
                time.sleep(jitter(race))
            else:
                return self._sessions.find(planned.session_id)
        if planned is not None:
            raise Unsure("what became of the last commit could not be read")
        raise Contended("the conversation changed at every try")

    def _read(self, user_key: str) -> Current:
        loaded = load(user_key, [profiles.path(user_key)])
        if loaded.header is None or loaded.is_erased or loaded.header.merged_into:
            raise NoConversation("there is no such conversation")
        return Current(loaded.header, self._sessions.find(loaded.header.session_id), profile_in(loaded, user_key))

    # --- the timeouts job ---------------------------------------------------------------------------------------------
    def check_timeouts(self, *, now: datetime) -> list[Session]:
        """Close the sessions past their idle or total limit; return those closed.

        A conversation with messages that wait is left to its worker: nobody answers what was not sent to them yet. So is
        one that somebody changed meanwhile: the next run looks again. But who is to be called back is called back in time.
        """
        looked = self.look_for_timeouts(now=now)
        closed = looked.closed
        while looked.stopped_at:
            looked = self.look_for_timeouts(now=now, after=looked.stopped_at)
            closed += looked.closed
        return closed

    def look_for_timeouts(self, *, now: datetime, after: Place | None = None) -> Looked:
        """As `check_timeouts`, for as long as a task may take."""
        closed: list[Session] = []
        deadline = time.monotonic() + RUN_SECONDS
        for session in self._sessions.find_expired(now - GRACE, after=after):
            try:
                if self._time_out(session, now):
                    closed.append(session)
            except Unavailable as exc:  # this one is found again by the next run
                log.warning("timeout_postponed", session_id=session.pk, error=type(exc).__name__)
            except (PermanentError, *UNREADABLE) as exc:  # one bad session must not keep the others open for ever
                alert("timeout_failed", session_id=session.pk, error=type(exc).__name__)
            if time.monotonic() > deadline:
                return Looked(closed, self._sessions.place(session))
        return Looked(closed, None)

    def _time_out(self, session: Session, now: datetime) -> bool:
        loaded = load(session.user_key, [profiles.path(session.user_key), self._sessions.path(session.pk)])
        header = loaded.header
        current = loaded.snapshots.get(self._sessions.path(session.pk))
        waiting = self._conversations.open_items(session.user_key, limit=OPEN_ITEMS_MAX)
        if (
            header is None
            or loaded.is_erased
            or current is None
            or any(item.state == MessageState.RECEIVED for item in waiting)
        ):
            return False
        known = Current(header, Session.from_snapshot(current), profile_in(loaded, session.user_key))
        is_unsent = any(item.session_id == session.pk for item in waiting)
        if is_unsent and waits_for_customer(known.active):
            return False
        turn_id = digest("timeout", session.pk)
        plan = plan_timeout(conversation=header, session=known.active, profile=known.profile, now=now, turn_id=turn_id)
        if not plan.sessions:
            return False
        try:
            get_store().commit(_writes(known, plan, turn_id=turn_id, attempt=secrets.token_hex(16), now=now))
        except (AlreadyExists, PreconditionFailed, NotFound) as exc:
            log.info("timeout_race_lost", session_id=session.pk, error=type(exc).__name__)
            return False
        log.info("session_closed", session_id=session.pk, outcome=plan.sessions[0].outcome, reason="timeout")
        return True


def _was_applied(plan: TurnPlan, header: Conversation, attempt: str) -> bool:
    """Others may have changed the header since: then the trail tells."""
    if not plan.events:
        return header.attempt == attempt
    return (
        header.attempt == attempt
        or AuditLogStore().find_event(header.conversation_id, plan.events[0].event_id) is not None
    )


def _writes(current: Current, plan: TurnPlan, *, turn_id: str, attempt: str, now: datetime) -> list[Write]:
    header = current.header
    if header.merged_into:  # they go on with whom they were merged into: here nobody speaks to them any more
        plan = replace(plan, replies=())
    replies = reply_messages(
        header,
        plan,
        turn_id=turn_id,
        now=now,
        phone_number_id=header.phone_number_id,
        correlation_id="",
        claim=None,
    )
    said = (
        {"last_message_at": now, "last_message_preview": preview_of(plan.replies[-1].text, "text")} if replies else {}
    )
    writes = plan_writes(header, plan, replies, changes=said, attempt=attempt, now=now)
    if plan.profile:
        writes += learn_from_senders(
            user_key=header.pk, profile=current.profile, senders=[], existing={}, learnt=dict(plan.profile), now=now
        )
    return writes
