"""What the pages of one customer have in common, and those of the customer's rights: report, legal hold, erasure."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from audit.errors import CustomerErased, TrailContended
from pyloto.documents import NotFound, Unavailable, is_document_id
from pyloto.documents.admin import DocumentAdmin
from pyloto.errors import PylotoError, TransientError
from pyloto.privacy.fields import DecryptionFailed, decrypt, encrypt
from pyloto.privacy.registry import erasure_steps

from .forms import EraseForm, HoldForm, SearchForm
from .models import Erasure, UserProfile
from .services import access, erasure, retention
from .services.editing import ProfileContended
from .services.receipts import Receipt, what_stays
from .services.reveal import REVEALS_PER_HOUR, RevealUnavailable, TooManyReveals
from .stores import UserProfileStore
from .tasks import ring_for_erasure

profiles = UserProfileStore()

EXPLANATIONS: dict[type[PylotoError], str] = {
    NotFound: "Este cliente não existe mais.",
    CustomerErased: "Os dados deste cliente foram apagados.",
    ProfileContended: "O cadastro está mudando neste momento. Tente de novo em instantes.",
    TrailContended: "A conversa está mudando neste momento. Nada foi feito: tente de novo em instantes.",
    Unavailable: "O banco de dados não respondeu. Tente de novo em instantes.",
    TooManyReveals: f"Você já revelou {REVEALS_PER_HOUR} contatos nesta hora. Tente de novo na próxima.",
    RevealUnavailable: "Não foi possível registrar a consulta, por isso nada foi mostrado. Tente de novo em instantes.",
    erasure.UnknownCustomer: "Não há nada guardado sobre este cliente.",
    erasure.OnLegalHold: "Há guarda legal sobre este cliente: ela precisa ser retirada antes, salvo ordem de autoridade.",
    # At last: whatever else did not answer, such as the storage or Redis.
    TransientError: "Um dos serviços do sistema não respondeu. Tente de novo em instantes.",
}
HOLD_FORBIDS = (
    "Há guarda legal sobre este cliente: apagar por ordem de autoridade exige também a permissão de pôr e tirar a guarda "
    "legal."
)
EXPLAINED = tuple(EXPLANATIONS)


SEARCH_VAR = "busca"


def search_redirect(request: HttpRequest, url: str) -> HttpResponse:
    """To the page that shows what was found. A term may be a phone or a name, which must stand in no URL: it goes on in
    cipher, for this user only."""
    form = SearchForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "A busca é longa demais ou tem caracteres inválidos.")
    elif term := form.cleaned_data["term"].strip():
        url += "?" + urlencode({SEARCH_VAR: encrypt(term, path=_search_path(request), field="term")})
    return HttpResponseRedirect(url)


def searched_term(request: HttpRequest) -> str | None:
    """What the page is to show, empty where nobody searched; None where it cannot be read: another user's, or too old."""
    token = request.GET.get(SEARCH_VAR)
    try:
        return decrypt(token, path=_search_path(request), field="term") if token else ""
    except DecryptionFailed:
        messages.warning(request, "Esta busca expirou. Busque de novo.")
        return None


def _search_path(request: HttpRequest) -> str:
    return f"admin/search/{request.user.pk}"


def explain(error: PylotoError) -> str:
    return next(text for kind, text in EXPLANATIONS.items() if isinstance(error, kind))


def customer_url(user_key: str, page: str = "change") -> str:
    return reverse(f"admin:profiles_userprofile_{page}", args=(user_key,))


def actor_of(request: HttpRequest) -> str:
    return f"user:{request.user.pk}"


def may(request: HttpRequest, *permissions: str) -> bool:
    """Whether the user may see customers, and do all of this with them."""
    return request.user.has_perms(
        ("profiles.view_userprofile", *(f"profiles.{permission}_userprofile" for permission in permissions))
    )


def may_read_receipts(request: HttpRequest) -> bool:
    """Who may erase sees what became of it."""
    return any(map(request.user.has_perm, ("profiles.view_erasure", "profiles.erase_userprofile")))


class Crumb:
    """What the admin's header says of the page; the model's own `__str__` holds no name, since it gets into logs."""

    def __init__(self, profile: UserProfile, title: str) -> None:
        self._meta, self.pk, self.title = profile._meta, profile.pk, title

    def __str__(self) -> str:
        return self.title


def display_name(profile: UserProfile | None) -> str:
    return (profile.name if profile else "") or "Cliente sem nome"


class CustomerPages(DocumentAdmin):
    """One page of a customer after the other; each asks for its own permission."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may only change customers does not see them: Django would let them."""
        return may(request)

    def customer_path(
        self, page: str, view: Callable[..., HttpResponseBase], permission: str, *, post: bool = False, route: str = ""
    ) -> URLPattern:
        """`route` is what follows the customer's key. Every answer is kept by no cache: `admin_view` sees to it."""

        def checked(request: HttpRequest, user_key: str, **arguments: Any) -> HttpResponseBase:
            if not may(request, permission):
                raise PermissionDenied
            if not is_document_id(user_key):
                return self.not_there(request, user_key)
            return view(request, user_key, **arguments)

        allowed = require_POST(checked) if post else checked
        wrapped = self.admin_site.admin_view(allowed)
        pattern: URLPattern = path(f"<str:user_key>/{route or page}/", wrapped, name=f"profiles_userprofile_{page}")
        return pattern

    def find(self, user_key: str) -> UserProfile | None:
        """None, too, of whom is being erased: their profile goes in a moment."""
        begun = erasure.receipt(user_key)
        return None if begun and not begun.is_complete else profiles.find(user_key)

    def not_there(self, request: HttpRequest, user_key: str) -> HttpResponse:
        """Where an erased customer's page would be, their receipt is, for who may read it."""
        if not (is_document_id(user_key) and erasure.receipt(user_key)):
            redirect: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, user_key)
            return redirect
        if may_read_receipts(request):
            return HttpResponseRedirect(reverse("admin:profiles_erasure_change", args=(user_key,)))
        messages.warning(request, EXPLANATIONS[CustomerErased])
        return HttpResponseRedirect(reverse("admin:profiles_userprofile_changelist"))

    def page(
        self, request: HttpRequest, template: str, profile: UserProfile, title: str, **context: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": Crumb(profile, title),
            "title": title,
            "profile": profile,
            **context,
        }
        return TemplateResponse(request, f"admin/profiles/{template}.html", context)

    def refused(self, request: HttpRequest, error: PylotoError, user_key: str) -> HttpResponse:
        messages.error(request, explain(error))
        return HttpResponseRedirect(customer_url(user_key))


class RightsPages(CustomerPages):
    """What the law gives to the people whose data these are."""

    def rights_urls(self) -> list[URLPattern]:
        report = "access/<str:file_format>"
        return [
            self.customer_path("access", self.access_view, "access", post=True, route=report),
            self.customer_path("hold", self.hold_view, "hold", post=True),
            self.customer_path("release_hold", self.release_hold_view, "hold", post=True),
            self.customer_path("erase", self.erase_view, "erase"),
        ]

    def access_view(self, request: HttpRequest, user_key: str, file_format: str) -> HttpResponseBase:
        """The report as a download; asking for it is what the trail records."""
        if file_format not in ("json", "pdf"):
            raise Http404
        try:
            report = access.access_report(
                user_key=user_key,
                actor=actor_of(request),
                now=timezone.now(),
                format="pdf" if file_format == "pdf" else "json",
            )
        except EXPLAINED as exc:
            return self.refused(request, exc, user_key)
        name = f"relatorio-{report['protocolo']}"
        response: HttpResponseBase
        if file_format == "pdf":
            response = HttpResponse(access.access_pdf(report), content_type="application/pdf")
            response["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
        else:
            response = StreamingHttpResponse(access.access_json(report), content_type="application/json")
            response["Content-Disposition"] = f'attachment; filename="{name}.json"'
        return response

    def hold_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        form = HoldForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Escolha o motivo da guarda legal.")
            return HttpResponseRedirect(customer_url(user_key))
        reason = UserProfile.HoldReason(form.cleaned_data["reason"])
        try:
            retention.hold(user_key=user_key, reason=reason, actor=actor_of(request), now=timezone.now())
        except EXPLAINED as exc:
            return self.refused(request, exc, user_key)
        messages.success(request, "Guarda legal posta: nada deste cliente é apagado enquanto ela durar.")
        return HttpResponseRedirect(customer_url(user_key))

    def release_hold_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        try:
            released = retention.release_hold(user_key=user_key, actor=actor_of(request), now=timezone.now())
        except EXPLAINED as exc:
            return self.refused(request, exc, user_key)
        if released:
            messages.success(request, "Guarda legal retirada: os prazos de guarda voltam a correr.")
        else:
            messages.warning(request, "Não havia guarda legal sobre este cliente.")
        return HttpResponseRedirect(customer_url(user_key))

    def erase_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        """What will go and what stays; with the confirmation it begins, and a background job does the rest."""
        profile = self.find(user_key)
        if profile is None:
            return self.not_there(request, user_key)
        form = EraseForm(request.POST or None)
        if form.is_valid():
            return self.begin_erasure(request, user_key, Erasure.Reason(form.cleaned_data["reason"]))
        return self.page(
            request,
            "erase",
            profile,
            f"Apagar os dados de {display_name(profile)}",
            form=form,
            goes=erasure_steps(),
            stays=what_stays(),
        )

    def begin_erasure(self, request: HttpRequest, user_key: str, reason: Erasure.Reason) -> HttpResponse:
        """Where it began and broke off, the background job goes on with it: the receipt says how far it is."""
        try:
            if reason == Erasure.Reason.AUTHORITY and not may(request, "hold") and erasure.is_on_hold(user_key):
                messages.error(request, HOLD_FORBIDS)
                return HttpResponseRedirect(customer_url(user_key))
            begun = erasure.begin(user_key=user_key, reason=reason, actor=actor_of(request), now=timezone.now())
        except EXPLAINED as exc:
            standing = _begun(user_key) if isinstance(exc, TransientError) else None
            if standing is None:
                return self.refused(request, exc, user_key)
            begun = standing
        ring_for_erasure(begun.user_key)
        messages.success(request, "Apagamento iniciado: o cliente já está desligado.")
        return HttpResponseRedirect(reverse("admin:profiles_erasure_change", args=(begun.user_key,)))


def _begun(user_key: str) -> Receipt | None:
    try:
        receipt = erasure.receipt(user_key)
    except TransientError:
        return None
    return None if receipt and receipt.is_complete else receipt
