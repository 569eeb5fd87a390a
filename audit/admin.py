"""The audit trail in the admin: read, and nothing else."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from pyloto.documents.admin import DocumentAdmin, pretty_json

from .chain import EventType, Problem, verify
from .models import AuditEvent

ID_LENGTH = 32  # what is shorter is a code


@dataclass(frozen=True)
class Chain:
    """What a list shows above the events of one conversation. `checked`: how many were verified; 0 for a long chain.

    Events that are gone from the end of a chain leave no trace in it: what was checked are those that are there.
    """

    conversation_id: str
    checked: int = 0
    problems: tuple[Problem, ...] = ()


@admin.register(AuditEvent)
class AuditEventAdmin(DocumentAdmin):
    """All events by time, or with `?conversation_id=` the chain of one conversation by number."""

    list_display = ("seq", "when", "type_label", "actor_label", "summary", "trail", "short_hash")
    link_lookups = ("conversation_id",)
    list_before_template = "admin/audit/chain.html"
    fields = (
        "seq", "timestamp", "type_label", "actor_label", "changes_json", "metadata_json", "conversation_id", "event_id",
        "correlation_id", "previous_hash", "current_hash", "canonical_text",
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-seq",) if "conversation_id" in request.GET else ("-timestamp",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "conversation_id" in request.GET:
            context = response.context_data
            context["chain"] = self._chain(request.GET["conversation_id"], context["cl"])
        return response

    @staticmethod
    def _chain(conversation_id: str, cl: Any) -> Chain:
        """A chain that fits on the page is verified on the spot, since all of it has been read."""
        if cl.paginator.first_url or cl.paginator.next_url:
            return Chain(conversation_id)
        events = [event.to_document() | {"id": event.pk} for event in reversed(cl.result_list)]
        try:
            return Chain(conversation_id, len(events), tuple(verify(conversation_id, events)))
        except ValueError:  # no id of ours: there is no such chain
            return Chain(conversation_id)

    @display(description="quando")
    def when(self, event: AuditEvent) -> str:
        return f"{timezone.localtime(event.timestamp):%d/%m/%Y %H:%M:%S}"

    @display(description="o que aconteceu")
    def type_label(self, event: AuditEvent) -> str:
        return dict(EventType.choices).get(event.event_type, event.event_type)

    @display(description="quem")
    def actor_label(self, event: AuditEvent) -> str:
        named = {"PYLOTO": "Bot", "USER": "Cliente", "HUMAN": "Atendente", "SYSTEM": "Sistema", "system": "Sistema"}
        kind, _, key = event.actor.partition(":")
        return f"Usuário nº {key}" if kind == "user" and key else named.get(event.actor, event.actor)

    @display(description="detalhes")
    def summary(self, event: AuditEvent) -> str:
        """Codes only, as the event holds them: {"mode": ["WAITING_HUMAN", "BOT"]} reads "mode: WAITING_HUMAN → BOT"."""
        known = {**event.changes, **event.metadata}
        return "; ".join(f"{name}: {_shown(value)}" for name, value in known.items()) or "-"

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


def _shown(value: Any) -> str:
    """A change as before → after; ids and digests by their first letters."""
    if isinstance(value, list):
        return " → ".join(map(_shown, value))
    text = str(value)
    return f"{text[:8]}…" if len(text) >= ID_LENGTH and text.isalnum() else text
