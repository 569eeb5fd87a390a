"""Who has a conversation: the commits that change it, each made once however it ends."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from audit import Event, EventType, event_id
from audit.stores import AuditLogStore
from conversations.models import Conversation, Handoff, Mode, Session
from conversations.pipeline import plan_handoff
from conversations.services.commits import LOST_RACE, catch_up, header_writes, jitter, profile_in
from conversations.stores import HandoffStore, Loaded, SessionStore, load
from profiles.models import UserProfile
from profiles.services.learning import profiles
from pyloto.documents import AlreadyExists, Snapshot, Update, Write, get_store
from pyloto.errors import PermanentError, TransientError
from pyloto.failpoints import failpoint
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import current_correlation_id
from pyloto.privacy.hashing import digest

handoffs = HandoffStore()
sessions = SessionStore()

TRIES = 8
WAITING = (Handoff.Status.OPEN, Handoff.Status.TAKEN)


class NoConversation(PermanentError):
    """There is none under this key, or it goes on elsewhere: its customer was erased, or merged into another one."""


class NewMessages(PermanentError):
    """The customer wrote since the page was made on which somebody decided: they should read it first."""


class Contended(TransientError):
    """Others kept changing the conversation, or the store did not answer; nothing is done."""


class Unsure(TransientError):
    """The store stopped to answer at a commit: nobody knows whether it was applied."""


@dataclass(frozen=True)
class Known:
    """A conversation as it was read. `session` and `handoff` are those that its header names."""

    loaded: Loaded
    header: Conversation
    session: Session | None
    handoff: Handoff | None

    @property
    def profile(self) -> UserProfile | None:
        return profile_in(self.loaded, self.header.pk)

    @property
    def waiting(self) -> Handoff | None:
        """The handoff, where a person still has to do something about it."""
        return self.handoff if self.handoff is not None and self.handoff.status in WAITING else None


@dataclass(frozen=True)
class Change:
    """What becomes of the header, the events that tell of it, and what else stands in the commit.

    The first event's id is one that no other commit writes: it tells afterwards that this one was applied.
    """

    fields: dict[str, Any]
    events: Sequence[Event]
    writes: Sequence[Write] = ()
    learnt: dict[str, Any] = field(default_factory=dict)  # fields of the profile


def beside(header: Conversation) -> list[str]:
    """The paths of what belongs to a header: its session, and the handoff of that."""
    return [sessions.path(header.session_id), handoffs.path(header.session_id)] if header.session_id else []


def know(loaded: Loaded, header: Conversation, found: Mapping[str, Snapshot]) -> Known:
    """`found` holds what was read of `beside`."""
    if not header.session_id:
        return Known(loaded, header, None, None)
    session_path, handoff_path = beside(header)
    return Known(
        loaded,
        header,
        Session.from_snapshot(found[session_path]) if session_path in found else None,
        Handoff.from_snapshot(found[handoff_path]) if handoff_path in found else None,
    )


def change(
    *, user_key: str, decide: Callable[[Known, str], Change | None], now: datetime, others: Sequence[str] = ()
) -> Conversation:
    """Commit what `decide` makes of the conversation, and return its header as it is then.

    `decide` gets what was read (`others`: paths of more documents) and a random seed for its events' ids; it raises
    where the change makes no sense, and returns None where nothing is to be done. It is asked again after a lost race.
    Raises `NoConversation`; `Contended` or `Unsure` after a bounded number of races.
    """
    attempt = secrets.token_hex(16)
    tried: Change | None = None
    met_existing = False
    for race in range(TRIES + 1):
        try:
            loaded = load(user_key, [profiles.path(user_key), *others])
            header = loaded.header
            if header is None or loaded.is_erased or header.merged_into:
                raise NoConversation("there is no such conversation")
            if tried is not None and _was_applied(tried, header, attempt):
                return header  # only its answer was lost
            tried = None
            if race == TRIES:
                break
            if met_existing and catch_up(header):
                alert("audit_head_behind", conversation_id=header.conversation_id)
            tried = decide(know(loaded, header, get_store().get_many(beside(header))), attempt)
            if tried is None:
                return header
            writes: list[Write] = header_writes(header, tried.fields, events=tried.events, attempt=attempt, now=now)
            failpoint("agents.before_commit", user_key)
            if tried.learnt:
                writes.append(profiles.write(user_key, tried.learnt))
            get_store().commit([*writes, *tried.writes])
        except LOST_RACE as exc:
            met_existing = met_existing or isinstance(exc, AlreadyExists)
            time.sleep(jitter(race))
        else:
            for name, value in (tried.fields | {"attempt": attempt}).items():
                setattr(header, name, value)
            return header
    if tried is not None:
        raise Unsure("what became of the last commit could not be read")
    raise Contended("the conversation changed at every try")


def _was_applied(tried: Change, header: Conversation, attempt: str) -> bool:
    """Others may have changed the header since: then the trail tells."""
    if header.attempt == attempt:
        return True
    return AuditLogStore().find_event(header.conversation_id, tried.events[0].event_id) is not None


# --- what a change of hands consists of -------------------------------------------------------------------------------
def taken(
    known: Known,
    *,
    owner: str,
    actor: str,
    seed: str,
    now: datetime,
    always: bool,
    correlation_id: str = "",
    handoff_fields: dict[str, Any] | None = None,
    **metadata: Any,
) -> Change:
    """The conversation is `owner`'s: out of the bot's hands, out of the queue, or from the phone app to an agent.

    An open handoff is taken. From the bot an active session is closed with a handoff that is taken already; with
    `always` there is one in any case. The caller adds `app_until`. `metadata` goes into the event of the mode.
    """
    header, correlation_id = known.header, correlation_id or current_correlation_id()
    handoff = known.waiting if header.mode != Mode.BOT else None
    ownership = {"status": Handoff.Status.TAKEN.value, "agent_id": owner, "taken_at": now, **(handoff_fields or {})}
    if handoff is not None:
        made = Change({}, (), [Update(handoffs.path(handoff.pk), ownership)])
    else:
        made = _handoff_opened(known, ownership, seed=seed, now=now, always=always)
    session_id = handoff.pk if handoff else made.fields.get("session_id")
    told = []
    if session_id:
        before = handoff.status if handoff else Handoff.Status.OPEN.value
        told.append(
            Event(
                event_id(seed, "taken"),
                EventType.HANDOFF_TAKEN,
                actor,
                now,
                changes={"status": [before, Handoff.Status.TAKEN.value]},
                metadata={"session_id": session_id, "agent_id": owner},
            )
        )
    told.append(mode_changed(header, Mode.HUMAN, actor=actor, seed=seed, now=now, assigned_to=owner, **metadata))
    fields = {"mode": Mode.HUMAN.value, "assigned_to": owner, "owner_epoch": header.owner_epoch + 1}
    return replace(made, fields=made.fields | fields, events=_correlated([*made.events, *told], correlation_id))


def _handoff_opened(known: Known, ownership: dict[str, Any], *, seed: str, now: datetime, always: bool) -> Change:
    """The session closes with its handoff, which gets the fields of `ownership`."""
    plan = plan_handoff(
        conversation=known.header,
        session=known.session,
        profile=known.profile,
        now=now,
        turn_id=digest("taken", seed),
        new_session_id=secrets.token_hex(16) if always else None,
    )
    writes: list[Write] = [sessions.write(session) for session in plan.sessions]
    if plan.handoff:
        for name, value in ownership.items():
            setattr(plan.handoff, name, value)
        writes.append(handoffs.create(plan.handoff))
    return Change(plan.conversation, plan.events, writes, dict(plan.profile))


def given_back(
    known: Known,
    *,
    mode: Mode,
    event_type: EventType,
    actor: str,
    seed: str,
    now: datetime,
    seen: str | None = None,
    **metadata: Any,
) -> Change:
    """The person who has the conversation leaves it: to the bot, or with `mode` WAITING_HUMAN to the next person.

    A person who waits for the next one has a handoff: where there was none, it is opened.
    `seen`: the header's `attempt` on the page where that was decided. Raises `NewMessages` where that is an older one
    and something is unread: the bot answers only what comes from now on.
    """
    header = known.header
    if seen is not None and header.unread and header.attempt != seen:
        raise NewMessages("the customer wrote meanwhile")
    status = Handoff.Status.OPEN if mode == Mode.WAITING_HUMAN else Handoff.Status.RESOLVED
    ended, writes = handoff_ended(known.waiting, event_type, status=status, actor=actor, seed=seed, now=now, **metadata)
    made = Change({}, ())
    if mode == Mode.WAITING_HUMAN and known.waiting is None:
        made = _handoff_opened(known, {}, seed=seed, now=now, always=True)
    fields = made.fields | {
        "mode": mode.value,
        "owner_epoch": header.owner_epoch + 1,
        "assigned_to": None,
        "app_until": None,
        "acknowledged_at": None,
    }
    events = [*made.events, ended, mode_changed(header, mode, actor=actor, seed=seed, now=now)]
    return Change(fields, _correlated(events, current_correlation_id()), [*made.writes, *writes], made.learnt)


def handoff_ended(
    handoff: Handoff | None,
    event_type: EventType,
    *,
    actor: str,
    seed: str,
    now: datetime,
    status: Handoff.Status = Handoff.Status.RESOLVED,
    **metadata: Any,
) -> tuple[Event, list[Update]]:
    """The end of a person's work on a handoff, or with `status` OPEN its return to the queue; without one only the event."""
    changes, writes = {}, []
    if handoff is not None:
        changes = {"status": [handoff.status, status.value]}
        metadata = {"session_id": handoff.pk, **metadata}
        fields: dict[str, Any] = {"status": status.value}
        fields |= {"agent_id": None, "taken_at": None} if status == Handoff.Status.OPEN else {"resolved_at": now}
        writes = [Update(handoffs.path(handoff.pk), fields)]
    return Event(event_id(seed, "handoff"), event_type, actor, now, changes=changes, metadata=metadata), writes


def mode_changed(header: Conversation, mode: Mode, *, actor: str, seed: str, now: datetime, **metadata: Any) -> Event:
    return Event(
        event_id(seed, "mode"),
        EventType.MODE_CHANGED,
        actor,
        now,
        changes={"mode": [header.mode, mode.value]},
        metadata=metadata,
    )


def _correlated(events: Sequence[Event], correlation_id: str) -> list[Event]:
    return [replace(event, correlation_id=correlation_id) for event in events]
