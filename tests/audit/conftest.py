from datetime import UTC, datetime

import pytest
from django.core.files.storage import storages

from audit import Event, EventType
from audit.stores import AuditLogStore


@pytest.fixture
def files(settings, tmp_path):
    """An empty storage "exports", in a directory."""
    options = {"location": tmp_path / "exports", "file_permissions_mode": 0o600}
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "exports": backend}
    return storages["exports"]


@pytest.fixture
def bucket(settings, gcs):
    """An empty storage "exports", in a bucket of the emulator."""
    backend = {"BACKEND": "storages.backends.gcloud.GoogleCloudStorage", "OPTIONS": gcs.options()}
    settings.STORAGES = {**settings.STORAGES, "exports": backend}
    settings.EXPORTS_BUCKET = "set"
    return storages["exports"]


@pytest.fixture(params=["files", "bucket"])
def exports(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def happen():
    """happen("chain", "other", at=…) appends one event to each chain."""

    def happen(*chains, at=None):
        at = at or datetime.now(UTC)
        for chain in chains:
            head = AuditLogStore().tail(chain)
            event = Event(f"{chain}-{head.seq}", EventType.REPLY_QUEUED, "PYLOTO", at)
            AuditLogStore().append(chain, event)

    return happen
