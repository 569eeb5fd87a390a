"""What staff see of conversations: lists, the queue of those who wait for a person, sessions, and unreadable deliveries."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from profiles.models import UserProfile
from pyloto.documents.admin import DocumentAdmin, short_time
from pyloto.documents.queryset import DocumentQuerySet

from . import user_pages  # noqa: F401  (users, with what becomes of the conversations of those who leave)
from .agent_pages import TAKE, VIEW
from .bot_pages import BotPages, banner
from .customer_pages import merge_urls
from .intents import Intent, Outcome
from .labels import day_name, duration_label, intent_labels, label_of, moment
from .listing import View, ViewedAdmin
from .message_pages import MessagePages
from .models import Conversation, Handoff, Mode, Quarantined, Session
from .people import agent_name, agent_names
from .services.agents import agent_of
from .templatetags.conversation_labels import answers
from .transcript import preview_of

NEWEST = ("-last_message_at",)
LATEST = ("-opened_at",)
PAUSED = "Em pausa"
MODE_COLOURS = {
    Mode.BOT.label: "info",
    Mode.WAITING_HUMAN.label: "warning",
    Mode.HUMAN.label: "success",
    PAUSED: "warning",
}
SESSION_COLOURS = {Session.Status.ACTIVE.label: "success", Session.Status.CLOSED.label: ""}
HANDOFF_COLOURS = {
    Handoff.Status.OPEN.label: "warning",
    Handoff.Status.TAKEN.label: "success",
    Handoff.Status.RESOLVED.label: "",
}
QUALIFICATION_COLOURS = {
    Handoff.Qualification.HIGH.label: "success",
    Handoff.Qualification.MEDIUM.label: "info",
    Handoff.Qualification.LOW.label: "",
}


LEAD_LABELS = {
    "name": "Nome",
    "city": "Cidade",
    "is_business": "É empresa",
    "business_name": "Empresa",
    "role": "Função",
}

ROUTING_LABELS = {
    "software": "Sistemas sob medida",
    "saas": "Pyloto para empresas",
    "delivery": "Entregas",
    "drivers": "Entregadores",
    "merchants": "Lojistas",
    "general": "Geral",
    "failure": "Falha do bot",
}


def assigned_to_reader(request: HttpRequest) -> dict[str, str]:
    return {"assigned_to": agent_of(request.user.pk)}


def taken_by_reader(request: HttpRequest) -> dict[str, str]:
    return {"agent_id": agent_of(request.user.pk)}


def urgency(handoff: Handoff) -> tuple[Any, ...]:
    """Who should be answered first comes first; of those due at the same time the better qualified."""
    ranks = [Handoff.Qualification.HIGH, Handoff.Qualification.MEDIUM, Handoff.Qualification.LOW]
    rank = ranks.index(level) if (level := handoff.qualification_level) in ranks else len(ranks)  # type: ignore[arg-type]
    due = handoff.target_at.timestamp() if handoff.target_at else 0.0  # as the store orders those without one
    return (due, rank, -(handoff.lead_score or 0), -handoff.confidence, handoff.opened_at)


def lead_name(handoff: Handoff) -> str:
    return handoff.lead.get("name") or handoff.lead.get("business_name") or "Cliente sem nome"


def waited(handoff: Handoff, now: datetime) -> str:
    """How long the customer waited until somebody took the handoff, or has been waiting."""
    return duration_label((handoff.taken_at or handoff.resolved_at or now) - handoff.opened_at)


def target(handoff: Handoff) -> str:
    return moment(handoff.target_at) if handoff.target_at else "-"


def is_late(handoff: Handoff, now: datetime) -> bool:
    """Whether the customer should have heard from a person by now, and has not."""
    taken_only = handoff.status == Handoff.Status.TAKEN and handoff.first_reply_at is None
    waits = handoff.status == Handoff.Status.OPEN or taken_only
    return waits and handoff.target_at is not None and handoff.target_at < now


def is_silent(conversation: Conversation) -> bool:
    """Whether nobody answers: the bot has the conversation, and is paused in it."""
    return conversation.mode == Mode.BOT and conversation.paused


def masked_phone(request: HttpRequest, user_key: str) -> str:
    """For those who may see customers; empty for all others, and where there is none."""
    if not request.user.has_perm("profiles.view_userprofile"):
        return ""
    profile = DocumentQuerySet(UserProfile).filter(pk=user_key).first()
    return profile.masked_phone if profile else ""


def chat_link(user_key: str, text: str = "Abrir conversa") -> str:
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
        reverse("admin:conversations_conversation_change", args=(user_key,)),
        text,
    )


@admin.register(Conversation)
class ConversationAdmin(BotPages, MessagePages):
    list_display = ("customer", "mode_label", "last_message", "responsible", "unread_label", "short_id")
    list_before_template = "admin/conversations/list_top.html"
    views = {
        "todas": View("Todas", NEWEST),
        "minhas": View("Minhas", NEWEST, of_reader=assigned_to_reader),
        "sem-resposta": View("Sem resposta", ("-unread", *NEWEST), {"mode": Mode.HUMAN, "unread__gt": 0}),
        "aguardando": View("Aguardando", NEWEST, {"mode": Mode.WAITING_HUMAN}),
        "com-pessoas": View("Com pessoas", NEWEST, {"mode": Mode.HUMAN}),
        "com-o-bot": View("Com o bot", NEWEST, {"mode": Mode.BOT}),
        "em-pausa": View("Em pausa", NEWEST, {"paused": True}),
    }

    def get_urls(self) -> list[URLPattern]:
        return [*self.bot_urls(), *self.agent_urls(), *self.message_urls(), *merge_urls(self), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"tabs": self.tabs(request), **banner(), **(extra_context or {})})

    def prepare_rows(self, rows: list[Any]) -> None:
        """Names stand in the profiles and among the users: one more read of each for the whole page."""
        profiles = {p.pk: p for p in DocumentQuerySet(UserProfile).filter(pk__in=[row.pk for row in rows])}
        names = agent_names(row.assigned_to for row in rows)
        for row in rows:
            row.profile = profiles.get(row.pk)
            row.agent_name = names[row.assigned_to or ""]

    @display(description="cliente", header=True)
    def customer(self, conversation: Any) -> list[str]:
        name = conversation.profile.name if conversation.profile else ""
        return [name or "Cliente sem nome", preview_of(conversation), initials(name)]

    @display(description="quem responde", label=MODE_COLOURS)
    def mode_label(self, conversation: Conversation) -> str:
        return PAUSED if is_silent(conversation) else label_of(Mode, conversation.mode)

    @display(description="última mensagem")
    def last_message(self, conversation: Conversation) -> str:
        if conversation.last_message_at is None:
            return "-"
        at = timezone.localtime(conversation.last_message_at)
        return f"{day_name(at.date(), timezone.localdate())}, {at:%H:%M}"

    @display(description="responsável", empty_value="-")
    def responsible(self, conversation: Any) -> str | None:
        return conversation.agent_name or None

    @display(description="sem resposta", empty_value="-")
    def unread_label(self, conversation: Conversation) -> str | None:
        """What the customer wrote since they were last answered, or a person took the conversation."""
        shown = conversation.mode != Mode.BOT or conversation.paused
        return str(conversation.unread) if conversation.unread and shown else None

    @display(description="identificador")
    def short_id(self, conversation: Conversation) -> str:
        return conversation.conversation_id[:8]


@admin.register(Session)
class SessionAdmin(DocumentAdmin):
    list_display = ("started", "status_label", "intents_label", "outcome_label", "closed", "conversation")
    list_filter = ("status",)
    ordering = ("-started_at",)
    fields = (
        "status", "outcome", "intents_label", "started_at", "last_user_at", "expires_at", "closed_at", "summary_text",
        "collected_list", "conversation_id", "conversation",
    )  # fmt: skip

    @display(description="situação", label=SESSION_COLOURS)
    def status_label(self, session: Session) -> str:
        return label_of(Session.Status, session.status)

    @display(description="início")
    def started(self, session: Session) -> str:
        return short_time(session.started_at)

    @display(description="fim")
    def closed(self, session: Session) -> str:
        return short_time(session.closed_at)

    @display(description="intenções")
    def intents_label(self, session: Session) -> str:
        return intent_labels(session.intents)

    @display(description="desfecho")
    def outcome_label(self, session: Session) -> str:
        return label_of(Outcome, session.outcome)

    @display(description="conversa")
    def conversation(self, session: Session) -> str:
        return chat_link(session.user_key)

    @display(description="resumo")
    def summary_text(self, session: Session) -> str:
        return text_block(session.summary)

    @display(description="coletado")
    def collected_list(self, session: Session) -> str:
        return answer_list(session.collected)


@admin.register(Handoff)
class HandoffAdmin(ViewedAdmin):
    list_display = ("lead_name", "status_label", "intent_label", "qualification", "waiting", "answer_by", "agent")
    list_before_template = "admin/conversations/list_top.html"
    views = {
        "fila": View("Na fila", ("target_at",), {"status": Handoff.Status.OPEN}, ties=urgency),
        "meus": View("Meus", LATEST, {"status": Handoff.Status.TAKEN}, of_reader=taken_by_reader),
        "em-atendimento": View("Em atendimento", LATEST, {"status": Handoff.Status.TAKEN}),
        "resolvidos": View("Resolvidos", LATEST, {"status": Handoff.Status.RESOLVED}),
        "todos": View("Todos", LATEST),
    }

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "take") if request.user.has_perms((TAKE, VIEW)) else self.list_display

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"tabs": self.tabs(request), **banner(), **(extra_context or {})})

    def prepare_rows(self, rows: list[Any]) -> None:
        names = agent_names(row.agent_id for row in rows)
        for row in rows:
            row.agent_name = names[row.agent_id or ""]

    @display(description="lead")
    def lead_name(self, handoff: Handoff) -> str:
        return lead_name(handoff)

    @display(description="situação", label=HANDOFF_COLOURS)
    def status_label(self, handoff: Handoff) -> str:
        return label_of(Handoff.Status, handoff.status)

    @display(description="intenção")
    def intent_label(self, handoff: Handoff) -> str:
        return label_of(Intent, handoff.intent_primary)

    @display(description="qualificação", label=QUALIFICATION_COLOURS)
    def qualification(self, handoff: Handoff) -> str:
        return label_of(Handoff.Qualification, handoff.qualification_level)

    @display(description="espera")
    def waiting(self, handoff: Handoff) -> str:
        return waited(handoff, timezone.now())

    @display(description="responder até")
    def answer_by(self, handoff: Handoff) -> str:
        at = target(handoff)
        return format_html('<span class="is-late">{}</span>', at) if is_late(handoff, timezone.now()) else at

    @display(description="atendente", empty_value="-")
    def agent(self, handoff: Any) -> str | None:
        return handoff.agent_name or None

    @display(description="")
    def take(self, handoff: Handoff) -> str:
        """The form of the button stands above the list, as that is in a form itself."""
        if handoff.status != Handoff.Status.OPEN:
            return ""
        url = reverse("admin:conversations_conversation_take", args=(handoff.user_key,))
        return format_html('<button class="row-take" form="row-form" formaction="{}">Assumir</button>', url)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What an agent finds waiting, in place of a form."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        handoff = self.get_object(request, object_id)
        if handoff is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = {
            **self.admin_site.each_context(request),
            **banner(),
            "opts": self.opts,
            "original": handoff,
            "title": lead_name(handoff),
            "handoff": handoff,
            "status_variant": HANDOFF_COLOURS.get(self.status_label(handoff), ""),
            "lead": [(label, yes_no(handoff.lead.get(name))) for name, label in LEAD_LABELS.items()],
            "phone": masked_phone(request, handoff.user_key),
            "routing": ROUTING_LABELS.get(handoff.routing, handoff.routing),
            "confidence": f"{handoff.confidence:.0%}",
            "agent": agent_name(handoff.agent_id),
            "waited": waited(handoff, timezone.now()),
            "is_late": is_late(handoff, timezone.now()),
            "can_take": handoff.status == Handoff.Status.OPEN and request.user.has_perms((TAKE, VIEW)),
            "can_view_conversation": request.user.has_perm(VIEW),
            "can_view_session": request.user.has_perm("conversations.view_session"),
        }
        return TemplateResponse(request, "admin/conversations/handoff.html", context)


@admin.register(Quarantined)
class QuarantinedAdmin(DocumentAdmin):
    list_display = ("received", "reason", "size_bytes", "correlation_id")
    ordering = ("-received_at",)
    fields = ("received_at", "reason", "size_bytes", "correlation_id")

    @display(description="recebida em")
    def received(self, quarantined: Quarantined) -> str:
        return short_time(quarantined.received_at)


def definition_list(pairs: list[tuple[str, str]]) -> str:
    return format_html_join("", "<p><strong>{}:</strong> {}</p>", pairs) or "-"


def text_block(text: str) -> str:
    return format_html('<div class="documents-text">{}</div>', text) if text else "-"


def answer_list(collected: Any) -> str:
    return definition_list(answers(collected))


def yes_no(value: Any) -> str:
    return {True: "Sim", False: "Não", None: "-", "": "-"}.get(value, str(value))


def initials(name: str) -> str:
    words = name.split()
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper() if words else "?"
