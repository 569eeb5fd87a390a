"""The bot is paused, for everybody, for a number or for one customer: nothing is said, and nothing that was said is lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from audit import EventType, verify
from audit.stores import SYSTEM_CHAIN, AuditLogStore
from conversations import tasks
from conversations.doorbell import doorbell
from conversations.models import Message
from conversations.services import agents
from conversations.services.controls import bot_controls, set_bot_paused, set_conversation_paused
from conversations.services.ownership import NoConversation
from conversations.services.sweep import find_still, oldest_due_seconds
from conversations.services.uncertain import resend
from conversations.tasks import check_session_timeouts
from conversations.whatsapp.client import NotSent, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import AlreadyExists, DocumentStore, Unavailable, get_store
from tests.lab.faulty_store import Fault

from .customer import Customer

ANA = "user:7"
MINUTE = timedelta(minutes=1)
NUMBER = settings.WHATSAPP_PHONE_NUMBER_IDS[0]


@pytest.fixture
def store(embedded_store: DocumentStore) -> DocumentStore:
    """One adapter is enough for what waits."""
    return embedded_store


def pause_all(customer: Customer, paused: bool) -> None:
    set_bot_paused(paused=paused, agent=ANA, now=timezone.now())


def pause_number(customer: Customer, paused: bool) -> None:
    set_bot_paused(paused=paused, phone_number_id=NUMBER, agent=ANA, now=timezone.now())


def pause_one(customer: Customer, paused: bool) -> None:
    set_conversation_paused(user_key=customer.user_key, paused=paused, agent=ANA, now=timezone.now())


Pause = Callable[[Customer, bool], None]
each_pause = pytest.mark.parametrize("pause", [pause_all, pause_number, pause_one])


def came_in(customer: Customer) -> list[Message]:
    return sorted(customer.received, key=lambda message: message.seq)


# --- what is said to a paused bot -------------------------------------------------------------------------------------
@each_pause
def test_what_comes_during_a_pause_waits_and_is_answered_as_one_turn_afterwards(
    customer: Customer, clock: Any, pause: Pause
) -> None:
    customer.writes("oi").is_served()
    pause(customer, True)
    customer.writes("Onde vocês ficam?").is_served()
    customer.writes("e o horário?").is_served()
    assert [message.state for message in came_in(customer)] == ["HANDLED", "RECEIVED", "RECEIVED"]
    assert (len(customer.outside.sent), len(customer.outside.read)) == (1, 1)
    clock.shift(5 * MINUTE)
    customer.is_served()
    assert len(customer.outside.sent) == 1
    pause(customer, False)
    customer.is_served()
    assert len(customer.outside.sent) == 2
    assert "Ponta Grossa" in customer.outside.texts[-1]
    assert "Desculpe a demora" not in customer.outside.texts[-1]
    assert len({message.turn_id for message in customer.received}) == 2


def test_the_list_of_conversations_shows_what_waits_and_counts_it_once(customer: Customer, clock: Any) -> None:
    pause_all(customer, True)
    customer.writes("oi").is_served()
    customer.writes("Onde vocês ficam?").is_served()
    clock.shift(2 * MINUTE)
    customer.is_served()
    header = customer.header
    assert (header.unread, header.last_message_preview) == (2, "Onde vocês ficam?")
    newest = came_in(customer)[-1]
    assert (header.last_message_at, header.last_user_at) == (newest.received_at, newest.timestamp)
    pause_all(customer, False)
    customer.is_served()
    assert customer.header.unread == 0  # answered


def test_after_a_quarter_of_an_hour_the_answer_begins_with_an_apology_and_shows_no_menu(
    customer: Customer, clock: Any
) -> None:
    pause_all(customer, True)
    customer.writes("oi").is_served()
    clock.shift(16 * MINUTE)
    pause_all(customer, False)
    customer.is_served()
    assert customer.outside.texts[0].startswith("Desculpe a demora")
    assert customer.replies[0].payload.get("kind") != "list"


def test_a_long_pause_closes_no_session_and_leaves_the_customer_time_to_answer(customer: Customer, clock: Any) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    clock.shift(20 * MINUTE)
    pause_all(customer, True)
    customer.writes("para uma empresa").is_served()
    clock.shift(60 * MINUTE)
    assert check_session_timeouts() == "Closed 0 sessions"
    pause_all(customer, False)
    customer.is_served()
    assert check_session_timeouts() == "Closed 0 sessions"
    clock.shift(20 * MINUTE)
    customer.writes("controlar o estoque da oficina").is_served()
    assert len(customer.sessions) == 1
    assert customer.session.collected["CUSTOM_SOFTWARE"]["problem"] == "controlar o estoque da oficina"


def test_a_pause_longer_than_a_session_may_last_leaves_time_to_answer_too(customer: Customer, clock: Any) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    pause_all(customer, True)
    customer.writes("para uma empresa").is_served()
    clock.shift(timedelta(hours=3))
    pause_all(customer, False)
    customer.is_served()
    clock.shift(20 * MINUTE)
    assert check_session_timeouts() == "Closed 0 sessions"
    customer.writes("controlar o estoque da oficina").is_served()
    clock.shift(5 * MINUTE)
    assert check_session_timeouts() == "Closed 0 sessions"
    assert [session.status for session in customer.sessions] == ["ACTIVE"]
    clock.shift(7 * MINUTE)
    assert check_session_timeouts() == "Closed 1 sessions"  # the total limit gave way for half an hour


def test_a_session_that_begins_with_a_late_answer_lasts_as_long_as_others(customer: Customer, clock: Any) -> None:
    pause_all(customer, True)
    customer.writes("Preciso de um sistema sob medida").is_served()
    clock.shift(timedelta(hours=3))
    pause_all(customer, False)
    customer.is_served()
    clock.shift(20 * MINUTE)
    customer.writes("para uma empresa").is_served()
    assert len(customer.sessions) == 1


def test_a_message_on_a_session_that_was_over_when_it_came_begins_a_new_one(customer: Customer, clock: Any) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    clock.shift(31 * MINUTE)
    pause_all(customer, True)
    customer.writes("Onde vocês ficam?").is_served()
    pause_all(customer, False)
    customer.is_served()
    assert customer.sessions[0].outcome == "SCHEDULED_FOLLOWUP"
    assert len(customer.sessions) == 2


@each_pause
def test_a_wish_for_a_person_is_heard_in_silence(customer: Customer, clock: Any, pause: Pause) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    pause(customer, True)
    customer.writes("para uma empresa").is_served()
    customer.writes("quero falar com uma pessoa").is_served()
    assert (customer.header.mode, customer.handoffs[0].status) == ("WAITING_HUMAN", "OPEN")
    assert {message.state for message in customer.received} == {"HANDLED"}
    customer.writes("alguém aí?").is_served()
    assert (len(customer.outside.sent), len(customer.replies)) == (1, 1)
    pause(customer, False)
    customer.writes("oi?").is_served()
    assert "já está com a equipe" in customer.outside.texts[-1]


def test_a_wish_for_a_person_at_the_end_of_a_flood_is_heard_too(customer: Customer) -> None:
    customer.writes("oi").is_served()
    set_conversation_paused(user_key=customer.user_key, paused=True, agent=ANA, now=timezone.now())
    customer.writes(*(f"preciso de ajuda {number}" for number in range(11)), "quero falar com uma pessoa").is_served()
    assert (customer.header.mode, len(customer.outside.sent)) == ("WAITING_HUMAN", 1)
    assert [handoff.status for handoff in customer.handoffs] == ["OPEN"]


def test_a_tap_on_the_button_for_a_person_is_heard_too(customer: Customer) -> None:
    pause_all(customer, True)
    customer.taps("human").is_served()
    assert (customer.header.mode, customer.replies) == ("WAITING_HUMAN", [])


def test_what_needs_no_answer_is_handled_as_ever(customer: Customer) -> None:
    customer.writes("oi").is_served()
    pause_all(customer, True)
    customer.sends({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}}).is_served()
    assert [message.state for message in customer.received] == ["HANDLED", "HANDLED"]


def test_what_is_said_to_a_person_is_handled_as_ever(customer: Customer) -> None:
    customer.writes("oi").is_served()
    agents.take(user_key=customer.user_key, agent=ANA, now=timezone.now())
    pause_all(customer, True)
    customer.writes("oi?").is_served()
    assert {message.state for message in customer.received} == {"HANDLED"}


def test_an_agent_can_take_and_answer_whoever_waits_for_a_paused_bot(customer: Customer) -> None:
    """Even somebody new, of whom no turn was done."""
    pause_all(customer, True)
    customer.writes("oi").is_served()
    agents.take(user_key=customer.user_key, agent=ANA, now=timezone.now())
    agents.reply(user_key=customer.user_key, agent=ANA, text="Bom dia!", key="1", now=timezone.now())
    customer.is_served()
    assert (customer.outside.texts, customer.states) == (["Bom dia!"], ["SENT"])
    assert customer.received[0].state == "HANDLED"


def test_after_a_pause_of_more_than_a_day_a_person_learns_of_it(customer: Customer, clock: Any) -> None:
    pause_all(customer, True)
    customer.writes("Preciso de um sistema sob medida").is_served()
    clock.shift(timedelta(hours=25))
    customer.is_served()
    pause_all(customer, False)
    customer.is_served()
    assert (customer.outside.sent, customer.header.mode) == ([], "WAITING_HUMAN")
    assert customer.handoffs[0].status == "OPEN"


@each_pause
def test_a_reply_that_is_queued_waits_too(customer: Customer, clock: Any, pause: Pause) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    pause(customer, True)
    clock.shift(MINUTE)
    customer.is_served()
    assert (customer.states, len(customer.outside.sent)) == (["QUEUED"], 1)
    pause(customer, False)
    clock.shift(MINUTE)
    customer.is_served()
    assert customer.states == ["SENT"]


def refused_and_queued(customer: Customer) -> Message:
    """Their answer was refused and a person is awaited; the neutral word about it waits in the queue. The first."""
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT), Rejected(130429, ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    assert (customer.states, customer.header.mode) == (["FAILED", "QUEUED"], "WAITING_HUMAN")
    return customer.replies[0]


def queued_behind_a_paused_answer(customer: Customer, clock: Any) -> None:
    """The bot alone has them, and may not say its answer; behind it stands what an agent sends anew."""
    refused = refused_and_queued(customer)
    agents.take(user_key=customer.user_key, agent=ANA, now=timezone.now())
    agents.close(user_key=customer.user_key, agent=ANA, now=timezone.now())
    customer.is_served_after(clock, MINUTE)
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.writes("Onde vocês ficam?").is_served()
    pause_all(customer, True)
    resend(user_key=customer.user_key, message_key=refused.pk, agent=ANA, now=timezone.now())
    customer.is_served_after(clock, MINUTE)
    assert customer.states[-2:] == ["QUEUED", "QUEUED"]


@each_pause
def test_what_an_agent_sends_anew_waits_for_no_pause(customer: Customer, pause: Pause) -> None:
    refused = refused_and_queued(customer)
    pause(customer, True)
    resend(user_key=customer.user_key, message_key=refused.pk, agent=ANA, now=timezone.now())
    assert customer.is_served() is None
    assert customer.states == ["CANCELLED", "CANCELLED", "SENT"]
    assert [message.actor for message in customer.replies] == ["PYLOTO", "PYLOTO", "HUMAN"]
    assert customer.events(EventType.SEND_FAILED)[-1]["metadata"]["reason"] == "superseded"


def test_without_a_pause_it_stands_behind_what_the_bot_has_still_to_say(customer: Customer, clock: Any) -> None:
    refused = refused_and_queued(customer)
    resend(user_key=customer.user_key, message_key=refused.pk, agent=ANA, now=timezone.now())
    customer.is_served()
    assert customer.states == ["CANCELLED", "QUEUED", "QUEUED"]
    customer.is_served_after(clock, MINUTE)
    assert customer.states == ["CANCELLED", "SENT", "SENT"]


def test_where_the_bot_alone_would_answer_its_answer_is_not_dropped_for_an_old_message(
    customer: Customer, clock: Any
) -> None:
    queued_behind_a_paused_answer(customer, clock)
    pause_all(customer, False)
    customer.is_served_after(clock, MINUTE)
    assert customer.states[-2:] == ["SENT", "SENT"]


def test_the_pause_of_another_number_silences_nobody_here(customer: Customer) -> None:
    set_bot_paused(paused=True, phone_number_id="another", agent=ANA, now=timezone.now())
    customer.writes("oi").is_served()
    assert len(customer.outside.sent) == 1


def test_a_pause_that_begins_while_a_model_reads_holds_the_answer_back(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.writes("Onde vocês ficam?")

    def read_slowly(before: dict[str, Any]) -> None:
        pause_all(customer, True)
        clock.shift(8)

    _while_reading(monkeypatch, read_slowly)
    customer.is_served()
    assert (customer.outside.sent, customer.states) == ([], ["QUEUED"])


def _while_reading(monkeypatch: pytest.MonkeyPatch, happens: Callable[[dict[str, Any]], None]) -> None:
    from ai.orchestrator import AIOrchestrator

    classify = AIOrchestrator.classify

    def slowly(self: Any, *args: Any, **kwargs: Any) -> Any:
        happens(kwargs)
        return classify(self, *args, **kwargs)

    monkeypatch.setattr(AIOrchestrator, "classify", slowly)


# --- when it is looked at again ---------------------------------------------------------------------------------------
def test_who_waits_is_looked_at_after_a_minute_then_every_five_and_nothing_cries(
    customer: Customer, clock: Any, valkey: Any
) -> None:
    pause_all(customer, True)
    customer.writes("oi").is_served()
    waits = []
    for _ in range(5):
        due_at = customer.received[0].due["at"]  # type: ignore[index]
        clock.move_to(due_at + timedelta(seconds=5))
        assert list(find_still(now=timezone.now())) == [customer.user_key]
        assert oldest_due_seconds(now=timezone.now()) < 10
        valkey.delete(f"ring:{customer.user_key}")
        at = customer.is_served()
        assert at is not None
        waits.append(round((at - timezone.now()).total_seconds()))
        assert list(find_still(now=timezone.now())) == []
    assert waits == pytest.approx([65, 135, 275, 300, 300], abs=10)


@each_pause
def test_nothing_cries_over_what_waits_behind_a_reply_that_the_pause_holds_back(
    customer: Customer, clock: Any, pause: Pause
) -> None:
    customer.outside.answers = [NotSent("ConnectTimeoutError")]
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?").is_served()
    pause(customer, True)
    for _ in range(20):
        customer.is_served_after(clock, MINUTE)
        assert oldest_due_seconds(now=timezone.now()) == 0
    assert customer.states == ["QUEUED", "QUEUED"]
    customer.store.calls.clear()
    customer.is_served()
    assert "commit" not in customer.store.calls
    clock.shift(17 * MINUTE)  # nobody works any more
    assert oldest_due_seconds(now=timezone.now()) > tasks.STANDS_STILL_SECONDS
    pause(customer, False)
    customer.is_served_after(clock, MINUTE)
    assert customer.states == ["SENT", "SENT"]


def test_what_waits_for_meta_and_for_no_pause_cries_after_a_quarter_of_an_hour(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [NotSent("ConnectTimeoutError")] * 20
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?").is_served()
    for _ in range(4):
        customer.is_served_after(clock, 5 * MINUTE)
    assert oldest_due_seconds(now=timezone.now()) > tasks.STANDS_STILL_SECONDS


def test_what_a_person_wrote_does_not_wait_for_the_time_of_a_paused_reply(customer: Customer, clock: Any) -> None:
    """They send anew what had failed, where the bot has the conversation, and take it over then."""
    queued_behind_a_paused_answer(customer, clock)
    customer.is_served_after(clock, MINUTE / 2)
    assert customer.states[-2:] == ["QUEUED", "QUEUED"]
    agents.take(user_key=customer.user_key, agent=ANA, now=timezone.now())
    customer.is_served()
    assert customer.states[-2:] == ["CANCELLED", "SENT"]


def test_a_run_that_nobody_needed_writes_nothing(customer: Customer) -> None:
    pause_all(customer, True)
    customer.writes("oi").is_served()
    customer.store.calls.clear()
    customer.is_served()
    assert "commit" not in customer.store.calls


@pytest.mark.parametrize("applied", [False, True])
def test_what_is_put_off_is_put_off_once_however_its_commit_ends(customer: Customer, applied: bool) -> None:
    pause_all(customer, True)
    customer.writes("oi")
    customer.store.commit_faults = [Fault(Unavailable("commit"), applied)]
    customer.is_served()
    assert (customer.header.unread, customer.trail()) == (1, [])
    pause_all(customer, False)
    customer.is_served()
    assert len(customer.outside.sent) == 1


def test_hundreds_of_messages_wait_without_a_ring_after_another(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.services.turns.TURN_MESSAGES_MAX", 2)
    monkeypatch.setattr("conversations.services.turns.OPEN_ITEMS_MAX", 4)
    pause_all(customer, True)
    customer.writes(*(f"mensagem {number}" for number in range(7)))
    while (next_at := customer.is_served()) and next_at <= timezone.now():
        pass
    assert all(message.due["at"] > timezone.now() + timedelta(seconds=50) for message in customer.received)  # type: ignore[index]
    assert customer.header.unread == 7


def test_the_end_of_one_customers_pause_rings_at_once(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[Any] = []
    customer.writes("oi").is_served()
    monkeypatch.setattr(doorbell, "ring", rung.append)
    pause_one(customer, True)
    assert rung == []
    pause_one(customer, False)
    assert rung == [{customer.user_key: timedelta(0)}]


def test_no_ring_follows_another_while_the_pause_lasts(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[Any] = []
    monkeypatch.setattr(doorbell, "ring", lambda waits, files=(): rung.append(waits))
    monkeypatch.setattr(tasks, "create_client", lambda: customer.outside)
    pause_all(customer, True)
    customer.writes("oi")
    rung.clear()
    tasks.process_conversation(customer.user_key)
    assert rung == [{}]


# --- the switches -----------------------------------------------------------------------------------------------------
def test_there_is_nothing_to_pause_where_nobody_wrote(customer: Customer) -> None:
    with pytest.raises(NoConversation):
        set_conversation_paused(user_key="nobody", paused=True, agent=ANA, now=timezone.now())


def test_the_pause_of_a_conversation_stands_in_its_trail_once(customer: Customer) -> None:
    customer.writes("oi").is_served()
    pause_one(customer, True)
    pause_one(customer, True)
    [changed] = customer.events(EventType.CONTROL_CHANGED)
    assert (changed["actor"], changed["changes"]) == (ANA, {"paused": [False, True]})


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.services.controls.jitter", lambda race: 0)


def system_chain() -> list[dict[str, Any]]:
    events = [event.to_document() for event in AuditLogStore().trail(SYSTEM_CHAIN)]
    assert not verify(SYSTEM_CHAIN, events)
    return events


def test_the_switches_are_independent_and_stand_in_the_chain_of_the_system(customer: Customer) -> None:
    pause_all(customer, True)
    pause_number(customer, True)
    pause_number(customer, True)
    pause_all(customer, False)
    now = bot_controls()
    assert (now.paused, now.paused_numbers) == (False, frozenset({NUMBER}))
    assert (now.silence(NUMBER), now.silence("another")) == (True, False)
    told = [(e["actor"], e["changes"]["paused"], e["metadata"].get("phone_number_id")) for e in system_chain()]
    assert told == [(ANA, [False, True], None), (ANA, [False, True], NUMBER), (ANA, [True, False], None)]


@pytest.mark.parametrize(
    "fault",
    [Fault(AlreadyExists("audit_logs")), Fault(Unavailable("commit")), Fault(Unavailable("answer"), applied=True)],
)
@pytest.mark.usefixtures("no_pauses")
def test_a_switch_is_turned_once_however_its_commit_ends(customer: Customer, fault: Fault) -> None:
    customer.store.commit_faults.append(fault)
    pause_all(customer, True)
    assert bot_controls().paused
    assert len(system_chain()) == 1


@pytest.mark.usefixtures("no_pauses")
def test_two_who_turn_switches_at_once_both_succeed(customer: Customer) -> None:
    customer.store.before_commits.append(lambda: pause_number(customer, True))
    pause_all(customer, True)
    assert bot_controls().to_document() == {"paused": True, "paused_numbers": [NUMBER]}
    assert len(system_chain()) == 2
    assert get_store().get("controls/bot").data == bot_controls().to_document()
