"""`manage.py apply_retention`: what the daily job does, now and all of it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from profiles.services.retention import Applied, apply_retention
from pyloto.errors import TransientError
from pyloto.privacy.registry import retention_rules


class Command(BaseCommand):
    help = (
        "Removes what is older than the RETENTION_*_DAYS settings say, but nothing of customers under a legal hold. It may "
        "be killed and run again. Exit status 2 where the stores do not answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would go, and remove nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        try:
            applied = apply_retention(now=timezone.now(), dry_run=dry_run)
        except TransientError as exc:
            raise CommandError(f"The stores did not answer ({type(exc).__name__})", returncode=2) from exc
        self.stdout.write(_as_json(applied, dry_run=dry_run) if options["json"] else _as_text(applied, dry_run=dry_run))


def _as_json(applied: Applied, *, dry_run: bool) -> str:
    rules = {
        rule.name: {"removed": applied.removed[rule.name], "held": applied.held[rule.name]}
        for rule in retention_rules()
    }
    return json.dumps({"dry_run": dry_run, "rules": rules})


def _as_text(applied: Applied, *, dry_run: bool) -> str:
    done = "would be removed" if dry_run else "removed"
    return "\n".join(
        f"{rule.name}: {applied.removed[rule.name]} {done}, {applied.held[rule.name]} on hold"
        for rule in retention_rules()
    )
