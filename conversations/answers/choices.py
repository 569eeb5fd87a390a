"""An answer out of a few: by its words, its number, its place, with a slip of the hand; or several of known kinds. Pure."""

import re
from collections.abc import Container, Mapping, Sequence

from ai.text import one_slip

from .words import plain, squeezed

_ORDINALS = ("primeir", "segund", "terceir", "quart", "quint", "sext", "setim", "oitav", "non", "decim")
_NUMBERS = ("um", "dois", "tres", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez")
_WORDS_MAX = 4
_SLIP_MIN = 4  # letters that a word needs before a slip in it is mended


def chosen(text: str, choices: Sequence[str]) -> str | None:
    """The choice that the text names: "empresa", "emprsa", "1", "opção 2", "a segunda", "a última"."""
    folded = squeezed(text)
    for title in choices:
        if squeezed(title) == folded:
            return title
    number = _number(folded, len(choices))
    if number is not None:
        return choices[number]
    near = [title for title in choices if _near(folded, squeezed(title))]
    return near[0] if len(near) == 1 else None


def _number(folded: str, count: int) -> int | None:
    """The place that is named, from 0; None where none is, or there is no such place."""
    if len(folded.split()) > _WORDS_MAX or not count:
        return None
    if re.fullmatch(r"(?:a |o )?ultim[ao](?: opcao)?", folded):
        return count - 1
    match = re.fullmatch(
        r"(?:(?:a|o|opcao|numero|n|alternativa|item|letra|quero a|e a|fico com a) ?)*(\d{1,2})[ºª°.)]?", folded
    )
    number = int(match[1]) if match else 0
    if match := re.fullmatch(r"(?:(?:a|o|opcao|quero a|e a) )?([a-z]+?)[ao](?: opcao)?", folded):
        number = _ORDINALS.index(match[1]) + 1 if match[1] in _ORDINALS else number
    if match := re.fullmatch(r"(?:opcao|numero|a opcao) ([a-z]+)", folded):
        number = _NUMBERS.index(match[1]) + 1 if match[1] in _NUMBERS else number
    return number - 1 if 1 <= number <= count else None


def _near(typed: str, title: str) -> bool:
    return len(typed) >= _SLIP_MIN and plain(typed)[0] == title[0] and one_slip(typed, title)


def mentioned(text: str, kinds: Mapping[str, str]) -> list[str]:
    """The kinds, each with its pattern over plain text, that a text speaks of, without those it says there is none of."""
    folded = re.sub(r"\b(?:nao (?:tenho|temos|uso|usamos)|sem)\s(?:\w+\s)?\w+", " ", plain(text))
    return [kind for kind, pattern in kinds.items() if re.search(rf"\b(?:{pattern})\b", folded)]


def listed(kinds: Sequence[str], *, names: Container[str] = ()) -> str | None:
    """ "WhatsApp, Instagram e telefone": what is no proper name is small after the first."""
    if not kinds:
        return None
    first, *others = kinds
    others = [kind if kind in names else kind[0].lower() + kind[1:] for kind in others]
    return " e ".join(filter(None, [", ".join([first, *others[:-1]]), *others[-1:]]))
