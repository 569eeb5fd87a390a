"""When: "até março", "daqui a duas semanas", "pro fim do ano", "pra ontem", "sem pressa". Pure.

What is read are the customer's words; `settled` adds the day, month or year that they mean on the day they are said.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from .numbers import numbers
from .words import CONTACTS, FIND_MAX, READ_MAX, SHORT_MAX, Found, blank, cleaned, plain

NO_HURRY, AT_ONCE = "sem pressa", "o quanto antes"
YEARS_MAX = 10  # a deadline further away is a slip
WORDS_MAX = 12

_MONTHS = ("janeiro", "fevereiro", "marco", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro")  # fmt: skip
_MONTH = rf"(?:{'|'.join(_MONTHS)})"
_WEEKDAYS = ("segunda", "terca", "quarta", "quinta", "sexta", "sabado", "domingo")
_N = (
    r"(?:\d{1,4}|uma?|dois|duas|tres|quatro|cinco|seis|sete|oito|nove|dez|onze|doze|quinze|vinte|trinta|quarenta|cinquenta"
    r"|sessenta|noventa|cem|cento)"
)
_SOME = rf"{_N}(?:\s{{0,2}}(?:e|a|ou|ate|-)\s{{0,2}}{_N}){{0,2}}"
_NEXT_YEAR = r"(?:\s(?:d[eo]\s)?(?P<year>\d{4}|ano que vem|proximo ano|(?:ess|est)e ano))?"
_LEAD = re.compile(
    r"(?:\b(?:ate|para|pra|pro|em|no|na|la|por|volta|antes|depois|a|partir|daqui|dentro|uns|umas|maximo|de|da|do|das|dos|d|o|as|mes"
    r"|ainda|cerca|prazo|comeco|inicio|meados|metade|fim|final|primeira|segunda|ultima|semana|quinzena)\s{1,3}){1,6}$"
)
_STRONG_LEAD = re.compile(
    r"\b(?:ate|para|pra|pro|em|daqui|dentro|antes|depois|partir|prazo|no|na|comeco|inicio|meados|fim|final)\s"
)

_FEAST = (
    r"(?:natal|ano novo|reveillon|virada do ano|carnaval|pascoa|black friday|sao joao|festas(?: de fim de ano)?|ferias"
    r"|dia d(?:as (?:maes|criancas)|os (?:pais|namorados)))"
)

# Each kind of time, the more exact ones first: its pattern, and whether it is one without a word before it ("até").
_KINDS: dict[str, tuple[str, bool]] = {
    "date": (r"(?<![\d/.-])(?P<d>\d{1,2})[/.-](?P<m>\d{1,2})[/.-](?P<y>\d{4}|\d{2})(?![\d/])", True),
    "iso": (r"(?<!\d)(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?!\d)", True),
    "month_year": (r"(?<![\d/])(?P<m>\d{1,2})/(?P<y>\d{4})(?!\d)", True),
    "day_month": (r"(?<![\d/.,-])(?P<d>\d{1,2})/(?P<m>\d{1,2})(?![\d/])", True),
    "day_of": (rf"\b(?:dia\s)?(?P<d>\d{{1,2}}|primeiro)[ºo°]?\sde\s(?P<month>{_MONTH}){_NEXT_YEAR}\b", True),
    "day": (r"\bdia\s{1,2}(?P<d>\d{1,2})\b(?!\s(?:util|uteis))", True),
    "short_month": (
        r"\b(?P<short>jan|fev|mar|abr|mai|jun|jul|ago|set|out|nov|dez)(?:/(?P<y>\d{2,4}))?\b(?!\s\w)",
        False,
    ),
    "month": (rf"\b(?P<month>{_MONTH})(?:/(?P<y>\d{{2,4}}))?{_NEXT_YEAR}\b", False),
    "in_time": (
        rf"\b(?P<n>{_SOME}|meio)\s{{1,3}}(?P<unit>horas?|dias?\suteis|dias?|semanas?|quinzenas?|mes(?:es)?|anos?)\b(?:\se\s(?P<half>meio))?",
        False,
    ),
    "month_and_half": (r"\bmes\se\smeio\b", False),
    "edge": (
        r"\b(?P<edge>fim|final|comeco|inicio|meados|metade)\sd[eoa]\s(?:proximo\s)?(?P<unit>ano|mes|semana|semestre)(?P<next>\s(?:que|q)\svem)?\b",
        True,
    ),
    "half": (
        r"\b(?P<n>primeiro|segundo|terceiro|quarto|ultimo|[1-4][ºo°]?)\s(?P<unit>semestre|trimestre)\b" + _NEXT_YEAR,
        True,
    ),
    "next": (
        r"\b(?:(?P<unit>semana|mes|ano|semestre|trimestre)\s(?:que|q)\svem|proxim[oa]\s(?P<unit2>semana|mes|ano|semestre|trimestre))\b",
        True,
    ),
    "this": (r"\b(?:ess|est|nest|ness)[ea]\s(?P<unit>semana|mes|ano|semestre|trimestre)\b", False),
    "weekday": (
        rf"\b(?P<weekday>{'|'.join(_WEEKDAYS)})\b(?!-feira\sa\s)(?:-?\s?feira)?(?:\s(?:que|q)\svem)?(?!\s(?:a|ate|opcao|parte|vez|via)\b)",
        False,
    ),
    "feast": (
        rf"\b(?P<feast>{_FEAST})\b",
        False,
    ),
    "tomorrow": (r"\b(?P<after>depois\sde\s)?amanha\b|\b(?P<today>hoje|hj)\b", False),
    "year": (r"\b(?P<y>20\d{2})\b", False),
}
_PATTERNS = {name: (re.compile(pattern), strong) for name, (pattern, strong) in _KINDS.items()}
_NO_HURRY = re.compile(
    r"\b(?:(?:sem|nenhuma?) (?:muita )?(?:pressa|prazo|urgencia)|(?:nao|n) (?:tenho|tem|ha|temos|e|estou com|to com) (?:nada |muit[oa] |tant[oa] |um )?"
    r"(?:pressa|prazo|urgente|urgencia)|(?:nao|n) precisa ser (?:rapid\w+|urgente|agora|logo|ja)|(?:nao|n) (?:tem|tenho) data|tanto faz"
    r"|(?:quando|qdo|qnd) (?:der|puder\w*|(?:voces|vcs|voce|vc) pud\w+|(?:ficar|estiver) pront\w+|for possivel)"
    r"|tranquilo|qualquer (?:data|dia|momento|prazo)|com calma|de boa|sem data)\b"
)
_URGENT = re.compile(
    r"\b(?:(?:o )?mais (?:rapid\w+|breve|cedo) (?:possivel|que (?:der|puder)\w*|q der)|(?:o )?(?:quanto|qto|qnto|qnt) antes|(?<!nem )(?:tenho|temos|com) (?:muita |bastante |certa )?pressa|urgente\w*|urgentissim\w+|com (?:muita |certa |alguma |bastante )?urgencia|assim que (?:possivel|der)|(?:o )?\+ rapido possivel|quanto mais (?:rapido|cedo)(?: melhor)?|(?:pra|para|p) ontem|imediat\w+|asap|ja passou da hora)\b"
)
_AT_ONCE = re.compile(r"\b(?:ja|agora|logo|daqui a pouco|rapid\w+|depressa|correndo|agora mesmo|o antes possivel)\b")
_PAST = re.compile(
    rf"\b(?:ha|faz|fazem|tem|temos|tenho|com)\s(?:uns |umas |mais de |quase )?{_SOME}\s(?:dias?|semanas?|mes(?:es)?|anos?)\b"
    rf"|\b{_SOME}\s(?:dias?|semanas?|mes(?:es)?|anos?)\s(?:atras|passad\w+|de (?:empresa|mercado|experiencia|casa|idade|loja|estrada))\b"
    r"|\b(?:semana|mes|ano|semestre)\spassad[oa]\b|\bdesde\s[\w\s]{0,12}\d{4}\b|\bpor\s(?:dia|semana|mes|ano)\b"
    r"|\b(?:abri|comecei|inaugurei|fundei)\b[^.,;\n]{0,30}?\sem\s\w{1,12}|\b24\s?h(?:oras)?\b|\br\$\s?[\d.,]{1,15}|\bsegunda a (?:sexta|sabado|domingo)\b|\d{1,2}\s{0,2}x\b"
)
_BUT = re.compile(r"\bmas\b")
_SHOWN = re.compile(r"(.{1,150}?) \((?:(?:\d\d/)?\d\d/)?\d{4}\)")


class Impossible(ValueError):
    """A day that is past, too far away or in no calendar."""


@dataclass(frozen=True)
class _Candidate:
    kind: str
    match: re.Match[str]
    start: int
    strong: bool


# --- reading ----------------------------------------------------------------------------------------------------------
def find_deadline(text: str) -> Found | None:
    """A deadline that is recognised as one in any message: "quero para dezembro", "até 15/12", "sem pressa"."""
    text = text[:FIND_MAX]
    return _find(text, asked=False)


def read_deadline(text: str) -> str | None:
    """The deadline in an answer to the question for it, where "março", "3 meses", "já" are one too."""
    text = text[:READ_MAX]
    if _SHOWN.fullmatch(cleaned(text)):
        return cleaned(text)
    if found := _find(text, asked=True):
        return found.value
    return AT_ONCE if _AT_ONCE.search(plain(text)) and len(text.split()) <= WORDS_MAX // 2 else None


def _find(text: str, *, asked: bool) -> Found | None:
    folded = blank(_PAST, blank(CONTACTS, plain(text)))
    hurry = _URGENT.search(folded)
    if match := _NO_HURRY.search(folded):
        if hurry and not (match.start() <= hurry.start() < match.end()):  # both: a person reads what was meant
            start, end = min(match.start(), hurry.start()), max(match.end(), hurry.end())
            return Found(_words(text, start, end), start, end)
        but = _BUT.search(folded, match.end())
        if but and (wished := _dated(text, blank(_NO_HURRY, " " * but.end() + folded[but.end() :]), asked=asked)):
            return wished  # "não tenho prazo definido, mas queria pra março"
        return Found(NO_HURRY, match.start(), match.end())
    if hurry and "pressa" in hurry[0] and (day := _dated(text, folded, asked=asked)):
        return day  # "estou com pressa, até março"
    if match := hurry:
        return Found(_words(text, match.start(), match.end()), match.start(), match.end())
    return _dated(text, folded, asked=asked)


def _dated(text: str, folded: str, *, asked: bool) -> Found | None:
    candidates = [c for c in _candidates(folded) if c.strong or asked]
    best = min(candidates, key=lambda c: (not c.strong, c.kind == "year", c.start), default=None)
    if best is None or (not best.strong and len(text.split()) > WORDS_MAX):
        return None
    return Found(_words(text, best.start, best.match.end()), best.start, best.match.end())


def _candidates(folded: str) -> Iterator[_Candidate]:
    taken = folded
    for kind, (pattern, strong) in _PATTERNS.items():
        for match in pattern.finditer(taken):
            lead = _LEAD.search(folded, max(0, match.start() - 40), match.start())
            start = lead.start() if lead else match.start()
            led = bool(lead and _STRONG_LEAD.search(folded[start : match.start()]))
            yield _Candidate(kind, match, start, strong or led)
        taken = blank(pattern, taken)


def _words(text: str, start: int, end: int) -> str:
    words = cleaned(text[start:end])
    return re.sub(r"^(?:de|da|do|a|as|o|na|no|d|por) (?=(?:até|ate|uns|umas|antes|depois)\b)", "", words, flags=re.I)[
        :SHORT_MAX
    ]


# --- the day that is meant --------------------------------------------------------------------------------------------
def settled(words: str, today: date) -> str | None:
    """The words with the time that they mean, said today: "até março" → "até março (03/2027)".

    As they are where they name none ("sem pressa"); None where it is past or in no calendar: to be asked again.
    """
    if _SHOWN.fullmatch(words):
        return words
    try:
        due = _due(plain(words), today)
    except (Impossible, ValueError, OverflowError):
        return None
    if due is None:
        return words
    return words if due in words else f"{words} ({due})"


def _due(folded: str, today: date) -> str | None:
    if _NO_HURRY.search(folded) or _URGENT.search(folded):
        return None
    first = next(_candidates(folded), None)
    if first is None:
        if re.search(r"\bontem\b|\bpassad[oa]\b|\batras\b", folded):
            raise Impossible
        return None
    lead = folded[: first.match.start()]
    return _MEANING[first.kind](first.match, lead, today)


def _day(day: date, today: date) -> str:
    if not today <= day <= today.replace(year=today.year + YEARS_MAX, day=1):
        raise Impossible
    return f"{day:%d/%m/%Y}"


def _month(year: int, month: int, today: date) -> str:
    if not (today.year, today.month) <= (year, month) <= (today.year + YEARS_MAX, 12):
        raise Impossible
    return f"{month:02d}/{year}"


def _part(unit_edge: str, year: int, month: int, today: date) -> str:
    """The end of a third of a month: "começo de fevereiro" is its tenth."""
    if re.search(r"\b(?:comeco|inicio)\b", unit_edge):
        return _day(date(year, month, 10), today)
    if re.search(r"\b(?:meados|metade)\b", unit_edge):
        return _day(date(year, month, 20), today)
    if re.search(r"\b(?:fim|final)\b", unit_edge):
        return _day(date(year, month, monthrange(year, month)[1]), today)
    return _month(year, month, today)


def _year_of(said: str | None, today: date) -> int | None:
    if not said:
        return None
    if said.isdecimal():
        return int(said)
    return today.year if said.startswith("es") else today.year + 1


def _months_on(today: date, months: int) -> tuple[int, int]:
    years, month = divmod(today.month - 1 + months, 12)
    return today.year + years, month + 1


def _mean_date(match: re.Match[str], lead: str, today: date) -> str:
    year = int(match["y"])
    return _day(date(year + 2000 if year < 100 else year, int(match["m"]), int(match["d"])), today)


def _mean_month_year(match: re.Match[str], lead: str, today: date) -> str:
    if not 1 <= int(match["m"]) <= 12:
        raise Impossible
    return _month(int(match["y"]), int(match["m"]), today)


def _next_day_month(day: int, month: int, year: int | None, today: date) -> str:
    if year is None:
        date(2028, month, day)  # a leap year: what is in no calendar fails here
        year = today.year + ((month, day) < (today.month, today.day))
    return _day(date(year, month, day), today)


def _mean_day_month(match: re.Match[str], lead: str, today: date) -> str:
    return _next_day_month(int(match["d"]), int(match["m"]), None, today)


def _mean_day_of(match: re.Match[str], lead: str, today: date) -> str:
    day = 1 if match["d"] == "primeiro" else int(match["d"])
    return _next_day_month(day, _MONTHS.index(match["month"]) + 1, _year_of(match["year"], today), today)


def _mean_day(match: re.Match[str], lead: str, today: date) -> str:
    day = int(match["d"])
    if not 1 <= day <= 31:
        raise Impossible
    year, month = today.year, today.month
    while (day < today.day and (year, month) == (today.year, today.month)) or day > monthrange(year, month)[1]:
        year, month = _months_on(date(year, month, 1), 1)
    return _day(date(year, month, day), today)


def _mean_month(match: re.Match[str], lead: str, today: date) -> str:
    month = _MONTHS.index(match["month"]) + 1
    said = int(match["y"] or 0)
    year = _year_of(match["year"], today) or (
        said + 2000 * (said < 100) if said else today.year + (month < today.month)
    )
    return _part(lead, year, month, today)


def _mean_short_month(match: re.Match[str], lead: str, today: date) -> str:
    month = 1 + next(place for place, name in enumerate(_MONTHS) if name.startswith(match["short"]))
    said = int(match["y"] or 0)
    year = said + 2000 * (said < 100) if said else today.year + (month < today.month)
    return _part(lead, year, month, today)


def _mean_in_time(match: re.Match[str], lead: str, today: date) -> str:
    half = match["n"] == "meio"
    count = 1 if half else max((n.value for n in numbers(match["n"])), default=0)
    unit = match["unit"]
    if not count:
        raise Impossible
    if unit.startswith("hora"):
        return _day(today + timedelta(days=-(-count // 24)), today)
    if unit.endswith("uteis"):
        return _day(_working_days_on(today, min(count, 2000)), today)
    if unit.startswith("dia"):
        return _day(today + timedelta(days=count), today)
    if unit.startswith("semana"):
        return _day(today + timedelta(weeks=count), today)
    if unit.startswith("quinzena"):
        return _day(today + timedelta(days=15 * count), today)
    months = count * (12 if unit.startswith("ano") else 1)
    if unit.startswith("mes") and match["half"] and not half:
        return _day(today + timedelta(days=30 * count + 15), today)
    extra = 6 if unit.startswith("ano") and match["half"] else 0
    if half:
        return _month(*_months_on(today, 6), today) if unit == "ano" else _day(today + timedelta(days=15), today)
    return _month(*_months_on(today, months + extra), today)


def _working_days_on(today: date, count: int) -> date:
    day = today
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day


def _mean_month_and_half(match: re.Match[str], lead: str, today: date) -> str:
    return _day(today + timedelta(days=45), today)


def _mean_edge(match: re.Match[str], lead: str, today: date) -> str:
    edge, unit, later = match["edge"], match["unit"], bool(match["next"]) or "proximo" in match[0]
    if unit == "semana":
        return _end_of_week(today, later)
    if unit == "mes":
        return _part(edge, *_months_on(today, int(later)), today)
    if unit == "semestre":
        return _end_of_part(today, 6, int(later))
    begins = edge in ("comeco", "inicio")
    middle = edge in ("meados", "metade")
    month = 1 if begins else 6 if middle else 12
    return _month(today.year + (later or month < today.month), month, today)


def _end_of_week(today: date, later: bool) -> str:
    friday = today + timedelta(days=4 - today.weekday() + 7 * later)
    return _day(max(friday, today), today)


def _end_of_part(today: date, months: int, later: int) -> str:
    """The last month of this half or quarter of the year, or of a later one."""
    end = ((today.month - 1) // months + 1 + later) * months
    return _month(today.year + (end - 1) // 12, (end - 1) % 12 + 1, today)


def _mean_half(match: re.Match[str], lead: str, today: date) -> str:
    months = 6 if match["unit"] == "semestre" else 3
    ordinals = {"primeiro": 1, "segundo": 2, "terceiro": 3, "quarto": 4, "ultimo": 12 // months}
    number = ordinals.get(match["n"]) or int(match["n"][0])
    end = number * months
    if end > 12:
        raise Impossible
    year = _year_of(match["year"], today) or today.year + (end < today.month)
    return _month(year, end, today)


def _mean_next(match: re.Match[str], lead: str, today: date) -> str:
    return _of_unit(match["unit"] or match["unit2"], lead, today, 1)


def _mean_this(match: re.Match[str], lead: str, today: date) -> str:
    return _of_unit(match["unit"], lead, today, 0)


def _of_unit(unit: str, lead: str, today: date, later: int) -> str:
    if unit == "semana":
        return _end_of_week(today, bool(later))
    if unit == "mes":
        return _part(lead, *_months_on(today, later), today)
    if unit == "ano":
        return str(today.year + 1) if later else _month(today.year, 12, today)
    return _end_of_part(today, 6 if unit == "semestre" else 3, later)


def _mean_weekday(match: re.Match[str], lead: str, today: date) -> str:
    days = (_WEEKDAYS.index(match["weekday"]) - today.weekday() - 1) % 7 + 1
    return _day(today + timedelta(days=days), today)


def _mean_feast(match: re.Match[str], lead: str, today: date) -> str | None:
    feast = match["feast"]
    if feast == "ferias":
        return None
    if feast.startswith("festas"):
        return _month(today.year + 1, 1, today) if "depois" in lead else _day(date(today.year, 12, 24), today)
    days = 1 if "depois" in lead else -1 if "antes" in lead else 0
    day = _feast(feast, today.year) + timedelta(days=days)
    return _day(day if day >= today else _feast(feast, today.year + 1) + timedelta(days=days), today)


def _feast(feast: str, year: int) -> date:
    fixed = {"natal": (12, 25), "dia dos namorados": (6, 12), "dia das criancas": (10, 12), "sao joao": (6, 24)}
    if feast in fixed:
        return date(year, *fixed[feast])
    if feast in ("carnaval", "pascoa"):
        return _easter(year) - timedelta(days=47 if feast == "carnaval" else 0)
    if feast == "dia das maes":
        return _nth(year, 5, 6, 2)
    if feast == "dia dos pais":
        return _nth(year, 8, 6, 2)
    if feast == "black friday":
        return _nth(year, 11, 3, 4) + timedelta(days=1)
    return date(year, 1, 1)


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """The nth of a weekday in a month: the second Sunday of May."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _easter(year: int) -> date:
    """Meeus's algorithm for the Gregorian calendar."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def _mean_tomorrow(match: re.Match[str], lead: str, today: date) -> str:
    return _day(today + timedelta(days=0 if match["today"] else 2 if match["after"] else 1), today)


def _mean_year(match: re.Match[str], lead: str, today: date) -> str:
    if not today.year <= int(match["y"]) <= today.year + YEARS_MAX:
        raise Impossible
    return match["y"]


_MEANING = {
    "date": _mean_date, "iso": _mean_date, "month_year": _mean_month_year, "day_month": _mean_day_month, "day_of": _mean_day_of,
    "day": _mean_day, "short_month": _mean_short_month, "month": _mean_month, "in_time": _mean_in_time, "month_and_half": _mean_month_and_half, "edge": _mean_edge,
    "half": _mean_half, "next": _mean_next, "this": _mean_this, "weekday": _mean_weekday, "feast": _mean_feast,
    "tomorrow": _mean_tomorrow, "year": _mean_year,
}  # fmt: skip
