"""Answers that are taken from what is said: several at once, refused and doubtful ones, those of a list, and what is said back."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import replies
from conversations.collecting import absorb, read_answer, told_back
from conversations.flows import FLOWS, Field, Flow
from conversations.unasked import volunteered
from conversations.whatsapp.messages import BUTTONS_MAX, ROW_TITLE_MAX, ROWS_MAX
from tests.conversations.talk import Talk, asked_for_users, text_of, told_of_software

TODAY = date(2026, 11, 23)
SOFTWARE, SAAS = FLOWS["CUSTOM_SOFTWARE"], FLOWS["SAAS_COMMUNICATION"]
DRIVER, MERCHANT = FLOWS["PYLOTO_ENTREGA_DRIVER_SIGNUP"], FLOWS["PYLOTO_ENTREGA_MERCHANT_SIGNUP"]


# --- several answers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("flow", "known", "text", "taken"),
    [
        (SOFTWARE, 3, "10, ponta grossa, até março", {"users": "10", "city": "Ponta Grossa/PR", "deadline": "até março (03/2027)"}),
        (SOFTWARE, 3, "uns 10 usuários em Castro/PR, sem pressa", {"users": "10", "city": "Castro/PR", "deadline": "sem pressa"}),
        (SOFTWARE, 3, "10\nirati paraná\npra março", {"users": "10", "city": "Irati/PR", "deadline": "pra março (03/2027)"}),
        (SOFTWARE, 3, "até março, somos de Tibagi, umas 10 pessoas", {"users": "10", "city": "Tibagi/PR", "deadline": "até março (03/2027)"}),
        (SOFTWARE, 3, "somos 8\nR$ 5.000\nlondrina", {"users": "8", "budget": "R$ 5.000", "city": "Londrina/PR"}),
        (SOFTWARE, 3, "10 em Castro", {"users": "10", "city": "Castro/PR"}),
        (SOFTWARE, 3, "10; xanxerê; em 2 meses; uns 5 mil",
         {"users": "10", "city": "Xanxerê/SC", "deadline": "em 2 meses (01/2027)", "budget": "uns 5 mil"}),
        (SOFTWARE, 3, "oi\n10", {"users": "10"}),
        (SOFTWARE, 3, "eu e mais 3, de Guarapuava", {"users": "4", "city": "Guarapuava/PR"}),
        (SOFTWARE, 4, "em natal", {"city": "Natal/RN"}),
        (SOFTWARE, 4, "castro, e preciso até 15/12", {"city": "Castro/PR", "deadline": "até 15/12 (15/12/2026)"}),
        (SOFTWARE, 4, "castro\n42 99999-1234", {"city": "Castro/PR"}),
        (SOFTWARE, 5, "até março, uns 5 mil", {"deadline": "até março (03/2027)", "budget": "uns 5 mil"}),
        (SOFTWARE, 0, "empresa\npreciso controlar o estoque da loja", {"client_type": "Empresa", "problem": "preciso controlar o estoque da loja"}),
        (SOFTWARE, 0, "empresa\nvocês atendem aos sábados?", {"client_type": "Empresa"}),
        (SOFTWARE, 1, "controlar o estoque da padaria, somos 12 pessoas em Castro/PR e preciso até março",
         {"problem": "controlar o estoque da padaria, somos 12 pessoas em Castro/PR e preciso até março", "users": "12",
          "city": "Castro/PR", "deadline": "até março (03/2027)"}),
        (SOFTWARE, 1, "controlar o ponto de 200 funcionários, hoje é tudo em papel, 24 horas por dia",
         {"problem": "controlar o ponto de 200 funcionários, hoje é tudo em papel, 24 horas por dia"}),
        (DRIVER, 0, "Zé da Silva, de Castro, tenho uma biz", {"name": "Zé da Silva", "city": "Castro/PR", "vehicle": "Moto"}),
        (DRIVER, 0, "José Carlos\nponta grossa\nmoto\nsó à noite",
         {"name": "José Carlos", "city": "Ponta Grossa/PR", "vehicle": "Moto", "availability": "Só à noite"}),
        (SOFTWARE, 3, "controlar o estoque, avisar do vencimento, relatório todo fim do mês", {}),
        (SOFTWARE, 3, "10 pessoas, em 3 meses", {"users": "10", "deadline": "em 3 meses (02/2027)"}),
        (SOFTWARE, 1, "é pra empresa sim", {"client_type": "Empresa"}),
        (SOFTWARE, 4, "pra ontem", {"deadline": "pra ontem"}),
        (SOFTWARE, 1, "prefiro não dizer", {"problem": "unknown"}),
        (SOFTWARE, 1, "até março", {"deadline": "até março (03/2027)"}),
        (SOFTWARE, 1, "pessoa física", {"client_type": "Pessoa física"}),
        (SOFTWARE, 2, "autônomo", {"client_type": "Autônomo(a)"}),
        (SOFTWARE, 5, "Belo Horizonte", {"city": "Belo Horizonte/MG"}),
        (SOFTWARE, 5, "somos 12", {"users": "12"}),
        (DRIVER, 0, "carlos souza, castro, moto, só à noite",
         {"name": "Carlos Souza", "city": "Castro/PR", "vehicle": "Moto", "availability": "Só à noite"}),
        (DRIVER, 0, "me chamo Carlos Souza, sou de Castro, tenho moto e posso trabalhar à noite",
         {"name": "Carlos Souza", "city": "Castro/PR", "vehicle": "Moto", "availability": "Só à noite"}),
        (DRIVER, 0, "Maria de Castro", {"name": "Maria de Castro"}),
        (DRIVER, 0, "Carlos Campos\n30 anos", {"name": "Carlos Campos"}),
        (SOFTWARE, 3, "10 pessoas, pode?", {"users": "10"}),
        (SOFTWARE, 0, "vcs tem cnpj?", {}),
        (SOFTWARE, 5, "opa março", {"deadline": "março (03/2027)"}),
        (SOFTWARE, 6, "na verdade 8 mil", {"budget": "8 mil"}),
        (MERCHANT, 0, "Doce Mel, em Castro", {"company": "Doce Mel", "city": "Castro/PR"}),
    ],
)  # fmt: skip
def test_every_answer_of_a_message_is_taken(flow: Flow, known: int, text: str, taken: dict[str, str]) -> None:
    collected = told_of_software(known) if flow is SOFTWARE else {}
    field = flow.next_field(collected)
    assert field is not None
    assert absorb(flow, text, collected, field.name, today=TODAY) == taken


# What a system should do, or what is wrong today, told in answer to the question for the problem.
ABOUT_SOMETHING_ELSE = [
    "controlar a agenda dos médicos e os pacientes de cada dia",
    "hoje anoto tudo no caderno e no fim do mês não bate",
    "as entregas atrasam na sexta e no sábado",
    "vender pela internet para todo o Brasil, de Curitiba a Manaus",
    "mandar boleto todo dia 10 e cobrar quem não pagou até o vencimento",
    "emitir nota fiscal e relatório mensal",
    "quero que o cliente pague 50 reais por mês pelo aplicativo",
    "o sistema atual custa R$ 300 por mês e é ruim",
    "temos 3 lojas e 40 produtos",
    "cadastrar até 200 alunos por turma",
    "lembrar o cliente da consulta 24 horas antes",
    "acompanhar as metas dos vendedores por semana",
    "perdi 2 clientes na semana passada",
    "atendo das 8h às 18h de segunda a sexta",
    "organizar as vendas do Natal e da Páscoa",
    "funciona desde 2015 em planilha",
    "integrar com o sistema da Palmeira Distribuidora",
    "quero controlar 15 motos e 20 motoristas",
    "mostrar na tela os pedidos de hoje e de amanhã",
    "preciso parar de usar papel",
    "avisar uma semana antes do vencimento",
    "a cada 3 meses refazer o contrato",
    "ver o estoque das 2 filiais",
    "um catálogo com 500 itens",
    "receber pix e cartão em até 12x",
    "o cliente escolhe entrega em 30 minutos",
    "pedido mínimo de 20 reais",
    "quero reservar mesas para 4 pessoas",
    "dividir a conta por pessoa",
    "calcular o frete de Santos a Salvador",
    "gerar relatório em janeiro e julho",
    "contrato de 12 meses com os inquilinos",
    "a nossa média é 4 mil visitas no site",
]


@pytest.mark.parametrize("text", ABOUT_SOMETHING_ELSE)
def test_the_numbers_days_sums_and_places_of_a_story_answer_nothing(text: str) -> None:
    known = {"client_type": "Empresa"}
    assert absorb(SOFTWARE, text, known, "problem", today=TODAY) == {"problem": text}
    known = {"business_type": "padaria", "channels": "WhatsApp"}
    assert absorb(SAAS, text, known, "pain", today=TODAY) == {"pain": text}


# --- before anything was asked ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("flow", "lines", "taken"),
    [
        (SOFTWARE, ["oi", "quero um sistema", "pra minha empresa", "somos de ponta grossa", "umas 10 pessoas vão usar", "pra março", "5 mil"],
         {"client_type": "Empresa", "city": "Ponta Grossa/PR", "users": "10", "deadline": "pra março (03/2027)", "budget": "5 mil"}),
        (SOFTWARE, ["oiii", "qria um sistema", "eh pra minha loja", "controlar os pedido q chega no zap", "sou de carambei", "so eu", "uns 3 conto"],
         {"client_type": "Empresa", "problem": "controlar os pedido q chega no zap", "city": "Carambeí/PR", "users": "1", "budget": "uns 3 conto"}),
        (SOFTWARE, ["oi", "quero um app", "empresa mesmo", "castro", "em 3 meses", "prefiro não falar de orçamento"],
         {"client_type": "Empresa", "city": "Castro/PR", "deadline": "em 3 meses (02/2027)", "budget": "unknown"}),
        (SOFTWARE, ["quero um sistema", "precisa ter cadastro de clientes e fotos", "somos em 6", "em Tibagi"],
         {"features": "cadastro de clientes e fotos", "users": "6", "city": "Tibagi/PR"}),
        (SAAS, ["boa tarde", "queria um robo pro zap", "salao de beleza", "zap e face", "uns 40 por dia", "nao consigo responder tudo", "quero agendar mais"],
         {"business_type": "salao de beleza", "channels": "WhatsApp e Facebook", "volume": "40 por dia", "pain": "nao consigo responder tudo",
          "goal": "quero agendar mais"}),
        (DRIVER, ["opa", "qro trabalhar d motoboy", "me chamo carlos souza", "castro", "cg 160", "so a noite"],
         {"name": "Carlos Souza", "city": "Castro/PR", "vehicle": "Moto", "availability": "Só à noite"}),
        (MERCHANT, ["oi", "quero as entregas de vcs", "a loja é Flor de Lis", "fica em palmeira", "vendemos flores", "10 entregas por semana"],
         {"company": "Flor de Lis", "city": "Palmeira/PR", "segment": "flores", "deliveries": "10 por semana"}),
        (SOFTWARE, ["quero um sistema", "orçamento de 30 mil"], {"budget": "30 mil"}),
        # What is told in front of a question.
        (SOFTWARE, ["quero um sistema", "somos de castro, vcs atendem?"], {"city": "Castro/PR"}),
        (SOFTWARE, ["oi", "quero um app", "a gente é de Tibagi. vocês atendem aqui?", "somos em 8, é pra nossa empresa, quanto custa?"], {"client_type": "Empresa", "city": "Tibagi/PR", "users": "8"}),
        (DRIVER, ["quero ser entregador", "oi, tenho uma biz, pode?", "moro em Carambeí, tem entrega aqui?"], {"vehicle": "Moto", "city": "Carambeí/PR"}),
        (MERCHANT, ["quero entregas", "minha loja fica em Palmeira, vcs vem até aqui?"], {"city": "Palmeira/PR"}),
        (DRIVER, ["quero ser entregador", "tenho moto, serve?", "sou de Castro, atendem aqui?"], {"vehicle": "Moto", "city": "Castro/PR"}),
        (MERCHANT, ["quero entregas", "minha empresa fica em Castro, tá?", "faço 20 entregas por dia, é pouco?"], {"city": "Castro/PR", "deliveries": "20 por dia"}),
        (SOFTWARE, ["quero um sistema", "somos 10, ok?"], {"users": "10"}),
        # A story beside it, of somebody else or of what was.
        (SOFTWARE, ["preciso de um sistema pra controlar o estoque da minha loja, hoje a gente usa caderno", "somos 5"],
         {"client_type": "Empresa", "problem": "preciso de um sistema pra controlar o estoque da minha loja, hoje a gente usa caderno", "users": "5"}),
        (SOFTWARE, ["abrimos uma loja em Castro e precisamos de um sistema", "somos 4 pessoas"], {"client_type": "Empresa", "city": "Castro/PR", "users": "4"}),
        (SOFTWARE, ["eu e minha irmã temos uma padaria em Irati e queremos um site", "somos 3"], {"client_type": "Empresa", "city": "Irati/PR", "users": "3"}),
        (SOFTWARE, ["quero um sistema igual o do meu primo, ele mora em Londrina e tem 20 funcionários", "somos de Castro"], {"city": "Castro/PR"}),
        (DRIVER, ["quero ser entregador, moro em Castro, meu primo já trabalha com vcs", "tenho moto"], {"city": "Castro/PR", "vehicle": "Moto"}),
        (DRIVER, ["quero ser entregador", "trabalhei em Curitiba 2 anos", "agora moro em Castro"], {"city": "Castro/PR"}),
        (MERCHANT, ["quero entregas", "fazia 500 entregas por mês antes", "hoje faço 50 por mês"], {"deliveries": "50 por mês"}),
        # A correction of what another line told.
        (SOFTWARE, ["quero um app", "Castro", "não, Carambeí"], {"city": "Carambeí/PR"}),
        (SOFTWARE, ["quero um app", "sou de Castro", "quer dizer, Carambeí"], {"city": "Carambeí/PR"}),
        (SOFTWARE, ["quero um app", "somos de Castro", "não somos de Curitiba"], {"city": "Castro/PR"}),
        (SOFTWARE, ["quero um sistema", "controlar a loja"], {"problem": "controlar a loja"}),
        (SOFTWARE, ["quero um app", "somos 10", "na verdade 12"], {"users": "12"}),
        (SOFTWARE, ["quero um app", "em março", "*abril"], {"deadline": "abril (04/2027)"}),
        (MERCHANT, ["Quero entregas", "Farmácia São João", "pet shop"], {"company": "Farmácia São João", "segment": "Pet shop"}),
    ],
)  # fmt: skip
def test_short_messages_that_can_be_nothing_else_answer_before_they_are_asked(
    flow: Flow, lines: list[str], taken: dict[str, str]
) -> None:
    assert volunteered(flow, "\n".join(lines), {}, today=TODAY) == taken


@pytest.mark.parametrize(
    ("flow", "lines"),
    [
        (SOFTWARE, ["quero um sistema", "vocês são de ponta grossa?", "atendem em curitiba?", "fica pronto em 2 meses?", "sai por uns 5 mil?"]),
        (SOFTWARE, ["quero um sistema", "igual o do meu primo", "ele mora em londrina", "usa com 20 funcionários", "custou 8 mil", "ficou pronto em março"]),
        (SOFTWARE, ["quero um sistema", "temos 500 clientes", "abrimos em 2010", "reserva de quadra", "15", "quero um orçamento", "te chamo amanhã de manhã"]),
        (SOFTWARE, ["quero um sistema", "não sei", "prefiro não dizer", "depois eu falo", "Ana Paula", "bom sucesso pra vcs"]),
        (SAAS, ["quero um chatbot", "igual ao da pizzaria do João", "vocês demoram pra responder", "tem plano de 200 reais?", "uns 30"]),
        (SAAS, ["quero um chatbot", "não perdemos vendas por isso", "a gente nunca perde cliente"]),
        (SOFTWARE, ["quero um sistema", "vender a loja"]),
        (DRIVER, ["quero ser entregador", "me chamo de noite trabalho"]),
        (SAAS, ["quero um chatbot", "nosso site caiu", "perdi meu celular", "o instagram foi hackeado"]),
        (DRIVER, ["quero ser entregador", "precisa de moto?", "dá pra trabalhar só à noite?", "não tenho moto", "meu irmão tem carro", "sexta"]),
        (SOFTWARE, ["quero um sistema", "se for em castro, vcs atendem?", "até 5 mil, dá?", "em 2 meses, vocês conseguem?", "atendem castro, ponta grossa?"]),
        (SOFTWARE, ["quero um sistema", "vocês são de castro, né?", "são de castro, vcs?", "tem gente em irati, como faz?", "somos de castro ou não?"]),
        (SOFTWARE, ["quero um sistema", "minha dúvida é: em castro, vcs atendem?", "tenho que ir até castro, é isso?", "estou vendo um de 5 mil reais, é bom?", "e em castro, tem?", "estou em curitiba hoje, vcs tem escritório?"]),
        (DRIVER, ["quero ser entregador", "tenho que ter moto, é obrigatório?", "se eu tenho moto, quanto ganho?"]),
        (MERCHANT, ["quero entregas", "a loja é nova", "o movimento é bom", "quanto fica 10 entregas por dia?", "a empresa é da minha mãe"]),
    ],
)  # fmt: skip
def test_questions_stories_and_what_may_be_anything_answer_nothing(flow: Flow, lines: list[str]) -> None:
    assert volunteered(flow, "\n".join(lines), {}, today=TODAY) == {}


def test_what_was_told_in_the_first_messages_is_said_back_and_not_asked() -> None:
    talk = Talk()
    reply = text_of(talk.say("oi", "quero um sistema", "empresa", "castro", "umas 10 pessoas vão usar", "até 5 mil"))
    assert (
        "Anotei:\n• Tipo de cliente: Empresa\n• Quantidade de usuários: 10\n• Cidade: Castro/PR\n• Orçamento: até 5 mil"
        in reply
    )
    assert "que problema" in reply


PARTS = {
    "users": "somos em 8", "city": "em Londrina/PR", "deadline": "até março", "budget": "uns R$ 5.000",
    "client_type": "minha empresa",
}  # fmt: skip
MEANT = {
    "users": "8", "city": "Londrina/PR", "deadline": "até março (03/2027)", "budget": "uns R$ 5.000",
    "client_type": "Empresa",
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.permutations(list(PARTS)), st.sampled_from([", ", " e ", "\n", ". "]), st.sampled_from([None, *PARTS]))
def test_the_order_of_the_answers_does_not_matter(order: list[str], between: str, asked: str | None) -> None:
    text = between.join(PARTS[name] for name in order)
    collected = {} if asked is None else {"problem": "x", "features": "y"}
    assert absorb(SOFTWARE, text, collected, asked, today=TODAY).items() >= MEANT.items()


# --- refused, doubtful, incomplete ------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["não sei", "depende", "prefiro não dizer", "ainda não sei"])
def test_a_refused_question_is_not_asked_again(text: str) -> None:
    talk = asked_for_users()
    assert "cidade" in text_of(talk.say(text))
    assert talk.collected("CUSTOM_SOFTWARE")["users"] == "unknown"


@pytest.mark.parametrize("text", ["15/03/2020", "dia 31/02", "em outubro de 2026"])
def test_a_deadline_that_is_past_or_in_no_calendar_is_asked_again(text: str) -> None:
    talk = asked_for_users()
    talk.say("10")
    talk.say("castro")
    reply = text_of(talk.say(text))
    assert "já passou ou não existe" in reply
    assert "Para quando seria?" in reply
    assert "deadline" not in talk.collected("CUSTOM_SOFTWARE")


def test_a_question_that_was_missed_comes_with_an_example() -> None:
    assert "como 5 ou 10 a 20" in text_of(asked_for_users().say("42 99999-1234"))


def test_the_day_a_deadline_means_is_that_of_the_message_in_sao_paulo() -> None:
    """Half past ten in the evening in São Paulo, already tomorrow in UTC; written an hour before it reached us."""
    talk = Talk(now=datetime(2026, 11, 24, 1, 30, tzinfo=UTC))
    for text in ("quero um app", "empresa", "organizar os pedidos da loja", "receber pedidos", "10", "castro"):
        talk.say(text)
    talk.say("amanhã", late=timedelta(hours=1))
    assert talk.collected("CUSTOM_SOFTWARE")["deadline"] == "amanhã (24/11/2026)"


@pytest.mark.parametrize(
    ("answer", "then", "city"),
    [
        ("Guaragi", "paraná", "Guaragi/PR"),
        ("santa helena", "PR", "Santa Helena/PR"),
        ("Guaragi", "não sei", "Guaragi"),
        ("Guaragi", "fica no paraná", "Guaragi/PR"),
        ("Guaragi", "castro", "Castro/PR"),
        ("Guaragi", "irati pr", "Irati/PR"),
        ("Ceará", "cascavel", "Cascavel/CE"),
        ("Paraná", "irati", "Irati/PR"),
        ("sou do paraná", "prefiro não dizer", "Paraná"),
    ],
)
def test_what_a_place_lacks_is_asked_once(answer: str, then: str, city: str) -> None:
    talk = asked_for_users()
    talk.say("10")
    assert ("qual estado" if answer[-3:] not in ("aná", "ará") else "qual cidade") in text_of(talk.say(answer))
    assert "Para quando" in text_of(talk.say(then))
    assert talk.collected("CUSTOM_SOFTWARE")["city"] == city
    assert talk.profile.city == (city if "/" in city else "")  # a town that is not known stays out of the profile


def test_a_place_that_is_known_needs_no_state() -> None:
    talk = asked_for_users()
    talk.say("10")
    assert "Para quando" in text_of(talk.say("xanxere"))


# --- lists and buttons ------------------------------------------------------------------------------------------------
FIELDS = [(flow, field) for flow in FLOWS.values() for field in flow.fields if field.choices]
NAMES = [f"{flow.intent}-{field.name}" for flow, field in FIELDS]


@pytest.mark.parametrize(("flow", "field"), FIELDS, ids=NAMES)
def test_a_short_choice_has_buttons_and_a_longer_one_a_list(flow: Flow, field: Field) -> None:
    reply = replies.question(flow, field)
    assert len(reply.buttons) == (len(field.choices) if len(field.choices) <= BUTTONS_MAX else 0)
    assert len(reply.rows) == (len(field.choices) if len(field.choices) > BUTTONS_MAX else 0)
    assert len(reply.rows) <= ROWS_MAX
    assert all(len(choice) <= (ROW_TITLE_MAX if reply.rows else 20) for choice in field.choices)


@pytest.mark.parametrize(("flow", "field"), FIELDS, ids=NAMES)
def test_a_choice_is_read_by_its_words_and_by_its_number(flow: Flow, field: Field) -> None:
    for number, choice in enumerate(field.choices, start=1):
        value = read_answer(field, choice, TODAY)
        assert value is not None
        assert value == "unknown" or value.lower().startswith(choice.lower())
        for text in (choice.upper(), f"{choice}!", str(number), f"opção {number}", f"{number}."):
            assert (read_answer(field, text, TODAY) or "").lower() == value.lower()


def test_a_tapped_row_is_the_answer() -> None:
    talk = Talk()
    talk.say("quero ser entregador")
    talk.say("Zé da Silva")
    reply = talk.say("castro")
    assert reply is not None
    row = reply.rows[3]
    talk.tap(row.id, row.title)
    assert talk.collected("PYLOTO_ENTREGA_DRIVER_SIGNUP")["vehicle"] == "Van ou utilitário"


# --- nobody is misunderstood in silence -------------------------------------------------------------------------------
def test_what_was_found_in_a_sentence_is_said_back() -> None:
    talk = Talk()
    reply = text_of(talk.say("quero um sistema para controlar o estoque, somos uma equipe de 12, em castro, até março"))
    assert "Anotei:\n• Quantidade de usuários: 12\n• Cidade: Castro/PR\n• Prazo: até março (03/2027)" in reply


@pytest.mark.parametrize(
    ("text", "said"),
    [("uma dúzia", "Anotei: 12 (quantidade de usuários)."), ("eu e mais 3", "Anotei: 4 (quantidade de usuários)."),
     ("10", ""), ("não sei", "")],
)  # fmt: skip
def test_an_answer_that_was_read_as_other_words_is_said_back(text: str, said: str) -> None:
    reply = text_of(asked_for_users().say(text))
    assert "cidade" in reply
    assert said in reply
    assert ("Anotei:" in reply) == bool(said)


@pytest.mark.parametrize(("text", "said"), [("me chamo ana souza", False), ("ana souza", False),
                                            ("carlos sou de castro e trabalho com isso faz tempo", True)])  # fmt: skip
def test_a_name_that_was_cut_out_of_a_sentence_is_said_back(text: str, said: bool) -> None:
    taken = absorb(DRIVER, text, {}, "name", today=TODAY)
    assert ("Nome" in told_back(DRIVER, taken, text, "name")) == said


def test_a_tapped_answer_is_not_said_back() -> None:
    talk = Talk()
    talk.say("quero um app")
    assert "Anotei:" not in text_of(talk.tap("field:CUSTOM_SOFTWARE:client_type:0", "Empresa"))
