"""`manage.py dev`, started for real in a directory of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.management.base import CommandError

from pyloto.bootstrap import write_env
from pyloto.management.commands.dev import choose_port, create_admin, is_free
from tests.lab.emulator import free_port
from tests.pyloto.test_processes import alive, eventually


class Dev:
    """A running `manage.py dev`: what it printed, and every process below it."""

    def __init__(self, folder: Path) -> None:
        write_env(folder / "env")
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        places = {"PYLOTO_ENV_FILE": str(folder / "env"), "PYLOTO_RUN_DIR": str(folder / "run")}
        self.folder = folder
        self.web_port, self.simulator_port = free_port(), free_port()
        ports = ["--port", str(self.web_port), "--simulator-port", str(self.simulator_port)]
        self.process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "dev", *ports],
            env={**kept, **places},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.printed += line

    def wait_until_up(self) -> list[int]:
        """The process ids of everything that was started."""
        assert eventually(lambda: "Ctrl-C encerra tudo." in self.printed, seconds=90), self.printed
        return self.below()

    def below(self) -> list[int]:
        """The ids of all processes that carry this run directory in their environment or arguments."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                traces = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue  # gone meanwhile, or somebody else's
            if os.fsencode(self.folder) in traces and int(entry.name) != self.process.pid:
                found.append(int(entry.name))
        return found

    def wait(self) -> int:
        status = self.process.wait(timeout=90)
        self._reader.join()
        return status


@contextmanager
def running(folder: Path) -> Iterator[Dev]:
    dev = Dev(folder)
    try:
        yield dev
    finally:
        if dev.process.poll() is None:
            dev.process.kill()
        dev.wait()


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="needs /proc to find what was left behind"
)


@needs_proc
def test_it_says_where_it_answers_and_stops_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as dev:
        started = dev.wait_until_up()
        for url in re.findall(r"http://\S+", dev.printed):
            with urllib.request.urlopen(url, timeout=10) as response:
                assert response.status == 200
        assert re.search(r"usuário admin, senha \S{12,}", dev.printed)
        dev.process.send_signal(signal.SIGINT)
        assert dev.wait() == 0
        assert "Tudo encerrado." in dev.printed
    assert [pid for pid in started if alive(pid)] == []


@needs_proc
def test_the_death_of_a_child_ends_it_with_an_error_and_without_orphans(tmp_path: Path) -> None:
    with running(tmp_path) as dev:
        started = dev.wait_until_up()
        beat = next(pid for pid in started if b"beat" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(beat, signal.SIGKILL)
        assert dev.wait() == 1
        assert "beat ended by itself (signal SIGKILL)" in dev.printed
    assert [pid for pid in started if alive(pid)] == []


@pytest.mark.django_db
def test_the_first_administrator_gets_a_random_password_once() -> None:
    password = create_admin()
    assert authenticate(username="admin", password=password) is not None
    assert create_admin() == ""


def test_a_busy_port_that_was_asked_for_is_refused_and_a_default_one_gives_way() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        busy = listener.getsockname()[1]
        with pytest.raises(CommandError, match=f"A porta {busy} está ocupada"):
            choose_port(busy, 8000)
        chosen = choose_port(None, busy)
        assert chosen > busy
        assert is_free(chosen)


def test_the_try_out_secrets_are_random_private_and_never_overwritten(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert write_env(one)
    assert write_env(other)
    assert one.read_text() != other.read_text()
    assert one.stat().st_mode & 0o777 == 0o600
    before = one.read_text()
    assert not write_env(one)
    assert one.read_text() == before
