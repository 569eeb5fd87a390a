#!/usr/bin/env python3
"""Verification of Pyloto's audit trail. One file that an auditor can take away: no Django, nothing else of Pyloto.

It needs Python 3.11 and `cryptography`; `orjson`, where it is installed, makes it faster. Pyloto itself verifies with
these very functions: there is no second implementation.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# --- The Merkle tree of RFC 6962 --------------------------------------------------------------------------------------

HASH_BYTES = 32


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that is needed to append leaves and to tell the root.

    `hashes` are the roots of its perfect subtrees in hex, the largest first: what `to_list` gave back for that size.
    Raises `ValueError` where they cannot be those of a tree with `size` leaves.
    """

    def __init__(self, size: int = 0, hashes: Sequence[str] = ()) -> None:
        self.size = size
        self._subtrees = [bytes.fromhex(text) for text in hashes]
        if size < 0 or len(hashes) != size.bit_count() or any(len(h) != HASH_BYTES for h in self._subtrees):
            raise ValueError(f"Not the hashes of a tree with {size} leaves")

    def append(self, leaf_hash: bytes) -> None:
        self._subtrees.append(leaf_hash)
        size = self.size
        while size & 1:  # as many perfect subtrees of the same height meet as the old size ends in ones
            right = self._subtrees.pop()
            self._subtrees.append(node_hash(self._subtrees.pop(), right))
            size >>= 1
        self.size += 1

    def root(self) -> bytes:
        if not self._subtrees:
            return hashlib.sha256().digest()
        *others, root = self._subtrees
        for subtree in reversed(others):
            root = node_hash(subtree, root)
        return root

    def to_list(self) -> list[str]:
        return [subtree.hex() for subtree in self._subtrees]


def inclusion_proof(index: int, size: int, leaf_hashes: Iterable[bytes]) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves; the leaf's own neighbour first.

    Reads the leaves once and keeps none. Raises `ValueError` where there are fewer than `size`.
    """
    siblings = _sibling_ranges(index, size)
    subtrees = {first: Frontier() for first, _ in siblings}
    ends = dict(siblings)
    current = None
    read = 0
    for position, hashed in enumerate(leaf_hashes):
        if position == size:
            break
        if position in ends:
            current = position
        if current is not None and current <= position < ends[current]:
            subtrees[current].append(hashed)
        read += 1
    if read < size:
        raise ValueError(f"The log has fewer than {size} leaves")
    return [subtrees[first].root() for first, _ in siblings]


def _sibling_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves (from, to) below each hash of an inclusion proof, in the proof's order. RFC 6962, 2.1.1."""
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} among {size}")
    ranges = []
    first, end = 0, size
    while end - first > 1:
        middle = first + (1 << (end - first - 1).bit_length() - 1)  # the largest power of two below their number
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf at `index` to the root of a tree with `size` leaves."""
    try:
        ranges = _sibling_ranges(index, size)
    except ValueError:
        return False
    if len(ranges) != len(proof):
        return False
    for (first, _), sibling in zip(ranges, proof, strict=True):
        leaf_hash = node_hash(leaf_hash, sibling) if first > index else node_hash(sibling, leaf_hash)
    return leaf_hash == root


# --- Signed checkpoints: c2sp.org/tlog-checkpoint, c2sp.org/signed-note -----------------------------------------------

ED25519 = b"\1"  # the kind of key, in front of its 32 bytes
SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
NAME = re.compile(r"[^\s+]+")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """The note is not a checkpoint, or not one that the key signed."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key that goes by a name. As text, its vkey: `name+hash+key`."""

    name: str
    public_key: bytes

    @property
    def key_hash(self) -> bytes:
        """Four bytes by which a signature tells whose it is."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"


@dataclass(frozen=True)
class Signature:
    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A checkpoint: `root` is that of the log's first `size` leaves. `text` is what was signed."""

    text: str
    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...]
    signatures: tuple[Signature, ...]


def parse_vkey(text: str) -> VerifierKey:
    """Raises `NoteError` for what is not the vkey of an Ed25519 key."""
    name, _, rest = text.strip().partition("+")
    key_hash, _, encoded = rest.partition("+")
    key = _base64(encoded)
    if not NAME.fullmatch(name) or key[:1] != ED25519 or len(key) != 1 + HASH_BYTES:
        raise NoteError("Not the verifier key of an Ed25519 signer")
    found = VerifierKey(name, key[1:])
    if key_hash != found.key_hash.hex():
        raise NoteError("The verifier key does not fit its own hash")
    return found


def parse_note(text: str) -> Note:
    """Read a signed checkpoint without verifying it. Raises `NoteError` for anything that is not exactly one."""
    if CONTROL.search(text):
        raise NoteError("A note holds no control characters")
    signed, separator, signature_lines = text.rpartition("\n\n")
    if not separator or not signature_lines.endswith("\n"):
        raise NoteError("A note has a text, an empty line and signatures")
    lines = signed.split("\n")
    if len(lines) < 3 or "" in lines or not SIZE.fullmatch(lines[1]):
        raise NoteError("A checkpoint has an origin, a size and a root")
    origin, size, root, *extensions = lines
    if len(_base64(root)) != HASH_BYTES:
        raise NoteError("The root is no SHA-256 hash")
    return Note(
        text=signed + "\n",
        origin=origin,
        size=int(size),
        root=_base64(root),
        extensions=tuple(extensions),
        signatures=tuple(map(_parse_signature, signature_lines[:-1].split("\n"))),
    )


def verify_note(text: str, vkey: str | VerifierKey) -> Note:
    """The checkpoint that the key signed. Raises `NoteError` where there is none, or where its log is another one.

    Signatures of other keys (witnesses) are not looked at.
    """
    key = parse_vkey(vkey) if isinstance(vkey, str) else vkey
    note = parse_note(text)
    if note.origin != key.name:
        raise NoteError("The checkpoint is one of another log")
    ours = [s for s in note.signatures if (s.name, s.key_hash) == (key.name, key.key_hash)]
    if not ours:
        raise NoteError("The checkpoint is not signed by this key")
    try:
        for each in ours:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(each.signature, note.text.encode())
    except (InvalidSignature, ValueError) as exc:
        raise NoteError("The checkpoint's signature is wrong") from exc
    return note


def _parse_signature(line: str) -> Signature:
    match = SIGNATURE_LINE.fullmatch(line)
    decoded = _base64(match[2]) if match else b""
    if match is None or len(decoded) <= 4:
        raise NoteError("Not the line of a signature")
    return Signature(match[1], decoded[:4], decoded[4:])


def _base64(text: str) -> bytes:
    """Strict: one text for the same bytes. Raises `NoteError`."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise NoteError("Not base64") from exc
    if base64.b64encode(decoded).decode() != text:
        raise NoteError("Not canonical base64")
    return decoded
