"""Versioned secrets out of the settings: "2:base64,1:base64". The first is used to write, all are used to read."""

import base64
import binascii
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

SECRET_BYTES = 32


def read_ring(setting: str) -> dict[int, bytes]:
    """Version to secret, the newest first. Raises `ImproperlyConfigured` that names the setting, never its value."""
    return _parse(setting, getattr(settings, setting, ""))


@lru_cache(maxsize=8)
def _parse(setting: str, value: str) -> dict[int, bytes]:
    ring: dict[int, bytes] = {}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        version, _, encoded = entry.partition(":")
        if not (version.isascii() and version.isdigit()) or int(version) in ring:
            raise ImproperlyConfigured(f'{setting}: each entry is "version:base64" with a version of its own')
        try:
            secret = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ImproperlyConfigured(f"{setting}: version {version} is not base64") from exc
        if len(secret) != SECRET_BYTES:
            raise ImproperlyConfigured(f"{setting}: version {version} must be {SECRET_BYTES} random bytes")
        ring[int(version)] = secret
    if not ring:
        raise ImproperlyConfigured(f"{setting} is empty")
    return ring
