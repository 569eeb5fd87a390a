"""Lists that are read through one of several views, each a link above the list: "Minhas", "Fila"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.http import HttpRequest

from pyloto.documents.admin import CursorChangeList, DocumentAdmin

VIEW_VAR = "mostrar"


@dataclass(frozen=True)
class View:
    """Which documents, in which order: each needs an index of its own, so nothing else is combined with it."""

    label: str
    order: tuple[str, ...]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    of_reader: Callable[[HttpRequest], Mapping[str, Any]] | None = None  # further ones, that depend on who looks
    ties: Callable[[Any], Any] | None = None  # a key that settles within a page what `order` leaves open


class ViewedChangeList(CursorChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> Any:
        self.filter_params.pop(VIEW_VAR, None)  # no field of the documents; links to the next page keep it
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        ties = self.model_admin.view_of(request).ties
        if ties:
            self.result_list.sort(key=ties)


class ViewedAdmin(DocumentAdmin):
    views: ClassVar[Mapping[str, View]]  # by the word in the URL; the first one is shown unless another is asked for

    def view_of(self, request: HttpRequest) -> View:
        return self.views.get(request.GET.get(VIEW_VAR, "")) or next(iter(self.views.values()))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return ViewedChangeList

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return self.view_of(request).order

    def get_queryset(self, request: HttpRequest) -> Any:
        view = self.view_of(request)
        conditions = {**view.conditions, **(view.of_reader(request) if view.of_reader else {})}
        queryset = super().get_queryset(request)
        return queryset.filter(**conditions) if conditions else queryset

    def tabs(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The views for the template."""
        current = self.view_of(request)
        return [
            {"label": view.label, "query": f"?{VIEW_VAR}={name}", "current": view is current}
            for name, view in self.views.items()
        ]
