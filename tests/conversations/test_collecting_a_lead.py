"""The flows that collect: one question at a time, none twice, several answers at once."""

from datetime import timedelta

import pytest

from conversations.flows import FLOWS
from conversations.models import Handoff
from tests.conversations.talk import MONDAY_NOON, Talk, text_of

SOFTWARE = "CUSTOM_SOFTWARE"


def test_a_software_lead_is_collected_question_by_question() -> None:
    talk = Talk()
    questions = [
        talk.tap("intent:CUSTOM_SOFTWARE", "Sistemas sob medida"),
        talk.tap("field:CUSTOM_SOFTWARE:client_type:0", "Empresa"),
        talk.say("preciso controlar o estoque da padaria"),
        talk.say("cadastro de produtos, alerta de validade e relatórios"),
        talk.say("uns 10"),
        talk.say("ponta grossa pr"),
        talk.say("até março"),
    ]
    expected = [
        "É para uma empresa",
        "que problema",
        "o que ele precisa fazer",
        "Quantas pessoas",
        "cidade",
        "quando",
        "orçamento",
    ]
    for question, words in zip(questions, expected, strict=True):
        assert words in text_of(question)
    talk.say("prefiro não dizer")
    assert talk.handoff.requirements[SOFTWARE] == {
        "client_type": "Empresa",
        "problem": "preciso controlar o estoque da padaria",
        "features": "cadastro de produtos, alerta de validade e relatórios",
        "users": "10",
        "city": "Ponta Grossa/PR",
        "deadline": "até março (03/2027)",
        "budget": "unknown",
    }


def test_several_answers_in_one_message_are_all_taken() -> None:
    talk = Talk()
    reply = talk.say(
        "preciso de um sistema para controlar o estoque da minha padaria em Castro/PR, 10 usuários, até março"
    )
    assert talk.collected(SOFTWARE).keys() == {"client_type", "problem", "users", "city", "deadline"}
    assert "o que ele precisa fazer" in text_of(reply)


def test_several_messages_of_one_turn_answer_several_questions() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("empresa")
    talk.say("organizar os pedidos da loja")
    talk.say("receber pedidos e avisar o cliente")
    talk.say("uns 10", "irati paraná", "pra março")
    collected = talk.collected(SOFTWARE)
    assert (collected["users"], collected["city"], collected["deadline"]) == ("10", "Irati/PR", "pra março (03/2027)")


def test_what_the_profile_holds_is_not_asked() -> None:
    talk = Talk(city="Castro/PR", is_business=True)
    reply = talk.say("quero um app")
    assert "que problema" in text_of(reply)
    assert talk.collected(SOFTWARE) == {"client_type": "Empresa", "city": "Castro/PR"}


def test_what_was_learnt_goes_to_the_profile() -> None:
    talk = Talk()
    talk.say("quero um app pra minha empresa em Castro/PR, sou o dono")
    assert talk.last.profile == {"is_business": True, "city": "Castro/PR", "role": "Dono(a)"}


def test_the_trail_names_the_fields_of_the_profile_that_changed_and_no_value() -> None:
    talk = Talk()
    talk.say("quero um app pra minha empresa em Castro/PR")
    event = talk.last.events[-1]
    assert (event.event_type.value, event.actor) == ("PROFILE_UPDATED", "USER")
    assert event.metadata == {"fields": ["city", "is_business"]}
    talk.say("10")
    assert "PROFILE_UPDATED" not in talk.event_types()


def test_the_trail_names_a_new_qualification_as_the_bots_own() -> None:
    talk = Talk()
    talk.say("quero falar com uma pessoa")
    assert talk.last.profile == {"qualification_level": "low", "lead_score": 0}
    event = talk.last.events[-1]
    assert (event.event_type.value, event.actor) == ("PROFILE_UPDATED", "PYLOTO")
    assert event.metadata == {"fields": ["lead_score", "qualification_level"]}


def test_a_refused_answer_is_not_asked_again_but_counts_as_missing() -> None:
    talk = Talk()
    talk.say("preciso de um app para organizar pedidos, em Castro/PR, até março")
    talk.say("empresa")
    talk.say("receber pedidos pelo celular")
    reply = talk.say("não sei")
    assert talk.collected(SOFTWARE)["users"] == "unknown"
    assert "orçamento" in text_of(reply)
    talk.say("5 mil reais")
    assert talk.handoff.qualification_level == "medium"


def test_a_correction_changes_the_last_answer() -> None:
    talk = Talk()
    talk.say("preciso de um app para organizar pedidos, em Castro/PR, até março")
    talk.say("empresa")
    talk.say("receber pedidos pelo celular")
    talk.say("10")
    reply = talk.say("na verdade são 15")
    assert talk.collected(SOFTWARE)["users"] == "15"
    assert "corrigi" in text_of(reply)


def test_a_question_in_the_middle_is_answered_and_the_open_question_comes_again() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("empresa")
    reply = talk.say("qual o horário de vocês?")
    assert "9h às 17h" in text_of(reply)
    assert "que problema" in text_of(reply)
    assert "problem" not in talk.collected(SOFTWARE)


@pytest.mark.parametrize(
    ("text", "words"),
    [("Qual o horário de atendimento?", "9h às 17h"), ("me conta uma piada", "não consigo ajudar"),
     ("vocês têm CNPJ?", "deixo para a nossa equipe"), ("obrigado", "Por nada")],
)  # fmt: skip
def test_an_aside_while_the_flow_rests_behind_the_menu_is_answered_at_once_and_never_waits(
    text: str, words: str
) -> None:
    talk = Talk()
    talk.say("Preciso de um sistema sob medida")
    talk.say("menu")
    reply = talk.say(text)
    assert words in text_of(reply)
    assert reply is not None
    assert reply.rows  # the menu is still what is asked
    assert talk.session is not None
    assert [entry["intent"] for entry in talk.session.intents] == [SOFTWARE]


def test_a_lead_told_after_menu_and_joke_goes_to_a_human() -> None:
    talk = Talk()
    for text in ("Preciso de um sistema sob medida", "menu", "me conta uma piada"):
        talk.say(text)
    talk.say("é um sistema para controlar o estoque da empresa em Castro/PR, 10 usuários, até março")
    assert talk.collected(SOFTWARE).keys() == {"client_type", "problem", "city", "users", "deadline"}
    talk.say("cadastro de produtos e relatórios")
    talk.say("prefiro não dizer")
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert talk.handoff.intents_detected == [SOFTWARE]


def test_a_free_answer_may_speak_of_deliveries_and_hours() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("empresa")
    talk.say("controlar as entregas dos motoboys e o horário de cada um")
    assert talk.collected(SOFTWARE)["problem"].startswith("controlar as entregas")
    assert talk.session is not None
    assert len(talk.session.intents) == 1


def test_after_two_answers_that_make_no_sense_a_human_is_offered() -> None:
    talk = Talk()
    talk.say("quero um app")
    assert "não entendi" in text_of(talk.say("xyz"))
    reply = talk.say("zyx")
    assert reply is not None
    assert [button.title for button in reply.buttons] == ["Falar com uma pessoa", "Tentar de novo"]
    assert "É para uma empresa" in text_of(talk.tap("retry", "Tentar de novo"))


def test_the_offered_human_is_taken_by_a_yes() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.say("xyz")
    talk.say("zyx")
    talk.say("sim, por favor")
    assert talk.outcomes == ["HANDOFF_HUMAN"]


def test_a_tapped_answer_corrects_an_earlier_one() -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.tap("field:CUSTOM_SOFTWARE:client_type:0", "Empresa")
    talk.tap("field:CUSTOM_SOFTWARE:client_type:2", "Pessoa física")
    assert talk.collected(SOFTWARE)["client_type"] == "Pessoa física"


@pytest.mark.parametrize(
    "tap_id", ["field:CUSTOM_SOFTWARE:client_type:9", "field:::", "field:SAAS_COMMUNICATION:pain:0", "intent:X", "zzz"]
)
def test_a_tap_that_fits_nothing_is_read_as_its_title(tap_id: str) -> None:
    talk = Talk()
    talk.say("quero um app")
    talk.tap(tap_id, "Empresa")
    assert talk.collected(SOFTWARE) == {"client_type": "Empresa"}


def test_a_flow_can_be_dropped() -> None:
    talk = Talk()
    talk.say("quero um app")
    reply = talk.say("deixa pra lá")
    assert reply is not None
    assert reply.rows
    assert "deixei isso de lado" in reply.text


LEADS = [
    (
        "chatbot pro meu whats",
        [
            "clínica odontológica",
            "WhatsApp e Instagram",
            "umas 50 por dia",
            "demoramos pra responder",
            "responder na hora",
            "R$ 500",
        ],
        "saas",
    ),
    ("quero ser entregador", ["Zé da Silva", "sou de pg", "tenho uma biz", "noite e fim de semana"], "drivers"),
    ("tenho uma loja e quero entregas", ["Doce Mel", "irati paraná", "doces e bolos", "umas 300"], "merchants"),
]


@pytest.mark.parametrize(("wish", "replies", "routing"), LEADS)
def test_every_commercial_flow_ends_with_a_human(wish: str, replies: list[str], routing: str) -> None:
    talk = Talk()
    talk.say(wish)
    for reply in replies:
        talk.say(reply)
    assert talk.handoff.routing == routing
    assert "unknown" not in str(talk.handoff.requirements)
    flow = FLOWS[talk.handoff.intent_primary]
    assert talk.handoff.requirements[flow.intent.value].keys() == {
        field.name for field in flow.fields if not field.completes
    }


def complete(talk: Talk, *, deadline: str = "até março", client: str = "pessoa física") -> Handoff:
    talk.say("quero um app")
    for answer in (client, "organizar treinos", "cadastrar treinos e acompanhar", "10", "Castro/PR", deadline, "5 mil"):
        talk.say(answer)
    return talk.handoff


@pytest.mark.parametrize(
    ("deadline", "client", "level", "reason"),
    [
        ("até março", "pessoa física", "medium", "Todos os dados essenciais informados"),
        ("o quanto antes", "pessoa física", "high", "Pediu urgência"),
        ("até março", "é pra minha empresa", "high", "Fala com quem decide"),
    ],
)
def test_a_complete_lead_is_qualified(deadline: str, client: str, level: str, reason: str) -> None:
    handoff = complete(Talk(), deadline=deadline, client=client)
    assert handoff.qualification_level == level
    assert reason in handoff.qualification_reasons


def test_two_missing_answers_make_a_low_lead() -> None:
    talk = Talk()
    talk.say("preciso de um app para organizar pedidos, é urgente")
    talk.say("quero falar com uma pessoa")
    assert talk.handoff.qualification_level == "low"
    assert any("Faltam" in reason for reason in talk.handoff.qualification_reasons)


def test_the_handoff_holds_what_a_human_needs_and_no_phone() -> None:
    handoff = complete(Talk(name="Ana Souza", phone="(cifrado)"))
    assert handoff.lead == {
        "name": "Ana Souza",
        "city": "Castro/PR",
        "is_business": False,
        "business_name": "",
        "role": "",
    }
    assert handoff.summary.splitlines()[:2] == ["Quer um sistema sob medida.", "• Tipo de cliente: Pessoa física"]
    assert handoff.deadline == "até março (03/2027)"
    assert handoff.routing == "software"
    assert handoff.confidence == 0.93
    assert handoff.open_intents == [SOFTWARE]
    assert handoff.status == "OPEN"


def test_the_conversation_waits_for_the_human_from_the_step_that_opens_the_handoff() -> None:
    talk = Talk()
    handoff = complete(talk)
    assert talk.conversation.mode == "WAITING_HUMAN"
    assert talk.conversation.owner_epoch == 1
    assert talk.conversation.session_id == handoff.pk == "s0"
    assert talk.sessions["s0"].status == "CLOSED"
    assert talk.event_types()[-4:-1] == ["HANDOFF_OPENED", "SESSION_CLOSED", "MODE_CHANGED"]


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0, "logo alguém fala com você"), (6, "amanhã, a partir das 9h"), (24 * 4 + 6, "na segunda-feira")],
)
def test_the_handoff_message_says_when_humans_answer(hours: int, words: str) -> None:
    talk = Talk(now=MONDAY_NOON + timedelta(hours=hours))
    assert words in text_of(talk.say("quero falar com uma pessoa"))


def test_what_is_told_together_with_the_tap_is_taken() -> None:
    talk = Talk()
    described = talk.message(text="preciso organizar as ordens de serviço da oficina")
    talk.turn([talk.tapped("intent:CUSTOM_SOFTWARE"), described])
    assert talk.collected(SOFTWARE)["problem"] == described.text
