"""What agents do, on both adapters: each action is one commit, made once however it ends, and one of two agents wins."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from audit import EventType
from conversations import stores
from conversations.models import Conversation, Mode
from conversations.services import agents, controls, ownership
from conversations.services.agents import NewMessages, NotWithHuman, TakenByOther, Unsure
from conversations.services.release import release_to_bot
from conversations.whatsapp.client import NotSent
from pyloto.documents import PreconditionFailed, Unavailable
from pyloto.documents.embedded import EmbeddedStore
from tests.lab.faulty_store import Fault

from .customer import Customer
from .test_agents import ANA, BIA, close, no_pauses, put_back, reply, take

__all__ = ["no_pauses"]


@pytest.mark.parametrize(
    "fault",
    [Fault(PreconditionFailed("header")), Fault(Unavailable("answer"), applied=True)],
    ids=["lost race", "lost answer"],
)
@pytest.mark.parametrize("action", [take, reply, close, put_back, release_to_bot])
def test_each_is_done_once_however_its_commit_ends(
    customer: Customer, action: Callable[..., Any], fault: Fault
) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    if action is not take:
        take(customer)
    length = len(customer.trail())
    customer.store.commit_faults.append(fault)
    if action is release_to_bot:
        release_to_bot(user_key=customer.user_key, agent=ANA, now=timezone.now())
    else:
        action(customer)
    assert len(customer.trail()) == length + (1 if action is reply else 2)
    customer.is_served()
    assert len(customer.outside.sent) == 1 + (action is reply)


def test_a_reply_from_a_fast_clock_is_sent_at_once_and_put_off_as_any_other(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    customer.outside.answers = [NotSent("ConnectTimeoutError")]
    ahead = timezone.now() + timedelta(minutes=10)
    agents.reply(user_key=customer.user_key, agent=ANA, text="Bom dia", key="0" * 32, now=ahead)
    again_at = customer.is_served()
    assert (customer.states, len(customer.outside.sent)) == (["SENT", "QUEUED"], 2)
    assert again_at is not None
    assert timedelta(0) < again_at - timezone.now() < timedelta(minutes=1)
    customer.is_served()
    assert len(customer.outside.sent) == 2  # not before its time


def test_two_agents_never_both_have_one(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    rounds = 100 if isinstance(customer.store.inner, EmbeddedStore) else 10

    together = threading.Barrier(2, timeout=20)  # which also keeps each agent on a thread of their own

    def grab(agent: str) -> str | None:
        together.wait()
        try:
            return take(customer, agent).assigned_to
        except TakenByOther as other:
            return other.agent

    def leave(_: str) -> None:
        together.wait()
        connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            told = list(pool.map(grab, (ANA, BIA)))
            owner = customer.header.assigned_to
            assert owner in (ANA, BIA)
            assert told == [owner, owner]
            put_back(customer, owner)
        list(pool.map(leave, (ANA, BIA)))
    assert len(customer.events(EventType.HANDOFF_TAKEN)) == rounds


@pytest.mark.parametrize("give_back", [agents.close, release_to_bot])
def test_what_the_agent_has_not_seen_is_read_before_the_bot_goes_on(
    customer: Customer, give_back: Callable[..., Conversation]
) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    seen = take(customer).attempt
    customer.writes("Onde vocês ficam?")
    customer.store.before_commits.append(customer.is_served)
    with pytest.raises(NewMessages):
        give_back(user_key=customer.user_key, agent=ANA, now=timezone.now(), seen=seen)
    header = customer.header
    assert (customer.received[-1].state, header.mode, header.unread) == ("HANDLED", "HUMAN", 1)
    give_back(user_key=customer.user_key, agent=ANA, now=timezone.now(), seen=header.attempt)
    assert customer.header.mode == "BOT"


def test_the_agents_own_reply_is_nothing_new(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    seen = take(customer).attempt
    reply(customer)
    customer.is_served()
    assert agents.close(user_key=customer.user_key, agent=ANA, now=timezone.now(), seen=seen).mode == "BOT"


def test_put_back_it_waits_for_the_next_one(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    assert put_back(customer).mode == Mode.WAITING_HUMAN
    [handoff], header = customer.handoffs, customer.header
    assert (handoff.status, handoff.agent_id, handoff.taken_at) == ("OPEN", None, None)
    assert (header.assigned_to, header.owner_epoch) == (None, 3)
    released = customer.events(EventType.HANDOFF_RELEASED)[0]
    assert (released["changes"], released["metadata"]["agent_id"]) == ({"status": ["TAKEN", "OPEN"]}, ANA)
    customer.writes("oi?").is_served()
    assert "já está com a equipe" in customer.outside.texts[-1]
    assert take(customer, BIA).assigned_to == BIA


def test_closed_it_is_the_bots_again_and_the_handoff_resolved(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    assert close(customer).mode == Mode.BOT
    [handoff], header = customer.handoffs, customer.header
    assert (handoff.status, handoff.agent_id, header.assigned_to) == ("RESOLVED", ANA, None)
    assert handoff.resolved_at is not None
    resolved, changed = customer.trail()[-2:]
    assert (resolved["event_type"], resolved["changes"]) == ("HANDOFF_RESOLVED", {"status": ["TAKEN", "RESOLVED"]})
    assert (changed["actor"], changed["changes"]) == (ANA, {"mode": ["HUMAN", "BOT"]})
    with pytest.raises(NotWithHuman):
        close(customer)
    customer.writes("Onde vocês ficam?").is_served()
    assert "Ponta Grossa" in customer.outside.texts[-1]
    assert len(customer.handoffs) == 1


def test_a_reply_is_sent_as_the_agents_and_seen_in_the_list(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    customer.writes("oi?").is_served()
    message = reply(customer, "  Oi, aqui é a Ana ")
    assert (message.state, message.actor, message.text) == ("QUEUED", "HUMAN", "Oi, aqui é a Ana")
    customer.is_served()
    header, [handoff] = customer.header, customer.handoffs
    assert (header.last_message_preview, header.unread) == ("Oi, aqui é a Ana", 0)
    assert (handoff.first_reply_at, customer.replies[-1].session_id) == (message.received_at, handoff.pk)
    assert (customer.outside.texts[-1], customer.states) == ("Oi, aqui é a Ana", ["SENT", "SENT"])
    queued = customer.events(EventType.REPLY_QUEUED)[-1]
    assert (queued["actor"], queued["metadata"]) == (ANA, {"message_key": message.pk, "type": "text"})


def test_who_waits_is_taken_and_the_trail_says_by_whom(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    epoch = customer.header.owner_epoch
    assert take(customer).mode == Mode.HUMAN
    header, [handoff] = customer.header, customer.handoffs
    assert (header.mode, header.assigned_to, header.owner_epoch, header.unread) == ("HUMAN", ANA, epoch + 1, 0)
    assert (handoff.status, handoff.agent_id, handoff.first_reply_at) == ("TAKEN", ANA, None)
    taken, changed = customer.trail()[-2:]
    assert (taken["event_type"], taken["actor"]) == ("HANDOFF_TAKEN", ANA)
    assert taken["metadata"] == {"session_id": handoff.pk, "agent_id": ANA}
    assert (changed["event_type"], changed["changes"]) == ("MODE_CHANGED", {"mode": ["WAITING_HUMAN", "HUMAN"]})


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
def test_nobody_is_told_that_nothing_was_done_where_nobody_knows(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    customer.store.commit_faults = [Fault(Unavailable("answer"), applied=applied)]
    answers = iter([stores.load])

    def load(*arguments: Any) -> Any:
        return next(answers, unavailable)(*arguments)

    monkeypatch.setattr(ownership, "load", load)
    with pytest.raises(Unsure):
        take(customer)
    monkeypatch.undo()
    assert customer.header.mode == ("HUMAN" if applied else "WAITING_HUMAN")


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
def test_a_switch_that_nobody_knows_about_is_no_switch_that_was_not_turned(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.store.lose_commit_answer()
    answers = iter([controls.bot_controls])

    def bot_controls() -> controls.BotControls:
        read: Callable[[], controls.BotControls] = next(answers, unavailable)
        return read()

    monkeypatch.setattr(controls, "bot_controls", bot_controls)
    monkeypatch.setattr(controls, "jitter", lambda race: 0)
    with pytest.raises(Unsure):
        controls.set_bot_paused(paused=True, agent=ANA, now=timezone.now())


def unavailable(*_: Any) -> Any:
    raise Unavailable("down")
