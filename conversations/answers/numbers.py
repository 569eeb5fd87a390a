"""How many: "uns 10", "vinte e cinco", "meia dúzia", "eu e mais 3", "2 mil por mês". Pure.

A text is read in three steps: what counts nothing is blanked (telephones, dates, prices, "2 lojas"), the numerals that
stand in it become `Number`s, and neighbours become one `Amount`: a range, a sum, a limit.
"""

import re
from typing import NamedTuple

from .words import BLANK, FIND_MAX, LONE_MAX, NO_COUNT, READ_MAX, Found, blank, plain, squeezed

_UNITS = {
    "um": 1, "uma": 1, "dois": 2, "duas": 2, "tres": 3, "treis": 3, "quatro": 4, "cinco": 5, "seis": 6, "sete": 7, "oito": 8,
    "nove": 9, "dez": 10, "deis": 10, "onze": 11, "doze": 12, "treze": 13, "quatorze": 14, "catorze": 14, "quinze": 15,
    "quinse": 15, "dezesseis": 16, "dezessete": 17, "dezoito": 18, "dezenove": 19,
}  # fmt: skip
_TENS = {
    "vinte": 20, "vinti": 20, "trinta": 30, "trintas": 30, "quarenta": 40, "cinquenta": 50, "cinqenta": 50, "sessenta": 60,
    "setenta": 70, "oitenta": 80, "noventa": 90,
}  # fmt: skip
_HUNDREDS = {"cem": 100, "cento": 100} | {
    f"{stem}os": value
    for stem, value in [("duzent", 200), ("trezent", 300), ("quatrocent", 400), ("quinhent", 500), ("seiscent", 600),
                        ("setecent", 700), ("oitocent", 800), ("novecent", 900)]
}  # fmt: skip
_HUNDREDS |= {f"{word[:-2]}as": value for word, value in _HUNDREDS.items() if word.endswith("os")}
_WORDS = _UNITS | _TENS | _HUNDREDS
_SCALES = {"mil": 1000, "k": 1000, "milhao": 1_000_000, "milhoes": 1_000_000, "mi": 1_000_000}
_DOZENS = {"duzia": 12, "duzias": 12, "dezena": 10, "dezenas": 10, "centena": 100, "centenas": 100}
_DIGITS = r"(?<![\d.,])(?:\d{1,3}(?:\.\d{3}){1,3}|\d{1,9})(?:,\d{1,2})?(?![\d,]*\d)"
_ATOM = re.compile(
    rf"(?P<digits>{_DIGITS})(?P<k>\s?k\b)?|\b(?P<meia>meia\s{{1,3}}duzia)\b"
    rf"|\b(?P<word>{'|'.join([*_WORDS, *_DOZENS, *_SCALES])})\b"
)
GAP_MAX = 60  # characters between two numerals that belong together

# What is counted where people are asked for; the rest of a sentence may count anything.
PEOPLE = (
    r"(?:usuari\w+|pessoa\w*|pesso|funcionari\w+|colaborador\w*|vendedor\w*|acess\w+|atendentes?|membros?|operador\w*|professor\w*"
    r"|medic[oa]s?|tecnic[oa]s?|gente|equipe|secretari[oa]s?|gerentes?|administrador\w*|admins?|recepcionistas?|alun[oa]s?|motorist\w+"
    r"|entregador\w*|motoboys?|caixas?|garcon\w*|garco[mn]\w*|cozinheir\w+|estagiari\w+|soci[oa]s?|don[oa]s?|instrutor\w*|advogad\w+"
    r"|dentistas?|veterinari\w+|enfermeir\w+|auxiliar\w*|assistentes?|corretor\w*|consultor\w*|analistas?|supervisor\w*|diretor\w*"
    r"|coordenador\w*|mecanic\w+|profissiona\w+|representantes?|contador\w*|clientes?|logins?|empregad\w+|trabalhador\w*"
    r"|moradore?s?|pacientes?|instaladore?s?|pedreir\w+|integrantes?|licencas?)"
)
_NOT_PEOPLE = (
    r"(?:lojas?|filia(?:l|is)|unidades?|anos?|mes(?:es)?|dias?|semanas?|horas?|minut\w+|segund\w+|telas?|modulos?|etapas?|vez(?:es)?"
    r"|momento\w*|instante\w*|pergunt\w+|duvidas?|coisas?|partes?|opcao|opcoes|tempo|tempinho|favor|sistemas?|app\w*|aplicativos?|sites?"
    r"|segundinho|carros?|motos?|computador\w*|produtos?|orcamento)"
)
_PRICE = (
    r"r\$\s{0,3}[\d.,]{1,15}(?:\s{1,3}(?:mil|milhoes|milhao|k)\b)?(?:\s{0,3}(?:a|e|ate|-)\s{0,3}(?:r\$)?\s{0,3}[\d.,]{1,15})?"
    r"|[\w.,]{1,15}(?:\s{1,3}(?:e|a|mil|milhao|milhoes)){0,3}(?:\s{1,3}[\w.,]{1,15})?(?:\s{1,3}de)?\s{1,3}(?:reais|real|contos?|pilas?|dolares)\b"
)
_OTHER_THINGS = re.compile(rf"{_PRICE}|(?:(?<![\d.,])[\d.]{{1,11}}|\b(?:{'|'.join(_WORDS)}))\s{{1,3}}{_NOT_PEOPLE}\b")
_EACH = re.compile(
    r"(?P<shops>\d{1,4}) (?:lojas?|filiais|unidades?|equipes?|turnos?)[ ,]+(?:com |de )?(?P<people>\d{1,6})(?: \w+)? (?:cada|em cada|por)\b"
    r"|(?P<people2>\d{1,6})(?: \w+)? (?:por|em cada) (?:loja|filial|unidade|equipe|turno)\b[^\d]{0,20}(?P<shops2>\d{1,4}) (?:lojas?|filiais|unidades?|equipes?|turnos?)"
    r"|(?P<people3>\d{1,6})(?: \w+)? em cada (?:uma?|loja|filial)(?: d[aeo]s)? (?P<shops3>\d{1,4}) (?:lojas?|filiais|unidades?|equipes?)"
)
_RANGE = re.compile(
    rf"\s*(?:{PEOPLE})?\s*(?:(?:a|ate|-|~|/|ou|talvez|,\s*talvez|ou talvez|,|ou ate|podendo chegar a)\s*)(?:un|um)?(?:s|as)?\s*"
)
_GROWS = re.compile(
    r".*\b(?:mas|depois|futur\w+|cresc\w+|chegar|ir para|vamos|vai|vao|ano que vem|mes que vem|pretend\w+|queremos|seremos|logo)\b.*|\s*(?:pra|para)\s*"
    r"|\s+(?:no comeco|no inicio|agora|hoje|de inicio|por enquanto)\s*(?:,|e|mas)\s+(?:uns\s|umas\s)?"
)
_AND_MORE = re.compile(
    rf"\s*(?:{PEOPLE}|n[oa]s? \w+|d[oa]s? \w+|em \w+)?(?:\s+(?:n[oa]s?|d[oa]s?) \w+)?\s*(?:,|\+|\be\b|\bmais\b)[\s,]*(?:mais|outr[oa]s)?\s*(?:un|um)?(?:s|as)?\s*"
)
_RELATIVE = (
    r"(?:soci[oa]|espos[oa]|marido|mulher|filh[oa]|irmao?|irma|pai|mae|parceir[oa]|secretari[oa]"
    r"|funcionari[oa]|namorad[oa]|colega|ajudante|prim[oa]|cunhad[oa]|gerente)\b"
)
_KINSHIP = rf"(?:meus?|minhas?|nosso|nossa)\s{{1,3}}{_RELATIVE}"
_FAMILY = r"(?:espos[oa]|marido|mulher|filh[oa]|irmao|irma|pai|mae|soci[oa])\b"
_KIN = re.compile(
    rf"{_KINSHIP}|\beu\s{{1,3}}{_FAMILY}|\b(?:e|mais)\s{{1,3}}[ao]\s{{1,3}}{_RELATIVE}|\beu e (?:ela|ele|voce)\b"
)
_COMPANION = re.compile(rf"(?:\be|,|\bmais|\+)\s{{1,3}}(?:a\s|o\s)?{_KINSHIP}|\beu e (?:ela|ele|voce)\b")
_WITH_ME = re.compile(
    rf"(?<!so )(?<!somente )(?<!apenas )\beu(?:\s{{0,3}}(?:,|\+|e\b|mais\b)|\s{{1,3}}(?=(?:minha |meu )?{_FAMILY}))"
    r"|(?:\be|\+|\bmais)\s{1,3}eu\b"
)
_ONLY_ME_AND = re.compile(r"\b(?:so|somente|apenas)(?=\s{1,3}eu\s{1,3}(?:e|mais)\s)")
_ALONE = re.compile(
    r"\b(?:so|apenas|somente|sou) (?:so )?(?:pra |para )?(?:eu|mim)\b(?: mesm[oa])?|\beu mesm[oa]\b|\b(?:eu )?sozinh[oa]\b|^\W*eu\W*$"
)
_AT_LEAST = (
    r"(?:mais de|acima de|no minimo|pelo menos|minimo de|a partir de|passa de|mais que|\+ de|(?<!\w\s)(?<!\w)\+)"
)
_AT_MOST = r"(?:menos de|menos que|ate|no maximo|maximo de|abaixo de|no max)"
_BEFORE = re.compile(rf"(?:(?P<least>{_AT_LEAST})|(?P<most>\b{_AT_MOST}))\s*(?:uns|umas|n[oa])?\s*$")
_AFTER = re.compile(
    r"\s{0,2}(?:(?P<least>\+|ou \+|(?:\w{1,20} )?(?:no minimo|pelo menos|ou mais|pra cima|para cima|para mais))|(?P<most>(?:\w{1,20} )?(?:no maximo|no max|ou menos)))(?!\w)"
)
_ARTICLE_COUNTS = re.compile(
    rf"\s*(?!(?:equipe|gente|acess\w+)\b)(?:{PEOPLE}\b|$|so\b|apenas\b|por\b|mesmo\b|[.!,]|ou\b|a\b)"
)
_PER = {
    "dia": "por dia", "mes": "por mês", "semana": "por semana", "noite": "por noite", "hora": "por hora", "ano": "por ano",
    "fim de semana": "por fim de semana", "final de semana": "por fim de semana", "quinzena": "por quinzena", "turno": "por turno",
}  # fmt: skip
_PERIOD = r"(?:fim de semana|final de semana|dia(?=s?\b)|mes|semana|noite|hora|ano|quinzena|turno)"
_UNIT = re.compile(
    rf"(?:\b(?:por|ao|a|no|na|em|p|pro|pra|cada|a cada|em cada|todo|toda|todos os|todas as)\s{{1,3}}|/\s?|\bp/\s?)(?P<unit>{_PERIOD})s?\b(?!\spassad)"
    r"|\b(?P<adverb>mensa(?:l|is)|diari[oa]s?|semana(?:l|is)|anua(?:l|is)|diariamente|mensalmente|semanalmente)\b"
)
_ADVERBS = {"m": "mes", "d": "dia", "s": "semana", "a": "ano"}
_NONE_YET = re.compile(
    r"(?:ainda )?(?:zero|0|nenhum\w*|nada)(?: (?:ainda|por enquanto|no momento|hoje))?"
    r"|(?:por enquanto |ainda |hoje )?(?:nenhum\w*|nao (?:faco|fazemos|tenho|temos|entrego|entregamos|atendo|vendo)"
    r"(?! (?:a menor |nenhuma |muita |esse |essa )?(?:ideia|nocao|certeza|controle|dados?|numeros?|como|conta|media|registro|muit[oa]s?|tant[oa]s?)\b)(?: \w+){0,3})"
    r"|(?:estou |to |estamos |ta )?(?:comecando|iniciando|abrindo)(?: (?:agora|a loja|o negocio|ainda))*|(?:ainda )?nao (?:abri\w*|comec\w+|inici\w+)(?: \w+){0,2}|vou (?:comecar|abrir)(?: \w+){0,2}"
)


class Number(NamedTuple):
    value: int
    start: int
    end: int
    scaled: bool = False  # said with "mil": "2 a 3 mil" are two thousand to three thousand
    article: bool = False  # "um", "uma": mostly counts nothing


class Amount(NamedTuple):
    text: str
    low: int
    start: int
    end: int


# --- numerals ---------------------------------------------------------------------------------------------------------
def numbers(folded: str) -> list[Number]:
    """The numerals of a plain text: "vinte e cinco", "mil e duzentos", "1,5 mil", "meia dúzia"."""
    found: list[Number] = []
    room = 0  # what is added to the numeral before must be smaller than this
    fraction = 0.0
    for atom in _ATOM.finditer(folded):
        last = found[-1] if found else None
        gap = folded[last.end : atom.start()] if last else "-"
        word = atom["word"] or ""
        if word in _SCALES or word in _DOZENS:
            factor = _SCALES.get(word) or _DOZENS[word]
            near = last is not None and len(gap) <= 3 and not gap.strip() and last.value < 1000
            if last is not None and near:
                found[-1] = Number(
                    round((last.value + fraction) * factor), last.start, atom.end(), scaled=factor >= 1000
                )
            elif word in ("mil", "duzia"):
                found.append(Number(factor, *atom.span(), scaled=word == "mil"))
            else:
                continue
            room, fraction = (1000 if factor >= 1000 else 0), 0.0
            continue
        value, fraction = _value(atom)
        joined = gap.split() == ["e"] or (room == 1000 and not gap.strip())
        if last is not None and len(gap) <= 5 and joined and 0 < value < room:
            found[-1] = last._replace(value=last.value + value, end=atom.end(), article=False)
            room = _room(word, value) if room != 1000 or word else 0
            continue
        found.append(Number(value, *atom.span(), scaled=bool(atom["k"]), article=word in ("um", "uma")))
        room = _room(word, value)
    return found


def _value(atom: re.Match[str]) -> tuple[int, float]:
    if atom["meia"]:
        return 6, 0.0
    if not atom["digits"]:
        return _WORDS[atom["word"]], 0.0
    whole, _, decimals = atom["digits"].replace(".", "").partition(",")
    fraction = float(f"0.{decimals}") if decimals else 0.0
    if atom["k"]:
        return round((int(whole) + fraction) * 1000), 0.0
    return int(whole), fraction


def _room(word: str, value: int) -> int:
    return 100 if word in _HUNDREDS else 10 if word in _TENS else 0


# --- amounts ----------------------------------------------------------------------------------------------------------
def amounts(folded: str) -> list[Amount]:
    """The amounts of a plain text whose other numerals are blanked: neighbours are one range or one sum."""
    parts = [n for n in numbers(folded) if not n.article or _ARTICLE_COUNTS.match(folded[n.end : n.end + GAP_MAX])
             or _RANGE.fullmatch(folded[max(0, n.start - 5) : n.start])]  # fmt: skip
    parts += [Number(1, *alone.span()) for alone in _ALONE.finditer(folded)]
    parts.sort(key=lambda n: n.start)
    found: list[Amount] = []
    i = 0
    while i < len(parts):
        first, i = parts[i], i + 1
        low = high = first.value
        end = first.end
        while i < len(parts) and parts[i].start - end <= GAP_MAX:
            gap, following = folded[end : parts[i].start], parts[i]
            if BLANK in gap:
                break
            before = folded[max(0, first.start - 12) : first.start]
            if low == high and _is_range(before, gap, first, following):
                scaled = following.scaled and not first.scaled and low < 1000 and low * 1000 < following.value
                low, high = sorted((low * 1000 if scaled else low, following.value))
            elif low == high and following.value > low and _GROWS.fullmatch(gap):
                high = following.value
            elif low == high and _AND_MORE.fullmatch(gap) and _counts_people(folded, following, gap):
                low = high = low + following.value
            else:
                break
            end, i = following.end, i + 1
        found.append(_amount(folded, low, high, first.start, end))
    return found


def _is_range(before: str, gap: str, first: Number, following: Number) -> bool:
    if re.search(r"\bentre\s+(?:uns |umas )?$", before):
        return bool(re.fullmatch(r"\s*(?:e|a|ou)\s*", gap))
    if not _RANGE.fullmatch(gap):
        return False
    return "," not in gap or "talvez" in gap or first.value < following.value <= 3 * first.value


def _counts_people(folded: str, number: Number, gap: str) -> bool:
    """Whether a second number goes on counting: "2 vendedores e 1 gerente", "3 no escritório e 5 na loja", "5 + 3"."""
    after = folded[number.end : number.end + 25]
    return bool(re.match(rf"\s+(?:{PEOPLE}\b|n[oa]s?\s)", after) or re.search(r"\+|\bmais\b", gap))


def _amount(folded: str, low: int, high: int, start: int, end: int) -> Amount:
    if low != high:
        return Amount(f"{low} a {high}", low, start, end)
    before, after = _BEFORE.search(folded[max(0, start - 24) : start]), _AFTER.match(folded[end : end + 40])
    if (before and before["least"]) or (after and after["least"]):
        return Amount(f"mais de {low}", low, start, end)
    if (before and before["most"]) or (after and after["most"]):
        return Amount(f"até {low}", low, start, end)
    return Amount(str(low), low, start, end)


# --- people -----------------------------------------------------------------------------------------------------------
def _countable(text: str) -> str:
    """The text, plain, with everything blanked that does not count what is asked for."""
    return blank(_OTHER_THINGS, blank(NO_COUNT, plain(text)))


def read_count(text: str) -> str | None:
    """ "uns 10" → "10", "entre 10 e 20" → "10 a 20", "mais de 2 mil" → "mais de 2000", "eu e mais 3" → "4"."""
    text = text[:READ_MAX]
    if each := _EACH.search(squeezed(text)):
        shops, people = (
            [n for name, n in each.groupdict().items() if n and name.startswith(key)] for key in ("s", "p")
        )
        return str(int(shops[0]) * int(people[0]))
    folded = blank(_ONLY_ME_AND, _countable(text))
    with_me = bool(_WITH_ME.search(folded)) + len((_KIN if _WITH_ME.search(folded) else _COMPANION).findall(folded))
    found = amounts(folded)
    if not found:
        return str(with_me) if with_me > 1 else None
    amount = next(
        (a for a in found if re.match(rf"\s+(?:\w{{1,20}}\s+)?{PEOPLE}\b", folded[a.end : a.end + 45])), found[0]
    )
    if with_me and amount.text.isdecimal() and not re.match(r"[:,(]\s*eu\b", folded[amount.end : amount.end + 8]):
        return str(amount.low + with_me)
    return amount.text if amount.low else None


_HANDLED = r"\b(?:control|gerenci|cadastr|acompanh|atend|trein|organiz|monitor|gerir|administr|contrat|busc|procur|reserv|mesa|perd|falar com)\w*[^.,\n]{0,25}$"


def find_people(text: str) -> Found | None:
    """A number of people who use what is wanted: "uns 10 usuários", "somos em 8"; not those that are managed with it."""
    text = text[:FIND_MAX]
    folded = _countable(text)
    for amount in amounts(folded):
        before, after = folded[max(0, amount.start - 60) : amount.start], folded[amount.end : amount.end + 45]
        counted = re.match(rf"\s+(?:\w{{1,20}}\s+)?{PEOPLE}\b", after)
        if re.search(
            r"\b(?:somos|seremos|seriamos|equipe de|time de)\s+(?:so\s+)?(?:em\s+)?(?:uns\s+|umas\s+|mais de\s+|ate\s+)?$",
            before,
        ):
            return Found(amount.text, amount.start, amount.end + (counted.end() if counted else 0))
        if not counted or re.search(_HANDLED, before) or re.match(r"\s+clientes?\b", after):
            continue
        if amount.text == "1" and re.search(r"\buma?$", folded[amount.start : amount.end]):
            continue  # "quero falar com uma pessoa"
        return Found(amount.text, amount.start, amount.end + counted.end())
    return None


# --- amounts in a time ------------------------------------------------------------------------------------------------
def find_per_month(text: str) -> Found | None:
    """A number of something in a time: "umas 300 por mês", "50 entregas por dia", "todo dia umas 20"."""
    text = text[:FIND_MAX]
    folded = blank(_OTHER_THINGS_BUT_TIMES, blank(NO_COUNT, plain(text)))
    found = amounts(folded)
    units = list(_UNIT.finditer(folded))
    for amount in found:
        within = next((u for u in units if amount.start < u.start() < amount.end), None)
        if within:
            return Found(f"{amount.text} {_per(within)}", amount.start, amount.end)
        after = next((u for u in units if 0 <= u.start() - amount.end <= GAP_MAX), None)
        between = folded[amount.end : after.start()] if after else BLANK
        if after and BLANK not in between and not re.search(r"[\d,.;]", between):
            return Found(f"{amount.text} {_per(after)}", amount.start, after.end())
        before = next((u for u in reversed(units) if 0 <= amount.start - u.end() <= 20), None)
        if before and BLANK not in folded[before.end() : amount.start]:
            return Found(f"{amount.text} {_per(before)}", before.start(), amount.end)
    return None


_OTHER_THINGS_BUT_TIMES = re.compile(
    rf"{_PRICE}|(?<!\d)24\s{{0,2}}h(?:oras?|s)?\b|\d{{1,3}} (?:lojas?|filiais|anos|horas)\b"
)


def _per(unit: re.Match[str]) -> str:
    return _PER[unit["unit"] or _ADVERBS[unit["adverb"][0]]]


def read_per_month(text: str) -> str | None:
    text = text[:READ_MAX]
    folded = squeezed(text)
    if _NONE_YET.fullmatch(folded):
        return "0"
    if found := find_per_month(text):
        return found.value
    if good := re.search(r"\b(?:em|num|no) dia (?:bom|normal|fraco|cheio|movimentado)", folded):
        count = read_count(folded[: good.start()])
        return f"{count} por dia" if count else None
    return read_count(blank(_ALONE, plain(text)))  # nobody does "só eu" a month


def lone_people(text: str) -> str | None:
    says = r"(?:e |eh )?(?:so|somente|apenas) eu(?: (?:vou usar|uso|mesm[oa]|msm[oa]?))?|eu e (?:mais )?\d{1,3}(?: pessoas?)?"
    return read_count(text) if re.fullmatch(says, squeezed(text[:LONE_MAX])) else None
