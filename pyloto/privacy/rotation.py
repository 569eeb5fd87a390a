"""Everything that is encrypted, brought under the newest key.

It may be killed at any point and run again, or twice at once: an envelope is replaced only in the document version that
it was read from, and what is under the newest key already is left alone. Readers accept both keys all the while.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyloto.documents import NotFound, PreconditionFailed, Query, Snapshot, Update, get_store
from pyloto.observability.alerts import alert

from . import encrypted_files
from .fields import DecryptionFailed, decrypt, encrypt, key_version, newest_key
from .registry import EncryptedField, encrypted_fields, value_at
from .walk import Walk

NAME = "rotate_keys"
WALKS_MAX = 4  # the last one finds nothing to do, unless processes still write under an older key
RACES_MAX = 4  # for one page; what is lost more often is left to the next walk
PLACES_MAX = 20  # unreadable ones that are named

Progress = Callable[[str, int], None]


@dataclass
class Rotation:
    """What the last walk over everything saw: `envelopes` by key version, 0 where there is no version to be read."""

    target: int
    envelopes: dict[int, int] = field(default_factory=dict)
    documents: int = 0
    rewritten: int = 0  # by all walks of this run
    unreadable: int = 0
    unreadable_at: list[str] = field(default_factory=list)  # the first ones: "{document path} {field}"
    leftover_files: int = 0
    settled: bool = False  # the last walk saw everything and had nothing to rewrite

    @property
    def remaining(self) -> int:
        """Envelopes that are not under the newest key."""
        return sum(number for version, number in self.envelopes.items() if version != self.target)

    @property
    def done(self) -> bool:
        return self.settled and not self.remaining


def rotate_keys(*, dry_run: bool = False, progress: Progress = lambda collection, documents: None) -> Rotation:
    """Rewrite until a walk over everything finds nothing to rewrite. `dry_run` only counts.

    A run that was killed is gone on with where it was. Raises `Unavailable`, `StorageUnavailable`.
    """
    total = Rotation(newest_key())
    for _ in range(1 if dry_run else WALKS_MAX):
        last = _Walk(dry_run=dry_run, progress=progress).run()
        total = replace(
            last, rewritten=total.rewritten + last.rewritten, leftover_files=total.leftover_files + last.leftover_files
        )
        if last.settled:
            break
    if total.unreadable:
        alert("envelopes_unreadable", count=total.unreadable)
    return total


class _Walk:
    def __init__(self, *, dry_run: bool, progress: Progress) -> None:
        self.fields: dict[str, list[EncryptedField]] = defaultdict(list)
        for entry in sorted(encrypted_fields(), key=lambda entry: (entry.collection, entry.field)):
            self.fields[entry.collection].append(entry)
        stages = {name: Query(name, group=entries[0].group) for name, entries in self.fields.items()}
        self.target, self.dry_run, self.progress = newest_key(), dry_run, progress
        self.walk = Walk(NAME, stages, target=self.target, keep=not dry_run)
        self.counts = self.walk.counts
        self.unreadable_at: list[str] = []

    def run(self) -> Rotation:
        leftover = 0
        for collection, page in self.walk.pages():
            self.counts["documents"] += len(page)
            self._rewrite(page, self.fields[collection])
            self.progress(collection, self.counts["documents"])
        if not self.dry_run:
            leftover = sum(encrypted_files.remove_leftovers(entry) for entry in encrypted_fields() if entry.file)
        return Rotation(
            target=self.target,
            envelopes={
                int(name.removeprefix("key_")): number
                for name, number in sorted(self.counts.items())
                if name.startswith("key_")
            },
            documents=self.counts["documents"],
            rewritten=self.counts["rewritten"],
            unreadable=self.counts["unreadable"],
            unreadable_at=self.unreadable_at,
            leftover_files=leftover,
            # What lies before the place where a walk was resumed may have changed since.
            settled=not (self.walk.resumed or self.counts["rewritten"] or self.counts["lost"]),
        )

    def _rewrite(self, page: Sequence[Snapshot], fields: Sequence[EncryptedField]) -> None:
        updates = [update for snapshot in page if (update := self._update(snapshot, fields, first=True))]
        for _ in range(RACES_MAX):
            if self.dry_run or not updates:
                return
            lost = []
            for result in get_store().write_many(updates):
                if isinstance(result.error, PreconditionFailed):
                    lost.append(result.path)
                elif result.error is None:
                    self.counts["rewritten"] += 1
                elif not isinstance(result.error, NotFound):  # deleted meanwhile: there is nothing to rewrite
                    raise result.error
            self.counts["lost"] += len(lost)  # even where the other one did our work: the next walk counts it
            again = get_store().get_many(lost) if lost else {}
            updates = [update for snapshot in again.values() if (update := self._update(snapshot, fields))]

    def _update(self, snapshot: Snapshot, fields: Sequence[EncryptedField], *, first: bool = False) -> Update | None:
        """The write that puts the document's envelopes under the newest key; None where there is nothing to do.

        Counts what it meets where it meets the document for the `first` time.
        """
        changes: dict[str, Any] = {}
        for entry in fields:
            envelope = value_at(snapshot.data, entry.field)
            if envelope:
                changes |= self._renewed(snapshot, entry, envelope, first)
            elif first and entry.file and value_at(snapshot.data, entry.file):
                self._rewrite_file(snapshot, entry)
        return Update(snapshot.path, changes, last_update_time=snapshot.update_time) if changes else None

    def _renewed(self, snapshot: Snapshot, entry: EncryptedField, envelope: Any, first: bool) -> dict[str, Any]:
        version = key_version(envelope) if isinstance(envelope, str) else None
        if first:
            self.counts[f"key_{version or 0}"] += 1
        if version == self.target or self.dry_run:
            return {}
        try:
            plain = decrypt(str(envelope), path=snapshot.path, field=entry.field)
        except DecryptionFailed:
            if first:
                self._note_unreadable(snapshot, entry)
            return {}
        return {entry.field: encrypt(plain, path=snapshot.path, field=entry.field)}

    def _rewrite_file(self, snapshot: Snapshot, entry: EncryptedField) -> None:
        try:
            version = key_version(encrypted_files.read_envelope(entry, snapshot, length=16)) or 0
            if version != self.target and not self.dry_run:
                rewritten = encrypted_files.rewrite(snapshot, entry)
                self.counts["rewritten" if rewritten else "lost"] += 1
        except (DecryptionFailed, FileNotFoundError):
            if encrypted_files.has_changed(snapshot, entry):  # another run was faster
                self.counts["lost"] += 1
                return
            version = 0
            self._note_unreadable(snapshot, entry)
        self.counts[f"key_{version}"] += 1

    def _note_unreadable(self, snapshot: Snapshot, entry: EncryptedField) -> None:
        self.counts["unreadable"] += 1
        if len(self.unreadable_at) < PLACES_MAX:
            self.unreadable_at.append(f"{snapshot.path} {entry.field}")
