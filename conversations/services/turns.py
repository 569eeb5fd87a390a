"""A worker's run on one conversation: the messages that wait become one turn, its replies go out."""

import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog
from django.conf import settings

from ai.models import Classification
from ai.stores import ClassificationStore
from conversations.models import TAP_KINDS, Direction, Message, MessageState
from conversations.outbox import SUPERSEDED, gives_way, is_echo, is_postponed, is_to_send, paused_until, window_is_open
from conversations.pipeline import TurnPlan
from conversations.plans import waits_for_customer
from conversations.services import planning
from conversations.services.commits import LOST_RACE, Claimant, header_writes, jitter, plan_writes, reply_messages
from conversations.services.context import (
    Context,
    bookkeeping,
    header_changes,
    identity_events,
    messages_handled,
    profile_writes,
    read,
    read_bare,
    recipient,
)
from conversations.services.delivery import OPEN_ITEMS_MAX, Run, post, settled, work_outbox
from conversations.services.moving import Departed, move_items
from conversations.services.planning import give_up
from conversations.services.takeover import handoff_given_back, take_over
from conversations.sessions import leave_time
from conversations.stores import ConversationStore, Loaded, bot_controls, due, read_again
from conversations.whatsapp.client import WhatsAppOutboundClient
from pyloto import clock
from pyloto.documents import AlreadyExists, Unavailable, Update, Write, get_store
from pyloto.errors import TransientError
from pyloto.failpoints import failpoint
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import bind_correlation_id
from pyloto.privacy.fields import decrypt
from pyloto.privacy.hashing import digest

log = structlog.get_logger(__name__)
conversations = ConversationStore()
classifications = ClassificationStore()

TURN_MESSAGES_MAX = 100  # a commit holds 500 writes
RACES_MAX = 10
RUN_SECONDS = 20  # no race is entered after this: well below the task's time limit
ATTEMPTS_MAX = 3
TRIES_MAX = 12  # then not even giving up works: it is left alone until the tries are forgotten
CONTROLS_FRESH = timedelta(seconds=1)  # a turn without a model is done in less


class TooManyRaces(TransientError):
    """Others kept changing the conversation, or the store kept failing: the sweeper rings again."""


class Next(NamedTuple):
    """What is left after a run: `at` is when there will be more to do here, None when nothing waits.

    `ring` holds the customers to whom messages were moved: workers should look after them now.
    """

    at: datetime | None
    ring: frozenset[str]


def process(*, user_key: str, client: WhatsAppOutboundClient) -> Next:
    """Do all that a conversation waits for.

    After any failed commit the state is read again: what is found there, and the `attempt` on it, tell what was done.
    """
    run = Run(user_key=user_key, attempt=secrets.token_hex(8), client=client)
    others_wrote = False
    deadline = time.monotonic() + RUN_SECONDS
    for race in range(RACES_MAX):
        seen, run.version = run.version, None
        try:
            next_at = _process_once(run, first=race == 0)
        except LOST_RACE as exc:
            others_wrote = others_wrote or isinstance(exc, Unavailable) or (race > 0 and run.version != seen)
            run.met_existing = run.met_existing or isinstance(exc, AlreadyExists)
            log.info("turn_race_lost", user_key=user_key, error=type(exc).__name__)
            if time.monotonic() > deadline:
                break
            time.sleep(jitter(race))
        else:
            run.turn_ended()  # its commit was applied, where only the answer was lost
            return Next(next_at, frozenset(run.moved_to))
    if others_wrote or race == 0:  # one race alone does not tell
        run.turn_ended()  # nothing is wrong with the turn: this try does not count
    else:  # the same commit met the same documents each time
        alert("turn_conflicts_with_nobody", user_key=user_key)
    raise TooManyRaces("the conversation kept changing")


def _process_once(run: Run, *, first: bool) -> datetime | None:
    now = clock.now()
    items = conversations.open_items(run.user_key, limit=OPEN_ITEMS_MAX)
    try:
        return _serve(run, items, now=now, first=first)
    except Departed as departed:
        return _leave(run, items, departed.loaded, now=now)


def _leave(run: Run, items: list[Message], loaded: Loaded, *, now: datetime) -> datetime | None:
    """Their customer is another one by now. What a merged one was still to be sent is sent, or cancelled."""
    moved_to = move_items(items, loaded, now=now)
    run.moved_to |= moved_to
    outbox_at = None if loaded.is_erased else work_outbox(run)
    return now if moved_to and len(items) == OPEN_ITEMS_MAX else outbox_at


def _serve(run: Run, items: list[Message], *, now: datetime, first: bool) -> datetime | None:
    inbound = sorted((item for item in items if item.direction == Direction.IN), key=lambda item: item.seq)
    echoes = [item for item in items if is_echo(item)]
    outbound = [item for item in items if is_to_send(item)]
    if echoes:
        run.count_try(ATTEMPTS_MAX)
        if run.tries <= TRIES_MAX:
            take_over(run, echoes, outbound, now=now, bare=run.tries > ATTEMPTS_MAX + 1)
    sends_wait = bool(outbound)
    later = []
    starts_at = turn_starts_at(inbound, now=now, quiet=settings.TURN_QUIET_SECONDS, maximum=settings.TURN_MAX_SECONDS)
    if starts_at and starts_at > now:
        later.append(starts_at)
    elif inbound:
        messages = inbound[:TURN_MESSAGES_MAX]
        bind_correlation_id(messages[-1].correlation_id)
        all_read = len(items) < OPEN_ITEMS_MAX
        run.count_try(ATTEMPTS_MAX)
        if run.tries <= TRIES_MAX:
            try:
                sends_wait = take_turn(run, messages, outbound, now=now, first=first, all_read=all_read)
                later += [now] if len(inbound) > len(messages) else []
            except Postponed as postponed:
                later.append(postpone(run, postponed.context, inbound, all_read=all_read))
    if run.tries > TRIES_MAX:  # every one failed or killed its worker, and so did giving it up
        if run.tries == TRIES_MAX + 1:  # once, and not at every ring
            alert("turn_set_aside", user_key=run.user_key, tries=run.tries)
        run.tries = 0  # so that this run, which tries nothing, does not make them forgotten
    if sends_wait and (outbox_at := work_outbox(run)):
        later.append(outbox_at)
    return min(later, default=None)


def turn_starts_at(
    inbound: Sequence[Message], *, now: datetime, quiet: timedelta, maximum: timedelta
) -> datetime | None:
    """When the customer will have paused long enough; None without messages. A tap waits for nothing."""
    if not inbound:
        return None
    newest, oldest = inbound[-1], inbound[0]
    if newest.payload.get("kind") in TAP_KINDS:
        return now
    at = min(newest.received_at + quiet, oldest.received_at + maximum)
    return at if at <= now + maximum else now  # it came from a clock ahead of ours


class Postponed(Exception):
    """No failure: the bot may not speak now, and what was said to it waits."""

    def __init__(self, context: Context) -> None:
        super().__init__("the bot is paused")
        self.context = context


def postpone(run: Run, context: Context, inbound: Sequence[Message], *, all_read: bool) -> datetime:
    """Leave the messages for when the bot may speak; return when to look again. The list of conversations shows them."""
    rest, _ = read_again(inbound[len(context.messages) :])
    inbound = [*context.messages, *rest]
    until = paused_until(inbound[0].received_at, context.now)
    soon = [message for message in inbound if not is_postponed(message) or _due_at(message) <= context.now]
    if soon:
        fields = bookkeeping(context.header, inbound)
        writes = header_writes(context.header, fields, events=[], attempt=run.attempt, now=context.now)
        get_store().commit([*writes, *(_put_off(message, until) for message in soon)])
        log.info("turn_postponed", conversation_id=context.header.conversation_id, messages=len(inbound))
    if soon and not all_read:
        return context.now  # the others stand behind these
    return min(until if message in soon else _due_at(message) for message in inbound)


def _put_off(message: Message, until: datetime) -> Update:
    return Update(message.path, {"due": due(message.pk, until)})


def _due_at(message: Message) -> datetime:
    assert message.due is not None  # only what waits is read
    at = message.due["at"]
    assert isinstance(at, datetime)
    return at


def take_turn(
    run: Run, messages: list[Message], outbound: list[Message], *, now: datetime, first: bool, all_read: bool
) -> bool:
    """Answer the messages in one commit, and send the reply that it claimed. Whether the outbox still holds something.

    Unless `all_read`, an older reply may wait unseen, so nothing is claimed here. Raises `Postponed`.
    """
    failpoint("turn.after_lock", run.user_key)
    context = _known(run, messages, now)
    messages = context.messages
    turn_id = digest("turn", run.user_key, *(message.pk for message in messages))
    session = context.session
    if session and any(item.session_id == session.pk for item in outbound) and waits_for_customer(session):
        leave_time(session, now)  # what waits is its question: they could not answer it
    classification, plan = (None, give_up(context, turn_id)) if run.given_up else planning.plan(context, turn_id)
    if plan.postponed:
        raise Postponed(context)
    failpoint("turn.after_classification", run.user_key)
    if plan.replies and first and not run.given_up:
        _show_read(run, messages[-1])
    changes = header_changes(context, plan)
    superseded = [message for message in outbound if gives_way(message)] if plan.replies else []
    waiting = [message for message in outbound if message not in superseded]
    may_send = bool(plan.replies) and not waiting and all_read and window_is_open(changes["last_user_at"], now)
    may_send = may_send and not _is_silenced(context)
    # Else somebody may have queued more since `outbound` was read, and it stands before this.
    may_send = may_send and context.header.out_seq < int(now.timestamp() * 1_000_000)
    if may_send:
        may_send = not run.wait_before_send(messages[-1].phone_number_id)
    replies = reply_messages(
        context.header,
        plan,
        turn_id=turn_id,
        now=now,
        phone_number_id=messages[-1].phone_number_id,
        correlation_id=messages[-1].correlation_id,
        claim=_claimant(run) if may_send else None,
    )
    failpoint("turn.before_commit", run.user_key)
    update_times = get_store().commit(
        _writes(run, context, plan, turn_id, replies, classification, changes, superseded)
    )
    failpoint("turn.after_commit", run.user_key)
    run.turn_ended()
    if plan.alert:
        alert(plan.alert, conversation_id=context.header.conversation_id)
    if not context.is_bare and context.bsuid_replaced:
        alert("bsuid_replaced", conversation_id=context.header.conversation_id)
    log.info(
        "turn_done",
        conversation_id=context.header.conversation_id,
        messages=len(messages),
        replies=len(replies),
        intent=plan.intent,
        outcome=plan.outcome,
    )
    claimed = [message for message in replies if message.state == MessageState.SENDING]
    for message in claimed:
        message.update_time = update_times[conversations.message_path(run.user_key, message.pk)]
    unsent = [message for message in claimed if not post(run, message, partial(recipient, context))]
    return bool(waiting or unsent or not all_read or len(replies) > len(claimed))


def _known(run: Run, messages: list[Message], now: datetime) -> Context:
    """What the turn goes by. Where giving up has failed too, or what was stored cannot be read: next to nothing."""
    if run.tries > ATTEMPTS_MAX + 1:
        return read_bare(run, messages, now)
    try:
        return read(run, messages, now)
    except (*LOST_RACE, Departed):
        raise
    except Exception as exc:
        if not run.given_up:
            raise
        log.warning("given_up_unread", error=type(exc).__name__)
        return read_bare(run, messages, now)


def _claimant(run: Run) -> Claimant:
    """The claim's own time: a status that came while the turn was planned tells nothing about it."""
    claimed_at = clock.now()
    return Claimant(run.attempt, claimed_at=claimed_at, stale_at=claimed_at + run.patience.stale)


def _is_silenced(context: Context) -> bool:
    """Whether the bot is paused for this customer. What was read is asked again where somebody took their time since."""
    controls = context.loaded.controls if clock.now() - context.now < CONTROLS_FRESH else bot_controls()
    return context.header.paused or controls.silence(context.messages[-1].phone_number_id)


def _writes(
    run: Run,
    context: Context,
    plan: TurnPlan,
    turn_id: str,
    replies: list[Message],
    classification: Classification | None,
    changes: dict[str, Any],
    superseded: list[Message],
) -> list[Write]:
    cancelled = [settled(run.user_key, message, SUPERSEDED, now=context.now) for message in superseded]
    correlation_id = context.messages[-1].correlation_id
    given_back = handoff_given_back(context.header, plan, now=context.now, correlation_id=correlation_id)
    writes = plan_writes(
        context.header,
        plan,
        replies,
        changes=changes,
        attempt=run.attempt,
        now=context.now,
        correlation_id=correlation_id,
        events=[
            *(event for _, events in (*cancelled, *given_back) for event in events),
            *identity_events(context, turn_id),
        ],
    )
    writes += [update for update, _ in (*cancelled, *given_back)]
    writes += profile_writes(context, plan)
    writes += messages_handled(context, plan, turn_id)
    if classification:
        writes.append(classifications.create(classification))
    return writes


def _show_read(run: Run, message: Message) -> None:
    """Blue ticks and "digitando…", since a reply is on its way; nothing depends on it, and it fails nothing."""
    if not message.provider_message_id:
        return
    try:
        wamid = decrypt(message.provider_message_id, path=message.path, field="provider_message_id")
        run.client.mark_read(phone_number_id=message.phone_number_id, provider_message_id=wamid, typing=True)
    except Exception as exc:  # noqa: BLE001
        log.warning("not_shown_as_read", error=type(exc).__name__)
