"""What agents do in a conversation: take it, answer, close it, give it back, pause the bot in it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from pyloto.documents import is_document_id
from pyloto.errors import PylotoError
from pyloto.privacy.hashing import digest

from .bot_pages import banner
from .labels import moment
from .listing import ViewedAdmin
from .models import WHATSAPP_APP, Conversation, Handoff, Mode
from .outbox import WINDOW, window_is_open
from .people import agent_name
from .services import agents, controls
from .services.agents import agent_of
from .services.chat import Chat, load_chat, version_of
from .services.release import release_to_bot
from .whatsapp.messages import TEXT_MAX

PLACE_VAR = "antes"
VIEW = "conversations.view_conversation"
TAKE, REPLY, RELEASE, PAUSE = (f"conversations.{verb}_conversation" for verb in ("take", "reply", "release", "pause"))


@dataclass(frozen=True)
class Action:
    """A button that changes who answers.

    `do` gets `user_key`, `agent`, `now`, and the fields of the form that `sent` names; it returns the header. `then` is
    what the bot does afterwards, told where it may.
    """

    permission: str
    do: Callable[..., Conversation]
    done: str
    then: str = ""
    sent: tuple[str, ...] = ()

    def told(self, header: Conversation) -> str:
        if not self.then or header.mode != Mode.BOT:
            return self.done
        return f"{self.done} {banner(header=header).get('paused', self.then)}"


def requeue(*, user_key: str, agent: str, owner: str, now: datetime) -> Conversation:
    """Somebody else's conversation back into the queue, unless it is not that `owner`'s any more."""
    return agents.put_back(user_key=user_key, agent=owner, actor=agent, now=now)


BOT_NEXT = "A próxima mensagem do cliente será respondida pelo bot."
ACTIONS = {  # by the last word of the URL
    "take": Action(TAKE, agents.take, "A conversa é sua: o bot não responde mais a este cliente."),
    "close": Action(TAKE, agents.close, "Atendimento concluído.", BOT_NEXT, sent=("seen",)),
    "put-back": Action(TAKE, agents.put_back, "Conversa devolvida à fila: outra pessoa pode assumir."),
    "requeue": Action(RELEASE, requeue, "Conversa devolvida à fila: outra pessoa pode assumir.", sent=("owner",)),
    "release": Action(RELEASE, release_to_bot, "Conversa devolvida ao bot.", BOT_NEXT, sent=("seen",)),
    "pause": Action(
        PAUSE, partial(controls.set_conversation_paused, paused=True), "O bot está em pausa nesta conversa."
    ),
    "resume": Action(
        PAUSE,
        partial(controls.set_conversation_paused, paused=False),
        "A pausa desta conversa terminou.",
        "O bot volta a responder.",
    ),
}
EXPLANATIONS: dict[type[PylotoError], str] = {
    agents.NotTaken: "Esta conversa não está com você. Assuma a conversa antes.",
    agents.NotWithHuman: "Esta conversa já está com o bot.",
    agents.NewMessages: "Nada foi feito: o cliente escreveu enquanto isso, ou uma resposta não chegou. Leia antes.",
    agents.NoConversation: "Esta conversa não existe mais, ou continua em outra: o cliente foi unido a outro ou apagado.",
    agents.WindowClosed: "A mensagem não foi enviada: passaram mais de 24 horas da última mensagem do cliente, e o WhatsApp só "
    "aceita texto livre dentro desse prazo. Quando o cliente escrever de novo, você pode responder.",
    agents.InvalidMessage: f"A mensagem não foi enviada: escreva de 1 a {TEXT_MAX} caracteres.",
    agents.Unsure: "Não sabemos se foi gravado: recarregue a conversa antes de tentar de novo.",
    agents.Contended: "A conversa está mudando neste momento e nada foi feito. Tente de novo em instantes.",
}
EXPLAINED: tuple[type[PylotoError], ...] = (agents.TakenByOther, *EXPLANATIONS)


def explain(error: PylotoError) -> str:
    if isinstance(error, agents.TakenByOther):
        return f"{agent_name(error.agent)} assumiu primeiro: esta conversa não está com você."
    return next(text for kind, text in EXPLANATIONS.items() if isinstance(error, kind))


@dataclass(frozen=True)
class Draft:
    """What stands in the reply box. `key` makes a text that is sent twice one message."""

    text: str = ""
    key: str = ""
    error: str = ""

    @classmethod
    def new(cls) -> "Draft":
        return cls(key=secrets.token_hex(16))


@dataclass(frozen=True)
class Standing:
    """Who has the conversation, and what its reader may do about that."""

    text: str
    is_mine: bool
    window_is_open: bool
    window_ends: str
    can: frozenset[str]  # keys of ACTIONS, "reply", "fetch" a file again, "decide" about messages in doubt

    @classmethod
    def of(cls, request: HttpRequest, chat: Chat, now: datetime) -> "Standing":
        header, may = chat.header, request.user.has_perm
        is_mine = header.mode == Mode.HUMAN and header.assigned_to == agent_of(request.user.pk)
        is_anothers = header.mode == Mode.HUMAN and not is_mine and header.assigned_to != WHATSAPP_APP
        can: set[str] = set()
        if header.merged_into is None:
            if may(TAKE):
                if is_mine:
                    can |= {"close", "put-back"}
                elif not is_anothers:
                    can.add("take")
            if may(REPLY):
                can |= {"fetch", "reply"} if is_mine else {"fetch"}
                if not is_anothers or may(RELEASE):
                    can.add("decide")
            if header.mode != Mode.BOT and may(RELEASE):
                can.add("release")
                if is_anothers or (is_mine and not may(TAKE)):
                    can.add("requeue")
            if may(PAUSE):
                can.add("resume" if header.paused else "pause")
        return cls(
            _who_answers(chat, is_mine=is_mine),
            is_mine,
            window_is_open(header.last_user_at, now),
            moment(header.last_user_at + WINDOW) if header.last_user_at else "",
            frozenset(can),
        )


def _who_answers(chat: Chat, *, is_mine: bool) -> str:
    header, handoff = chat.header, chat.handoff
    if header.mode == Mode.BOT:
        return "O bot responde a este cliente"
    if header.mode == Mode.WAITING_HUMAN:
        waiting = handoff is not None and handoff.status == Handoff.Status.OPEN
        return "Aguardando uma pessoa" + (f" desde {moment(handoff.opened_at)}" if handoff and waiting else "")
    taken_at = handoff.taken_at if handoff is not None and handoff.status == Handoff.Status.TAKEN else None
    who = "Com você" if is_mine else f"Com {agent_name(header.assigned_to) or 'uma pessoa'}"
    return who + (f" desde {moment(taken_at)}" if taken_at else "")


class AgentPages(ViewedAdmin):
    """The chat of one conversation, with what can be done there."""

    def agent_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        actions = [
            path(
                f"<str:user_key>/{name}/",
                wrap(require_POST(partial(self.action_view, name=name))),
                name=f"conversations_conversation_{name}",
            )
            for name in ACTIONS
        ]
        return [
            *actions,
            path("<str:user_key>/reply/", wrap(require_POST(self.reply_view)), name="conversations_conversation_reply"),
            path("<str:user_key>/news/", wrap(require_GET(self.news_view)), name="conversations_conversation_news"),
        ]

    # --- the chat -----------------------------------------------------------------------------------------------------
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The chat, in place of a form."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        return self.chat_page(request, object_id, Draft.new(), before=request.GET.get(PLACE_VAR, ""))

    def chat_page(
        self, request: HttpRequest, user_key: str, draft: Draft, *, before: str = "", status: int = 200
    ) -> HttpResponse:
        chat = load_chat(user_key, before=before)
        if chat is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, user_key)
            return missing
        may = request.user.has_perm
        context = {
            **self.admin_site.each_context(request),
            **banner(chat.controls, chat.header),
            "opts": self.opts,
            "original": chat.header,
            "title": chat.name,
            "chat": chat,
            "standing": Standing.of(request, chat, timezone.now()),
            "draft": draft,
            "text_max": TEXT_MAX,
            "responsible": agent_name(chat.header.assigned_to),
            "can_view_audit": may("audit.view_auditevent"),
            "can_view_profile": may("profiles.view_userprofile"),
            "can_view_session": may("conversations.view_session"),
            "handoff": chat.handoff if may("conversations.view_handoff") else None,
        }
        return TemplateResponse(request, "admin/conversations/conversation/chat.html", context, status=status)

    def news_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        """Whether the conversation changed since a page of it was made: pages ask now and then."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = version_of(user_key) if is_document_id(user_key) else None
        if version is None:
            raise Http404
        return JsonResponse({"version": version}, headers={"Cache-Control": "no-store"})

    # --- what is done there -------------------------------------------------------------------------------------------
    def action_view(self, request: HttpRequest, user_key: str, *, name: str) -> HttpResponse:
        action = ACTIONS[name]
        self.require(request, user_key, action.permission)
        sent = {name: request.POST.get(name, "") for name in action.sent}
        try:
            header = action.do(user_key=user_key, agent=agent_of(request.user.pk), now=timezone.now(), **sent)
        except EXPLAINED as exc:
            messages.warning(request, explain(exc))
        else:
            messages.success(request, action.told(header))
        return self.back_to_chat(request, user_key)

    def reply_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        self.require(request, user_key, REPLY)
        text = request.POST.get("text", "").replace("\r\n", "\n")  # forms send lines as old printers want them
        key = request.POST.get("key", "")
        try:
            agents.reply(
                user_key=user_key,
                agent=agent_of(request.user.pk),
                text=text,
                key=digest(key or secrets.token_hex(16), text),  # a page that the browser kept may hold another text
                now=timezone.now(),
            )
        except EXPLAINED as exc:  # the same key again: what was refused was not sent
            return self.chat_page(request, user_key, Draft(text, key, explain(exc)), status=409)
        return self.back_to_chat(request, user_key)

    def require(self, request: HttpRequest, user_key: str, permission: str) -> None:
        """Raises `PermissionDenied`, or `Http404` for what can be no conversation."""
        if not self.has_view_permission(request) or not request.user.has_perm(permission):
            raise PermissionDenied
        if not is_document_id(user_key):
            raise Http404

    def back_to_chat(self, request: HttpRequest, user_key: str) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:conversations_conversation_change", args=(user_key,)))
