"""The job that closes the sessions of customers who went silent."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit import EventType
from conversations.models import Mode
from conversations.services import sessions
from conversations.services.controls import set_bot_paused
from conversations.services.sessions import SessionManager
from conversations.tasks import check_session_timeouts
from conversations.whatsapp.client import NotSent
from pyloto.documents import PreconditionFailed, Update
from tests.lab.faulty_store import Fault

from .customer import Customer
from .outside import Outside

IDLE = timedelta(minutes=32)  # the limit of 30 min, and what the job leaves for slow deliveries
LEAD = (
    "Preciso de um sistema sob medida",
    "Empresa",
    "Controlamos o estoque em planilhas",
    "Cadastro de produtos e relatórios",
    "Umas 20 pessoas",
    "Ponta Grossa - PR",
    "Em três meses",
)


def test_an_idle_session_is_closed_without_a_word(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(IDLE)
    assert check_session_timeouts() == "Closed 1 sessions"
    [session] = customer.sessions
    assert (session.status, session.outcome, session.expires_at) == ("CLOSED", "SCHEDULED_FOLLOWUP", None)
    assert (customer.header.session_id, len(customer.outside.sent)) == (None, 1)
    assert len(customer.events(EventType.SESSION_ABANDONED)) == len(customer.events(EventType.SESSION_CLOSED)) == 1


def test_running_it_twice_does_no_harm(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(IDLE)
    check_session_timeouts()
    length = len(customer.trail())
    assert check_session_timeouts() == "Closed 0 sessions"
    assert len(customer.trail()) == length


def test_a_session_within_its_limits_is_left_alone(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(timedelta(minutes=29))
    assert check_session_timeouts() == "Closed 0 sessions"
    assert customer.session.status == "ACTIVE"


def test_a_complete_lead_goes_to_a_person_who_is_announced(customer: Customer, clock: Any) -> None:
    for text in LEAD:
        customer.writes(text).is_served()
    assert customer.session.status == "ACTIVE"
    clock.shift(IDLE)
    check_session_timeouts()
    [handoff] = customer.handoffs
    assert (handoff.status, customer.header.mode, customer.states[-1]) == ("OPEN", Mode.WAITING_HUMAN, "QUEUED")
    customer.is_served()
    assert customer.states[-1] == "SENT"
    assert customer.header.last_message_preview == customer.replies[-1].text[:120]


def test_a_conversation_with_open_messages_is_its_workers(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(timedelta(minutes=29))
    customer.writes("ainda estou aqui")  # nobody has looked at it yet
    clock.shift(timedelta(minutes=5))
    assert check_session_timeouts() == "Closed 0 sessions"
    customer.is_served()
    assert [session.status for session in customer.sessions] == ["ACTIVE"]


@pytest.mark.parametrize("outage", [timedelta(minutes=40), timedelta(hours=3)], ids=["idle", "total"])
def test_who_is_sent_the_question_late_has_time_to_answer_it(customer: Customer, clock: Any, outage: timedelta) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    customer.outside.answers = [NotSent("ConnectTimeoutError")]
    customer.writes("Empresa").is_served()
    clock.shift(outage)
    assert check_session_timeouts() == "Closed 0 sessions"
    customer.is_served()
    assert customer.states == ["SENT", "SENT"]
    clock.shift(timedelta(minutes=29))
    assert check_session_timeouts() == "Closed 0 sessions"
    customer.writes("Controlamos o estoque em planilhas").is_served()
    assert [session.status for session in customer.sessions] == ["ACTIVE"]
    assert customer.session.collected["CUSTOM_SOFTWARE"]["problem"] == "Controlamos o estoque em planilhas"


def test_a_session_whose_question_was_sent_late_ends_like_any_other(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [NotSent("ConnectTimeoutError")]
    customer.writes("oi").is_served()
    customer.is_served_after(clock, timedelta(minutes=40))
    clock.shift(IDLE)
    assert check_session_timeouts() == "Closed 1 sessions"
    assert len(customer.events(EventType.SESSION_CLOSED)) == 1


def test_a_complete_lead_does_not_wait_for_a_question_that_is_not_sent(customer: Customer, clock: Any) -> None:
    for text in LEAD[:-1]:
        customer.writes(text).is_served()
    customer.outside.answers = [NotSent("ConnectTimeoutError")] * 20
    customer.writes(LEAD[-1]).is_served()
    for _ in range(6):  # and tried again and again
        assert (customer.states[-1], customer.session.status) == ("QUEUED", "ACTIVE")
        customer.is_served_after(clock, timedelta(minutes=5, seconds=20))
    assert check_session_timeouts() == "Closed 1 sessions"
    assert [handoff.status for handoff in customer.handoffs] == ["OPEN"]
    assert len(customer.outside.sent) == len(LEAD) - 1 + 7


@pytest.mark.parametrize("bot_paused", [False, True], ids=["outage", "pause"])
def test_who_asks_whether_anybody_is_there_before_the_question_comes_goes_on(
    customer: Customer, clock: Any, bot_paused: bool
) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    customer.outside.answers = [NotSent("ConnectTimeoutError")] * 20
    customer.writes("Empresa").is_served()
    set_bot_paused(paused=bot_paused, agent="user:ana", now=timezone.now())
    customer.is_served_after(clock, timedelta(minutes=40))
    customer.writes("Alô, tem alguém aí?").is_served()
    set_bot_paused(paused=False, agent="user:ana", now=timezone.now())
    customer.outside.answers = []
    customer.is_served_after(clock, timedelta(minutes=6))
    assert set(customer.states) == {"SENT"}
    customer.writes("Controlamos o estoque em planilhas").is_served()
    assert [session.status for session in customer.sessions] == ["ACTIVE"]
    assert customer.session.collected["CUSTOM_SOFTWARE"]["problem"] == "Controlamos o estoque em planilhas"


def test_a_session_whose_question_is_never_sent_goes_to_a_person(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [NotSent("ConnectTimeoutError")]
    customer.writes("oi").is_served()
    clock.shift(timedelta(hours=25))
    assert check_session_timeouts() == "Closed 0 sessions"
    customer.is_served()
    assert (customer.states, customer.session.outcome) == (["FAILED"], "FAILED_INTERNAL")
    assert (len(customer.handoffs), len(customer.events(EventType.SESSION_CLOSED))) == (1, 1)


@pytest.mark.parametrize("lost", [False, True], ids=["the worker's", "a refused commit"])
def test_who_loses_the_race_looks_again_at_the_next_run(customer: Customer, clock: Any, lost: bool) -> None:
    customer.writes("oi").is_served()
    clock.shift(IDLE)
    if lost:
        customer.store.commit_faults.append(Fault(PreconditionFailed("header")))
    else:
        customer.store.before_commits.append(lambda: customer.writes("voltei").is_served())
    assert check_session_timeouts() == "Closed 0 sessions"
    assert customer.trail()
    assert check_session_timeouts() == f"Closed {int(lost)} sessions"
    assert [session.status for session in customer.sessions] == ["CLOSED"] if lost else ["CLOSED", "ACTIVE"]


def test_one_bad_session_keeps_no_other_open(customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    customer.writes("oi").is_served()
    other = Customer(customer.store, Outside(), wa_id="5542999990002")
    other.writes("oi").is_served()
    customer.store.inner.commit([Update(f"sessions/{customer.session.pk}", {"intents": [{"intent": "broken"}]})])
    clock.shift(IDLE)
    assert check_session_timeouts() == "Closed 1 sessions"
    assert (customer.session.status, other.session.status) == ("ACTIVE", "CLOSED")


def test_those_left_open_do_not_hide_the_others(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a page of them; here a page is one session."""
    find_expired = sessions.SessionStore.find_expired
    monkeypatch.setattr(
        sessions.SessionStore, "find_expired", lambda self, now, after: find_expired(self, now, page=1, after=after)
    )
    busy, idle = customer, Customer(customer.store, Outside(), wa_id="5542999990002")
    busy.writes("oi").is_served()
    idle.writes("oi").is_served()
    busy.writes("ainda estou aqui")
    clock.shift(IDLE)
    closed = SessionManager().check_timeouts(now=timezone.now())
    assert [session.user_key for session in closed] == [idle.user_key]


def test_a_run_that_took_long_hands_the_rest_to_a_task_of_its_own(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow one is, those behind it are looked at; here each is too slow."""
    monkeypatch.setattr(sessions, "RUN_SECONDS", -1)
    others = [Customer(customer.store, Outside(), wa_id=f"554299999000{n}") for n in (2, 3)]
    for who in (customer, *others):
        who.writes("oi").is_served()
    clock.shift(IDLE)
    went_on: list[Any] = []
    monkeypatch.setattr(check_session_timeouts, "delay", went_on.append)
    assert check_session_timeouts() == "Closed 1 sessions"
    while went_on:
        assert check_session_timeouts(json.loads(json.dumps(went_on.pop()))) in (
            "Closed 1 sessions",
            "Closed 0 sessions",
        )
    assert {session.status for who in (customer, *others) for session in who.sessions} == {"CLOSED"}
    closed = SessionManager().check_timeouts(now=timezone.now())
    assert not closed


def test_a_session_that_the_conversation_left_behind_is_closed_and_the_one_that_goes_on_stays(
    customer: Customer, clock: Any
) -> None:
    """No commit of ours leaves one; should there be one, it must not take the other's place in the header."""
    customer.writes(" ".join(LEAD)).is_served()
    customer.store.inner.update(f"conversations/{customer.user_key}", {"session_id": None})
    stray = customer.session
    clock.shift(timedelta(minutes=20))
    customer.writes("oi").is_served()
    clock.shift(timedelta(minutes=15))
    assert check_session_timeouts() == "Closed 1 sessions"
    first, second = customer.sessions
    assert (first.pk, first.outcome) == (stray.pk, "SCHEDULED_FOLLOWUP")
    assert (second.status, customer.header.session_id, customer.header.mode) == ("ACTIVE", second.pk, Mode.BOT)


def test_the_half_hour_after_the_external_channel_counts_from_the_message(
    customer: Customer, clock: Any, settings: Any
) -> None:
    settings.DELIVERY_DESK_WHATSAPP = "(42) 99999-0000"
    customer.writes("preciso de um motoboy agora")
    received_at = customer.received[0].received_at
    clock.shift(timedelta(minutes=10))  # a worker was slow
    customer.is_served()
    assert customer.header.routed_until == received_at + timedelta(minutes=30)
