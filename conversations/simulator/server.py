"""The one port of the fake: the page, the Graph API, and the control API of page and tests."""

import hashlib
import json
import os
import queue
import re
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from .graph import FAILURES, MEDIA_DOWNLOAD_MODES, MEDIA_FAILURES, MEDIA_GRAPH_MODES, GraphError
from .phones import BadRequest

if TYPE_CHECKING:
    from .fake import FakeMeta

STATIC = Path(__file__).parent / "static"
STATIC_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
BODY_MAX_BYTES = 20 * 1024 * 1024
HEARTBEAT_SECONDS = 10
OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)
HOLD_MAX_SECONDS = 120  # a reply that is held back longer than any client waits
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _HangUp(ConnectionError):
    """The connection was cut on purpose."""


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    fake: "FakeMeta"
    stopping: threading.Event
    graph_sockets: set[socket.socket]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Listens on one port; `refuse` closes it for a while."""

    def __init__(self, fake: "FakeMeta", host: str, port: int) -> None:
        self._fake, self._host, self._port = fake, host, port
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._http: _HttpServer | None = None
        self._thread: threading.Thread | None = None
        self._reopen: threading.Timer | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        with self._lock:
            self._open()

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            if self._reopen is not None:
                self._reopen.cancel()
            self._close()

    def refuse(self, seconds: float) -> None:
        """Refuse new connections for a while, and end the idle ones of Graph clients."""
        with self._lock:
            if self._http is None:
                return
            for connection in list(self._http.graph_sockets):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has gone by itself
            self._close()
            self._reopen = threading.Timer(seconds, self.start)
            self._reopen.daemon = True
            self._reopen.start()

    def _open(self) -> None:
        if self._http is not None or self._stopping.is_set():
            return
        http = _HttpServer((self._host, self._port), _Handler)
        http.fake, http.stopping, http.graph_sockets = self._fake, self._stopping, set()
        self._port = http.server_address[1]
        self._http = http
        self._thread = threading.Thread(target=http.serve_forever, args=(0.05,), name="fake-meta-http", daemon=True)
        self._thread.start()

    def _close(self) -> None:
        http, self._http = self._http, None
        if http is not None and self._thread is not None:
            http.shutdown()
            http.server_close()
            self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer
    timeout = 60  # an idle connection ends
    disable_nagle_algorithm = True  # head and body are two writes

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Paths hold ids of people; the page shows what happens."""

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def finish(self) -> None:
        self.server.graph_sockets.discard(self.connection)
        super().finish()

    @property
    def fake(self) -> "FakeMeta":
        return self.server.fake

    def _route(self, method: str) -> None:
        path = urlsplit(self.path).path
        body = self._read_body() if method == "POST" else b""
        if (path == "/" or path.startswith("/api/")) and not OWN_HOST.fullmatch(self.headers.get("Host", "")):
            # Another site's page whose name was rebound to this machine's address.
            self.answer(403, {"error": "Abra o simulador por localhost ou 127.0.0.1."})
            return
        for route_method, pattern, action in ROUTES:
            found = pattern.fullmatch(path)
            if route_method == method and found:
                try:
                    action(self, body, *map(unquote, found.groups()))
                except BadRequest as exc:
                    self.answer(400, {"error": str(exc)})
                except GraphError as exc:
                    self.answer(exc.status, exc.to_graph(f"A{id(exc):x}"))
                return
        self.answer(404, {"error": "Não existe."})

    def _read_body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX_BYTES:
            self.close_connection = True
            self.answer(413, {"error": "Arquivo grande demais."})
            raise _HangUp
        return self.rfile.read(length)

    def read_json(self, body: bytes, *required: str) -> dict[str, Any]:
        """The body of a control request. Another site's page cannot send this type without asking first."""
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        if self.headers.get_content_type() != "application/json" or not isinstance(data, dict):
            raise BadRequest("a JSON object is expected")
        if missing := [key for key in required if key not in data]:
            raise BadRequest(f"missing: {', '.join(missing)}")
        return data

    def answer(self, status: int, data: Any) -> None:
        self.answer_bytes(status, json.dumps(data).encode(), "application/json")

    def answer_bytes(self, status: int, data: bytes, content_type: str, policy: str = "default-src 'none'") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(data)

    def start_download(self, mime_type: str, length: int | None = None) -> None:
        """The head of an answer whose body follows, in a connection that ends with it."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", mime_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def reset_connection(self) -> None:
        """End the connection with a TCP reset instead of a reply."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise _HangUp

    def truncate(self, data: Any) -> NoReturn:
        """Answer 200, and end the connection in the middle of the body."""
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True
        raise _HangUp

    def hold_reply(self) -> None:
        """Answer nothing until the client gives up."""
        for _ in range(HOLD_MAX_SECONDS * 10):
            readable, _writable, _failed = select.select([self.connection], [], [], 0.1)
            if readable or self.server.stopping.is_set():
                break
        self.close_connection = True
        raise _HangUp


# --- page -------------------------------------------------------------------------------------------------------------
def _page(handler: _Handler, _body: bytes) -> None:
    _static(handler, b"", "simulator.html")


def _static(handler: _Handler, _body: bytes, name: str) -> None:
    path = STATIC / name
    if path.suffix not in STATIC_TYPES or not path.is_file():
        handler.answer(404, {"error": "Não existe."})
        return
    handler.answer_bytes(200, path.read_bytes(), STATIC_TYPES[path.suffix] + "; charset=utf-8", CONTENT_SECURITY_POLICY)


def _favicon(handler: _Handler, _body: bytes) -> None:
    _static(handler, b"", "icon.svg")


# --- Graph API --------------------------------------------------------------------------------------------------------
def _graph_messages(handler: _Handler, body: bytes, phone_number_id: str) -> None:
    handler.server.graph_sockets.add(handler.connection)
    fake = handler.fake
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    fake.check_request(phone_number_id, handler.headers.get("Authorization", ""), data)
    assert isinstance(data, dict)  # check_request refuses the rest
    if data.get("status") == "read":
        handler.answer(200, fake.mark_read(data))
        return
    failure = fake.take_failure(str(data.get("to") or data["recipient"]))
    mode = failure["mode"] if failure else ""
    if mode == "reset":
        handler.reset_connection()
    if failure and not mode.startswith("accept"):
        _fail(handler, failure)
        return
    answer = fake.send(phone_number_id, data, silent=bool(failure and failure.get("silent")))
    if mode == "accept_then_reset":
        handler.reset_connection()
    if mode == "accept_then_truncate":
        handler.truncate(answer)
    if mode == "accept_then_timeout":
        handler.hold_reply()
    handler.answer(200, answer)


def _fail(handler: _Handler, failure: dict[str, Any]) -> None:
    if failure["mode"] == "502":
        handler.answer_bytes(502, b"<html><body>Bad Gateway</body></html>", "text/html")
        return
    usual = FAILURES.get(failure["mode"], FAILURES["500"])
    raise GraphError(
        int(failure.get("code", usual.code)),
        usual.message,
        usual.details,
        status=int(failure.get("status", usual.status)),
    )


def _graph_unknown(_handler: _Handler, _body: bytes, path: str) -> None:
    raise GraphError(2500, f"Unknown path components: /{path}")


def _graph_media(handler: _Handler, _body: bytes, media_id: str) -> None:
    handler.fake.check_token(handler.headers.get("Authorization", ""))
    found = handler.fake.find_media(media_id)
    if found is None:
        message = f"Unsupported get request. Object with ID '{media_id}' does not exist"
        raise GraphError(100, message, subcode=33)
    failure = handler.fake.take_media_failure(MEDIA_GRAPH_MODES)
    if failure.get("mode") == "502":
        handler.answer_bytes(502, b"<html><body>Bad Gateway</body></html>", "text/html")
        return
    if failure.get("mode") in MEDIA_FAILURES:
        raise MEDIA_FAILURES[failure["mode"]]
    data, mime_type = found
    token = "0" if failure.get("mode") == "link_ended" else handler.fake.open_media_link(media_id)
    handler.answer(
        200,
        {
            "messaging_product": "whatsapp",
            "url": failure.get("url") or f"http://{handler.headers.get('Host')}/media/{token}",
            "mime_type": mime_type,
            "sha256": hashlib.sha256(data).hexdigest(),
            "file_size": len(data),
            "id": media_id,
        },
    )


def _media_download(handler: _Handler, _body: bytes, token: str) -> None:
    handler.fake.check_token(handler.headers.get("Authorization", ""))
    media_id = handler.fake.media_behind(token)
    found = handler.fake.find_media(media_id) if media_id else None
    if found is None:
        handler.answer_bytes(404, b"URL signature expired", "text/plain")
        return
    failure = handler.fake.take_media_failure(MEDIA_DOWNLOAD_MODES)
    if failure:
        _fail_download(handler, failure, *found)
        return
    handler.answer_bytes(200, *found)


def _fail_download(handler: _Handler, failure: dict[str, Any], data: bytes, mime_type: str) -> None:
    match failure["mode"]:
        case "reset":
            handler.reset_connection()
        case "503":
            handler.answer_bytes(503, b"Service Unavailable", "text/plain")
        case "wrong_digest":
            handler.answer_bytes(200, data[:-1] + bytes([data[-1] ^ 1]), mime_type)
        case "redirect":
            handler.send_response(302)
            handler.send_header("Location", failure["url"])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        case "truncate":
            handler.start_download(mime_type, len(data))
            handler.wfile.write(data[: len(data) // 2])
            raise _HangUp
        case "oversized":  # without an announcement, and without an end
            handler.start_download(mime_type)
            while not handler.server.stopping.is_set():
                handler.wfile.write(data + bytes(65_536))
        case "slow":  # one byte at a time, each well within any wait for the next
            handler.start_download(mime_type, len(data))
            pause = float(failure.get("seconds", 60)) / len(data)
            for byte in data:
                if handler.server.stopping.wait(pause):
                    return
                handler.wfile.write(bytes([byte]))


# --- control API ------------------------------------------------------------------------------------------------------
def _list_customers(handler: _Handler, _body: bytes) -> None:
    handler.answer(200, [customer.to_dict() for customer in handler.fake.customers()])


def _add_customer(handler: _Handler, body: bytes) -> None:
    data = handler.read_json(body)
    phone = data.get("phone", True)
    customer = handler.fake.add_customer(
        str(data.get("name") or "").strip(),
        phone=phone if isinstance(phone, bool) else str(phone),
        username=str(data.get("username") or ""),
    )
    handler.answer(201, customer.to_dict())


def _chat(handler: _Handler, _body: bytes, customer_id: str) -> None:
    handler.answer(200, handler.fake.chat(customer_id))


def _write(handler: _Handler, body: bytes, customer_id: str) -> None:
    handler.answer(201, {"wamid": handler.fake.write(customer_id, handler.read_json(body, "type"))})


def _deliver(handler: _Handler, body: bytes) -> None:
    data = handler.read_json(body, "customers", "text")
    handler.answer(201, {"wamids": handler.fake.deliver(data["customers"], data["text"])})


def _retry(handler: _Handler, body: bytes) -> None:
    handler.answer(200, {"waiting": handler.fake.retry(handler.read_json(body, "wamid")["wamid"])})


def _upload(handler: _Handler, body: bytes) -> None:
    handler.answer(201, {"media_id": handler.fake.add_media(body, handler.headers.get("Content-Type", ""))})


def _show_media(handler: _Handler, _body: bytes, media_id: str) -> None:
    found = handler.fake.find_media(media_id)
    if found is None:
        handler.answer(404, {"error": "Este arquivo não existe mais."})
        return
    handler.answer_bytes(200, *found)


def _misbehave(handler: _Handler, body: bytes) -> None:
    changes = handler.read_json(body)
    refuses = any(failure.get("mode") == "refuse" for failure in changes.get("fail_next", ()))
    if refuses:  # the port closes: answer first
        handler.answer(200, handler.fake.describe_misbehaviour())
        handler.fake.misbehave(changes)
        return
    handler.fake.misbehave(changes)
    handler.answer(200, handler.fake.describe_misbehaviour())


def _misbehaviour(handler: _Handler, _body: bytes) -> None:
    handler.answer(200, handler.fake.describe_misbehaviour())


def _snapshot(handler: _Handler, _body: bytes) -> None:
    """All that the page needs after it has opened or reconnected."""
    fake = handler.fake
    customers = [customer.to_dict() for customer in fake.customers()]
    chats = {customer["customer_id"]: fake.chat(customer["customer_id"]) for customer in customers}
    handler.answer(200, {"customers": customers, "chats": chats, "misbehaviour": fake.describe_misbehaviour()})


def _events(handler: _Handler, _body: bytes) -> None:
    """Server-sent events: "customer", "message", "typing", "misbehaviour"."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Cache-Control", "no-store")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    events = handler.fake.events
    listener = events.listen()
    try:
        handler.wfile.write(b"retry: 1000\n\nevent: hello\ndata: {}\n\n")
        while True:
            try:
                text = listener.get(timeout=HEARTBEAT_SECONDS)
            except queue.Empty:
                text = ": still here\n\n"
            if text is None:
                return
            handler.wfile.write(text.encode())
    finally:
        events.leave(listener)


Action = Callable[..., None]
ROUTES: list[tuple[str, re.Pattern[str], Action]] = [
    (method, re.compile(pattern), action)
    for method, pattern, action in (
        ("GET", r"/", _page),
        ("GET", r"/favicon\.ico", _favicon),
        ("GET", r"/healthz", lambda handler, _body: handler.answer(200, {"ok": True})),
        ("GET", r"/static/([a-z]+\.[a-z]+)", _static),
        ("POST", r"/v\d+\.\d+/(\d+)/messages", _graph_messages),
        ("GET", r"/v\d+\.\d+/(\d+)", _graph_media),
        ("POST", r"/(v[^/]*/.*)", _graph_unknown),
        ("GET", r"/media/([0-9a-f]+)", _media_download),
        ("GET", r"/api/customers", _list_customers),
        ("POST", r"/api/customers", _add_customer),
        ("GET", r"/api/customers/(\w+)/messages", _chat),
        ("POST", r"/api/customers/(\w+)/messages", _write),
        ("POST", r"/api/deliver", _deliver),
        ("POST", r"/api/retry", _retry),
        ("POST", r"/api/media", _upload),
        ("GET", r"/api/media/(\d+)", _show_media),
        ("GET", r"/api/misbehave", _misbehaviour),
        ("POST", r"/api/misbehave", _misbehave),
        ("GET", r"/api/inbound", lambda handler, _body: handler.answer(200, handler.fake.inbound())),
        ("GET", r"/api/accepted", lambda handler, _body: handler.answer(200, handler.fake.accepted())),
        ("GET", r"/api/statuses", lambda handler, _body: handler.answer(200, handler.fake.statuses())),
        ("GET", r"/api/pending", lambda handler, _body: handler.answer(200, handler.fake.pending())),
        ("GET", r"/api/snapshot", _snapshot),
        ("GET", r"/api/events", _events),
    )
]
