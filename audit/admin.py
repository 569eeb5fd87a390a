"""The audit trail and its checkpoints in the admin: read, reported, and nothing else."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.storage import storages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from pyloto.documents import Unavailable
from pyloto.documents.admin import DocumentAdmin, pretty_json
from pyloto.errors import TransientError
from pyloto.write_once import read

from .chain import CHAIN_ID, EventType, Problem
from .labels import actor_label, summary, text_label, type_label, when_label
from .log_files import DIRECTORY
from .models import AuditEvent, Checkpoint
from .report_pdf import to_pdf
from .reports import (
    NoTrail,
    TooManyEvents,
    TrailReport,
    conversation_report,
    is_period,
    period_report,
    plain,
    start_of,
    verify_beginning,
    write_json,
)
from .signing import verifier_key, verify_checkpoint
from .stores import AuditLogStore
from .verify_trail import NoteError

PROBLEMS_SHOWN = 20
CHECKED_MAX = 1000  # events of one chain that a list verifies on the spot
REPORTED_MAX = 20_000  # events that a report reads while a browser waits


@dataclass(frozen=True)
class Chain:
    """What a list shows above the events of one conversation. `checked`: how many were verified.

    Events that are gone from the end of a chain leave no trace in it: what was checked are those that are there. The
    report compares them with the signed checkpoints.
    """

    conversation_id: str
    checked: int = 0
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    is_whole: bool = True

    @property
    def hidden_problems(self) -> int:
        return self.problem_count - len(self.problems)


class PeriodForm(forms.Form):
    first = forms.DateField()
    last = forms.DateField()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"first", "last"} <= given.keys() and not is_period(given["first"], given["last"]):
            raise forms.ValidationError("Not a period")
        return given


@admin.register(AuditEvent)
class AuditEventAdmin(DocumentAdmin):
    """All events by time, or with `?conversation_id=` the chain of one conversation by number."""

    list_display = ("number", "when", "type_label", "actor_label", "summary", "trail", "short_hash")
    link_lookups = ("conversation_id",)
    list_before_template = "admin/audit/chain.html"
    fields = (
        "number", "when", "type_label", "actor_label", "changes_json", "metadata_json", "conversation_id", "event_id",
        "correlation_id", "previous_hash", "current_hash", "canonical_text",
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-seq",) if "conversation_id" in request.GET else ("-timestamp",)

    def get_urls(self) -> list[URLPattern]:
        report = path("report/", self.admin_site.admin_view(self.report_view), name="audit_auditevent_report")
        return [report, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            if "conversation_id" in request.GET:
                response.context_data["chain"] = _verified(request.GET["conversation_id"])
            response.context_data["today"] = f"{timezone.localdate():%Y-%m-%d}"
            response.context_data["month_ago"] = f"{timezone.localdate() - timedelta(days=30):%Y-%m-%d}"
        return response

    def report_view(self, request: HttpRequest) -> HttpResponseBase:
        """A report as a download. It is asked for by POST: that it was taken stands in the trail itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return _report_view(request)

    @display(description="nº")
    def number(self, event: AuditEvent) -> str:
        return text_label(event.seq)

    @display(description="quando")
    def when(self, event: AuditEvent) -> str:
        return when_label(event.timestamp)

    @display(description="o que aconteceu")
    def type_label(self, event: AuditEvent) -> str:
        return type_label(event.event_type)

    @display(description="quem")
    def actor_label(self, event: AuditEvent) -> str:
        return actor_label(event.actor)

    @display(description="detalhes")
    def summary(self, event: AuditEvent) -> str:
        return summary(event.changes, event.metadata)

    @display(description="conversa")
    def trail(self, event: AuditEvent) -> str:
        conversation_id = text_label(event.conversation_id)
        if not CHAIN_ID.fullmatch(conversation_id):
            return conversation_id[:8]
        url = reverse("admin:audit_auditevent_changelist") + f"?conversation_id={conversation_id}"
        classes = "text-primary-600 dark:text-primary-500"
        return format_html('<a class="{}" href="{}">{}</a>', classes, url, conversation_id[:8])

    @display(description="hash")
    def short_hash(self, event: AuditEvent) -> str:
        return format_html('<code title="{}">{}…</code>', event.current_hash, text_label(event.current_hash)[:12])

    @display(description="mudanças")
    def changes_json(self, event: AuditEvent) -> str:
        return pretty_json(plain(event.changes))

    @display(description="detalhes")
    def metadata_json(self, event: AuditEvent) -> str:
        return pretty_json(plain(event.metadata))

    @display(description="forma canônica")
    def canonical_text(self, event: AuditEvent) -> str:
        return format_html('<pre class="documents-json">{}</pre>', event.canonical)


@admin.register(Checkpoint)
class CheckpointAdmin(DocumentAdmin):
    """The signed checkpoints, the newest first."""

    ordering = ("-number",)
    list_display = ("number", "when", "size", "new_leaves", "short_root", "signature")
    list_before_template = "admin/audit/checkpoints.html"
    fields = ("number", "created_at", "observed_until", "size", "new_leaves", "root", "signature", "note_text", "files")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file_view)
        return [path("file/<int:number>/<str:kind>/", view, name="audit_checkpoint_file"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "public_key": str(verifier_key())})

    def file_view(self, request: HttpRequest, number: int, kind: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return _file_view(request, number, kind)

    @display(description="quando")
    def when(self, checkpoint: Checkpoint) -> str:
        return when_label(checkpoint.created_at, "%d/%m/%Y %H:%M")

    @display(description="raiz")
    def short_root(self, checkpoint: Checkpoint) -> str:
        return format_html('<code title="{}">{}…</code>', checkpoint.root, checkpoint.root[:12])

    @display(description="assinatura")
    def signature(self, checkpoint: Checkpoint) -> str:
        if _is_signed(checkpoint):
            return _badge("verified_user", "Confere", is_broken=False)
        return _badge("gpp_bad", "Não confere", is_broken=True)

    @display(description="nota assinada")
    def note_text(self, checkpoint: Checkpoint) -> str:
        return format_html('<pre class="documents-json">{}</pre>', checkpoint.note)

    @display(description="arquivos")
    def files(self, checkpoint: Checkpoint) -> SafeString:
        """Both lie in the export storage too, under checkpoints/, where auditors can copy them from."""
        links = [
            (reverse("admin:audit_checkpoint_file", args=(checkpoint.number, kind)), f"{checkpoint.number:08d}.{kind}")
            for kind in ("note", "leaves")
        ]
        return format_html_join(" · ", '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', links)


def _is_signed(checkpoint: Checkpoint) -> bool:
    """Whether our key signed this note, and the index tells the same as the note."""
    try:
        note = verify_checkpoint(checkpoint.note)
    except NoteError:
        return False
    return (note.size, note.root.hex()) == (checkpoint.size, checkpoint.root)


def _badge(icon: str, text: str, *, is_broken: bool) -> SafeString:
    classes = "chain-state is-broken" if is_broken else "chain-state"
    symbol = '<span class="material-symbols-outlined" aria-hidden="true">{}</span>'
    return format_html('<span class="{}">' + symbol + " {}</span>", classes, icon, text)


def _verified(conversation_id: str) -> Chain:
    """The chain, verified from its first event on while somebody waits for the page."""
    if not CHAIN_ID.fullmatch(conversation_id):  # no id of ours: there is no such chain
        return Chain(conversation_id)
    found, is_whole = verify_beginning(conversation_id, CHECKED_MAX)
    shown = tuple(found.problems[:PROBLEMS_SHOWN])
    return Chain(conversation_id, found.events, shown, found.problem_count, is_whole)


# --- downloads --------------------------------------------------------------------------------------------------------
@require_POST
def _report_view(request: HttpRequest) -> HttpResponseBase:
    page = reverse("admin:audit_auditevent_changelist")
    file_format = "pdf" if request.POST.get("format") == "pdf" else "json"
    try:
        if conversation_id := request.POST.get("conversation_id", ""):
            page += f"?conversation_id={conversation_id}" if CHAIN_ID.fullmatch(conversation_id) else ""
            report = conversation_report(conversation_id, now=timezone.now(), events_max=REPORTED_MAX)
        else:
            report = _period_report(request)
        _record(request, report, file_format)
    except NoTrail:
        messages.error(request, "Não há eventos desta conversa.")
    except forms.ValidationError:
        messages.error(request, "Escolha o primeiro e o último dia do período, nesta ordem.")
    except TooManyEvents:
        messages.error(
            request,
            f"São mais de {REPORTED_MAX} eventos: escolha menos dias, ou peça o relatório pelo comando audit_report.",
        )
    except (TransientError, Unavailable):
        messages.error(request, "O armazenamento não respondeu: nada foi baixado. Tente de novo em instantes.")
    else:
        return _download(report, file_format)
    return HttpResponseRedirect(page)


def _period_report(request: HttpRequest) -> TrailReport:
    """Raises `ValidationError` for anything but two days in their order."""
    form = PeriodForm(request.POST)
    if not form.is_valid():
        raise forms.ValidationError("Not a period")
    end = start_of(form.cleaned_data["last"] + timedelta(days=1))
    return period_report(start_of(form.cleaned_data["first"]), end, now=timezone.now(), events_max=REPORTED_MAX)


def _record(request: HttpRequest, report: TrailReport, file_format: str) -> None:
    """No report leaves without an event of it: where that cannot be written, this raises."""
    what: dict[str, Any] = {"report": "audit", "format": file_format, "events": report.events}
    if report.start is None or report.end is None:
        what["conversation_id"] = report.conversation_id
    else:
        last = timezone.localtime(report.end) - timedelta(days=1)
        what |= {"from": f"{timezone.localtime(report.start):%Y-%m-%d}", "to": f"{last:%Y-%m-%d}"}
    actor = f"user:{request.user.pk}"
    AuditLogStore().record_event(event_type=EventType.EXPORT_DOWNLOADED, actor=actor, metadata=what)


def _download(report: TrailReport, file_format: str) -> HttpResponseBase:
    response: HttpResponseBase
    if file_format == "pdf":
        response = HttpResponse(to_pdf(report), content_type="application/pdf")
    else:
        response = StreamingHttpResponse(write_json(report), content_type="application/json")
    return _as_attachment(response, f"auditoria-{secrets.token_hex(4)}.{file_format}")


@require_GET
def _file_view(request: HttpRequest, number: int, kind: str) -> HttpResponseBase:
    """A checkpoint's file, byte for byte: random ids and hashes, made to be handed to auditors."""
    name = f"{number:08d}.{kind}"
    if kind not in {"note", "leaves"}:
        raise Http404
    try:
        content = read(storages["exports"], f"{DIRECTORY}/{name}")
    except FileNotFoundError as exc:
        raise Http404 from exc
    except TransientError:
        messages.error(request, "O armazenamento não respondeu. Tente de novo em instantes.")
        return HttpResponseRedirect(reverse("admin:audit_checkpoint_changelist"))
    return _as_attachment(HttpResponse(content, content_type="application/octet-stream"), name)


def _as_attachment(response: HttpResponseBase, name: str) -> HttpResponseBase:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
