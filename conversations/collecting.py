"""What a text answers: the question that was asked, and others of its flow. Pure."""

import re
from collections.abc import Mapping
from datetime import date

from . import answers
from .answers import UNKNOWN
from .flows import Field, Flow

AHEAD_WORDS_MAX = 6  # an answer to a question that was not asked yet is short
LIST_MAX = 12  # answers of one list that are read


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
                len(rest.split()) >= answers.SENTENCE_WORDS_MIN or bool(field and answers.chosen(rest, field.choices))
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
        and not flow.is_partial(asked, value)
    ):
        return named(asked, value, collected)
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
    taken |= named(asked, value, collected) if value else {}
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
    if len(text.split()) > answers.SENTENCE_WORDS_MIN:
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
        if not field or not value or value == UNKNOWN or "?" in part or flow.is_partial(field, value):
            continue  # "10 pessoas, pode?": no town is called so
        if len(part.split()) <= AHEAD_WORDS_MAX:
            taken |= named(field, value, {**collected, **taken})
    return taken


def told_back(flow: Flow, taken: Mapping[str, str], text: str, asked: str | None) -> dict[str, str]:
    """The answers, by their labels, that the customer should see: those that were found unasked or read as other words.

    So nobody is misunderstood in silence: "uma dúzia" is 12, "castro" is Castro/PR, and "até março" was a deadline.
    """
    said, shown = answers.plain(text), {}
    for field in flow.fields:
        value = taken.get(field.name, UNKNOWN)
        whole = not flow.is_partial(field, value)
        plainly = field.name == asked and whole and answers.plain(value) in said
        if field.name in ("name", "company"):  # cut out of a sentence: where it ends is a guess
            plainly = plainly and len(said.split()) <= len(value.split()) + 4
        if not field.free and value != UNKNOWN and not plainly:
            shown[field.label] = value
    return shown


def named(field: Field, value: str, collected: Mapping[str, str]) -> dict[str, str]:
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
