"""Events as people read them: what the admin and the reports show of the codes that are stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from .chain import EventType

TYPES = dict(EventType.choices)
ACTORS = {
    "PYLOTO": "Bot",
    "USER": "Cliente",
    "HUMAN": "Atendente",
    "SYSTEM": "Sistema",
    "system": "Sistema",
}
ID_LENGTH = 32  # what is shorter is a code
UNKNOWN = "?"  # where a damaged event has nothing that can be shown


def when_label(at: object, form: str = "%d/%m/%Y %H:%M:%S") -> str:
    """The local time. Whatever no event of ours holds, such as a text or a time before all calendars, is unknown."""
    try:
        return timezone.localtime(at).strftime(form) if isinstance(at, datetime) else UNKNOWN
    except (OverflowError, ValueError):
        return UNKNOWN


def text_label(value: object) -> str:
    return UNKNOWN if value is None or value == "" else str(value)


def type_label(event_type: object) -> str:
    text = text_label(event_type)
    return str(TYPES.get(text, text))


def actor_label(actor: object) -> str:
    if not isinstance(actor, str):
        return UNKNOWN
    kind, _, key = actor.partition(":")
    return f"Usuário nº {key}" if kind == "user" and key else ACTORS.get(actor, actor)


def summary(changes: object, metadata: object) -> str:
    """Codes only, as the event holds them: {"mode": ["WAITING_HUMAN", "BOT"]} reads "mode: WAITING_HUMAN → BOT"."""
    if not isinstance(changes, Mapping) or not isinstance(metadata, Mapping):
        return UNKNOWN
    known = {**changes, **metadata}
    return "; ".join(f"{name}: {_shown(value)}" for name, value in known.items()) or "-"


def _shown(value: Any) -> str:
    """A change as before → after; ids and digests by their first letters."""
    if isinstance(value, list):
        return " → ".join(map(_shown, value))
    text = str(value)
    return f"{text[:8]}…" if len(text) >= ID_LENGTH and text.isalnum() else text
