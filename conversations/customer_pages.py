"""Two customers side by side, to be merged into one, and the undo: pages of customers that change their conversations."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from audit.errors import CustomerErased
from profiles.labels import field_label, value_label
from profiles.models import UserProfile
from profiles.pages import search_redirect, searched_term
from profiles.services.candidates import candidates_of, current_of
from profiles.services.search import search
from profiles.stores import MergeStore, UserProfileStore
from pyloto.documents import NotFound, is_document_id
from pyloto.documents.admin import DocumentAdmin
from pyloto.errors import PylotoError

from .labels import label_of
from .models import Conversation, Mode
from .services import merging
from .stores import ConversationStore

PERMISSIONS = ("profiles.view_userprofile", "profiles.merge_userprofile")
FACTS = ("name", "city", "is_business", "business_name", "role")
OTHER_VAR = "com"
FOUND_MAX = 10  # each is shown beside the customer
EXPLANATIONS: dict[type[PylotoError], str] = {
    merging.SamePerson: "Estes cadastros já são do mesmo cliente.",
    merging.UnknownCustomer: "Um dos clientes não existe mais, ou a união já não está como estava.",
    merging.AlreadyMerged: "Um dos cadastros já foi unido a outro. Use o cadastro que está em uso, ou desfaça a união mais recente antes.",
    merging.WithPerson: "O cadastro que seria unido está com uma pessoa ou aguarda uma, ou vai para a fila em breve. Una no sentido contrário, ou depois do atendimento.",
    merging.ReplyOnItsWay: "Uma resposta ao cadastro que seria unido ainda está a caminho. Una no sentido contrário, ou depois que ela chegar.",
    merging.TooManyIdentifiers: "Este cadastro tem identificadores demais para uma união só.",
    merging.UnknownMerge: "Esta união não existe.",
    merging.AlreadyUndone: "Esta união já foi desfeita.",
    merging.MergeContended: "As conversas estão mudando neste momento. Nada foi feito: tente de novo em instantes.",
    CustomerErased: "Os dados de um destes clientes foram apagados.",
}
EXPLAINED = tuple(EXPLANATIONS)


@dataclass(frozen=True)
class Side:
    """One of the two, as the page shows them."""

    user_key: str
    name: str
    rows: list[tuple[str, str]]

    @classmethod
    def of(cls, profile: UserProfile, header: Conversation | None) -> "Side":
        rows = [(field_label(field), value_label(field, getattr(profile, field)) or "-") for field in FACTS]
        rows += [
            ("Telefone", profile.masked_phone or "Sem telefone"),
            ("Tem id do WhatsApp", "Sim" if profile.bsuid else "Não"),
            ("Primeiro contato", f"{timezone.localtime(profile.created_at):%d/%m/%Y %H:%M}"),
            ("Última interação", f"{timezone.localtime(profile.last_interaction):%d/%m/%Y %H:%M}"),
            ("Quem responde", label_of(Mode, header.mode) if header else "Ainda não escreveu"),
        ]
        return cls(profile.pk, profile.name or "Cliente sem nome", rows)


def merge_urls(admin: DocumentAdmin) -> list[URLPattern]:
    """The pages, for the `get_urls` of an admin."""
    wrap = admin.admin_site.admin_view

    def merge_page(request: HttpRequest, user_key: str) -> HttpResponse:
        return _merge_page(admin, request, user_key)

    return [
        path("<str:user_key>/merge/", wrap(merge_page), name="conversations_merge"),
        path("<str:user_key>/merge/search/", wrap(require_POST(_search)), name="conversations_merge_search"),
        path("unmerge/<str:merge_id>/", wrap(require_POST(_unmerge)), name="conversations_unmerge"),
    ]


def _merge_page(admin: DocumentAdmin, request: HttpRequest, user_key: str) -> HttpResponse:
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    if not is_document_id(user_key) or UserProfileStore().find(user_key) is None:
        raise Http404
    if request.method == "POST":
        return _merge(request, user_key)
    term = searched_term(request)
    if term is None:
        return HttpResponseRedirect(reverse("admin:conversations_merge", args=(user_key,)))
    found = search(term, limit=FOUND_MAX) if term else None
    asked = request.GET.get(OTHER_VAR, "")
    given = [asked] if asked and is_document_id(asked) else []
    listed = current_of(found.user_keys).values() if found else [*given, *candidates_of(user_key)]
    keys = [key for key in dict.fromkeys(listed) if key != user_key]
    sides = _sides([user_key, *keys])
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "opts": UserProfile._meta,
        "title": "Unir clientes",
        "this": sides[user_key],
        "others": [sides[key] for key in keys if key in sides],
        "term": term,
        "more": found is not None and found.more,
    }
    return TemplateResponse(request, "admin/conversations/merge.html", context)


def _search(request: HttpRequest, user_key: str) -> HttpResponse:
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    return search_redirect(request, reverse("admin:conversations_merge", args=(user_key,)))


def _sides(user_keys: list[str]) -> dict[str, Side]:
    found = UserProfileStore().find_many(user_keys)
    return {key: Side.of(profile, _header(key)) for key, profile in found.items()}


def _header(user_key: str) -> Conversation | None:
    try:
        return ConversationStore().get_header(user_key)
    except NotFound:
        return None


def _merge(request: HttpRequest, user_key: str) -> HttpResponse:
    """`keep` names the one of the two that stays in use."""
    other, keep = request.POST.get("other", ""), request.POST.get("keep", "")
    back = reverse("admin:conversations_merge", args=(user_key,))
    if not is_document_id(other) or keep not in (user_key, other):
        messages.error(request, "Escolha qual dos dois cadastros fica em uso.")
        return HttpResponseRedirect(back)
    source = other if keep == user_key else user_key
    try:
        merging.merge(source=source, target=keep, actor=f"user:{request.user.pk}", now=timezone.now())
    except EXPLAINED as exc:
        messages.error(request, _explain(exc))
        return HttpResponseRedirect(f"{back}?{OTHER_VAR}={other}")
    messages.success(request, "Clientes unidos. As mensagens dos dois contatos chegam agora a este cadastro.")
    return HttpResponseRedirect(_customer_url(keep))


def _unmerge(request: HttpRequest, merge_id: str) -> HttpResponse:
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    if not is_document_id(merge_id):
        raise Http404
    try:
        undone = merging.undo(merge_id=merge_id, actor=f"user:{request.user.pk}", now=timezone.now())
    except EXPLAINED as exc:
        messages.error(request, _explain(exc))
        merge = MergeStore().find(merge_id)  # who may merge may not see the list of all merges
        customers = reverse("admin:profiles_userprofile_changelist")
        return HttpResponseRedirect(_customer_url(merge.target) if merge else customers)
    messages.success(request, _told(undone))
    return HttpResponseRedirect(_customer_url(undone.merge.source))


def _told(undone: merging.Undone) -> str:
    back = "1 contato voltou" if undone.given_back == 1 else f"{undone.given_back} contatos voltaram"
    kept = "1 fica" if undone.kept == 1 else f"{undone.kept} ficam"
    return f"União desfeita: {back} a este cadastro, {kept} com o outro."


def _explain(error: PylotoError) -> str:
    return next(text for kind, text in EXPLANATIONS.items() if isinstance(error, kind))


def _customer_url(user_key: str) -> str:
    return reverse("admin:profiles_userprofile_change", args=(user_key,))
