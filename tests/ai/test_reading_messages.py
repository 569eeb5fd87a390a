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


# --- said so, and said otherwise --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "message",
    [
        "não é urgente",
        "nem é tão urgente assim",
        "nem tão urgente",
        "sem urgência",
        "não tenho urgência",
        "não preciso disso agora",
        "não precisa ser pra hoje",
        "preciso de um sistema hoje uso planilha",
        "preciso de um site ja tenho dominio",
        "preciso de um sistema que a gente já tentou fazer",
    ],
)
def test_a_denied_urgency_is_none(message: str) -> None:
    assert not rules.classify(message).urgent
    assert not rules.is_urgent(message)


@pytest.mark.parametrize(
    "message",
    [
        "não posso esperar, é urgente",
        "não dá pra esperar é urgente",
        "preciso de um motoboy hoje, não tenho carro",
        "preciso de um motoboy agora tenho uma entrega",
        "já tenho um site mas preciso de outro urgente",
        "hoje uso planilha, preciso de um sistema com urgência",
        "quero um motoboy já",
        "não chegou, preciso agora",
    ],
)
def test_urgency_is_heard_beside_a_denial_of_something_else(message: str) -> None:
    assert rules.classify(message).urgent


@pytest.mark.parametrize(
    "message",
    [
        "a minha empresa precisa de um sistema mas quem decide é meu chefe",
        "não sou o dono",
        "não sou dona da loja",
        "sou secretária do dono",
        "sou a secretária da clínica, minha empresa precisa de um site",
        "sou funcionário, minha empresa quer um app",
        "meu patrão quer um site pra nossa loja",
        "aqui é a recepcionista da nossa clínica",
    ],
)
def test_who_does_not_decide_is_no_decision_maker(message: str) -> None:
    assert not rules.classify(message).decision_maker


@pytest.mark.parametrize(
    "message",
    [
        "sou dono e tenho 3 funcionários",
        "sou o dono e tenho uma secretária",
        "não sou boa com tecnologia, sou dona da loja",
        "minha empresa é pequena, quem decide é eu",
        "sou sócia, não sou da área de tecnologia",
    ],
)
def test_who_decides_may_speak_of_those_who_do_not(message: str) -> None:
    assert rules.classify(message).decision_maker


@pytest.mark.parametrize(
    ("message", "wishes"),
    [
        ("preciso de um site e quero ser entregador", {SOFTWARE, DRIVER}),
        ("quero um sistema, e tambem preciso de um motoboy agora e quero cadastrar minha loja", {SOFTWARE, DELIVERY, MERCHANT}),
        ("preciso de um motoboy agora e de um site pra minha empresa", {SOFTWARE, DELIVERY}),
        ("quero um site, quero cadastrar minha loja", {SOFTWARE, MERCHANT}),
        # One wish, however many verbs it has.
        ("tenho uma loja e quero entregas", {MERCHANT}),
        ("tenho uma loja, quero um motoboy", {MERCHANT}),
        ("quero um app e preciso que o motoboy receba o pedido", {SOFTWARE}),
        ("quero um sistema e quero controlar os entregadores", {SOFTWARE}),
        ("quero um site e quero um painel de pedidos", {SOFTWARE}),
        ("preciso de um site e de uma pessoa que cuide dele", {SOFTWARE}),
        ("tenho moto e quero ser entregador", {DRIVER}),
    ],
)  # fmt: skip
def test_wishes_that_a_word_joins(message: str, wishes: set[Intent]) -> None:
    assert {found.intent for found in rules.classify(message).intents} == wishes


@pytest.mark.parametrize(
    ("message", "intent"),
    [
        ("vocês estão precisando de motoboy?", DRIVER),
        ("vi que vcs precisam de entregador", DRIVER),
        ("oi boa tarde eu vi que vocês estão precisando de entregador eu tenho uma moto e moro em Castro", DRIVER),
        ("quero fazer umas corridas com vcs", DRIVER),
        ("tenho moto, tem vaga?", DRIVER),
        ("quero fazer parte da equipe de entregas", DRIVER),
        ("na verdade eu queria era fazer entrega com minha moto", DRIVER),
        # Who needs a courier.
        ("to precisando de um motoboy", DELIVERY),
        ("preciso de um motoboy pra fazer entregas", DELIVERY),
        ("quero um motoboy para fazer entregas hoje", DELIVERY),
        ("quero fazer uma entrega", DELIVERY),
        ("vocês têm motoboy?", DELIVERY),
        ("minha loja está precisando de motoboy", MERCHANT),
        ("preciso que alguém busque um documento na rua das flores", DELIVERY),
        ("preciso que vcs busquem uma encomenda na rua tal", DELIVERY),
        ("quero que alguém me explique o que vocês fazem", ABOUT_US),
        # Matters of law and of money.
        ("preciso revisar o contrato", ABOUT_US),
        ("fui cobrado errado", ABOUT_US),
        ("me passa o valor agora", ABOUT_US),
        ("o que vocês cobram?", ABOUT_US),
        ("quero um sistema de contratos", SOFTWARE),
        # Robots: to be had, and to be rid of.
        ("cansei de robo", VAGUE),
        ("meus clientes cansaram de esperar, quero um robô no whatsapp", SAAS),
    ],
)
def test_near_and_yet_another_thing(message: str, intent: Intent) -> None:
    assert rules.classify(message).primary.intent == intent


@pytest.mark.parametrize(
    "message",
    [
        "quero falar com o gerente",
        "posso falar com o dono?",
        "quero falar com o comercial",
        "tem alguém aí de verdade?",
        "chama alguém então",
        "alguém pode me ajudar?",
        "alguém me ajuda",
        "cansei de robô",
        "human",
        "I want to talk to a human please",
        "quiero hablar con una persona",
    ],
)
def test_a_person_is_asked_for_in_other_words(message: str) -> None:
    assert rules.classify(message).wants_human


@pytest.mark.parametrize(
    "message",
    [
        "vou falar com o dono e te aviso",
        "preciso falar com o dono antes",
        "tenho que falar com o gerente",
        "dono",
        "gerente",
        "comercial",
        "tem alguém na empresa que cuida do estoque",
        "quando o cliente pede o sistema chama alguém",
        "falar com atendente pelo chat, cadastro",
        "preciso de alguém que me ajude com o site da minha loja",
        "o agente de viagens atende pelo whats",
        "tem alguém aí?",
        "sou o dono da padaria",
    ],
)
def test_speaking_of_other_people_is_not_asking_for_one(message: str) -> None:
    assert not rules.classify(message).wants_human


def test_a_person_is_declined_in_favour_of_the_machine() -> None:
    assert rules.declines_human("não quero falar com humano, prefiro vc")
    assert rules.declines_human("prefiro falar com você")
    assert not rules.declines_human("não quero falar com robô, prefiro um humano")
    assert not rules.declines_human("prefiro não dizer")
    assert not rules.declines_human("não quero perder clientes")


@pytest.mark.parametrize(
    "message",
    [
        "tchau",
        "até logo",
        "falou",
        "depois eu volto",
        "ok obrigado, volto mais tarde",
        "hj to ocupado te respondo depois",
    ],
)
def test_a_goodbye_is_heard(message: str) -> None:
    assert rules.is_goodbye(message)


@pytest.mark.parametrize(
    "message",
    [
        "até amanhã",
        "depois",
        "amanhã",
        "agora não",
        "o cliente fala tchau e some",
        "meu atendente falou que depois volta",
        "responder depois que a loja fecha",
        "ok",
        "obrigado",
        "",
    ],
)
def test_what_may_be_an_answer_is_no_goodbye(message: str) -> None:
    assert not rules.is_goodbye(message)


@pytest.mark.parametrize("message", ["que merda de robô", "vai se fuder", "bosta de atendimento", "vai se foder"])
def test_an_insult_is_heard(message: str) -> None:
    assert rules.is_insult(message)


@pytest.mark.parametrize("message", ["coleta de lixo de empresas", "deu merda no meu sistema", "meu robô aspirador"])
def test_strong_words_about_something_else_are_no_insult(message: str) -> None:
    assert not rules.is_insult(message)


@pytest.mark.parametrize(
    "message",
    [
        "vocês integram com google agenda?",
        "vocês já fizeram algo assim?",
        "tem que ser de dia?",
        "é seguro?",
        "vcs tem cnpj?",
        "dá pra fazer por 2 mil?",
    ],
)
def test_a_question_of_the_customers_own(message: str) -> None:
    assert rules.asks(message)


@pytest.mark.parametrize(
    "message",
    [
        "em Castro?",
        "Ponta Grossa?",
        "um app pra agendar?",
        "agenda e estoque?",
        "10 pessoas, pode?",
        "whats e insta",
        "é Castro?",
    ],
)
def test_a_trial_answer_is_no_question(message: str) -> None:
    assert not rules.asks(message)
