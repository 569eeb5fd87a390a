"""The admin's menu, in the order in which staff need it; each entry for those who may see what it leads to."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class Entry:
    """`url`: the name of a page of the admin. Without `permission` it is the list of a model, for who may view that."""

    title: str
    icon: str
    url: str
    permission: str = ""

    def is_for(self, user: Any) -> bool:
        app, _, model = self.url.removesuffix("_changelist").partition("_")
        return bool(user.has_perm(self.permission or f"{app}.view_{model}"))


MENU = {
    "Atendimento": (
        Entry("Atendimentos humanos", "support_agent", "conversations_handoff_changelist"),
        Entry("Conversas", "forum", "conversations_conversation_changelist"),
        Entry("Sessões", "schedule", "conversations_session_changelist"),
        Entry("Clientes", "person", "profiles_userprofile_changelist"),
        Entry("Bot", "smart_toy", "conversations_bot", "conversations.pause_bot"),
    ),
    "Controle": (
        Entry("Auditoria", "history", "audit_auditevent_changelist"),
        Entry("Pontos de verificação", "verified_user", "audit_checkpoint_changelist"),
        Entry("Uniões de clientes", "merge", "profiles_merge_changelist"),
        Entry("Apagamentos", "delete_history", "profiles_erasure_changelist"),
        Entry("Entregas em quarentena", "report", "conversations_quarantined_changelist"),
    ),
    "Acesso": (
        Entry("Usuários", "badge", "auth_user_changelist"),
        Entry("Grupos", "group", "auth_group_changelist"),
    ),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """In the form that unfold's `SIDEBAR` setting takes."""
    home = {"title": "Início", "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [home]}]
    for title, entries in MENU.items():
        items = [
            {"title": entry.title, "icon": entry.icon, "link": reverse(f"admin:{entry.url}")}
            for entry in entries
            if entry.is_for(request.user)
        ]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups
