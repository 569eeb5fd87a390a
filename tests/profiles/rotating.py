"""Rings of keys and peppers, what stands encrypted anywhere, and a walk that dies at one call."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.core.files.storage import default_storage, storages

from pyloto.documents import get_store, use_store
from pyloto.privacy import encrypted_files
from pyloto.privacy.fields import decrypt
from pyloto.privacy.streams import decrypt_stream
from tests.conversations.outside import WorkerDied

from .erasures import Fuse, Mortal, all_documents

ENVELOPE = re.compile(r"\d+\.[\w-]{30,}={0,2}")
SECRETS = {
    "PRIVACY_KEYS": {1: b"a-key-of-the-tests-with-32-bytes", 2: b"another-key-of-the-tests-32-byte"},
    "PRIVACY_PEPPERS": {1: b"pepper-of-the-tests-32-bytes-ok!", 2: b"another-pepper-of-tests-32-bytes"},
}
Place = tuple[str, str]  # document path and field path
# Those that change something: to die before one that reads is the same as to die before the next of these.
STORE_CALLS = ("commit", "set", "update", "delete", "write_many")
STORAGE_CALLS = ("save", "delete")


def ring(setting: str, *versions: int) -> str:
    return ",".join(f"{version}:{base64.b64encode(SECRETS[setting][version]).decode()}" for version in versions)


def envelopes() -> dict[Place, str]:
    """Whatever looks like an envelope, in all documents, and in the files that they name."""
    found: dict[Place, str] = {}
    for snapshot in all_documents():
        found |= {(snapshot.path, field): text for field, text in _texts(snapshot.data) if ENVELOPE.fullmatch(text)}
        if snapshot.path.startswith("webhook_quarantine/") and snapshot.data["file"]:
            with default_storage.open(snapshot.data["file"]) as file:
                found[snapshot.path, "body"] = file.read().decode()
        if file_name := (snapshot.data.get("media") or {}).get("file"):
            with storages["media"].open(file_name) as file:
                found[snapshot.path, "media.content"] = file.read().decode("latin-1")
    return found


def _texts(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, item in value.items():
                yield from _texts(item, f"{prefix}.{name}" if prefix else name)
        case list():
            for item in value:
                yield from _texts(item, prefix)
        case str():
            yield prefix, value


def plain() -> dict[Place, str]:
    """Everything encrypted, as readers see it with the ring of now. Raises where one cannot be read."""
    return {
        place: (decrypted_file if place[1] == "media.content" else decrypt)(sealed, path=place[0], field=place[1])
        for place, sealed in envelopes().items()
    }


def decrypted_file(sealed: str, *, path: str, field: str) -> str:
    return b"".join(decrypt_stream(io.BytesIO(sealed.encode("latin-1")), path=path, field=field)).decode()


def versions() -> set[str]:
    return {envelope.partition(".")[0] for envelope in envelopes().values()}


def dies(fuse: Fuse, patch: Any, work: Callable[[], Any]) -> bool:
    """Do the work with every call of the stores behind the fuse; whether the process died."""
    with patch.context() as patched, use_store(Mortal(get_store(), fuse, STORE_CALLS)):
        patched.setattr(
            encrypted_files, "storage_of", lambda entry: Mortal(storages[entry.storage], fuse, STORAGE_CALLS)
        )
        try:
            work()
        except WorkerDied:
            return True
    return False
