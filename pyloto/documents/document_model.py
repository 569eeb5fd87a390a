"""The base of the unmanaged models: one for each collection, the only list of its fields."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models

from .port import Snapshot


class DocumentModel(models.Model):
    """A document as a Django model, so that admin, forms and permissions work on it. It is never saved by itself.

    The fields of the model are the fields of the document, by the same names; `id` is the document's id. A subclass
    names its `collection`; below a parent document the path is that of the snapshot. Its `default_permissions` are
    those that have an effect: ("view",).
    """

    collection: ClassVar[str]
    store_name: ClassVar[str] = "its store"  # named by the error when somebody calls save()

    id = models.CharField(primary_key=True, max_length=1500, editable=False)

    path: str = ""
    update_time: datetime | None = None  # of the snapshot this was read from; None: not stored yet

    class Meta:
        abstract = True

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot) -> Self:
        """Fields that the document lacks get the model's default; fields that the model lacks are left out."""
        known = {name: snapshot.data[name] for name in cls.field_names() if name in snapshot.data}
        instance = cls(id=snapshot.id, **known)
        instance.path = snapshot.path
        instance.update_time = snapshot.update_time
        instance._state.adding = False
        return instance

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """The names of the stored fields, without the id."""
        return tuple(field.attname for field in cls._meta.concrete_fields if not field.primary_key)

    def to_document(self) -> dict[str, Any]:
        """The fields as they are stored. None is stored: queries that order by a field see only documents with it."""
        return {name: getattr(self, name) for name in self.field_names()}

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"{type(self).__name__} is a document: write it through {self.store_name}")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(f"{type(self).__name__} is a document: delete it through {self.store_name}")

    def validate_unique(self, exclude: Any = None) -> None:
        """Nothing to ask: uniqueness is the document id's."""

    def validate_constraints(self, exclude: Any = None) -> None:
        """Nothing to ask: there is no table."""
