"""What staff see of conversations: lists, the chat of one, and the action that gives it back to the bot."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_POST
from unfold.decorators import display

from profiles.models import UserProfile
from pyloto.documents import is_document_id
from pyloto.documents.admin import DocumentAdmin, short_time
from pyloto.documents.queryset import DocumentQuerySet

from .customer_pages import merge_urls
from .intents import Intent, Outcome
from .labels import intent_labels, label_of
from .models import Conversation, Handoff, Mode, Quarantined, Session
from .services.chat import Chat, load_chat
from .services.release import NotWithHuman, ReleaseContended, release_to_bot
from .templatetags.conversation_labels import answers
from .transcript import day_name, preview_of

MODE_COLOURS = {Mode.BOT.label: "info", Mode.WAITING_HUMAN.label: "warning", Mode.HUMAN.label: "success"}
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


def chat_link(user_key: str, text: str = "Abrir conversa") -> str:
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
        reverse("admin:conversations_conversation_change", args=(user_key,)),
        text,
    )


@admin.register(Conversation)
class ConversationAdmin(DocumentAdmin):
    list_display = ("customer", "mode_label", "last_message", "responsible", "short_id")
    list_filter = ("mode",)
    ordering = ("-last_message_at",)

    def prepare_rows(self, rows: list[Any]) -> None:
        """Names stand in the profiles: one more read for the whole page."""
        profiles = {p.pk: p for p in DocumentQuerySet(UserProfile).filter(pk__in=[row.pk for row in rows])}
        for row in rows:
            row.profile = profiles.get(row.pk)

    @display(description="cliente", header=True)
    def customer(self, conversation: Any) -> list[str]:
        name = conversation.profile.name if conversation.profile else ""
        return [name or "Cliente sem nome", preview_of(conversation), initials(name)]

    @display(description="quem responde", label=MODE_COLOURS)
    def mode_label(self, conversation: Conversation) -> str:
        return label_of(Mode, conversation.mode)

    @display(description="última mensagem")
    def last_message(self, conversation: Conversation) -> str:
        if conversation.last_message_at is None:
            return "-"
        at = timezone.localtime(conversation.last_message_at)
        return f"{day_name(at.date(), timezone.localdate())}, {at:%H:%M}"

    @display(description="responsável", empty_value="-")
    def responsible(self, conversation: Conversation) -> str | None:
        return "Aplicativo do WhatsApp" if conversation.assigned_to == "whatsapp_app" else conversation.assigned_to

    @display(description="identificador")
    def short_id(self, conversation: Conversation) -> str:
        return conversation.conversation_id[:8]

    # --- one conversation ---------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        release = self.admin_site.admin_view(require_POST(self.release_view))
        return [
            path("<str:user_key>/release/", release, name="conversations_conversation_release"),
            *merge_urls(self),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The chat, in place of a form."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        chat = load_chat(object_id, before=request.GET.get("antes", ""))
        if chat is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return TemplateResponse(
            request, "admin/conversations/conversation/chat.html", self._chat_context(request, chat)
        )

    def _chat_context(self, request: HttpRequest, chat: Chat) -> dict[str, Any]:
        may, mode = request.user.has_perm, label_of(Mode, chat.header.mode)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": chat.header,
            "title": chat.name,
            "chat": chat,
            "mode_label": mode,
            "mode_variant": MODE_COLOURS.get(mode, ""),
            "can_release": chat.header.mode != Mode.BOT and self.has_release_permission(request),
            "can_view_audit": may("audit.view_auditevent"),
            "can_view_profile": may("profiles.view_userprofile"),
            "can_view_session": may("conversations.view_session"),
            "handoff": chat.handoff if may("conversations.view_handoff") else None,
        }

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.release_conversation")

    def release_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        if not self.has_release_permission(request):
            raise PermissionDenied
        if not is_document_id(user_key):
            raise Http404
        try:
            release_to_bot(user_key=user_key, agent=f"user:{request.user.pk}", now=timezone.now())
        except NotWithHuman:
            messages.warning(request, "Esta conversa já está com o bot.")
        except ReleaseContended:
            messages.error(request, "Não foi possível devolver a conversa agora. Tente de novo em instantes.")
        else:
            messages.success(
                request, "Conversa devolvida ao bot. A próxima mensagem do cliente será respondida por ele."
            )
        return HttpResponseRedirect(reverse("admin:conversations_conversation_change", args=(user_key,)))


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
class HandoffAdmin(DocumentAdmin):
    list_display = (
        "lead_name",
        "status_label",
        "intent_label",
        "qualification",
        "opened_at",
        "target_at",
        "conversation",
    )
    list_filter = ("status",)
    ordering = ("-opened_at",)
    fields = (
        "status", "agent_id", "routing_label", "intent_label", "qualification", "confidence", "lead_score", "deadline", "summary_text",
        "lead_list", "requirements_list", "detected", "resolved", "still_open", "reasons", "opened_at", "taken_at",
        "first_reply_at", "resolved_at", "target_at", "conversation_id", "conversation",
    )  # fmt: skip

    @display(description="lead")
    def lead_name(self, handoff: Handoff) -> str:
        return handoff.lead.get("name") or handoff.lead.get("business_name") or "Cliente sem nome"

    @display(description="situação", label=HANDOFF_COLOURS)
    def status_label(self, handoff: Handoff) -> str:
        return label_of(Handoff.Status, handoff.status)

    @display(description="intenção principal")
    def intent_label(self, handoff: Handoff) -> str:
        return label_of(Intent, handoff.intent_primary)

    @display(description="aberto em")
    def opened(self, handoff: Handoff) -> str:
        return short_time(handoff.opened_at)

    @display(description="responder até")
    def answer_by(self, handoff: Handoff) -> str:
        return short_time(handoff.target_at)

    @display(description="qualificação", label=QUALIFICATION_COLOURS)
    def qualification(self, handoff: Handoff) -> str:
        return label_of(Handoff.Qualification, handoff.qualification_level)

    @display(description="conversa")
    def conversation(self, handoff: Handoff) -> str:
        return chat_link(handoff.user_key)

    @display(description="lead")
    def lead_list(self, handoff: Handoff) -> str:
        return definition_list([(label, yes_no(handoff.lead.get(name))) for name, label in LEAD_LABELS.items()])

    @display(description="resumo")
    def summary_text(self, handoff: Handoff) -> str:
        return text_block(handoff.summary)

    @display(description="fila")
    def routing_label(self, handoff: Handoff) -> str:
        return ROUTING_LABELS.get(handoff.routing, handoff.routing)

    @display(description="requisitos")
    def requirements_list(self, handoff: Handoff) -> str:
        return answer_list(handoff.requirements)

    @display(description="intenções detectadas")
    def detected(self, handoff: Handoff) -> str:
        return intent_labels(handoff.intents_detected)

    @display(description="intenções resolvidas")
    def resolved(self, handoff: Handoff) -> str:
        return intent_labels(handoff.resolved_intents)

    @display(description="intenções em aberto")
    def still_open(self, handoff: Handoff) -> str:
        return intent_labels(handoff.open_intents)

    @display(description="motivos da qualificação")
    def reasons(self, handoff: Handoff) -> str:
        return ", ".join(map(str, handoff.qualification_reasons)) or "-"


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
