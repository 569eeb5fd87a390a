"""What a driver rides or drives. Pure."""

import re

from .choices import listed, mentioned
from .words import LONE_MAX, Found, plain, squeezed

_VEHICLES = {
    "Moto": r"moto\w*|motto|mto|scooter|biz|cg|uma honda|yamaha|ybr|factor|suzuki|shineray|titan|fan|bros|pop ?100|yamaha fazer|fazer \d{3}|twister|cb ?\d{3}|nmax|pcx",
    "Bicicleta": r"bike\w*|bicicleta\w*|bici|bicleta|magrela",
    "Carro": r"carro\w*|automovel|fusca|uno|gol|palio|celta|onix|hb20|corsa|fiesta|ka|sandero|kwid|mobi|civic|corolla|voyage|prisma|sedan",
    "Van ou utilitário": r"fiorino|kombi|van|utilitari\w+|caminhonete|camionete|caminhao|saveiro|strada|montana|furgao|doblo|kangoo",
}
_NO_VEHICLE = r"(?:(?:ainda|por enquanto|estou|to) )?(?:nao (?:tenho|possuo)|nenhum\w*|sem)(?: (?:veiculo|nada|moto|carro|nenhum\w*|um|ainda|por enquanto|no momento))*(?: ainda)?"
_ANY = "|".join(_VEHICLES.values())
_BROKEN = r"(?:estrag(?:ou|ad[ao])|quebr(?:ou|ad[ao])|pif(?:ou|ad[ao])|fundi(?:u|d[ao])|roubad[ao]|furtad[ao]|vendid[ao]|batid[ao]|deu pt|deu perda total)"
_NO_MORE = re.compile(  # "minha moto estragou", "roubaram a moto", "vendi minha bike"
    rf"\b(?:{_ANY})(?:,? (?:mas|so que|que|ela|ele|ta|esta|estava|foi|ja|me|se|hoje|ontem|agora|infelizmente)){{0,4}} {_BROKEN}\b"
    rf"|\b(?:estrag|quebr|pif|roub|furt|vendi|vendeu|bati|bateu|perdi)(?:ou|ei|aram)? (?:(?:a|o|minha|meu|de|da) ){{0,2}}(?:{_ANY})\b"
)
_NOT_YET = re.compile(
    rf"\b(?:comprar|pegar|financiar|alugar|arrumar) (?:(?:a|o|uma?|minha|meu|outr[oa]) ){{0,2}}(?:{_ANY})\b"
)
_HAS_NONE = re.compile(rf"\bnao (?:tenho|possuo) (?:(?:mais|ainda|uma?|nenhuma?) )?(?:{_ANY}|veiculo)\b")


def _vehicles(text: str) -> str | None:
    """What there is to ride; what broke, is gone or is still to be bought is none."""
    return listed(mentioned(_NOT_YET.sub(" ", _NO_MORE.sub(" ", plain(text))), _VEHICLES))


def read_vehicle(text: str) -> str | None:
    if vehicles := _vehicles(text):
        return vehicles
    said = squeezed(text)
    none = re.fullmatch(_NO_VEHICLE, said) or (
        "?" not in text and any(p.search(said) for p in (_HAS_NONE, _NO_MORE, _NOT_YET))
    )
    return "Ainda não tenho" if none else None


def mentions_vehicle(text: str) -> bool:
    return bool(mentioned(text, _VEHICLES))


_OWN = re.compile(rf"\b(?:tenho|de|com|minha|meu|uma?|possuo)\s(?:{_ANY})\b")


def find_vehicle(text: str) -> Found | None:
    """ "tenho uma moto", "de bike": with a word that says whose it is, and not "quero comprar uma moto"."""
    match = _OWN.search(plain(text))
    if not match or not (vehicles := _vehicles(text)):
        return None
    return Found(vehicles, match.start(), match.end())


_VEHICLE = rf"(?!motob|motor|motoq)(?:{_ANY})"
_LONE = re.compile(
    rf"(?:(?:de|com|tenho|uma?|minha|meu|so) ){{0,3}}{_VEHICLE}(?:,? (?:e|ou|uma?|propri[oa]|minha|meu|\d{{2,3}}(?:cc)?|{_VEHICLE})){{0,4}}"
)


def lone_vehicle(text: str) -> str | None:
    return read_vehicle(text) if _LONE.fullmatch(squeezed(text[:LONE_MAX])) else None
