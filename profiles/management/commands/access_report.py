"""`manage.py access_report`: what a person may know about themselves (LGPD art. 18), as a file."""

import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.errors import CustomerErased
from profiles.services.access import access_json, access_pdf, access_report
from profiles.services.erasure import UnknownCustomer
from pyloto.errors import TransientError


class Command(BaseCommand):
    help = (
        "Writes everything that is stored about one customer into a file that only its owner can read. The report is told "
        "of in the customer's audit trail. Exit status 1 where there is nothing to report, 2 where the stores do not "
        "answer: nothing is written then. Who kills it with SIGKILL while it writes leaves a part of the report beside FILE, as "
        "a hidden file .FILE.* of the same owner: delete it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user-key", required=True, metavar="KEY", help="as in the address of the customer's page")
        parser.add_argument("--format", choices=["json", "pdf"], default="json")
        parser.add_argument("--output", required=True, type=Path, metavar="FILE")
        parser.add_argument("--force", action="store_true", help="replace FILE if it is there")

    def handle(self, *, user_key: str, output: Path, force: bool, **options: Any) -> None:
        if output.exists() and not force:
            raise CommandError(f"{output} is there already; --force replaces it")
        if not output.parent.is_dir():
            raise CommandError(f"{output.parent} is no directory")
        try:
            report = access_report(user_key=user_key, actor="SYSTEM", now=timezone.now(), format=options["format"])
        except (UnknownCustomer, CustomerErased) as exc:
            raise CommandError(str(exc)) from exc
        except TransientError as exc:
            raise CommandError(f"The stores did not answer ({type(exc).__name__})", returncode=2) from exc
        if options["format"] == "pdf":
            _write(output, iter([access_pdf(report)]))
        else:
            _write(output, (part.encode() for part in access_json(report)))
        self.stdout.write(f"Protocolo {report['protocolo']}: {output}")


def _write(path: Path, parts: Iterator[bytes]) -> None:
    """Whole or not at all, and for nobody else to read: `mkstemp` makes files of mode 0600."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
