"""Envelopes too large for a document: files of the default storage, brought under the newest key.

A file is never changed. A new one is written, the document is made to name it, the old one goes: killed in between,
what the document names is there, and the other one is a leftover that a later run removes.
"""

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from pyloto.documents import NotFound, PreconditionFailed, Snapshot, get_store

from .fields import decrypt, encrypt
from .registry import EncryptedField

LEFTOVER_AFTER = timedelta(minutes=15)  # a younger one may be about to be named by its document


def read_envelope(name: str, *, length: int = -1) -> str:
    """The envelope in a file, or its first characters. Raises `FileNotFoundError`."""
    with default_storage.open(name) as file:
        return str(file.read(length).decode("ascii", "replace"))


def has_changed(snapshot: Snapshot, entry: EncryptedField) -> bool:
    """Whether the document, by now, names another file than when it was read, or is gone."""
    found = get_store().get_many([snapshot.path]).get(snapshot.path)
    return found is None or found.data.get(entry.file) != snapshot.data[entry.file]


def rewrite(snapshot: Snapshot, entry: EncryptedField) -> bool:
    """Put the envelope under the newest key; False where the document changed meanwhile, and keeps its file.

    Raises `DecryptionFailed`, `FileNotFoundError`, and `Unavailable` where it is not known which file the document names.
    """
    old = snapshot.data[entry.file]
    plain = decrypt(read_envelope(old), path=snapshot.path, field=entry.field)
    envelope = encrypt(plain, path=snapshot.path, field=entry.field)
    new = default_storage.save(
        f"{entry.folder}/{snapshot.id}.{secrets.token_hex(8)}", ContentFile(envelope.encode("ascii"))
    )
    _bring_to_disk(new)
    try:
        get_store().update(snapshot.path, {entry.file: new}, last_update_time=snapshot.update_time)
    except (PreconditionFailed, NotFound):
        default_storage.delete(new)
        return False
    default_storage.delete(old)
    return True


def remove_leftovers(entry: EncryptedField) -> int:
    """Delete the files of the folder that no document names, unless they are young; return how many."""
    return sum(_remove_if_left_over(entry, name) for name in _files(entry.folder))


def _remove_if_left_over(entry: EncryptedField, name: str) -> bool:
    path = f"{entry.collection}/{name.partition('.')[0]}"
    stored = f"{entry.folder}/{name}"
    found = get_store().get_many([path]).get(path)
    if found is not None and found.data.get(entry.file) == stored:
        return False
    with suppress(FileNotFoundError):  # another run was faster
        if default_storage.get_modified_time(stored) > timezone.now() - LEFTOVER_AFTER:
            return False
    default_storage.delete(stored)
    return True


def _files(folder: str) -> Iterable[str]:
    try:
        return default_storage.listdir(folder)[1]
    except FileNotFoundError:
        return ()


def _bring_to_disk(name: str) -> None:
    """Before the only other copy goes. Other storages than files have done so when they answer."""
    with suppress(NotImplementedError):
        descriptor = os.open(default_storage.path(name), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
