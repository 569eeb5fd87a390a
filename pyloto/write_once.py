"""Files that are written once: checkpoints and tombstones. Whoever comes second changes nothing.

Django's storages cannot say "only where nothing stands": `save` looks first and writes then. Both storages that
Pyloto knows can: a file system by a hard link, Cloud Storage by a precondition on the generation.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from django.core.files.storage import FileSystemStorage, Storage
from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.retry import DEFAULT_RETRY
from storages.backends.gcloud import GoogleCloudStorage

from .errors import TransientError

TIMEOUT_SECONDS = (3.05, 10.0)  # to connect, and between two bytes
RETRY = DEFAULT_RETRY.with_timeout(15.0)  # the library's own: 120 s, longer than a task may run


class StorageUnavailable(TransientError):
    """The storage did not answer, or refused. For a write: it may have been made."""


def save_once(storage: Storage, name: str, content: bytes) -> bool:
    """Write the file where none stands; False where one does, and that one is left as it is.

    The name shows a whole file or none, whenever the writer is killed. On Cloud Storage False may also mean our own
    write, of which the answer was lost: whoever has to know reads the file. Raises `StorageUnavailable`.
    """
    if isinstance(storage, GoogleCloudStorage):
        return _upload(storage, name, content)
    return _link(_file(storage, name), content)


def read(storage: Storage, name: str) -> bytes:
    """The whole content. Raises `FileNotFoundError` and `StorageUnavailable`."""
    with _translated(name):
        if isinstance(storage, GoogleCloudStorage):
            content: bytes = _blob(storage, name).download_as_bytes(timeout=TIMEOUT_SECONDS, retry=RETRY)
            return content
        return _file(storage, name).read_bytes()


def written_at(storage: Storage, name: str) -> datetime:
    """When the file was written, by the clock of the storage, in whole seconds: the same for everyone who asks.

    Raises `FileNotFoundError` and `StorageUnavailable`.
    """
    with _translated(name):
        if isinstance(storage, GoogleCloudStorage):
            blob = _blob(storage, name)
            blob.reload(timeout=TIMEOUT_SECONDS, retry=RETRY)
            created: datetime = blob.time_created
            return created.astimezone(UTC).replace(microsecond=0)
        return datetime.fromtimestamp(int(_file(storage, name).stat().st_mtime), UTC)


def _file(storage: Storage, name: str) -> Path:
    if not isinstance(storage, FileSystemStorage):
        raise TypeError(f"{type(storage).__name__} cannot write a file once")
    return Path(storage.path(name))


def _link(path: Path, content: bytes) -> bool:
    """Write under another name, then link: the link fails where the name is taken, and never shows half a file."""
    with _translated(path.name):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)
                _sync_directory(path.parent)
                return True
            return False
        finally:
            draft.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _upload(storage: GoogleCloudStorage, name: str, content: bytes) -> bool:
    with _translated(name):
        try:
            _blob(storage, name).upload_from_string(
                content,
                content_type="application/octet-stream",
                if_generation_match=0,  # 0: there is no object of this name
                timeout=TIMEOUT_SECONDS,
                retry=RETRY,
            )
        except PreconditionFailed:
            return False
        return True


def _blob(storage: GoogleCloudStorage, name: str) -> Any:
    return storage.bucket.blob(f"{storage.location}/{name}".lstrip("/"))


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (NotFound, FileNotFoundError) as exc:
        raise FileNotFoundError(name) from exc
    except (GoogleAPIError, GoogleAuthError, requests.RequestException, OSError) as exc:
        raise StorageUnavailable(f"The storage of {name} did not answer: {type(exc).__name__}") from exc
