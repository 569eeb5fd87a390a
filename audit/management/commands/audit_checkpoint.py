"""Writes a signed checkpoint of the audit trail, as the hourly job does."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.checkpoints import CheckpointRefused, make_checkpoint
from audit.models import Checkpoint
from audit.signing import verifier_key
from pyloto.errors import TransientError


class Command(BaseCommand):
    help = "Writes a signed checkpoint: exit status 1 where it is refused, 2 where documents or storage do not answer, or the key is missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--public-key", action="store_true", help="only print the public key, for those who verify")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, **options: Any) -> None:
        if options["public_key"]:
            self.stdout.write(str(verifier_key()))
            return
        try:
            checkpoint = make_checkpoint(now=timezone.now())
        except CheckpointRefused as exc:
            raise CommandError(f"Nothing was signed. {exc}") from exc
        except ImproperlyConfigured as exc:
            raise CommandError(f"Nothing was signed. {exc}", returncode=2) from exc
        except TransientError as exc:
            raise CommandError(f"Nothing is lost, try again later. {exc}", returncode=2) from exc
        self.stdout.write(_as_json(checkpoint) if options["json"] else _as_text(checkpoint))


def _as_json(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return json.dumps({"written": False})
    return json.dumps(
        {
            "written": True,
            "number": checkpoint.number,
            "size": checkpoint.size,
            "new_leaves": checkpoint.new_leaves,
            "root": checkpoint.root,
            "note": checkpoint.note,
        }
    )


def _as_text(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "Nothing new since the last checkpoint"
    return f"Checkpoint {checkpoint.number}: {checkpoint.new_leaves} new heads, {checkpoint.size} in all\n{checkpoint.note}"
