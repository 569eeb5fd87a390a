"""What the tests of customers share with those of conversations."""

from pathlib import Path
from typing import Any

import pytest

from tests.conversations.conftest import clock, customer, faulty, fresh_process, outside

__all__ = ["clock", "customer", "faulty", "fresh_process", "outside"]


@pytest.fixture
def file_folders(settings: Any, tmp_path: Path) -> None:
    """The files of both storages are the test's own."""
    changed = {
        name: settings.STORAGES[name] | {"OPTIONS": {"location": tmp_path / name}}
        for name in ("default", "exports", "media")
    }
    settings.STORAGES = settings.STORAGES | changed
