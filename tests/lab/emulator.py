"""The official Firestore emulator, as a child of a runner."""

import os
import secrets
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pyloto.processes import ProcessError, Runner

HOW_TO_GET_IT = (
    "The Firestore emulator is missing, so the Firestore adapter stays untested here. It needs `gcloud` with the component "
    "`cloud-firestore-emulator` and Java 11 or newer (Debian: google-cloud-cli, google-cloud-cli-firestore-emulator and "
    "openjdk-17-jre-headless; elsewhere: `gcloud components install cloud-firestore-emulator`), or a running one named by "
    "FIRESTORE_EMULATOR_HOST."
)
PORT_MIN, PORT_MAX = 15_000, 32_000  # Linux gives connections 32768 to 60999, macOS 49152 and above
# It lives for minutes: what the second compiler and the threads of the collector gain they cost first, a fifth of its tests' time.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
START_SECONDS = 90  # 3 s on a quiet machine; a loaded one takes its time


class EmulatorMissing(RuntimeError):
    """It is not installed, or did not start."""


@dataclass(frozen=True)
class FirestoreEmulator:
    host: str
    project: str

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}/", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def clear(self) -> None:
        """Delete every document of the project."""
        url = f"http://{self.host}/emulator/v1/projects/{self.project}/databases/(default)/documents"
        with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=30):
            pass


@contextmanager
def firestore_emulator(runner: Runner, *, project: str) -> Iterator[FirestoreEmulator]:
    """One on a free port, or the one that `FIRESTORE_EMULATOR_HOST` names, with a project of this process's own.

    The variable names it meanwhile, so that clients and children find it. Raises `EmulatorMissing`.
    """
    if host := os.environ.get("FIRESTORE_EMULATOR_HOST"):
        yield FirestoreEmulator(host, f"{project}-{os.getpid()}")
        return
    if not shutil.which("gcloud") or not shutil.which("java"):
        raise EmulatorMissing(HOW_TO_GET_IT)
    emulator = FirestoreEmulator(f"127.0.0.1:{free_port()}", project)
    command = ["gcloud", "emulators", "firestore", "start", f"--host-port={emulator.host}", "--quiet"]
    runner.start("firestore", command, env={"JAVA_TOOL_OPTIONS": JAVA_OPTIONS})
    try:
        runner.wait_until("firestore", emulator.answers, timeout_seconds=START_SECONDS)
    except ProcessError as exc:
        raise EmulatorMissing(f"{exc}\n{HOW_TO_GET_IT}") from exc
    os.environ["FIRESTORE_EMULATOR_HOST"] = emulator.host
    try:
        yield emulator
    finally:
        del os.environ["FIRESTORE_EMULATOR_HOST"]


def free_port() -> int:
    """One that nobody listens on, outside the range that connections are given theirs from: none takes it meanwhile."""
    while True:
        port = PORT_MIN + secrets.randbelow(PORT_MAX - PORT_MIN)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
