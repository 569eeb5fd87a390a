"""The flows that collect a lead, as data: what is asked, in which words, how an answer is read. Pure.

Source of the fields, their order and which are critical: product.md §2.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from profiles.models import UserProfile

from . import answers
from .answers import UNKNOWN, Finder, Reader
from .intents import Intent

AHEAD_WORDS_MAX = 6  # an answer to a question that was not asked yet is short
TOLD_WORDS_MIN = 4  # or, where any sentence is an answer, a sentence
CORRECTION_MAX = 1000  # characters of one
LIST_MAX = 12  # answers of one list that are read
LONG_WORDS_MIN = 12  # so long a message says more than a correction


@dataclass(frozen=True)
class Field:
    """One thing to find out. `find` sees it in any message; `read` takes a message as the answer to the question.

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


def _is_asked(field: Field, collected: Mapping[str, str]) -> bool:
    if not field.completes:
        return True
    answer = collected.get(field.completes, UNKNOWN)
    return answer != UNKNOWN and field.lacks(answer)


def _is_partial(flow: Flow, field: Field, value: str) -> bool:
    """Whether the answer lacks something that another question asks for: a place without its state."""
    return any(part.completes == field.name and part.lacks(value) for part in flow.fields)


# --- answers ----------------------------------------------------------------------------------------------------------
def absorb(
    flow: Flow, text: str, collected: Mapping[str, str], asked: str | None, *, today: date, answering: bool = True
) -> dict[str, str]:
    """The answers that a text holds: the one asked for and any other that can be recognised.

    Lines are messages of one turn: each may answer the question after. So may what stands between commas, where short
    answers are asked for. `today` is the day it was said, where the customer is.
    `answering=False`: the text is about something else (a question, another wish); only what stands out is taken.
    """
    field = flow.field(asked) if answering else None
    if field is None or field.free:
        return _absorb_one(flow, text, collected, field, today)
    taken: dict[str, str] = {}
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        known = {**collected, **taken}
        if field is None or field.free:
            rest = "\n".join(lines[number:])
            told = "?" not in rest and (
                len(rest.split()) >= TOLD_WORDS_MIN or bool(field and answers.chosen(rest, field.choices))
            )
            return taken | _absorb_one(flow, rest, known, field if told else None, today)
        ahead = number and taken and len(line.split()) > AHEAD_WORDS_MAX
        taken |= _absorb_one(flow, line, known, None if ahead else field, today)
        taken |= _absorb_list(flow, line, {**collected, **taken}, field, today)
        field = flow.next_field({**collected, **taken})
    return taken


def _absorb_one(
    flow: Flow, text: str, collected: Mapping[str, str], asked: Field | None, today: date
) -> dict[str, str]:
    open_question = asked is not None and asked.name not in collected
    if (
        asked
        and open_question
        and not asked.free
        and len(text.split()) <= 2
        and not asked.completes
        and (value := read_answer(asked, text, today))
        and not _is_partial(flow, asked, value)
    ):
        return _named(asked, value, collected)
    if asked and asked.free and (other := _said_anew(flow, text, asked)):
        return other
    taken: dict[str, str] = {}
    rest = text
    for field in flow.fields:
        if collected.get(field.name, UNKNOWN) != UNKNOWN or not field.find or field == asked:
            continue
        said = text if field.free else rest
        found = field.find(said)
        if found and asked and field.told and not _is_told(field, said, found):
            continue  # "um relatório no fim do mês" is no deadline, "custa R$ 300 por mês" no budget
        if found and (value := _settled(field, found.value, today)):
            taken[field.name] = value
            if not field.free:
                rest = f"{rest[: found.start]} ; {rest[found.end :]}"  # two sides, not one phrase
    if asked is None or not open_question or asked.name in taken:
        return taken
    if asked.free and rest != text and len(re.findall(r"\w+", rest)) <= 1:
        return taken  # all of it was something else: "até março", "R$ 500"
    value = read_answer(asked, text if asked.free else rest, today)
    if asked.completes and not taken and (place := answers.other_town(text, collected.get(asked.completes, ""))):
        return {asked.completes: place}  # another town instead of the state of the first
    taken |= _named(asked, value, collected) if value else {}
    return taken or _changed_anew(flow, text, collected, today)


def _said_anew(flow: Flow, text: str, asked: Field) -> dict[str, str]:
    """A choice of another question, said where any sentence would be an answer: "é pra empresa", "pessoa física"."""
    if len(text.split()) > AHEAD_WORDS_MAX:
        return {}
    said = re.sub(
        r"^(?:e|eh|sou|somos|pra|para|minha|uma?|nao|sim|ah|,|\s)+\b\s*|[\s,]+(?:sim|mesmo)[\s.!]*$",
        "",
        answers.squeezed(text),
    )
    for field in flow.fields:
        title = next((choice for choice in field.choices if answers.squeezed(choice).removesuffix("(a)") == said), None)
        if title and field != asked and not field.settle and not asked.choices and not answers.is_refusal(title):
            return {field.name: title}
    return {}


def _changed_anew(flow: Flow, text: str, collected: Mapping[str, str], today: date) -> dict[str, str]:
    """What is no answer to the question, but plainly another one to an earlier question: a city, a number of people."""
    if len(text.split()) > TOLD_WORDS_MIN:
        return {}
    for field in flow.fields:
        found = field.find(text) if field.find and field.name in collected and not field.free else None
        value = _settled(field, found.value, today) if found else None
        if value and value != collected[field.name]:
            return {field.name: value}
    return {}


def _is_told(field: Field, text: str, found: answers.Found) -> bool:
    """Whether a day or a sum in a sentence about something else is said to be the customer's own deadline or budget."""
    said = answers.plain(text[max(0, found.start - 24) : found.end])
    before, after = re.split(r"[,;.\n]", text[: found.start])[-1], re.split(r"[,;.\n]", text[found.end :])[0]
    if len(before.split()) + len(after.split()) <= 1:
        return True  # it stands alone between commas
    return bool(re.search(rf"\b(?:{field.told})\b", said))


def _absorb_list(flow: Flow, line: str, collected: Mapping[str, str], asked: Field, today: date) -> dict[str, str]:
    """The answers after the first of a list: "10, ponta grossa, março"."""
    first, *others = re.split(r"[,;]|\s-\s", line)
    if not others or read_answer(asked, first, today) != collected.get(asked.name):
        return {}
    taken: dict[str, str] = {}
    for part in others[:LIST_MAX]:
        field = flow.next_field({**collected, **taken})
        value = read_answer(field, part, today) if field and (not field.free or field.choices) else None
        if field and field.free and value not in field.choices:
            continue  # any words may answer it: only those of its list do here
        if not field or not value or value == UNKNOWN or "?" in part or _is_partial(flow, field, value):
            continue  # "10 pessoas, pode?": no town is called so
        if len(part.split()) <= AHEAD_WORDS_MAX:
            taken |= _named(field, value, {**collected, **taken})
    return taken


def told_back(flow: Flow, taken: Mapping[str, str], text: str, asked: str | None) -> dict[str, str]:
    """The answers, by their labels, that the customer should see: those that were found unasked or read as other words.

    So nobody is misunderstood in silence: "uma dúzia" is 12, "castro" is Castro/PR, and "até março" was a deadline.
    """
    said, shown = answers.plain(text), {}
    for field in flow.fields:
        value = taken.get(field.name, UNKNOWN)
        whole = not _is_partial(flow, field, value)
        plainly = field.name == asked and whole and answers.plain(value) in said
        if field.name in ("name", "company"):  # cut out of a sentence: where it ends is a guess
            plainly = plainly and len(said.split()) <= len(value.split()) + 4
        if not field.free and value != UNKNOWN and not plainly:
            shown[field.label] = value
    return shown


def _named(field: Field, value: str, collected: Mapping[str, str]) -> dict[str, str]:
    """The answer under its name; one that completes another is kept as a part of that one."""
    if field.completes and value != UNKNOWN:
        return {field.completes: field.complete(collected.get(field.completes, ""), value)}
    return {field.name: value}


def read_answer(field: Field, text: str, today: date) -> str | None:
    """The text as the answer to the field's question: `unknown` where it is refused, None where it is no answer."""
    if title := answers.chosen(text, field.choices):
        return _settled(field, field.read(title) or title, today)
    refused = answers.is_refusal(text)
    if _laments(field, text):
        return answers.cleaned(text)[: answers.TEXT_MAX]
    if not field.free and (value := field.read(text)):
        return _settled(field, value, today)
    if refused and not (field.free and not answers.is_only_refusal(text)):
        return UNKNOWN
    return field.read(text) if field.free else None


def _laments(field: Field, text: str) -> bool:
    return bool(field.lament and re.search(rf"\b(?:{field.lament})\b", answers.plain(text)))


def _settled(field: Field, value: str, today: date) -> str | None:
    return field.settle(value, today) if field.settle else value


def doubt(field: Field, text: str, today: date) -> str:
    """What is said of an answer that was understood and can't be meant: a day that is past; else empty."""
    value = field.read(text) if field.settle and text else None
    return field.doubt if value and _settled(field, value, today) is None else ""


# --- corrections ------------------------------------------------------------------------------------------------------
_CORRECTS = re.compile(
    r"\b(?:na verdade|na vdd|na real|alias|corrig\w+|correcao|quer dizer|quis dizer|errei|erro meu|digo|digitei errado|escrevi errado|falei errado"
    r"|me enganei|me confundi|enganei|ops|ou melhor|pensando melhor|retificando|desculp\w+|perdao|foi mal)\b[\s,.:;!]*|^\s*\*\s*|\*\s*$"
)
_CHANGES = r"(?:mud\w+|troc\w+|alter\w+|corrig\w+|corrij\w+|atualiz\w+|coloc\w+|bot[ae]\w*|ajust\w+|poe|pode (?:mudar|trocar|colocar|por)|arrum\w+)"
_DENIES = re.compile(r"\s*nao\s*(?:[,.!;]\s*|(?=(?:e|eh|sao|somos|era|eram)\b))(?:(?:e|eh|sao|somos|sou|era|eram)\s+)?")
_POLITE = re.compile(r"ops|desculp|perdao|foi mal")  # beside an answer as often as before a correction
_THE_OLD_NOT = re.compile(r"\s{0,5}(?P<old>[^\s,.;!?][^,.;!?]{0,40}?)\s{1,3}nao\s{0,3}[,.;!]\s{0,3}(?=\S)")
_NOT_THE_OLD = re.compile(
    r"(?<![\s,.;])[\s,.;]+(?:e\s+)?nao\s+(?:(?:e|sao|em|de|os|as|o|a)\s+){0,2}[\w./]{1,20}(?:\s[\w./]{1,20})?[\s.!]*$"
)


def correction(
    flow: Flow, text: str, collected: Mapping[str, str], last: str | None, *, today: date, asked: str | None = None
) -> dict[str, str]:
    """What "na verdade são 15", "não, 20" and "muda o prazo pra junho" change; and what else is told with it.

    The answer that is named is changed, else the ones recognised in the text, else the one given last.
    """
    if len(text) > CORRECTION_MAX:
        return {}
    folded = answers.plain(text)
    if named := _renamed(flow, text, folded, collected, asked, today):
        return named
    marker, denial = _CORRECTS.search(folded), _DENIES.match(folded)
    said = folded if not (denial or marker) else ""
    last_field = flow.field(last)
    if marker:
        said = f"{text[: marker.start()]} {text[marker.end() :]}"
    elif denial:
        said = text[denial.end() :]
    elif cut := _NOT_THE_OLD.search(folded):  # "são 15, não 10"
        said = text[: cut.start()]
        if (
            not last_field
            or last_field.free
            or _read_last(last_field, text[cut.start() :], today) != collected.get(last or "")
        ):
            return {}
    elif (old := _THE_OLD_NOT.match(folded)) and last_field and not last_field.free:  # "março não, abril"
        if not _means(_read_last(last_field, text[: old.end("old")], today), collected.get(last or "", "")):
            return {}
        said = text[old.end() :]
    else:
        return {}
    if not said.strip():
        return {}
    if marker and (answer := _answered_now(flow, text, marker, asked, collected, today)):
        return answer
    changed = _changed(absorb(flow, said, {}, None, today=today), collected) if marker else {}
    if not changed and len(said.split()) <= LONG_WORDS_MIN:
        changed = _changed_last(flow, said, collected, last_field, flow.field(asked), today, any_other=bool(marker))
    if not changed:
        return {}
    told = absorb(flow, said, {**collected, **changed}, None, today=today)
    field = flow.field(asked)
    if field and field.free and field.name not in collected and len(said.split()) > LONG_WORDS_MIN:
        told |= absorb(flow, said, collected, asked, today=today)
    return {**told, **changed}


def _answered_now(
    flow: Flow, text: str, marker: re.Match[str], asked: str | None, collected: Mapping[str, str], today: date
) -> dict[str, str]:
    """The answer to the open question, where the correction is within it ("5 mil, quer dizer, 8 mil") or mere courtesy."""
    field = flow.field(asked)
    if field is None or field.free or field.name in collected:
        return {}
    before = text[: marker.start()]
    answered = bool(before.strip()) and read_answer(field, before, today) not in (None, UNKNOWN)
    if not answered and not _POLITE.match(marker[0].strip()):
        return {}
    value = _read_last(field, text[marker.end() :], today)
    return _named(field, value, collected) if value and not _is_partial(flow, field, value) else {}


def _changed_last(
    flow: Flow,
    said: str,
    collected: Mapping[str, str],
    last: Field | None,
    asked: Field | None,
    today: date,
    *,
    any_other: bool,
) -> dict[str, str]:
    """The answer given last, changed; or where it can't be that one, an earlier one, the latest first.

    What answers the open question changes no earlier answer: "na verdade 8 mil" after the question for the budget.
    """
    earlier = (
        [f for name in reversed(list(collected)) if (f := flow.field(name)) and f.find and f != last]
        if any_other
        else []
    )
    for field in (last, *earlier):
        if field is None or field.free or field.name not in collected:
            continue
        if (
            field != last
            and asked
            and not asked.free
            and asked.name not in collected
            and _read_last(asked, said, today)
        ):
            return {}
        value = _read_last(field, said, today, other_than=collected[field.name])
        whole = value and not _is_partial(flow, field, value)
        if value and (whole or field == last):
            return {field.name: value}
        if _read_last(field, said, today):
            return {}  # the same once more
    return {}


def _means(value: str | None, kept: str) -> bool:
    """Whether both are the same answer, or the same day in other words: "março" and "até março (03/2027)"."""
    return value is not None and (
        value == kept or (value.endswith(")") and value.rpartition("(")[2] == kept.rpartition("(")[2])
    )


def _changed(taken: Mapping[str, str], collected: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in taken.items() if collected.get(name) not in (None, value)}


def _read_last(field: Field, text: str, today: date, *, other_than: str | None = None) -> str | None:
    """The value that a text gives the field; of several ("não são 10, são 15") the last that is new."""
    parts = [part for part in re.split(r"[,;]|\bsao\b|\bsão\b|\bmas\b", text) if part.strip()]
    for part in (*reversed(parts), text):
        value = read_answer(field, re.sub(r"^\s*(?:é|e|eh|não|nao)\s+", "", part, flags=re.IGNORECASE), today)
        if value and value not in (UNKNOWN, other_than):
            return value
    return None


def _renamed(
    flow: Flow, text: str, folded: str, collected: Mapping[str, str], asked: str | None, today: date
) -> dict[str, str]:
    """The answers that a text changes by their name: "muda o prazo pra junho", "a cidade é Castro"."""
    changed: dict[str, str] = {}
    for field in flow.fields:
        if not field.called or field.name not in collected:
            continue
        match = re.search(rf"\b(?:{field.called})\b", folded)
        if not match:
            continue
        before, after = folded[max(0, match.start() - 60) : match.start()], folded[match.end() :]
        asks = re.search(rf"\b{_CHANGES}\b[^.!?]{{0,40}}$", before) or _CORRECTS.search(before)
        link = re.match(
            r"(?:\s{1,3}(?:que )?(?:ta|esta|estava|ficou|foi|veio|saiu)\s{1,3}errad[oa]\b)?\s*(?:[:=]|,)?\s*(?:(?:na verdade|agora|certo|certa|correto|correta|mesmo|nao e \w+,?)\s+){0,2}"
            r"(?:(?:e|eh|sao|seria|fica|para|pra|pro|por|virou|mudou|vai ser|passou a ser|de)\b\s*){0,3}(?:pra|para)?\s*",
            after,
        )
        linked = bool(link and link[0].strip())
        if not asks and (field.free or not linked or asked == field.name or len(text.split()) > LONG_WORDS_MIN):
            continue
        rest = text[match.end() + (link.end() if link else 0) :]
        value = _value_in(field, rest, today) or (_value_in(field, text[match.end() :], today) if linked else None)
        if value and value != collected[field.name]:
            changed[field.name] = value
    return changed


def _value_in(field: Field, text: str, today: date) -> str | None:
    value = read_answer(field, text, today) if text.strip() else None
    return None if value == UNKNOWN else value


# --- the profile ------------------------------------------------------------------------------------------------------
def from_profile(flow: Flow, profile: Mapping[str, Any]) -> dict[str, str]:
    """The answers that the profile holds already."""
    known: dict[str, str] = {}
    for field in flow.fields:
        value = profile.get(field.profile) if field.profile else None
        if field.profile == "is_business":
            value = None if value is None else COMPANY if value else PERSON
        if field.profile == "name" and not answers.is_name(str(value or "")):
            continue  # what WhatsApp shows may be an emoji
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
        if field.profile == "city" and "/" not in str(value):
            continue  # no town that is known: good for this talk, and not for all that follow
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
    r"\b((minha|nossa|uma|tenho|da|na|pra|para) (a )?(empresa|loja|clinica|industria|padaria|oficina|academia|pizzaria|escola|farmacia"
    r"|imobiliaria)|(meu|nosso|um|tenho) (negocio|restaurante|comercio|escritorio|mercado|salao)|(?<!vcs tem )(?<!vc tem )(?<!voces tem )(?<! o )cnpj\b(?!\s?\?)|pessoa juridica|pj"
    r"|startup)\b"
)
_find_client_type = answers.one_of(
    (
        PERSON,
        r"\bnao e (?:para |pra )?(?:uma )?empresa\b|\b(pessoa fisica|(pra|para) mim mesm[oa]|uso pessoal|projeto pessoal)\b",
    ),
    (SELF_EMPLOYED, r"\b(autonom[oa]|mei|freelancer|freela|profissional liberal|por conta propria)\b"),
    (COMPANY, _BUSINESS),
)


def _read_client_type(text: str) -> str | None:
    if found := _find_client_type(text):
        return found.value
    folded = answers.plain(text)
    if re.search(
        r"\b(empresa|juridica|loja|firma|negocio|comercio|industria|ong|associacao|prefeitura|igreja|cooperativa)\b",
        folded,
    ):
        return COMPANY
    if re.fullmatch(r"(?:(?:e|eh|so|pra|para|sou) )*eu(?: mesm[oa])?", answers.squeezed(text)):
        return PERSON
    return PERSON if re.search(r"\b((?<!o )(?<!meu )(?<!nosso )pessoal|mim|fisica|cpf|pf|proprio)\b", folded) else None


def _find_problem(text: str) -> answers.Found | None:
    """A first message that says what the system is for: "preciso de um app para controlar as entregas"."""
    folded = answers.plain(text)
    match = re.search(
        r"\b(sistem\w+|app\w*|aplicativo\w*|site|software|plataforma|programa\w*|loja virtual|painel)\b( \w+)?\s+"
        r"(?:(?:para|pra|pro|que)\s+(?:\w+\s+){0,3}?(?:\w{2,}[aei]r|\w{2,}[aei]sse|por|faca|controle|organize|cuide|gerencie|ajude|mostre|avise)\b"
        r"|de\s+(?:controle|gestao|vendas?|estoque|agend\w+|delivery|pedidos?|cadastro\w*|cobranca\w*|financas|treinos?|entregas?|reservas?)\b)"
        r"|\b(meu|nosso|o) problema e\b",
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
        Field("city", "Cidade", question, answers.read_city, answers.find_city, critical=critical, profile="city", called=_WHERE,
              again=_WHICH_CITY),
        Field("state", "Estado", "E em qual estado fica?", answers.read_state, completes="city",
              lacks=answers.lacks_state, again="Qual é o estado? Pode ser só a sigla, como PR ou SC."),
        Field("town", "Município", "E em qual cidade?", answers.read_town, completes="city", lacks=answers.lacks_town,
              complete=answers.town_in, again="Qual é o nome da cidade?"),
    )  # fmt: skip


_VEHICLES = {
    "Moto": r"moto\w*|motto|mto|scooter|biz|cg|uma honda|yamaha|ybr|factor|suzuki|shineray|titan|fan|bros|pop ?100|fazer|twister|cb ?\d{3}|nmax|pcx",
    "Bicicleta": r"bike\w*|bicicleta\w*|bici|bicleta|magrela",
    "Carro": r"carro\w*|automovel|fusca|uno|gol|palio|celta|onix|hb20|corsa|fiesta|ka|sandero|kwid|mobi|civic|corolla|voyage|prisma|sedan",
    "Van ou utilitário": r"fiorino|kombi|van|utilitari\w+|caminhonete|camionete|caminhao|saveiro|strada|montana|furgao|doblo|kangoo",
}
_NO_VEHICLE = r"(?:(?:ainda|por enquanto|estou|to) )?(?:nao (?:tenho|possuo)|nenhum\w*|sem)(?: (?:veiculo|nada|moto|carro|nenhum\w*|um|ainda|por enquanto|no momento))*(?: ainda)?"
_CHANNELS = {
    "WhatsApp": r"whats\w*|wats\w*|wathsapp|zap\w*|wpp|wapp",
    "Instagram": r"insta\w*|direct|ig",
    "Facebook": r"face\w*|messenger|fb",
    "Telefone": r"telefon\w+|ligac\w+|ligam|fone|fixo|celular",
    "E-mail": r"e-?mails?",
    "Site": r"site|chat do site|formulario",
    "Telegram": r"telegram",
    "TikTok": r"tik ?tok",
    "iFood": r"ifood|i-food",
    "Presencial": r"presencial\w*|pessoalmente|balcao|(?:na|vem na|aqui na) loja|ao vivo|cara a cara",
}
_CHANNEL_CHOICES = (
    "WhatsApp", "WhatsApp e Instagram", "Vários canais", "Instagram", "Facebook", "Telefone", "E-mail", "Site", "Presencial",
)  # fmt: skip
_EVERY_CHANNEL = r"\b(?:todos|tudo|varios|diversos|de tudo)\b"
_COMMON = (
    "Telefone",
    "E-mail",
    "Site",
    "Presencial",
    "Carro",
    "Bicicleta",
    "Moto",
    "Van ou utilitário",
)  # no proper names


def _mentioned(text: str, kinds: Mapping[str, str]) -> list[str]:
    """The kinds that a text speaks of, without those it says there is none of."""
    folded = re.sub(r"\b(?:nao (?:tenho|temos|uso|usamos)|sem)\s(?:\w+\s)?\w+", " ", answers.plain(text))
    return [kind for kind, pattern in kinds.items() if re.search(rf"\b(?:{pattern})\b", folded)]


def _listed(kinds: list[str]) -> str | None:
    """ "WhatsApp, Instagram e telefone"."""
    if not kinds:
        return None
    first, *others = kinds
    others = [kind[0].lower() + kind[1:] if kind in _COMMON else kind for kind in others]
    return " e ".join(filter(None, [", ".join([first, *others[:-1]]), *others[-1:]]))


def _read_vehicle(text: str) -> str | None:
    if vehicles := _listed(_mentioned(text, _VEHICLES)):
        return vehicles
    return "Ainda não tenho" if re.fullmatch(_NO_VEHICLE, answers.squeezed(text)) else None


def _find_vehicle(text: str) -> answers.Found | None:
    """ "tenho uma moto", "de bike": with a word that says whose it is, and not "quero comprar uma moto"."""
    folded = answers.plain(text)
    match = re.search(rf"\b(?:tenho|de|com|minha|meu|uma?|possuo)\s(?:{'|'.join(_VEHICLES.values())})\b", folded)
    if not match or not (vehicles := _listed(_mentioned(text, _VEHICLES))):
        return None
    return answers.Found(vehicles, match.start(), match.end())


def _read_channels(text: str) -> str | None:
    if re.fullmatch(r"\d(?:\s?(?:,|e|\+)\s?\d){1,4}", answers.squeezed(text)):  # several of the list
        text = ", ".join(_CHANNEL_CHOICES[int(n) - 1] for n in re.findall(r"[1-9]", text))
    if channels := _listed(_mentioned(text, _CHANNELS)):
        return channels
    if re.search(_EVERY_CHANNEL, answers.plain(text)):
        return "Vários canais"
    if re.match(r"nenhum|na[od]", answers.squeezed(text)) or _find_business(text) or answers.is_amount(text):
        return None
    return answers.read_text(text)


def _find_channels(text: str) -> answers.Found | None:
    """ "atendemos por whats e insta": two of them at least; one alone is mostly what the wish is about."""
    channels = _mentioned(text, _CHANNELS)
    talk = re.search(r"\b(?:whats\w*|zap|wpp|insta\w*|direct)\b", answers.plain(text))
    return answers.Found(str(_listed(channels)), *talk.span()) if talk and len(channels) > 1 else None


_AVAILABLE = (
    ("O dia todo", r"(?:o )?dia (?:todo|inteiro)|integral(?:mente)?|tempo integral|periodo integral"),
    ("Só à noite", r"(?:so |somente |apenas )?(?:a |de |pela )?noite|noturno|noites"),
    ("Fins de semana", r"(?:(?:so|somente|apenas) )?(?:nos |no |aos )?(?:fds|fi(?:ns|m) de semana|fina(?:is|l) de semana)"),
    ("De manhã", r"(?:so |somente )?(?:de |pela |as )?manhas?|matutino"),
    ("À tarde", r"(?:so |somente )?(?:a |de |pela )?tardes?|vespertino"),
    ("Qualquer horário", r"(?:em )?qualquer (?:horario|hora|dia|momento)|tod[oa]s? (?:os |o )?dias?|24 ?h(?:oras)?|sempre|livre|total|disponibilidade total|tanto faz"),
)  # fmt: skip
_TIMES = (
    r"\b(?:manha|tarde|noite|madrugada|segunda|terca|quarta|quinta|sexta|sab(?:ado)?s?|dom(?:ingo)?s?|seg|ter|qua|qui|sex|semana"
    r"|fds|feriados?|dias?|hor\w+|hrs?|almoco|jantar|turno|integral|sempre|depois|folga\w*|escala|livre|combinar)\b|\d{1,2}\s?h\b|\bas \d"
)


def _read_availability(text: str) -> str | None:
    folded = answers.squeezed(text)
    for title, pattern in _AVAILABLE:
        if re.fullmatch(pattern, folded):
            return title
    if re.search(_TIMES, folded):
        return answers.cleaned(text)[: answers.TEXT_MAX]
    if len(folded.split()) < TOLD_WORDS_MIN or _mentioned(text, _VEHICLES) or answers.find_city(text):
        return None  # "tenho moto e carro" tells something else
    return answers.read_text(text)


# "disponível à noite", "posso trabalhar nos fins de semana": with a word that says what the time is for.
_SAID_AVAILABLE = re.compile(
    r"\b(?:disponivel|disponibilidade|livre|posso (?:trabalhar|entregar|fazer entregas?)|so posso|consigo trabalhar)\s{1,3}"
    rf"(?P<when>{'|'.join(pattern for _, pattern in _AVAILABLE[:5])})(?=\s*(?:$|[.,;!\n]))"
)


def _find_availability(text: str) -> answers.Found | None:
    match = _SAID_AVAILABLE.search(answers.plain(text[: answers.TEXT_MAX]))
    value = _read_availability(match["when"]) if match else None
    return answers.Found(value, *match.span()) if match and value else None


_BUSINESSES = (
    "Loja ou comércio", "Restaurante e delivery", "Clínica ou consultório", "Beleza e estética", "Serviços", "Escola ou cursos",
    "Imobiliária", "Oficina e autopeças", "Indústria",
)  # fmt: skip
_SEGMENTS = (
    "Lanches e refeições", "Mercado", "Farmácia", "Doces e padaria", "Roupas e calçados", "Flores e presentes", "Pet shop",
    "Bebidas e gás", "Peças e ferramentas",
)  # fmt: skip


# What a business is called that says what it does; "minha loja" and "minha empresa" do not.
_find_business = answers.found(
    r"\b(?:minha|meu|nossa|nosso|uma|um|da|do|na|no|pra|para|pro|tenho|temos|abri)\s(?:a\s|o\s)?(?P<what>loja de \w{3,20}|pizzaria|padaria"
    r"|confeitaria|doceria|lanchonete|hamburgueria|restaurante(?: \w{4,12}(?=$|[.,!?\n]))?|farmacia|floricultura|mercearia|supermercado|pet ?shop"
    r"|clinica(?: (?:odontologica|veterinaria|medica|estetica|de \w{4,20}))?|consultorio(?: \w{5,15})?|escola de \w{3,20}|academia|imobiliaria"
    r"|oficina(?: mecanica)?|salao(?: de beleza)?|barbearia|otica|papelaria|sorveteria|distribuidora(?: de \w{3,20})?|autopecas|escritorio de \w{5,20})\b"
)
_FLOWS = (
    Flow(
        Intent.CUSTOM_SOFTWARE,
        "Que bom que pensou na gente para o seu sistema! Vou fazer algumas perguntas rápidas para a equipe já chegar preparada.",
        "software",
        (
            Field("client_type", "Tipo de cliente", "É para uma empresa, para você como autônomo(a) ou pessoa física?",
                  _read_client_type, _find_client_type, choices=(COMPANY, SELF_EMPLOYED, PERSON), profile="is_business",
                  called=r"tipo de cliente"),
            Field("problem", "Problema a resolver", "Me conta: que problema ou tarefa esse sistema precisa resolver?",
                  answers.read_text, _find_problem, critical=True, free=True, called=r"problema|objetivo",
                  again="O que você quer que o sistema resolva? Por exemplo: controlar o estoque, agendar horários, organizar os pedidos."),
            Field("features", "Funcionalidades", "E o que ele precisa fazer? Pode listar as principais funções, do seu jeito.",
                  answers.read_text, _find_features, critical=True, free=True, called=r"func(?:oes|ionalidades?)|recursos",
                  again="Quais funções ele precisa ter? Por exemplo: cadastro de clientes, relatórios, aviso pelo WhatsApp."),
            Field("users", "Quantidade de usuários", "Quantas pessoas vão usar o sistema, mais ou menos?",
                  answers.read_count, answers.find_people, critical=True,
                  called=r"(?:(?:numero|quantidade|total|qtd) de )?(?:usuarios?|pessoas|acessos)|quantidade",
                  again="Quantas pessoas, mais ou menos? Pode ser só um número, como 5 ou 10 a 20."),
            *_place("Em qual cidade e estado vocês estão?", critical=True),
            Field("deadline", "Prazo", "Para quando você precisa disso?", answers.read_deadline, answers.find_deadline,
                  critical=True, choices=("O quanto antes", "Em até 3 meses", "Sem pressa"), called=_WHEN, settle=answers.settled, told=_IN_TIME,
                  again="Para quando seria? Por exemplo: até março, em 3 meses, sem pressa.",
                  doubt="Essa data já passou ou não existe no calendário. 🤔"),
            Field("budget", "Orçamento", "Por último: você já tem um orçamento em mente? Se preferir não dizer, tudo bem.",
                  answers.read_money, answers.find_money, choices=(_NO_BUDGET,), called=_HOW_MUCH, told=_TO_SPEND,
                  again="Qual seria o valor, mais ou menos? Por exemplo: até 5 mil. Se preferir não dizer, tudo bem."),
        ),
    ),
    Flow(
        Intent.SAAS_COMMUNICATION,
        "Ótima escolha: com o Pyloto, o seu atendimento responde a qualquer hora. Vou fazer algumas perguntas rápidas.",
        "saas",
        (
            Field("business_type", "Tipo de negócio", "Qual é o ramo do seu negócio? Escolha na lista ou escreva.", answers.read_thing,
                  _find_business, critical=True, free=True, choices=_BUSINESSES, called=r"ramo|tipo de negocio|segmento"),
            Field("channels", "Canais", "Por quais canais seus clientes falam com vocês hoje? Escolha na lista ou escreva.",
                  _read_channels, _find_channels, critical=True, called=r"canais|canal",
                  choices=_CHANNEL_CHOICES),
            Field("volume", "Volume de conversas", "Quantas conversas vocês atendem por dia ou por mês, mais ou menos?",
                  answers.read_per_month, answers.find_per_month, critical=True,
                  called=r"(?:(?:numero|quantidade|volume|total|qtd) de )?(?:conversas|mensagens|atendimentos)|volume",
                  again="Quantas, mais ou menos? Por exemplo: 30 por dia, 500 por mês."),
            Field("pain", "Principal dificuldade", "O que mais atrapalha o atendimento de vocês hoje?", answers.read_text,
                  critical=True, free=True, called=r"dificuldade|problema", lament=r"nao (?:consig\w+|damos|da|dou) (?:conta|respond\w+|atend\w+)(?! (?:iss?o|ess[ae]|est[ae]|agora|a pergunta|voce|vc))",
                  again="O que mais atrapalha hoje? Por exemplo: demora para responder, mensagens perdidas, falta de gente."),
            Field("goal", "Objetivo", "E o que você gostaria de alcançar com o Pyloto?", answers.read_text, critical=True, free=True,
                  called=r"objetivo|meta", again="O que você espera do Pyloto? Por exemplo: responder mais rápido, atender à noite, vender mais."),
            Field("budget", "Orçamento mensal", "Por último: já tem um orçamento mensal em mente? Se preferir não dizer, tudo bem.",
                  answers.read_money, answers.find_money, choices=(_NO_BUDGET,), called=_HOW_MUCH, told=_TO_SPEND,
                  again="Qual seria o valor por mês, mais ou menos? Por exemplo: até 300 reais. Se preferir não dizer, tudo bem."),
        ),
    ),
    Flow(
        Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP,
        "Que legal que você quer entregar com a gente! São poucas perguntas.",
        "drivers",
        (
            Field("name", "Nome", "Qual é o seu nome completo?", answers.read_name, profile="name", called=r"(?:meu )?nome",
                  again="Como você se chama? Pode ser só o nome e o sobrenome."),
            *_place("Em qual cidade você quer fazer entregas?"),
            Field("vehicle", "Veículo", "Com qual veículo você vai trabalhar?", _read_vehicle, _find_vehicle,
                  choices=("Moto", "Bicicleta", "Carro", "Van ou utilitário", "Ainda não tenho"), called=r"veiculo"),
            Field("availability", "Disponibilidade", "Em quais dias e horários você pode trabalhar? Escolha na lista ou escreva.",
                  _read_availability, _find_availability, free=True, called=r"disponibilidade|horarios?|dias",
                  choices=("O dia todo", "Só à noite", "Fins de semana", "De manhã", "À tarde", "Qualquer horário"),
                  again="Quando você pode trabalhar? Por exemplo: de segunda a sexta, à noite."),
        ),
    ),
    Flow(
        Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP,
        "Que bom! Vamos ver como a gente pode cuidar das suas entregas. São poucas perguntas.",
        "merchants",
        (
            Field("company", "Empresa", "Qual é o nome da sua empresa?", answers.read_company, answers.find_company, profile="business_name",
                  called=r"nome(?: da (?:empresa|loja))?|empresa", again="Como a empresa se chama? Pode ser o nome da fachada."),
            *_place("Em qual cidade ela fica?"),
            Field("segment", "Segmento", "O que vocês vendem? Escolha na lista ou escreva.", answers.read_thing, _find_business, free=True,
                  choices=_SEGMENTS, called=r"segmento|ramo"),
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
