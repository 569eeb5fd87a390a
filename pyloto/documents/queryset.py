"""A read-only stand-in for Django's QuerySet over one collection: what the admin's lists, filters and pages ask for."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import NotSupportedError
from django.db.models import Q

from .document_model import DocumentModel
from .port import DOCUMENT_ID, Direction, Operator, Query
from .registry import get_store
from .values import is_document_id

M = TypeVar("M", bound=DocumentModel)
Condition = tuple[str, Operator, Any]

OPERATORS: dict[str, Operator] = {"exact": "==", "in": "in", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
IN_MEMORY: dict[Operator, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda value, choices: value in choices,
    "<": lambda value, limit: value is not None and value < limit,
    "<=": lambda value, limit: value is not None and value <= limit,
    ">": lambda value, limit: value is not None and value > limit,
    ">=": lambda value, limit: value is not None and value >= limit,
}


class BadCursor(ValueError):
    """A cursor that we did not sign, or signed for another list or order."""


@dataclass(frozen=True)
class Selection:
    """Which documents a queryset stands for. The admin reads the public attributes of `queryset.query` from it."""

    collection: str
    where: tuple[Condition, ...] = ()
    order_by: tuple[str, ...] = ()
    limit: int | None = None
    after: tuple[Any, ...] | None = None
    ids: tuple[str, ...] | None = None
    select_related: bool = True  # keeps ChangeList from asking for joins
    distinct: bool = False

    @property
    def is_sliced(self) -> bool:
        return self.limit is not None


class DocumentQuerySet(Generic[M]):
    """The documents of one collection as model instances. Nothing is read before it is iterated, counted or sliced.

    `filter` understands keyword arguments and Q trees: AND, and OR of one field. Unknown fields raise `FieldError`;
    what no index could answer raises `NotSupportedError`. A filter by primary keys reads these documents by their ids
    and checks the other conditions in memory.
    """

    db: ClassVar[str] = "documents"

    def __init__(self, model: type[M], *, query: Selection | None = None) -> None:
        self.model = model
        self.query = query or Selection(model.collection)
        self._cache: list[M] | None = None

    @property
    def ordered(self) -> bool:
        return bool(self.query.order_by)

    @property
    def verbose_name(self) -> Any:
        return self.model._meta.verbose_name

    @property
    def verbose_name_plural(self) -> Any:
        return self.model._meta.verbose_name_plural

    # --- building -----------------------------------------------------------------------------------------------------
    def _clone(self, **changes: Any) -> Self:
        return type(self)(self.model, query=replace(self.query, **changes))

    def using(self, *args: Any, **kwargs: Any) -> Self:
        """Means nothing here, like `all`, `select_related` and `distinct`."""
        return self._clone()

    all = select_related = distinct = using

    def none(self) -> Self:
        return self._clone(ids=())

    def filter(self, *args: Q, **kwargs: Any) -> Self:
        where, ids = self.query.where, self.query.ids
        for field, op, value in self._conditions(Q(*args, **kwargs)):
            if field != DOCUMENT_ID:
                where += ((field, op, value),)
            elif op in {"==", "in"}:
                given = (value,) if op == "==" else tuple(dict.fromkeys(value))
                ids = given if ids is None else tuple(i for i in ids if i in given)
            else:
                raise NotSupportedError("Primary keys are compared with = and in only")
        return self._clone(where=where, ids=ids)

    def order_by(self, *names: str) -> Self:
        """By model fields, "-" in front for descending. The document's id settles ties by itself: a last pk is left out."""
        for name in names:
            self._field_name(name.removeprefix("-"))
        while len(names) > 1 and names[-1].removeprefix("-") in {"pk", "id"}:
            names = names[:-1]
        return self._clone(order_by=names)

    def after(self, cursor: str) -> Self:
        """The documents behind the one that `cursor_of` made the cursor of. Raises `BadCursor`."""
        try:
            values = signing.loads(cursor, salt=self._cursor_salt())
        except signing.BadSignature as exc:
            raise BadCursor("This cursor is not of this list") from exc
        return self._clone(after=tuple(datetime.fromisoformat(v["at"]) if isinstance(v, dict) else v for v in values))

    def cursor_of(self, instance: M) -> str:
        """The signed place of `instance` in this list; it holds the values of the ordering fields and the path."""
        values = [instance.pk if name == DOCUMENT_ID else getattr(instance, name) for name, _ in self._order_by()]
        packed = [{"at": v.isoformat()} if isinstance(v, datetime) else v for v in (*values, instance.path)]
        return signing.dumps(packed, salt=self._cursor_salt())

    def exclude(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotSupportedError("The document store answers no negated filters")

    def delete(self) -> NoReturn:
        raise TypeError(f"{self.model.__name__} is a document: delete it through {self.model.store_name}")

    update = delete

    # --- reading ------------------------------------------------------------------------------------------------------
    def get(self, *args: Q, **kwargs: Any) -> M:
        """Raises the model's `DoesNotExist` or `MultipleObjectsReturned`."""
        found = self.filter(*args, **kwargs)[:2]
        if not found:
            raise self.model.DoesNotExist(f"{self.model._meta.object_name} does not exist")
        if len(found) > 1:
            raise self.model.MultipleObjectsReturned(f"More than one {self.model._meta.object_name}")
        return found[0]

    def first(self) -> M | None:
        return next(iter(self[:1]), None)

    def exists(self) -> bool:
        return self.first() is not None

    def count(self) -> int:
        """An aggregation that the store bills: the admin's lists do without it."""
        if self.query.ids is not None or self.query.is_sliced or self._cache is not None:
            return len(self)
        return get_store().count(self._port_query())

    def iterator(self, chunk_size: int | None = None) -> Iterator[M]:
        return iter(self._fetch())

    def __iter__(self) -> Iterator[M]:
        return iter(self._fetch())

    def __len__(self) -> int:
        return len(self._fetch())

    def __bool__(self) -> bool:
        return bool(self._fetch())

    def __getitem__(self, key: Any) -> list[M]:
        if not isinstance(key, slice) or key.start or key.step or key.stop is None:
            raise NotSupportedError("Take the first n documents with [:n]; there are no offsets, use a cursor")
        if self._cache is not None:
            return self._cache[key]
        return list(self._clone(limit=key.stop))

    def _fetch(self) -> list[M]:
        if self._cache is None:
            self._cache = self._fetch_by_query() if self.query.ids is None else self._fetch_by_id(self.query.ids)
        return self._cache

    def _fetch_by_query(self) -> list[M]:
        return [self.model.from_snapshot(snapshot) for snapshot in get_store().query(self._port_query())]

    def _fetch_by_id(self, ids: tuple[str, ...]) -> list[M]:
        paths = [f"{self.query.collection}/{i}" for i in ids if is_document_id(i)]  # they come from URLs
        snapshots = get_store().get_many(paths) if paths else {}
        found = [self.model.from_snapshot(snapshots[path]) for path in paths if path in snapshots]
        matching = [m for m in found if all(IN_MEMORY[op](getattr(m, f), value) for f, op, value in self.query.where)]
        return matching[: self.query.limit]

    # --- translation to the port --------------------------------------------------------------------------------------
    def _port_query(self) -> Query:
        query = self.query
        return Query(
            query.collection,
            where=query.where,
            order_by=self._order_by(),
            limit=query.limit,
            start_after=query.after,
        )

    def _order_by(self) -> tuple[tuple[str, Direction], ...]:
        names = self.query.order_by or ("pk",)
        return tuple((self._field_name(n.removeprefix("-")), "desc" if n.startswith("-") else "asc") for n in names)

    def _cursor_salt(self) -> str:
        return f"documents.cursor:{self.query.collection}:{','.join(self.query.order_by)}"

    def _field_name(self, name: str) -> str:
        if name in {"pk", "id"}:
            return DOCUMENT_ID
        try:
            return str(self.model._meta.get_field(name).attname)  # type: ignore[union-attr]
        except FieldDoesNotExist as exc:
            raise FieldError(f"{self.model._meta.object_name} has no field {name!r}") from exc

    def _conditions(self, q: Q) -> list[Condition]:
        """The leaves of a Q tree, one for each field of an OR. Raises `FieldError` or `NotSupportedError`."""
        if q.negated:
            raise NotSupportedError("The document store answers no negated filters")
        branches = [self._conditions(c) if isinstance(c, Q) else [self._condition(c)] for c in q.children]
        found = [condition for branch in branches for condition in branch]
        if q.connector == Q.AND or len(branches) < 2:
            return found
        fields, operators = {field for field, _, _ in found}, {op for _, op, _ in found}
        if q.connector != Q.OR or len(fields) > 1 or operators - {"==", "in"} or any(len(b) != 1 for b in branches):
            raise NotSupportedError("Only alternatives of one field can be combined with OR")
        values: list[Any] = []
        for _, op, given in found:
            values += given if op == "in" else [given]
        return [(found[0][0], "in", values)]

    def _condition(self, leaf: Any) -> Condition:
        lookup, value = leaf
        name, _, kind = lookup.partition("__")
        field_name = self._field_name(name)
        if kind == "isnull":
            return (field_name, "==" if value else "!=", None)
        if (kind or "exact") not in OPERATORS:
            raise FieldError(f"Unsupported lookup {kind!r} for {name!r}")
        to_python = self.model._meta.get_field("id" if field_name == DOCUMENT_ID else name).to_python  # type: ignore[union-attr]
        op = OPERATORS[kind or "exact"]
        return (field_name, op, [to_python(v) for v in value] if op == "in" else to_python(value))
