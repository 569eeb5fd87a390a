"""Customers in the admin: found, shown with masked contact, corrected; what was merged, and what was erased."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.decorators import display

from audit.labels import actor_label
from pyloto.documents import is_document_id
from pyloto.documents.admin import CursorChangeList, DocumentAdmin, short_time
from pyloto.documents.queryset import DocumentQuerySet
from pyloto.privacy.registry import conversation_ids_of

from .forms import HoldForm, ProfileForm, RevealForm
from .labels import changes_told, field_label, value_label
from .models import Erasure, Merge, ProfileChange, UserProfile
from .new_customer import NewCustomerPage
from .pages import (
    EXPLAINED,
    SEARCH_VAR,
    RightsPages,
    actor_of,
    customer_url,
    display_name,
    may,
    may_read_receipts,
    search_redirect,
    searched_term,
)
from .services import candidates, erasure
from .services.editing import (
    InvalidProfile,
    ProfileChanged,
    ProfileContended,
    ProfileMerged,
    edit_profile,
    version_of,
)
from .services.history import Place, history, values_of
from .services.reveal import Contact, RevealReason, reveal_contact
from .services.search import Found, search
from .stores import MergeStore, UserProfileStore

PLACE_VAR = "antes"
MERGES_MAX = 30  # asked for at once: what Firestore takes in one `in`
FACTS_SHOWN = ("name", "city", "is_business", "business_name", "role", "qualification_level", "lead_score")
STEP_COLOURS = {
    Erasure.Step.STARTED.label: "warning",
    Erasure.Step.REMOVED.label: "info",
    Erasure.Step.COMPLETED.label: "success",
}
STATE_COLOURS = {"Possível duplicata": "warning", "Unido a outro": "info", "Guarda legal": "danger"}
profiles = UserProfileStore()
merges = MergeStore()


def customer_link(user_key: str, text: str) -> str:
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', customer_url(user_key), text
    )


class CustomerChangeList(CursorChangeList):
    """The list of all, or of those who were found: then what was found is one page."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> Any:
        self.filter_params.pop(SEARCH_VAR, None)
        self.params.pop(SEARCH_VAR, None)
        return super().get_queryset(request, exclude_parameters)


@dataclass(frozen=True)
class Told:
    """One change of the history, for the page. `values` only once they were revealed."""

    at: datetime
    actor: str
    fields: str
    values: list[tuple[str, str, str]]

    @classmethod
    def of(cls, change: ProfileChange, *, revealed: bool) -> "Told":
        fields = ", ".join(field_label(field) for field in change.fields)
        return cls(change.at, actor_label(change.actor), fields, changes_told(values_of(change)) if revealed else [])


@admin.register(UserProfile)
class UserProfileAdmin(NewCustomerPage, RightsPages):
    list_display = ("customer", "masked_phone", "city_label", "business_name", "state", "last_seen")
    list_before_template = "admin/profiles/search.html"
    ordering = ("-last_interaction",)

    # --- the list, and the search -------------------------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CustomerChangeList

    def get_queryset(self, request: HttpRequest) -> Any:
        found: Found | None = getattr(request, "found_customers", None)
        queryset = DocumentQuerySet(UserProfile)
        return queryset if found is None else queryset.filter(pk__in=found.user_keys)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        term = searched_term(request) if self.has_view_permission(request) else ""
        if term is None:
            return HttpResponseRedirect(reverse("admin:profiles_userprofile_changelist"))
        if term:
            request.found_customers = search(term)  # type: ignore[attr-defined]
        found: Found | None = getattr(request, "found_customers", None)
        return super().changelist_view(request, {**(extra_context or {}), "term": term, "found": found})

    def search_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return search_redirect(request, reverse("admin:profiles_userprofile_changelist"))

    def prepare_rows(self, rows: list[Any]) -> None:
        merged: dict[str, Merge] = {}
        for start in range(0, len(rows), MERGES_MAX):
            merged |= merges.active_of([row.pk for row in rows[start : start + MERGES_MAX]])
        for row in rows:
            row.merged = merged.get(row.pk)

    @display(description="cliente")
    def customer(self, profile: UserProfile) -> str:
        return display_name(profile)

    @display(description="telefone")
    def masked_phone(self, profile: UserProfile) -> str:
        return profile.masked_phone or "Sem telefone"

    @display(description="cidade", empty_value="-")
    def city_label(self, profile: UserProfile) -> str | None:
        return profile.city or None

    @display(description="situação", label=STATE_COLOURS)
    def state(self, profile: Any) -> str:
        if profile.merged:
            return "Unido a outro"
        if profile.legal_hold:
            return "Guarda legal"
        return "Possível duplicata" if profile.merge_candidates else ""

    @display(description="última interação")
    def last_seen(self, profile: UserProfile) -> str:
        return short_time(profile.last_interaction)

    # --- one customer -------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "search/",
                self.admin_site.admin_view(require_POST(self.search_view)),
                name="profiles_userprofile_search",
            ),
            *self.new_customer_urls(),
            self.customer_path("edit", self.edit_view, "change"),
            self.customer_path("reveal", self.reveal_view, "reveal", post=True),
            self.customer_path("dismiss", self.dismiss_view, "merge", post=True),
            *self.rights_urls(),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What is known of a customer, in place of a form."""
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        profile = self.find(object_id) if is_document_id(object_id) else None
        if profile is None:
            return self.not_there(request, object_id)
        return self._detail(request, profile, before=_read_place(object_id, request.GET.get(PLACE_VAR, "")))

    def reveal_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        """The contact and the values of the history, this once: they come only in this answer to a POST."""
        form = RevealForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Escolha o motivo para revelar o contato.")
            return HttpResponseRedirect(customer_url(user_key))
        try:
            contact = reveal_contact(
                user_key=user_key,
                reason=RevealReason(form.cleaned_data["reason"]),
                actor=actor_of(request),
                now=timezone.now(),
            )
            profile = profiles.get(user_key)
        except EXPLAINED as exc:
            return self.refused(request, exc, user_key)
        before = _read_place(user_key, request.POST.get(PLACE_VAR, ""))
        return self._detail(request, profile, before=before, contact=contact)

    def _detail(
        self, request: HttpRequest, profile: UserProfile, *, before: Place | None, contact: Contact | None = None
    ) -> HttpResponse:
        told = history(profile.pk, before=before)
        into = merges.find_active(source=profile.pk)
        merged_here = merges.active_into(profile.pk)
        noted = [] if into else candidates.candidates_of(profile.pk)
        others = [*noted, *(merge.source for merge in merged_here)] + ([into.target] if into else [])
        known = profiles.find_many(dict.fromkeys(others))
        return self.page(
            request,
            "customer",
            profile,
            display_name(profile),
            facts=[(field_label(name), value_label(name, getattr(profile, name))) for name in FACTS_SHOWN],
            contact=_contact_rows(contact) if contact else None,
            history=[Told.of(change, revealed=contact is not None) for change in told.changes],
            here=_sign_place(profile.pk, before) if before else "",
            earlier=_sign_place(profile.pk, told.next) if told.next else "",
            conversation_ids=conversation_ids_of([profile.pk]),
            merged_into=(into.target, display_name(known.get(into.target))) if into else None,
            merged_here=[(merge, display_name(known.get(merge.source))) for merge in merged_here],
            candidates=[
                (key, display_name(known[key]), known[key].masked_phone or "Sem telefone")
                for key in noted
                if key in known
            ],
            reveal_form=RevealForm(),
            hold_form=HoldForm(),
            hold=_hold_label(profile),
            may={
                permission: may(request, permission)
                for permission in ("change", "reveal", "merge", "erase", "access", "hold")
            },
            can_view_conversation=request.user.has_perm("conversations.view_conversation"),
            can_view_audit=request.user.has_perm("audit.view_auditevent"),
        )

    def dismiss_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        """Not the same person: the two are not proposed again."""
        other = request.POST.get("other", "")
        if not is_document_id(other):
            return HttpResponseRedirect(customer_url(user_key))
        try:
            candidates.dismiss(user_key=user_key, other=other, actor=actor_of(request), now=timezone.now())
        except EXPLAINED as exc:
            return self.refused(request, exc, user_key)
        messages.success(request, "Anotado: não são a mesma pessoa.")
        return HttpResponseRedirect(customer_url(user_key))

    def edit_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        profile = self.find(user_key)
        if profile is None:
            return self.not_there(request, user_key)
        if request.method != "POST":
            form = ProfileForm(initial=ProfileForm.shown(profile, version_of(profile)))
            return self._edit_page(request, profile, form)
        form = ProfileForm(request.POST)
        if not form.is_valid():
            return self._edit_page(request, profile, form)
        try:
            edit_profile(
                user_key=user_key,
                changes=form.changes(),
                expected_version=form.cleaned_data["version"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        except InvalidProfile as exc:
            for field, refusal in exc.errors.items():
                form.add_error(field, str(refusal.label))
            return self._edit_page(request, profile, form, owner=exc.owner)
        except ProfileChanged:
            return self._edit_page(request, profile, form, conflict=True)
        except ProfileMerged as exc:
            messages.warning(request, "Este cadastro foi unido a outro: edite o que está em uso.")
            return HttpResponseRedirect(customer_url(exc.target))
        except ProfileContended:
            messages.error(request, "O cadastro está mudando neste momento. Tente de novo em instantes.")
            return HttpResponseRedirect(customer_url(user_key, "edit"))
        except EXPLAINED as exc:
            return self.refused(request, exc, user_key)
        messages.success(request, "Cadastro atualizado.")
        return HttpResponseRedirect(customer_url(user_key))

    def _edit_page(
        self,
        request: HttpRequest,
        profile: UserProfile,
        form: ProfileForm,
        *,
        owner: str | None = None,
        conflict: bool = False,
    ) -> HttpResponse:
        response = self.page(
            request,
            "edit",
            profile,
            f"Editar {display_name(profile)}",
            form=form,
            owner=owner,
            may_merge=may(request, "merge"),
            conflict=conflict,
        )
        response.status_code = 409 if conflict else 200
        return response


@admin.register(Merge)
class MergeAdmin(DocumentAdmin):
    """Every merge, with the way to undo those that hold."""

    list_display = ("source_name", "target_name", "by", "when", "outcome")
    list_display_links = None
    ordering = ("-merged_at",)

    def prepare_rows(self, rows: list[Any]) -> None:
        known = profiles.find_many(dict.fromkeys(key for row in rows for key in (row.source, row.target)))
        for row in rows:
            row.known = known

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied  # the list says all there is

    @display(description="cadastro unido")
    def source_name(self, merge: Any) -> str:
        return customer_link(merge.source, display_name(merge.known.get(merge.source)))

    @display(description="ao cliente")
    def target_name(self, merge: Any) -> str:
        return customer_link(merge.target, display_name(merge.known.get(merge.target)))

    @display(description="por")
    def by(self, merge: Merge) -> str:
        return actor_label(merge.merged_by)

    @display(description="quando")
    def when(self, merge: Merge) -> str:
        return short_time(merge.merged_at)

    @display(description="situação")
    def outcome(self, merge: Merge) -> str:
        if merge.undone_at:
            return f"Desfeita em {short_time(merge.undone_at)} por {actor_label(merge.undone_by or '')}"
        return "Em vigor"


@admin.register(Erasure)
class ErasureAdmin(DocumentAdmin):
    """Who was erased, when and why; each with the receipt for the person who asked."""

    list_display = ("customer", "step_label", "reason_label", "by", "when")
    ordering = ("-requested_at",)

    @display(description="cliente")
    def customer(self, journal: Erasure) -> str:
        return journal.pk[:8]

    @display(description="etapa", label=STEP_COLOURS)
    def step_label(self, journal: Erasure) -> str:
        return str(journal.get_step_display())

    @display(description="motivo")
    def reason_label(self, journal: Erasure) -> str:
        return str(journal.get_reason_display())

    @display(description="pedido por")
    def by(self, journal: Erasure) -> str:
        return actor_label(journal.requested_by)

    @display(description="pedido em")
    def when(self, journal: Erasure) -> str:
        return short_time(journal.requested_at)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_read_receipts(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request) or request.method != "GET":
            raise PermissionDenied
        receipt = erasure.receipt(object_id) if self.get_object(request, object_id) else None
        if receipt is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.GET.get("formato") == "json":
            response = JsonResponse(receipt.to_document(), json_dumps_params={"ensure_ascii": False, "indent": 1})
            response["Content-Disposition"] = f'attachment; filename="recibo-{receipt.user_key}.json"'
            return response
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Recibo de apagamento",
            "original": "Recibo de apagamento",
            "receipt": receipt,
            "requested_by": actor_label(receipt.requested_by),
            "removed": [(label, count) for _, label, count in receipt.removed if count],
        }
        return TemplateResponse(request, "admin/profiles/receipt.html", context)


def _contact_rows(contact: Contact) -> list[tuple[str, str]]:
    return [
        (field_label(name), "indisponível" if value is None else value_label(name, value) or "-")
        for name, value in vars(contact).items()
    ]


def _hold_label(profile: UserProfile) -> dict[str, Any] | None:
    if not profile.legal_hold:
        return None
    reason = dict(UserProfile.HoldReason.choices).get(profile.legal_hold["reason"], profile.legal_hold["reason"])
    return {"reason": reason, "by": actor_label(profile.legal_hold["by"]), "at": profile.legal_hold["at"]}


def _sign_place(user_key: str, place: Place) -> str:
    return signing.dumps([place[0].isoformat(), place[1]], salt=f"profiles.history:{user_key}")


def _read_place(user_key: str, signed: str) -> Place | None:
    try:
        at, change_id = signing.loads(signed, salt=f"profiles.history:{user_key}")
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(at), change_id
