"""The Portuguese labels of the codes that documents hold."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import TextChoices

from .intents import Intent


def label_of(choices: type[TextChoices], code: str | None) -> str:
    """A code that we do not know stands for itself."""
    return str(dict(choices.choices).get(code or "", code) or "-")


def intent_labels(intents: Iterable[str | Mapping[str, Any]]) -> str:
    """Entries are codes, or {"intent": code, …}."""
    codes = [entry.get("intent") if isinstance(entry, Mapping) else entry for entry in intents]
    return ", ".join(label_of(Intent, code) for code in codes) or "-"
