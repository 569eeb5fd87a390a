"""Files that are written once: checkpoints and tombstones. Whoever comes second changes nothing.

Django's storages cannot say "only where nothing stands": `save` looks first and writes then. Both storages that
Pyloto knows can: a file system by a hard link, Cloud Storage by a precondition on the generation.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from django.core.files.storage import FileSystemStorage, Storage

from .errors import StorageUnavailable

__all__ = ["StorageUnavailable", "list_names", "read", "read_lines", "save_once", "translated", "written_at"]


def save_once(storage: Storage, name: str, content: bytes) -> bool:
    """Write the file where none stands; False where one does, and that one is left as it is.

    The name shows a whole file or none, whenever the writer is killed. On Cloud Storage False may also mean our own
    write, of which the answer was lost: whoever has to know reads the file. Raises `StorageUnavailable`.
    """
    if not isinstance(storage, FileSystemStorage):
        from . import cloud_storage

        return cloud_storage.save_once(storage, name, content)
    with _translated(name):
        return _link(Path(storage.path(name)), content)


def read(storage: Storage, name: str) -> bytes:
    """The whole content. Raises `FileNotFoundError` and `StorageUnavailable`."""
    if not isinstance(storage, FileSystemStorage):
        from . import cloud_storage

        return cloud_storage.read(storage, name)
    with _translated(name):
        return Path(storage.path(name)).read_bytes()


def read_lines(storage: Storage, name: str) -> Iterator[bytes]:
    """The content line by line, each with its line end; not held in memory. Raises as `read` does."""
    if not isinstance(storage, FileSystemStorage):
        from . import cloud_storage

        yield from cloud_storage.read_lines(storage, name)
        return
    with _translated(name), Path(storage.path(name)).open("rb") as file:
        yield from file


def list_names(storage: Storage, directory: str) -> list[str]:
    """The names of the files in a directory; none where there is no such directory. Raises `StorageUnavailable`."""
    if not isinstance(storage, FileSystemStorage):
        from . import cloud_storage

        return cloud_storage.list_names(storage, directory)
    try:
        with _translated(directory):
            return [path.name for path in Path(storage.path(directory)).iterdir()]
    except FileNotFoundError:
        return []


def written_at(storage: Storage, name: str) -> datetime:
    """When the file was written, by the clock of the storage, in whole seconds: the same for everyone who asks.

    Raises `FileNotFoundError` and `StorageUnavailable`.
    """
    if not isinstance(storage, FileSystemStorage):
        from . import cloud_storage

        return cloud_storage.written_at(storage, name)
    with _translated(name):
        return datetime.fromtimestamp(int(Path(storage.path(name)).stat().st_mtime), UTC)


def translated(storage: Storage, name: str) -> AbstractContextManager[None]:
    """Whatever the storage raises in the block is a `FileNotFoundError`, or a `StorageUnavailable`."""
    if not isinstance(storage, FileSystemStorage):
        from . import cloud_storage

        return cloud_storage.translated(name)
    return _translated(name)


def _link(path: Path, content: bytes) -> bool:
    """Write under another name, then link: the link fails where the name is taken, and never shows half a file."""
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


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise FileNotFoundError(name) from exc
    except OSError as exc:
        raise StorageUnavailable(f"The storage of {name} did not answer: {type(exc).__name__}") from exc
