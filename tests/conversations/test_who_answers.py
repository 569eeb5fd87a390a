"""What is said to whom: menu, answers, the external channel, humans, silence."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings

from conversations.pipeline import needs_classification
from tests.conversations.talk import Talk, text_of

MINUTE = timedelta(minutes=1)
DESK = "(42) 99999-0000"


@pytest.fixture
def desk() -> Iterator[None]:
    with override_settings(DELIVERY_DESK_WHATSAPP=DESK):
        yield


# --- the menu ---------------------------------------------------------------------------------------------------------
def test_a_vague_greeting_gets_a_presentation_in_two_lines_and_the_lines_of_business() -> None:
    talk = Talk()
    reply = talk.say("oi")
    assert reply is not None
    assert len(reply.text.splitlines()) == 2
    assert [row.id for row in reply.rows][:2] == ["intent:CUSTOM_SOFTWARE", "intent:SAAS_COMMUNICATION"]
    assert talk.last.intent == "ENTRY_UNKNOWN"
    assert talk.last.outcome == "AWAITING_USER"


def test_two_vague_answers_to_the_menu_offer_a_human() -> None:
    talk = Talk()
    talk.say("oi")
    assert "não entendi" in text_of(talk.say("blabla"))
    reply = talk.say("bleble")
    assert reply is not None
    assert reply.buttons[0].id == "human"


def test_a_tap_on_an_old_menu_is_honoured() -> None:
    talk = Talk()
    talk.say("oi")
    talk.now += timedelta(days=2)
    assert "É para uma empresa" in text_of(talk.tap("intent:CUSTOM_SOFTWARE", "Sistemas sob medida"))


def test_a_picked_line_comes_before_the_one_that_was_open() -> None:
    talk = Talk()
    talk.say("quero um app")
    assert "nome completo" in text_of(talk.tap("intent:PYLOTO_ENTREGA_DRIVER_SIGNUP", "Quero ser entregador"))
    assert talk.last.intent == "PYLOTO_ENTREGA_DRIVER_SIGNUP"


# --- answered at once -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "words", "outcome"),
    [
        ("qual o horário?", "9h às 17h", "SELF_SERVE_INFO"),
        ("vcs são um robô?", "inteligência artificial", "SELF_SERVE_INFO"),
        ("obrigado!", "Por nada", "SELF_SERVE_INFO"),
        ("qual a capital da frança?", "não consigo ajudar", "UNSUPPORTED"),
    ],
)
def test_what_needs_no_question_closes_the_session_at_once(text: str, words: str, outcome: str) -> None:
    talk = Talk()
    assert words in text_of(talk.say(text))
    assert talk.outcomes == [outcome]
    assert talk.conversation.session_id is None
    assert talk.last.session_id == "s0"


def test_a_session_that_closes_at_once_after_a_handoff_leaves_none_behind() -> None:
    talk = Talk()
    talk.say("quero falar com uma pessoa")
    handed_over = talk.conversation.session_id
    talk.release()
    talk.conversation.session_id = handed_over  # as the header has it until another session starts
    talk.say("qual o horário?")
    assert talk.outcomes == ["HANDOFF_HUMAN", "SELF_SERVE_INFO"]
    assert talk.conversation.session_id is None


def test_a_question_that_the_base_cannot_answer_goes_to_a_human() -> None:
    talk = Talk()
    assert "deixo com a nossa equipe" in text_of(talk.say("vocês têm CNPJ?"))
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert talk.handoff.routing == "general"


def test_the_line_about_the_company_presents_it() -> None:
    talk = Talk()
    assert "Ponta Grossa" in text_of(talk.tap("intent:INSTITUTIONAL", "Conhecer a Pyloto"))


# --- the external channel ---------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("desk")
def test_a_delivery_is_routed_to_the_desk() -> None:
    talk = Talk()
    assert DESK in text_of(talk.say("preciso de um motoboy agora"))
    assert talk.outcomes == ["ROUTE_EXTERNAL"]
    assert talk.conversation.routed_until == talk.now + 30 * MINUTE


def test_without_a_desk_a_human_takes_the_delivery() -> None:
    talk = Talk()
    talk.say("preciso de um motoboy agora")
    assert talk.handoff.routing == "delivery"


@pytest.mark.usefixtures("desk")
def test_for_half_an_hour_the_customer_is_pointed_to_the_desk_once_more_and_only_once() -> None:
    talk = Talk()
    talk.say("cadê meu pedido")
    assert DESK in text_of(talk.say("tá"))
    assert talk.say("tá bom") is None
    assert talk.send("audio") is None
    assert len(talk.sessions) == 1


@pytest.mark.usefixtures("desk")
def test_a_question_of_that_half_hour_is_answered_out_of_the_knowledge_base() -> None:
    talk = Talk()
    talk.say("cadê meu pedido")
    first = text_of(talk.say("qual o horário de vocês?"))
    assert first.index("9h às 17h") < first.index(DESK)
    assert text_of(talk.say("onde vocês ficam?")).startswith("Ficamos na")
    assert (talk.last.intent, talk.last.outcome) == ("INSTITUTIONAL", "SELF_SERVE_INFO")
    assert talk.say("obrigado") is None
    assert len(talk.sessions) == 1


@pytest.mark.usefixtures("desk")
def test_who_wants_something_else_in_that_half_hour_reads_once_how_to_reach_a_person() -> None:
    talk = Talk()
    talk.say("cadê meu pedido")
    talk.say("oi")
    reply = talk.tap("intent:CUSTOM_SOFTWARE", "Sistemas sob medida")
    assert reply is not None
    assert reply.buttons[0].id == "human"
    assert talk.say("quero um app") is None
    assert talk.tap("human") is not None
    assert talk.outcomes == ["ROUTE_EXTERNAL", "HANDOFF_HUMAN"]


@pytest.mark.usefixtures("desk")
def test_after_half_an_hour_a_new_intent_is_taken() -> None:
    talk = Talk()
    talk.say("cadê meu pedido")
    assert "É para uma empresa" in text_of(talk.say("quero um app", after=31 * MINUTE))
    assert talk.conversation.routed_until is None


@pytest.mark.usefixtures("desk")
def test_asking_for_a_human_works_in_that_half_hour_too() -> None:
    talk = Talk()
    talk.say("cadê meu pedido")
    talk.say("quero falar com uma pessoa")
    assert talk.outcomes == ["ROUTE_EXTERNAL", "HANDOFF_HUMAN"]


# --- humans and silence -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("before", [[], ["oi"], ["quero um app"], ["quero um app", "empresa"]])
def test_a_human_can_be_asked_for_at_any_moment(before: list[str]) -> None:
    talk = Talk()
    for text in before:
        talk.say(text)
    talk.say("quero falar com um atendente")
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert talk.conversation.mode == "WAITING_HUMAN"


def test_while_a_human_is_awaited_one_acknowledgement_in_thirty_minutes() -> None:
    talk = Talk()
    talk.say("quero falar com uma pessoa")
    assert talk.say("oi?") is None
    assert "já está com a equipe" in text_of(talk.say("alguém?", after=31 * MINUTE))
    assert talk.say("??") is None
    assert len(talk.sessions) == 1
    assert talk.last.session_id == talk.handoff.pk


def test_while_a_human_has_the_conversation_the_bot_says_nothing_at_all() -> None:
    talk = Talk()
    talk.conversation.mode = "HUMAN"
    assert talk.say("quero falar com uma pessoa", after=timedelta(hours=3)) is None
    assert talk.tap("human") is None
    assert talk.event_types() == ["USER_CONTACT"]
    assert not talk.sessions


@pytest.mark.parametrize("everybody", [True, False])
def test_a_paused_bot_says_nothing_and_opens_nothing(everybody: bool) -> None:
    talk = Talk()
    talk.paused, talk.conversation.paused = everybody, not everybody
    assert talk.say("oi") is None
    assert not talk.sessions
    assert talk.last.postponed


def test_a_released_conversation_starts_anew() -> None:
    talk = Talk()
    talk.say("quero falar com uma pessoa")
    talk.release()
    assert "É para uma empresa" in text_of(talk.say("quero um app"))


@pytest.mark.parametrize("kind", ["reaction", "system", "edit", "revoke"])
def test_what_is_not_speech_gets_no_reply_and_opens_no_session(kind: str) -> None:
    talk = Talk()
    assert talk.send(kind) is None
    assert not talk.sessions


def test_a_turn_that_failed_three_times_goes_to_a_human() -> None:
    talk = Talk()
    talk.say("quero um app")
    assert "uma pessoa da equipe vai te responder" in text_of(talk.fail("empresa"))
    assert talk.outcomes == ["FAILED_INTERNAL"]
    assert talk.handoff.routing == "failure"
    assert talk.conversation.mode == "WAITING_HUMAN"


def test_a_turn_that_failed_after_the_session_expired_closes_that_one_first() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.now += timedelta(hours=1)
    assert "uma pessoa da equipe vai te responder" in text_of(talk.fail("empresa"))
    assert talk.outcomes == ["SCHEDULED_FOLLOWUP", "FAILED_INTERNAL"]
    assert talk.event_types()[1:4] == ["SESSION_ABANDONED", "SESSION_CLOSED", "SESSION_OPENED"]
    assert talk.last.session_id == talk.handoff.pk == "s1"


def test_a_turn_that_failed_after_a_complete_lead_expired_opens_one_handoff() -> None:
    talk = Talk()
    talk.say("preciso de um sistema para controlar estoque em Castro/PR, 10 usuários, até março")
    talk.say("empresa")
    talk.say("cadastro de produtos e relatórios")
    talk.now += timedelta(hours=1)
    assert "uma pessoa vai continuar" in text_of(talk.fail("oi"))
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert talk.handoff.routing == "software"


def test_a_session_with_an_intent_of_another_release_is_handed_over_with_what_is_known() -> None:
    talk = Talk()
    talk.say("quero um app pra minha empresa")
    assert talk.session is not None
    talk.session.intents[0]["status"] = "QUEUED"
    talk.session.intents.append({**talk.session.intents[0], "intent": "ROBOTICS"})
    talk.fail("oi")
    assert talk.handoff.summary.splitlines() == [
        "Quer um sistema sob medida.",
        "• Tipo de cliente: Empresa",
        "Ainda não disse: problema a resolver, funcionalidades, quantidade de usuários, cidade, prazo e orçamento.",
        "Também quer (ainda sem detalhes): ROBOTICS.",
    ]
    assert talk.handoff.intent_primary == "CUSTOM_SOFTWARE"


UNREADABLE = [
    ("intents", [{"intent": "CUSTOM_SOFTWARE"}]),
    ("intents", [None]),
    ("collected", []),
    ("collected", {"CUSTOM_SOFTWARE": None}),
    ("collected", {"CUSTOM_SOFTWARE": {"deadline": 3}}),
]


@pytest.mark.parametrize(("field", "content"), UNREADABLE)
def test_a_session_that_cannot_be_read_is_handed_over_by_its_ids_alone(field: str, content: object) -> None:
    talk = Talk()
    talk.say("quero um app pra minha empresa")
    setattr(talk.session, field, content)
    assert "uma pessoa da equipe vai te responder" in text_of(talk.fail("oi"))
    assert talk.outcomes == ["FAILED_INTERNAL"]
    assert (talk.handoff.routing, talk.handoff.requirements, talk.handoff.summary) == ("failure", {}, "")


@pytest.mark.parametrize(("field", "content"), UNREADABLE)
def test_an_expired_session_that_cannot_be_read_is_closed_before_the_failure(field: str, content: object) -> None:
    talk = Talk()
    talk.say("quero um app pra minha empresa")
    setattr(talk.session, field, content)
    talk.now += timedelta(hours=1)
    talk.fail("oi")
    assert talk.outcomes == ["SCHEDULED_FOLLOWUP", "FAILED_INTERNAL"]
    assert talk.handoff.routing == "failure"


# --- without words ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "words"), [("audio", "áudio"), ("image", "imagem"), ("document", "arquivo"), ("sticker", "figurinha")]
)
def test_a_file_without_a_text_is_named_and_the_open_question_stays(kind: str, words: str) -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("empresa")
    reply = talk.send(kind)
    assert words in text_of(reply)
    assert "que problema" in text_of(reply)
    talk.say("controlar a oficina")
    assert talk.collected("CUSTOM_SOFTWARE")["problem"] == "controlar a oficina"


def test_an_album_is_one_turn_with_one_reply() -> None:
    talk = Talk()
    reply = talk.send("image", "image", "image")
    assert text_of(reply).count("Recebi") == 1


def test_an_unknown_type_is_excused_once_in_a_session() -> None:
    talk = Talk()
    assert "ainda não consigo abrir" in text_of(talk.send("hologram"))
    assert talk.send("unsupported") is None
    assert talk.say("oi") is not None


# --- late messages ----------------------------------------------------------------------------------------------------
def test_a_message_that_came_late_gets_an_apology_in_front_of_its_answer() -> None:
    talk = Talk()
    assert text_of(talk.say("qual o horário?", late=20 * MINUTE)).startswith("Desculpe a demora")
    assert "Desculpe" not in text_of(talk.say("qual o horário?", late=10 * MINUTE))


def test_a_message_that_came_late_never_gets_a_menu() -> None:
    talk = Talk()
    reply = talk.say("oi", late=3 * 60 * MINUTE)
    assert reply is not None
    assert not reply.rows
    assert "Desculpe a demora" in reply.text


# --- the trail --------------------------------------------------------------------------------------------------------
def test_a_turn_leaves_its_events_in_order_with_codes_only() -> None:
    talk = Talk()
    talk.say("quero um app pra minha padaria", "em Castro/PR")
    assert talk.event_types() == [
        "USER_CONTACT",
        "SESSION_OPENED",
        "INTENT_ADDED",
        "INTENT_CLASSIFIED",
        "PROFILE_UPDATED",
    ]
    assert talk.last.events[0].metadata == {"messages": 2}
    assert not any(word in str(talk.last.events) for word in ("padaria", "Castro"))
    assert len({event.event_id for event in talk.last.events}) == 5


def test_a_turn_that_is_planned_again_gives_the_same_events() -> None:
    first, second = Talk(), Talk()
    first.say("quero um app")
    second.say("quero um app")
    assert first.last.events == second.last.events


def test_rules_change_none_of_the_documents_they_read() -> None:
    talk = Talk()
    talk.say("quero um app")
    session = talk.session
    assert session is not None
    before = str(session.to_document())
    talk.say("empresa")
    assert str(session.to_document()) == before


@pytest.mark.parametrize(
    ("kind", "text", "mode", "expected"),
    [
        ("text", "oi", "BOT", True),
        ("text", "oi", "HUMAN", False),
        ("reaction", "", "BOT", False),
        ("audio", "", "BOT", False),
    ],
)
def test_only_what_was_typed_to_the_bot_needs_to_be_read(kind: str, text: str, mode: str, expected: bool) -> None:
    talk = Talk()
    talk.conversation.mode = mode
    message = talk.message(kind=kind, text=text)
    asked = {"conversation": talk.conversation, "session": None, "messages": [message]}
    assert needs_classification(**asked, paused=False) is expected
    assert not needs_classification(**asked, paused=True)
