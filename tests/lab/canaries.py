"""Planted personal data, and the search for it: what a test plants must turn up in no log, audit event, task or URL."""

import base64
import re
import unicodedata
from urllib.parse import quote

PHONE = "+5542998761234"
WA_ID = "554298761234"  # as WhatsApp sends it for an old account: without the ninth digit
PHONE_SPELLINGS = (
    PHONE,
    WA_ID,
    "5542998761234",
    "+55 (42) 9 9876-1234",
    "(42) 99876-1234",
    "42 9876 1234",
    "042 99876.1234",
    "99876-1234",
)
NAME = "Zuleica Quixabeira"
EMAIL = "z.quixa@canario.invalid"
BSUID = "BR.8213400917735512"
CPF = "529.982.247-25"

_SUBSCRIBER = "98761234"  # in every spelling once spaces and signs are gone


def planted_wamid(number: int = 1, wa_id: str = WA_ID) -> str:
    """An id of Meta's shape for an inbound message: base64 with the phone inside."""
    payload = (
        b"\x1c\x18" + bytes([len(wa_id)]) + wa_id.encode() + b"\x15\x02\x00\x12\x18\x14" + b"%020X" % number + b"\0"
    )
    return "wamid." + base64.b64encode(payload).decode()


WAMID = planted_wamid()


def find_canaries(text: str) -> list[str]:
    """What of the planted data stands in the text, in whatever spelling; empty is good."""
    folded = _fold(text)
    squeezed = re.sub(r"[\s().+\-/]|%20|%2[bBdD89]", "", text)
    found = {
        "phone": _SUBSCRIBER in squeezed,
        "phone in base64": any(form in text for form in _PHONE_IN_BASE64),
        "name": any(word in folded for word in _fold(NAME).split()),
        "e-mail": EMAIL.partition("@")[0] in folded or "canario.invalid" in folded,
        "wamid": "wamid." in folded or quote("wamid.") in folded or WAMID.removeprefix("wamid.")[:16] in text,
        "business-scoped id": BSUID.partition(".")[2] in text,
        "cpf": re.sub(r"\D", "", CPF) in squeezed,
    }
    return [label for label, present in found.items() if present]


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _base64_forms(data: bytes) -> set[str]:
    """How `data` looks inside of a longer base64 text, at each of its three alignments."""
    forms = set()
    for offset, unstable in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        stable_end = (offset + len(data)) // 3 * 4
        forms.add(encoded[unstable:stable_end])
    return forms


_PHONE_IN_BASE64 = {form for digits in (b"5542998761234", b"4298761234") for form in _base64_forms(digits)}
