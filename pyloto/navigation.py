"""The admin's menu, in the order in which staff need it; each entry for those who may see what it leads to."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

MENU = {
    "Atendimento": (
        ("Conversas", "forum", "conversations", "conversation"),
        ("Atendimentos humanos", "support_agent", "conversations", "handoff"),
        ("Sessões", "schedule", "conversations", "session"),
        ("Clientes", "person", "profiles", "userprofile"),
    ),
    "Controle": (
        ("Auditoria", "history", "audit", "auditevent"),
        ("Pontos de verificação", "verified_user", "audit", "checkpoint"),
        ("Uniões de clientes", "merge", "profiles", "merge"),
        ("Apagamentos", "delete_history", "profiles", "erasure"),
        ("Entregas em quarentena", "report", "conversations", "quarantined"),
    ),
    "Acesso": (
        ("Usuários", "badge", "auth", "user"),
        ("Grupos", "group", "auth", "group"),
    ),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """In the form that unfold's `SIDEBAR` setting takes."""
    home = {"title": "Início", "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [home]}]
    for title, entries in MENU.items():
        items = [
            {"title": name, "icon": icon, "link": reverse(f"admin:{app}_{model}_changelist")}
            for name, icon, app, model in entries
            if request.user.has_perm(f"{app}.view_{model}")
        ]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups
