"""The flows that collect a lead, as data: what is asked, in which words, how an answer is read. Pure.

Source of the fields, their order and which are critical: product.md §2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from profiles.models import UserProfile

from . import answers
from .answers import UNKNOWN, Finder, Reader
from .intents import Intent


@dataclass(frozen=True)
class Field:
    """One thing to find out. `find` sees it in any message; `read` takes a message as the answer to the question.

    `free`: any sentence is an answer. `choices`: titles of buttons, at most three. `profile`: the field of the profile
    that holds the same fact.
    """

    name: str
    label: str
    question: str
    read: Reader
    find: Finder | None = None
    critical: bool = False
    free: bool = False
    choices: tuple[str, ...] = ()
    profile: str = ""


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
        return next((field for field in self.fields if field.name not in collected), None)

    def missing_critical(self, collected: Mapping[str, str]) -> tuple[Field, ...]:
        return tuple(field for field in self.critical if collected.get(field.name, UNKNOWN) == UNKNOWN)

    def is_complete(self, collected: Mapping[str, str]) -> bool:
        """Whether a person can go on with it: every critical answer is there; without critical ones, every answer."""
        if self.critical:
            return not self.missing_critical(collected)
        return self.next_field(collected) is None


def absorb(
    flow: Flow, text: str, collected: Mapping[str, str], asked: str | None, *, answering: bool = True
) -> dict[str, str]:
    """The answers that a text holds: the one asked for and any other that can be recognised.

    Lines are messages of one turn: where short answers are asked for, each line may answer the question after.
    `answering=False`: the text is about something else (a question, another wish); only what stands out is taken.
    """
    field = flow.field(asked) if answering else None
    if field is None or field.free:
        return _absorb_one(flow, text, collected, field)
    taken: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        taken |= _absorb_one(flow, line, {**collected, **taken}, field)
        following = flow.next_field({**collected, **taken})
        field = following if following and not following.free else None
    return taken


def _absorb_one(flow: Flow, text: str, collected: Mapping[str, str], asked: Field | None) -> dict[str, str]:
    taken: dict[str, str] = {}
    rest = text
    for field in flow.fields:
        if field.find and field.name not in collected and (found := field.find(text if field.free else rest)):
            taken[field.name] = found.value
            if not field.free:
                rest = f"{rest[: found.start]} {rest[found.end :]}"
    if asked is None or asked.name in collected or asked.name in taken:
        return taken
    value = read_answer(asked, text if asked.free else rest)
    return taken | ({asked.name: value} if value else {})


def read_answer(field: Field, text: str) -> str | None:
    for title in field.choices:
        if answers.plain(title) == answers.plain(text).strip(" ."):
            return UNKNOWN if answers.is_refusal(title) else title
    if answers.is_refusal(text) and not (field.free and len(text.split()) > 6):
        return UNKNOWN
    return field.read(text)


def correction(flow: Flow, text: str, collected: Mapping[str, str], last: str | None) -> dict[str, str]:
    """What "na verdade são 15" changes: the answers recognised in it, else the one given last."""
    match = re.search(
        r"\b(na verdade|corrigindo|correcao|quer dizer|quis dizer|errei|digo|melhor,)\b[,:]?", answers.plain(text)
    )
    if not match:
        return {}
    changed = absorb(flow, text[match.end() :], {}, None)
    field = flow.field(last)
    if not changed and field and not field.free and (value := field.read(text[match.end() :])):
        changed = {field.name: value}
    return {name: value for name, value in changed.items() if collected.get(name) not in (None, value)}


def from_profile(flow: Flow, profile: Mapping[str, Any]) -> dict[str, str]:
    """The answers that the profile holds already."""
    known: dict[str, str] = {}
    for field in flow.fields:
        value = profile.get(field.profile) if field.profile else None
        if field.profile == "is_business":
            value = None if value is None else COMPANY if value else PERSON
        if value:
            known[field.name] = str(value)
    return known


def to_profile(flow: Flow, collected: Mapping[str, str]) -> dict[str, Any]:
    """What the answers say about the customer, as fields of the profile."""
    learnt: dict[str, Any] = {}
    for field in flow.fields:
        value = collected.get(field.name)
        if not field.profile or value in (None, UNKNOWN):
            continue
        learnt[field.profile] = value != PERSON if field.profile == "is_business" else value
    if flow.intent == Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP:
        learnt["is_business"] = True
    return learnt


def profile_facts(profile: UserProfile | None, learnt: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that questions can be saved by: the profile's, and those of this turn on top."""
    names = ("name", "city", "is_business", "business_name", "role")
    return {name: getattr(profile, name) for name in names if profile is not None} | dict(learnt)


COMPANY, SELF_EMPLOYED, PERSON = "Empresa", "Autônomo(a)", "Pessoa física"
_BUSINESS = (
    r"\b((minha|nossa|uma|tenho|da|na) (empresa|loja|clinica|industria|padaria|oficina|academia|pizzaria|escola|farmacia"
    r"|imobiliaria)|(meu|nosso|um|tenho) (negocio|restaurante|comercio|escritorio|mercado|salao)|cnpj|pessoa juridica|pj"
    r"|startup)\b"
)
_find_client_type = answers.one_of(
    (PERSON, r"\b(pessoa fisica|(pra|para) mim mesm[oa]|uso pessoal|projeto pessoal)\b"),
    (SELF_EMPLOYED, r"\b(autonom[oa]|mei|freelancer|freela|profissional liberal|por conta propria)\b"),
    (COMPANY, _BUSINESS),
)


def _read_client_type(text: str) -> str | None:
    if found := _find_client_type(text):
        return found.value
    folded = answers.plain(text)
    if re.search(
        r"\b(empresa|loja|firma|negocio|comercio|industria|ong|associacao|prefeitura|igreja|cooperativa)\b", folded
    ):
        return COMPANY
    return PERSON if re.search(r"\b(pessoal|mim|fisica|cpf|eu)\b", folded) else None


def _find_problem(text: str) -> answers.Found | None:
    """A first message that says what the system is for: "preciso de um app para controlar as entregas"."""
    folded = answers.plain(text)
    match = re.search(
        r"\b(sistem\w+|app\w*|aplicativo\w*|site|software|plataforma|programa\w*|loja virtual|painel)\b( \w+)?\s+"
        r"(para|pra|que|de|pro)\s+(?!(minha|meu|a minha|o meu) \w+[.!?]?$)\w+\s+\w+|\b(meu|nosso|o) problema e\b",
        folded,
    )
    return answers.Found(" ".join(text.split())[: answers.TEXT_MAX], match.start(), match.end()) if match else None


def _find_features(text: str) -> answers.Found | None:
    match = re.search(
        r"\b(precisa(ria)? ter|tem que ter|deve(ria)? ter|funcionalidades?|funcoes)\b:?\s+(?P<what>.{8,})",
        answers.plain(text),
        re.S,
    )
    if not match:
        return None
    what = " ".join(text[match.start("what") : match.end("what")].split())
    return answers.Found(what[: answers.TEXT_MAX], match.start(), match.end())


find_role = answers.one_of(
    ("Sócio(a)", r"\bsou (o |a |um dos |uma das )?soci[oa]s?\b"),
    (
        "Dono(a)",
        r"\bsou (o |a )?(don[oa]|proprietari[oa]|fundadora?|empresari[oa])\b|\btenho (uma|um) (empresa|loja|negocio|comercio)\b",
    ),
    ("Direção", r"\bsou (o |a )?(diretora?|ceo|presidente)\b"),
    ("Gerência", r"\bsou (o |a )?(gerente|gestora?|coordenadora?|supervisora?)\b"),
)
_CITY = Field(
    "city",
    "Cidade",
    "Em qual cidade e estado vocês estão?",
    answers.read_city,
    answers.find_city,
    critical=True,
    profile="city",
)
_NO_BUDGET = "Prefiro não dizer"
_find_vehicle = answers.one_of(
    ("Moto", r"\b(moto|motoca|motocicleta|motoneta|scooter|biz|cg)\b"),
    ("Bicicleta", r"\b(bike|bicicleta|bici)\b"),
    ("Carro", r"\b(carro|automovel|fiorino|kombi|van|utilitario|caminhonete)\b"),
)
_find_channels = answers.one_of(
    (
        "WhatsApp e Instagram",
        r"\b(whats\w*|zap|wpp)\b.{0,40}\b(insta\w*|direct)\b|\b(insta\w*|direct)\b.{0,40}\b(whats\w*|zap|wpp)\b",
    ),
)


def _reader(find: Finder) -> Reader:
    def read(text: str) -> str | None:
        found = find(text)
        return found.value if found else None

    return read


_FLOWS = (
    Flow(
        Intent.CUSTOM_SOFTWARE,
        "Que bom que pensou na gente para o seu sistema! Vou fazer algumas perguntas rápidas para a equipe já chegar preparada.",
        "software",
        (
            Field("client_type", "Tipo de cliente", "É para uma empresa, para você como autônomo(a) ou pessoa física?",
                  _read_client_type, _find_client_type, choices=(COMPANY, SELF_EMPLOYED, PERSON), profile="is_business"),
            Field("problem", "Problema a resolver", "Me conta: que problema ou tarefa esse sistema precisa resolver?",
                  answers.read_text, _find_problem, critical=True, free=True),
            Field("features", "Funcionalidades", "E o que ele precisa fazer? Pode listar as principais funções, do seu jeito.",
                  answers.read_text, _find_features, critical=True, free=True),
            Field("users", "Quantidade de usuários", "Quantas pessoas vão usar o sistema, mais ou menos?",
                  answers.read_count, answers.find_people, critical=True),
            _CITY,
            Field("deadline", "Prazo", "Para quando você precisa disso?", answers.read_deadline, answers.find_deadline,
                  critical=True, choices=("O quanto antes", "Em até 3 meses", "Sem pressa")),
            Field("budget", "Orçamento", "Por último: você já tem um orçamento em mente? Se preferir não dizer, tudo bem.",
                  answers.read_money, answers.find_money, choices=(_NO_BUDGET,)),
        ),
    ),
    Flow(
        Intent.SAAS_COMMUNICATION,
        "Ótima escolha: com o Pyloto, o seu atendimento responde a qualquer hora. Vou fazer algumas perguntas rápidas.",
        "saas",
        (
            Field("business_type", "Tipo de negócio", "Qual é o ramo do seu negócio?", answers.read_text, critical=True, free=True),
            Field("channels", "Canais", "Por quais canais seus clientes falam com vocês hoje?", answers.read_text, _find_channels,
                  critical=True, free=True, choices=("WhatsApp", "WhatsApp e Instagram", "Vários canais")),
            Field("volume", "Volume de conversas", "Quantas conversas vocês atendem por dia ou por mês, mais ou menos?",
                  answers.read_per_month, answers.find_per_month, critical=True),
            Field("pain", "Principal dificuldade", "O que mais atrapalha o atendimento de vocês hoje?", answers.read_text,
                  critical=True, free=True),
            Field("goal", "Objetivo", "E o que você gostaria de alcançar com o Pyloto?", answers.read_text, critical=True, free=True),
            Field("budget", "Orçamento mensal", "Por último: já tem um orçamento mensal em mente? Se preferir não dizer, tudo bem.",
                  answers.read_money, answers.find_money, choices=(_NO_BUDGET,)),
        ),
    ),
    Flow(
        Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP,
        "Que legal que você quer entregar com a gente! São poucas perguntas.",
        "drivers",
        (
            Field("name", "Nome", "Qual é o seu nome completo?", answers.read_name, profile="name"),
            Field("city", "Cidade", "Em qual cidade você quer fazer entregas?", answers.read_city, answers.find_city, profile="city"),
            Field("vehicle", "Veículo", "Com qual veículo você vai trabalhar?", _reader(_find_vehicle), _find_vehicle,
                  choices=("Moto", "Bicicleta", "Carro")),
            Field("availability", "Disponibilidade", "Em quais dias e horários você pode trabalhar?", answers.read_text, free=True,
                  choices=("O dia todo", "Só à noite", "Fins de semana")),
        ),
    ),
    Flow(
        Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP,
        "Que bom! Vamos ver como a gente pode cuidar das suas entregas. São poucas perguntas.",
        "merchants",
        (
            Field("company", "Empresa", "Qual é o nome da sua empresa?", answers.read_name, profile="business_name"),
            Field("city", "Cidade", "Em qual cidade ela fica?", answers.read_city, answers.find_city, profile="city"),
            Field("segment", "Segmento", "O que vocês vendem?", answers.read_text, free=True),
            Field("deliveries", "Entregas por mês", "Quantas entregas vocês fazem por mês, mais ou menos?",
                  answers.read_per_month, answers.find_per_month),
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
