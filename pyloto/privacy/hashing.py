"""Keys that say nothing: of identifiers by HMAC with a secret pepper, of message and event ids by digest."""

import hashlib
import hmac

from .keyring import read_ring


def identity_keys(kind: str, value: str) -> list[str]:
    """Document ids of one identifier: under the current pepper first, then under the previous ones.

    `value` is canonical already (see `phones`). A plain digest would not do: all Brazilian mobile numbers can be tried
    within the hour.
    """
    message = f"{kind}:{value}".encode("utf-8", "surrogatepass")
    return [
        f"v{version}-{hmac.new(pepper, message, hashlib.sha256).hexdigest()}"
        for version, pepper in read_ring("PRIVACY_PEPPERS").items()
    ]


def digest(*parts: str) -> str:
    """40 hex digits for the parts, each with its length in front: ("a", "bc") and ("ab", "c") differ."""
    sha = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        sha.update(b"%d:" % len(encoded) + encoded)
    return sha.hexdigest()[:40]
