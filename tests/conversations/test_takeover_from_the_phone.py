"""The owner answers from the phone app: the bot is silent, until the conversation was left alone for half an hour."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit import EventType
from conversations.models import Mode
from conversations.services import agents
from conversations.tasks import check_session_timeouts
from conversations.whatsapp.client import Ambiguous, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import PreconditionFailed, Unavailable, Update
from tests.lab.faulty_store import Fault

from .customer import Customer
from .deliveries import envelope, post

MINUTE = timedelta(minutes=1)


def test_an_echo_takes_the_conversation_over_and_the_bot_is_silent(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone("Já te respondo").is_served()
    customer.writes("ok").is_served()
    header, [echo] = customer.header, customer.echoes
    assert (header.mode, header.assigned_to, header.owner_epoch) == (Mode.HUMAN, "whatsapp_app", 1)
    assert header.app_until == echo.received_at + 30 * MINUTE
    assert (echo.text, echo.state, echo.actor) == ("Já te respondo", "SENT", "HUMAN")
    assert len(customer.outside.sent) == 1
    assert [event["changes"] for event in customer.events(EventType.MODE_CHANGED)] == [{"mode": ["BOT", "HUMAN"]}]


def test_the_list_of_conversations_shows_what_was_written_on_the_phone(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone("Já te respondo").is_served()
    assert customer.header.last_message_preview == "Já te respondo"
    assert customer.header.last_message_at == customer.echoes[0].received_at


def test_a_message_that_waits_with_the_echo_is_left_to_the_owner(customer: Customer) -> None:
    customer.writes("oi").is_answered_on_the_phone().is_served()
    assert customer.outside.sent == []
    assert customer.received[0].state == "HANDLED"
    assert customer.header.mode == Mode.HUMAN


def test_a_queued_reply_of_the_bot_is_cancelled(customer: Customer) -> None:
    customer.outside.answers = [Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone()
    assert customer.is_served() is None
    assert customer.states == ["CANCELLED"]


def test_an_open_handoff_is_taken(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    customer.is_answered_on_the_phone().is_served()
    [handoff], [echo] = customer.handoffs, customer.echoes
    assert (handoff.status, handoff.agent_id) == ("TAKEN", "whatsapp_app")
    assert handoff.taken_at == handoff.first_reply_at == echo.received_at
    assert customer.events(EventType.HANDOFF_TAKEN)[0]["metadata"]["session_id"] == handoff.pk
    assert customer.header.mode == Mode.HUMAN


def test_after_half_an_hour_alone_the_bot_answers_again(customer: Customer, clock: Any) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    customer.is_answered_on_the_phone().is_served()
    clock.shift(31 * MINUTE)
    customer.writes("Onde vocês ficam?").is_served()
    header, [handoff] = customer.header, customer.handoffs
    assert "Ponta Grossa" in customer.outside.texts[-1]
    assert (header.mode, header.assigned_to, header.app_until) == (Mode.BOT, None, None)
    assert (handoff.status, len(customer.events(EventType.HANDOFF_RELEASED))) == ("RESOLVED", 1)
    assert customer.events(EventType.MODE_CHANGED)[-1]["changes"] == {"mode": ["HUMAN", "BOT"]}


def test_each_echo_starts_the_half_hour_anew(customer: Customer, clock: Any) -> None:
    customer.is_answered_on_the_phone().is_served()
    clock.shift(20 * MINUTE)
    customer.is_answered_on_the_phone("E então?").is_served()
    clock.shift(20 * MINUTE)
    customer.writes("pensando").is_served()
    assert (customer.outside.sent, customer.header.owner_epoch) == ([], 1)
    assert len(customer.events(EventType.MODE_CHANGED)) == 1


def test_what_came_within_the_half_hour_is_the_owners_whenever_a_worker_reads_it(
    customer: Customer, clock: Any
) -> None:
    customer.is_answered_on_the_phone().is_served()
    customer.writes("oi").is_served_after(clock, 40 * MINUTE)
    assert customer.outside.sent == []


def test_what_came_after_the_half_hour_is_answered_with_whatever_waited_before_it(
    customer: Customer, clock: Any
) -> None:
    customer.is_answered_on_the_phone()
    clock.shift(10 * MINUTE)
    customer.writes("ok")
    clock.shift(60 * MINUTE)
    customer.writes("Onde vocês ficam?").is_served()
    assert "Ponta Grossa" in customer.outside.texts[-1]
    assert customer.header.mode == Mode.BOT


def test_a_turn_that_is_given_up_after_the_half_hour_calls_a_person(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.is_answered_on_the_phone().is_served()
    clock.shift(31 * MINUTE)
    customer.writes("oi")
    monkeypatch.setattr("conversations.services.turns.ATTEMPTS_MAX", 0)
    customer.is_served()
    assert (customer.header.mode, customer.handoffs[0].routing) == (Mode.WAITING_HUMAN, "failure")
    assert customer.header.assigned_to is None


def test_an_open_session_ends_with_the_takeover_and_calls_nobody(customer: Customer, clock: Any) -> None:
    """What is said from then on belongs to a handoff that is the owner's already."""
    customer.writes("Preciso de um sistema sob medida").is_served()
    customer.is_answered_on_the_phone().writes("obrigado!").is_served()
    [handoff] = customer.handoffs
    assert (customer.session.outcome, customer.header.session_id) == ("HANDOFF_HUMAN", handoff.pk)
    assert (handoff.status, handoff.agent_id, handoff.routing) == ("TAKEN", "whatsapp_app", "software")
    assert handoff.first_reply_at == customer.echoes[0].received_at
    assert customer.received[-1].session_id == handoff.pk
    clock.shift(32 * MINUTE)
    assert check_session_timeouts() == "Closed 0 sessions"
    assert customer.header.mode == Mode.HUMAN
    assert len(customer.outside.sent) == 1


def test_a_session_waits_for_the_echo_that_nobody_has_looked_at(customer: Customer, clock: Any) -> None:
    customer.writes("oi").is_served()
    clock.shift(32 * MINUTE)
    customer.is_answered_on_the_phone()
    assert check_session_timeouts() == "Closed 0 sessions"


def test_an_echo_of_our_own_message_changes_nothing(customer: Customer) -> None:
    customer.writes("oi").is_served()
    length, before = len(customer.trail()), customer.header.to_document()
    customer.is_answered_on_the_phone(wamid="wamid.out1").is_served()
    assert (customer.header.to_document(), len(customer.trail()), customer.echoes) == (before, length, [])
    assert customer.states == ["SENT"]
    customer.writes("Onde vocês ficam?").is_served()
    assert len(customer.outside.sent) == 2


@pytest.mark.parametrize("lost", [False, True], ids=["before its record", "its answer lost"])
def test_an_echo_of_our_own_message_whose_id_we_do_not_know_changes_nothing(customer: Customer, lost: bool) -> None:
    outside = customer.outside
    send = outside.send_response

    def echoed_at_once(**arguments: Any) -> Any:
        answer = send(**arguments)
        customer.is_answered_on_the_phone(outside.texts[-1], wamid="wamid.out1").is_served()
        return Ambiguous("ReadTimeoutError") if lost else answer

    outside.send_response = echoed_at_once  # type: ignore[method-assign]
    customer.writes("Onde vocês ficam?").is_served()
    assert (customer.header.mode, customer.echoes) == (Mode.BOT, [])
    assert customer.states == ["UNKNOWN" if lost else "SENT"]
    if lost:
        customer.is_answered_on_the_phone(outside.texts[-1], wamid="wamid.again").is_served()
        assert (customer.header.mode, customer.echoes) == (Mode.BOT, [])


def test_the_owners_photo_is_theirs_though_its_caption_is_what_the_bot_is_sending(customer: Customer) -> None:
    customer.writes("oi").is_served()
    lost = customer.outside.send_response
    customer.outside.send_response = lambda **arguments: (lost(**arguments), Ambiguous("ReadTimeoutError"))[1]  # type: ignore[method-assign]
    customer.writes("Onde vocês ficam?").is_served()
    assert customer.states == ["SENT", "UNKNOWN"]
    echo = {"id": "wamid.photo", "from": "554230000000", "to": customer.wa_id, "timestamp": "1790000000"}
    echo |= {"type": "image", "image": {"id": "1284750912800001", "caption": customer.outside.texts[-1]}}
    assert post(envelope(message_echoes=[echo])).status_code == 200
    customer.is_served()
    assert [echo.type for echo in customer.echoes] == ["image"]
    assert customer.header.mode == Mode.HUMAN


def test_an_echo_of_what_an_agent_sent_from_the_panel_changes_nothing(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    user_key = customer.user_key
    agents.take(user_key=user_key, agent="user:7", now=timezone.now())
    agents.reply(user_key=user_key, agent="user:7", text="Oi, aqui é a Ana", key="1", now=timezone.now())
    customer.is_served()
    agents.close(user_key=user_key, agent="user:7", now=timezone.now())
    customer.is_answered_on_the_phone("Oi, aqui é a Ana", wamid="wamid.out2").is_served()
    assert (customer.header.mode, customer.echoes) == (Mode.BOT, [])


def test_the_owner_writes_while_an_agent_has_the_conversation(customer: Customer) -> None:
    """Both are people: the agent keeps it, and sees what the owner wrote."""
    customer.writes("quero falar com uma pessoa").is_served()
    agents.take(user_key=customer.user_key, agent="user:7", now=timezone.now())
    customer.is_answered_on_the_phone("Já te ligo").writes("ok").is_served()
    header, [handoff] = customer.header, customer.handoffs
    assert (header.mode, header.assigned_to, handoff.agent_id) == (Mode.HUMAN, "user:7", "user:7")
    assert ([echo.text for echo in customer.echoes], len(customer.outside.sent)) == (["Já te ligo"], 1)


def test_our_own_among_the_owners_is_left_out(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone(wamid="wamid.out1").is_answered_on_the_phone("Oi!").is_served()
    assert [echo.text for echo in customer.echoes] == ["Oi!"]
    assert (customer.header.mode, customer.states) == (Mode.HUMAN, ["SENT"])


def test_a_status_finds_our_message_and_not_its_echo(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone(wamid="wamid.out1").status_arrives("", "read", wamid="wamid.out1")
    customer.is_served()
    assert "read" in customer.replies[0].status_at


def test_what_an_agent_has_stays_the_agents(customer: Customer) -> None:
    customer.writes("oi").is_served()
    taken = {"mode": "HUMAN", "owner_epoch": 1, "assigned_to": "user:7"}
    customer.store.inner.commit([Update(f"conversations/{customer.user_key}", taken)])
    customer.is_answered_on_the_phone().is_served()
    header = customer.header
    assert (header.assigned_to, header.owner_epoch, header.app_until) == ("user:7", 1, None)
    assert customer.echoes[0].state == "SENT"
    assert customer.events(EventType.MODE_CHANGED) == []


def test_an_echo_to_a_stranger_makes_their_conversation_and_profile(customer: Customer) -> None:
    customer.is_answered_on_the_phone("Bom dia!").is_served()
    assert (customer.header.mode, customer.header.last_user_at) == (Mode.HUMAN, None)
    [profile] = customer.store.inner.get_many([f"user_profiles/{customer.user_key}"]).values()
    assert profile.data["wa_id"]
    assert customer.wa_id not in str(profile.data)
    [echo] = customer.store.inner.get_many([customer.echoes[0].path]).values()
    assert not {"sender", "due"} & echo.data.keys()


def test_an_echo_that_comes_twice_is_one(customer: Customer, valkey: Any) -> None:
    customer.is_answered_on_the_phone(wamid="wamid.echo").is_served()
    before = customer.header.to_document()
    customer.is_answered_on_the_phone(wamid="wamid.echo").is_served()
    valkey.flushall()
    customer.is_answered_on_the_phone(wamid="wamid.echo").is_served()
    assert (customer.header.to_document(), len(customer.echoes)) == (before, 1)


@pytest.mark.parametrize(
    "fault",
    [Fault(PreconditionFailed("header")), Fault(Unavailable("answer"), applied=True)],
    ids=["lost race", "lost answer"],
)
def test_a_takeover_is_made_once_however_its_commit_ends(customer: Customer, fault: Fault) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone()
    customer.store.commit_faults.append(fault)
    customer.is_served()
    assert (customer.header.mode, len(customer.events(EventType.MODE_CHANGED))) == (Mode.HUMAN, 1)


def test_a_takeover_reads_twice_more_than_a_run_with_nothing_to_do(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone()
    customer.store.calls.clear()
    customer.is_served()
    assert customer.store.calls == ["query", "query", "get_many", "get_many", "commit"]
