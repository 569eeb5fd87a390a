"""The flows that collect a lead, as data: what is asked, in which words, by which readers it is read. Pure.

Source of the fields, their order and which are critical: product.md §2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from . import answers
from .answers import COMPANY, PERSON, SELF_EMPLOYED, UNKNOWN, Finder, Reader
from .intents import Intent


@dataclass(frozen=True)
class Field:
    """One thing to find out. `find` sees it in any message; `read` takes a message as the answer to the question; `lone` takes
    one that was sent before the question, and can be nothing else.

    `free`: any sentence is an answer. `choices`: up to three are buttons, more a list; a tap names a choice by its place,
    so new ones come last. `profile`: the field of the profile that holds the same fact. `called`: what customers call it,
    as a pattern over plain text. `settle`: what was read, made final on the day it was said, or None where it can't be.
    `told`: what in front of an answer that is found in a sentence says that it is one, where a sentence may hold another
    of its kind. `again`: the question after an answer that was not understood; `doubt`: what is said of one that was not settled.
    `lament`: what sounds like a refusal and answers this question: "não consigo responder" is a difficulty.
    `completes`: the field whose answer may lack this one; it is asked while it does, and never of itself.
    """

    name: str
    label: str
    question: str
    read: Reader
    find: Finder | None = None
    lone: Reader | None = None
    critical: bool = False
    free: bool = False
    choices: tuple[str, ...] = ()
    profile: str = ""
    called: str = ""
    settle: Callable[[str, date], str | None] | None = None
    told: str = ""
    again: str = ""
    doubt: str = ""
    lament: str = ""
    completes: str = ""
    lacks: Callable[[str], bool] = bool  # whether that answer lacks it
    complete: Callable[[str, str], str] = "{}/{}".format  # that answer and this one, as one


@dataclass(frozen=True)
class Flow:
    intent: Intent
    opening: str
    routing: str
    fields: tuple[Field, ...]

    def field(self, name: str | None) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    @property
    def critical(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.critical)

    def next_field(self, collected: Mapping[str, str]) -> Field | None:
        return next(
            (field for field in self.fields if field.name not in collected and _is_asked(field, collected)), None
        )

    def missing_critical(self, collected: Mapping[str, str]) -> tuple[Field, ...]:
        return tuple(field for field in self.critical if collected.get(field.name, UNKNOWN) == UNKNOWN)

    def is_complete(self, collected: Mapping[str, str]) -> bool:
        """Whether a person can go on with it: every critical answer is there; without critical ones, every answer."""
        if self.critical:
            return not self.missing_critical(collected)
        return self.next_field(collected) is None

    def is_partial(self, field: Field, value: str) -> bool:
        """Whether the answer lacks something that another question asks for: a place without its state."""
        return any(part.completes == field.name and part.lacks(value) for part in self.fields)


def _is_asked(field: Field, collected: Mapping[str, str]) -> bool:
    if not field.completes:
        return True
    answer = collected.get(field.completes, UNKNOWN)
    return answer != UNKNOWN and field.lacks(answer)


_NO_BUDGET = "Prefiro não dizer"
_WHERE = r"cidade|municipio|local|endereco"
_WHEN = r"prazo|data|entrega do sistema|deadline"
_HOW_MUCH = r"orcamento|valor|verba|investimento|budget"
_IN_TIME = r"ate|prazo|precis\w+|quer\w+|entregar|entregue|para|pra|pro|urgen\w+|quanto antes|pressa"
_TO_SPEND = r"tenho|temos|uns|umas|ate|invest\w+|gast\w+|orcamento|verba|disponivel|posso|podemos|pag(?:ar|o|amos)|em torno|cerca"
_WHICH_CITY = "Me diz só a cidade e o estado, por exemplo: Ponta Grossa, PR."


def _place(question: str, *, critical: bool = False) -> tuple[Field, ...]:
    """The city, and the state or the city once more where the answer lacks one."""
    return (
        Field("city", "Cidade", question, answers.read_city, answers.find_city, answers.lone_town, critical=critical, profile="city", called=_WHERE,
              again=_WHICH_CITY),
        Field("state", "Estado", "E em qual estado fica?", answers.read_state, completes="city",
              lacks=answers.lacks_state, again="Qual é o estado? Pode ser só a sigla, como PR ou SC."),
        Field("town", "Município", "E em qual cidade?", answers.read_town, completes="city", lacks=answers.lacks_town,
              complete=answers.town_in, again="Qual é o nome da cidade?"),
    )  # fmt: skip


_BUSINESSES = (
    "Loja ou comércio", "Restaurante e delivery", "Clínica ou consultório", "Beleza e estética", "Serviços", "Escola ou cursos",
    "Imobiliária", "Oficina e autopeças", "Indústria",
)  # fmt: skip
_SEGMENTS = (
    "Lanches e refeições", "Mercado", "Farmácia", "Doces e padaria", "Roupas e calçados", "Flores e presentes", "Pet shop",
    "Bebidas e gás", "Peças e ferramentas",
)  # fmt: skip
_FLOWS = (
    Flow(
        Intent.CUSTOM_SOFTWARE,
        "Que bom que pensou na gente para o seu sistema! Vou fazer algumas perguntas rápidas para a equipe já chegar preparada.",
        "software",
        (
            Field("client_type", "Tipo de cliente", "É para uma empresa, para você como autônomo(a) ou pessoa física?",
                  answers.read_client_type, answers.find_client_type, answers.lone_client_type, choices=(COMPANY, SELF_EMPLOYED, PERSON), profile="is_business",
                  called=r"tipo de cliente"),
            Field("problem", "Problema a resolver", "Me conta: que problema ou tarefa esse sistema precisa resolver?",
                  answers.read_text, answers.find_problem, answers.lone_problem, critical=True, free=True, called=r"problema|objetivo",
                  again="O que você quer que o sistema resolva? Por exemplo: controlar o estoque, agendar horários, organizar os pedidos."),
            Field("features", "Funcionalidades", "E o que ele precisa fazer? Pode listar as principais funções, do seu jeito.",
                  answers.read_text, answers.find_features, critical=True, free=True, called=r"func(?:oes|ionalidades?)|recursos",
                  again="Quais funções ele precisa ter? Por exemplo: cadastro de clientes, relatórios, aviso pelo WhatsApp."),
            Field("users", "Quantidade de usuários", "Quantas pessoas vão usar o sistema, mais ou menos?",
                  answers.read_count, answers.find_people, answers.lone_people, critical=True,
                  called=r"(?:(?:numero|quantidade|total|qtd) de )?(?:usuarios?|pessoas|acessos)|quantidade",
                  again="Quantas pessoas, mais ou menos? Pode ser só um número, como 5 ou 10 a 20."),
            *_place("Em qual cidade e estado vocês estão?", critical=True),
            Field("deadline", "Prazo", "Para quando você precisa disso?", answers.read_deadline, answers.find_deadline,
                  critical=True, choices=("O quanto antes", "Em até 3 meses", "Sem pressa"), called=_WHEN, settle=answers.settled, told=_IN_TIME,
                  again="Para quando seria? Por exemplo: até março, em 3 meses, sem pressa.",
                  doubt="Essa data já passou ou não existe no calendário. 🤔"),
            Field("budget", "Orçamento", "Por último: você já tem um orçamento em mente? Se preferir não dizer, tudo bem.",
                  answers.read_money, answers.find_money, answers.lone_budget, choices=(_NO_BUDGET,), called=_HOW_MUCH, told=_TO_SPEND,
                  again="Qual seria o valor, mais ou menos? Por exemplo: até 5 mil. Se preferir não dizer, tudo bem."),
        ),
    ),
    Flow(
        Intent.SAAS_COMMUNICATION,
        "Ótima escolha: com o Pyloto, o seu atendimento responde a qualquer hora. Vou fazer algumas perguntas rápidas.",
        "saas",
        (
            Field("business_type", "Tipo de negócio", "Qual é o ramo do seu negócio? Escolha na lista ou escreva.", answers.read_thing,
                  answers.find_business, answers.lone_business, critical=True, free=True, choices=_BUSINESSES, called=r"ramo|tipo de negocio|segmento"),
            Field("channels", "Canais", "Por quais canais seus clientes falam com vocês hoje? Escolha na lista ou escreva.",
                  answers.read_channels, answers.find_channels, critical=True, called=r"canais|canal",
                  choices=answers.CHANNEL_CHOICES),
            Field("volume", "Volume de conversas", "Quantas conversas vocês atendem por dia ou por mês, mais ou menos?",
                  answers.read_per_month, answers.find_per_month, critical=True,
                  called=r"(?:(?:numero|quantidade|volume|total|qtd) de )?(?:conversas|mensagens|atendimentos)|volume",
                  again="Quantas, mais ou menos? Por exemplo: 30 por dia, 500 por mês."),
            Field("pain", "Principal dificuldade", "O que mais atrapalha o atendimento de vocês hoje?", answers.read_text,
                  lone=answers.lone_pain, critical=True, free=True, called=r"dificuldade|problema", lament=r"nao (?:consig\w+|damos|da|dou) (?:conta|respond\w+|atend\w+)(?! (?:iss?o|ess[ae]|est[ae]|agora|a pergunta|voce|vc))",
                  again="O que mais atrapalha hoje? Por exemplo: demora para responder, mensagens perdidas, falta de gente."),
            Field("goal", "Objetivo", "E o que você gostaria de alcançar com o Pyloto?", answers.read_text,
                  lone=answers.lone_goal, critical=True, free=True, called=r"objetivo|meta", again="O que você espera do Pyloto? Por exemplo: responder mais rápido, atender à noite, vender mais."),
            Field("budget", "Orçamento mensal", "Por último: já tem um orçamento mensal em mente? Se preferir não dizer, tudo bem.",
                  answers.read_money, answers.find_money, answers.lone_monthly_budget, choices=(_NO_BUDGET,), called=_HOW_MUCH, told=_TO_SPEND,
                  again="Qual seria o valor por mês, mais ou menos? Por exemplo: até 300 reais. Se preferir não dizer, tudo bem."),
        ),
    ),
    Flow(
        Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP,
        "Que legal que você quer entregar com a gente! São poucas perguntas.",
        "drivers",
        (
            Field("name", "Nome", "Qual é o seu nome completo?", answers.read_name, lone=answers.lone_name, profile="name", called=r"(?:meu )?nome",
                  again="Como você se chama? Pode ser só o nome e o sobrenome."),
            *_place("Em qual cidade você quer fazer entregas?"),
            Field("vehicle", "Veículo", "Com qual veículo você vai trabalhar?", answers.read_vehicle, answers.find_vehicle, answers.lone_vehicle,
                  choices=("Moto", "Bicicleta", "Carro", "Van ou utilitário", "Ainda não tenho"), called=r"veiculo"),
            Field("availability", "Disponibilidade", "Em quais dias e horários você pode trabalhar? Escolha na lista ou escreva.",
                  answers.read_availability, answers.find_availability, answers.lone_availability, free=True, called=r"disponibilidade|horarios?|dias",
                  choices=("O dia todo", "Só à noite", "Fins de semana", "De manhã", "À tarde", "Qualquer horário"),
                  again="Quando você pode trabalhar? Por exemplo: de segunda a sexta, à noite."),
        ),
    ),
    Flow(
        Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP,
        "Que bom! Vamos ver como a gente pode cuidar das suas entregas. São poucas perguntas.",
        "merchants",
        (
            Field("company", "Empresa", "Qual é o nome da sua empresa?", answers.read_company, answers.find_company, answers.lone_company,
                  profile="business_name", called=r"nome(?: da (?:empresa|loja))?|empresa", again="Como a empresa se chama? Pode ser o nome da fachada."),
            *_place("Em qual cidade ela fica?"),
            Field("segment", "Segmento", "O que vocês vendem? Escolha na lista ou escreva.", answers.read_thing, answers.find_business,
                  answers.lone_segment, free=True, choices=_SEGMENTS, called=r"segmento|ramo"),
            Field("deliveries", "Entregas por mês", "Quantas entregas vocês fazem por mês, mais ou menos?",
                  answers.read_per_month, answers.find_per_month,
                  called=r"(?:(?:numero|quantidade|volume|total|qtd) de )?entregas|volume|quantidade",
                  again="Quantas, mais ou menos? Por exemplo: 200 por mês, 10 por dia."),
        ),
    ),
)  # fmt: skip
FLOWS: dict[str, Flow] = {flow.intent.value: flow for flow in _FLOWS}


def find_flow(intent: str | None) -> Flow | None:
    return FLOWS.get(intent) if intent else None


def is_complete(intent: str, collected: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a session has collected a lead for the intent that a person can go on with."""
    flow = find_flow(intent)
    return flow is not None and intent in collected and flow.is_complete(collected[intent])
