"""The intents of a session: three at most, one active, in the order of product.md §3."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings

from conversations.intents import IntentQueue, Outcome
from tests.conversations.talk import Talk, text_of

DESK = "(42) 99999-0000"
START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def delivery_desk() -> Iterator[None]:
    with override_settings(DELIVERY_DESK_WHATSAPP=DESK):
        yield


def queue(*intents: str, urgent: str = "", explicit: str = "") -> IntentQueue:
    made = IntentQueue([])
    for number, intent in enumerate(intents):
        made.add_intent(
            intent,
            at=START + timedelta(seconds=number),
            confidence=0.9,
            urgent=intent == urgent,
            explicit=intent == explicit,
        )
    return made


@pytest.mark.parametrize(
    ("named", "urgent", "explicit", "active"),
    [
        (("SAAS_COMMUNICATION", "CUSTOM_SOFTWARE"), "", "", "CUSTOM_SOFTWARE"),
        (("PYLOTO_ENTREGA_DRIVER_SIGNUP", "PYLOTO_ENTREGA_MERCHANT_SIGNUP"), "", "", "PYLOTO_ENTREGA_MERCHANT_SIGNUP"),
        (("INSTITUTIONAL", "PYLOTO_ENTREGA_DRIVER_SIGNUP"), "", "", "PYLOTO_ENTREGA_DRIVER_SIGNUP"),
        (("CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_REQUEST"), "", "", "CUSTOM_SOFTWARE"),
        (("CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_REQUEST"), "PYLOTO_ENTREGA_REQUEST", "", "PYLOTO_ENTREGA_REQUEST"),
        (("CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_REQUEST"), "PYLOTO_ENTREGA_REQUEST", "CUSTOM_SOFTWARE", "CUSTOM_SOFTWARE"),
        (("CUSTOM_SOFTWARE", "INSTITUTIONAL"), "", "INSTITUTIONAL", "INSTITUTIONAL"),
    ],
)
def test_the_picked_then_the_urgent_then_the_most_valuable_is_active(
    named: tuple[str, ...], urgent: str, explicit: str, active: str
) -> None:
    chosen = queue(*named, urgent=urgent, explicit=explicit).choose()
    assert chosen is not None
    assert chosen["intent"] == active


def test_a_fourth_intent_is_not_taken() -> None:
    full = queue("CUSTOM_SOFTWARE", "SAAS_COMMUNICATION", "INSTITUTIONAL")
    assert not full.add_intent("PYLOTO_ENTREGA_REQUEST", at=START, confidence=1.0)
    assert len(full.entries) == 3


def test_a_declined_intent_makes_room() -> None:
    full = queue("CUSTOM_SOFTWARE", "SAAS_COMMUNICATION", "INSTITUTIONAL")
    full.choose()
    full.decline_active()
    assert full.add_intent("PYLOTO_ENTREGA_REQUEST", at=START, confidence=1.0)
    assert full.find("CUSTOM_SOFTWARE") is None


def test_an_intent_stands_in_the_queue_once() -> None:
    twice = queue("CUSTOM_SOFTWARE", "CUSTOM_SOFTWARE")
    assert len(twice.entries) == 1


def test_one_intent_is_active_at_a_time() -> None:
    several = queue("CUSTOM_SOFTWARE", "SAAS_COMMUNICATION")
    several.choose()
    several.pick("SAAS_COMMUNICATION")
    assert [entry["status"] for entry in several.entries] == ["QUEUED", "ACTIVE"]


def test_the_strongest_outcome_that_was_reached_is_the_sessions() -> None:
    several = queue("INSTITUTIONAL", "PYLOTO_ENTREGA_REQUEST")
    several.choose()
    several.finish(Outcome.ROUTE_EXTERNAL)
    several.choose()
    several.finish(Outcome.SELF_SERVE_INFO)
    assert several.strongest_outcome() == Outcome.ROUTE_EXTERNAL


def test_an_urgent_delivery_goes_first_and_the_other_wish_is_asked_about() -> None:
    talk = Talk()
    reply = talk.say("preciso de um motoboy agora e também quero um sistema pra minha loja")
    assert DESK in text_of(reply)
    assert "sistemas sob medida" in text_of(reply)
    assert reply is not None
    assert [button.title for button in reply.buttons] == ["Sim, continuar", "Agora não"]
    assert talk.outcomes == [None]


def test_going_on_with_the_next_asks_its_first_open_question() -> None:
    talk = Talk()
    talk.say("preciso de um motoboy agora e também quero um sistema pra minha loja")
    reply = talk.tap("next:yes", "Sim, continuar")
    assert "que problema" in text_of(reply)  # "minha loja" has said what kind of client it is


def test_declining_the_next_closes_with_what_was_reached() -> None:
    talk = Talk()
    talk.say("preciso de um motoboy agora e também quero um sistema pra minha loja")
    talk.say("agora não")
    assert talk.outcomes == ["ROUTE_EXTERNAL"]
    assert not talk.handoffs


def test_one_handoff_covers_all_that_was_asked_for() -> None:
    talk = Talk()
    talk.say("quero um sistema e também quero ser entregador")
    talk.say("empresa")
    talk.say("preciso controlar a oficina")
    talk.say("ordens de serviço e estoque, 5 usuários, em Castro/PR, até março")
    reply = talk.say("prefiro não dizer")
    assert "cadastro de entregador" in text_of(reply)
    assert not talk.handoffs  # the outcome waits for the queue
    talk.say("não")
    assert talk.handoff.intent_primary == "CUSTOM_SOFTWARE"
    assert set(talk.handoff.intents_detected) == {"CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_DRIVER_SIGNUP"}
    assert talk.handoff.resolved_intents == ["PYLOTO_ENTREGA_DRIVER_SIGNUP"]
    assert talk.outcomes == ["HANDOFF_HUMAN"]


def test_a_wish_in_the_middle_of_a_flow_waits_its_turn() -> None:
    talk = Talk()
    talk.say("quero um app")
    reply = talk.say("também quero ser entregador")
    assert text_of(reply).startswith("Anotei isso também")
    assert "empresa" in text_of(reply)
    assert talk.session is not None
    assert [entry["status"] for entry in talk.session.intents] == ["ACTIVE", "QUEUED"]


def test_an_old_button_does_not_drop_the_flow_that_is_open() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("também quero ser entregador")
    assert "É para uma empresa" in text_of(talk.tap("next:no", "Agora não"))
    assert talk.session is not None
    assert [entry["status"] for entry in talk.session.intents] == ["ACTIVE", "QUEUED"]


@pytest.mark.parametrize("text", ["me conta uma piada", "qual o horário?"])
def test_whether_to_go_on_is_asked_again_after_an_aside(text: str) -> None:
    talk = Talk()
    talk.say("preciso de um motoboy agora e também quero um sistema pra minha loja")
    assert "sistemas sob medida" in text_of(talk.say(text))
    assert talk.session is not None
    assert [entry["status"] for entry in talk.session.intents] == ["QUEUED", "DONE"]


@pytest.mark.parametrize("text", ["me conta uma piada", "qual o horário?"])
def test_an_aside_in_one_turn_with_a_tap_is_answered_in_front(text: str) -> None:
    talk = Talk()
    reply = talk.turn([talk.message(text=text), talk.tapped("intent:PYLOTO_ENTREGA_REQUEST")])
    assert text_of(reply).index("não consigo" if "piada" in text else "9h às 17h") < text_of(reply).index(DESK)
    assert talk.outcomes == ["ROUTE_EXTERNAL"]


def test_a_joke_in_one_turn_with_a_tap_on_the_menu_does_not_wait() -> None:
    talk = Talk()
    talk.turn([talk.tapped("menu"), talk.message(text="me conta uma piada")])
    assert talk.session is not None
    assert not talk.session.intents


def test_a_joke_after_menu_and_delivery_in_one_turn_leaves_only_the_delivery_open() -> None:
    talk = Talk()
    talk.turn([talk.tapped("menu"), talk.tapped("intent:PYLOTO_ENTREGA_REQUEST")])
    assert "não consigo ajudar" in text_of(talk.say("me conta uma piada"))
    assert DESK in text_of(talk.tap("intent:PYLOTO_ENTREGA_REQUEST"))
    assert talk.outcomes == ["ROUTE_EXTERNAL"]


@pytest.mark.parametrize("intent", ["UNSUPPORTED", "ENTRY_UNKNOWN"])
def test_what_no_menu_offers_cannot_be_picked(intent: str) -> None:
    talk = Talk()
    talk.turn([talk.tapped("menu"), talk.tapped(f"intent:{intent}")])
    assert talk.session is not None
    assert not talk.session.intents


def test_a_question_about_the_company_that_waited_is_answered_with_its_presentation() -> None:
    talk = Talk()
    talk.tap("intent:INSTITUTIONAL", "Conhecer a Pyloto")
    assert talk.outcomes == ["SELF_SERVE_INFO"]
    talk.turn([talk.tapped("intent:INSTITUTIONAL"), talk.tapped("intent:PYLOTO_ENTREGA_REQUEST")])
    assert "Ponta Grossa" in text_of(talk.say("sim"))
