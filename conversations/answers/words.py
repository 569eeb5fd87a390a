"""What every reader of answers is made of. Pure.

A finder looks for its kind of answer anywhere in a text and gives back a `Found` with its place in it; a reader takes
the whole text as the answer to its question, or gives None. A `lone_` reader takes a message that answers a question which
nobody has asked yet: it must be nothing else than that answer ("moto", "até 5 mil", "me chamo Ana").

Anybody may write anything, so the time taken must grow with the length of the text and no faster: what is open-ended in
a pattern either has a bound or can begin in one place only of a run.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "unknown"  # asked, and the customer can't or won't say: not asked again
TEXT_MAX = 1000  # characters kept of a free answer
SHORT_MAX = 120
SENTENCE_WORDS_MIN = 4  # so much is a sentence, and may answer where any sentence does
FIND_MAX = 8192  # characters of a turn in which answers are looked for
READ_MAX = 2000  # characters that are read of the answer to one short question
LONE_MAX = 120  # characters of a message that is an answer, though nothing was asked


class Found(NamedTuple):
    value: str
    start: int
    end: int


Finder = Callable[[str], Found | None]
Reader = Callable[[str], str | None]


@lru_cache(maxsize=16)  # the finders of a flow all read the same text
def plain(text: str) -> str:
    """Lower case without accents, character by character: places in it are places in `text`."""
    return "".join((unicodedata.normalize("NFKD", c)[0].lower() + " ")[0] for c in text)


def squeezed(text: str) -> str:
    """Plain, without emoji and punctuation at the ends, and with single spaces: "  *Sim!!* 😊" → "sim"."""
    return " ".join(re.sub(r"[^\w\s/.,:;$?%+@&'()º°ª-]", " ", plain(text)).split()).strip(" .,;:")


def cleaned(text: str) -> str:
    """As the customer wrote it, on one line."""
    return " ".join(text.split())


def one_of(*options: tuple[str, str]) -> Finder:
    """A finder for a choice: each option is its value and the pattern, over plain text, that means it."""

    def find(text: str) -> Found | None:
        folded = plain(text)
        for value, pattern in options:
            if match := re.search(pattern, folded):
                return Found(value, match.start(), match.end())
        return None

    return find


def found(pattern: str) -> Finder:
    """A finder that takes what the pattern calls `what`, as the customer wrote it."""

    def find(text: str) -> Found | None:
        match = re.search(pattern, plain(text[:FIND_MAX]))
        if match is None:
            return None
        start, end = match.span("what")
        return Found(text[start:end], start, end)

    return find


# Digits that answer nothing: who takes them for an answer has misunderstood in silence.
_CONTACTS = (
    r"\b(?:https?://|www\.)\S{1,200}"
    r"|[\w.+-]{1,64}@[\w.-]{1,64}"
    r"|(?<![\d.])\d{2}\.\d{3}\.\d{3}/?\d{4}-?\d{2}(?!\d)"  # CNPJ
    r"|(?<![\d.])\d{3}\.\d{3}\.\d{3}-?\d{2}(?!\d)"  # CPF
    r"|(?<!\d)\d{5}-\d{3}(?!\d)"  # CEP
    r"|(?<!\d)(?:\+?55\s?)?\(?\d{2}\)?[\s.-]?(?:9\s?)?\d{4}[\s.-]?\d{4}(?!\d)"  # telephone with its area
    r"|(?<!\d)9\d{4}-?\d{4}(?!\d)|(?<!\d)\d{4}-(?!\d{2}00(?!\d))\d{4}(?!\d)"
    r"|(?<!\d)\d{10,}|\b(?:cep|cnpj|cpf|rg|nota|placa|telefone|tel|fone|ramal|pix)\b[\s:.ºo]{0,4}\d[\d./-]{0,20}"
    r"|\b(?:rua|avenida|av\.?|travessa|rodovia|alameda|opcao|versao|sala|apto|apartamento|bloco|andar)\s[^\d\n]{0,40}\d{1,6}(?:\s?(?:mil|k)\b)?"
)
_SUMS = r"\b(?:orcamento|valor|preco)\s[^\d\n]{0,40}\d{1,6}(?:\s?(?:mil|k)\b)?"
_QUOTATIONS = (  # a quotation of ours, by its number: "o orçamento nº 4521", "sobre o orçamento 123"
    r"\borcamento\s{1,3}(?:n[o.°]{0,2}|num|numero|#)\s{0,2}\d{1,8}\b"
    r"|\b(?:[dna]|pel|sobre )o orcamento\s{1,3}\d{1,8}\b(?!\s?(?:mil|k|reais|a|ate|por)\b)"
)
_DATES_AND_TIMES = (
    r"(?<!\d)\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2})(?!\d)|(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)"  # 15/03/2027
    r"|(?<![\d/])\d{1,2}/(?:0?[1-9]|1[0-2])(?![\d/])|(?<![\d/])\d{1,2}/\d{4}(?!\d)|\bdia\s{1,3}\d{1,2}\b"  # 15/03
    r"|(?<!\d)\d{1,2}(?::\d{2}|h\d{2}|\s?hs?\b|\s?hrs?\b)|\b(?:as|das)\s{1,3}\d{1,2}(?::\d{2})?\b"  # 10:30, 10h
    r"|\b(?:desde|em|de|ano(?: de)?)\s{1,3}(?:19[5-9]|20[0-4])\d\b(?!\s(?:a|ate|pessoas|usuarios)\b)"
    r"|(?<!\d)\d{1,3}(?:[ºª°]|[oa]\b)|(?<!\d)1[ao]?\sde\s(?:jan|fev|mar|abr|mai|jun|jul|ago|set|out|nov|dez)\w*|(?<!\d)\d{1,3}(?:[.,]\d{1,2})?\s?%|(?<!\d)\d{1,3}x\b"
    r"|(?<!\d)\d{1,6}\s?(?:por cento|km|metros|m2?)\b"
)
BLANK = "\x00"


@lru_cache(maxsize=16)
def blank(pattern: re.Pattern[str], folded: str) -> str:
    """The text with everything blanked that the pattern matches; places in it stay the same."""
    return pattern.sub(lambda match: BLANK * len(match[0]), folded)


CONTACTS = re.compile(f"{_CONTACTS}|{_SUMS}")
NO_COUNT = re.compile(f"{_CONTACTS}|{_SUMS}|{_DATES_AND_TIMES}")
NO_SUM = re.compile(f"{_CONTACTS}|{_QUOTATIONS}|{_DATES_AND_TIMES}")


def is_chat(folded: str) -> bool:
    """Whether a short text is talk and not the name of something."""
    return bool(
        re.search(
            r"\b(oi+e?|ola|opa|bom dia|boa (tarde|noite)|tudo (bem|bom)|sim|nao|ok|nada|talvez|como|por ?que|qual|quais|quanto"
            r"|quero|queria|preciso|tanto faz|entendi|voce|vcs?|voces|isso|k{2,}|ha(ha)+|rs+|blz|(?<!de )beleza|obrigad[oa]|obg|valeu|vlw"
            r"|menu|cancelar|hein|uai|ue|ata|ta|ok+)\b",
            folded,
        )
    )
