"""Files that are written once, in Cloud Storage. Loaded where a bucket is configured: it brings gRPC along."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests
from django.core.files.storage import Storage
from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.retry import DEFAULT_RETRY
from storages.backends.gcloud import GoogleCloudStorage

from .errors import StorageUnavailable

TIMEOUT_SECONDS = (3.05, 10.0)  # to connect, and between two bytes
RETRY = DEFAULT_RETRY.with_timeout(15.0)  # the library's own: 120 s, longer than a task may run


def save_once(storage: Storage, name: str, content: bytes) -> bool:
    with translated(name):
        blob = _blob(storage, name)
        try:
            blob.upload_from_string(
                content,
                content_type="application/octet-stream",
                if_generation_match=0,  # 0: there is no object of this name
                timeout=TIMEOUT_SECONDS,
                retry=RETRY,
            )
        except PreconditionFailed:
            return False
        except Forbidden:  # the bucket's way to say so to whoever may create and not replace (docs/production.md)
            if not blob.exists(timeout=TIMEOUT_SECONDS, retry=RETRY):
                raise
            return False
        except NotFound as exc:
            raise StorageUnavailable(f"There is no bucket for {name}") from exc
        return True


def read(storage: Storage, name: str) -> bytes:
    with translated(name):
        content: bytes = _blob(storage, name).download_as_bytes(timeout=TIMEOUT_SECONDS, retry=RETRY)
        return content


def read_lines(storage: Storage, name: str) -> Iterator[bytes]:
    with translated(name), _blob(storage, name).open("rb", timeout=TIMEOUT_SECONDS, retry=RETRY) as file:
        yield from file


def list_names(storage: Storage, directory: str) -> list[str]:
    with translated(directory):
        prefix = _blob(storage, directory).name + "/"
        found = _blob(storage, directory).bucket.list_blobs(prefix=prefix, timeout=TIMEOUT_SECONDS, retry=RETRY)
        return [blob.name.removeprefix(prefix) for blob in found]


def written_at(storage: Storage, name: str) -> datetime:
    with translated(name):
        blob = _blob(storage, name)
        blob.reload(timeout=TIMEOUT_SECONDS, retry=RETRY)
        created: datetime = blob.time_created
        return created.astimezone(UTC).replace(microsecond=0)


def _blob(storage: Storage, name: str) -> Any:
    if not isinstance(storage, GoogleCloudStorage):
        raise TypeError(f"{type(storage).__name__} cannot write a file once")
    return storage.bucket.blob(f"{storage.location}/{name}".lstrip("/"))


@contextmanager
def translated(name: str) -> Iterator[None]:
    try:
        yield
    except (NotFound, FileNotFoundError) as exc:  # the second is how the storage itself says it
        raise FileNotFoundError(name) from exc
    except (GoogleAPIError, GoogleAuthError, requests.RequestException, OSError) as exc:
        raise StorageUnavailable(f"The storage of {name} did not answer: {type(exc).__name__}") from exc
