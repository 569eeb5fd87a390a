"""Runs kept deliveries through the intake once more: after an outage of ours, or to try a new version on real shapes."""

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from conversations.doorbell import doorbell
from conversations.services.ingest import replay_delivery
from conversations.whatsapp.signature import Undecodable, decode_delivery
from pyloto.errors import TransientError
from pyloto.observability.correlation import bind_correlation_id, new_correlation_id

COUNTS = ("items", "stored", "duplicates", "unreadable")


class Command(BaseCommand):
    help = (
        "Runs stored webhook envelopes through splitter, stores and rings, as if they came now; without signature and "
        "dedupe marks. What is stored already is a duplicate. Exit status 1 where a file cannot be read (nothing is "
        "stored then), 2 where the stores do not answer (run it again)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "paths",
            metavar="PATH",
            nargs="+",
            type=Path,
            help="a JSON file with one envelope, or with a map of name to envelope; or a directory of such files",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *, paths: list[Path], **options: Any) -> None:
        envelopes = [envelope for path in paths for file in _files(path) for envelope in _envelopes(file)]
        totals: Counter[str] = Counter()
        by_type: Counter[str] = Counter()
        for envelope in envelopes:
            correlation_id = new_correlation_id()
            bind_correlation_id(correlation_id)
            try:
                receipt = replay_delivery(envelope, received_at=timezone.now(), correlation_id=correlation_id)
            except TransientError as exc:
                raise CommandError(
                    f"The stores did not answer ({type(exc).__name__}); run it again, nothing is stored twice",
                    returncode=2,
                ) from exc
            totals.update({name: getattr(receipt, name) for name in COUNTS})
            by_type.update(receipt.by_type)
            doorbell.ring(receipt.rings)
        report = {name: totals[name] for name in COUNTS} | {"by_type": dict(sorted(by_type.items()))}
        self.stdout.write(json.dumps(report) if options["json"] else _as_text(report))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if files := sorted(path.glob("*.json")):
        return files
    raise CommandError(f"{path} holds no .json file")


def _envelopes(path: Path) -> Iterator[Any]:
    try:
        content = decode_delivery(path.read_bytes())
    except OSError as exc:
        raise CommandError(f"{path} cannot be read: {exc.strerror}") from exc
    except Undecodable as exc:
        raise CommandError(f"{path} is no JSON that the webhook would accept: {exc}") from exc
    if not isinstance(content, Mapping):
        raise CommandError(f"{path} holds neither an envelope nor a map of name to envelope")
    if isinstance(content.get("object"), str) or isinstance(content.get("entry"), list):
        yield content
    else:
        yield from content.values()


def _as_text(report: dict[str, Any]) -> str:
    counts = ", ".join(f"{report[name]} {name}" for name in COUNTS)
    return "\n".join([counts, *(f"  {kind}: {number}" for kind, number in report["by_type"].items())])
