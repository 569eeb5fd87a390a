"""The page "Bot": the switches that silence it, for everybody or for one of our numbers, and who changed them last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit import EventType
from audit.models import AuditEvent
from audit.stores import SYSTEM_CHAIN
from pyloto.documents.queryset import DocumentQuerySet

from .listing import ViewedAdmin
from .models import Conversation
from .people import agent_names
from .services import controls
from .services.agents import agent_of

PERMISSION = "conversations.pause_bot"
LOOKED_AT = 100  # of the newest events of the chain that the switches share with a few others
SHOWN = 10


@dataclass(frozen=True)
class Switch:
    """`number` is "" for the one that counts for everybody."""

    number: str
    paused: bool

    @property
    def title(self) -> str:
        return f"Número {self.number}" if self.number else "Todos os clientes"


@dataclass(frozen=True)
class Switched:
    at: datetime
    by: str
    text: str


def banner(now: controls.BotControls | None = None, header: Conversation | None = None) -> dict[str, str]:
    """{"paused": text} where the bot is silent, for the template: everywhere, or in this one conversation."""
    now = now or controls.bot_controls()
    if now.paused:
        return {"paused": "O bot está em pausa para todos os clientes: ninguém recebe resposta automática."}
    if header is not None and header.phone_number_id in now.paused_numbers:
        return {"paused": "O bot está em pausa no número pelo qual este cliente escreve."}
    if header is not None and header.paused:
        return {"paused": "O bot está em pausa nesta conversa: este cliente não recebe resposta automática."}
    if header is None and now.paused_numbers:
        return {"paused": f"O bot está em pausa em {len(now.paused_numbers)} dos números da empresa."}
    return {}


class BotPages(ViewedAdmin):
    def bot_urls(self) -> list[URLPattern]:
        return [path("bot/", self.admin_site.admin_view(self.bot_view), name="conversations_bot")]

    def bot_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        if request.method == "POST":
            return self._switch(request)
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET", "POST"])
        now = controls.bot_controls()
        numbers = sorted({*settings.WHATSAPP_PHONE_NUMBER_IDS, *now.paused_numbers})
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Bot",
            "original": "Bot",
            "controls": now,
            "everybody": Switch("", now.paused),
            "numbers": [Switch(number, number in now.paused_numbers) for number in numbers],
            "switched": switched(_events()),
        }
        return TemplateResponse(request, "admin/conversations/bot.html", context)

    def _switch(self, request: HttpRequest) -> HttpResponse:
        number, paused = request.POST.get("number", ""), request.POST.get("paused", "")
        known = {"", *settings.WHATSAPP_PHONE_NUMBER_IDS, *controls.bot_controls().paused_numbers}
        if number not in known or paused not in {"0", "1"}:
            messages.error(request, "Este número não é da empresa.")
            return HttpResponseRedirect(reverse("admin:conversations_bot"))
        try:
            after = controls.set_bot_paused(
                paused=paused == "1", phone_number_id=number, agent=agent_of(request.user.pk), now=timezone.now()
            )
        except controls.Contended:
            messages.error(request, "Nada mudou: não foi possível gravar agora. Tente de novo em instantes.")
        except controls.Unsure:
            messages.error(request, "Não sabemos se a mudança foi gravada: veja abaixo antes de tentar de novo.")
        else:
            messages.success(request, _told(after, number, paused=paused == "1"))
        return HttpResponseRedirect(reverse("admin:conversations_bot"))


def _told(after: controls.BotControls, number: str, *, paused: bool) -> str:
    if paused:
        return f"O bot está em pausa no número {number}." if number else "O bot está em pausa."
    over = f"A pausa do número {number} terminou." if number else "A pausa para todos terminou."
    return f"{over} {banner(after).get('paused', 'O bot volta a responder.')}"


def _events() -> Iterable[AuditEvent]:
    newest = DocumentQuerySet(AuditEvent).filter(conversation_id=SYSTEM_CHAIN).order_by("-seq")[:LOOKED_AT]
    changed = [event for event in newest if event.event_type == EventType.CONTROL_CHANGED]
    return [event for event in changed if event.metadata.get("control") == "bot"][:SHOWN]


def switched(events: Iterable[AuditEvent]) -> list[Switched]:
    """Who changed which switch, the newest first."""
    events = list(events)
    names = agent_names(event.actor for event in events)
    return [Switched(event.timestamp, names[event.actor], _text(event.changes, event.metadata)) for event in events]


def _text(changes: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    verb = "Pausou" if changes.get("paused", [False, False])[1] else "Ligou"
    number = metadata.get("phone_number_id")
    return f"{verb} o bot no número {number}" if number else f"{verb} o bot para todos"
