"""What a driver rides or drives. Pure."""

import re

from .choices import listed, mentioned
from .words import LONE_MAX, Found, plain, squeezed

_VEHICLES = {
    "Moto": r"moto\w*|motto|mto|scooter|biz|cg|uma honda|yamaha|ybr|factor|suzuki|shineray|titan|fan|bros|pop ?100|fazer|twister|cb ?\d{3}|nmax|pcx",
    "Bicicleta": r"bike\w*|bicicleta\w*|bici|bicleta|magrela",
    "Carro": r"carro\w*|automovel|fusca|uno|gol|palio|celta|onix|hb20|corsa|fiesta|ka|sandero|kwid|mobi|civic|corolla|voyage|prisma|sedan",
    "Van ou utilitário": r"fiorino|kombi|van|utilitari\w+|caminhonete|camionete|caminhao|saveiro|strada|montana|furgao|doblo|kangoo",
}
_NO_VEHICLE = r"(?:(?:ainda|por enquanto|estou|to) )?(?:nao (?:tenho|possuo)|nenhum\w*|sem)(?: (?:veiculo|nada|moto|carro|nenhum\w*|um|ainda|por enquanto|no momento))*(?: ainda)?"


def read_vehicle(text: str) -> str | None:
    if vehicles := listed(mentioned(text, _VEHICLES)):
        return vehicles
    return "Ainda não tenho" if re.fullmatch(_NO_VEHICLE, squeezed(text)) else None


def mentions_vehicle(text: str) -> bool:
    return bool(mentioned(text, _VEHICLES))


def find_vehicle(text: str) -> Found | None:
    """ "tenho uma moto", "de bike": with a word that says whose it is, and not "quero comprar uma moto"."""
    folded = plain(text)
    match = re.search(rf"\b(?:tenho|de|com|minha|meu|uma?|possuo)\s(?:{'|'.join(_VEHICLES.values())})\b", folded)
    if not match or not (vehicles := listed(mentioned(text, _VEHICLES))):
        return None
    return Found(vehicles, match.start(), match.end())


_VEHICLE = rf"(?!motob|motor|motoq)(?:{'|'.join(_VEHICLES.values())})"
_LONE = re.compile(
    rf"(?:(?:de|com|tenho|uma?|minha|meu|so) ){{0,3}}{_VEHICLE}(?:,? (?:e|ou|uma?|propri[oa]|minha|meu|\d{{2,3}}(?:cc)?|{_VEHICLE})){{0,4}}"
)


def lone_vehicle(text: str) -> str | None:
    return read_vehicle(text) if _LONE.fullmatch(squeezed(text[:LONE_MAX])) else None
