"""The audit trail in the admin: read, and nothing else."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from pyloto.documents.admin import DocumentAdmin, pretty_json

from .chain import EventType
from .models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(DocumentAdmin):
    """All events by time, or with `?conversation_id=` the chain of one conversation by number."""

    list_display = ("seq", "timestamp", "type_label", "actor_label", "summary", "trail", "short_hash")
    link_lookups = ("conversation_id",)
    fields = (
        "seq", "timestamp", "type_label", "actor_label", "changes_json", "metadata_json", "conversation_id", "event_id",
        "correlation_id", "previous_hash", "current_hash", "canonical_text",
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-seq",) if "conversation_id" in request.GET else ("-timestamp",)

    @display(description="o que aconteceu")
    def type_label(self, event: AuditEvent) -> str:
        return dict(EventType.choices).get(event.event_type, event.event_type)

    @display(description="quem")
    def actor_label(self, event: AuditEvent) -> str:
        named = {"PYLOTO": "Bot", "USER": "Cliente", "HUMAN": "Atendente", "SYSTEM": "Sistema", "system": "Sistema"}
        kind, _, key = event.actor.partition(":")
        return f"Usuário nº {key}" if kind == "user" and key else named.get(event.actor, event.actor)

    @display(description="mudanças")
    def summary(self, event: AuditEvent) -> str:
        """Codes only, as the event holds them: {"mode": ["WAITING_HUMAN", "BOT"]} reads "mode: WAITING_HUMAN → BOT"."""
        return "; ".join(f"{name}: {_change(value)}" for name, value in event.changes.items()) or "-"

    @display(description="conversa")
    def trail(self, event: AuditEvent) -> str:
        url = reverse("admin:audit_auditevent_changelist") + f"?conversation_id={event.conversation_id}"
        classes = "text-primary-600 dark:text-primary-500"
        return format_html('<a class="{}" href="{}">{}</a>', classes, url, event.conversation_id[:8])

    @display(description="hash")
    def short_hash(self, event: AuditEvent) -> str:
        return format_html('<code title="{}">{}…</code>', event.current_hash, event.current_hash[:12])

    @display(description="mudanças")
    def changes_json(self, event: AuditEvent) -> str:
        return pretty_json(event.changes)

    @display(description="detalhes")
    def metadata_json(self, event: AuditEvent) -> str:
        return pretty_json(event.metadata)

    @display(description="forma canônica")
    def canonical_text(self, event: AuditEvent) -> str:
        return format_html('<pre class="documents-json">{}</pre>', event.canonical)


def _change(value: Any) -> str:
    return " → ".join(map(str, value)) if isinstance(value, list) else str(value)
