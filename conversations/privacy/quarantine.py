"""Deliveries that could not be read: nobody knows whose they are until somebody looks into them."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.files.storage import default_storage

from conversations.models import Quarantined
from conversations.stores import QUARANTINE_FOLDER, QUARANTINE_PAGE, QuarantineStore
from pyloto.documents import get_store
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.identifying import names_person
from pyloto.privacy.registry import Subject

store = QuarantineStore()

FILES_PAGE = 50
# How one item of a delivery names who sent and who gets it; what is said and quoted in it may name anybody.
PARTIES = ("from", "from_user_id", "to", "to_user_id", "recipient_id", "recipient_user_id", "wa_id", "user_id")
FILES = "files/"  # a place among the files; others are ids of documents


def find_naming(subject: Subject) -> Iterator[Quarantined]:
    """The deliveries in whose bytes one of the person's identifiers stands: all are read for that."""
    if subject.identifiers:
        yield from (entry for entry in store.iterate() if _is_about(entry, subject))


def find_left_over(subject: Subject) -> Iterator[str]:
    """Files that no document names, such as those of a rotation of keys that was killed, with the person in them."""
    after: str | None = ""
    while after is not None and subject.identifiers:
        files, after = _left_over(subject, after)
        yield from files


def erase_page(subject: Subject, place: str) -> tuple[int, str | None]:
    """Remove what names the person from a page of the documents, or of the files that no document names.

    Returns how many, and the place of the next page: see `registry.ErasureStep`.
    """
    if not subject.identifiers:
        return 0, None
    if place.startswith(FILES):
        files, after = _left_over(subject, place.removeprefix(FILES))
        for file in files:
            delete_file(file)
        return len(files), None if after is None else FILES + after
    page = store.page(after=place)
    doomed = [entry for entry in page if _is_about(entry, subject)]
    for entry in doomed:
        delete(entry)
    return len(doomed), page[-1].pk if len(page) == QUARANTINE_PAGE else FILES


def _is_about(entry: Quarantined, subject: Subject) -> bool:
    came_later = subject.asked_at is not None and entry.received_at > subject.asked_at
    return not came_later and _names(entry, subject)  # later ones are of whoever they are by now


def _names(entry: Quarantined, subject: Subject) -> bool:
    try:
        return names_person(body_of(entry), subject.identifiers)
    except DecryptionFailed:
        alert("quarantine_unreadable", quarantine_id=entry.pk)
        return False


def _left_over(subject: Subject, after: str) -> tuple[list[str], str | None]:
    """Those of one page of the files, and the name that it ends with; None where it was the last page."""
    try:
        names = sorted(name for name in default_storage.listdir(QUARANTINE_FOLDER)[1] if name > after)[:FILES_PAGE]
    except FileNotFoundError:
        return [], None
    entries = store.find_many({name.partition(".")[0] for name in names})
    found = []
    for name in names:
        entry, file = entries.get(name.partition(".")[0]), f"{QUARANTINE_FOLDER}/{name}"
        if entry is not None and entry.file == file:
            continue
        unnamed = Quarantined(id=name.partition(".")[0], file=file)
        unnamed.path = store.path(unnamed.pk)
        if _names(unnamed, subject):
            found.append(file)
    return found, names[-1] if len(names) == FILES_PAGE else None


def own_item(entry: Quarantined, subject: Subject) -> Any:
    """The message, or the like, where it is one that the person sent or got; None where it may be about others."""
    try:
        item = json.loads(body_of(entry))
    except ValueError:
        return None
    parties = [str(item[name]) for name in PARTIES if name in item] if isinstance(item, dict) else []
    return item if names_person("\n".join(parties), subject.identifiers) else None


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
