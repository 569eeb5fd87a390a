"""What every process does first: refuse a dangerous setting, whatever started the process."""

from django.core import checks
from django.core.exceptions import ImproperlyConfigured


def require_checks() -> None:
    """Raises `ImproperlyConfigured` with all errors of the system checks: only `manage.py` runs them by itself."""
    if serious := [str(message) for message in checks.run_checks() if message.is_serious()]:
        raise ImproperlyConfigured("\n".join(serious))
