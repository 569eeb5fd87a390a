"""How much: a budget in the customer's words, total or per month. Pure."""

import re

from .deadlines import find_deadline
from .numbers import PEOPLE
from .words import FIND_MAX, LONE_MAX, NO_SUM, READ_MAX, SHORT_MAX, UNKNOWN, Found, blank, cleaned, plain, squeezed
from .yes_no import is_no, is_refusal

_NUMBER = (
    r"(?:\d{1,3}(?:\.\d{3}){1,3}|\d{1,9})(?:,\d{1,2})?(?:\s{0,2}(?:mil|milhoes|milhao|mi|k)\b)?"
    r"|(?:(?:um|uma|dois|duas|tres|quatro|cinco|seis|sete|oito|nove|dez|onze|doze|quinze|vinte|trinta|quarenta|cinquenta|sessenta"
    r"|setenta|oitenta|noventa|cem|cento|duzentos|trezentos|quatrocentos|quinhentos|seiscentos|setecentos|oitocentos|novecentos|mil"
    r"|milhao|milhoes)\b(?:\s(?:e\s)?)?){1,6}"
)
_LEAD = r"(?:\b(?:ate|entre|de|uns|umas|em torno de|cerca de|por volta de|no maximo|no max|no minimo|mais de|menos de|aproximadamente|a partir de)\s+){0,3}"
_AND = rf"(?:\s{{0,2}}(?:a|e|ate|ou|-)\s{{0,2}}(?:r?\$\s{{0,2}})?(?:{_NUMBER}))?"
_TAIL = r"(?:\s{0,2}(?:(?:de )?reais|real|contos?|pilas?|dolares|euros?))?(?:\s{0,2}(?:por mes|ao mes|/\s?mes|mensais|mensal|no mes|por ano|no total|total|por semana))?(?:,?\s{1,2}(?:no maximo|no max|no minimo|pelo menos|ou menos|ou mais|(?:pra|para) cima)\b)?"
_SURE = re.compile(
    rf"{_LEAD}(?:r\$\s{{0,3}}(?:{_NUMBER}){_AND}{_TAIL}|(?<![\d.,])(?:{_NUMBER}){_AND}\s{{0,2}}(?:(?:de )?reais|contos?|pilas?|dolares|euros?)\b{_TAIL})"
)
_ANY = re.compile(rf"{_LEAD}(?<![\w.,])(?:{_NUMBER}){_AND}{_TAIL}(?!\w)")
_VAGUE = re.compile(
    r"\b(?:barat\w+|pouc[oa]s?|baixo|apertad\w+|em conta|minimo possivel|menor (?:\w+ )?possivel|limitad\w+|sem limite|nao (?:e )?muito|o que for preciso)\b"
)
_FIRST_YOURS = re.compile(
    r"\b(?:(?:quero|preciso|gostaria|aguard\w+|esper\w+|faz\w*|mand\w+|pass\w+|envi\w+|me (?:pass\w+|diz\w*|fal\w+|mand\w+))\b.{0,25}"
    r"\b(?:orcamento|proposta|preco|valor(?:es)?|quanto)\b|(?:voces|vcs) (?:que|e que|quem)\b.{0,20}\b(?:diz\w*|fal\w+|pass\w+|sab\w+)"
    r"|prefiro (?:ouvir|ver|receber|saber)|vai depender|depende (?:do|da|de)|cab(?:er|e) no (?:meu |nosso )?bolso|(?:me )?(?:diz|diga|fala) (?:voce|vc|voces|vcs)|conforme|primeiro o preco|(?:a|de) acordo com)"
)

_TIMES = re.compile(r"(?<!\d)(\d{1,2})\s?x\s{1,2}(?:de\s)?$")
_NO_MORE_THAN = re.compile(
    r"\bna[o]\s(?:\w{1,12}\s){0,3}(?:pass\w{1,4}|ultrapass\w{1,4}|(?:gastar|pagar|investir)\smais)\s(?:d[eoa]s?\s|que\s)?(?:r\$?|\d|\w)?.{0,3}$"
)


# "hoje pago 300 reais", "gastei 10 mil": what is paid elsewhere.
_SPENT = re.compile(
    r"\b(?:hoje (?:eu |a gente |nos )?pag(?:o|amos|a)|pag(?:o|amos) hoje|gastei|gastamos|paguei|custou)\s[^.,;\n]{0,15}$"
)


def find_money(text: str) -> Found | None:
    """An amount of money that says so: "R$ 5.000", "uns 300 conto"."""
    text = text[:FIND_MAX]
    folded = plain(text)
    match = next((match for match in _SURE.finditer(folded) if not _is_spent(folded, match.start())), None)
    return _found(text, match) if match else None


def _is_spent(folded: str, start: int) -> bool:
    return bool(_SPENT.search(folded[max(0, start - 40) : start]))


def _found(text: str, match: re.Match[str]) -> Found:
    words = cleaned(text[match.start() : match.end()])
    if times := _TIMES.search(plain(text[max(0, match.start() - 12) : match.start()])):
        return Found(f"{times[1]}x {words}"[:SHORT_MAX], match.start(), match.end())
    if _NO_MORE_THAN.search(plain(text[max(0, match.start() - 40) : match.start() + 3])):
        words = re.sub(r"^(?:de|que|até|ate)\s+", "", words, flags=re.IGNORECASE)
        return Found(f"até {words}"[:SHORT_MAX], match.start(), match.end())
    if not re.search(r"\s(?:a|até|ate|e|-)\s", re.sub(r"^de\s+(?:até|ate)\s", "", words, flags=re.IGNORECASE)):
        words = re.sub(r"^de\s+", "", words, flags=re.IGNORECASE)  # "não quero passar de 5 mil", "é de até 5 mil"
    return Found(words[:SHORT_MAX], match.start(), match.end())


def read_money(text: str) -> str | None:
    """The budget in the customer's words: "sim, uns 8 mil" → "uns 8 mil"; `unknown` where they want a price first."""
    text = text[:READ_MAX]
    if found := find_money(text):
        return found.value
    folded = blank(NO_SUM, plain(text))
    if find_deadline(text) is None and not re.search(rf"\d\s+(?:\w{{1,20}}\s+)?{PEOPLE}\b", folded):
        for match in _ANY.finditer(folded):
            bare = re.fullmatch(r"\s*(?:um|uma|[1-4]?\d)\s*", match[0])  # "5" may be five thousand, or a slip
            if not bare and not _is_spent(folded, match.start()) and not _counts_something(folded, match.end()):
                return _found(text, match).value
    if _FIRST_YOURS.search(folded) and "?" not in text:
        return UNKNOWN
    if _VAGUE.search(folded) and len(text.split()) <= 12:
        return cleaned(text)[:SHORT_MAX]
    if (
        is_no(text)
        or is_refusal(text)
        or re.fullmatch(
            r"(?:nao (?:tenho|temos)|nenhum\w*|nada|sem (?:orcamento|valor|verba))(?: \w+){0,4}", squeezed(text)
        )
    ):
        return UNKNOWN
    return None


def _counts_something(folded: str, end: int) -> bool:
    """Whether what follows a bare number says that it counts something else: "3 lojas", "em 3 meses"."""
    return bool(
        re.match(
            r"\s+(?:lojas?|filia\w+|unidades?|meses|mes|dias?|semanas?|anos?|horas?|telas?|pergunta\w*|duvida\w*|salarios?|coisas?|parcelas?|vezes)\b",
            folded[end : end + 30],
        )
    )


_LONE = re.compile(
    rf"(?:(?:o |meu )?(?:investimento|orcamento|verba)(?: e)?(?: de|:)? )?{_LEAD}\d{{1,3}}(?:,\d)?\s?(?:mil|k)(?:\s(?:a|ate|ou)\s\d{{1,3}}\s?(?:mil|k))?(?: (?:no maximo|no total|mais ou menos))?"
)


_BUDGET = re.compile(r"\b(?:orcamento|valor(?:es)?|verba)\b")


def lone_budget(text: str) -> str | None:
    """Thousands, where nothing else is counted in thousands ("até 5 mil"), or a budget that is refused by name."""
    return read_money(text) if _LONE.fullmatch(squeezed(text[:LONE_MAX])) else lone_monthly_budget(text)


def lone_monthly_budget(text: str) -> str | None:
    """ "prefiro não falar de orçamento"; a sum might be anything of a month's."""
    said = squeezed(text[:LONE_MAX])
    refuses = _BUDGET.search(said) and (is_refusal(text) or said.startswith("sem "))
    return UNKNOWN if refuses and read_money(text) == UNKNOWN else None
