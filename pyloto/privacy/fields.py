"""Encryption of single fields: AES-256-GCM, bound to the document and the field where the value stands."""

import base64
import binascii
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pyloto.errors import PermanentError

from .keyring import read_ring

NONCE_BYTES = 12  # GCM's own size
_VERSION = re.compile(r"([0-9]{1,9})\.", re.ASCII)


class DecryptionFailed(PermanentError):
    """Wrong key, or the value was changed, or it was taken from another document or field."""


class UnknownKey(DecryptionFailed):
    """The envelope names a key that `PRIVACY_KEYS` does not hold (any more)."""


def encrypt(value: str, *, path: str, field: str) -> str:
    """The envelope to store: "{key version}.{base64 of nonce and ciphertext}"."""
    version, key = next(iter(read_ring("PRIVACY_KEYS").items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, value.encode("utf-8", "surrogatepass"), _associated_data(path, field))
    return f"{version}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(envelope: str, *, path: str, field: str) -> str:
    """What `encrypt` was given. Raises `DecryptionFailed`; its text names the place and the key, never a value."""
    version = key_version(envelope)
    if version is None:
        raise DecryptionFailed(f"No envelope in {field} of {path}")
    key = read_ring("PRIVACY_KEYS").get(version)
    if key is None:
        raise UnknownKey(f"{field} of {path} needs key {version}, which PRIVACY_KEYS does not hold")
    try:
        sealed = base64.b64decode(envelope.partition(".")[2], altchars=b"-_", validate=True)
        plain = AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated_data(path, field))
    except (InvalidTag, binascii.Error, ValueError) as exc:
        raise DecryptionFailed(f"Cannot decrypt {field} of {path}") from exc
    return plain.decode("utf-8", "surrogatepass")


def key_version(envelope: str) -> int | None:
    """Which key sealed it; None where this is no envelope."""
    match = _VERSION.match(envelope)
    return int(match[1]) if match else None


def newest_key() -> int:
    """The version that `encrypt` writes: the first of `PRIVACY_KEYS`."""
    return next(iter(read_ring("PRIVACY_KEYS")))


def _associated_data(path: str, field: str) -> bytes:
    return f"pyloto.field.v1\0{path}\0{field}".encode()
