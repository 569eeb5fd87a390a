"""What a person or a company is called, and free answers. Pure."""

import re

from .places import find_city
from .words import (
    BLANK,
    CONTACTS,
    FIND_MAX,
    LONE_MAX,
    NO_COUNT,
    READ_MAX,
    SHORT_MAX,
    TEXT_MAX,
    Found,
    blank,
    cleaned,
    is_chat,
    plain,
    squeezed,
)
from .yes_no import is_refusal

NAME_WORDS_MAX = 8
TALK_WORDS_MAX = 8  # with more, "não entendi" is part of a story
_LOWER = {"de", "da", "do", "dos", "das", "e"}
_LEAD = re.compile(
    r"(?:(?:oi|ola|opa|bom dia|boa tarde|boa noite|entao|e|eh|me chamo|eu sou|pode (?:me )?chamar d[eo]|(?:o )?(?:meu|nosso) nome(?: completo)?|meu nome e|sou|(?:aqui )?quem fala|aqui"
    r"|o nome(?: dela| completo)?|nome(?: da (?:empresa|loja)| completo| fantasia)?|(?:a |minha |nossa )?(?:empresa|loja|mercado|padaria|pizzaria|farmacia)(?= se chama| chama| e |:)|chama-se|se chama|chama|chamo"
    r"|e chamad[oa]|a|o|da|do)(?:\s*[:,!-]\s*|\s+))+"
)
# What no name holds: verbs and things of a sentence.
_SENTENCE = (
    r"\b(?:quer\w*|precis\w*|tenho|temos|trabalh\w+|faz\w*|faco|gostaria|falei|disse|pag\w+|cust\w+|pre[cç]o|valor|dizer|informar|nome"
    r"|entregas?|ainda|nao|porque|por que|para que|pra que|vou|posso|pode|moto|sistema|site|chamo|meu|minha|voces|vcs|anos|tudo|bem"
    r"|obrigad[oa]|sera|serve|isso|nada|algum\w*|ajud\w+|humano|atendente|falar|cadastr\w+|ja|favor|com|sem|por|para|pra|no|na|em|to|ta|estou|esta|que|se|eu|me|so|mais|muito|fala|serio|quem|aqui|noite|motoboy\w*|motoqueir\w+|entregador\w*|agora|depois|amanha|hoje)\b"
)
_SENTENCE_OF_COMPANY = (
    r"\b(?:quer[oe]\w*|precis\w*|tenho|temos|faco|gostaria|falei|disse|pagam|custa|dizer|informar|ainda|nao|porque|por que|para que"
    r"|pra que|vou|posso|voces|vcs|obrigad[oa]|entregas para|nome|ja|algum\w*|eu|mesm[oa]|sem)\b"
)


def read_name(text: str) -> str | None:
    """The name of a person: "me chamo ana souza" → "Ana Souza"."""
    name = _named(text)
    if (
        name is None
        or re.search(r"\d", name)
        or re.search(_SENTENCE, plain(name))
        or len(name.split()) > NAME_WORDS_MAX
    ):
        return None
    return _titled(name) if name.islower() or name.isupper() else name


def is_name(text: str) -> bool:
    """Whether a person may be called this: letters, and nothing else."""
    return bool(re.fullmatch(r"[^\W\d_]{2,}(?:[ .'’-]+[^\W\d_]+){0,7}\.?", text.strip()))


_COMPANY = re.compile(
    r"(?:d[ao]|n[ao]|chama(?:da)?|nome e)\s+(?P<name>(?:Farmácia|Padaria|Pizzaria|Loja|Restaurante|Mercado|Lanchonete|Confeitaria|Floricultura"
    r"|Doceria|Hamburgueria|Distribuidora|Empresa|Clínica|Oficina|Academia|Escola|Imobiliária|Supermercado)"
    r"(?:\s(?:d[aeo]s?\s)?[A-ZÀ-Ú0-9][\w'&-]{0,29}){1,4})"
)


def find_company(text: str) -> Found | None:
    """A company that is named in a sentence: "sou dono da Farmácia São José" """
    match = _COMPANY.search(text[:FIND_MAX])
    return Found(match["name"], match.start("name"), match.end("name")) if match else None


# "meu nome é Marcia e a loja é Doce Mel"
_COMPANY_IS = re.compile(
    r"\be (?:a |o |minha |meu |nossa |nosso )(?:loja|empresa|mercado|padaria|pizzaria|farmacia|restaurante|negocio) (?:se chama|chama|e|eh)\s+"
    r"(?!em\b|n[oa]\b|aqui\b|de\b|uma?\b)"
)


def _titled(name: str) -> str:
    return " ".join(_capital(word, i) for i, word in enumerate(name.lower().split()))


def _capital(word: str, place: int) -> str:
    if place and word in _LOWER:
        return word
    if word.startswith("d'") and len(word) > 2:
        return f"d'{word[2:].capitalize()}"
    return "-".join(part.capitalize() for part in word.split("-"))


def read_company(text: str) -> str | None:
    """The name of a company, as its owner writes it: "minha loja chama Doce Mel" → "Doce Mel"."""
    said = _COMPANY_IS.search(plain(text[:READ_MAX]))
    name = _named(text[said.end() :] if said else text)
    if name is None or re.search(_SENTENCE_OF_COMPANY, plain(name)):
        return None
    return _titled(name) if name.islower() else name


def _named(text: str) -> str | None:
    """What is left of an answer without "me chamo", emoji, the city and the rest of the sentence."""
    if "?" in text or is_refusal(text):
        return None
    raw = cleaned(re.sub(r"[^\w\s.,:;&'’/@+()ºª°!-]", " ", text)).strip(" .!,;:")
    folded = plain(raw)
    raw = re.sub(r"\s*\([^)]*\)?", "", raw)
    folded = plain(raw)
    if BLANK in blank(CONTACTS, folded) or len(raw) > 2 * SHORT_MAX or raw.startswith("@"):
        return None
    lead = _LEAD.match(folded)
    start = lead.end() if lead else 0
    parts = re.split(
        r"\s*[,;!]\s*|\s+-\s+|(?<![DdSs]r)(?<!ra)(?<!ta)\.\s|\s+(?:e\s+)?(?=(?:moro|sou|tenho|trabalho|quero|fica|ficamos|fico|estou|estamos)\b)"
        r"|\s+e\s+(?=(?:(?:a|o|minha|meu|nossa|nosso)\s+)(?:loja|empresa|negocio|negócio|padaria|mercado|restaurante|moto|cidade)\b)",
        raw[start:],
    )
    name = next((part for part in parts if not re.match(r"(?:uma?|a|o)\s", plain(part))), parts[0]).strip(" .!,;:-()")
    if (place := find_city(name)) and (place.start == 0 or place.end >= len(name)) and "/" in name:
        name = name[: place.start].strip(" ,-")
    name = re.sub(r"\s+(?:de|em|aqui de|aqui em|aqui|mesmo)$", "", name)
    folded = plain(name)
    if (
        not 2 <= len(name) <= SHORT_MAX
        or len(name.split()) > NAME_WORDS_MAX
        or not re.search(r"[a-z]{2}", folded)
        or is_chat(folded)
    ):
        return None
    return name


# --- free text --------------------------------------------------------------------------------------------------------
def read_text(text: str) -> str | None:
    """A sentence in the customer's words: at least two words, or a long one."""
    return _free(text, letters_min=5)


def read_thing(text: str) -> str | None:
    """What is sold or done, where a short word is one too: "pão", "TI"."""
    return None if is_amount(text) else _free(text, letters_min=2)


def is_amount(text: str) -> bool:
    """Whether it says how many and nothing else: "umas 100 a 150 por mês"."""
    words = squeezed(text).split()
    return any(word[0].isdigit() for word in words) and all(
        word[0].isdigit() or word in _BESIDE_AMOUNT for word in words
    )


_BESIDE_AMOUNT = frozenset(
    [
        "uns",
        "umas",
        "mais",
        "ou",
        "menos",
        "cerca",
        "de",
        "a",
        "e",
        "ate",
        "por",
        "ao",
        "no",
        "dia",
        "mes",
        "semana",
        "ano",
        "mensais",
        "mil",
        "entre",
        "quase",
        "acho",
    ]
)


# "quero vender mais" answers what is to be reached; "quero ver" does not.
_WISH_TO = re.compile(
    r"\b(?:quero|queria|preciso)\s+(?!(?:continuar|saber|falar|ver|parar|sair|voltar|mudar|trocar|corrigir|cancelar|ser|ter|perguntar|dizer|responder"
    r"|conversar|desistir|pular|ir|comecar|seguir|entender|fazer)\b)(?=\w{2,}[aei]r\b)"
)


def _free(text: str, *, letters_min: int) -> str | None:
    line = cleaned(text)
    said = blank(NO_COUNT, plain(line)).replace(BLANK, " ")
    words = re.findall(r"[a-z]+", said)
    letters = sum(map(len, words))
    if letters < min(4, letters_min) or (len(words) < 2 and letters < letters_min):
        return None
    if not any(re.search(r"[aeiou]", word) for word in words):
        return None  # "xyz", "kkkk"
    if len(words) <= TALK_WORDS_MAX and re.search(r"\bnao (?:entendi|compreendi)\b", said):
        return None
    if len(words) <= 3 and is_chat(_WISH_TO.sub("", said)):
        return None
    return line[:TEXT_MAX]


_LONE_NAME = re.compile(
    r"(?:(?:oi|ola|opa|bom dia|boa tarde|boa noite),? )?(?:(?:o )?meu nome(?: completo)? (?:e|eh)|(?:eu )?me chamo|pode me chamar de)"
    r"(?: [a-z'-]+){1,5}"
)
_SHOP = r"[Ll]oja|[Ee]mpresa|[Mm]ercado|[Pp]adaria|[Pp]izzaria|[Ff]arm[aá]cia|[Rr]estaurante|[Nn]eg[oó]cio"
_PROPER = r"[A-ZÀ-Ú][\w'&-]{0,29}(?:\s(?:(?:d[aeo]s?|e)\s)?[A-ZÀ-Ú0-9][\w'&-]{0,29}){0,4}"
_LONE_COMPANY = re.compile(
    rf"\s*(?:(?:(?:[AaOo]|[Mm]inha|[Mm]eu|[Nn]ossa|[Nn]osso)\s)?(?:{_SHOP})\s(?:é|e|eh|se chama|chama)|(?:[Ss]e )?[Cc]hama)\s(?P<name>{_PROPER})[\s.!]*"
)


def lone_name(text: str) -> str | None:
    """The name of a person who introduces themselves."""
    return read_name(text) if _LONE_NAME.fullmatch(squeezed(text[:LONE_MAX])) else None


def lone_company(text: str) -> str | None:
    """A company that is named: "a loja é Flor de Lis", "se chama Pet Feliz", "Farmácia São João"; by its capitals."""
    text = text[:LONE_MAX]
    if match := _LONE_COMPANY.fullmatch(text):
        return match["name"]
    found = _COMPANY.search(f"da {text.strip(' .!')}")
    return found["name"] if found and found["name"] == text.strip(" .!") else None
