"""Meta's signature of a delivery, and the reading of its bytes. Pure."""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any

MAX_DEPTH = 64
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # possessive, ends at the end: linear on any input
_BRACKET = re.compile(rb"[\[\]{}]")


class Undecodable(ValueError):
    """Signed bytes that are no JSON we accept. The text is a reason code, never the content."""


def is_signed(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether `header` ("sha256=<hex>") is the HMAC-SHA256 of the raw body under one of the app secrets.

    Source: Meta, webhooks "validating payloads".
    """
    prefix, _, given = (header or "").partition("=")
    if prefix != "sha256":
        return False
    digest = given.encode("utf-8", "replace")  # compare_digest refuses non-ASCII text
    matches = [
        hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode(), digest)
        for secret in secrets
        if secret
    ]
    return any(matches)


def decode_delivery(body: bytes) -> Any:
    """The JSON of a delivery. Raises `Undecodable`: a retry of the same bytes would not help."""
    try:
        text = body.decode("utf-8", "strict")
    except UnicodeDecodeError as exc:
        raise Undecodable("not_utf8") from exc
    if _depth(body) > MAX_DEPTH:
        raise Undecodable("too_deep")
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except Undecodable:
        raise
    except (ValueError, RecursionError) as exc:  # ValueError: bad JSON, integers of more than 4300 digits
        raise Undecodable("not_json") from exc


def _depth(body: bytes) -> int:
    """The deepest nesting of brackets outside strings; counted before parsing, so that depth cannot exhaust the stack."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_constant(name: str) -> None:
    raise Undecodable("not_a_number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Undecodable("duplicate_keys")
    return result
