"""`manage.py dev`: everything that Pyloto needs on one machine, until Ctrl-C."""

import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from pyloto import env
from pyloto.embedded_valkey import NoServerFound
from pyloto.processes import ProcessError, Runner, Stopped
from pyloto.stack import HOST, Stack, child_environment

WEB_PORT = 8000
SIMULATOR_PORT = 8001
PORTS_TRIED = 50
LOCK_SECONDS = 20  # longer than the reaper of a killed manager takes to end what was left
ADMIN = "admin"


class Command(BaseCommand):
    help = "Inicia o Pyloto nesta máquina: armazenamento, web, worker, beat e simulador. Ctrl-C encerra tudo."
    requires_system_checks = []  # `runserver` style: checked below, once the terminal shows what is going on

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help=f"porta da web (padrão: {WEB_PORT} ou a próxima livre)")
        parser.add_argument(
            "--simulator-port", type=int, help=f"porta do simulador (padrão: {SIMULATOR_PORT} ou a próxima livre)"
        )

    def handle(self, *args: Any, port: int | None, simulator_port: int | None, **options: Any) -> None:
        with run_dir_lock() as lock:
            web_port = choose_port(port, WEB_PORT)
            if wants_simulator():
                simulator_port = choose_port(simulator_port, SIMULATOR_PORT, taken=web_port)
            else:
                simulator_port = None
            self.say("Preparando os bancos de dados…")
            prepare_databases()
            self.check()
            if password := create_admin():
                self.say(f"Primeira execução: usuário {ADMIN}, senha {password}  (anote: ela só aparece agora)")
            seed = bool(password) and self.wants_demo()
            with StopRequest() as stop_request:
                runner = Runner(
                    settings.RUN_DIR / "logs",
                    cwd=settings.BASE_DIR,
                    env=child_environment(web_port, simulator_port),
                    keep_open=[lock],
                    stop_requested=stop_request,
                )
                stop_request.runner = runner
                self.run_stack(Stack(runner, web_port, simulator_port), seed=seed)

    def run_stack(self, stack: Stack, *, seed: bool) -> None:
        """Raises `CommandError` (exit status 1) where a child died or did not come up."""
        try:
            with stack.runner:
                try:
                    self.say("Iniciando os processos…")
                    stack.start()
                    if seed:
                        self.seed_demo(stack.runner)
                    self.show_addresses(stack)
                    stack.runner.watch()
                except Stopped:
                    pass
                finally:
                    self.say("Encerrando…")
        except (ProcessError, NoServerFound) as exc:
            raise CommandError(f"O Pyloto parou: {exc}") from exc
        self.say("Tudo encerrado.")

    def wants_demo(self) -> bool:
        if not settings.DEBUG or not sys.stdin.isatty():
            return False
        try:
            answer = input("Criar conversas de demonstração, inventadas? [S/n] ")
        except (EOFError, KeyboardInterrupt) as exc:
            raise CommandError("Interrompido antes de iniciar.") from exc
        return answer.strip().lower() in {"", "s", "sim", "y", "yes"}

    def seed_demo(self, runner: Runner) -> None:
        self.say("Criando as conversas de demonstração…")
        runner.start("seed_demo", [sys.executable, str(settings.BASE_DIR / "manage.py"), "seed_demo"])
        if runner.wait_for_exit("seed_demo"):
            self.say(f"A demonstração falhou; veja {runner.log_dir / 'seed_demo.log'}.")

    def show_addresses(self, stack: Stack) -> None:
        self.say("\nO Pyloto está no ar.")
        if stack.simulator_url:
            self.say(f"  Escreva como cliente:  {stack.simulator_url}/")
        self.say(f"  Painel da equipe:      {stack.web_url}/admin/  (usuário {ADMIN})")
        self.say(f"  Registros:             {stack.runner.log_dir}")
        self.say("Ctrl-C encerra tudo.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def wants_simulator() -> bool:
    """Only in development, and only where no address of a real Graph API is given."""
    return settings.DEBUG and not env.text("WHATSAPP_GRAPH_URL")


def prepare_databases() -> None:
    call_command("migrate", interactive=False, verbosity=0)
    if settings.DOCUMENTS_BACKEND == "embedded":
        call_command("migrate", database="documents", interactive=False, verbosity=0)
    if not settings.DEBUG:
        call_command("collectstatic", interactive=False, verbosity=0)


def create_admin() -> str:
    """The first administrator's random password; empty where one can log in already."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return ""
    password = secrets.token_urlsafe(12)
    users.create_superuser(ADMIN, password=password)
    return password


def choose_port(requested: int | None, default: int, *, taken: int = 0) -> int:
    """The port asked for, else the first free one from the default on. Raises `CommandError`."""
    if requested is not None:
        if requested == taken or not is_free(requested):
            raise CommandError(f"A porta {requested} está ocupada; escolha outra, ou nenhuma: a próxima livre é usada.")
        return requested
    for port in range(default, default + PORTS_TRIED):
        if port != taken and is_free(port):
            return port
    raise CommandError(f"Nenhuma porta livre entre {default} e {default + PORTS_TRIED - 1}.")


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection in TIME_WAIT blocks nobody
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def run_dir_lock() -> Iterator[int]:
    """One manager for each run directory: two would share databases and socket. Raises `CommandError`.

    The reaper holds the lock too, so that a new manager waits until the children of a killed one are gone.
    """
    os.umask(0o077)  # the children's too: databases, logs and files hold what customers wrote
    settings.RUN_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.RUN_DIR.chmod(0o700)
    lock = os.open(settings.RUN_DIR / "dev.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                holder = os.pread(lock, 20, 0).decode()
                if is_alive(holder) or time.monotonic() > deadline:
                    raise CommandError(f"O Pyloto já está no ar em {settings.RUN_DIR} (processo {holder}).") from exc
                time.sleep(0.2)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


def is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


class StopRequest:
    """Ctrl-C, SIGTERM and the end of the terminal are noted while it is entered; calling it tells whether one came.

    A second Ctrl-C waits for nobody: the children of `runner` are killed.
    """

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self.received: list[int] = []

    def __call__(self) -> bool:
        return bool(self.received)

    def note(self, number: int, frame: object) -> None:
        if number in self.received and self.runner:
            self.runner.kill_all()
        self.received.append(number)

    def __enter__(self) -> Self:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self.before = {number: signal.signal(number, self.note) for number in numbers}
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
