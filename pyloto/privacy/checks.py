"""System checks: bad secrets are found when the process starts, not at the first customer."""

from typing import Any

from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured

from .keyring import read_ring

HINT = '"version:base64 of 32 random bytes", newest first, such as "2:…,1:…"; `python -m pyloto.bootstrap` makes one'


@register
def check_key_rings(**kwargs: Any) -> list[Error]:
    errors = []
    for setting, code in (("PRIVACY_KEYS", "pyloto.E001"), ("PRIVACY_PEPPERS", "pyloto.E002")):
        try:
            read_ring(setting)
        except ImproperlyConfigured as exc:
            errors.append(Error(str(exc), hint=HINT, id=code))
    return errors
