"""A TCP proxy that misbehaves on request, between a client and a real server."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Self

LOSE_AFTER_SECONDS = 0.3  # the server has done its work by then, and the answer is still held back


class Mode(Enum):
    OK = "ok"
    REFUSE = "refuse"  # nobody listens, open connections are reset
    BLACKHOLE = "blackhole"  # connections are accepted, bytes vanish in both directions
    DELAY = "delay"  # each piece of an answer comes `delay_seconds` late


class TcpProxy:
    """Listens on 127.0.0.1 and passes on to `upstream` ("host:port"), in threads of this process.

    >>> with TcpProxy("127.0.0.1:6379") as proxy:
    ...     client = connect(proxy.address)
    ...     proxy.lose_next_reply()
    ...     proxy.set_mode(Mode.BLACKHOLE)
    """

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self.upstream = (host, int(port))
        self.mode = Mode.OK
        self.delay_seconds = 0.0
        self.connections = 0  # accepted so far
        self._lose_next = False
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._port = 0
        self._listen()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def set_mode(self, mode: Mode, *, delay_seconds: float = 0.0) -> None:
        was, self.mode, self.delay_seconds = self.mode, mode, delay_seconds
        if mode is Mode.REFUSE:
            self._stop_listening()
        if Mode.REFUSE in {was, mode} or was is Mode.BLACKHOLE:  # what went into the hole is missing for ever
            self.reset_connections()
        if mode is not Mode.REFUSE and self._listener is None:
            self._listen()

    def lose_next_reply(self) -> None:
        """The next request reaches the server; its answer vanishes, and then the connection is reset."""
        self._lose_next = True

    def reset_connections(self) -> None:
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.reset()

    def close(self) -> None:
        self._stop_listening()
        self.reset_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.upstream, timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            self.connections += 1
            link.start()

    def _is_lost(self) -> bool:
        """Whether the reply to the request that has just been read shall be lost; at most once for each order."""
        with self._lock:
            lost, self._lose_next = self._lose_next, False
        return lost

    def _forget(self, link: "_Link") -> None:
        with self._lock:
            self._links.discard(link)


class _Link:
    """One connection and its counterpart."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.is_losing = False
        self.open_directions = 2

    def start(self) -> None:
        threading.Thread(target=self._pump, args=(self.client, self.server, self._request), daemon=True).start()
        threading.Thread(target=self._pump, args=(self.server, self.client, self._reply), daemon=True).start()

    def reset(self) -> None:
        _reset(self.client)
        _reset(self.server)

    def _pump(self, source: socket.socket, sink: socket.socket, passes: Callable[[], bool]) -> None:
        try:
            while data := source.recv(65536):
                if passes():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)  # the other direction may have more to say
        except OSError:  # reset by either side, or by us
            self.reset()
        self.open_directions -= 1
        if not self.open_directions:
            self.proxy._forget(self)
            self.client.close()
            self.server.close()

    def _request(self) -> bool:
        if self.proxy._is_lost():
            self.is_losing = True
            threading.Timer(LOSE_AFTER_SECONDS, self.reset).start()
        return self.proxy.mode is not Mode.BLACKHOLE

    def _reply(self) -> bool:
        if self.proxy.mode is Mode.DELAY:
            time.sleep(self.proxy.delay_seconds)
        return not self.is_losing and self.proxy.mode is not Mode.BLACKHOLE


def _reset(connection: socket.socket) -> None:
    """Close with RST, at once: the peer's call fails instead of waiting."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
    except OSError:
        pass  # closed already
    connection.close()
