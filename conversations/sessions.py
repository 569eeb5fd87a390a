"""When a session starts, how long it lasts and how it ends. Pure: compares the times at which messages were received."""

from copy import deepcopy
from datetime import datetime, timedelta

from .intents import IntentStatus, Outcome
from .models import Conversation, Session

IDLE_LIMIT = timedelta(minutes=30)  # product.md §3
TOTAL_LIMIT = timedelta(hours=2)  # product.md §3


def open_session(conversation: Conversation, *, session_id: str, at: datetime) -> Session:
    session = Session(
        id=session_id,
        user_key=conversation.pk,
        conversation_id=conversation.conversation_id,
        status=Session.Status.ACTIVE.value,
        started_at=at,
        last_user_at=at,
    )
    return touch(session, at)


def copy_of(session: Session) -> Session:
    """Another instance with the same content: rules change no argument."""
    copied = Session(id=session.pk, **{name: deepcopy(getattr(session, name)) for name in Session.field_names()})
    copied.path, copied.update_time = session.path, session.update_time
    return copied


def without_content(session: Session) -> Session:
    """A copy that holds nothing of what was said: ids, times and status only."""
    copied = copy_of(session)
    copied.intents, copied.noted, copied.collected, copied.asked = [], [], {}, {}
    return copied


def touch(session: Session, at: datetime) -> Session:
    """Note a message of the customer, received `at`: the idle limit counts from there."""
    session.last_user_at = max(session.last_user_at, at)
    expires_at = min(session.last_user_at + IDLE_LIMIT, session.started_at + TOTAL_LIMIT)
    # What `leave_time` has left is not taken back.
    session.expires_at = max(session.expires_at or expires_at, expires_at)
    return session


def leave_time(session: Session, at: datetime) -> Session:
    """We let the customer wait until `at`: they have the idle limit to answer from there, whatever the total one says."""
    session.expires_at = max(session.expires_at or at, at + IDLE_LIMIT)
    return session


def is_active(session: Session | None) -> bool:
    return session is not None and session.status == Session.Status.ACTIVE


def has_expired(session: Session, at: datetime) -> bool:
    """Whether a message received `at` comes too late for this session."""
    return session.expires_at is not None and at >= session.expires_at


def close_session(session: Session, *, outcome: Outcome, at: datetime) -> Session:
    session.status = Session.Status.CLOSED.value
    session.outcome = outcome.value
    session.closed_at = at
    session.expires_at = None  # only open sessions stand in the timeout query
    session.asked = {}
    for entry in session.intents:
        if entry["status"] == IntentStatus.ACTIVE:
            entry["status"] = IntentStatus.QUEUED.value  # nothing is active any more; what was not done stays open
    return session
