"""`manage.py seed_demo`: invented conversations for an empty installation, for development."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from conversations.demo.seed import NotEmpty, seed_demo


class Command(BaseCommand):
    help = "Enche uma instalação vazia com conversas inventadas. Só para desenvolvimento (DEBUG)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customers", type=int, default=40, help="quantos clientes (padrão: 40)")
        parser.add_argument(
            "--seed", type=int, default=1, help="a mesma semente inventa os mesmos clientes (padrão: 1)"
        )

    def handle(self, *args: Any, customers: int, seed: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("A demonstração só existe com DEBUG ligado: ela inventa clientes. Nada foi mudado.")
        if customers < 1:
            raise CommandError("--customers precisa ser pelo menos 1.")
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # thousands of lines about nobody
        try:
            seed_demo(
                customers=customers,
                seed=seed,
                phone_number_id=settings.WHATSAPP_PHONE_NUMBER_IDS[0],
                progress=lambda done: self.show(done, customers),
            )
        except NotEmpty as exc:
            raise CommandError(
                "Esta instalação já tem dados: a demonstração só entra em uma instalação vazia. Nada foi mudado."
            ) from exc
        finally:
            root.setLevel(level)
        self.stdout.write(f"Pronto: {customers} clientes inventados.")

    def show(self, done: int, customers: int) -> None:
        if done % 20 == 0 or done == customers or done > 200:
            self.stdout.write(f"{done} de {customers} clientes…")
            self.stdout.flush()
