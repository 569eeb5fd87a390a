"""Who an agent is, in the words that staff read: documents hold "user:7"."""

from collections.abc import Iterable

from django.contrib.auth import get_user_model

from audit.labels import actor_label

from .models import WHATSAPP_APP
from .services.agents import agent_of

PREFIX = "user:"
ON_THE_PHONE = "Celular da empresa"


def agent_name(agent: str | None) -> str:
    return agent_names([agent])[agent or ""]


def agent_names(agents: Iterable[str | None]) -> dict[str, str]:
    """The names of all of them, with one query; "" for nobody, the number of a user who is no more."""
    codes = {agent or "" for agent in agents}
    keys = [int(key) for code in codes if code.startswith(PREFIX) and (key := code.removeprefix(PREFIX)).isdecimal()]
    users = get_user_model().objects.in_bulk(keys) if keys else {}
    known = {agent_of(key): user.get_full_name() or user.get_username() for key, user in users.items()}
    return {code: known.get(code) or _other(code) for code in codes}


def _other(code: str) -> str:
    if not code:
        return ""
    return ON_THE_PHONE if code == WHATSAPP_APP else actor_label(code)
