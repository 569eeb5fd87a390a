"""Who the customer is: a company or a person, in which business, and in which role. Pure."""

import re

from .words import LONE_MAX, cleaned, found, one_of, plain, squeezed

COMPANY, SELF_EMPLOYED, PERSON = "Empresa", "Autônomo(a)", "Pessoa física"
_BUSINESS = (
    r"\b((minha|nossa|uma|tenho|da|na|pra|para) (a )?(empresa|loja|clinica|industria|padaria|oficina|academia|pizzaria|escola|farmacia"
    r"|imobiliaria)|(meu|nosso|um|tenho) (negocio|restaurante|comercio|escritorio|mercado|salao)|(?<!vcs tem )(?<!vc tem )(?<!voces tem )(?<! o )cnpj\b(?!\s?\?)|pessoa juridica|pj"
    r"|startup)\b"
)
find_client_type = one_of(
    (
        PERSON,
        r"\bnao e (?:para |pra )?(?:uma )?empresa\b|\b(pessoa fisica|(pra|para) mim mesm[oa]|uso pessoal|projeto pessoal)\b",
    ),
    (SELF_EMPLOYED, r"\b(autonom[oa]|mei|freelancer|freela|profissional liberal|por conta propria)\b"),
    (COMPANY, _BUSINESS),
)


def read_client_type(text: str) -> str | None:
    if kind := find_client_type(text):
        return kind.value
    folded = plain(text)
    if re.search(
        r"\b(empresa|juridica|loja|firma|negocio|comercio|industria|ong|associacao|prefeitura|igreja|cooperativa)\b",
        folded,
    ):
        return COMPANY
    if re.fullmatch(r"(?:(?:e|eh|so|pra|para|sou) )*eu(?: mesm[oa])?", squeezed(text)):
        return PERSON
    return PERSON if re.search(r"\b((?<!o )(?<!meu )(?<!nosso )pessoal|mim|fisica|cpf|pf|proprio)\b", folded) else None


find_role = one_of(
    ("Sócio(a)", r"\bsou (o |a |um dos |uma das )?soci[oa]s?\b"),
    (
        "Dono(a)",
        r"\bsou (o |a )?(don[oa]|proprietari[oa]|fundadora?|empresari[oa])\b|\btenho (uma|um) (empresa|loja|negocio|comercio)\b",
    ),
    ("Direção", r"\bsou (o |a )?(diretora?|ceo|presidente)\b"),
    ("Gerência", r"\bsou (o |a )?(gerente|gestora?|coordenadora?|supervisora?)\b"),
)


# What a business is called that says what it does; "minha loja" and "minha empresa" do not.
_BUSINESSES = (
    r"loja de \w{3,20}|pizzaria|padaria"
    r"|confeitaria|doceria|lanchonete|hamburgueria|restaurante(?: \w{4,12}(?=$|[.,!?\n]))?|farmacia|floricultura|mercearia|supermercado|pet ?shop"
    r"|clinica(?: (?:odontologica|veterinaria|medica|estetica|de \w{4,20}))?|consultorio(?: \w{5,15})?|escola de \w{3,20}|academia|imobiliaria"
    r"|oficina(?: mecanica)?|salao(?: de beleza)?|barbearia|otica|papelaria|sorveteria|distribuidora(?: de \w{3,20})?|autopecas|escritorio de \w{5,20}"
)
find_business = found(
    rf"\b(?:minha|meu|nossa|nosso|uma|um|da|do|na|no|pra|para|pro|tenho|temos|abri)\s(?:a\s|o\s)?(?P<what>{_BUSINESSES})\b"
)
_find_goods = found(
    r"^\s*(?:vendemos|vendo(?! (?:aqui|isso|se|que|como|o|as|opcoes)\b)|trabalhamos com|trabalho com)\s(?P<what>[a-z][a-z, ]{2,60})[\s.!]*$"
)


def lone_client_type(text: str) -> str | None:
    says = r"(?:(?:e|eh|sou|somos|pra|para|uma?|a|minha|nossa) ){0,4}(?:empresa|firma|pessoa juridica)(?: (?:mesmo|mesma|sim))?"
    return COMPANY if re.fullmatch(says, squeezed(text[:LONE_MAX])) else None


def lone_business(text: str) -> str | None:
    return cleaned(text).strip(" .!") if re.fullmatch(_BUSINESSES, squeezed(text[:LONE_MAX])) else None


def lone_segment(text: str) -> str | None:
    """ "pet shop", and "vendemos flores": what else could a shop say with it?"""
    goods = _find_goods(text[:LONE_MAX])
    return goods.value.strip() if goods else lone_business(text)
