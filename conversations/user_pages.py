"""Users in the admin. Who may not work any more leaves their conversations to the queue."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from pyloto.admin import UserAdmin as PlainUserAdmin
from pyloto.errors import TransientError

from .services.agents import agent_of, put_back_all

admin.site.unregister(User)


@admin.register(User)
class UserAdmin(PlainUserAdmin):
    """Django ends the sessions of who is inactive by itself: each request asks for the user anew."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and not (obj.is_active and obj.is_staff):  # at every save: a second try finds what a first one left
            self._leaves(request, obj.pk)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        pk = obj.pk
        super().delete_model(request, obj)
        self._leaves(request, pk)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        keys = list(queryset.values_list("pk", flat=True))
        super().delete_queryset(request, queryset)
        for pk in keys:
            self._leaves(request, pk)

    def _leaves(self, request: HttpRequest, user_pk: int) -> None:
        """Once the user is really locked out, so that they cannot take another one meanwhile."""
        transaction.on_commit(partial(_put_back, request, user_pk))


def _put_back(request: HttpRequest, user_pk: int) -> None:
    try:
        count = put_back_all(agent_of(user_pk), now=timezone.now())
    except TransientError:
        messages.error(
            request,
            "As conversas desta pessoa não puderam voltar à fila agora: isso é tentado de novo a cada 5 minutos.",
        )
        return
    if count:
        told = "1 conversa desta pessoa voltou" if count == 1 else f"{count} conversas desta pessoa voltaram"
        messages.success(request, f"{told} à fila.")
