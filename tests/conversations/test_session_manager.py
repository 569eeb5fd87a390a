"""The sessions of a conversation at the edges: the rules of a turn, a commit for each change, made once however it ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit import EventType
from conversations.intents import Outcome
from conversations.models import Session
from conversations.services import agents
from conversations.services.ownership import Contended, NoConversation
from conversations.services.sessions import TRIES, NoSession, SessionManager
from pyloto.documents import PreconditionFailed, Unavailable
from tests.lab.faulty_store import Fault

from .customer import Customer

SOFTWARE, DRIVER = "CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_DRIVER_SIGNUP"
LEAD = "Preciso de um sistema para controlar o estoque da empresa em Castro/PR, 10 usuários, até março, precisa ter relatórios"
MINUTE = timedelta(minutes=1)
FAULTS = {
    "refused": Fault(PreconditionFailed("header")),
    "lost answer": Fault(Unavailable("commit"), applied=True),
    "not reached": Fault(Unavailable("commit")),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.services.sessions.jitter", lambda race: 0)


def the_session(customer: Customer) -> Session:
    return SessionManager().get_or_create_session(user_key=customer.user_key, now=timezone.now())


def add(customer: Customer, intent: str, **about: Any) -> Session:
    return SessionManager().add_intent(
        user_key=customer.user_key, intent=intent, confidence=0.9, now=timezone.now(), **about
    )


def close(customer: Customer, outcome: Outcome) -> Session:
    return SessionManager().close_session(user_key=customer.user_key, outcome=outcome, now=timezone.now())


def test_the_active_session_is_the_one(customer: Customer) -> None:
    customer.writes("oi").is_served()
    assert the_session(customer).pk == customer.session.pk
    assert len(customer.events(EventType.SESSION_OPENED)) == 1


def test_after_one_has_ended_another_starts_once(customer: Customer) -> None:
    customer.writes("Onde fica a empresa?").is_served()
    started = the_session(customer)
    assert (started.status, customer.header.session_id) == ("ACTIVE", started.pk)
    assert the_session(customer).pk == started.pk
    assert [session.outcome for session in customer.sessions] == ["SELF_SERVE_INFO", None]


def test_one_past_its_limit_is_closed_first(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(31 * MINUTE)
    the_session(customer)
    assert [session.outcome for session in customer.sessions] == ["SCHEDULED_FOLLOWUP", None]
    types = [event["event_type"] for event in customer.trail()][-3:]
    assert types == ["SESSION_ABANDONED", "SESSION_CLOSED", "SESSION_OPENED"]


def test_a_complete_lead_past_its_limit_goes_to_a_person_and_no_other_starts(customer: Customer, clock: Any) -> None:
    customer.writes(LEAD).is_served()
    clock.shift(31 * MINUTE)
    session = the_session(customer)
    assert (session.outcome, customer.header.mode) == ("HANDOFF_HUMAN", "WAITING_HUMAN")
    assert the_session(customer).pk == customer.handoffs[0].pk == session.pk
    customer.is_served()
    assert "uma pessoa vai continuar" in customer.replies[-1].text


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_becomes_of_a_commit_each_change_is_made_once(customer: Customer, fault: str) -> None:
    customer.writes("Onde fica a empresa?").is_served()
    for change in (
        the_session,
        lambda who: add(who, SOFTWARE),
        lambda who: SessionManager().update_session(
            user_key=who.user_key, intent=SOFTWARE, answers={"users": "10"}, now=timezone.now()
        ),
        lambda who: close(who, Outcome.HANDOFF_HUMAN),
    ):
        customer.store.commit_faults = [FAULTS[fault]]
        change(customer)
        assert not customer.store.commit_faults
    session = customer.session
    assert (session.outcome, session.collected) == ("HANDOFF_HUMAN", {SOFTWARE: {"users": "10"}})
    assert len(customer.handoffs) == len(customer.events(EventType.HANDOFF_OPENED)) == 1
    assert len(customer.events(EventType.INTENT_ADDED)) == 2  # the question about the company, and the system
    assert len(customer.events(EventType.SESSION_OPENED)) == len(customer.events(EventType.SESSION_CLOSED)) == 2


def test_what_was_applied_is_known_although_somebody_else_came_after_it(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.store.lose_commit_answer()
    customer.store.before_commits = [lambda: None]
    read = customer.store.get_many

    def read_after_another_turn(paths: Any) -> Any:
        if not customer.store.before_commits:
            customer.store.get_many = read  # type: ignore[method-assign]
            customer.writes("quero falar com uma pessoa").is_served()
        return read(paths)

    customer.store.get_many = read_after_another_turn  # type: ignore[method-assign]
    assert close(customer, Outcome.UNSUPPORTED).outcome == "UNSUPPORTED"
    assert [session.outcome for session in customer.sessions] == ["UNSUPPORTED", "HANDOFF_HUMAN"]


def test_a_turn_that_was_faster_is_respected(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.store.before_commits.append(lambda: customer.writes("quero falar com uma pessoa").is_served())
    assert close(customer, Outcome.SCHEDULED_FOLLOWUP).outcome == "HANDOFF_HUMAN"
    assert len(customer.events(EventType.SESSION_CLOSED)) == 1


@pytest.mark.parametrize("outcome", [Outcome.UNSUPPORTED, Outcome.ROUTE_EXTERNAL, Outcome.SCHEDULED_FOLLOWUP])
def test_no_lead_is_lost_by_an_end_that_is_weaker(customer: Customer, outcome: Outcome) -> None:
    customer.writes(LEAD).is_served()
    assert close(customer, outcome).outcome == "HANDOFF_HUMAN"
    [handoff] = customer.handoffs
    assert handoff.intent_primary == "CUSTOM_SOFTWARE"
    assert customer.header.mode == "WAITING_HUMAN"


def test_the_end_that_is_stronger_stands(customer: Customer) -> None:
    customer.writes("quero um sistema").is_served()
    assert close(customer, Outcome.SCHEDULED_FOLLOWUP).outcome == "SCHEDULED_FOLLOWUP"
    assert not customer.handoffs


def test_races_lost_for_ever_are_told(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.store.commit_faults = [FAULTS["refused"]] * TRIES
    with pytest.raises(Contended):
        add(customer, SOFTWARE)
    assert not customer.session.intents


def test_a_fourth_wish_is_noted_and_nothing_that_is_done_changes(customer: Customer) -> None:
    customer.writes("oi").is_served()
    for intent in (SOFTWARE, DRIVER, "SAAS_COMMUNICATION"):
        add(customer, intent)
    session = add(customer, "PYLOTO_ENTREGA_MERCHANT_SIGNUP")
    assert [entry["intent"] for entry in session.intents] == [SOFTWARE, DRIVER, "SAAS_COMMUNICATION"]
    assert [noted["intent"] for noted in session.noted] == ["PYLOTO_ENTREGA_MERCHANT_SIGNUP"]
    added = [event["metadata"] for event in customer.events(EventType.INTENT_ADDED)]
    assert [metadata["noted_only"] for metadata in added] == [False, False, False, True]


@pytest.mark.parametrize("outcome", ["SELF_SERVE_INFO", "ROUTE_EXTERNAL", "DUPLICATE_OR_SPAM", "FAILED_INTERNAL"])
def test_a_session_ends_with_the_outcome_that_it_is_given_and_never_with_another(
    customer: Customer, outcome: str
) -> None:
    customer.writes("oi").is_served()
    assert close(customer, Outcome(outcome)).outcome == outcome
    customer.is_served()
    assert len(customer.handoffs) == int(outcome == "FAILED_INTERNAL")
    assert bool(customer.header.routed_until) == (outcome == "ROUTE_EXTERNAL")
    if customer.header.session_id:
        assert close(customer, Outcome.UNSUPPORTED).outcome == outcome
    else:
        with pytest.raises(NoSession):
            close(customer, Outcome.UNSUPPORTED)


def test_what_makes_no_sense_is_refused(customer: Customer) -> None:
    customer.writes("oi")
    with pytest.raises(NoConversation):
        the_session(customer)
    customer.is_served()
    with pytest.raises(ValueError, match="AWAITING_USER"):
        close(customer, Outcome.AWAITING_USER)
    with pytest.raises(ValueError, match="asks for no such answer"):
        SessionManager().update_session(
            user_key=customer.user_key, intent=SOFTWARE, answers={"cpf": "1"}, now=timezone.now()
        )
    agents.take(user_key=customer.user_key, agent="user:7", now=timezone.now())
    with pytest.raises(NoSession):
        add(customer, SOFTWARE)
    assert the_session(customer).pk == customer.handoffs[0].pk
