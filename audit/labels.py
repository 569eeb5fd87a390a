"""Events as people read them: what the admin and the reports show of the codes that are stored."""

from collections.abc import Mapping
from typing import Any

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


def type_label(event_type: str) -> str:
    return str(TYPES.get(event_type, event_type))


def actor_label(actor: str) -> str:
    kind, _, key = actor.partition(":")
    return f"Usuário nº {key}" if kind == "user" and key else ACTORS.get(actor, actor)


def summary(changes: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Codes only, as the event holds them: {"mode": ["WAITING_HUMAN", "BOT"]} reads "mode: WAITING_HUMAN → BOT"."""
    known = {**changes, **metadata}
    return "; ".join(f"{name}: {_shown(value)}" for name, value in known.items()) or "-"


def _shown(value: Any) -> str:
    """A change as before → after; ids and digests by their first letters."""
    if isinstance(value, list):
        return " → ".join(map(_shown, value))
    text = str(value)
    return f"{text[:8]}…" if len(text) >= ID_LENGTH and text.isalnum() else text
