"""One turn of a conversation: what the customer's open messages change, and what is said to them. Pure.

`plan_turn` and `plan_timeout` read the documents of a conversation and give back everything that a single commit must
write; they change no argument, know no clock, and read two settings: the delivery desk's number, and
how soon a person should answer. Source: product.md §2 to §5.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from ai import knowledge, rules
from ai.responses import AIResponse
from audit import EventType
from profiles.models import UserProfile

from . import dialogue, flood, replies, sessions
from .hearing import SILENT_TYPES, Heard, hear, is_typed
from .intents import COMMERCIAL, Intent, Outcome
from .models import Actor, Conversation, Message, Mode, Session
from .plans import UNREADABLE, Turn, TurnPlan, expires_to_person
from .qualification import ROUTING_FAILURE
from .replies import Reply

__all__ = ["TurnPlan", "needs_classification", "plan_failure", "plan_handoff", "plan_timeout", "plan_turn"]

ACKNOWLEDGE_EVERY = timedelta(minutes=30)


def needs_classification(
    *, conversation: Conversation, session: Session | None, messages: Sequence[Message], paused: bool
) -> bool:
    """Whether somebody should read what was written: not for taps, reactions, or where a human or nobody answers."""
    has_bot = conversation.mode == Mode.BOT or _takeover_has_ended(conversation, messages)
    if not has_bot or flood.is_cooling(conversation, messages) or paused or conversation.paused:
        return False
    return any(is_typed(message) for message in messages)


def plan_turn(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    messages: Sequence[Message],
    classification: AIResponse | None,
    now: datetime,
    paused: bool,
    turn_id: str,
    new_session_id: str,
) -> TurnPlan:
    """What the open messages of a conversation (oldest first) lead to.

    `classification` is what was read in the typed ones; without it the rules read here. `paused`: the bot is silent for
    everybody. What is said to a silent bot is `postponed`, unless it is the wish for a human: a pause loses no customer.
    """
    turn = _begin(conversation, profile, messages, now, turn_id)
    conversation = turn.conversation
    current = sessions.copy_of(session) if session is not None else None
    speaking = [message for message in messages if message.type not in SILENT_TYPES]
    if conversation.mode == Mode.HUMAN:
        return turn.silent(current, Outcome.HANDOFF_HUMAN)
    silenced = paused or conversation.paused
    if conversation.mode == Mode.WAITING_HUMAN:
        if silenced or not speaking:
            return turn.silent(current, Outcome.HANDOFF_HUMAN)
        return _acknowledge(turn, current, speaking, hear(speaking, classification, now))
    if not speaking:
        return turn.silent(current, Outcome.AWAITING_USER)
    heard = hear(speaking, classification, now)
    if silenced and not heard.wants_human:
        return replace(turn.silent(current, Outcome.AWAITING_USER), postponed=True)
    if silenced:  # what was said to a silent bot is no flood, and its notice would be dropped: the wish counts
        return _unspoken(_answer(turn, current, heard, new_session_id))
    return _stop(turn, current, speaking, heard, new_session_id) or _answer(turn, current, heard, new_session_id)


def _stop(
    turn: Turn, session: Session | None, messages: Sequence[Message], heard: Heard, new_session_id: str
) -> TurnPlan | None:
    """The end of a flood, or of a conversation between two machines; None where somebody is to be answered.

    Neither a complete lead nor the wish for a person is lost over it: both get their handoff.
    """
    judged = flood.judge(
        turn.conversation,
        messages,
        now=turn.now,
        flood_max=settings.FLOOD_MESSAGES_MAX,
        loop_max=settings.LOOP_TURNS_MAX,
        asked=session.asked.get("field", "") if session is not None else "",
    )
    turn.changes |= judged.changes
    if judged.verdict is flood.Verdict.FINE:
        return None
    if heard.wants_human and judged.verdict is not flood.Verdict.LOOP:
        plan = _keeping_silent(_answer(turn, session, heard, new_session_id))
        return _unspoken(plan) if judged.verdict is flood.Verdict.COOLING else plan
    if judged.verdict is flood.Verdict.COOLING:
        return turn.silent(session, Outcome.DUPLICATE_OR_SPAM)
    return _keeping_silent(_ended(turn, session, heard, judged, new_session_id))


def _ended(turn: Turn, session: Session | None, heard: Heard, judged: flood.Judged, new_session_id: str) -> TurnPlan:
    if session is not None and sessions.is_active(session) and sessions.has_expired(session, heard.first_at):
        turn.expire(session)
        if turn.handoff:
            return turn.plan(session, Reply(replies.handed_over_after_pause(turn.now)), Outcome.HANDOFF_HUMAN)
    if session is None or not sessions.is_active(session):
        session = turn.open_session(new_session_id, at=heard.first_at)
    sessions.touch(session, heard.last_at)
    is_loop = judged.verdict is flood.Verdict.LOOP
    if not is_loop and not expires_to_person(session):
        turn.close(session, Outcome.DUPLICATE_OR_SPAM)
        return turn.plan(session, replies.flooded(judged.pause), Outcome.DUPLICATE_OR_SPAM)
    turn.hand_over(session)
    if is_loop and turn.handoff:
        turn.handoff.summary = f"{flood.LOOP_SUMMARY}\n{turn.handoff.summary}"
    plan = turn.plan(session, Reply(replies.handed_over_after_pause(turn.now)), Outcome.HANDOFF_HUMAN)
    return replace(plan, alert="bot_loop_stopped") if is_loop else plan


def _keeping_silent(plan: TurnPlan) -> TurnPlan:
    """The same; where it calls a person, what is noted of the flood holds for as long as that person is awaited."""
    if "owner_epoch" not in plan.conversation:
        return plan
    noted = plan.conversation["flood"] | {"epoch": plan.conversation["owner_epoch"]}
    return replace(plan, conversation=plan.conversation | {"flood": noted})


def _answer(turn: Turn, session: Session | None, heard: Heard, new_session_id: str) -> TurnPlan:
    turn.lead = [replies.LATE] if heard.late else []
    routed = _is_routed(turn.conversation, heard)
    if session is not None and sessions.is_active(session):
        if not sessions.has_expired(session, heard.first_at):
            sessions.touch(session, heard.answerable_from)
            if heard.answerable_from > heard.last_at:
                sessions.leave_time(session, heard.answerable_from)
            return dialogue.reply(turn, session, heard, is_new=False)
        turn.expire(session)
        if turn.handoff:
            return turn.plan(session, Reply(replies.handed_over_after_pause(turn.now)), Outcome.HANDOFF_HUMAN)
    elif routed and not heard.wants_human:
        return _point_outside(turn, heard)
    # Both limits leave the customer time for an answer, if it was we who let them wait.
    opened = turn.open_session(new_session_id, at=max(heard.first_at, heard.answerable_from - sessions.IDLE_LIMIT))
    sessions.touch(opened, heard.answerable_from)
    recalled = Intent.PYLOTO_ENTREGA_REQUEST if routed else None  # who asks for a person now asks about that
    return dialogue.reply(turn, opened, heard, is_new=True, recalled=recalled)


def _unspoken(plan: TurnPlan) -> TurnPlan:
    """The same without a word: the customer's next message is acknowledged as soon as the bot may speak."""
    return replace(plan, replies=(), conversation=plan.conversation | {"acknowledged_at": None})


def plan_timeout(
    *, conversation: Conversation, session: Session, profile: UserProfile | None, now: datetime, turn_id: str
) -> TurnPlan:
    """What the timeouts job does to a session: closes it where its time is over, else nothing."""
    turn = Turn(conversation, profile, now, turn_id)
    if not sessions.is_active(session) or not sessions.has_expired(session, now):
        return turn.plan(None, None, Outcome.AWAITING_USER)
    current = sessions.copy_of(session)
    if conversation.mode != Mode.BOT or conversation.session_id not in (None, session.pk):
        turn.abandon(current)  # a person has the conversation, or it has gone on: nobody is called, nothing is said
        return turn.plan(current, None, Outcome.SCHEDULED_FOLLOWUP)
    turn.expire(current)
    if turn.handoff:
        return turn.plan(current, Reply(replies.handed_over_after_pause(now)), Outcome.HANDOFF_HUMAN)
    return turn.plan(current, None, Outcome.SCHEDULED_FOLLOWUP)


def plan_handoff(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    now: datetime,
    turn_id: str,
    new_session_id: str | None,
) -> TurnPlan:
    """A person comes in without a word of the customer's: the session closes with its handoff.

    Without an active session there is nothing to close; with `new_session_id` one is opened for the handoff, so that
    what is said from now on belongs to it. The mode, and whose the handoff is, are left to the caller.
    """
    for read in (sessions.copy_of, sessions.without_content):  # the second where nobody can read what it holds
        turn = Turn(conversation, profile, now, turn_id)
        current = read(session) if session is not None and sessions.is_active(session) else None
        if current is None and new_session_id:
            current = turn.open_session(new_session_id, at=now)
        if current is None:
            break
        try:
            turn.open_handoff(current)
        except UNREADABLE:
            continue
        break
    return turn.plan(current, None, Outcome.HANDOFF_HUMAN)


def plan_failure(
    *,
    conversation: Conversation,
    session: Session | None,
    profile: UserProfile | None,
    messages: Sequence[Message],
    now: datetime,
    turn_id: str,
    new_session_id: str,
) -> TurnPlan:
    """The turn that is given up (product.md §5): the session ends FAILED_INTERNAL and a human is told.

    Nothing comes after this that could help, so a session that cannot be read is handed over by its ids alone.
    """

    def give_up(current: Session | None) -> TurnPlan:
        turn = _begin(conversation, profile, messages, now, turn_id)
        return _give_up(turn, current, messages, new_session_id)

    current = sessions.copy_of(session) if session is not None else None
    try:
        return give_up(current)
    except UNREADABLE:
        plan = give_up(sessions.without_content(session) if session is not None else None)
        if plan.handoff:
            plan.handoff.summary = ""  # not that nothing was said: nothing that was said can be read
        return plan


def _give_up(turn: Turn, session: Session | None, messages: Sequence[Message], new_session_id: str) -> TurnPlan:
    if turn.conversation.mode != Mode.BOT:
        return turn.silent(session, Outcome.HANDOFF_HUMAN)
    first_at = min(message.received_at for message in messages)
    if session is not None and sessions.is_active(session) and sessions.has_expired(session, first_at):
        turn.expire(session)
        if turn.handoff:
            return turn.plan(session, Reply(replies.handed_over_after_pause(turn.now)), Outcome.HANDOFF_HUMAN)
    if session is None or not sessions.is_active(session):
        session = turn.open_session(new_session_id, at=first_at)
    turn.hand_over(session, outcome=Outcome.FAILED_INTERNAL, routing=ROUTING_FAILURE)
    speaks = any(message.type not in SILENT_TYPES for message in messages)
    return turn.plan(session, Reply(replies.failed(turn.now)) if speaks else None, Outcome.FAILED_INTERNAL)


def _begin(
    conversation: Conversation, profile: UserProfile | None, messages: Sequence[Message], now: datetime, turn_id: str
) -> Turn:
    turn = Turn(conversation, profile, now, turn_id)
    turn.record(EventType.USER_CONTACT, actor=Actor.USER, messages=len(messages))
    if _takeover_has_ended(conversation, messages):
        turn.end_takeover()
    return turn


def _takeover_has_ended(conversation: Conversation, messages: Sequence[Message]) -> bool:
    """By the newest of them, or nobody would answer it; whatever waited before it is answered with it."""
    return conversation.is_left_by_owner(max(message.received_at for message in messages))


# --- turns without a conversation -------------------------------------------------------------------------------------
def _acknowledge(turn: Turn, session: Session | None, messages: Sequence[Message], heard: Heard) -> TurnPlan:
    """A human is awaited: one acknowledgement, when none was given in the last 30 minutes; to a machine none."""
    last = turn.conversation.acknowledged_at
    if flood.is_cooling(turn.conversation, messages):
        return turn.silent(session, Outcome.HANDOFF_HUMAN)
    if last is not None and heard.last_at - last < ACKNOWLEDGE_EVERY:
        return turn.silent(session, Outcome.HANDOFF_HUMAN)
    turn.changes["acknowledged_at"] = turn.now
    session_id = session.pk if session is not None else turn.conversation.session_id
    return turn.plan(None, replies.still_waiting(turn.now), Outcome.HANDOFF_HUMAN, session_id=session_id)


def _is_routed(conversation: Conversation, heard: Heard) -> bool:
    return conversation.routed_until is not None and heard.first_at < conversation.routed_until


def _point_outside(turn: Turn, heard: Heard) -> TurnPlan:
    """Half an hour after ROUTE_EXTERNAL no intent is taken: the channel is named once more, once.

    A question about the company is answered all the same. A wish for something else would be lost in silence: once the
    customer reads how to reach a person.
    """
    turn.intent = Intent.PYLOTO_ENTREGA_REQUEST.value
    if rules.is_thanks(heard.text) and not heard.taps and not turn.conversation.routed_reminded:
        return turn.plan(None, Reply(replies.WELCOME), Outcome.ROUTE_EXTERNAL)
    answer = _fact(heard)
    if not turn.conversation.routed_reminded:
        desk = settings.DELIVERY_DESK_WHATSAPP
        turn.lead.append(answer)
        turn.changes["routed_reminded"] = True
        return turn.plan(
            None, replies.route_reminder(desk) if desk else replies.routed_already(), Outcome.ROUTE_EXTERNAL
        )
    if answer:
        turn.intent = Intent.INSTITUTIONAL.value
        return turn.plan(None, Reply(answer), Outcome.SELF_SERVE_INFO)
    if _wants_something_else(heard) and not _acknowledged_since_routed(turn.conversation):
        turn.changes["acknowledged_at"] = turn.now
        return turn.plan(None, replies.routed_already(), Outcome.ROUTE_EXTERNAL)
    return turn.plan(None, None, Outcome.ROUTE_EXTERNAL)


def _fact(heard: Heard) -> str:
    """What the knowledge base says to a question about the company; "obrigado" is none."""
    asks = any(detected.intent == Intent.INSTITUTIONAL for detected in heard.reading.intents)
    return (knowledge.find_answer(heard.text, alone=False) or "") if asks else ""


def _wants_something_else(heard: Heard) -> bool:
    """Whether a line of business is asked for, typed or tapped, other than the delivery that was routed."""
    tapped = {tap_id.removeprefix(replies.INTENT_PREFIX) for tap_id, _ in heard.taps}
    wanted = tapped | {detected.intent.value for detected in heard.reading.intents}
    return not wanted.isdisjoint(COMMERCIAL)


def _acknowledged_since_routed(conversation: Conversation) -> bool:
    return conversation.acknowledged_at is not None  # forgotten when it was routed
