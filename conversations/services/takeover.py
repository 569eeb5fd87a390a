"""The owner answers on the phone: the conversation is theirs, until they have left it alone for half an hour."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from audit import Event, EventType, event_id
from conversations.media import MEDIA_TYPES
from conversations.models import WHATSAPP_APP, Actor, Conversation, Handoff, Message, MessageState, Mode
from conversations.plans import TurnPlan
from conversations.services.commits import header_writes, identities_in, new_header, preview_of, profile_in
from conversations.services.delivery import Run
from conversations.services.ownership import Change, Known, beside, handoff_ended, know, taken
from conversations.stores import ConversationStore, HandoffStore, Loaded, read_again
from profiles.identifiers import Sender
from profiles.services.learning import learn_from_senders, paths_to_attach, profiles
from pyloto.documents import DELETE_FIELD, Delete, Snapshot, Update, Write, get_store
from pyloto.observability.correlation import bind_correlation_id

log = structlog.get_logger(__name__)
conversations = ConversationStore()
handoffs = HandoffStore()

IDLE = timedelta(minutes=30)  # product.md §5
ON_ITS_WAY = (MessageState.SENDING, MessageState.UNKNOWN)


def take_over(
    run: Run, echoes: Sequence[Message], outbound: Sequence[Message], *, now: datetime, bare: bool = False
) -> None:
    """Record what the owner sent from the phone app, in one commit; unless an agent has the conversation, take it over.

    An echo of a message that we sent ourselves tells nothing new: it is deleted. So is one with the text of what is on
    its way (`outbound` holds what waits): Meta's id of that is not known yet, or never will be. `bare`: the last
    resort, which leaves session, handoff and profile alone, whatever is in them. Raises what the store raises.
    """
    bind_correlation_id(echoes[-1].correlation_id)
    sent = conversations.find_by_provider_keys([echo.pk for echo in echoes])
    on_their_way = {message.text for message in outbound if message.state in ON_ITS_WAY and message.text}

    def is_on_its_way(echo: Message) -> bool:  # a photo whose caption says the same is the owner's
        return echo.type not in MEDIA_TYPES and echo.text in on_their_way

    ours = [echo for echo in echoes if sent.get(echo.pk, echo.path) != echo.path or is_on_its_way(echo)]
    theirs = sorted((echo for echo in echoes if echo not in ours), key=lambda echo: echo.seq)
    writes: list[Write] = [Delete(echo.path) for echo in ours]
    if theirs:
        writes += _writes(run, theirs, now, bare=bare)
    get_store().commit(writes)
    log.info("echoes_recorded", user_key=run.user_key, theirs=len(theirs), ours=len(ours))


def _writes(run: Run, echoes: list[Message], now: datetime, *, bare: bool) -> list[Write]:
    senders = [] if bare else run.senders(echoes)
    loaded = run.load([profiles.path(run.user_key), *sorted(set(paths_to_attach(senders)))])
    header = loaded.header or new_header(run.user_key, echoes[0], now)
    found: dict[str, Snapshot] = {}
    if loaded.header:  # without one no other worker has recorded them, and only one can create it
        echoes, found = read_again(echoes, () if bare else beside(header))
    change = _change(know(loaded, header, found), echoes, now)
    fields = change.fields | _last_message(header, echoes[-1]) | {"unread": 0}
    learnt = [] if bare else _learnt(run.user_key, loaded, senders, change.learnt, now)
    recorded = {"state": MessageState.SENT.value, "due": DELETE_FIELD, "sender": DELETE_FIELD}
    return [
        *header_writes(header, fields, events=change.events, attempt=run.attempt, now=now),
        *change.writes,
        *learnt,
        *(Update(echo.path, recorded) for echo in echoes),
    ]


def _learnt(user_key: str, loaded: Loaded, senders: list[Sender], learnt: dict[str, Any], now: datetime) -> list[Write]:
    return learn_from_senders(
        user_key=user_key,
        profile=profile_in(loaded, user_key),
        senders=senders,
        existing=identities_in(loaded),
        learnt=learnt,
        now=now,
    )


def _last_message(header: Conversation, newest: Message) -> dict[str, Any]:
    """What the list of conversations shows, unless something was said after it."""
    fields: dict[str, Any] = {} if header.phone_number_id else {"phone_number_id": newest.phone_number_id}
    if header.last_message_at is None or header.last_message_at <= newest.received_at:
        preview = preview_of(newest.text, newest.type)
        fields |= {"last_message_at": newest.received_at, "last_message_preview": preview}
    return fields


def _change(known: Known, echoes: Sequence[Message], now: datetime) -> Change:
    header, first, last = known.header, echoes[0], echoes[-1]
    if header.mode == Mode.HUMAN and header.assigned_to not in (None, WHATSAPP_APP):
        return Change({}, ())
    until = last.received_at + IDLE
    if header.mode == Mode.HUMAN and header.assigned_to == WHATSAPP_APP:
        return Change({"app_until": max(until, header.app_until or until)}, ())
    change = taken(
        known,
        owner=WHATSAPP_APP,
        actor=Actor.HUMAN.value,
        seed=event_id(header.conversation_id, str(header.owner_epoch), "takeover"),
        now=now,
        always=False,
        correlation_id=first.correlation_id,
        handoff_fields={"taken_at": first.received_at, "first_reply_at": first.received_at},
        message_key=first.pk,
    )
    change.fields["app_until"] = until
    return change


def handoff_given_back(
    header: Conversation, plan: TurnPlan, *, now: datetime, correlation_id: str
) -> list[tuple[Update, list[Event]]]:
    """The handoff that a takeover had taken, resolved where this plan ends the takeover; it is read only then."""
    if header.assigned_to != WHATSAPP_APP or "assigned_to" not in plan.conversation:
        return []
    handoff = handoffs.find(header.session_id)
    if handoff is None or handoff.status != Handoff.Status.TAKEN:
        return []
    released, [resolved] = handoff_ended(
        handoff,
        EventType.HANDOFF_RELEASED,
        actor=Actor.PYLOTO.value,
        seed=event_id(header.conversation_id, str(header.owner_epoch), "takeover"),
        now=now,
    )
    return [(resolved, [replace(released, correlation_id=correlation_id)])]
