"""Encryption of files of any size, in pieces: memory stays bounded, and no piece can be changed, moved or left out.

"{key version}.stream1\\n", 32 random bytes, then pieces of 256 KiB, each sealed with AES-256-GCM. The key is derived for this
one file, from the key of the settings and the random bytes; a piece's nonce is its number and whether it is the last
(the STREAM construction). So pieces of two files, or of two encryptions of one, fit nowhere else, and a file that ends early
has no last piece. Bound, as every envelope, to the document and the field to which the file belongs.
"""

import os
from collections.abc import Iterable, Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .fields import DecryptionFailed, UnknownKey, key_version
from .keyring import read_ring

PIECE_BYTES = 256 * 1024
TAG_BYTES = 16  # GCM's own
SALT_BYTES = 32
HEAD_MAX = 32  # of the first line; a version has up to 9 digits
FORM = "stream1"


def encrypt_stream(content: Iterable[bytes], into: IO[bytes], *, path: str, field: str) -> None:
    """Write the content, encrypted under the newest key, into a file that is open for writing."""
    version, secret = next(iter(read_ring("PRIVACY_KEYS").items()))
    salt = os.urandom(SALT_BYTES)
    into.write(f"{version}.{FORM}\n".encode() + salt)
    cipher, bound = _cipher(secret, salt), _associated_data(path, field)
    number, waiting = 0, bytearray()
    for part in content:
        waiting += part
        while len(waiting) > PIECE_BYTES:  # a full piece waits until it is known not to be the last
            into.write(cipher.encrypt(_nonce(number, last=False), bytes(waiting[:PIECE_BYTES]), bound))
            del waiting[:PIECE_BYTES]
            number += 1
    into.write(cipher.encrypt(_nonce(number, last=True), bytes(waiting), bound))


def decrypt_stream(file: IO[bytes], *, path: str, field: str) -> Iterator[bytes]:
    """What `encrypt_stream` was given, piece by piece. Raises `DecryptionFailed`, at the latest instead of the last piece.

    Whoever passes the pieces on has passed on what was stored, but knows that it was all only at the end.
    """
    line = file.readline(HEAD_MAX).decode("ascii", "replace")
    version = key_version(line)
    if version is None or line != f"{version}.{FORM}\n":
        raise DecryptionFailed(f"No encrypted file in {field} of {path}")
    secret = read_ring("PRIVACY_KEYS").get(version)
    if secret is None:
        raise UnknownKey(f"{field} of {path} needs key {version}, which PRIVACY_KEYS does not hold")
    cipher, bound = _cipher(secret, file.read(SALT_BYTES)), _associated_data(path, field)
    number, piece = 0, file.read(PIECE_BYTES + TAG_BYTES)
    while True:
        following = file.read(PIECE_BYTES + TAG_BYTES)
        try:
            plain = cipher.decrypt(_nonce(number, last=not following), piece, bound)
        except (InvalidTag, ValueError) as exc:
            raise DecryptionFailed(f"Cannot decrypt {field} of {path}") from exc
        yield plain
        if not following:
            return
        number, piece = number + 1, following


def _cipher(secret: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"pyloto.file.v1").derive(secret))


def _nonce(number: int, *, last: bool) -> bytes:
    """12 bytes, GCM's own size. No key seals more than one file, so that numbers are enough."""
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")


def _associated_data(path: str, field: str) -> bytes:
    return f"pyloto.file.v1\0{path}\0{field}".encode()
