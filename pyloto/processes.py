"""Starts the processes of one installation, watches them and ends them in order. `manage.py dev` and the tests use it.

Three tricks keep this free of orphans:
* each child leads a session of its own, so that Ctrl-C at the terminal reaches the manager alone;
* they are ended in the reverse order of their start, and each leader alone gets SIGTERM: a Celery worker finishes its
  tasks, the stores go last;
* a reaper, a small process that holds the read end of a pipe, knows every child's process id. When the manager is gone,
  however it went, the pipe ends and the reaper ends the groups.

This file is the reaper's program as well (run by its path): the standard library only.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.1
REAPER_GRACE_SECONDS = 5.0
LOG_TAIL_LINES = 15
LOG_TAIL_WIDTH = 300

# The child waits for its line before it becomes the command. A manager that is killed before it has told the reaper
# leaves a shell that reads the end of the pipe and exits.
GATE = 'read -r go && exec "$@" </dev/null'


class ProcessError(RuntimeError):
    """A child died, or did not answer in time. The text names it and ends with the last lines of its log."""


class Stopped(Exception):
    """`stop_requested` became true while the runner was waiting."""


@dataclass
class Child:
    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    grace_seconds: float
    process: subprocess.Popen[bytes]


class Runner:
    """The children of this process, in the order of their start.

    `env` is added to the environment of each, which runs in `cwd`; logs go to `log_dir/{name}.log`, those of the last run
    to `….log.1`.
    `keep_open` are file descriptors (of a lock) that the reaper holds until the last child is gone.
    """

    def __init__(
        self,
        log_dir: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.log_dir = log_dir
        self.cwd = cwd
        self.env = {**os.environ, **(env or {})}
        self.stop_requested = stop_requested
        self.children: dict[str, Child] = {}
        log_dir.mkdir(parents=True, exist_ok=True)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=keep_open,
        )

    # --- starting -----------------------------------------------------------------------------------------------------

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, grace_seconds: float = 10.0
    ) -> None:
        """Start a child; `grace_seconds` is the time that it gets to end by itself when it is stopped."""
        log = self.log_dir / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        self._spawn(name, list(command), {**self.env, **(env or {})}, log, grace_seconds)

    def restart(self, name: str) -> None:
        """Start a child that was stopped or killed again, with the same command; it takes the last place in the order."""
        old = self.children[name]
        if old.process.poll() is None:
            raise ValueError(f"{name} is still running")
        self._forget(old)
        self._spawn(name, old.command, old.env, old.log, old.grace_seconds)

    def _spawn(self, name: str, command: list[str], env: dict[str, str], log: Path, grace_seconds: float) -> None:
        with open(log, "ab") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", GATE, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.cwd,
                env=env,
                start_new_session=True,
            )
        self.children[name] = Child(name, command, env, log, grace_seconds, process)
        self._tell_reaper(f"+{process.pid}")
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")

    # --- watching -----------------------------------------------------------------------------------------------------

    def wait_until(self, name: str, is_ready: Callable[[], bool], *, timeout_seconds: float = 60.0) -> None:
        """Wait until the child really answers. Raises `ProcessError`, or `Stopped` where a stop was asked for."""
        deadline = time.monotonic() + timeout_seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessError(f"{name} did not answer within {timeout_seconds:.0f} s{self.log_tail(name)}")
            time.sleep(POLL_SECONDS)

    def wait_for_exit(self, name: str) -> int:
        """Wait until a child that does one job has ended, and return its exit status."""
        child = self.children[name]
        while child.process.poll() is None:
            if self.stop_requested():
                raise Stopped
            time.sleep(POLL_SECONDS)
        self._forget(child)
        return child.process.returncode

    def check(self) -> None:
        """Raise `ProcessError` where a child died, `Stopped` where a stop was asked for."""
        if self.stop_requested():
            raise Stopped
        for child in self.children.values():
            if (status := child.process.poll()) is not None:
                raise ProcessError(f"{child.name} ended by itself ({describe(status)}){self.log_tail(child.name)}")
        if self._reaper.poll() is not None:
            raise ProcessError("The process that guards against orphans is gone")

    def watch(self) -> None:
        """Wait until a child dies (`ProcessError`) or a stop is asked for (returns)."""
        with suppress(Stopped):
            while True:
                self.check()
                time.sleep(POLL_SECONDS)

    def pid(self, name: str) -> int:
        return self.children[name].process.pid

    def log_tail(self, name: str, lines: int = LOG_TAIL_LINES) -> str:
        """The end of a child's log, set off for a message; empty where it wrote nothing."""
        log = self.children[name].log
        text = log.read_text(encoding="utf-8", errors="replace").rstrip()
        if not text:
            return f" (it wrote nothing to {log})"
        return f"; the end of {log}:\n" + "\n".join(
            f"  | {line[:LOG_TAIL_WIDTH]}" for line in text.splitlines()[-lines:]
        )

    # --- ending -------------------------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """End one child and all that it started at once, as a power cut would: SIGKILL. `restart` brings it back."""
        child = self.children[name]
        signal_group(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def stop_one(self, name: str) -> None:
        """End one child: SIGTERM to itself, and after its grace SIGKILL to all that it started."""
        child = self.children[name]
        if child.process.poll() is None:
            child.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=child.grace_seconds)
        signal_group(child.process.pid, signal.SIGKILL)
        child.process.wait()
        self._forget(child)

    def kill_all(self) -> None:
        """End everything at once, without order; `stop` still cleans up. For a second Ctrl-C: safe in a signal handler."""
        for child in list(self.children.values()):
            signal_group(child.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End all children, the last one started first, then the reaper."""
        for name in reversed(list(self.children)):
            self.stop_one(name)
        assert self._reaper.stdin is not None
        with suppress(BrokenPipeError):
            self._reaper.stdin.close()
        self._reaper.wait()

    def _forget(self, child: Child) -> None:
        signal_group(child.process.pid, signal.SIGKILL)  # what a dead leader left behind
        self._tell_reaper(f"-{child.process.pid}")
        del self.children[child.name]

    def _tell_reaper(self, line: str) -> None:
        assert self._reaper.stdin is not None
        with suppress(BrokenPipeError):  # a dead reaper shows in `check`
            self._reaper.stdin.write(line.encode() + b"\n")
            self._reaper.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def describe(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to all processes of a group; False where none is left (macOS denies it for a group of zombies)."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def reap() -> None:
    """Read "+pid" and "-pid" until the manager is gone, then end the groups that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: list[int] = []
    for line in sys.stdin:
        if line.startswith("+"):
            groups.append(int(line[1:]))
        elif int(line[1:]) in groups:
            groups.remove(int(line[1:]))
    groups = [group for group in reversed(groups) if signal_group(group, signal.SIGTERM)]
    deadline = time.monotonic() + REAPER_GRACE_SECONDS
    while time.monotonic() < deadline and any(signal_group(group, 0) for group in groups):
        time.sleep(POLL_SECONDS)
    for group in groups:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    reap()
