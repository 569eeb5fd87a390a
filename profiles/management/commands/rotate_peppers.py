"""`manage.py rotate_peppers`: brings a new pepper of the identity index in, while customers write."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from profiles.services.peppers import Peppers, prune, rotate_peppers
from pyloto.documents import Unavailable

PROGRESS_EVERY = 1000  # documents


class Command(BaseCommand):
    help = (
        "Gives each entry of the identity index a twin under the newest pepper (the first of PRIVACY_PEPPERS). It may be "
        "stopped at any point and run again. Exit status 0: older peppers may be removed; 1: they may not yet; 2: the "
        "document store did not answer (run it again). docs/production.md tells the order of the steps."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument(
            "--prune", action="store_true", help="delete the entries of peppers that are no longer in PRIVACY_PEPPERS"
        )
        parser.add_argument("--unpaired", action="store_true", help="with --prune: also those without a twin, for good")

    def handle(self, *, dry_run: bool, prune: bool, unpaired: bool, **options: Any) -> None:
        self.quiet, self.shown = bool(options["json"]), 0
        try:
            deleted = self.prune(unpaired=unpaired) if prune and not dry_run else 0
            state = rotate_peppers(dry_run=dry_run, progress=self.show)
        except Unavailable as exc:
            raise CommandError(
                "The document store did not answer; run it again, it goes on where it was", returncode=2
            ) from exc
        self.stdout.write(
            json.dumps(_as_dict(state, deleted)) if options["json"] else _as_text(state, deleted, dry_run)
        )
        if not state.done:
            raise SystemExit(1)

    @staticmethod
    def prune(*, unpaired: bool) -> int:
        return prune(unpaired=unpaired)

    def show(self, source: str, documents: int) -> None:
        if not self.quiet and documents - self.shown >= PROGRESS_EVERY:
            self.shown = documents
            self.stdout.write(f"{documents} documents read, at {source}…")
            self.stdout.flush()


def _as_dict(state: Peppers, deleted: int) -> dict[str, Any]:
    return {
        "done": state.done,
        "newest": state.ring[0],
        "entries": {str(version): number for version, number in state.entries.items()},
        "unpaired": {str(version): number for version, number in state.unpaired.items()},
        "paired": state.paired,
        "lost": state.lost,
        "contradictions": state.contradictions,
        "unreadable": state.unreadable,
        "dropped": list(state.dropped),
        "deleted": deleted,
    }


def _as_text(state: Peppers, deleted: int, dry_run: bool) -> str:
    newest = state.ring[0]
    lines = [] if dry_run else [f"{state.paired} identifiers got a twin under pepper {newest}."]
    for version, number in state.entries.items():
        without = f", {state.unpaired[version]} still without a twin" if version != newest else " (the newest)"
        gone = "" if version in state.ring else "; PRIVACY_PEPPERS does not hold it"
        lines.append(f"  pepper {version}: {number} entries{without}{gone}")
    if deleted:
        lines.append(f"{deleted} entries of removed peppers were deleted.")
    if state.lost:
        lines.append(f"{state.lost} were changed by others at every try: run it again.")
    if state.contradictions:
        lines.append(f"{state.contradictions} identifiers lead to two customers: merge those in the panel.")
    if state.unreadable:
        lines.append(f"{state.unreadable} documents cannot be decrypted: is a key missing in PRIVACY_KEYS?")
    lines += [_verdict(state, version) for version in state.unpaired]
    return "\n".join(lines)


def _verdict(state: Peppers, version: int) -> str:
    if version in state.ring:
        return f"Pepper {version} {'may be removed' if state.done else 'must stay'}."
    if state.unpaired[version]:
        return (
            f"Pepper {version} was removed too early: put it back behind the newest, or give its customers up with "
            "--prune --unpaired."
        )
    return f"Pepper {version} is gone; --prune deletes its entries."
