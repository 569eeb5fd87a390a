"""Where: cities and states, with and without each other, as Brazilians name them. Pure.

`cities.json` holds the 5,570 municipalities by state, as IBGE lists them (2022).
"""

import json
import re
from functools import lru_cache
from pathlib import Path

from .words import CONTACTS, FIND_MAX, LONE_MAX, SHORT_MAX, Found, blank, cleaned, is_chat, plain, squeezed
from .yes_no import is_refusal

STATES = {
    "AC": "Acre", "AL": "Alagoas", "AP": "Amapá", "AM": "Amazonas", "BA": "Bahia", "CE": "Ceará", "DF": "Distrito Federal",
    "ES": "Espírito Santo", "GO": "Goiás", "MA": "Maranhão", "MT": "Mato Grosso", "MS": "Mato Grosso do Sul",
    "MG": "Minas Gerais", "PA": "Pará", "PB": "Paraíba", "PR": "Paraná", "PE": "Pernambuco", "PI": "Piauí",
    "RJ": "Rio de Janeiro", "RN": "Rio Grande do Norte", "RS": "Rio Grande do Sul", "RO": "Rondônia", "RR": "Roraima",
    "SC": "Santa Catarina", "SP": "São Paulo", "SE": "Sergipe", "TO": "Tocantins",
}  # fmt: skip
EVERYWHERE = "Todo o Brasil"
INTERIOR = "Interior"
SLIP_MIN = 9  # letters of a small town's name in which a slip is mended: shorter ones are mostly other places
PLACES_MAX = 4  # cities of one answer that are kept

_UF_OF = (
    {plain(name): uf for uf, name in STATES.items()}
    | {uf.lower(): uf for uf in STATES}
    | {"minas": "MG", "sta catarina": "SC"}
)
_STATE = rf"(?:{'|'.join(sorted(_UF_OF, key=len, reverse=True))})"
_UF = rf"(?:{'|'.join(uf.lower() for uf in STATES)})"
# Several towns have these names; who gives no state means the large one, or the one near the company.
_PREFERRED = {
    "irati": "PR", "cascavel": "PR", "palmeira": "PR", "campo grande": "MS", "toledo": "PR", "palmas": "TO", "boa vista": "RR",
    "belem": "PA", "rio branco": "AC", "santa maria": "RS", "santo andre": "SP", "valenca": "BA", "pinhao": "PR", "ivai": "PR",
    "jandaia do sul": "PR", "sertaneja": "PR", "campo largo": "PR", "planalto": "", "bom jesus": "", "americana": "SP",
    "viana": "ES", "cruzeiro": "SP", "sao vicente": "SP", "bonito": "MS", "itabaiana": "SE", "sobradinho": "", "lapa": "PR",
    "sao goncalo": "RJ", "itaperuna": "RJ",
}  # fmt: skip
_NICKNAMES = {
    "pg": "Ponta Grossa/PR", "ptg": "Ponta Grossa/PR", "p grossa": "Ponta Grossa/PR", "pta grossa": "Ponta Grossa/PR", "cwb": "Curitiba/PR", "ctba": "Curitiba/PR", "sampa": "São Paulo/SP", "sp": "São Paulo/SP",
    "bh": "Belo Horizonte/MG", "belo": "Belo Horizonte/MG", "floripa": "Florianópolis/SC", "rj": "Rio de Janeiro/RJ",
    "rio": "Rio de Janeiro/RJ", "poa": "Porto Alegre/RS", "bsb": "Brasília/DF", "foz": "Foz do Iguaçu/PR",
    "telemaco": "Telêmaco Borba/PR", "sjp": "São José dos Pinhais/PR", "ssa": "Salvador/BA", "bc": "Balneário Camboriú/SC",
    "sjc": "São José dos Campos/SP", "sbc": "São Bernardo do Campo/SP", "balneario": "Balneário Camboriú/SC",
    "sao jose dos pinhais": "São José dos Pinhais/PR", "guarapuava": "Guarapuava/PR",
}  # fmt: skip
_IN_NICKNAME = re.compile(r"\b(?:em|aqui em|ai em|la em|de)\s(?P<nick>pg|cwb|ctba|sampa|bh|floripa|poa|bsb|foz|sjp)\b")
# Found in any sentence without a state: large, or near the company, and no ordinary word.
_KNOWN_ALONE = (
    "Ponta Grossa", "Curitiba", "Londrina", "Maringá", "Cascavel", "Guarapuava", "Foz do Iguaçu", "Carambeí", "Telêmaco Borba",
    "Irati", "São José dos Pinhais", "Paranaguá", "Tibagi", "Campo Largo", "São Paulo", "Campinas", "Sorocaba", "Guarulhos",
    "Ribeirão Preto", "Rio de Janeiro", "Niterói", "Belo Horizonte", "Uberlândia", "Porto Alegre", "Caxias do Sul",
    "Florianópolis", "Joinville", "Blumenau", "Recife", "Brasília", "Goiânia", "Manaus", "Belém", "Cuiabá", "Campo Grande",
    "João Pessoa", "Maceió", "Aracaju", "Teresina", "São Luís", "Porto Velho", "Macapá", "Jaguariaíva", "Imbituva",
    "Prudentópolis", "Apucarana", "Umuarama", "Pato Branco", "Francisco Beltrão", "Chapecó", "Itajaí", "Criciúma", "Osasco",
    "São Bernardo do Campo", "São José dos Campos", "Piraí do Sul", "Arapongas", "Palotina", "Pelotas", "Feira de Santana",
)  # fmt: skip
_REGION = r"interior|estado(?: d[aeo])?|(?:(?:o )?(?:extremo )?(?:norte|sul|leste|oeste|noroeste|nordeste|sudoeste|sudeste)|litoral|serra)(?: d[aeo])?"
_ABROAD = re.compile(
    r"\b(?:argentina|paraguai|uruguai|chile|bolivia|portugal|espanha|italia|estados unidos|eua|angola|japao|canada)\b"
)
_WORDS_LIKE_STATES = ("para", "se", "to")  # "Pará" is one, "para" is none
_ORDINARY = frozenset(["bora", "fama", "luz", "ouro", "oleo", "cruz", "mata", "mari", "pote", "laje", "vera", "joia", "ermo", "una", "para", "sede", "centro", "entrega", "vitoria", "nova", "boa", "campo", "santos", "sao", "casa", "morada", "escada", "posse", "caem", "remanso", "passagem", "barra", "serra", "praia", "porto", "feira", "prata", "rosario", "soledade", "planalto"])  # fmt: skip
_LOWER = {"de", "da", "do", "dos", "das", "e", "d"}
_BEFORE = re.compile(
    r"(?:(?:oi|ola|entao|ah|e|eh|sou|somos|estou|estamos|to|ta|tou|moro|moramos|mora|fico|fica|ficamos|localizad[oa]s?|atendo|atendemos"
    r"|trabalho|aqui|nos|eu|a|o|minha|meu|nossa|empresa|loja|casa|sede|cidade|municipio|regiao|metropolitana|gente|de|da|do|em|no|na"
    r"|pra|centro|bem|so|acho|que|seria|por|perto|proximo|hoje|agora|atualmente|:)[\s,:]+)+"
)
_AFTER = re.compile(
    r"[\s,.!;:()-]+(?:mesm[oa]|msm[oa]?|capital|e regiao|regiao|por favor|brasil|centro|aqui|cidade|mesmo aqui|tche|ne|so|somente|apenas)?[\s.!,;:()-]*$"
)
_CITY_WORD = r"[A-ZÀ-Ú][\w']{1,30}"
_CITY_AND_STATE = re.compile(
    rf"(?<![\w'])(?P<city>{_CITY_WORD}(?:[\s-](?:d[aeo]s?\s|d')?{_CITY_WORD}){{0,3}})"
    rf"\s{{0,2}}[/,(-]\s{{0,2}}(?:no |na |em )?(?P<uf>{_UF.upper()}|{_UF}|{'|'.join(STATES.values())})\b"
)
_SAID_TO_BE = re.compile(
    r"\b(?:moro|moramos|fica|ficamos|fico|estou|estamos|aqui|cidade|somos|sou|sede|empresa|loja|trabalho|atuamos|mudei|mudamos)"
    r"(?:\s(?:para|pra|fica|e))?\s(?:em|de|na cidade de|na|da|do|no)\s(?P<rest>[a-z' -]{3,60})"
)
_INSIDE = re.compile(r"\bem\s(?P<rest>[a-z][a-z' -]{2,40})")
_NEAR = ("castro", "palmeira", "colombo", "carambei", "tibagi", "reserva", "ortigueira", "ipiranga", "arapoti")
_WORDS_LIKE_TOWNS = ("reserva", "ipiranga")
_NOT_A_PLACE = (
    r"\b(?:sistema|site|app\w*|orcamento|entrega\w*|favor|saber|dizer|casa|minutos?|depois|antes|ainda|mesmo|todo|lugar|pessoa\w*"
    r"|usuari\w+|funcionari\w+|reais|dias?|mes(?:es)?|anos?|semanas?|horas?|hoje|amanha|pressa|preco|valor|moto|carro|empresa|loja"
    r"|precisam?|disso|isto|testes?|ajuda|humano|atendente|pergunta|celular|dinheiro|internet|whatsapp|trabalh\w+|vou|ver|ser|ter"
    r"|ate|uns|umas|quantos|ja|ontem|urgent\w*|rapid\w+|logo|agora|gauch[oa]|paranaense|paulista|mineir[oa]|shopping|mercado|terminal|perto|falei|interior|mesma|mesmo|sempre|disse|respondi|voltar|errad\w+|certo|aqui|ali|la|janeiro|fevereiro|marco|abril|maio|junho|julho|agosto|setembro"
    r"|outubro|novembro|dezembro|mil|dez|vinte|cem|eu|ele|ela|nos|meu|minha|tenho|temos|estou|vendo|faco|e-?mail|telefone|online|on-?line|claro|noite|manha|tarde"
    r"|bikes?|bicicleta|pera|perai|espera|calma|cidade|seguro|pode|virtual|remoto|home office)\b|^\w{2,}[aei]r$"
)


@lru_cache(maxsize=1)
def _cities() -> dict[str, list[tuple[str, str]]]:
    """Plain name → the towns of that name, each with its state."""
    by_name: dict[str, list[tuple[str, str]]] = {}
    for uf, names in json.loads(Path(__file__).with_name("cities.json").read_text()).items():
        for name in names:
            by_name.setdefault(_key(name), []).append((name, uf))
    return by_name


@lru_cache(maxsize=1)
def _by_letters() -> dict[tuple[str, int], list[str]]:
    """The names by first letter and length, where a slip of the hand is looked for."""
    groups: dict[tuple[str, int], list[str]] = {}
    for name in _cities():
        groups.setdefault((name[0], len(name)), []).append(name)
    return groups


def _key(name: str) -> str:
    return " ".join(re.sub(r"[^a-z ]", " ", plain(name)).split())


def _town(name: str, uf: str = "") -> str | None:
    """The town as it is written, with its state where that is given or can be known; None where there is no such town."""
    towns = _cities().get(_key(name), [])
    states = {state: official for official, state in towns}
    if uf:
        return f"{states[uf]}/{uf}" if uf in states else None
    if len(towns) == 1:
        return f"{towns[0][0]}/{towns[0][1]}"
    preferred = _PREFERRED.get(_key(name), "")
    if preferred in states:
        return f"{states[preferred]}/{preferred}"
    return towns[0][0] if towns else None


def _mended(name: str, uf: str = "") -> str | None:
    """The one town that is a slip away from what was typed: "ponta groça", "Curitba"."""
    key = _key(name)
    if len(key) < 6:
        return None
    if not uf and key in _UF_OF:
        return None
    groups = _by_letters()
    near = [
        other for length in (-1, 0, 1) for other in groups.get((key[0], len(key) + length), ()) if _one_slip(key, other)
    ]
    towns = {town for other in near if (town := _town(other, uf))}
    if len(towns) > 1 or len(key) < SLIP_MIN:
        towns = {town for town in towns if town.partition("/")[0] in _KNOWN_ALONE}
    return towns.pop() if len(towns) == 1 else None


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter is missing, added or changed, two neighbours are swapped, or "ss" and its like are mistaken."""
    a, b = (re.sub(r"ss|c(?=[eiao])|z", "s", word) for word in (a, b))
    if a == b:
        return True
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    return rest_a[1:] == rest_b or rest_a == rest_b[1:] or rest_a[1:] == rest_b[1:] or (
        rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:]
    )  # fmt: skip


# --- in any message ---------------------------------------------------------------------------------------------------
_ALONE = re.compile(
    rf"\b(?P<city>{'|'.join(sorted((plain(c) for c in _KNOWN_ALONE), key=len, reverse=True))})\b"
    rf"(?:\s{{0,2}}(?:[/,(-]\s{{0,2}})?(?:no\s|em\s)?(?P<state>{_STATE})\b(?!\s\w))?"
)


def find_city(text: str) -> Found | None:
    """ "em Castro/PR", "sou de Irati - PR", "aqui em Curitiba": a place with its state, or a city known without it."""
    text = text[:FIND_MAX]
    folded = blank(CONTACTS, plain(text))
    found: list[Found] = []
    if named := _CITY_AND_STATE.search(text):
        uf = _UF_OF[plain(named["uf"])]
        found.append(Found(_town(named["city"], uf) or f"{named['city']}/{uf}", named.start(), named.end()))
    for match in _ALONE.finditer(folded):
        before, after = folded[max(0, match.start() - 8) : match.start()], folded[match.end() : match.end() + 8]
        if re.match(r"\s(?:a|ate)\s[a-z]", after) or re.search(r"[a-z]\s(?:a|ate)\s$", before):
            continue  # "de Curitiba a Manaus"
        uf = _UF_OF[match["state"]] if match["state"] else ""
        if town := _town(match["city"], uf) or _town(match["city"]):
            found.append(Found(town, match.start(), match.end() if _town(match["city"], uf) else match.end("city")))
            break
    if not found and (nick := _IN_NICKNAME.search(folded)):
        found.append(Found(_NICKNAMES[nick["nick"]], nick.start("nick"), nick.end()))
    if not found and (said := _SAID_TO_BE.search(folded)):
        found += _longest_town(folded, said.start("rest"), said.end())
    for inside in _INSIDE.finditer(folded) if not found else ():
        if text[inside.start("rest")].isupper() or inside["rest"].startswith(_NEAR):
            found += _longest_town(folded, inside.start("rest"), inside.end())
    return min(found, key=lambda f: (f.start, -f.end), default=None)


def _longest_town(folded: str, start: int, end: int) -> list[Found]:
    """The town, known by its name alone, that the words from here on begin with."""
    words = list(re.finditer(r"[a-z'-]+", folded[start:end]))[:6]
    for count in range(len(words), 0, -1):
        name = folded[start : start + words[count - 1].end()]
        if _key(name) not in _ORDINARY and _key(name) not in _UF_OF and (town := _town(name)) and "/" in town:
            return [Found(town, start, start + words[count - 1].end())]
    return []


# --- as the answer ----------------------------------------------------------------------------------------------------
def read_city(text: str) -> str | None:
    """ "ponta grossa pr" → "Ponta Grossa/PR", "irati, paraná" → "Irati/PR", "PG" → "Ponta Grossa/PR".

    A place whose state is not known comes without one ("Guaragi"), a state alone by its name ("Paraná").
    """
    line = cleaned(text)[: 4 * SHORT_MAX]
    folded = plain(line)
    if re.search(r"\b(?:todo o brasil|brasil (?:todo|inteiro)|o brasil)\b", folded):
        return EVERYWHERE
    if abroad := _ABROAD.search(folded):
        return _unlisted(_split(line)[0], "") or abroad[0].title()
    if many := _several(line):
        return many
    return _one_place(line) or _place_in_a_sentence(line) or _unlisted(*_split(line))


def _several(line: str) -> str | None:
    """ "Curitiba, Londrina e Maringá": each part is a town."""
    parts = [part for part in re.split(r"\s*[,;]\s*|\s+[eE]\s+", line) if part][: PLACES_MAX + 1]
    if not 2 <= len(parts) <= PLACES_MAX or _town(line):
        return None
    towns = [_one_place(part) for part in parts]
    if not all(town and "/" in town and "@" not in town for town in towns) or any(
        _key(part) in _UF_OF for part in parts[1:]
    ):
        return None
    distinct = list(dict.fromkeys(str(town) for town in towns))
    if len(distinct) == 1:
        return distinct[0]
    return f"{', '.join(distinct[:-1])} e {distinct[-1]}"


def _one_place(line: str) -> str | None:
    name, uf = _split(line)
    if not name:
        return STATES[uf] if uf and line.lower().strip(" .!") not in _WORDS_LIKE_STATES else None
    if uf and (region := re.fullmatch(_REGION, _key(name))):
        return f"{INTERIOR}/{uf}" if region[0] == "interior" else STATES[uf]
    if nick := _NICKNAMES.get(_key(name)):
        return nick if not uf or nick.endswith(f"/{uf}") else f"{_title(name)}/{uf}"
    return _town(name, uf) or _mended(name, uf)


def _split(line: str) -> tuple[str, str]:
    """The name and the state (both may be empty) of a short answer, without what stands around them."""
    line = re.sub(r"[^\w\s/,()':.-]", " ", line)
    folded = plain(line)
    start = lead.end() if (lead := _BEFORE.match(folded)) else 0
    if _key(folded) in _NICKNAMES or _key(folded) in _cities():
        start = 0
    end = tail.start() if (tail := _AFTER.search(folded, start)) else len(folded)
    name, folded = line[start:end], folded[start:end]
    if _key(name) in _NICKNAMES or (
        _key(name) in _cities() and _key(name) in _UF_OF and _key(name) in ("sao paulo", "rio de janeiro")
    ):
        return name, ""
    match = re.fullmatch(
        rf"(?P<city>.{{1,80}}?)[\s/,(-]+(?:(?:no|na|em|de|do|da|estado)\s+){{0,3}}(?P<state>{_STATE})[)\s.]*", folded
    )
    if match and _key(name) not in _cities():
        return name[: match.end("city")].strip(" ,-/("), _UF_OF[match["state"]]
    if _key(name) in _UF_OF:
        return "", _UF_OF[_key(name)]
    return name.strip(" ,-/()"), ""


def _unlisted(name: str, uf: str) -> str | None:
    """A district, or a town abroad, as the customer writes it; None for what is no name of a place."""
    folded = plain(name)
    if not re.fullmatch(r"[a-z' .-]{3,40}(?:, [a-z ]{3,30})?", folded) or len(folded.split()) > 5:
        return None
    if is_refusal(name) or is_chat(folded) or re.search(_NOT_A_PLACE, folded) or not re.search(r"[aeiou]", folded):
        return None
    if len(_key(name)) < 4 or _key(name) in _UF_OF:
        return None
    return f"{_title(name)}/{uf}" if uf else _title(name)


def _place_in_a_sentence(line: str) -> str | None:
    if found := find_city(line):
        return found.value
    folded = plain(line)
    for part in re.split(r"[,;.]|\s-\s", line)[:4]:
        if part.strip() and len(part) < len(line) and (place := _one_place(part)) and "/" in place:
            return place
    if match := re.search(r"\b(?:em|de|no|na)\s(?P<rest>[a-z' -]{3,60})", folded):
        return next((found.value for found in _longest_town(folded, match.start("rest"), match.end())), None)
    return None


def read_state(text: str) -> str | None:
    """The two letters of a state: "no Paraná" → "PR"."""
    folded = _key(text)
    if folded in _UF_OF:
        return _UF_OF[folded]
    if folded in ("rio", "no rio", "sampa"):
        return "SP" if folded == "sampa" else "RJ"
    if len(folded.split()) > 8:
        return None
    match = re.search(
        rf"\b(?:{_STATE})\b", re.sub(r"^(?:(?:fica|e|no|na|em|estado|do|da|de|o|aqui|sou|somos)\s+)+", "", folded)
    )
    if match and (len(match[0]) > 4 or match[0] in folded.split()[-1:] or match.start() == 0):
        return _UF_OF[match[0]]
    return None


def read_town(text: str) -> str | None:
    """A town, where the state alone was said before and would be no news."""
    place = read_city(text)
    return None if place is None or lacks_town(place) else place


def other_town(text: str, place: str) -> str | None:
    """A known town with its state, said where only the state of another place was asked for."""
    said = _key(text)
    if (
        not lacks_state(place)
        or said in _UF_OF
        or re.search(r"\b(?:perto|proximo|lado|distrito|regiao|interior|vizinh[oa])\b", said)
    ):
        return None
    town, slash, uf = (read_city(text) or "").partition("/")
    if not slash or town in STATES.values() or _key(town) == _key(place) or not _town(town, uf):
        return None
    return f"{town}/{uf}"


def lacks_state(place: str) -> bool:
    """Whether it is a town whose state nobody said and nobody can know: "Guaragi"."""
    return (
        "/" not in place
        and "," not in place
        and not _ABROAD.search(plain(place))
        and place != EVERYWHERE
        and place not in STATES.values()
    )


def lacks_town(place: str) -> bool:
    """Whether only the state was said: "Paraná"."""
    return place in STATES.values()


def town_in(state: str, town: str) -> str:
    """The town in the state that was said before: "Paraná" and "Irati" are "Irati/PR"."""
    uf = _UF_OF.get(plain(state), "")
    name = town.partition("/")[0]
    return _town(name, uf) or (town if "/" in town else f"{name}/{uf}")


def _title(name: str) -> str:
    words = name.strip(" ,-/").lower().split()
    return " ".join(w if w in _LOWER and i else w[:1].upper() + w[1:] for i, w in enumerate(words))[:SHORT_MAX]


def lone_town(text: str) -> str | None:
    """A town near the company, or one with its state: "castro", "carambeí pr". Other names may be anything."""
    said = squeezed(text[:LONE_MAX])
    if match := re.fullmatch(rf"(?P<city>[a-z' -]{{3,40}}?)[ ,/-]{{1,3}}(?P<state>{_STATE})", said):
        return _town(match["city"], _UF_OF[match["state"]])
    return _town(said) if said in _NEAR and said not in _WORDS_LIKE_TOWNS else None
