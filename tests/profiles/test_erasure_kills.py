"""An erasure that is killed anywhere goes on where it stopped, and ends complete."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from conversations.services import ingest
from profiles.models import Erasure
from profiles.services import erasure
from pyloto.documents import DocumentStore
from tests.conversations.outside import Outside

from .erasures import Copy, Fuse, World, burning, canaries_in, check_gone, everything_kept, finished, trail_of


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quarantined bodies go to files from this size on."""
    monkeypatch.setattr(ingest, "QUARANTINE_INLINE_MAX", 2_000)


def erase(user_key: str) -> None:
    """From the request to the end."""
    now = timezone.now()
    erasure.erase(user_key=user_key, reason=Erasure.Reason.REQUEST, actor="SYSTEM", now=now)
    erasure.resume(user_key, now + timedelta(minutes=3))


def test_killed_anywhere_it_ends_complete(
    embedded_store: DocumentStore,
    valkey: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file_folders: None,
) -> None:
    world = World(Outside()).plant()
    assert len(canaries_in(everything_kept(valkey))) > 10
    before = Copy(valkey, tmp_path / "copy")
    number = 0
    while not burning(Fuse(number), monkeypatch, lambda: erase(world.user_key)):
        finished(world.user_key)
        check_gone(world, valkey)
        assert trail_of(world.user_key)[-2:] == ["ERASURE_REQUESTED", "ERASURE_COMPLETED"]
        before.restore()
        number += 1
    check_gone(world, valkey)
    assert number > 40


def test_killed_again_and_again_it_ends_complete(
    store: DocumentStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, file_folders: None
) -> None:
    world = World(Outside()).plant()
    deaths = 0
    # One change more than a step needs that begins anew where it was not noted: two tombstones, and the note.
    while not burning(Fuse(3), monkeypatch, lambda: erase(world.user_key)):
        deaths += 1
        assert deaths < 60
    assert deaths > 10
    check_gone(world, valkey)
    assert trail_of(world.user_key)[-2:] == ["ERASURE_REQUESTED", "ERASURE_COMPLETED"]
