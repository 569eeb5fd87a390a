"""Giving a conversation back to the bot, after a person has dealt with it."""

import secrets
import time
from datetime import datetime

from audit import Event, EventType, event_id
from conversations.models import Conversation, Handoff, Mode
from conversations.services.commits import LOST_RACE, header_writes, jitter
from conversations.stores import HandoffStore, load
from pyloto.documents import Update, Write, get_store
from pyloto.errors import PermanentError, TransientError
from pyloto.observability.correlation import current_correlation_id

TRIES = 5
WAITING = (Handoff.Status.OPEN, Handoff.Status.TAKEN)


class NotWithHuman(PermanentError):
    """The bot has the conversation already, or there is none."""


class ReleaseContended(TransientError):
    """Others kept changing the conversation, or the store did not answer; nothing is half done."""


def release_to_bot(*, user_key: str, agent: str, now: datetime) -> Conversation:
    """Put the bot back in charge and resolve the open handoff, in one commit with their audit events.

    `agent` names who does it in the trail ("user:7"). Returns the header as it now is. Raises `NotWithHuman`, or
    `ReleaseContended` after a bounded number of lost races.
    """
    attempt = secrets.token_hex(16)
    for race in range(TRIES):
        header, handoff = _read(user_key)
        if header is not None and header.attempt == attempt:
            return header  # a commit of ours was applied after all, only its answer was lost
        if header is None or header.mode == Mode.BOT:
            raise NotWithHuman("this conversation is not with a person")
        try:
            get_store().commit(_writes(header, handoff, attempt=attempt, agent=agent, now=now))
        except LOST_RACE:
            time.sleep(jitter(race))
        else:
            return _read(user_key)[0] or header
    header, _ = _read(user_key)
    if header is not None and header.attempt == attempt:
        return header
    raise ReleaseContended("the conversation changed at every try")


def _read(user_key: str) -> tuple[Conversation | None, Handoff | None]:
    header = load(user_key, ()).header
    return header, HandoffStore().find(header.session_id) if header else None


def _writes(header: Conversation, handoff: Handoff | None, *, attempt: str, agent: str, now: datetime) -> list[Write]:
    waiting = handoff if handoff is not None and handoff.status in WAITING else None
    changes = {
        "mode": Mode.BOT.value,
        "owner_epoch": header.owner_epoch + 1,
        "assigned_to": None,
        "app_until": None,
        "acknowledged_at": None,
    }
    events = _events(header, waiting, agent=agent, now=now)
    writes = header_writes(header, changes, events=events, attempt=attempt, now=now)
    if waiting is not None:
        resolved = {"status": Handoff.Status.RESOLVED.value, "resolved_at": now}
        writes.append(Update(HandoffStore.path(waiting.pk), resolved))
    return writes


def _events(header: Conversation, handoff: Handoff | None, *, agent: str, now: datetime) -> list[Event]:
    """Their ids follow from the epoch that ends: done twice, they are recognised."""
    seed = (header.conversation_id, str(header.owner_epoch), "release")
    correlation_id = current_correlation_id()
    released = Event(
        event_id=event_id(*seed, "handoff"),
        event_type=EventType.HANDOFF_RELEASED,
        actor=agent,
        timestamp=now,
        changes={"status": [handoff.status, Handoff.Status.RESOLVED.value]} if handoff else {},
        metadata={"session_id": handoff.pk} if handoff else {},
        correlation_id=correlation_id,
    )
    changed = Event(
        event_id=event_id(*seed, "mode"),
        event_type=EventType.MODE_CHANGED,
        actor=agent,
        timestamp=now,
        changes={"mode": [header.mode, Mode.BOT.value]},
        correlation_id=correlation_id,
    )
    return [released, changed]
