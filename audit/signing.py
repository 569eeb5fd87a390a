"""Signs the checkpoints: C2SP notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) under an Ed25519 key.

Ed25519 signs without randomness: whoever signs the same checkpoint writes the same note. Verification is the public
half's, in `verify_trail`.
"""

import base64
import binascii
import re
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .verify_trail import Note, NoteError, VerifierKey, parse_vkey, verify_by_one_of

SEED_BYTES = 32
ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,99}")  # it is the key's name too: no blank, no plus


def sign_checkpoint(*, size: int, root: bytes, at: datetime) -> str:
    """The signed note of the log's first `size` leaves. `at`, to the second, stands in it as a line of its own."""
    lines = [
        settings.AUDIT_ORIGIN,
        str(size),
        base64.b64encode(root).decode(),
        f"time {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    ]
    text = "".join(f"{line}\n" for line in lines)
    private, key = _signing_key(), verifier_key()
    signature = base64.b64encode(key.key_hash + private.sign(text.encode())).decode()
    return f"{text}\n— {key.name} {signature}\n"


def verify_checkpoint(text: str) -> Note:
    """The checkpoint that our key signed, or one before it. Raises `NoteError`."""
    return verify_by_one_of(text, trusted_keys())


def require_signing_key() -> None:
    """Raises `ImproperlyConfigured` in a process that may verify, and not sign."""
    _signing_key()


def verifier_key() -> VerifierKey:
    """The public half: what auditors keep. Raises `ImproperlyConfigured` for a bad key, and for none."""
    if not ORIGIN.fullmatch(settings.AUDIT_ORIGIN):
        raise ImproperlyConfigured("AUDIT_ORIGIN has letters, digits, '.', '/', '_' and '-', at most 100")
    if not (settings.AUDIT_SIGNING_KEY or settings.AUDIT_PUBLIC_KEY):
        raise ImproperlyConfigured(
            "Neither AUDIT_SIGNING_KEY, for who signs, nor AUDIT_PUBLIC_KEY, for all others, is set"
        )
    key = _public_key() if settings.AUDIT_PUBLIC_KEY else _public_half()
    if settings.AUDIT_SIGNING_KEY and key != _public_half():
        raise ImproperlyConfigured("AUDIT_PUBLIC_KEY is not the public half of AUDIT_SIGNING_KEY")
    return key


def trusted_keys() -> tuple[VerifierKey, ...]:
    """The key that signs and, behind it, those that signed before. Raises `ImproperlyConfigured`."""
    current = verifier_key()
    try:
        previous = tuple(map(parse_vkey, settings.AUDIT_PREVIOUS_PUBLIC_KEYS))
    except NoteError as exc:
        raise ImproperlyConfigured(
            "AUDIT_PREVIOUS_PUBLIC_KEYS: each is a vkey, as `manage.py audit_checkpoint --public-key` prints it"
        ) from exc
    if any(key.name != current.name for key in previous):
        raise ImproperlyConfigured("AUDIT_PREVIOUS_PUBLIC_KEYS: a key of another log: AUDIT_ORIGIN never changes")
    return (current, *previous)


def _public_key() -> VerifierKey:
    try:
        key = parse_vkey(settings.AUDIT_PUBLIC_KEY)
    except NoteError as exc:
        raise ImproperlyConfigured(
            "AUDIT_PUBLIC_KEY is a vkey, as `manage.py audit_checkpoint --public-key` prints it"
        ) from exc
    if key.name != settings.AUDIT_ORIGIN:
        raise ImproperlyConfigured("AUDIT_PUBLIC_KEY is a key of another log than AUDIT_ORIGIN names")
    return key


def _public_half() -> VerifierKey:
    return VerifierKey(settings.AUDIT_ORIGIN, _signing_key().public_key().public_bytes_raw())


def _signing_key() -> Ed25519PrivateKey:
    if not settings.AUDIT_SIGNING_KEY:
        raise ImproperlyConfigured(
            "AUDIT_SIGNING_KEY is not set: this process may verify checkpoints, and not sign them"
        )
    try:
        seed = base64.b64decode(settings.AUDIT_SIGNING_KEY, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ImproperlyConfigured("AUDIT_SIGNING_KEY is not base64") from exc
    if len(seed) != SEED_BYTES:
        raise ImproperlyConfigured(f"AUDIT_SIGNING_KEY must be {SEED_BYTES} random bytes in base64")
    return Ed25519PrivateKey.from_private_bytes(seed)
