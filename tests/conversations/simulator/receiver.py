"""A webhook that keeps what it gets and answers what it is told."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from conversations.simulator.fake import FakeMeta

NUMBER = "106540352242922"


class Receiver:
    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []  # statuses of the next answers; then 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/whatsapp"

    def values(self, kind: str = "messages") -> list[list[dict[str, Any]]]:
        """The messages (or statuses, or echoes) of each delivery that held some."""
        changes = [
            change for _, body in self.requests for entry in json.loads(body)["entry"] for change in entry["changes"]
        ]
        return [change["value"][kind] for change in changes if kind in change["value"]]

    def all(self, kind: str = "messages") -> list[dict[str, Any]]:
        return [item for value in self.values(kind) for item in value]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def new_fake(webhook_url: str, **options: Any) -> FakeMeta:
    return FakeMeta(
        webhook_url=webhook_url,
        app_secret="app-secret",
        access_token="access-token",
        phone_number_ids=[NUMBER],
        seed=7,
        **options,
    )


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What `condition` gives once it is truthy; an AssertionError when that takes too long."""
    ends_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        time.sleep(0.01)
    return found
