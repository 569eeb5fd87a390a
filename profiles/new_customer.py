"""The page on which staff write down a customer who has not written yet."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from pyloto.documents import AlreadyExists

from .forms import NewProfileForm
from .pages import EXPLAINED, CustomerPages, actor_of, customer_url, explain, may
from .services.editing import InvalidProfile, create_profile


class NewCustomerPage(CustomerPages):
    def new_customer_urls(self) -> list[URLPattern]:
        return [path("new/", self.admin_site.admin_view(self.new_view), name="profiles_userprofile_new")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "may_create": may(request, "change")})

    def new_view(self, request: HttpRequest) -> HttpResponse:
        if not may(request, "change"):
            raise PermissionDenied
        form, owner = NewProfileForm(request.POST or None), None
        if form.is_valid():
            try:
                created = create_profile(facts=form.changes(), actor=actor_of(request), now=timezone.now())
            except InvalidProfile as exc:
                owner = exc.owner
                for field, refusal in exc.errors.items():
                    form.add_error(field, str(refusal.label))
            except AlreadyExists:
                form.add_error(None, "Alguém cadastrou um cliente neste mesmo instante. Tente de novo.")
            except EXPLAINED as exc:
                form.add_error(None, explain(exc))
            else:
                messages.success(request, "Cliente cadastrado.")
                return HttpResponseRedirect(customer_url(created.pk))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Novo cliente",
            "form": form,
            "owner": owner,
        }
        return TemplateResponse(request, "admin/profiles/new.html", context)
