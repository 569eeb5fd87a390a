"""What a person does about a message that did not arrive, or may not have."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit import EventType
from conversations.models import Message
from conversations.services.agents import TakenByOther, close, reply, take
from conversations.services.uncertain import NotInDoubt, WindowClosed, dismiss, resend
from conversations.whatsapp.client import Ambiguous, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import Unavailable
from tests.lab.faulty_store import Fault

from .customer import Customer

AGENT = "user:7"
REFUSED = Rejected(131009, ErrorClass.PERMANENT)

on_one_store = pytest.mark.parametrize("store", ["embedded"], indirect=True)  # the emulator takes four times as long


def failed(customer: Customer) -> Message:
    """The greeting's reply was refused, and so was the neutral word after it."""
    customer.outside.answers = [REFUSED, REFUSED]
    customer.writes("oi").is_served()
    return customer.replies[0]


def send_anew(customer: Customer, message: Message) -> Message:
    return resend(user_key=customer.user_key, message_key=message.pk, agent=AGENT, now=timezone.now())


def leave(customer: Customer, message: Message) -> Message:
    return dismiss(user_key=customer.user_key, message_key=message.pk, agent=AGENT, now=timezone.now())


def reasons(customer: Customer) -> list[str]:
    return [event["metadata"]["reason"] for event in customer.events(EventType.SEND_UNCERTAIN)]


def test_sending_anew_sends_the_same_content_as_the_agents_own(customer: Customer) -> None:
    old = failed(customer)
    new = send_anew(customer, old)
    assert (new.actor, new.text, new.payload) == ("HUMAN", old.text, old.payload)
    customer.is_served()
    assert customer.states == ["CANCELLED", "FAILED", "SENT"]
    assert customer.outside.sent[2].content == customer.outside.sent[0].content
    [queued] = [e for e in customer.events(EventType.REPLY_QUEUED) if e["metadata"]["message_key"] == new.pk]
    assert (queued["actor"], reasons(customer)) == (AGENT, ["resent_by_agent"])


@on_one_store
def test_a_second_press_sends_nothing_more(customer: Customer) -> None:
    old = failed(customer)
    assert send_anew(customer, old).pk == send_anew(customer, old).pk
    customer.is_served()
    assert send_anew(customer, old).state == "SENT"
    assert len(customer.outside.sent) == 3


@on_one_store
def test_an_answer_of_the_store_that_gets_lost_makes_no_second_message(customer: Customer) -> None:
    old = failed(customer)
    customer.store.lose_commit_answer()
    send_anew(customer, old)
    customer.is_served()
    assert len(customer.outside.sent) == 3


@on_one_store
def test_what_was_sent_anew_leaves_while_an_agent_has_the_conversation(customer: Customer) -> None:
    old = failed(customer)
    take(user_key=customer.user_key, agent=AGENT, now=timezone.now())
    send_anew(customer, old)
    customer.is_served()
    assert customer.states[-1] == "SENT"


@on_one_store
def test_leaving_it_asks_nobody_any_more(customer: Customer) -> None:
    old = failed(customer)
    assert leave(customer, old).state == "CANCELLED"
    assert customer.states == ["CANCELLED", "FAILED"]
    assert reasons(customer) == ["dismissed_by_agent"]
    with pytest.raises(NotInDoubt):
        leave(customer, old)


@on_one_store
def test_a_doubt_is_a_persons_to_settle_too(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Ambiguous("ReadTimeoutError")]
    customer.writes("oi").is_served()
    for _ in range(6):
        customer.is_served_after(clock, timedelta(seconds=121))
    assert customer.states == ["NEEDS_HUMAN"]
    assert [handoff.routing for handoff in customer.handoffs] == ["failure"]
    send_anew(customer, customer.replies[0])
    customer.is_served()
    assert customer.states == ["CANCELLED", "SENT"]


def test_what_arrived_after_all_is_not_sent_anew(customer: Customer) -> None:
    old = failed(customer)
    customer.store.before_commits.append(lambda: customer.gets("delivered", old))
    with pytest.raises(NotInDoubt):
        send_anew(customer, old)
    assert len(customer.replies) == 2


@on_one_store
def test_nothing_is_decided_about_what_was_sent_or_does_not_exist(customer: Customer) -> None:
    customer.writes("oi").is_served()
    for message in (customer.replies[0], customer.received[0], Message(id="0" * 40)):
        with pytest.raises(NotInDoubt):
            send_anew(customer, message)
        with pytest.raises(NotInDoubt):
            leave(customer, message)


@on_one_store
def test_nothing_is_sent_anew_after_the_window_has_closed(customer: Customer, clock: Any) -> None:
    old = failed(customer)
    clock.shift(timedelta(hours=25))
    with pytest.raises(WindowClosed):
        send_anew(customer, old)
    assert leave(customer, old).state == "CANCELLED"


@on_one_store
def test_a_store_that_hesitates_is_asked_again(customer: Customer) -> None:
    old = failed(customer)
    customer.store.commit_faults = [Fault(Unavailable("commit"))] * 2
    assert leave(customer, old).state == "CANCELLED"


@on_one_store
def test_the_doubts_of_another_agent_are_theirs(customer: Customer) -> None:
    old = failed(customer)
    take(user_key=customer.user_key, agent="user:8", now=timezone.now())
    for decide in (send_anew, leave):
        with pytest.raises(TakenByOther):
            decide(customer, old)
    dismiss(user_key=customer.user_key, message_key=old.pk, agent=AGENT, now=timezone.now(), overrules=True)
    assert reasons(customer) == ["dismissed_by_agent"]


@on_one_store
def test_of_two_who_leave_it_the_second_is_told_that_it_was_decided(customer: Customer) -> None:
    old = failed(customer)
    customer.store.before_commits.append(lambda: leave(customer, old))
    with pytest.raises(NotInDoubt):
        leave(customer, old)


@on_one_store
def test_an_agents_answer_that_fails_is_seen_in_the_list_until_it_is_sent_anew(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(user_key=customer.user_key, agent=AGENT, now=timezone.now())
    customer.outside.answers = [REFUSED]
    reply(user_key=customer.user_key, agent=AGENT, text="Oi", key="1", now=timezone.now())
    customer.is_served()
    assert (customer.states[-1], customer.header.unread) == ("FAILED", 1)
    send_anew(customer, customer.replies[-1])
    customer.is_served()
    assert (customer.states[-1], customer.header.unread) == ("SENT", 0)


@on_one_store
def test_an_agents_answer_that_fails_after_the_end_calls_a_person_in_its_own_name(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(user_key=customer.user_key, agent=AGENT, now=timezone.now())
    customer.outside.answers = [REFUSED]
    reply(user_key=customer.user_key, agent=AGENT, text="Oi", key="1", now=timezone.now())
    close(user_key=customer.user_key, agent=AGENT, now=timezone.now())
    customer.is_served()
    [handoff] = [handoff for handoff in customer.handoffs if handoff.status == "OPEN"]
    assert handoff.summary.startswith("A resposta do atendente ficou sem entrega.")


@on_one_store
def test_what_an_agent_sends_anew_counts_as_their_first_reply(customer: Customer) -> None:
    old = failed(customer)
    take(user_key=customer.user_key, agent=AGENT, now=timezone.now())
    send_anew(customer, old)
    assert customer.handoffs[0].first_reply_at is not None
