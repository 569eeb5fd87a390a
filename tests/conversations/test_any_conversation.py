"""Whatever customers write: one reply, within Meta's limits, and one outcome for each session."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations import replies
from conversations.flows import FLOWS, Flow
from conversations.intents import Intent
from conversations.replies import Reply
from conversations.services.release import NotWithHuman, release_to_bot
from conversations.services.sessions import SessionManager
from conversations.whatsapp.messages import Buttons, ListMessage, Text
from pyloto.documents import use_store
from pyloto.documents.models import Document
from tests.conversations import invariants
from tests.conversations.customer import Customer
from tests.conversations.outside import Outside
from tests.conversations.talk import Talk
from tests.lab.faulty_store import FaultyStore

LINES = [
    "oi", "quero um app", "quero um sistema e também entregas pra minha loja", "preciso de um motoboy agora", "chatbot",
    "quero ser entregador", "tenho uma loja e quero entregas", "qual o horário?", "vcs são um robô?", "vocês têm CNPJ?",
    "conta uma piada", "sim", "não", "empresa", "10", "Castro/PR", "até março", "5 mil reais", "não sei", "menu",
    "na verdade são 15", "deixa pra lá", "organizar os pedidos da loja", "xyz", "👍", "", "obrigado", "x" * 3000,
    "preciso de um sistema para o estoque da empresa, 10 usuários, em Castro/PR, até março, R$ 5.000, precisa ter cadastro",
]  # fmt: skip
TAPS = ["human", "menu", "next:yes", "next:no", "retry", "field:CUSTOM_SOFTWARE:deadline:0", "zzz"]
TAPS += [f"intent:{intent}" for intent in Intent.values]
ANSWERS = {"client_type": "empresa", "users": "10", "volume": "200", "deliveries": "200", "deadline": "até março",
           "budget": "não sei", "city": "Castro/PR", "vehicle": "moto", "name": "Zé da Silva", "company": "Doce Mel"}  # fmt: skip
STEP = st.one_of(
    st.just(("answer", "")),
    st.sampled_from([("say", "menu"), ("say", "conta uma piada"), ("say", "qual o horário?")]),
    st.tuples(st.sampled_from(TAPS), st.sampled_from([*TAPS, *LINES])).map(lambda both: ("both", "|".join(both))),
    st.sampled_from(LINES).map(lambda line: ("say", line)),
    st.sampled_from(TAPS).map(lambda tap: ("tap", tap)),
    st.sampled_from(["audio", "image", "reaction", "hologram"]).map(lambda kind: ("send", kind)),
    st.text(max_size=60).map(lambda text: ("say", text)),
    st.sampled_from([("wait", "25"), ("wait", "45"), ("late", "oi"), ("release", "")]),
)


def sendable(reply: Reply) -> None:
    """Raises `InvalidMessage` where the reply breaks a limit of Meta's."""
    if reply.rows:
        ListMessage(reply.text, reply.list_button, rows=reply.rows)
    elif reply.buttons:
        Buttons(reply.text, reply.buttons)
    else:
        Text(reply.text)


def take(talk: Talk, kind: str, value: str) -> None:
    answered = talk.conversation.mode == "BOT" and not talk.conversation.routed_reminded
    match kind:
        case "say":
            reply = talk.say(value)
        case "answer":
            field = talk.session.asked.get("field", "") if talk.session else ""
            reply = talk.say(value := ANSWERS.get(field, "organizar os pedidos da loja"))
        case "both":
            tap, other = value.split("|")
            talk.now += timedelta(seconds=20)
            second = talk.tapped(other, "Empresa") if other in TAPS else talk.message(text=other)
            reply = talk.turn([talk.tapped(tap, "Empresa"), second])
        case "tap":
            reply = talk.tap(value, "Empresa")
        case "send":
            reply = talk.send(value)
        case "late":
            reply = talk.say(value, late=timedelta(hours=2))
        case _:
            return
    if reply:
        sendable(reply)
    if answered and kind != "send" and value.strip():
        assert reply is not None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(STEP, max_size=14), st.sampled_from(["", "(42) 99999-0000"]))
def test_any_conversation_gets_replies_and_each_session_one_outcome(steps: list[tuple[str, str]], desk: str) -> None:
    talk = Talk()
    with override_settings(DELIVERY_DESK_WHATSAPP=desk):
        for kind, value in steps:
            if kind == "wait":
                talk.now += timedelta(minutes=int(value))
            elif kind == "release" and talk.conversation.mode != "BOT":
                talk.release()
            take(talk, kind, value)
            for session in talk.sessions.values():
                assert (session.outcome is None) == (session.status == "ACTIVE")
                assert (session.expires_at is None) == (session.status == "CLOSED")
                assert sum(entry["status"] == "ACTIVE" for entry in session.intents) <= 1
                assert len(session.intents) <= 3
                assert not {noted["intent"] for noted in session.noted} & {e["intent"] for e in session.intents}
            assert sum(session.status == "ACTIVE" for session in talk.sessions.values()) <= 1
    assert {handoff.pk for handoff in talk.handoffs} == {
        session.pk for session in talk.sessions.values() if session.outcome == "HANDOFF_HUMAN"
    }


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=4, max_size=12))
def test_any_conversation_in_the_store_leaves_each_session_one_outcome(
    embedded_store: Any, valkey: Any, steps: list[tuple[str, str]]
) -> None:
    Document.objects.using("documents").all().delete()
    valkey.flushall()
    cache.clear()
    store = FaultyStore(embedded_store)
    with use_store(store), time_machine.travel(datetime(2026, 11, 23, 15, tzinfo=UTC), tick=False) as clock:
        customer = Customer(store, Outside())
        customer.writes("oi").is_served()
        for kind, value in steps:
            clock.shift(20)
            act(customer, clock, kind, value)
            customer.is_served()
        clock.shift(timedelta(hours=3))
        SessionManager().check_timeouts(now=timezone.now())
        customer.is_served()
        invariants.check(customer)
        assert {session.status for session in customer.sessions} == {"CLOSED"}
        assert {handoff.pk for handoff in customer.handoffs} == {
            session.pk for session in customer.sessions if session.outcome == "HANDOFF_HUMAN"
        }


def act(customer: Customer, clock: Any, kind: str, value: str) -> None:
    match kind:
        case "wait":
            clock.shift(timedelta(minutes=int(value)))
            SessionManager().check_timeouts(now=timezone.now())
        case "release":
            with suppress(NotWithHuman):
                release_to_bot(user_key=customer.user_key, agent="user:7", now=timezone.now())
        case "tap":
            customer.taps(value, "Empresa")
        case "both":
            tap, other = value.split("|")
            customer.taps(tap, "Empresa").writes(other or "…")
        case "answer":
            asked = customer.session.asked.get("field", "") if customer.sessions else ""
            customer.writes(ANSWERS.get(asked, "organizar os pedidos da loja"))
        case "send":
            customer.sends({"type": value, value: {"id": "1", "mime_type": "image/png"}})
        case _:
            customer.writes(value or "…")


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_every_question_can_be_sent_after_the_longest_lead(flow: Flow) -> None:
    for field in flow.fields:
        sendable(replies.question(flow, field).after("a👋" * 2500))


def test_the_menu_can_be_sent_after_the_longest_lead() -> None:
    reply = replies.menu().after("a" * 5000, "b👋")
    sendable(reply)
    assert reply.text.endswith(replies.menu().text)
