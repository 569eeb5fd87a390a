"""Sessions at the edges. A turn applies the same rules in its own commit."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from conversations.models import MessageState, Session
from conversations.pipeline import plan_timeout
from conversations.services.commits import plan_writes, preview_of, profile_in, reply_messages
from conversations.services.delivery import OPEN_ITEMS_MAX
from conversations.stores import ConversationStore, SessionStore, load
from profiles.services.learning import profiles
from pyloto.documents import AlreadyExists, NotFound, PreconditionFailed, Unavailable, get_store
from pyloto.errors import PermanentError
from pyloto.observability.alerts import alert
from pyloto.privacy.hashing import digest

log = structlog.get_logger(__name__)

GRACE = timedelta(minutes=1)  # a message that was received before the limit is in the store by then
UNREADABLE = (PermanentError, LookupError, TypeError, ValueError)


class SessionManager:
    """The sessions of all conversations."""

    def __init__(self) -> None:
        self._sessions = SessionStore()
        self._conversations = ConversationStore()

    def check_timeouts(self, *, now: datetime) -> list[Session]:
        """Close the sessions past their idle or total limit; return those closed.

        A conversation with messages that wait is left to its worker, and so is one that somebody changed meanwhile:
        the next run looks again.
        """
        closed = []
        for session in self._sessions.find_expired(now - GRACE):
            try:
                if self._close(session, now):
                    closed.append(session)
            except Unavailable as exc:  # this one is found again by the next run
                log.warning("timeout_postponed", session_id=session.pk, error=type(exc).__name__)
            except UNREADABLE as exc:  # one bad session must not keep the others open for ever
                alert("timeout_failed", session_id=session.pk, error=type(exc).__name__)
        return closed

    def _close(self, session: Session, now: datetime) -> bool:
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
        turn_id = digest("timeout", session.pk)
        plan = plan_timeout(
            conversation=header,
            session=Session.from_snapshot(current),
            profile=profile_in(loaded, session.user_key),
            now=now,
            turn_id=turn_id,
        )
        if not plan.sessions:
            return False
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
        changes = (
            {"last_message_at": now, "last_message_preview": preview_of(plan.replies[-1].text, "text")}
            if plan.replies
            else {}
        )
        writes = plan_writes(header, plan, replies, changes=changes, attempt=secrets.token_hex(8), now=now)
        if plan.profile:
            writes.append(profiles.write(session.user_key, dict(plan.profile)))
        try:
            get_store().commit(writes)
        except (AlreadyExists, PreconditionFailed, NotFound) as exc:
            log.info("timeout_race_lost", session_id=session.pk, error=type(exc).__name__)
            return False
        log.info("session_closed", session_id=session.pk, outcome=plan.sessions[0].outcome, reason="timeout")
        return True
