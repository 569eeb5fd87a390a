"""Typed reading of environment variables. A value that cannot be read stops the start, with the variable's name."""

import os
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured

PLACEHOLDERS = {"changeme", "change-me", "secret", "xxx", "todo", "example"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """A value that must be given: missing or a placeholder stops the start."""
    value = text(name)
    if not value or value.lower() in PLACEHOLDERS:
        raise ImproperlyConfigured(
            f"{name} is missing or a placeholder. For a try-out, `make run` writes a .env with random secrets; "
            "for production see docs/production.md."
        )
    return value


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false")


def number(name: str, default: int, *, minimum: int = 0) -> int:
    value = text(name)
    try:
        result = int(value) if value else default
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} must be a whole number") from exc
    if result < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}")
    return result


def seconds(name: str, default: float, *, minimum: float = 0) -> timedelta:
    value = text(name)
    try:
        result = float(value) if value else default
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} must be a number of seconds") from exc
    if not minimum <= result < 10**8:
        raise ImproperlyConfigured(f"{name} must be a number of seconds, at least {minimum}")
    return timedelta(seconds=result)


def items(name: str, default: str = "") -> list[str]:
    """A list separated by commas, blanks dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def choice(name: str, default: str, choices: set[str]) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(sorted(choices))}")
    return value
