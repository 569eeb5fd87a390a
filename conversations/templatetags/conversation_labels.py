"""Codes of the documents in the words that staff read."""

import re
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from conversations.answers import UNKNOWN
from conversations.flows import find_flow
from conversations.intents import Intent
from conversations.labels import intent_labels, label_of
from conversations.models import Conversation, Handoff
from conversations.transcript import preview_of

register = template.Library()
register.filter(intent_labels)

BOLD = re.compile(r"\*(\S(?:[^*\n]*\S)?)\*")  # as WhatsApp shows it


@register.filter
def intent_label(code: str) -> str:
    return label_of(Intent, code)


@register.filter
def preview(header: Conversation) -> str:
    return preview_of(header)


@register.filter
def answers(collected: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, answer) of what was collected, {intent: {field: value}}, in the order in which it is asked."""
    found: list[tuple[str, str]] = []
    for intent, fields in collected.items():
        flow = find_flow(intent)
        labels = {field.name: field.label for field in flow.fields} if flow else {}
        asked = [name for name in labels if name in fields]
        others = [name for name in fields if name not in labels]
        found += [(labels.get(name, name), _answer(fields[name])) for name in (*asked, *others)]
    return found


@register.filter
def deadline_apart(handoff: Handoff) -> str:
    """The handoff's deadline where it does not stand among the answers already."""
    answered = any("deadline" in given for given in handoff.requirements.values())
    return "" if answered else handoff.deadline or ""


@register.filter
def whatsapp_text(text: str) -> SafeString:
    """Escaped, with *bold* as bold: the one format that our own texts use."""
    parts = BOLD.split(text)
    return format_html_join(
        "", "{}", ((format_html("<strong>{}</strong>", p) if i % 2 else p,) for i, p in enumerate(parts))
    )


def _answer(value: Any) -> str:
    return "Não informado" if value in (None, "", UNKNOWN) else str(value)
