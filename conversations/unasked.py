"""What messages tell before anything was asked. Pure."""

import re
from collections.abc import Mapping
from datetime import date

from ai import rules

from . import answers
from .answers import UNKNOWN
from .collecting import AHEAD_WORDS_MAX, absorb, read_answer
from .corrections import correction
from .flows import Flow
from .intents import WISHES

LINES_MAX = 20  # more are no messages, but a text of many lines
CLAUSES_MAX = 20  # of one line; a longer story is none that facts are looked for in

# Of somebody else, or of what was: no fact of the customer's.
_STORY = re.compile(
    r"\b(?:el[ea]s?|del[ea]s?|irmaos?|irmas?|prim[oa]s?|cunhad[oa]s?|vizinh[oa]s?|concorrentes?|(?:meus?|minhas?|um|uma) (?:amig|conhecid|colega)\w*"
    r"|igual|(?<!a gente )usa|mora|fez|ficou|pagou|custou|saiu|trabalhei|trabalhava|morei|morava|fazia|faziamos|gastei|gastamos|paguei)\b"
)
_WITH_THEM = re.compile(r"\beu e (?:[ao] )?(?:meus?|minhas?) \w+")  # "eu e minha irmã temos uma padaria"
_CLAUSE = re.compile(r"[,.;!]\s|\se\s|\s(?=igual\s)")
_FIRST_PERSON = re.compile(
    r"\b(?:eu|nos|a gente|sou|somos|moro|moramos|estou|estamos|fico|ficamos|tenho|temos|quero|queremos|queria|preciso|precisamos"
    r"|minha|meu|nossa|nosso|faco|fazemos)\b"
)

_DENIED = re.compile(r"nao (?:somos|sou|moro|fica|ficamos)\b[^,;]*$")  # says what is not, and corrects nothing
_TOLD = re.compile(  # a bare "é" is none: without its accent it may ask ("e em Castro, tem?")
    r"(?:(?:oi|ola|e|mas|entao) ){0,2}(?:(?:(?:eu|nos|a gente|aqui) )?(?:sou|somos|moro|moramos|fico|ficamos|estamos|trabalho"
    r"|trabalhamos|tenho|temos|faco|fazemos)|(?:a gente|aqui|(?:minha|meu|nossa|nosso) \w+) (?:e|fica)|e (?:pra|para) (?:a |o )?(?:minha|meu|nossa|nosso))"
    r" (?!(?:que|vendo|pensando|querendo)\b)"
)
_TAG = re.compile(  # makes no question of what stands before it: "somos 10, ok?"
    r"(?:ta(?: bom| bem)?|ok|okay|ne|certo|serve|pode(?: ser)?|viu|blz|beleza|da certo|tudo bem|atendem?(?: (?:aqui|ai|la))?"
    r"|(?:e|eh) (?:pouc[oa]s?|muit[oa]s?|suficiente|longe))"
)


def volunteered(flow: Flow, text: str, collected: Mapping[str, str], *, today: date) -> dict[str, str]:
    """The answers that a text holds before anything was asked.

    Where it has several lines, each is a message by itself: a short one that can be nothing else is an answer, one may
    correct another, a question and a story of somebody else are none, and what answered is no part of a description.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not 1 < len(lines) <= LINES_MAX:
        return absorb(flow, text, collected, None, today=today)
    taken: dict[str, str] = {}
    rest = []
    for line in filter(None, (_own(_told(line)) for line in lines)):
        if _DENIED.match(answers.plain(line)):
            continue
        known = {**collected, **taken}
        if changed := correction(flow, line, known, next(reversed(taken), None), today=today):
            taken |= changed
            continue
        if alone := _lone(flow, line, known, today):
            free = next((field.name for field in flow.fields if field.free and field.name in alone), None)
            taken |= (absorb(flow, line, known, free, today=today) if free else {}) | alone
            continue
        found = absorb(flow, line, known, None, today=today)
        settled = {name: value for name, value in found.items() if not _is_free(flow, name)}
        taken |= settled
        if found.keys() != settled.keys() or not settled or len(line.split()) > AHEAD_WORDS_MAX:
            rest.append(line)
    described = absorb(flow, "\n".join(rest), {**collected, **taken}, None, today=today)
    return taken | {name: value for name, value in described.items() if _is_free(flow, name)}


def _told(line: str) -> str:
    """What a line tells of the customer: all of it, or what stands in front of a question: "somos de castro, vcs atendem?"."""
    if "?" not in line:
        return line
    *told, asked = re.split(r"[,.;!]\s", line)
    plainly = all(_TOLD.match(answers.squeezed(part)) or rules.is_small_talk(part) for part in told)
    is_question = rules.asks(asked) or _TAG.fullmatch(answers.squeezed(asked).strip(" ?"))
    return ", ".join(told) if plainly and is_question else ""


def _own(line: str) -> str:
    """What a line tells without the clauses of a story, which goes on until the customer speaks of themselves again."""
    if not _is_story(line):
        return line
    kept, strange = [], False
    clauses = [clause for clause in _CLAUSE.split(line) if clause.strip()]
    if len(clauses) > CLAUSES_MAX:
        return ""
    for clause in clauses:
        wished = _is_wish(clause)
        strange = not wished and (_is_story(clause) or (strange and not _FIRST_PERSON.search(answers.plain(clause))))
        if not strange:
            kept.append(clause)
    return ", ".join(kept)


def _is_story(text: str) -> bool:
    return bool(_STORY.search(_WITH_THEM.sub(" ", answers.plain(text))))


def _is_wish(text: str) -> bool:
    return any(found.intent in WISHES for found in rules.classify(text).intents)


def _is_free(flow: Flow, name: str) -> bool:
    field = flow.field(name)
    return field is not None and field.free


def _lone(flow: Flow, line: str, known: Mapping[str, str], today: date) -> dict[str, str]:
    """The one answer that a message is, where it can be nothing else."""
    said = answers.squeezed(line)
    read: dict[str, str] = {}
    for field in flow.fields:
        if known.get(field.name, UNKNOWN) != UNKNOWN:
            continue
        titles = [title for title in field.choices if answers.squeezed(title) == said and not answers.is_refusal(title)]
        value = read_answer(field, titles[0], today) if titles else field.lone(line) if field.lone else None
        if value:
            read[field.name] = value
    return read if len(read) == 1 else {}
