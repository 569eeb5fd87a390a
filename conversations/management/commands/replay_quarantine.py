"""Runs quarantined deliveries through the intake once more, after an update that may be able to read them."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from conversations.doorbell import doorbell
from conversations.services.quarantine import Fate, replay_quarantined
from pyloto.errors import TransientError


class Command(BaseCommand):
    help = (
        "Decrypts each quarantined delivery, stores what can be read by now as if it came now, and removes it from the "
        "quarantine. What still cannot be read stays. Prints counts and reasons, nothing of the content. It may be killed "
        "at any time and run again: nothing is stored twice. Exit status 1 where a key or a file is missing, 2 where the "
        "stores do not answer (run it again)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="change nothing, count what would be replayed")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        fates: Counter[str] = Counter({fate.value: 0 for fate in Fate})
        kept: Counter[str] = Counter()
        messages: Counter[str] = Counter({"stored": 0, "duplicates": 0})
        try:
            for replayed in replay_quarantined(dry_run=dry_run, now=timezone.now()):
                fates[replayed.fate.value] += 1
                if replayed.fate is not Fate.REPLAYED:
                    kept[replayed.reason] += 1
                if replayed.receipt:
                    messages.update(stored=replayed.receipt.stored, duplicates=replayed.receipt.duplicates)
                    doorbell.ring(replayed.receipt.rings)
        except TransientError as exc:
            raise CommandError(
                f"The stores did not answer ({type(exc).__name__}); run it again, nothing is stored twice", returncode=2
            ) from exc
        report = {"dry_run": dry_run, **fates, **messages, "kept": dict(sorted(kept.items()))}
        self.stdout.write(json.dumps(report) if options["json"] else _as_text(report))
        if fates[Fate.SEALED.value]:
            raise CommandError("Some deliveries cannot be decrypted: is a key missing in PRIVACY_KEYS?", returncode=1)


def _as_text(report: dict[str, Any]) -> str:
    would = "would be replayed" if report["dry_run"] else "replayed"
    lines = [
        f"{report['replayed']} {would}, {report['unreadable']} still unreadable, {report['sealed']} without key or file",
        f"{report['stored']} messages stored, {report['duplicates']} were there already",
    ]
    return "\n".join([*lines, *(f"  {reason}: {number}" for reason, number in report["kept"].items())])
