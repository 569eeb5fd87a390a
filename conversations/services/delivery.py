"""Sending what is in the outbox: claim, POST, record. One conversation, one message after the other."""

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings

from audit import Event, EventType, event_id
from conversations import outbox, pacing
from conversations.doorbell import status_seen_at
from conversations.fallbacks import plan_undelivered
from conversations.hearing import LATE_AFTER
from conversations.models import Actor, Conversation, Message, MessageState
from conversations.plans import waits_for_customer
from conversations.services.commits import (
    LOST_RACE,
    catch_up,
    header_writes,
    jitter,
    plan_writes,
    preview_of,
    profile_in,
    reply_messages,
    senders_of,
)
from conversations.services.moving import Departed
from conversations.sessions import leave_time
from conversations.stores import ConversationStore, Loaded, SessionStore, due, load
from conversations.turn_lock import clear_attempts, count_attempt
from conversations.whatsapp.client import (
    Accepted,
    Ambiguous,
    NotSent,
    Recipient,
    Rejected,
    SendResult,
    WhatsAppOutboundClient,
)
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.messages import content_from_document
from conversations.whatsapp.split import provider_key
from profiles.identifiers import Sender
from profiles.models import UserProfile
from profiles.services.learning import profiles, revealed
from pyloto import clock
from pyloto.documents import DELETE_FIELD, PreconditionFailed, Unavailable, Update, Write, get_store
from pyloto.errors import PermanentError, TransientError
from pyloto.failpoints import failpoint
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, encrypt
from pyloto.privacy.hashing import digest

log = structlog.get_logger(__name__)
conversations = ConversationStore()
sessions = SessionStore()

OPEN_ITEMS_MAX = 200
STEPS_MAX = 100  # a run that has sent this much lets another one go on
SENDING_SECONDS = 25  # no send is begun later: with the client's longest request, within the task's soft time limit
SEND_SECONDS_LEAST = 1
RECORD_TRIES = 5
UNREADABLE = (LookupError, TypeError, ValueError)  # what another release wrote
BSUID_REFUSED = 131062  # Meta: this message needs a phone number
INVALID_PARAMETER = 100  # Meta's code for it, used for our own check too


@dataclass
class Run:
    """One run of a worker on one conversation. Only messages claimed by its own `attempt` may be posted, and once."""

    user_key: str
    attempt: str
    client: WhatsAppOutboundClient
    posted: set[str] = field(default_factory=set)
    tries: int = 0  # which try of the conversation's turn this is; 0 while there is none
    moved_to: set[str] = field(default_factory=set)  # whom messages went to that stood in a wrong place
    may_send_now: bool = False  # a place in the pace of sends is taken, and not used yet
    given_up: bool = False  # the turn failed too often: a person gets it
    version: datetime | None = None  # of the header that was read last
    started: float = field(default_factory=time.monotonic)
    met_existing: bool = False  # a commit of this run met a document in its place: perhaps the next audit event's

    @property
    def patience(self) -> outbox.Patience:
        return outbox.Patience(stale=settings.OUTBOX_STALE_SECONDS, unknown=settings.OUTBOX_UNKNOWN_SECONDS)

    def load(self, others: Sequence[str], *, follow: bool = True) -> Loaded:
        """As `stores.load`; after a conflict the chain's end is read too, and counts where the header is behind it.

        Raises `Departed` where the customer was erased, and with `follow` also where they were merged into another.
        """
        loaded = load(self.user_key, others)
        if loaded.is_erased or (follow and loaded.header and loaded.header.merged_into):
            raise Departed(loaded)
        self.version = loaded.header.update_time if loaded.header else None
        if self.met_existing and loaded.header and catch_up(loaded.header):
            alert("audit_head_behind", conversation_id=loaded.header.conversation_id)
        return loaded

    def senders(self, messages: Sequence[Message]) -> list[Sender]:
        """As `senders_of`. One that cannot be read is no failure where the customer is gone: then raises `Departed`.

        Where the turn is given up, those that can be read.
        """
        try:
            return senders_of(messages)
        except (DecryptionFailed, *UNREADABLE):
            self.load(())
            if self.given_up:
                return [sender for message in messages for sender in _readable(message)]
            raise

    def count_try(self, most: int) -> None:
        """Before anything else of a turn, and once for each run: what kills the worker counts too."""
        self.tries = self.tries or count_attempt(self.user_key)
        self.given_up = self.tries > most

    def wait_before_send(self, phone_number_id: str) -> timedelta:
        """As `pacing.wait_before_send`; the place that a lost race left unused is not paid for again."""
        if self.may_send_now:
            return timedelta(0)
        wait = pacing.wait_before_send(phone_number_id=phone_number_id, user_key=self.user_key)
        self.may_send_now = not wait
        return wait

    def turn_ended(self) -> None:
        """Its tries are forgotten."""
        if self.tries:
            clear_attempts(self.user_key)
        self.tries = 0


def _readable(message: Message) -> list[Sender]:
    try:
        return senders_of([message])
    except (DecryptionFailed, *UNREADABLE):
        return []


def work_outbox(run: Run) -> datetime | None:
    """Send what may be sent now, in order; return when something will be due, None when nothing waits."""
    for _ in range(STEPS_MAX):
        if time.monotonic() - run.started > SENDING_SECONDS:
            break
        waiting = _waiting(run.user_key)
        if not waiting:
            return None
        message, *others = waiting
        loaded = run.load([profiles.path(run.user_key)], follow=False)  # what is on its way is not said twice
        if loaded.header is None:  # an outbound message without conversation: nothing to fence it with
            alert("outbox_without_header", message_key=message.pk)
            return None
        now = clock.now()
        silenced = loaded.controls.silence(message.phone_number_id)
        unsent = message.state == MessageState.QUEUED or outbox.gives_way(message)
        if unsent and (
            unwanted := outbox.disowned(message, loaded.header)
            or outbox.gives_way_to_person(message, loaded.header, others, bot_paused=silenced)
        ):
            settle(run, loaded, message, unwanted, now=now)  # whatever it waits for: nothing waits behind it
            continue
        step: outbox.Step = outbox.next_step(
            message,
            now=now,
            attempt=run.attempt,
            patience=run.patience,
            status_seen_at=status_seen_at(message.phone_number_id),
            superseded=any(other.turn_id != message.turn_id for other in others),
        )
        is_paused = silenced or loaded.header.paused
        if isinstance(step, outbox.Wait) and is_paused and message.state == MessageState.QUEUED:
            _put_off_behind(others, step.until)
        if isinstance(step, outbox.Claim):
            refused = outbox.may_claim(message, loaded.header, now=now, bot_paused=silenced)
            step = (
                refused
                or _held_back(message, run, now)
                or claim(run, loaded.header, message, resend=step.resend, now=now)
            )
        match step:
            case outbox.Wait(until=until):
                return until
            case outbox.Post() if message.pk in run.posted:  # its outcome could not be recorded: it turns stale
                return outbox.stale_at(message, run.patience)
            case outbox.Post():
                post(run, message, partial(recipient_of, loaded, message))
            case outbox.Settle():
                settle(run, loaded, message, step, now=now)
    return clock.now()


def _put_off_behind(others: Sequence[Message], until: datetime) -> None:
    """Let what the bot says after a message that the pause holds back be due no sooner: nothing is wrong with it.

    What a person wrote keeps its time: a takeover frees it at once. Without the header, since nothing but times change;
    whoever deals with one of them meanwhile wins.
    """
    early = [
        Update(other.path, {"due": due(other.pk, until)}, last_update_time=other.update_time)
        for other in others
        if other.state == MessageState.QUEUED and other.actor == Actor.PYLOTO
        if other.due and other.due["at"] < until
    ]
    if early:
        get_store().commit(early)


def _held_back(message: Message, run: Run, now: datetime) -> outbox.Wait | None:
    wait = run.wait_before_send(message.phone_number_id)
    return outbox.Wait(now + wait) if wait else None


def _waiting(user_key: str) -> list[Message]:
    """What the outbox of a conversation holds, in the order in which it is to be sent.

    All of it: what was put off for long is read last, and may be the first in that order.
    """
    items = conversations.all_open_items(user_key, page=OPEN_ITEMS_MAX)
    return sorted(filter(outbox.is_to_send, items), key=lambda item: item.seq)


def recipient_of(loaded: Loaded, message: Message) -> Recipient:
    """Where the customer is reached: the number exactly as WhatsApp sent it, else the business-scoped id."""
    assert loaded.header is not None
    profile = profile_in(loaded, loaded.header.pk)
    recipient = Recipient(wa_id=revealed(profile, "wa_id"), bsuid=revealed(profile, "bsuid"))
    if any(error.get("code") == BSUID_REFUSED for error in message.errors):
        return Recipient(wa_id=recipient.wa_id or revealed(profile, "phone"))
    return recipient


def claim(run: Run, header: Conversation, message: Message, *, resend: bool, now: datetime) -> outbox.Post:
    """Take a message for this run, in one commit with the header. Raises what the store raises for a lost race."""
    fields = {
        "state": MessageState.SENDING.value,
        "claimed_by": run.attempt,
        "claimed_at": now,
        "tries": message.tries + 1,
        "resends": message.resends + resend,
        "due": due(message.pk, now + run.patience.stale),
    }
    time_left = _time_left(message, now)
    run.posted.discard(message.pk)  # an earlier send of it was refused: this claim is for another one
    for name, value in fields.items():
        setattr(message, name, value)
    events = [_event(message, EventType.SEND_UNCERTAIN, "sent_again", now=now)] if resend else []
    writes = header_writes(header, {}, events=events, attempt=run.attempt, now=now)
    path = conversations.message_path(run.user_key, message.pk)
    failpoint("outbox.before_claim", run.user_key)
    # It was read before the header: another run may have sent it in between, or a status of it may have come.
    claimed = Update(path, fields, last_update_time=message.update_time)
    update_times = get_store().commit([*writes, claimed, *time_left])
    message.update_time = update_times[path]
    failpoint("outbox.after_claim", run.user_key)
    return outbox.Post()


def _time_left(message: Message, now: datetime) -> list[Write]:
    """Where it is sent late, its session leaves the customer time to answer. Nothing changes a session but with the header."""
    session = sessions.find(message.session_id) if now - message.received_at > LATE_AFTER else None
    return [sessions.write(leave_time(session, now))] if session and waits_for_customer(session) else []


def post(run: Run, message: Message, find_recipient: Callable[[], Recipient]) -> bool:
    """Send a message that this run has claimed, and record what became of it. Whether it needs no more attention.

    Its `update_time` is that of the claim, or a later one.
    """
    assert message.update_time is not None
    run.posted.add(message.pk)
    run.may_send_now = False
    failpoint("outbox.before_post", run.user_key)
    result = _send(run, message, find_recipient)
    failpoint("outbox.after_post", run.user_key)
    log.info(
        "message_sent" if isinstance(result, Accepted) else "message_not_sent",
        message_key=message.pk,
        result=type(result).__name__,
        code=result.code if isinstance(result, Rejected) else None,
        correlation_id=message.correlation_id,
    )
    if isinstance(result, Accepted):
        return _record_sent(run, message, result)
    if isinstance(result, Rejected) and result.error_class is ErrorClass.CHANNEL_BROKEN:
        pacing.bar_number(message.phone_number_id)
    _record_not_sent(run, message, result)
    return False


def _send(run: Run, message: Message, find_recipient: Callable[[], Recipient]) -> SendResult:
    seconds_left = (outbox.send_until(message, run.patience) - clock.now()).total_seconds()
    if seconds_left < SEND_SECONDS_LEAST:  # this process was held up
        return NotSent("stale")
    try:
        content = content_from_document(message.type, message.text, message.payload)
        return run.client.send_response(
            phone_number_id=message.phone_number_id,
            recipient=find_recipient(),
            content=content,
            callback_data=f"{run.user_key}.{message.pk}",
            timeout_seconds=seconds_left,
        )
    except (PermanentError, ValueError, TypeError, LookupError) as exc:  # nothing was sent, and never will be
        alert("message_cannot_be_sent", message_key=message.pk, error=type(exc).__name__)
        return Rejected(INVALID_PARAMETER, ErrorClass.PERMANENT)


def _record_sent(run: Run, message: Message, result: Accepted) -> bool:
    """Without the header: nothing about the conversation changes, and statuses write the same fields.

    Whether it needs no more attention: a status may have said by now that it did not arrive. So the message is written
    as it was claimed, or else read again. Where the store does not answer, it stays SENDING, turns stale, and its status
    tells that it was sent.
    """
    path = conversations.message_path(run.user_key, message.pk)
    ids = {
        "provider_message_id": encrypt(result.provider_message_id, path=path, field="provider_message_id"),
        "provider_message_key": provider_key(result.provider_message_id),
    }
    for race in range(RECORD_TRIES):
        try:
            stored = Message.from_snapshot(get_store().get(path)) if race else message
            # Another worker may have settled it by its status; or one has yet to look at that: its `due` says so.
            sent = {"state": MessageState.SENT.value} if stored.state in outbox.OPEN else {}
            done = not outbox.is_undelivered(stored.status_at)
            ended = {"due": DELETE_FIELD} if sent and done else {}
            get_store().update(path, {**ids, **sent, **ended}, last_update_time=stored.update_time)
        except (PreconditionFailed, Unavailable):
            time.sleep(jitter(race))
        else:
            return done
    log.warning("send_not_recorded", message_key=message.pk)
    return False


def _record_not_sent(run: Run, message: Message, result: SendResult) -> None:
    """Races are lost to others' commits here, not to another send: what Meta answered is not forgotten over them.

    Where it cannot be written the message turns stale, as if nobody knew.
    """
    path = conversations.message_path(run.user_key, message.pk)
    for race in range(RECORD_TRIES):
        try:
            loaded = run.load([path, profiles.path(run.user_key)], follow=False)
            if loaded.header is None or path not in loaded.snapshots:
                return
            message = Message.from_snapshot(loaded.snapshots[path])
            if not _is_ours(run, message, result):
                return  # an earlier try was applied after all, or it was taken from us
            now = clock.now()
            can_mend = _can_mend(message, result, profile_in(loaded, run.user_key))
            step = outbox.after_send(message, result, now=now, patience=run.patience, can_mend=can_mend)
            settle(run, loaded, message, step, now=now)
        except LOST_RACE:
            time.sleep(jitter(race))
        else:
            return
    log.warning("refusal_not_recorded", message_key=message.pk)


def _can_mend(message: Message, result: SendResult, profile: UserProfile | None) -> bool:
    """Whether what Meta refused was sent to a business-scoped id, and there is a phone to try instead."""
    if not isinstance(result, Rejected) or result.code != BSUID_REFUSED or profile is None:
        return False
    if any(error.get("code") == BSUID_REFUSED for error in message.errors):
        return False  # tried by now
    try:
        return not revealed(profile, "wa_id") and bool(revealed(profile, "phone"))
    except DecryptionFailed:
        return False


def _is_ours(run: Run, stored: Message, result: SendResult) -> bool:
    """Whether this run's send is the last one, and what became of it is not written.

    Others may hold it for lost by now: a sure answer ends their doubt, an uncertain one adds nothing to it.
    """
    is_open = stored.state == MessageState.SENDING or (
        stored.state == MessageState.UNKNOWN and not isinstance(result, Ambiguous)
    )
    return is_open and stored.claimed_by == run.attempt


def settle(run: Run, loaded: Loaded, message: Message, step: outbox.Settle, *, now: datetime) -> None:
    """Write a change of a message's state, with its audit event. Raises what the store raises for a lost race.

    What will not arrive while only the bot has the conversation calls a person, in the same commit. `loaded` holds the
    profile.
    """
    header = loaded.header
    assert header is not None
    update, events = settled(run.user_key, message, step, now=now)
    calls_person = outbox.calls_person(message, step, header)
    if calls_person:
        try:
            writes = _person_called(run, loaded, header, message, step, events, now=now)
        except (*LOST_RACE, TransientError):
            raise
        except Exception as exc:  # noqa: BLE001  # the alert calls somebody; what stands behind this message goes on
            log.warning("person_not_called", message_key=message.pk, error=type(exc).__name__)
            writes = header_writes(header, {}, events=events, attempt=run.attempt, now=now)
    else:
        # The list of conversations shows the person who wrote it that somebody still waits for an answer.
        unread = {"unread": max(1, header.unread)} if outbox.fails_person(message, step, header) else {}
        writes = header_writes(header, unread, events=events, attempt=run.attempt, now=now)
    get_store().commit([*writes, update])
    if step.alert:
        alert(step.alert, message_key=message.pk)
    if calls_person:
        alert("reply_not_delivered", message_key=message.pk, reason=step.reason)


def _person_called(
    run: Run,
    loaded: Loaded,
    header: Conversation,
    message: Message,
    step: outbox.Settle,
    events: Sequence[Event],
    *,
    now: datetime,
) -> list[Write]:
    ended = copy(message)
    ended.state, ended.errors = step.state.value, step.errors or message.errors
    turn_id = digest("undelivered", run.user_key, message.pk, str(message.tries))
    plan = plan_undelivered(
        conversation=header,
        session=sessions.find(header.session_id),
        profile=profile_in(loaded, run.user_key),
        message=ended,
        may_speak=step.state == MessageState.FAILED
        and message.actor == Actor.PYLOTO
        and outbox.window_is_open(header.last_user_at, now),
        now=now,
        turn_id=turn_id,
        new_session_id=digest("session", turn_id)[:32],
    )
    replies = reply_messages(
        header,
        plan,
        turn_id=turn_id,
        now=now,
        phone_number_id=message.phone_number_id,
        correlation_id=message.correlation_id,
        claim=None,
    )
    said = {"last_message_at": now, "last_message_preview": preview_of(replies[-1].text, "text")} if replies else {}
    writes = plan_writes(
        header,
        plan,
        replies,
        changes=said,
        attempt=run.attempt,
        now=now,
        correlation_id=message.correlation_id,
        events=events,
    )
    return [*writes, profiles.write(run.user_key, dict(plan.profile))] if plan.profile else writes


def settled(user_key: str, message: Message, step: outbox.Settle, *, now: datetime) -> tuple[Update, list[Event]]:
    """The write and the audit events of a change of a message's state, for a commit with the header.

    Messages are read before the header, so the header alone would not tell that another run settled this one in between.
    """
    fields: dict[str, Any] = {
        "state": step.state.value,
        "due": due(message.pk, step.due_at) if step.due_at else DELETE_FIELD,
    }
    why_put_off = step.state == MessageState.CANCELLED and not message.status_at  # is not why it is not sent
    if outbox.begins_doubt(step):
        fields["doubted_at"] = now
    if step.errors or why_put_off:
        fields["errors"] = step.errors
    events = [_event(message, step.event, step.reason, now=now, errors=step.errors)] if step.event else []
    path = conversations.message_path(user_key, message.pk)
    return Update(path, fields, last_update_time=message.update_time), events


def _event(
    message: Message, event: EventType, reason: str, *, now: datetime, errors: Sequence[dict[str, Any]] = ()
) -> Event:
    codes = [error["code"] for error in errors]
    return Event(
        event_id(message.pk, event, str(message.tries), reason),
        event,
        Actor.PYLOTO.value,
        now,
        metadata={"message_key": message.pk, "reason": reason, "codes": codes, "try": message.tries},
        correlation_id=message.correlation_id,
    )
