"""System checks: a key that cannot sign or verify, or none at all, is found when the process starts."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured

from .signing import trusted_keys

HINT = (
    "`python -m pyloto.bootstrap` makes a signing key, `manage.py audit_checkpoint --public-key` prints its public half"
)


@register
def check_signing_key(**kwargs: Any) -> list[Error]:
    try:
        trusted_keys()
    except ImproperlyConfigured as exc:
        return [Error(str(exc), hint=HINT, id="audit.E001")]
    return []


@register(deploy=True)
def check_shared_storage(**kwargs: Any) -> list[checks.Warning]:
    if settings.DOCUMENTS_BACKEND == "embedded" or settings.EXPORTS_BUCKET:
        return []
    text = "Checkpoints are written to a directory of this machine: every worker and the web process must share it"
    return [
        checks.Warning(text, hint="EXPORTS_BUCKET names a Cloud Storage bucket (docs/production.md)", id="audit.W001")
    ]
