"""Verifies the audit trail: the signed log of observed heads, and every chain against it."""

import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from audit.signing import trusted_keys
from audit.verification import verify_everything
from audit.verify_trail import CheckpointFiles, NoteError, ProblemKind, VerifierKey, checkpoints_in, parse_keys
from pyloto.documents import Unavailable
from pyloto.errors import StorageUnavailable

COULD_NOT_VERIFY = 2
# An installation has the whole log beside its chains: nothing in it is only UNPROVEN.
STATUSES = "\n".join(f"  {kind.status}  {kind.value}" for kind in ProblemKind if kind is not ProblemKind.UNPROVEN)


class Command(BaseCommand):
    help = f"""Verifies the audit trail. See docs/audit.md.

exit status:
  0   intact
  1   Pyloto itself did not start
  {COULD_NOT_VERIFY}   could not be verified: store, storage or a file cannot be read
otherwise that of the gravest problem, the highest number:
{STATUSES}
"""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--conversation", metavar="ID", help="only the chain of this conversation")
        parser.add_argument("--checkpoints", metavar="PATH", type=Path, help="directory with a copy of the checkpoints")
        parser.add_argument("--pubkey", metavar="FILE", type=Path, help="the log's public keys, one vkey a line")
        parser.add_argument(
            "--state", metavar="FILE", type=Path, help="remembers the last checkpoint that was verified"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *, conversation: str | None = None, **options: Any) -> None:
        state: Path | None = options.get("state")
        try:
            report, newest = verify_everything(
                keys=_keys(options.get("pubkey")),
                checkpoints=_checkpoints(options.get("checkpoints")),
                remembered=state.read_text() if state and state.exists() else None,
                conversation_id=conversation,
            )
        except (Unavailable, StorageUnavailable) as exc:
            raise CommandError("The store or the storage did not answer", returncode=COULD_NOT_VERIFY) from exc
        except (OSError, NoteError, UnicodeDecodeError, ImproperlyConfigured) as exc:
            raise CommandError(str(exc), returncode=COULD_NOT_VERIFY) from exc
        self.stdout.write(report.to_json() if options["json"] else report.to_text())
        self.stdout.flush()
        status = report.status
        if state and newest:
            try:
                _replace(state, newest)
            except OSError as exc:  # what was found is told, and is the graver
                self.stderr.write(f"The state was not remembered: {exc}")
                status = status or COULD_NOT_VERIFY
        if status:
            raise SystemExit(status)


def _keys(path: Path | None) -> list[VerifierKey]:
    return parse_keys(path.read_text()) if path else list(trusted_keys())


def _checkpoints(path: Path | None) -> list[CheckpointFiles] | None:
    """Those of an auditor's copy. None at all there is not what the auditor meant to verify."""
    if path is None:
        return None
    files = list(checkpoints_in(path))
    if not files:
        raise CommandError(f"There are no checkpoints in {path}", returncode=COULD_NOT_VERIFY)
    return files


def _replace(path: Path, text: str) -> None:
    """Whoever reads meanwhile, or after a crash, finds the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
