"""Reading answers: numbers, places, deadlines, money, yes and no, as Brazilians type them. Pure.

A finder looks for its kind of answer anywhere in a text and gives back a `Found` with its place in it; a reader takes
the whole text as the answer to its question, or gives None.

Anybody may write anything, so the time taken must grow with the length of the text and no faster: what is open-ended in
a pattern either has a bound or can begin in one place only of a run.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

UNKNOWN = "unknown"  # asked, and the customer can't or won't say: not asked again
TEXT_MAX = 1000  # characters kept of a free answer
SHORT_MAX = 120
YES_NO_WORDS_MAX = 4  # "sim, pode continuar"; more words say something else


class Found(NamedTuple):
    value: str
    start: int
    end: int


Finder = Callable[[str], Found | None]
Reader = Callable[[str], str | None]


def plain(text: str) -> str:
    """Lower case without accents, character by character: places in it are places in `text`."""
    return "".join((unicodedata.normalize("NFKD", c)[0].lower() + " ")[0] for c in text)


# --- yes, no, no idea -------------------------------------------------------------------------------------------------
_YES = (
    r"^(sim|s|ss|claro|quero( sim)?$|pode( ser| sim)?|bora|vamos|vamo|isso|com certeza|ok|okay|blz|beleza|aham|uhum|yes"
    r"|por favor|continu\w+|positivo|certo|perfeito|show|manda( ver)?)\b"
)
_NO = r"^(nao|n|nn|nah|nem|agora nao|depois|deixa( pra la)?|dispenso|negativo|outra hora|so isso|era so isso|obrigad[oa])\b"
_REFUSAL = (
    r"\b(prefiro nao|nao (quero|gostaria de|vou|posso|consigo) (dizer|informar|falar|passar|revelar|responder)|nao sei"
    r"|sei la|sem ideia|nao (tenho|faco) (a menor )?(ideia|nocao)|nao tenho (orcamento|valor|um valor|certeza)"
    r"|pula(r)?|proxima|nao defini\w*|a definir|nao pensei|ainda nao|a combinar|nao informad\w*|nao te(m|nho) (isso )?definid\w+)\b"
)


def is_yes(text: str) -> bool:
    return bool(re.match(_YES, plain(text).strip())) and len(text.split()) <= YES_NO_WORDS_MAX


def is_no(text: str) -> bool:
    return bool(re.match(_NO, plain(text).strip())) and len(text.split()) <= YES_NO_WORDS_MAX


def is_refusal(text: str) -> bool:
    """Whether the customer can't or won't say: "não sei", "prefiro não dizer"."""
    return bool(re.search(_REFUSAL, plain(text))) and len(text.split()) <= 12


# --- numbers ----------------------------------------------------------------------------------------------------------
_WORDS = {
    "um": 1, "uma": 1, "dois": 2, "duas": 2, "tres": 3, "quatro": 4, "cinco": 5, "seis": 6, "sete": 7, "oito": 8,
    "nove": 9, "dez": 10, "onze": 11, "doze": 12, "quinze": 15, "vinte": 20, "trinta": 30, "quarenta": 40,
    "cinquenta": 50, "sessenta": 60, "setenta": 70, "oitenta": 80, "noventa": 90, "cem": 100, "duzentos": 200,
    "duzentas": 200, "trezentos": 300, "quinhentos": 500, "quinhentas": 500, "mil": 1000, "duzia": 12,
}  # fmt: skip
_DIGITS = r"(?<!\d)(?:\d{1,3}(?:\.\d{3}){1,3}|\d{1,9})(?!\d)"  # more digits are a phone or a document
_NUMBER = rf"{_DIGITS}(?:\s*(?:mil\b|k\b))?|\b(?:{'|'.join(_WORDS)})\b(?:\s+mil\b)?"
_COUNT = rf"(?:entre|de)\s+(?:{_NUMBER})\s+(?:e|a|ate)\s+(?:{_NUMBER})|(?:{_NUMBER})\s*(?:a|ate|-|ou)\s*(?:{_NUMBER})|(?:{_NUMBER})"
_PEOPLE = (
    r"(usuari[oa]s?|pessoas?|funcionari[oa]s?|colaborador\w*|vendedor\w*|acess\w+|atendentes?|membros?|operador\w*|professor\w*"
    r"|medicos?|tecnicos?|gente|equipe)"
)


def _value(number: str) -> int:
    number = number.strip()
    thousand = re.fullmatch(r"(.+?)\s*(mil|k)", number)
    if thousand and thousand[1]:
        return _value(thousand[1]) * 1000
    return _WORDS.get(number) or int(number.replace(".", ""))


def _count(matched: str, before: str) -> str:
    low, *high = [_value(n) for n in re.findall(_NUMBER, matched)]
    if high:
        return f"{low} a {high[-1]}"
    if re.search(r"\b(mais de|acima de|no minimo|pelo menos)\s*$", before):
        return f"mais de {low}"
    if re.search(r"\b(menos de|ate|no maximo)\s*$", before):
        return f"até {low}"
    return str(low)


def read_count(text: str) -> str | None:
    """ "uns 10" → "10", "entre 10 e 20" → "10 a 20", "mais de 2 mil" → "mais de 2000", "eu e mais 3" → "4"."""
    text = plain(text)
    if others := re.search(rf"\beu e (?:mais |outr[oa]s )?({_NUMBER})", text):
        return str(_value(others[1]) + 1)
    if match := re.search(_COUNT, text):
        return _count(match[0], text[: match.start()])
    return "1" if re.search(r"\b(so|apenas|somente) (eu|mim)\b|\beu mesm[oa]\b|\bsozinh[oa]\b", text) else None


def find_people(text: str) -> Found | None:
    """A number of people: "uns 10 usuários", "somos em 8"."""
    text = plain(text)
    match = re.search(rf"(?P<count>(?!uma?\b)(?:{_COUNT}))\s+(?:\w+\s+)?{_PEOPLE}\b", text)  # "uma pessoa" is no number
    match = match or re.search(rf"\b(?:somos|seremos|seriamos)\s+(?:em\s+|uns\s+|umas\s+)?(?P<count>{_COUNT})", text)
    if not match:
        return None
    return Found(_count(match["count"], text[: match.start("count")]), match.start(), match.end())


def find_per_month(text: str) -> Found | None:
    """A number of something in a time: "umas 300 por mês", "50 entregas por dia"."""
    folded = plain(text)
    unit = r"(?:por|ao|a|no|/)\s*(?P<unit>mes|dia|semana)|(?P<adverb>mensais|diari[oa]s|semanais)"
    match = re.search(rf"(?P<count>{_COUNT})\s*(?:\w{{1,30}}\s+){{0,2}}?(?:{unit})\b", folded)
    if not match:
        return None
    adverb = {"m": "mes", "d": "dia", "s": "semana"}.get((match["adverb"] or " ")[0])
    unit = {"mes": "por mês", "dia": "por dia", "semana": "por semana"}[match["unit"] or adverb or "mes"]
    return Found(f"{_count(match['count'], folded[: match.start()])} {unit}", match.start(), match.end())


def read_per_month(text: str) -> str | None:
    found = find_per_month(text)
    return found.value if found else read_count(text)


# --- places -----------------------------------------------------------------------------------------------------------
_STATES = {
    "AC": "acre", "AL": "alagoas", "AP": "amapa", "AM": "amazonas", "BA": "bahia", "CE": "ceara", "DF": "distrito federal",
    "ES": "espirito santo", "GO": "goias", "MA": "maranhao", "MT": "mato grosso", "MS": "mato grosso do sul",
    "MG": "minas gerais", "PA": "para", "PB": "paraiba", "PR": "parana", "PE": "pernambuco", "PI": "piaui",
    "RJ": "rio de janeiro", "RN": "rio grande do norte", "RS": "rio grande do sul", "RO": "rondonia", "RR": "roraima",
    "SC": "santa catarina", "SP": "sao paulo", "SE": "sergipe", "TO": "tocantins",
}  # fmt: skip
_UFS = "|".join(_STATES).lower()
# Cities that are recognised without their state: capitals, and those around the company.
_CITIES = {
    "Ponta Grossa": "PR", "Curitiba": "PR", "Londrina": "PR", "Maringá": "PR", "Cascavel": "PR", "Guarapuava": "PR",
    "Foz do Iguaçu": "PR", "Castro": "PR", "Carambeí": "PR", "Palmeira": "PR", "Telêmaco Borba": "PR", "Irati": "PR",
    "São José dos Pinhais": "PR", "Colombo": "PR", "Paranaguá": "PR", "Tibagi": "PR", "Campo Largo": "PR",
    "São Paulo": "SP", "Campinas": "SP", "Santos": "SP", "Sorocaba": "SP", "Guarulhos": "SP", "Ribeirão Preto": "SP",
    "Rio de Janeiro": "RJ", "Niterói": "RJ", "Belo Horizonte": "MG", "Uberlândia": "MG", "Porto Alegre": "RS",
    "Caxias do Sul": "RS", "Florianópolis": "SC", "Joinville": "SC", "Blumenau": "SC", "Salvador": "BA", "Recife": "PE",
    "Fortaleza": "CE", "Brasília": "DF", "Goiânia": "GO", "Manaus": "AM", "Belém": "PA", "Vitória": "ES",
    "Cuiabá": "MT", "Campo Grande": "MS", "Natal": "RN", "João Pessoa": "PB", "Maceió": "AL", "Aracaju": "SE",
    "Teresina": "PI", "São Luís": "MA", "Palmas": "TO", "Porto Velho": "RO", "Boa Vista": "RR", "Macapá": "AP",
    "Rio Branco": "AC",
}  # fmt: skip
_AMBIGUOUS = {
    "Natal",
    "Vitória",
    "Santos",
    "Castro",
    "Palmeira",
    "Palmas",
    "Salvador",
    "Colombo",
    "Boa Vista",
    "Fortaleza",
    "Rio Branco",
}
_LOWER = {"de", "da", "do", "dos", "das", "e"}
_NICKNAMES = {"pg": "Ponta Grossa/PR", "cwb": "Curitiba/PR", "sp": "São Paulo/SP", "sampa": "São Paulo/SP", "bh": "Belo Horizonte/MG",
              "floripa": "Florianópolis/SC", "rj": "Rio de Janeiro/RJ", "poa": "Porto Alegre/RS", "ctba": "Curitiba/PR"}  # fmt: skip
_BEFORE_CITY = (
    r"^(?:(?:oi|ola|entao|ah|e|eh|sou|somos|estou|estamos|to|tou|moro|moramos|fico|fica|ficamos|atendo|aqui|nos|eu|a|minha|nossa"
    r"|empresa|loja|cidade|de|da|do|em|no|na|e|eh|:)\s+)+"
)


def _city_pattern(city: str, state: str) -> re.Pattern[str]:
    lead = r"\b(?:em|de|aqui|cidade)\s+" if city in _AMBIGUOUS else r"\b"
    tail = rf"(?:\s*(?:[/,(-]\s*)?(?P<uf>{_UFS}|{_STATES[state]})\b)?"
    return re.compile(rf"{lead}(?P<city>{plain(city)})\b{tail}")


_CITY_PATTERNS = {city: _city_pattern(city, state) for city, state in _CITIES.items()}
_CITY_WORD = r"[A-ZÀ-Ú][\w']{1,30}"
_CITY_AND_STATE = (
    rf"(?<![\w'])(?P<city>{_CITY_WORD}(?:\s(?:d[aeo]s?\s)?{_CITY_WORD}){{0,3}})"
    rf"\s*[/,(-]\s*(?P<uf>{_UFS.upper()}|{_UFS})\b"
)


def find_city(text: str) -> Found | None:
    """ "em Castro/PR", "sou de Irati - PR", "aqui em Curitiba": a place with its state, or a city known without it."""
    folded = plain(text)
    for city, pattern in _CITY_PATTERNS.items():
        if match := pattern.search(folded):
            uf = match["uf"] if match["uf"] and len(match["uf"]) == 2 else _CITIES[city]
            return Found(f"{city}/{uf.upper()}", match.start("city"), match.end())
    if match := re.search(_CITY_AND_STATE, text):
        return Found(f"{match['city']}/{match['uf'].upper()}", match.start(), match.end())
    return None


def read_city(text: str) -> str | None:
    """ "ponta grossa pr" → "Ponta Grossa/PR", "sou de irati, paraná" → "Irati/PR", "PG" → "Ponta Grossa/PR"."""
    if found := find_city(text):
        return found.value
    folded = " ".join(plain(text).strip(" .!").split())
    if nick := _NICKNAMES.get(re.sub(_BEFORE_CITY, "", folded + " ").strip()):
        return nick
    start = len(m[0]) if (m := re.match(_BEFORE_CITY, folded)) else 0
    raw, folded = " ".join(text.strip(" .!").split())[start:], folded[start:]
    states = "|".join(sorted((*_STATES.values(), *_UFS.split("|")), key=len, reverse=True))
    match = re.fullmatch(
        rf"(?P<city>[a-z' ]{{3,60}}?)(?:\s*[/,()-]\s*|\s+)(?:no\s+|na\s+)?(?P<state>{states})\W*", folded
    )
    if match:
        return f"{_title(raw[: match.end('city')])}/{_uf(match['state'])}"
    if (
        re.fullmatch(r"[a-z' ]{3,40}", folded)
        and len(folded.split()) <= 5
        and not is_refusal(text)
        and not _is_chat(folded)
    ):
        return _title(raw)
    return None


def _uf(state: str) -> str:
    return state.upper() if len(state) == 2 else next(uf for uf, name in _STATES.items() if name == state)


def _title(name: str) -> str:
    words = name.strip(" ,-/").lower().split()
    return " ".join(w if w in _LOWER and i else w[:1].upper() + w[1:] for i, w in enumerate(words))[:SHORT_MAX]


def _is_chat(folded: str) -> bool:
    """Whether a short text is talk and not the name of something."""
    return bool(
        re.search(
            r"\b(oi|ola|bom dia|boa (tarde|noite)|sim|nao|ok|nada|talvez|como|por ?que|qual|quais|quanto|quero|preciso|tanto faz"
            r"|entendi|voce|vcs?|voces|isso|kk+|ha(ha)+|rs+|blz|beleza|obrigad[oa]|valeu|menu|cancelar)\b",
            folded,
        )
    )


# --- deadlines --------------------------------------------------------------------------------------------------------
_MONTHS = "janeiro|fevereiro|marco|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro"
_UNITS = r"(?:dias?(?: uteis)?|semanas?|mes(?:es)?|anos?|quinzenas?)"
_DEADLINE = (
    rf"(?:(?:em|ate|daqui a|dentro de|uns|umas|no maximo|entre|de)\s+){{0,3}}(?:{_COUNT})\s+{_UNITS}\b"
    rf"|(?:(?:ate|para|pra|em|no|na|ate o|ate a|inicio de|comeco de|fim de|final de|meados de|metade de)\s+){{1,3}}(?:o\s+)?(?:mes de\s+)?(?:{_MONTHS})"
    r"(?:\s+(?:de\s+)?\d{4})?\b"
    r"|(?:(?:ate|para|pra|dia)\s+(?:o\s+)?(?:dia\s+)?)?\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b"
    rf"|(?:ate\s+)?(?:o\s+)?dia\s+\d{{1,2}}(?:\s+de\s+(?:{_MONTHS}))?"
    r"|\b(?:(?:ate|para|pra|pro)\s+)?(?:a\s+|o\s+)?(?:semana|mes|ano|semestre|trimestre)\s+que\s+vem|(?:no\s+)?proxim[oa]\s+(?:semana|mes|ano|semestre)"
    r"|(?:(?:ate|para|pra)\s+)?(?:o\s+)?(?:fim|final|comeco|inicio)\s+d[eo]\s+(?:ano|mes|semestre)(?:\s+que\s+vem)?"
    r"|(?:ate|para|pra)\s+(?:o\s+)?(?:natal|black friday|carnaval)"
    r"|\b(?:o mais rapido possivel|o? ?quanto antes|urgente\w*|com urgencia|pra ontem|para ontem|imediat\w+|asap|ainda (?:essa|esta) semana|"
    r"ess[ea] (?:semana|mes|ano)|est[ea] (?:semana|mes|ano))\b"
)
_NO_HURRY = r"\b(sem pressa|sem prazo|nao tenho (pressa|prazo)|tanto faz|nao ha pressa|quando (der|puder)|tranquilo|sem urgencia)\b"


def find_deadline(text: str) -> Found | None:
    folded = plain(text)
    if match := re.search(_NO_HURRY, folded):
        return Found("sem pressa", match.start(), match.end())
    if match := re.search(_DEADLINE, folded):
        return Found(" ".join(text[match.start() : match.end()].split())[:SHORT_MAX], match.start(), match.end())
    return None


def read_deadline(text: str) -> str | None:
    if found := find_deadline(text):
        return found.value
    match = re.search(rf"\b(?:{_MONTHS})\b|\b(?:rapido|logo|hoje|amanha|agora|natal|ja)\b", plain(text))
    return " ".join(text.split())[:SHORT_MAX] if match and len(text.split()) <= 12 else None


# --- money ------------------------------------------------------------------------------------------------------------
_MONEY = (
    rf"(?:(?:ate|entre|de|uns|em torno de|cerca de|no maximo)\s+){{0,3}}(?:r\$\s*(?:{_COUNT})(?:,\d{{2}})?(?:\s*(?:a|e|ate|-)\s*(?:r?\$\s*)?(?:{_NUMBER}))?"
    rf"|(?:{_COUNT})\s*(?:reais|conto|contos|pila|pilas))(?:\s*(?:reais|por mes|ao mes|/mes|mensais))?"
)


def find_money(text: str) -> Found | None:
    folded = plain(text)
    if match := re.search(_MONEY, folded):
        return Found(" ".join(text[match.start() : match.end()].split())[:SHORT_MAX], match.start(), match.end())
    return None


def read_money(text: str) -> str | None:
    if found := find_money(text):
        return found.value
    if re.search(_NUMBER, plain(text)) and len(text.split()) <= 12:
        return " ".join(text.split())[:SHORT_MAX]
    return UNKNOWN if is_no(text) else None


# --- free text --------------------------------------------------------------------------------------------------------
def read_text(text: str) -> str | None:
    """A sentence in the customer's words: at least two words, or a long one."""
    cleaned = " ".join(text.split())
    letters = re.sub(r"[\W\d_]", "", cleaned)
    if len(letters) < 4 or (len(cleaned.split()) < 2 and len(letters) < 5):
        return None
    return None if len(cleaned.split()) <= 3 and _is_chat(plain(cleaned)) else cleaned[:TEXT_MAX]


def read_name(text: str) -> str | None:
    """The name of a person or a company: "me chamo Ana Souza" → "Ana Souza"."""
    folded = " ".join(plain(text).strip(" .!").split())
    raw = " ".join(text.strip(" .!").split())
    lead = (
        r"^(?:(?:oi|ola|e|eh|me chamo|meu nome e|meu nome|sou o|sou a|sou|aqui e o|aqui e a|aqui e|o nome e|a empresa se chama"
        r"|se chama|chama|nome|a|o|minha empresa e a|minha empresa e|e a|e o|da|do)\s+)+"
    )
    start = len(m[0]) if (m := re.match(lead, folded)) else 0
    name, folded = raw[start:], folded[start:]
    if (
        not 2 <= len(name) <= SHORT_MAX
        or len(name.split()) > 8
        or not re.search(r"[a-z]{2}", folded)
        or _is_chat(folded)
    ):
        return None
    return name


def one_of(*options: tuple[str, str]) -> Finder:
    """A finder for a choice: each option is its value and the pattern, over plain text, that means it."""

    def find(text: str) -> Found | None:
        folded = plain(text)
        for value, pattern in options:
            if match := re.search(pattern, folded):
                return Found(value, match.start(), match.end())
        return None

    return find
