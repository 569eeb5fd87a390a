"""Live updates to open pages."""

import json
import queue
import threading
from typing import Any

QUEUE_MAX = 1000  # a page that lags behind this far is told to load anew


class Broadcaster:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[queue.Queue[str | None]] = set()
        self._closed = False

    def publish(self, event: str, data: Any) -> None:
        text = f"event: {event}\ndata: {json.dumps(data)}\n\n"
        with self._lock:
            for listener in list(self._listeners):
                try:
                    listener.put_nowait(text)
                except queue.Full:
                    self._listeners.discard(listener)
                    _end(listener)

    def listen(self) -> "queue.Queue[str | None]":
        """A queue of ready-made event texts; None ends it."""
        listener: queue.Queue[str | None] = queue.Queue(QUEUE_MAX)
        with self._lock:
            if self._closed:
                listener.put_nowait(None)
            self._listeners.add(listener)
        return listener

    def leave(self, listener: "queue.Queue[str | None]") -> None:
        with self._lock:
            self._listeners.discard(listener)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for listener in self._listeners:
                _end(listener)


def _end(listener: "queue.Queue[str | None]") -> None:
    while True:
        try:
            listener.put_nowait(None)
        except queue.Full:
            listener.get_nowait()
        else:
            return
