"""`manage.py erase_customer`: the right to be forgotten, from the command line."""

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from conversations.stores import ConversationStore
from profiles.models import Erasure, Identity
from profiles.services import erasure
from profiles.services.erasure import OnLegalHold, UnknownCustomer
from profiles.services.receipts import Receipt
from profiles.services.subjects import subject_of
from profiles.stores import IdentityStore
from pyloto.errors import TransientError
from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.phones import InvalidPhone, canonical_phone

WORD = "APAGAR"
ACTOR = "SYSTEM"


class Command(BaseCommand):
    help = (
        "Erases everything that is kept about one customer, and prints the receipt. It may be killed at any time and run "
        "again. Without --wait the last scan, two minutes later, is left to beat and workers (or to another run). Exit "
        "status 1 where it may not be done or the customer is not known, 2 where the stores do not answer (run it again)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--user-key", help="the customer's random key")
        who.add_argument("--conversation-id", help="the public name of their conversation")
        who.add_argument(
            "--phone",
            action="store_true",
            help="ask for the phone; it is read from the standard input, never an argument",
        )
        parser.add_argument("--reason", required=True, choices=Erasure.Reason.values)
        parser.add_argument("--yes", action="store_true", help="do not ask for a confirmation")
        parser.add_argument("--wait", action="store_true", help="stay for the last scan, about two minutes")
        parser.add_argument("--json", action="store_true", help="the receipt as JSON; progress goes to standard error")

    def handle(self, *, reason: str, yes: bool, wait: bool, **options: Any) -> None:
        try:
            user_key = self._user_key(options)
            if not yes:
                self._confirm(user_key)
            receipt = erasure.begin(user_key=user_key, reason=Erasure.Reason(reason), actor=ACTOR, now=timezone.now())
            receipt = self._go_on(receipt)
            while wait and not receipt.is_complete:
                self._sleep_until_scan(receipt)
                receipt = self._go_on(receipt)
        except UnknownCustomer as exc:
            raise CommandError("Nothing is kept about this customer") from exc
        except OnLegalHold as exc:
            raise CommandError("This customer is on legal hold: lift it first, or give --reason AUTHORITY") from exc
        except TransientError as exc:
            raise CommandError(f"The stores did not answer ({type(exc).__name__}); run it again", returncode=2) from exc
        self.stdout.write(
            json.dumps(receipt.to_document(), ensure_ascii=False) if options["json"] else receipt.to_text()
        )

    def _user_key(self, options: dict[str, Any]) -> str:
        if options["user_key"]:
            return str(options["user_key"])
        if options["conversation_id"]:
            found = ConversationStore().find_user_key(options["conversation_id"])
            if found is None:
                raise UnknownCustomer("no such conversation")
            return found
        try:
            phone = canonical_phone(self._ask("Phone: "))
        except InvalidPhone as exc:
            raise CommandError("That is not a phone number") from exc
        ids = identity_keys(Identity.Kind.PHONE.value, phone)
        entries = IdentityStore().find_many(ids)
        for identity_id in ids:
            if identity_id in entries:
                return entries[identity_id].user_key
        raise UnknownCustomer("nobody has this phone")

    def _confirm(self, user_key: str) -> None:
        subject = subject_of(user_key)
        self._tell(f"Customer {subject.user_keys[0]}, with {len(subject.user_keys) - 1} merged into it.")
        self._tell("Everything that is kept about them will be removed. This cannot be undone.")
        if self._ask(f"Type {WORD} to go on: ") != WORD:
            raise CommandError("Nothing was erased")

    def _go_on(self, receipt: Receipt) -> Receipt:
        receipt = erasure.resume(receipt.user_key, timezone.now()) or receipt
        self._tell(receipt.status)
        return receipt

    def _sleep_until_scan(self, receipt: Receipt) -> None:
        seconds = (receipt.scan_at - timezone.now()).total_seconds() if receipt.scan_at else 0
        if seconds > 0:
            self._tell(f"Last scan in {seconds:.0f} s")
            time.sleep(seconds + 0.1)

    def _ask(self, question: str) -> str:
        self.stderr.write(question, ending="")
        self.stderr.flush()
        return sys.stdin.readline().strip()

    def _tell(self, text: str) -> None:
        self.stderr.write(text)
