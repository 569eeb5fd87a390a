"""On which days and at which times a driver can work. Pure."""

import re

from .names import read_text
from .places import find_city
from .vehicles import mentions_vehicle
from .words import LONE_MAX, SENTENCE_WORDS_MIN, TEXT_MAX, Found, cleaned, plain, squeezed

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


def read_availability(text: str) -> str | None:
    folded = squeezed(text)
    for title, pattern in _AVAILABLE:
        if re.fullmatch(pattern, folded):
            return title
    if re.search(_TIMES, folded):
        return cleaned(text)[:TEXT_MAX]
    if len(folded.split()) < SENTENCE_WORDS_MIN or mentions_vehicle(text) or find_city(text):
        return None  # "tenho moto e carro" tells something else
    return read_text(text)


# "disponível à noite", "posso trabalhar nos fins de semana": with a word that says what the time is for.
_SAID_AVAILABLE = re.compile(
    r"\b(?:disponivel|disponibilidade|livre|posso (?:trabalhar|entregar|fazer entregas?)|so posso|consigo trabalhar)\s{1,3}"
    rf"(?P<when>{'|'.join(pattern for _, pattern in _AVAILABLE[:5])})(?P<but>\s{{0,3}},?\s{{0,3}}\b(?:menos|exceto|tirando|so nao|mas nao)\b[^.;!?\n]{{1,60}})?(?=\s*(?:$|[.,;!\n]))"
)
_NOT = re.compile(r"\b(?:nao|n|nunca|nem)\s(?:\w{1,12}\s){0,2}$")


def find_availability(text: str) -> Found | None:
    folded = plain(text[:TEXT_MAX])
    match = _SAID_AVAILABLE.search(folded)
    if not match or _NOT.search(folded[max(0, match.start() - 30) : match.start()]):
        return None  # "não posso trabalhar nos fins de semana"
    value = cleaned(text[match.start("when") : match.end()]) if match["but"] else read_availability(match["when"])
    return Found(value, *match.span()) if value else None


_DAY = r"(?:segunda|terca|quarta|quinta|sexta|sabado|domingo|seg|ter|qua|qui|sex|sab|dom)s?(?:-feira)?"
_WHEN = (
    rf"(?:{'|'.join(pattern for _, pattern in _AVAILABLE[:5])}|(?:em )?qualquer (?:horario|hora|dia)|todos os dias"
    rf"|(?:de )?{_DAY} (?:a|ate|e) {_DAY}(?: (?:de |a |pela )?(?:manha|tarde|noite))?)"
)
_LONE = re.compile(
    rf"(?:(?:posso|consigo|trabalho|disponivel|disponibilidade|livre|so) ){{0,3}}{_WHEN}(?:(?:,| e|, e) {_WHEN}){{0,3}}"
)


def lone_availability(text: str) -> str | None:
    return read_availability(text) if _LONE.fullmatch(squeezed(text[:LONE_MAX])) else None
