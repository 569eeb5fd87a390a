"""Whether a text names a person: by phone in any spelling, by an id of WhatsApp's, or inside of Meta's message ids."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Sequence

_ESCAPED = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|([/\"bfnrt]))")  # of JSON, also of JSON in a JSON string
_SURROGATES = re.compile("[\ud800-\udfff]")
_FOREIGN_DIGITS = re.compile(r"(?![0-9])\d")
_SIGNS = re.compile(r"(?<=[0-9])[^0-9A-Za-z\"{}]{1,6}(?=[0-9])")  # not from one field of JSON into the next
_MESSAGE_IDS = re.compile(r"(?:wamid\.|HBg)[\w+/=\\-]+")
_BRAZILIAN_MOBILE = re.compile(r"\+55(\d\d)9(\d{8})")
USERNAME_MIN = 3  # Meta: usernames have 3 to 35 characters


def names_person(text: str, identifiers: Sequence[tuple[str, str]]) -> bool:
    """`identifiers`: (kind, canonical value), as `Subject` has them."""
    if not identifiers:
        return False
    phones = [_digits(value) for kind, value in identifiers if kind == "PHONE"]
    plain = _plain(text)
    if phones:
        squeezed = _SIGNS.sub("", plain)
        inside = "\n".join(map(_decoded, _MESSAGE_IDS.findall(text)))
        if any(phone.search(squeezed) or phone.search(inside) for phone in phones):
            return True
    folded = plain.lower()
    return any(_stands_in(value.lower(), folded) for kind, value in identifiers if kind != "PHONE")


def _digits(phone: str) -> re.Pattern[str]:
    """A Brazilian mobile with or without country code and ninth digit; else the whole number."""
    if found := _BRAZILIAN_MOBILE.fullmatch(phone):
        area, subscriber = found.groups()
        return re.compile(rf"{area}9?{subscriber}")
    return re.compile(re.escape(phone.removeprefix("+")))


def _plain(text: str) -> str:
    """As people read it: without the escapes of JSON, in one form of each character, digits of all scripts as ASCII."""
    text = _ESCAPED.sub(_unescaped, text)
    if text.isascii():
        return text
    if _SURROGATES.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = unicodedata.normalize("NFKC", text)
    return _FOREIGN_DIGITS.sub(lambda found: str(int(found[0])), text)


def _unescaped(found: re.Match[str]) -> str:
    if code := found[1]:
        return chr(int(code, 16))
    return found[2] if found[2] in '/"' else "\n"


def _decoded(message_id: str) -> str:
    """What a message id of Meta's holds; its phone stands there in plain digits."""
    encoded = message_id.removeprefix("wamid.").replace("\\", "").rstrip("=").replace("-", "+").replace("_", "/")
    encoded = encoded[: len(encoded) // 4 * 4]
    try:
        return base64.b64decode(encoded, validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""


def _stands_in(value: str, folded: str) -> bool:
    """As a word of its own: a username may be part of a longer one."""
    return len(value) >= USERNAME_MIN and bool(re.search(rf"(?<![\w.]){re.escape(value)}(?![\w.])", folded))
