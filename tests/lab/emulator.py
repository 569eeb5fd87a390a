"""The official Firestore emulator, as a process of the tests."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

HOW_TO_GET_IT = (
    "The Firestore emulator is missing: tests of the Firestore adapter need `gcloud` with the component "
    "`cloud-firestore-emulator` and Java 11 or newer (Debian: google-cloud-cli, google-cloud-cli-firestore-emulator and "
    "openjdk-17-jre-headless; elsewhere: `gcloud components install cloud-firestore-emulator`), or a running one named by "
    "FIRESTORE_EMULATOR_HOST."
)
START_SECONDS = 90  # 3 s on a quiet machine; a loaded one takes its time


class EmulatorMissing(RuntimeError):
    """It is not installed, or did not start."""


class FirestoreEmulator:
    """A running emulator; `FIRESTORE_EMULATOR_HOST` names it while it runs, so that clients find it."""

    def __init__(self, host: str, project: str, process: subprocess.Popen[bytes] | None) -> None:
        self.host = host
        self.project = project
        self.process = process

    @classmethod
    def start(cls, *, project: str, log: Path | None = None) -> Self:
        """Start one on a free port, or use the one that `FIRESTORE_EMULATOR_HOST` names. Raises `EmulatorMissing`."""
        if host := os.environ.get("FIRESTORE_EMULATOR_HOST"):
            return cls(host, f"{project}-{os.getpid()}", None)
        if not shutil.which("gcloud") or not shutil.which("java"):
            raise EmulatorMissing(HOW_TO_GET_IT)
        host = f"127.0.0.1:{free_port()}"
        with open(log or os.devnull, "ab") as output:
            process = subprocess.Popen(
                ["gcloud", "emulators", "firestore", "start", f"--host-port={host}", "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # gcloud starts Java as its child: they end as one group
            )
        emulator = cls(host, project, process)
        deadline = time.monotonic() + START_SECONDS
        while not emulator.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                emulator.stop()
                raise EmulatorMissing(f"`gcloud emulators firestore start` did not come up. {HOW_TO_GET_IT}")
            time.sleep(0.1)
        os.environ["FIRESTORE_EMULATOR_HOST"] = host
        return emulator

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

    def stop(self) -> None:
        if self.process is None:
            return
        if os.environ.get("FIRESTORE_EMULATOR_HOST") == self.host:
            del os.environ["FIRESTORE_EMULATOR_HOST"]
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        except ProcessLookupError:
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
