"""Encrypted files, each named by a document: stored, and brought under the newest key.

A file is never changed. A new one is written, the document is made to name it, the old one goes: killed in between,
what the document names is there, and the other one is a leftover that a later run removes.
"""

import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.utils import timezone

from pyloto.documents import NotFound, PreconditionFailed, Snapshot, get_store
from pyloto.errors import StorageUnavailable
from pyloto.write_once import translated

from .fields import decrypt, encrypt
from .registry import EncryptedField, value_at
from .streams import decrypt_stream, encrypt_stream

LEFTOVER_AFTER = timedelta(minutes=15)  # a younger one may be about to be named by its document


def storage_of(entry: EncryptedField) -> Storage:
    return storages[entry.storage]


def save_stream(entry: EncryptedField, name: str, content: Iterable[bytes], *, path: str) -> str:
    """Encrypt the content into a file of the entry's storage; return its name.

    It is all there before anything is stored, so that who is killed, or refuses the content in its middle by an exception
    of the iterable, leaves nothing. What lies on this machine's disk meanwhile is encrypted and has no name. Raises
    `StorageUnavailable`, as all that follows here does.
    """
    with tempfile.TemporaryFile() as draft:
        encrypt_stream(content, draft, path=path, field=entry.field)
        draft.seek(0)
        return _save(storage_of(entry), name, File(draft))


def _save(storage: Storage, name: str, content: "File[bytes]") -> str:
    try:
        with translated(storage, name):
            stored = storage.save(name, content)
            _bring_to_disk(storage, stored)
    except FileNotFoundError as exc:  # no such bucket, or the folder was just deleted
        raise StorageUnavailable(f"There is no place for {name}") from exc
    return str(stored)


def read_stream(entry: EncryptedField, name: str, *, path: str) -> Iterator[bytes]:
    """The content, piece by piece. Raises `FileNotFoundError`, and `DecryptionFailed` at the latest at the end."""
    storage = storage_of(entry)
    with translated(storage, name), storage.open(name) as file:
        yield from decrypt_stream(file, path=path, field=entry.field)


def delete_file(entry: EncryptedField, name: str) -> None:
    """One that is missing already, or an empty folder of a directory, is no error."""
    storage = storage_of(entry)
    with translated(storage, name):
        storage.delete(name)


def files_in(entry: EncryptedField, above: str) -> list[str]:
    """The files that lie in the folder of one document of the parent collection."""
    storage, folder = storage_of(entry), f"{entry.folder}/{above}"
    return [f"{folder}/{name}" for name in list_folder(storage, folder)[1]]


def read_envelope(entry: EncryptedField, snapshot: Snapshot, *, length: int = -1) -> str:
    """The envelope in the file that the document names, or its first characters. Raises `FileNotFoundError`."""
    storage, name = storage_of(entry), value_at(snapshot.data, entry.file)
    with translated(storage, name), storage.open(name) as file:
        return str(file.read(length).decode("ascii", "replace"))


def has_changed(snapshot: Snapshot, entry: EncryptedField) -> bool:
    """Whether the document, by now, names another file than when it was read, or is gone."""
    found = get_store().get_many([snapshot.path]).get(snapshot.path)
    return found is None or value_at(found.data, entry.file) != value_at(snapshot.data, entry.file)


def rewrite(snapshot: Snapshot, entry: EncryptedField) -> bool:
    """Put the envelope under the newest key; False where the document changed meanwhile, and keeps its file.

    Raises `DecryptionFailed`, `FileNotFoundError`, and `Unavailable` where it is not known which file the document names.
    """
    old = value_at(snapshot.data, entry.file)
    name = f"{old.partition('.')[0]}.{secrets.token_hex(8)}"
    if entry.streamed:
        new = save_stream(entry, name, read_stream(entry, old, path=snapshot.path), path=snapshot.path)
    else:
        plain = decrypt(read_envelope(entry, snapshot), path=snapshot.path, field=entry.field)
        envelope = encrypt(plain, path=snapshot.path, field=entry.field)
        new = _save(storage_of(entry), name, ContentFile(envelope.encode("ascii")))
    try:
        get_store().update(snapshot.path, {entry.file: new}, last_update_time=snapshot.update_time)
    except (PreconditionFailed, NotFound):
        delete_file(entry, new)
        return False
    delete_file(entry, old)
    return True


def remove_leftovers(entry: EncryptedField) -> int:
    """Delete the files of the folder that no document names, unless they are young; return how many."""
    if not entry.parent:
        return _remove_left_over(entry, storage_of(entry), entry.folder, entry.collection)
    return sum(removed for _, removed in walk_leftovers(entry))


def walk_leftovers(entry: EncryptedField, *, after: str = "") -> Iterator[tuple[str, int]]:
    """The same for one folder after the other: (id above, how many were deleted), of those behind `after`."""
    storage = storage_of(entry)
    for above in list_folder(storage, entry.folder)[0]:
        if above > after:
            collection = f"{entry.parent}/{above}/{entry.collection}"
            yield above, _remove_left_over(entry, storage, f"{entry.folder}/{above}", collection)


def _remove_left_over(entry: EncryptedField, storage: Storage, folder: str, collection: str) -> int:
    """Those of one folder, whose documents are in one collection."""
    names = list_folder(storage, folder)[1]
    paths = {name: f"{collection}/{name.partition('.')[0]}" for name in names}
    found = get_store().get_many(sorted(set(paths.values()))) if names else {}
    removed = 0
    for name, path in paths.items():
        stored = f"{folder}/{name}"
        if (path not in found or value_at(found[path].data, entry.file) != stored) and _is_old(storage, stored):
            delete_file(entry, stored)
            removed += 1
    return removed


def _is_old(storage: Storage, stored: str) -> bool:
    try:
        with translated(storage, stored):
            return bool(storage.get_modified_time(stored) <= timezone.now() - LEFTOVER_AFTER)
    except FileNotFoundError:  # another run was faster
        return False


def list_folder(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    """The names of folders and files in a folder; none where there is no such folder."""
    try:
        with translated(storage, folder):
            folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return [], []
    return sorted(folders), sorted(files)


def _bring_to_disk(storage: Storage, name: str) -> None:
    """Before the only other copy goes. Other storages than files have done so when they answer."""
    with suppress(NotImplementedError):
        descriptor = os.open(storage.path(name), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
