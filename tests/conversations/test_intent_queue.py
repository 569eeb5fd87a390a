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


def test_a_fourth_intent_is_noted_once_and_never_taken() -> None:
    full = queue("CUSTOM_SOFTWARE", "SAAS_COMMUNICATION", "INSTITUTIONAL")
    for _ in range(2):
        assert not full.add_intent("PYLOTO_ENTREGA_REQUEST", at=START, confidence=1.0)
    assert len(full.entries) == 3
    assert full.noted == [{"intent": "PYLOTO_ENTREGA_REQUEST", "at": START, "confidence": 1.0}]


def test_what_was_noted_is_taken_when_there_is_room_and_it_is_named_again() -> None:
    full = queue("CUSTOM_SOFTWARE", "SAAS_COMMUNICATION", "INSTITUTIONAL")
    full.add_intent("PYLOTO_ENTREGA_REQUEST", at=START, confidence=1.0)
    full.choose()
    full.decline_active()
    assert full.add_intent("PYLOTO_ENTREGA_REQUEST", at=START, confidence=1.0)
    assert not full.noted


def test_the_queue_holds_the_intent_its_time_and_its_confidence_alone() -> None:
    waiting = queue("CUSTOM_SOFTWARE", "SAAS_COMMUNICATION")
    waiting.choose()
    assert waiting.queued == [
        {"intent": "SAAS_COMMUNICATION", "at": START + timedelta(seconds=1), "confidence": 0.9, "status": "QUEUED"}
    ]


def test_what_is_done_and_waits_for_a_person_is_frozen() -> None:
    done = queue("CUSTOM_SOFTWARE")
    done.choose()
    done.finish(Outcome.HANDOFF_HUMAN, summary="Sistemas sob medida")
    before = [dict(entry) for entry in done.entries]
    assert not done.add_intent("CUSTOM_SOFTWARE", at=START, confidence=1.0, explicit=True, urgent=True)
    done.pick("CUSTOM_SOFTWARE")
    assert done.entries == before
    assert not done.open


def test_what_was_only_answered_is_answered_again() -> None:
    again = queue("PYLOTO_ENTREGA_REQUEST")
    again.choose()
    again.finish(Outcome.ROUTE_EXTERNAL)
    again.add_intent("PYLOTO_ENTREGA_REQUEST", at=START, confidence=1.0)
    assert [entry["status"] for entry in again.open] == ["QUEUED"]


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


FOUR = (
    "quero um sistema e também quero ser entregador",
    "também preciso de um chatbot pro meu whats",
    "também tenho uma loja e quero entregas",
)


def test_a_fourth_wish_is_said_to_be_noted_and_stands_in_the_handoff() -> None:
    talk = Talk()
    for text in FOUR[:-1]:
        talk.say(text)
    reply = talk.say(FOUR[-1])
    assert "deixei anotado que você também falou sobre as entregas da sua loja" in text_of(reply)
    assert "já chegamos lá" not in text_of(reply)
    assert "?" in text_of(reply)  # and the flow goes on
    talk.say("quero falar com uma pessoa")
    assert len(talk.sessions["s0"].intents) == 3
    assert talk.handoff.intents_detected[-1] == talk.handoff.open_intents[-1] == "PYLOTO_ENTREGA_MERCHANT_SIGNUP"
    assert talk.handoff.summary.splitlines()[-1] == "Também quer (só anotado): entregas para a loja."


def test_a_fourth_wish_that_is_tapped_is_noted_too() -> None:
    talk = Talk()
    for text in FOUR[:-1]:
        talk.say(text)
    assert "deixei anotado" in text_of(talk.tap("intent:PYLOTO_ENTREGA_MERCHANT_SIGNUP"))
    assert talk.session is not None
    assert talk.session.noted[0]["intent"] == "PYLOTO_ENTREGA_MERCHANT_SIGNUP"


def software_is_done(talk: Talk) -> None:
    talk.say("quero um sistema e também quero ser entregador")
    talk.say("empresa")
    talk.say("preciso controlar a oficina")
    talk.say("ordens de serviço e estoque, 5 usuários, em Castro/PR, até março")
    talk.say("prefiro não dizer")


def test_an_intent_that_is_done_has_its_summary_and_its_answers_stay_as_they_are() -> None:
    talk = Talk()
    software_is_done(talk)
    assert talk.session is not None
    done = dict(IntentQueue(talk.session.intents).find("CUSTOM_SOFTWARE") or {})
    assert done["status"] == "DONE"
    assert "• Quantidade de usuários: 5" in done["summary"]
    before = dict(talk.collected("CUSTOM_SOFTWARE"))
    for text in ("na verdade são 15 usuários", "quero um sistema para 50 usuários em Curitiba/PR"):
        talk.say(text)
    talk.tap("intent:CUSTOM_SOFTWARE", "Sistemas sob medida")
    session = talk.sessions["s0"]
    assert session.collected["CUSTOM_SOFTWARE"] == before
    assert IntentQueue(session.intents).find("CUSTOM_SOFTWARE") == done
    talk.say("quero falar com uma pessoa")
    assert talk.handoff.requirements["CUSTOM_SOFTWARE"] == before
    assert done["summary"] in talk.sessions["s0"].summary


def test_a_wish_that_is_done_is_said_to_be_noted() -> None:
    talk = Talk()
    software_is_done(talk)
    assert "já está tudo anotado" in text_of(talk.tap("intent:CUSTOM_SOFTWARE", "Sistemas sob medida"))


@pytest.mark.parametrize("text", ["deixa pra lá", "cancela"])
def test_to_drop_it_at_the_question_whether_to_go_on_declines_what_waits(text: str) -> None:
    talk = Talk()
    talk.say("preciso de um motoboy agora e também quero um sistema pra minha loja")
    talk.say(text)
    assert talk.outcomes == ["ROUTE_EXTERNAL"]


def test_after_a_dropped_flow_the_one_that_waits_is_asked_about() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("também quero ser entregador")
    reply = talk.say("deixa pra lá")
    assert "deixei isso de lado" in text_of(reply)
    assert "Quer continuar com isso agora?" in text_of(reply)
    assert "nome completo" in text_of(talk.say("sim"))


def test_a_handoff_that_waited_behind_others_opens_on_timeout_and_covers_all() -> None:
    talk = Talk()
    software_is_done(talk)
    assert not talk.handoffs
    talk.time_out(after=timedelta(minutes=31))
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert set(talk.handoff.open_intents) == {"CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_DRIVER_SIGNUP"}
    assert talk.handoff.intent_primary == "CUSTOM_SOFTWARE"
    assert talk.handoff.requirements["CUSTOM_SOFTWARE"]["users"] == "5"
    assert "Também quer (ainda sem detalhes): ser entregador(a)." in talk.handoff.summary


def test_an_answer_that_waited_with_a_wish_ends_as_a_follow_up_on_timeout() -> None:
    """The strongest that was reached: nobody went on with what was queued."""
    talk = Talk()
    talk.say("preciso de um motoboy agora e também quero um sistema pra minha loja")
    talk.time_out(after=timedelta(minutes=31))
    assert talk.outcomes == ["SCHEDULED_FOLLOWUP"]
    assert "SESSION_ABANDONED" in talk.event_types()
