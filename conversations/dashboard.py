"""The admin's first page: who waits for a person, and what happened last."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from pyloto.documents.queryset import DocumentQuerySet

from .bot_pages import banner
from .models import Conversation, Mode
from .services.agents import agent_of

ROWS = 6


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds `waiting`, `mine` and `recent` conversations: three small queries, no counts."""
    context["simulator_url"] = settings.SIMULATOR_URL if settings.DEBUG else ""
    model_admin: Any = admin.site.get_model_admin(Conversation)
    context["may_see_conversations"] = model_admin.has_view_permission(request)
    if context["may_see_conversations"]:
        newest = DocumentQuerySet(Conversation).order_by("-last_message_at")
        context["waiting"] = newest.filter(mode=Mode.WAITING_HUMAN)[:ROWS]
        context["mine"] = newest.filter(assigned_to=agent_of(request.user.pk))[:ROWS]
        context["recent"] = newest[:ROWS]
        model_admin.prepare_rows([*context["waiting"], *context["mine"], *context["recent"]])
        context |= banner()
    return context
