"""The state machine of an outbound message, as tables: state and evidence in, the next step out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit import EventType
from conversations.models import Actor, Conversation, Direction, Message, MessageState, Mode
from conversations.outbox import (
    EVENTS,
    TRANSITIONS,
    Cause,
    Claim,
    Patience,
    Post,
    Settle,
    Wait,
    after,
    after_send,
    gives_way_to_person,
    may_claim,
    next_step,
)
from conversations.whatsapp.client import Accepted, Ambiguous, NotSent, Rejected
from conversations.whatsapp.errors import ErrorClass

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PATIENCE = Patience(stale=30 * SECOND, unknown=120 * SECOND)
ALIVE = (NOW - MINUTE).timestamp()  # a status of a minute ago: later than the doubts below
DEAD = 0.0
DELIVERED, FAILED = {"delivered": NOW}, {"failed": NOW}
BOTH = FAILED | DELIVERED  # in any order: what was delivered was accepted
QUEUED, SENDING, SENT = MessageState.QUEUED, MessageState.SENDING, MessageState.SENT
UNKNOWN, CANCELLED, NEEDS_HUMAN = MessageState.UNKNOWN, MessageState.CANCELLED, MessageState.NEEDS_HUMAN


def message(state: MessageState = QUEUED, *, due: timedelta = timedelta(0), **fields: Any) -> Message:
    """Of the bot; claimed by another run three minutes ago, and in doubt for two where it is, unless `fields` say otherwise.

    `due`: from now on.
    """
    claim = {} if state == QUEUED else {"claimed_by": "other", "claimed_at": NOW - 3 * MINUTE, "tries": 1}
    doubt = {"doubted_at": NOW - 2 * MINUTE} if state == UNKNOWN else {}
    fields = {"actor": Actor.PYLOTO, "owner_epoch": 1, "received_at": NOW - 3 * MINUTE} | claim | doubt | fields
    return Message(id="a" * 40, direction=Direction.OUT, state=state, due={"shard": 1, "at": NOW + due}, **fields)


def step(item: Message, *, seen: float = ALIVE, superseded: bool = False) -> Any:
    return next_step(item, now=NOW, attempt="mine", patience=PATIENCE, status_seen_at=seen, superseded=superseded)


FAILED_BY_STATUS = Settle(MessageState.FAILED, event=EventType.SEND_FAILED, reason="status_failed")
LOST = Settle(UNKNOWN, due_at=NOW + 120 * SECOND, event=EventType.SEND_UNCERTAIN, reason="sender_lost")
LATER = Settle(UNKNOWN, due_at=NOW + 120 * SECOND)
ASK = Settle(NEEDS_HUMAN, event=EventType.SEND_FAILED, reason="uncertain", alert="send_needs_human")
GIVEN_WAY = Settle(CANCELLED, event=EventType.SEND_FAILED, reason="superseded")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        # QUEUED: at its time
        (message(QUEUED), Claim()),
        (message(QUEUED, due=-HOUR), Claim()),
        (message(QUEUED, due=SECOND), Wait(NOW + SECOND)),
        (message(QUEUED, actor=Actor.HUMAN), Claim()),
        # queued by a process whose clock is fast: at once where it was not put off since
        (message(QUEUED, received_at=NOW + 10 * MINUTE, due=10 * MINUTE), Claim()),
        (message(QUEUED, received_at=NOW + 10 * MINUTE, due=SECOND, tries=1), Wait(NOW + SECOND)),
        (message(QUEUED, received_at=NOW + 10 * MINUTE, due=11 * MINUTE), Wait(NOW + 11 * MINUTE)),
        # it was in doubt, sent again and refused: then the first one turns out to have arrived
        (message(QUEUED, status_at=DELIVERED), Settle(SENT)),
        (message(QUEUED, status_at=FAILED), FAILED_BY_STATUS),
        # SENDING: by this run, by a living one, by one that is gone
        (message(SENDING, claimed_by="mine"), Post()),
        (message(SENDING, claimed_by="mine", status_at=DELIVERED), Post()),
        (message(SENDING, claimed_at=NOW - 29 * SECOND), Wait(NOW + SECOND)),
        (message(SENDING, claimed_at=NOW - 30 * SECOND), LOST),
        (message(SENDING, claimed_at=NOW - 30 * SECOND, actor=Actor.HUMAN), LOST),
        (message(SENDING, claimed_at=NOW, status_at=DELIVERED), Settle(SENT)),
        (message(SENDING, claimed_at=NOW, status_at=FAILED), FAILED_BY_STATUS),
        # UNKNOWN: its status decides; without one it waits
        (message(UNKNOWN, due=SECOND), Wait(NOW + SECOND)),
        (message(UNKNOWN, due=SECOND, status_at=DELIVERED), Settle(SENT)),
        (message(UNKNOWN, due=SECOND, status_at=FAILED), FAILED_BY_STATUS),
        (message(UNKNOWN, due=SECOND, status_at=BOTH), Settle(SENT)),
        (message(UNKNOWN, due=SECOND, status_at={"sent": NOW} | FAILED), FAILED_BY_STATUS),  # Meta took it, and no more
        (message(UNKNOWN, actor=Actor.HUMAN, status_at={"read": NOW}), Settle(SENT)),
        # accepted, and not delivered after all
        (message(SENT, status_at={"sent": NOW} | FAILED), FAILED_BY_STATUS),
        (message(SENT, status_at=BOTH), Settle(SENT)),
        # what is over waits for nothing
        (message(SENT), Settle(SENT)),
        (message(CANCELLED), Settle(CANCELLED)),
        (message(NEEDS_HUMAN), Settle(NEEDS_HUMAN)),
        (message(MessageState.FAILED), Settle(MessageState.FAILED)),
    ],
)
def test_the_state_and_the_statuses_tell_the_next_step(item: Message, expected: object) -> None:
    assert step(item) == expected


@pytest.mark.parametrize(
    ("item", "seen", "expected"),
    [
        (message(UNKNOWN), ALIVE, Claim(resend=True)),
        (message(UNKNOWN), (NOW - 115 * SECOND).timestamp(), Claim(resend=True)),
        # no status has come of what was surely sent since it is in doubt: silence proves nothing
        (message(UNKNOWN), DEAD, LATER),
        (message(UNKNOWN), (NOW - 116 * SECOND).timestamp(), LATER),
        # the doubt before this claim does not count, should another release not have noted the one after it
        (message(UNKNOWN, doubted_at=NOW - 9 * MINUTE), (NOW - 3 * MINUTE).timestamp(), LATER),
        (message(UNKNOWN, claimed_at=NOW - 11 * MINUTE, doubted_at=NOW - 10 * MINUTE), DEAD, ASK),
        (message(UNKNOWN, claimed_at=NOW - 11 * MINUTE, doubted_at=NOW - 10 * MINUTE), ALIVE, Claim(resend=True)),
        # another release noted no beginning of the doubt: its claim counts
        (message(UNKNOWN, doubted_at=None), (NOW - 3 * MINUTE).timestamp(), LATER),
        (message(UNKNOWN, doubted_at=None), (NOW - 2 * MINUTE).timestamp(), Claim(resend=True)),
        # once only
        (message(UNKNOWN, resends=1), ALIVE, ASK),
        (message(UNKNOWN, resends=1), DEAD, ASK),
        # an agent's never by itself
        (message(UNKNOWN, actor=Actor.HUMAN), ALIVE, ASK),
        (message(UNKNOWN, actor=Actor.HUMAN), DEAD, ASK),
    ],
)
def test_only_a_bots_text_is_sent_again_once_and_only_where_statuses_come(
    item: Message, seen: float, expected: object
) -> None:
    assert step(item, seen=seen) == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (message(UNKNOWN), GIVEN_WAY),
        (message(UNKNOWN, due=SECOND), GIVEN_WAY),
        (message(UNKNOWN, status_at=DELIVERED), Settle(SENT)),
        (message(UNKNOWN, due=SECOND, actor=Actor.HUMAN), Wait(NOW + SECOND)),
        (message(QUEUED), Claim()),
        (message(SENDING, claimed_at=NOW), Wait(NOW + 30 * SECOND)),
    ],
)
def test_a_bots_text_in_doubt_gives_way_to_what_is_said_next(item: Message, expected: object) -> None:
    assert step(item, superseded=True) == expected


# --- the claim --------------------------------------------------------------------------------------------------------
def header(**fields: Any) -> Conversation:
    return Conversation(id="u", **{"mode": Mode.BOT, "owner_epoch": 1, "last_user_at": NOW - HOUR, **fields})


OWNER_CHANGED = Settle(CANCELLED, event=EventType.SEND_FAILED, reason="owner_changed")
LATER = Settle(QUEUED, due_at=NOW + MINUTE)
WINDOW_CLOSED = Settle(
    MessageState.FAILED,
    event=EventType.SEND_FAILED,
    reason="window_closed",
    errors=[{"code": 131047, "title": "24-hour window closed"}],
)


@pytest.mark.parametrize(
    ("actor", "conversation", "paused", "expected"),
    [
        (Actor.PYLOTO, header(), False, None),
        (Actor.PYLOTO, header(mode=Mode.WAITING_HUMAN), False, None),
        (Actor.PYLOTO, header(mode=Mode.HUMAN), False, OWNER_CHANGED),
        (Actor.PYLOTO, header(owner_epoch=2), False, OWNER_CHANGED),
        (Actor.PYLOTO, header(), True, LATER),
        (Actor.PYLOTO, header(paused=True), False, LATER),
        (Actor.PYLOTO, header(paused=True, owner_epoch=2), True, OWNER_CHANGED),
        (Actor.PYLOTO, header(last_user_at=NOW - 24 * HOUR), False, None),
        (Actor.PYLOTO, header(last_user_at=NOW - 24 * HOUR - SECOND), False, WINDOW_CLOSED),
        (Actor.PYLOTO, header(last_user_at=None), False, WINDOW_CLOSED),
        (Actor.HUMAN, header(mode=Mode.HUMAN, owner_epoch=2, paused=True), True, None),
        (Actor.HUMAN, header(mode=Mode.HUMAN, last_user_at=NOW - 25 * HOUR), False, WINDOW_CLOSED),
    ],
)
def test_a_claim_asks_who_owns_the_conversation_and_whether_it_is_open(
    actor: Actor, conversation: Conversation, paused: bool, expected: object
) -> None:
    assert may_claim(message(actor=actor), conversation, now=NOW, bot_paused=paused) == expected


PERSONS = message(QUEUED, actor=Actor.HUMAN)


@pytest.mark.parametrize(
    ("item", "conversation", "behind", "paused", "expected"),
    [
        (message(), header(mode=Mode.WAITING_HUMAN), [PERSONS], True, GIVEN_WAY),
        (message(due=HOUR), header(mode=Mode.WAITING_HUMAN, paused=True), [message(), PERSONS], False, GIVEN_WAY),
        (message(), header(mode=Mode.WAITING_HUMAN), [PERSONS], False, None),
        (message(), header(mode=Mode.WAITING_HUMAN), [message()], True, None),
        (message(), header(), [PERSONS], True, None),  # nobody else would answer
        (PERSONS, header(mode=Mode.WAITING_HUMAN), [PERSONS], True, None),
        (message(status_at=DELIVERED), header(mode=Mode.WAITING_HUMAN), [PERSONS], True, None),
    ],
)
def test_a_bots_text_that_is_paused_gives_way_to_a_persons(
    item: Message, conversation: Conversation, behind: list[Message], paused: bool, expected: object
) -> None:
    assert gives_way_to_person(item, conversation, behind, bot_paused=paused) == expected


def test_a_doubt_stays_a_doubt_when_it_must_not_be_sent_again() -> None:
    paused = may_claim(message(UNKNOWN), header(), now=NOW, bot_paused=True)
    closed = may_claim(message(UNKNOWN), header(last_user_at=NOW - 25 * HOUR), now=NOW, bot_paused=False)
    assert paused == Settle(UNKNOWN, due_at=NOW + MINUTE)
    assert closed is not None
    assert closed.state == NEEDS_HUMAN


# --- the table --------------------------------------------------------------------------------------------------------
OUTBOUND = set(MessageState) - {MessageState.RECEIVED, MessageState.HANDLED}


def test_every_state_of_an_outbound_message_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == OUTBOUND
    assert {state for causes in TRANSITIONS.values() for state in causes.values()} == OUTBOUND


def test_every_end_that_is_no_success_is_told_by_the_trail() -> None:
    ends = {MessageState.FAILED, CANCELLED, NEEDS_HUMAN, UNKNOWN}
    untold = {
        (state, cause)
        for state, causes in TRANSITIONS.items()
        for cause, to in causes.items()
        if to in ends and to != state and cause not in EVENTS
    }
    assert untold == {(MessageState.FAILED, Cause.AGENT_DECIDED), (NEEDS_HUMAN, Cause.AGENT_DECIDED)}


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (SENDING, Cause.CLAIMED),  # never sent while somebody may be sending it
        (SENT, Cause.CLAIMED),
        (MessageState.FAILED, Cause.CLAIMED),
        (CANCELLED, Cause.CLAIMED),
        (NEEDS_HUMAN, Cause.CLAIMED),
        (SENDING, Cause.SUPERSEDED),  # it may be on its way
        (SENDING, Cause.OWNER_CHANGED),
        (QUEUED, Cause.ACCEPTED),
    ],
)
def test_what_must_never_happen_is_not_in_the_table(state: MessageState, cause: Cause) -> None:
    with pytest.raises(KeyError):
        after(state, cause)


# --- the answer -------------------------------------------------------------------------------------------------------
def refused(error_class: ErrorClass, code: int = 1) -> Rejected:
    return Rejected(code, error_class)


@pytest.mark.parametrize(
    ("result", "tries", "state", "wait"),
    [
        (Accepted("wamid.1"), 1, SENT, None),
        (NotSent("ConnectTimeoutError"), 1, QUEUED, 2 * SECOND),
        (NotSent("ConnectTimeoutError"), 3, QUEUED, 8 * SECOND),
        (NotSent("ConnectTimeoutError"), 60, QUEUED, 5 * MINUTE),
        (Ambiguous("ReadTimeoutError"), 1, UNKNOWN, 120 * SECOND),
        (Ambiguous("ReadTimeoutError"), 2, UNKNOWN, 120 * SECOND),
        (refused(ErrorClass.RETRY, 130429), 1, QUEUED, 2 * SECOND),
        (refused(ErrorClass.RETRY, 130429), 2, QUEUED, 4 * SECOND),
        (refused(ErrorClass.RETRY, 130429), 60, QUEUED, 5 * MINUTE),
        (refused(ErrorClass.RETRY, 131056), 1, QUEUED, 4 * SECOND),  # Meta: 4^X seconds for one recipient
        (refused(ErrorClass.RETRY, 131056), 2, QUEUED, 16 * SECOND),
        (refused(ErrorClass.RETRY, 131056), 3, QUEUED, 64 * SECOND),
        (refused(ErrorClass.RETRY, 131056), 5, QUEUED, 5 * MINUTE),
        (refused(ErrorClass.CHANNEL_BROKEN, 190), 1, QUEUED, 64 * SECOND),
        (refused(ErrorClass.CHANNEL_BROKEN, 190), 60, QUEUED, 15 * MINUTE),
        (
            refused(ErrorClass.FIX_ONCE, 131053),
            1,
            MessageState.FAILED,
            None,
        ),  # nothing can be mended: not again unchanged
        (refused(ErrorClass.RETRY, 135000), 4, QUEUED, 16 * SECOND),
        (refused(ErrorClass.RETRY, 135000), 5, MessageState.FAILED, None),
        (refused(ErrorClass.CHANGE_ROUTE, 131047), 1, MessageState.FAILED, None),
        (refused(ErrorClass.WAIT_LONG, 131049), 1, MessageState.FAILED, None),
        (refused(ErrorClass.PERMANENT, 131026), 1, MessageState.FAILED, None),
    ],
)
def test_an_answer_tells_whether_when_and_how_it_goes_on(
    result: Any, tries: int, state: MessageState, wait: timedelta | None
) -> None:
    settled = after_send(message(SENDING, tries=tries), result, now=NOW, patience=PATIENCE)
    assert (settled.state, settled.due_at) == (state, NOW + wait if wait is not None else None)


@pytest.mark.parametrize("result", [NotSent("ConnectTimeoutError"), refused(ErrorClass.RETRY, 130429)])
def test_what_whatsapp_does_not_take_for_minutes_is_told(result: Any) -> None:
    told = [after_send(message(SENDING, tries=n), result, now=NOW, patience=PATIENCE).alert for n in range(1, 11)]
    assert told == [""] * 7 + ["message_put_off_for_long"] * 3
    assert sum(2**n for n in range(1, 8)) == 254  # seconds


@pytest.mark.parametrize(
    ("status_at", "expected"), [(DELIVERED, Settle(SENT)), (BOTH, Settle(SENT)), (FAILED, FAILED_BY_STATUS)]
)
@pytest.mark.parametrize(
    "result", [NotSent("x"), Ambiguous("x"), Rejected(131026, ErrorClass.PERMANENT), Rejected(190, ErrorClass.RETRY)]
)
def test_a_status_that_came_during_the_send_tells_more_than_its_answer(
    result: Any, status_at: dict[str, Any], expected: Settle
) -> None:
    assert after_send(message(SENDING, status_at=status_at), result, now=NOW, patience=PATIENCE) == expected


def test_what_can_be_mended_is_sent_in_another_way_at_once_however_often_it_was_tried_before() -> None:
    settled = after_send(
        message(SENDING, tries=9), refused(ErrorClass.FIX_ONCE, 131062), now=NOW, patience=PATIENCE, can_mend=True
    )
    assert (settled.state, settled.due_at) == (QUEUED, NOW)


def test_a_refusal_for_good_and_a_doubt_are_audited_and_a_retry_is_not() -> None:
    permanent, retry = refused(ErrorClass.PERMANENT, 131026), refused(ErrorClass.RETRY, 130429)
    results = (permanent, Ambiguous("ReadTimeoutError"), retry, Accepted("wamid.1"))
    settled = [after_send(message(SENDING), result, now=NOW, patience=PATIENCE) for result in results]
    assert [each.event for each in settled] == [EventType.SEND_FAILED, EventType.SEND_UNCERTAIN, None, None]
    assert settled[0].errors == [{"code": 131026, "title": "PERMANENT"}]


def test_a_broken_channel_calls_a_person() -> None:
    settled = after_send(message(SENDING), refused(ErrorClass.CHANNEL_BROKEN, 190), now=NOW, patience=PATIENCE)
    assert settled.alert == "whatsapp_channel_broken"
