"""Codes of the documents in the words that staff read."""

from collections.abc import Mapping
from typing import Any

from django import template

from conversations.intents import Intent

register = template.Library()


@register.filter
def intent_label(code: str) -> str:
    return str(dict(Intent.choices).get(code, code))


@register.filter
def answers(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, value) of collected fields; a list of values in one line."""
    return [(field_label(name), _value(value)) for name, value in fields.items()]


@register.filter
def collected_answers(collected: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same for {intent: {field: value}}."""
    return [pair for fields in collected.values() if isinstance(fields, Mapping) for pair in answers(fields)]


def field_label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if isinstance(value, bool):
        return "Sim" if value else "Não"
    return "Não informado" if value in (None, "", "unknown") else str(value)
