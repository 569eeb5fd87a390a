"""The rules on what customers write: colloquial, without accents, with typos."""

import pytest

from ai import rules
from ai.intents import Intent

SOFTWARE = Intent.CUSTOM_SOFTWARE
SAAS = Intent.SAAS_COMMUNICATION
DELIVERY = Intent.PYLOTO_ENTREGA_REQUEST
DRIVER = Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP
MERCHANT = Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP
ABOUT_US = Intent.INSTITUTIONAL
ELSEWHERE = Intent.UNSUPPORTED
VAGUE = Intent.ENTRY_UNKNOWN

MESSAGES = [
    ("preciso de um sisteminha", SOFTWARE),
    ("quero um app", SOFTWARE),
    ("oiii quero um aplicativoo", SOFTWARE),
    ("preciso de um sitema pra minha clínica", SOFTWARE),
    ("queria um orçamento de site", SOFTWARE),
    ("fazem loja virtual?", SOFTWARE),
    ("vocês fazem sistema para clínica?", SOFTWARE),
    ("quero um CRM", SOFTWARE),
    ("quero integrar meu ERP com o mercado livre", SOFTWARE),
    ("quero vender pela internet", SOFTWARE),
    ("já tenho um sistema mas tá ruim", SOFTWARE),
    ("quero um app de entregas para minha loja", SOFTWARE),
    ("quanto custa um sistema?", SOFTWARE),
    ("Sistema", SOFTWARE),
    ("chatbot pro meu whats", SAAS),
    ("quero um robô de atendimento", SAAS),
    ("quero automatizar o whats da minha empresa", SAAS),
    ("meu atendimento no zap é uma bagunça", SAAS),
    ("não dou conta de responder todo mundo", SAAS),
    ("quero contratar o pyloto pra minha empresa", SAAS),
    ("um bot que responda meus clientes", SAAS),
    ("cadê meu pedido", DELIVERY),
    ("kd meu lanche", DELIVERY),
    ("meu pedido nao chegou", DELIVERY),
    ("preciso de um motoboy agora", DELIVERY),
    ("presiso de um motoboi", DELIVERY),
    ("manda um motoca aqui", DELIVERY),
    ("preciso entregar um bolo no centro", DELIVERY),
    ("preciso mandar um documento pro cartório", DELIVERY),
    ("preciso de um entregador agora pra minha loja", DELIVERY),
    ("vcs entregam em carambeí?", DELIVERY),
    ("quero ser entregador", DRIVER),
    ("QUERO SER ENTERGADOR", DRIVER),
    ("vcs tao contratando motoboy?", DRIVER),
    ("tem vaga pra entregador?", DRIVER),
    ("sou motoboy e tenho moto própria", DRIVER),
    ("como faço pra trabalhar com vcs de moto?", DRIVER),
    ("quero fazer entregas", DRIVER),
    ("tenho uma loja e quero entregas", MERCHANT),
    ("minha loja precisa de motoboy", MERCHANT),
    ("quero cadastrar minha loja", MERCHANT),
    ("sou lojista", MERCHANT),
    ("preciso de entregas pro meu restaurante", MERCHANT),
    ("qual o horário", ABOUT_US),
    ("qual o horario de atendimeto", ABOUT_US),
    ("que horas vcs abrem?", ABOUT_US),
    ("onde vcs ficam", ABOUT_US),
    ("qual o site de vocês", ABOUT_US),
    ("vcs são um robô?", ABOUT_US),
    ("você é uma pessoa?", ABOUT_US),
    ("o que a Pyloto faz?", ABOUT_US),
    ("vocês têm CNPJ?", ABOUT_US),
    ("quero fazer uma reclamação", ABOUT_US),
    ("conta uma piada", ELSEWHERE),
    ("qual a capital da frança", ELSEWHERE),
    ("vcs vendem pizza?", ELSEWHERE),
    ("empréstimo consignado", ELSEWHERE),
    ("oi", VAGUE),
    ("bom dia, tudo bem?", VAGUE),
    ("pode me ajudar?", VAGUE),
    ("to perdido", VAGUE),
    ("asdfgh", VAGUE),
    ("👍", VAGUE),
    ("", VAGUE),
]


@pytest.mark.parametrize(("message", "intent"), MESSAGES)
def test_a_message_speaks_of_one_intent(message: str, intent: Intent) -> None:
    assert rules.classify(message).primary.intent == intent


@pytest.mark.parametrize(
    "message",
    [
        "quero falar com uma pessoa",
        "quero falar com atendente",
        "falar com alguem pfv",
        "me passa pra um humano",
        "atendente",
        "Humano, por favor!",
        "posso falar com um vendedor?",
        "não quero falar com robô",
        "prefiro atendimento humano",
        "vocês podem me ligar?",
    ],
)
def test_a_customer_who_wants_a_person_is_heard(message: str) -> None:
    assert rules.classify(message).wants_human


@pytest.mark.parametrize(
    "message",
    [
        "quero um app",
        "vcs são um robô?",
        "não quero falar com ninguém",
        "não preciso falar com atendente",
        "quero que meus clientes possam falar com um atendente pelo app",
        "falei com ele ontem",
        "quero que ele fale com uma atendente quando precisar",
        "somos 10 pessoas",
    ],
)
def test_speaking_of_people_is_not_asking_for_one(message: str) -> None:
    assert not rules.classify(message).wants_human


@pytest.mark.parametrize("message", ["é urgente!", "preciso de um motoboy agora", "o quanto antes", "pra ontem"])
def test_urgency_is_heard(message: str) -> None:
    assert rules.classify(message).urgent


@pytest.mark.parametrize("message", ["hoje usamos planilha", "sem pressa", "agora a gente anota no caderno"])
def test_speaking_of_today_is_not_urgency(message: str) -> None:
    assert not rules.classify(message).urgent


@pytest.mark.parametrize("message", ["sou o dono da padaria", "sou sócia", "é para a minha empresa", "tenho uma loja"])
def test_who_decides_is_heard(message: str) -> None:
    assert rules.classify(message).decision_maker


def test_two_wishes_are_two_intents_only_where_the_customer_says_also() -> None:
    both = rules.classify("quero um sistema e também entregas pra minha loja")
    assert {found.intent for found in both.intents} == {SOFTWARE, MERCHANT}
    one = rules.classify("quero um sistema de entregas pra minha loja")
    assert [found.intent for found in one.intents] == [SOFTWARE]


def test_a_price_is_asked_beside_the_wish() -> None:
    found = rules.classify("quanto custa um aplicativo?").intents
    assert [detected.intent for detected in found] == [SOFTWARE, ABOUT_US]


@pytest.mark.parametrize("chunk", ["1 ", "em ", "e ", "oie ai", "voces tem ", "Aa Bb ", "?", "a", "\n"])
def test_a_hostile_message_is_read_in_a_moment(chunk: str) -> None:
    assert 0.0 <= rules.classify(chunk * 20_000).primary.confidence <= 1.0
