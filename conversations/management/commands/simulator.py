"""`manage.py simulator`: WhatsApp on this machine, for development."""

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from conversations.simulator.fake import FakeMeta


class Command(BaseCommand):
    help = "Simula o WhatsApp: uma página com telefones e a API da Meta. Só para desenvolvimento (DEBUG)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--webhook-url", default="http://127.0.0.1:8000/webhooks/whatsapp")
        parser.add_argument("--state", type=Path, default=None, help="arquivo que guarda as conversas entre execuções")
        parser.add_argument("--seed", type=int, default=None, help="a mesma semente inventa os mesmos clientes e ids")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("O simulador só existe com DEBUG ligado: ele finge ser a Meta.")
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        fake = FakeMeta(
            webhook_url=options["webhook_url"],
            app_secret=settings.WHATSAPP_APP_SECRET,
            access_token=settings.WHATSAPP_ACCESS_TOKEN,
            phone_number_ids=settings.WHATSAPP_PHONE_NUMBER_IDS,
            host=options["host"],
            port=options["port"],
            state_path=options["state"],
            seed=options["seed"],
        )
        with fake:
            self.stdout.write(f"Simulador: {fake.url}")
            self.stdout.flush()
            ended.wait()
