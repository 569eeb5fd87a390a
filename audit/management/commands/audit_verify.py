"""Verifies the hash chains of the audit trail."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.chain import Problem
from audit.stores import AuditLogStore
from audit.verify import Report, verify_stored_chains
from pyloto.documents import Unavailable


class Command(BaseCommand):
    help = "Verifies the audit trail: exit status 1 where anything is wrong, 2 where it could not be read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--conversation", metavar="ID", help="only the chain of this conversation")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *, conversation: str | None = None, **options: Any) -> None:
        try:
            report = verify_stored_chains(AuditLogStore(), conversation)
        except Unavailable as exc:
            raise CommandError("The document store did not answer", returncode=2) from exc
        self.stdout.write(_as_json(report) if options["json"] else _as_text(report))
        if not report.ok:
            raise SystemExit(1)


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "ok": report.ok,
            "chains": report.chains,
            "events": report.events,
            "problem_count": report.problem_count,
            "problems": [
                {"conversation_id": p.conversation_id, "seq": p.seq, "kind": p.kind.value, "detail": p.detail}
                for p in report.problems
            ],
        }
    )


def _as_text(report: Report) -> str:
    lines = [_describe(problem) for problem in report.problems]
    if hidden := report.problem_count - len(report.problems):
        lines.append(f"... and {hidden} more problems")
    verdict = "ok" if report.ok else f"{report.problem_count} problems"
    return "\n".join([*lines, f"{report.chains} chains, {report.events} events: {verdict}"])


def _describe(problem: Problem) -> str:
    return f"{problem.conversation_id} seq {problem.seq}: {problem.kind.value}, {problem.detail}"
