"""Writes the report of a conversation's trail, or of a period, to a file."""

import os
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.report_pdf import to_pdf, verdict
from audit.reports import NoTrail, TrailReport, conversation_report, is_period, period_report, start_of, write_json
from pyloto.documents import Unavailable
from pyloto.errors import TransientError


class Command(BaseCommand):
    help = (
        "Writes a report of the audit trail, with its verification. Exit status: 2 where it could not be read or written, "
        "else that of audit_verify (docs/audit.md)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--conversation", metavar="ID", help='the trail of this conversation, or "system"')
        parser.add_argument("--from", metavar="DATE", dest="first", type=_day, help="the first day, as 2026-11-01")
        parser.add_argument("--to", metavar="DATE", dest="last", type=_day, help="the last day, included")
        parser.add_argument("--format", choices=("json", "pdf"), default="pdf")
        parser.add_argument("--output", metavar="FILE", type=Path, required=True)
        parser.add_argument("--force", action="store_true", help="overwrite the file")

    def handle(
        self, *, conversation: str | None, first: date | None, last: date | None, output: Path, **options: Any
    ) -> None:
        if output.exists() and not options["force"]:
            raise CommandError(f"{output} exists: give --force to overwrite it, or another name", returncode=2)
        if not output.absolute().parent.is_dir():
            raise CommandError(f"There is no directory {output.absolute().parent}", returncode=2)
        try:
            report = _report(conversation, first, last)
            content = [to_pdf(report)] if options["format"] == "pdf" else (p.encode() for p in write_json(report))
            _write(output, content, force=options["force"])
        except NoTrail as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except FileExistsError as exc:
            raise CommandError(f"{output} appeared meanwhile, and was left as it is", returncode=2) from exc
        except (TransientError, Unavailable) as exc:
            raise CommandError("Documents or storage did not answer: nothing was written", returncode=2) from exc
        except OSError as exc:
            raise CommandError(f"{output} could not be written: {exc.strerror}", returncode=2) from exc
        self.stdout.write(f"{output}: {verdict(report)}")
        if not report.verification.ok:
            raise SystemExit(report.verification.status)


def _report(conversation: str | None, first: date | None, last: date | None) -> TrailReport:
    now = timezone.now()
    if conversation is not None:
        if first or last:
            raise CommandError("Give either --conversation or --from and --to", returncode=2)
        return conversation_report(conversation, now=now)
    if first is None or last is None:
        raise CommandError("Give --conversation ID, or --from and --to", returncode=2)
    if not is_period(first, last):
        raise CommandError("--to is before --from, or they are no days of our time", returncode=2)
    return period_report(start_of(first), start_of(last + timedelta(days=1)), now=now)


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _write(path: Path, pieces: Iterable[bytes], *, force: bool) -> None:
    """The whole file or none, readable by its owner only. Raises `FileExistsError` where it may not be overwritten."""
    if not force:
        path.touch(mode=0o600, exist_ok=False)  # the name is ours now
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(pieces)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        if not force:
            path.unlink(missing_ok=True)
        raise
