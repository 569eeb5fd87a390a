"""After a backup was restored: erase again whom it brought back. The tombstones lie outside of the documents."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.core.files.storage import Storage

from profiles.models import Erasure
from profiles.services.erasure import ALONE, UnknownCustomer, erasures, find_journal, is_orphan, is_there, resume, start
from profiles.services.subjects import subject_of_key
from pyloto import write_once
from pyloto.errors import PermanentError

ACTOR = "SYSTEM"


class BadTombstone(PermanentError):
    """A file among the tombstones that is none."""


class Reapplied(StrEnum):
    NOTHING = "nothing"  # the backup brought nothing of them back
    ERASED = "erased"  # it did, and it was removed; the last scan follows


@dataclass(frozen=True)
class Tombstone:
    """Who was erased, why and when: random names only."""

    user_key: str
    reason: Erasure.Reason
    requested_at: datetime


def tombstone_names(storage: Storage) -> list[str]:
    """The names of all tombstones, in their order. Empty where nobody was ever erased, or where it is another place.

    Raises `StorageUnavailable`.
    """
    names = write_once.list_names(storage, Erasure.collection)
    return sorted(f"{Erasure.collection}/{name}" for name in names if name.endswith(".json"))


def missing_tombstones(names: Iterable[str]) -> list[str]:
    """The keys that were erased, as the documents say, and have no tombstone among these: some were lost."""
    there = {name.rpartition("/")[2].removesuffix(".json") for name in names}
    return [key for key in erasures.completed() if key not in there]


def read_tombstone(storage: Storage, name: str) -> Tombstone:
    """Raises `BadTombstone`, and `TransientError` where the storage does not answer."""
    try:
        content = json.loads(write_once.read(storage, name))
        return Tombstone(
            user_key=str(content["user_key"]),
            reason=Erasure.Reason(content["reason"]),
            requested_at=datetime.fromisoformat(content["requested_at"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise BadTombstone(f"{name} is no tombstone") from exc


def reapply(tombstone: Tombstone, now: datetime) -> Reapplied:
    """Erase again what is back of this key, up to the last scan. Idempotent; raises what stores and storage raise.

    Only the key itself: whom a merge joined to it at the time of the backup has a tombstone too, if they were erased.
    """
    user_key = tombstone.user_key
    journal = erasures.find(user_key)
    if journal is None or journal.step == Erasure.Step.COMPLETED or is_orphan(journal):
        subject = subject_of_key(user_key)
        if not is_there(subject) and not (journal and is_orphan(journal)):
            return Reapplied.NOTHING
        start(subject, reason=tombstone.reason, actor=ACTOR, asked_at=tombstone.requested_at, now=now, done=[ALONE])
    if resume(user_key, now) is None:
        raise UnknownCustomer("this erasure has no journal")
    return Reapplied.ERASED


def next_scan(user_keys: list[str]) -> Iterator[datetime]:
    """When the last scans of these are due, of those that are not completed."""
    for user_key in user_keys:
        journal = find_journal(user_key)
        if journal is not None and journal.scan_at is not None:
            yield journal.scan_at
