"""The base of the admins over documents: read-only, with cursor pages and without counts."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters, ShowFacets
from django.core.exceptions import FieldDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from .errors import InvalidDocument
from .queryset import BadCursor, DocumentQuerySet

CURSOR_VAR = "cursor"


class CursorPager:
    """What the templates ask of a paginator: where the next page is, and nothing that would need a count."""

    template_name = "admin/documents/cursor_pager.html"

    def __init__(self, *, per_page: int, first_url: str | None, next_url: str | None) -> None:
        self.per_page = per_page
        self.first_url = first_url
        self.next_url = next_url


class CursorChangeList(ChangeList):
    """A list in pages that follow a signed cursor. One more row than shown is read, to know whether a page follows."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> Any:
        # Taken out of the parameters: it is no filter, and links that sort or filter start at the first page.
        self.filter_params.pop(CURSOR_VAR, None)
        self.cursor = self.params.pop(CURSOR_VAR, "")
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[str]:
        """The admin's own order only: sorting by columns would need an index for each, times the filters."""
        return list(self.model_admin.get_ordering(request))

    def get_results(self, request: HttpRequest) -> None:
        try:
            queryset = self.queryset.after(self.cursor) if self.cursor else self.queryset
            rows = queryset[: self.list_per_page + 1]
        except (BadCursor, InvalidDocument) as exc:  # not of this list, or more than any document can hold
            raise IncorrectLookupParameters from exc
        self.result_list = rows[: self.list_per_page]
        next_url = None
        if len(rows) > self.list_per_page:
            next_url = self.get_query_string({CURSOR_VAR: self.queryset.cursor_of(self.result_list[-1])})
        first_url = self.get_query_string() if self.cursor else None
        self.paginator = CursorPager(per_page=self.list_per_page, first_url=first_url, next_url=next_url)
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.show_admin_actions = self.multi_page = self.can_show_all = False
        self.model_admin.prepare_rows(self.result_list)


class DocumentAdmin(ModelAdmin):
    """Lists and shows the documents of one collection. Nobody adds, changes or deletes one here, superusers included.

    Each combination of filter and order needs an index of its own in Firestore: keep `list_filter` and `sortable_by`
    small, and name in `link_lookups` the fields that our own links filter by.
    """

    actions = None
    show_facets = ShowFacets.NEVER
    show_full_result_count = False
    list_per_page = 50
    list_filter_sheet = False
    sortable_by: ClassVar[Sequence[str]] = ()
    actions_detail_hide_default = True  # "History" lists only what was done through forms: nothing here
    link_lookups: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return DocumentQuerySet(self.model)  # ChangeList adds the order

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        try:
            return DocumentQuerySet(self.model).get(pk=object_id)
        except self.model.DoesNotExist:
            return None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CursorChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Filters beyond the declared ones would need indexes that are not there. Unknown fields fail later, politely."""
        name = lookup.partition("__")[0]
        try:
            self.opts.get_field(name)
        except FieldDoesNotExist:
            return True
        filters = self.get_list_filter(request) if request else self.list_filter
        return name in {*self.link_lookups, *(f if isinstance(f, str) else getattr(f, "lookup", "") for f in filters)}

    def prepare_rows(self, rows: list[Any]) -> None:
        """A hook for what one more read can add to all rows of a page."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def short_time(at: datetime | None) -> str:
    """Local day and time, short enough for a list."""
    return f"{timezone.localtime(at):%d/%m/%Y %H:%M}" if at else "-"


def pretty_json(value: Any) -> SafeString:
    """Indented JSON, escaped, for a read-only field."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, cls=DjangoJSONEncoder)
    return format_html('<pre class="documents-json">{}</pre>', text)
