"""Customers in the admin: what they told us. The phone is shown masked; nothing here reveals it."""

from django.contrib import admin
from unfold.decorators import display

from pyloto.documents.admin import DocumentAdmin, short_time

from .models import UserProfile


@admin.register(UserProfile)
class UserProfileAdmin(DocumentAdmin):
    list_display = ("display_name", "masked_phone", "city", "business_name", "last_seen")
    ordering = ("-last_interaction",)
    fields = (
        "display_name", "masked_phone", "city", "is_business", "business_name", "role", "lead_score", "qualification_level",
        "created_at", "updated_at", "last_interaction",
    )  # fmt: skip

    @display(description="nome")
    def display_name(self, profile: UserProfile) -> str:
        return profile.name or "Cliente sem nome"

    @display(description="telefone")
    def masked_phone(self, profile: UserProfile) -> str:
        return profile.masked_phone or "Sem telefone"

    @display(description="última interação")
    def last_seen(self, profile: UserProfile) -> str:
        return short_time(profile.last_interaction)
