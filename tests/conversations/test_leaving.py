"""Whoever has a conversation and is not there any more: a job gives it to the next one, or to the bot."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from audit import EventType
from conversations.models import Mode
from conversations.services import agents
from conversations.services.ownership import TRIES
from conversations.services.silence import find_silent
from conversations.tasks import put_back_left_conversations
from pyloto.documents import DocumentStore, PreconditionFailed, Unavailable, Update
from tests.lab.faulty_store import Fault

from .customer import Customer
from .test_agents import no_pauses, take

__all__ = ["no_pauses"]

MINUTE = timedelta(minutes=1)
PUT_BACK = "Put back 1 conversations"
NOTHING = "Put back 0 conversations"


@pytest.fixture
def store(embedded_store: DocumentStore) -> DocumentStore:
    return embedded_store


@pytest.fixture
def on_the_phone(customer: Customer) -> Customer:
    """The owner took them from the bot, and nobody has a handoff."""
    customer.writes("qual o horário?").is_served()
    customer.is_answered_on_the_phone().is_served()
    return customer


def test_who_was_deleted_leaves_nothing_although_the_store_was_away(customer: Customer, admin_client: Client) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    user = User.objects.create_user("ana", is_staff=True)
    take(customer, agents.agent_of(user.pk))
    assert put_back_left_conversations() == NOTHING
    customer.store.commit_faults = [Fault(Unavailable("commit"))] * TRIES
    admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert (User.objects.filter(username="ana").count(), customer.header.mode) == (0, "HUMAN")
    assert put_back_left_conversations() == PUT_BACK
    assert (customer.header.mode, customer.handoffs[0].status) == ("WAITING_HUMAN", "OPEN")


def test_what_cannot_be_put_back_keeps_nobody_else_and_is_told(
    customer: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    customer.store.commit_faults = [Fault(Unavailable("commit"))] * TRIES
    assert put_back_left_conversations() == NOTHING
    assert "conversations_not_put_back" in capsys.readouterr().out
    assert put_back_left_conversations() == PUT_BACK


def test_a_question_that_the_owner_left_open_waits_for_a_person(on_the_phone: Customer, clock: Any) -> None:
    customer = on_the_phone
    customer.writes("E quanto custa um sistema?").is_served()
    assert (put_back_left_conversations(), customer.header.mode) == (NOTHING, "HUMAN")
    clock.shift(31 * MINUTE)
    assert put_back_left_conversations() == PUT_BACK
    header, [handoff] = customer.header, customer.handoffs
    assert (header.mode, header.assigned_to, header.app_until) == (Mode.WAITING_HUMAN, None, None)
    assert (handoff.status, handoff.agent_id, handoff.pk) == ("OPEN", None, header.session_id)
    assert customer.events(EventType.MODE_CHANGED)[-1]["changes"] == {"mode": ["HUMAN", "WAITING_HUMAN"]}
    assert put_back_left_conversations() == NOTHING
    assert take(customer).mode == "HUMAN"
    assert customer.handoffs[0].status == "TAKEN"


def test_a_handoff_that_the_owner_had_is_open_again(customer: Customer, clock: Any) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    customer.is_answered_on_the_phone().writes("quanto custa?").is_served()
    clock.shift(31 * MINUTE)
    assert put_back_left_conversations() == PUT_BACK
    [handoff] = customer.handoffs
    assert (customer.header.mode, handoff.status, handoff.agent_id) == ("WAITING_HUMAN", "OPEN", None)


@pytest.mark.parametrize("last", ["", "ok, obrigado!"])
def test_where_nothing_is_open_the_bot_has_it_again(customer: Customer, clock: Any, last: str) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    customer.is_answered_on_the_phone().is_served()
    if last:
        customer.writes(last).is_served()
    clock.shift(31 * MINUTE)
    assert put_back_left_conversations() == PUT_BACK
    assert (customer.header.mode, customer.handoffs[0].status) == ("BOT", "RESOLVED")
    customer.writes("Onde vocês ficam?").is_served()
    assert "Ponta Grossa" in customer.outside.texts[-1]


def test_what_no_worker_has_looked_at_comes_first(on_the_phone: Customer, clock: Any) -> None:
    clock.shift(31 * MINUTE)
    on_the_phone.is_answered_on_the_phone("Ainda estou aqui")
    assert put_back_left_conversations() == NOTHING
    on_the_phone.is_served()
    assert (put_back_left_conversations(), on_the_phone.header.mode) == (NOTHING, "HUMAN")


@pytest.mark.parametrize(
    "fault",
    [Fault(PreconditionFailed("header")), Fault(Unavailable("answer"), applied=True)],
    ids=["lost race", "lost answer"],
)
def test_a_takeover_ends_once_however_its_commit_ends(on_the_phone: Customer, clock: Any, fault: Fault) -> None:
    on_the_phone.writes("quanto custa?").is_served()
    clock.shift(31 * MINUTE)
    on_the_phone.store.commit_faults.append(fault)
    assert put_back_left_conversations() == PUT_BACK
    assert len(on_the_phone.events(EventType.HANDOFF_OPENED)) == 1


def test_the_agent_who_was_faster_has_it(on_the_phone: Customer, clock: Any) -> None:
    on_the_phone.writes("quanto custa?").is_served()
    clock.shift(31 * MINUTE)
    on_the_phone.store.before_commits.append(lambda: take(on_the_phone))
    assert put_back_left_conversations() == NOTHING
    assert on_the_phone.header.assigned_to == "user:7"


@pytest.mark.parametrize("merged", [False, True])
def test_who_was_last_answered_on_the_phone_is_forgotten_in_time(
    on_the_phone: Customer, clock: Any, merged: bool
) -> None:
    """Merged away, their conversation stays as it is: nobody answers there."""
    user_key = on_the_phone.user_key
    clock.shift(timedelta(days=3000))
    if merged:
        on_the_phone.store.inner.update(f"conversations/{user_key}", {"merged_into": user_key})
    assert put_back_left_conversations() == (NOTHING if merged else PUT_BACK)
    silent = find_silent(timezone.now() - timedelta(days=1000), None)
    assert [aged.stays for aged in silent] == [False]
    on_the_phone.store.inner.commit([Update(f"conversations/{user_key}", {"merged_into": None})])
