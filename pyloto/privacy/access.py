"""A document as the person it is about gets to read it: Portuguese names, labels for codes, plain text for ciphers."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db.models import Field
from django.utils import timezone

from pyloto.documents.document_model import DocumentModel
from pyloto.observability.alerts import alert

from .fields import DecryptionFailed, decrypt

UNREADABLE = "(não foi possível decifrar)"


def row_of(document: DocumentModel, *, reveal: Collection[str] = (), leave_out: Collection[str] = ()) -> dict[str, Any]:
    """All fields of the document but those left out. A field that is added to the model is given out by itself.

    `reveal` names the encrypted fields; the envelope was bound to the document's path and the field's name.
    """
    row = {}
    for field in document._meta.concrete_fields:
        if field.primary_key or field.attname in leave_out:
            continue
        value = getattr(document, field.attname)
        if field.attname in reveal:
            value = revealed(document, field.attname, value)
        row[_label(field)] = plain(dict(field.flatchoices or ()).get(value, value) if isinstance(value, str) else value)
    return row


def revealed(document: DocumentModel, field: str, envelope: str | None) -> str:
    """The plain text of an envelope; a phrase that says so, and an alert, where it cannot be read any more."""
    try:
        return decrypt(envelope, path=document.path, field=field) if envelope else ""
    except DecryptionFailed:
        alert("field_unreadable", collection=document.collection, field=field)
        return UNREADABLE


def plain(value: Any) -> Any:
    """A document's value as JSON has it; times are those of São Paulo."""
    match value:
        case datetime():
            with suppress(OverflowError):  # of a damaged document: no zone has it
                value = timezone.localtime(value)
            return value.isoformat()
        case dict():
            return {name: plain(content) for name, content in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case bytes():
            return value.hex()
    return value


def in_words(value: Any, *, keys: Mapping[str, str], codes: Mapping[str, str] = MappingProxyType({})) -> Any:
    """A nested value whose keys, and those of its texts that are codes, have their Portuguese names."""
    match value:
        case dict():
            return {keys.get(name, name): in_words(item, keys=keys, codes=codes) for name, item in value.items()}
        case list():
            return [in_words(item, keys=keys, codes=codes) for item in value]
        case str():
            return codes.get(value, value)
    return value


def label_of(model: type[DocumentModel], name: str) -> str:
    """The Portuguese name of a field; its own where the model does not know it."""
    known = {field.attname: field for field in model._meta.concrete_fields}
    return _label(known[name]) if name in known else name


def _label(field: "Field[Any, Any]") -> str:
    return str(field.verbose_name).replace(" (cifrado)", "").replace(" (cifrados)", "").replace(" (cifradas)", "")
