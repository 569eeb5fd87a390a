"""The embedded Valkey for tests, at the socket that the settings name."""

import subprocess
import time
from pathlib import Path
from typing import Self

import redis

from pyloto.embedded_valkey import server_command, socket_url


class ValkeyServer:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    @classmethod
    def start(cls, run_dir: Path) -> Self:
        """Start it and wait until it answers."""
        command = server_command(run_dir, durable=False)
        server = cls(subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True))
        deadline = time.monotonic() + 15
        with redis.Redis.from_url(socket_url(run_dir)) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if time.monotonic() > deadline or server.process.poll() is not None:
                        server.stop()
                        raise
                    time.sleep(0.02)
                else:
                    return server

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
