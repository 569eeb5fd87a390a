"""`manage.py reapply_erasures`: after a restore, before traffic."""

import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage, Storage, storages
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from profiles.models import Erasure
from profiles.services import erasure
from profiles.services.erasure import OnLegalHold
from profiles.services.reapply import (
    BadTombstone,
    Reapplied,
    missing_tombstones,
    next_scan,
    read_tombstone,
    reapply,
    tombstone_names,
)
from pyloto.errors import TransientError

TOLD_EVERY = 100
NAMED_MAX = 20


class Command(BaseCommand):
    help = (
        "Erases again whom a restored backup brought back, by the tombstones in the exports' storage. Run it after a "
        "restore, before web and workers start. It may be killed and run again. Exit status 1 where there is no tombstone "
        "at all, where one cannot be read, cannot be applied or is missing (the others are applied all the same), 2 where "
        "stores or storage do not answer (run it again)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            type=Path,
            metavar="DIR",
            help='a directory that holds the tombstones in "erasures/", instead of the storage that the settings name',
        )
        parser.add_argument(
            "--no-wait",
            action="store_true",
            help="leave the last scan, two minutes later, to beat and workers (or to another run)",
        )

        parser.add_argument(
            "--none-expected",
            action="store_true",
            help="nobody was ever erased: that there is no tombstone is right",
        )

    def handle(self, *, source: Path | None, no_wait: bool, none_expected: bool, **options: Any) -> None:
        if source is not None and not source.is_dir():
            raise CommandError(f"{source} is no directory")
        storage: Storage = FileSystemStorage(location=source) if source else storages["exports"]
        try:
            names = tombstone_names(storage)
            missing = missing_tombstones(names)
            if not names and not missing and not none_expected:
                raise CommandError(_where(source) + " Nobody was ever erased? Then give --none-expected.", returncode=1)
            erased, bad = self._reapply_all(storage, names)
            if not no_wait:
                self._wait_and_finish(erased)
        except TransientError as exc:
            raise CommandError(
                f"Stores or storage did not answer ({type(exc).__name__}); run it again", returncode=2
            ) from exc
        problems = [f"These tombstones could not be read or applied: {_some(bad)}."] if bad else []
        if missing:
            problems.append(
                f"{len(missing)} who were erased, as the documents say, have no tombstone: {_some(missing)}. Some were "
                "lost, or this is not their place: whom the backup brought back among those is not erased again."
            )
        if problems:
            raise CommandError(" ".join(problems if names else [_where(source), *problems]), returncode=1)

    def _reapply_all(self, storage: Storage, names: list[str]) -> tuple[list[str], list[str]]:
        self.stdout.write(f"{len(names)} tombstones")
        counts: Counter[Reapplied] = Counter()
        erased, bad = [], []
        for number, name in enumerate(names, start=1):
            try:
                tombstone = read_tombstone(storage, name)
                outcome = reapply(tombstone, timezone.now())
            except (BadTombstone, OnLegalHold):
                bad.append(name)
                continue
            counts[outcome] += 1
            if outcome is Reapplied.ERASED:
                erased.append(tombstone.user_key)
                self.stdout.write(f"{tombstone.user_key}: was back, removed")
            if number % TOLD_EVERY == 0:
                self.stdout.write(f"{number} of {len(names)}")
        self.stdout.write(
            f"{counts[Reapplied.ERASED]} erased again, {counts[Reapplied.NOTHING]} were not back, {len(bad)} failed"
        )
        return erased, bad

    def _wait_and_finish(self, user_keys: list[str]) -> None:
        while scan_at := max(next_scan(user_keys), default=None):
            seconds = (scan_at - timezone.now()).total_seconds()
            if seconds > 0:
                self.stdout.write(f"Last scan in {seconds:.0f} s")
                time.sleep(min(seconds + 0.1, 30))
                continue
            for user_key in user_keys:
                erasure.resume(user_key, timezone.now())
        if user_keys:
            self.stdout.write(f"{len(user_keys)} completed")


def _where(source: Path | None) -> str:
    place = f"in {source}/{Erasure.collection}" if source else f'under "{Erasure.collection}/" in the exports\' storage'
    return f"There is no tombstone {place}."


def _some(names: list[str]) -> str:
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
