"""The switches that silence the bot: for everybody, for one of our numbers, for one customer."""

import secrets
import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from audit import Event, EventType, event_id, link
from audit.stores import SYSTEM_CHAIN, AuditLogStore
from conversations.doorbell import doorbell
from conversations.models import Conversation
from conversations.services.commits import LOST_RACE, jitter
from conversations.services.ownership import Change, Contended, Known, Unsure, change
from conversations.stores import CONTROL_PAUSE, BotControls, bot_controls
from pyloto.documents import Set, get_store
from pyloto.observability.correlation import current_correlation_id

__all__ = ["BotControls", "Contended", "Unsure", "bot_controls", "set_bot_paused", "set_conversation_paused"]

TRIES = 8


def set_bot_paused(*, paused: bool, phone_number_id: str = "", agent: str, now: datetime) -> BotControls:
    """Silence the bot for everybody, or for who writes to one number, or let it speak again; return the switches.

    What customers write meanwhile waits, and is answered within five minutes after the end of the pause. Raises
    `Contended`, which leaves everything as it was, or `Unsure`.
    """
    attempt = secrets.token_hex(16)
    trail = AuditLogStore()
    doubt = False
    for race in range(TRIES + 1):
        try:
            head = trail.tail(SYSTEM_CHAIN)  # before the switches: who changes them meanwhile moves the chain too
            before = bot_controls()
            if doubt and trail.find_event(SYSTEM_CHAIN, event_id(attempt, "control")):
                return before  # only the answer was lost
            doubt = False
            after = _switched(before, paused, phone_number_id)
            if after == before:
                return before
            if race == TRIES:
                break
            event = _event(attempt, before, after, phone_number_id, agent=agent, now=now)
            writes, _ = link(head, [event])
            doubt = True
            get_store().commit([*writes, Set(CONTROL_PAUSE, after.to_document())])
        except LOST_RACE:
            time.sleep(jitter(race))
        else:
            return after
    if doubt:
        raise Unsure("what became of the last commit could not be read")
    raise Contended("the controls changed at every try")


def _switched(before: BotControls, paused: bool, phone_number_id: str) -> BotControls:
    if not phone_number_id:
        return replace(before, paused=paused)
    if paused:
        return replace(before, paused_numbers=before.paused_numbers | {phone_number_id})
    return replace(before, paused_numbers=before.paused_numbers - {phone_number_id})


def _event(
    attempt: str, before: BotControls, after: BotControls, phone_number_id: str, *, agent: str, now: datetime
) -> Event:
    """Which switch it is says the metadata: a list of numbers before and after would be an array in an array."""
    switch = partial(_is_on, phone_number_id=phone_number_id)
    return Event(
        event_id(attempt, "control"),
        EventType.CONTROL_CHANGED,
        agent,
        now,
        changes={"paused": [switch(before), switch(after)]},
        metadata={"control": "bot"} | ({"phone_number_id": phone_number_id} if phone_number_id else {}),
        correlation_id=current_correlation_id(),
    )


def _is_on(switches: BotControls, *, phone_number_id: str) -> bool:
    return phone_number_id in switches.paused_numbers if phone_number_id else switches.paused


def set_conversation_paused(*, user_key: str, paused: bool, agent: str, now: datetime) -> Conversation:
    """Silence the bot for one customer, or let it speak again; what waits is answered at once then.

    Raises `NoConversation`, or `Contended`.
    """

    def decide(known: Known, seed: str) -> Change | None:
        if known.header.paused == paused:
            return None
        event = Event(
            event_id(seed, "control"),
            EventType.CONTROL_CHANGED,
            agent,
            now,
            changes={"paused": [known.header.paused, paused]},
            correlation_id=current_correlation_id(),
        )
        return Change({"paused": paused}, [event])

    header = change(user_key=user_key, decide=decide, now=now)
    if not paused:
        doorbell.ring({user_key: timedelta(0)})
    return header
