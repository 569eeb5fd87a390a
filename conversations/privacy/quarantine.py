"""Deliveries that could not be read: nobody knows whose they are until somebody looks into them."""

from collections.abc import Iterator

from django.core.files.storage import default_storage

from conversations.models import Quarantined
from conversations.stores import QUARANTINE_FOLDER, QuarantineStore
from pyloto.documents import get_store
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.identifying import names_person
from pyloto.privacy.registry import Subject

store = QuarantineStore()


def find_naming(subject: Subject) -> Iterator[Quarantined]:
    """The deliveries in whose bytes one of the person's identifiers stands: all are read for that."""
    for entry in store.iterate():
        if subject.asked_at is not None and entry.received_at > subject.asked_at:
            continue  # of whoever they are by now
        try:
            body = body_of(entry)
        except DecryptionFailed:
            alert("quarantine_unreadable", quarantine_id=entry.pk)
            continue
        if names_person(body, subject.identifiers):
            yield entry


def find_left_over(subject: Subject) -> Iterator[str]:
    """Files that no document names, such as those of a rotation of keys that was killed, with the person in them."""
    try:
        names = default_storage.listdir(QUARANTINE_FOLDER)[1]
    except FileNotFoundError:
        return
    for name in names:
        entry = store.find(name.partition(".")[0])
        file = f"{QUARANTINE_FOLDER}/{name}"
        if entry is not None and entry.file == file:
            continue
        unnamed = Quarantined(id=name.partition(".")[0], file=file)
        unnamed.path = store.path(unnamed.pk)
        try:
            body = body_of(unnamed)
        except DecryptionFailed:
            alert("quarantine_unreadable", quarantine_id=unnamed.pk)
            continue
        if names_person(body, subject.identifiers):
            yield file


def body_of(entry: Quarantined) -> str:
    """The plain text; empty where its file is gone. Raises `DecryptionFailed`."""
    envelope = entry.body
    if entry.file:
        try:
            with default_storage.open(entry.file) as file:
                envelope = file.read().decode()
        except FileNotFoundError:
            return ""
    return decrypt(envelope, path=entry.path, field="body") if envelope else ""


def delete(entry: Quarantined) -> None:
    """The file before the document that names it; what is missing already is no error."""
    delete_file(entry.file)
    get_store().delete(entry.path)


def delete_file(file: str) -> None:
    if file:
        default_storage.delete(file)
