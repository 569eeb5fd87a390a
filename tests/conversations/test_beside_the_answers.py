"""What customers say instead of an answer: questions of their own, goodbyes, insults, and who they want to speak with."""

import pytest

from conversations import replies
from conversations.models import Session

from .talk import Talk

READY = "Preciso de um sistema para controlar o estoque da empresa em Castro/PR, 10 usuários, até março, precisa ter relatórios"
TO_PAIN = ("quero um chatbot", "padaria", "whatsapp", "30 por dia")
TO_PROBLEM = ("preciso de um sistema", "empresa")
TO_FEATURES = (*TO_PROBLEM, "controlar o estoque")
TO_CITY = ("quero ser entregador", "Carlos Silva")


def talk_of(*said: str) -> Talk:
    talk = Talk()
    for text in said:
        talk.say(text)
    return talk


def open_session(talk: Talk) -> Session:
    assert talk.session is not None
    return talk.session


@pytest.mark.parametrize(
    ("before", "question"),
    [
        (TO_PAIN, "vocês integram com google agenda?"),
        (TO_PROBLEM, "vocês já fizeram algo assim?"),
        (TO_CITY, "é seguro?"),
        (TO_CITY, "vocês são de Ponta Grossa?"),
        ((*TO_CITY, "Castro", "moto"), "tem que ser de dia?"),
        (("preciso de um sistema",), "vcs tem cnpj?"),
    ],
)
def test_a_question_of_the_customers_own_is_no_answer(before: tuple[str, ...], question: str) -> None:
    talk = talk_of(*before)
    known, field = dict(open_session(talk).collected), open_session(talk).asked["field"]
    reply = talk.say(question)
    assert reply is not None
    assert replies.NO_ANSWER_YET[0] in reply.text
    assert open_session(talk).collected == known
    assert open_session(talk).asked["field"] == field


@pytest.mark.parametrize(
    ("wish", "said", "name"),
    [
        ("quero cadastrar minha loja", "Desconto Total", "Desconto Total"),
        ("quero cadastrar minha loja", "Preço Bom Calçados", "Preço Bom Calçados"),
        ("quero cadastrar minha loja", "se chama Mercado Bom Preço", "Mercado Bom Preço"),
        ("quero cadastrar minha loja", "Bot Burguer", "Bot Burguer"),
        ("quero ser entregador", "Rafael Boleto", "Rafael Boleto"),
    ],
)
def test_a_name_is_one_whatever_its_words_speak_of(wish: str, said: str, name: str) -> None:
    talk = talk_of(wish)
    reply = talk.say(said)
    session = open_session(talk)
    assert name in [value for given in session.collected.values() for value in given.values()]
    assert len(session.intents) == 1
    assert reply is not None
    assert replies.NO_ANSWER_YET[0] not in reply.text


@pytest.mark.parametrize("said", ["nota fiscal", "desconto?", "Quero desconto", "Boleto"])
def test_a_matter_of_ours_is_no_name(said: str) -> None:
    talk = talk_of("quero cadastrar minha loja")
    talk.say(said)
    assert open_session(talk).collected["PYLOTO_ENTREGA_MERCHANT_SIGNUP"] == {}


def test_who_is_asked_in_vain_again_and_again_is_offered_a_person() -> None:
    talk = talk_of("quero cadastrar minha loja", "DESCONTO TOTAL", "DESCONTO TOTAL")
    talk.say("DESCONTO TOTAL")
    assert open_session(talk).asked["offered"]
    talk.say("sim")
    assert talk.handoffs


def test_a_trial_answer_is_one() -> None:
    talk = talk_of(*TO_CITY)
    talk.say("em Castro?")
    assert open_session(talk).collected["PYLOTO_ENTREGA_DRIVER_SIGNUP"]["city"] == "Castro/PR"


def test_what_a_system_should_do_may_be_told_in_a_question() -> None:
    talk = talk_of(*TO_FEATURES)
    reply = talk.say("dá pra colocar login e senha?")
    assert reply is not None
    assert replies.NO_ANSWER_YET[0] in reply.text
    assert open_session(talk).collected["CUSTOM_SOFTWARE"]["features"] == "dá pra colocar login e senha?"


def test_when_one_works_may_be_told_in_a_question() -> None:
    talk = talk_of(*TO_CITY, "Castro", "moto")
    talk.say("pode ser à noite?")
    assert "noite" in talk.handoff.requirements["PYLOTO_ENTREGA_DRIVER_SIGNUP"]["availability"]


def test_a_budget_may_be_told_in_a_question() -> None:
    talk = talk_of(READY)
    reply = talk.say("dá pra fazer por 2 mil?")
    assert reply is not None
    assert replies.NO_ANSWER_YET[0] in reply.text
    assert "2 mil" in talk.handoff.requirements["CUSTOM_SOFTWARE"]["budget"]


@pytest.mark.parametrize(
    "goodbye", ["tchau", "até logo", "depois eu volto", "falou", "hj to ocupado te respondo depois"]
)
def test_a_goodbye_is_answered_and_leaves_the_question_open(goodbye: str) -> None:
    talk = talk_of(*TO_FEATURES)
    before = open_session(talk).asked
    reply = talk.say(goodbye)
    assert reply is not None
    assert reply.text == replies.GOODBYE
    assert open_session(talk).asked == before
    assert "features" not in open_session(talk).collected["CUSTOM_SOFTWARE"]
    back = talk.say("oi, voltei")
    assert back is not None
    assert "o que ele precisa fazer" in back.text


@pytest.mark.parametrize("stop", ["não quero mais responder", "nao quero mais", "para com isso", "chega de perguntas"])
def test_who_wants_no_more_questions_is_asked_none(stop: str) -> None:
    talk = talk_of(*TO_PROBLEM)
    reply = talk.say(stop)
    assert reply is not None
    assert replies.CANCELLED in reply.text
    assert "problem" not in open_session(talk).collected["CUSTOM_SOFTWARE"]


def test_what_is_not_wanted_any_more_may_be_the_problem() -> None:
    talk = talk_of(*TO_PROBLEM)
    talk.say("não quero mais perder pedidos")
    assert open_session(talk).collected["CUSTOM_SOFTWARE"]["problem"] == "não quero mais perder pedidos"


@pytest.mark.parametrize("insult", ["que merda de robô", "vai se fuder"])
def test_an_insult_is_no_answer(insult: str) -> None:
    talk = talk_of("quero um chatbot", "padaria")
    reply = talk.say(insult)
    assert reply is not None
    assert replies.INSULTED in reply.text
    assert "channels" not in open_session(talk).collected["SAAS_COMMUNICATION"]


@pytest.mark.parametrize(
    "wish",
    ["quero falar com o gerente", "tem alguém aí de verdade?", "alguém pode me ajudar?", "nao quero bot quero humano"],
)
def test_the_wish_for_a_person_is_no_answer(wish: str) -> None:
    talk = talk_of(*TO_FEATURES)
    talk.say(wish)
    assert "features" not in talk.handoff.requirements["CUSTOM_SOFTWARE"]


def test_who_declines_a_person_goes_on() -> None:
    talk = talk_of("preciso de um sistema")
    reply = talk.say("não quero falar com humano, prefiro vc")
    assert reply is not None
    assert replies.GO_ON in reply.text
    assert open_session(talk).asked["field"] == "client_type"
    assert "client_type" not in open_session(talk).collected["CUSTOM_SOFTWARE"]


def test_no_thanks_are_answered_where_a_person_is_accepted() -> None:
    talk = talk_of("oi", "asd", "qwe")
    reply = talk.say("ok")
    assert reply is not None
    assert "Por nada" not in reply.text
    assert talk.handoffs


@pytest.mark.parametrize(("typed", "intent"), [("1", "CUSTOM_SOFTWARE"), ("opção 2", "SAAS_COMMUNICATION")])
def test_a_row_of_the_menu_is_picked_by_its_number(typed: str, intent: str) -> None:
    talk = talk_of("oi", typed)
    assert [entry["intent"] for entry in open_session(talk).intents] == [intent]


def test_the_number_of_the_last_row_calls_a_person() -> None:
    assert talk_of("oi", "7").handoffs


def test_a_number_is_an_answer_where_one_is_asked_for() -> None:
    talk = talk_of(*TO_FEATURES, "relatórios")
    talk.say("2")
    assert open_session(talk).collected["CUSTOM_SOFTWARE"]["users"] == "2"
    assert len(open_session(talk).intents) == 1
