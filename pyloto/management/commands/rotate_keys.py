"""`manage.py rotate_keys`: brings everything encrypted under the newest key, while customers write."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pyloto.documents import Unavailable
from pyloto.errors import StorageUnavailable
from pyloto.privacy.keyring import read_ring
from pyloto.privacy.rotation import Rotation, rotate_keys

PROGRESS_EVERY = 1000  # documents


class Command(BaseCommand):
    help = (
        "Re-encrypts every encrypted field and file under the newest key (the first of PRIVACY_KEYS). It may be stopped at "
        "any point and run again. Exit status 0: older keys may be removed; 1: they may not; 2: documents or files did not "
        "answer (run it again). docs/production.md tells the order of the steps."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        self.quiet, self.shown = bool(options["json"]), 0
        try:
            rotation = rotate_keys(dry_run=dry_run, progress=self.show)
        except (Unavailable, StorageUnavailable) as exc:
            raise CommandError(
                "Documents or files did not answer; run it again, it goes on where it was", returncode=2
            ) from exc
        self.stdout.write(json.dumps(_as_dict(rotation)) if options["json"] else _as_text(rotation))
        if not rotation.done:
            raise SystemExit(1)

    def show(self, collection: str, documents: int) -> None:
        if documents < self.shown:  # the next walk
            self.shown = 0
        if not self.quiet and documents - self.shown >= PROGRESS_EVERY:
            self.shown = documents
            self.stdout.write(f"{documents} documents read, at {collection}…")
            self.stdout.flush()


def _as_dict(rotation: Rotation) -> dict[str, Any]:
    return {
        "done": rotation.done,
        "newest": rotation.target,
        "envelopes": {str(version): number for version, number in rotation.envelopes.items()},
        "remaining": rotation.remaining,
        "documents": rotation.documents,
        "rewritten": rotation.rewritten,
        "unreadable": rotation.unreadable,
        "unreadable_at": rotation.unreadable_at,
        "leftover_files": rotation.leftover_files,
    }


def _as_text(rotation: Rotation) -> str:
    ring = read_ring("PRIVACY_KEYS")
    lines = [f"{rotation.documents} documents read, {rotation.rewritten} documents and files rewritten."]
    for version in (*ring, *(version for version in rotation.envelopes if version not in ring)):
        known = "" if version in ring else "; PRIVACY_KEYS does not hold it"
        newest = " (the newest)" if version == rotation.target else ""
        name = f"key {version}" if version else "no key at all"
        lines.append(f"  {name}: {rotation.envelopes.get(version, 0)} envelopes{newest}{known if version else ''}")
    if rotation.leftover_files:
        lines.append(f"{rotation.leftover_files} leftover files of broken-off runs removed.")
    if rotation.unreadable:
        lines.append(f"{rotation.unreadable} envelopes cannot be read, and were left as they are. The first ones:")
        lines += [f"  {place}" for place in rotation.unreadable_at]
    if not rotation.settled:
        lines.append(
            "There was still something to rewrite: run it again, once every process writes under the newest key."
        )
    lines += [
        f"Key {version} {'may be removed' if rotation.done else 'must stay'}."
        for version in ring
        if version != rotation.target
    ]
    return "\n".join(lines)
