"""Rings: telling the workers that a conversation has something to do. Best effort; the documents are the queue."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock

import structlog
from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from pyloto.redis_client import get_redis

log = structlog.get_logger(__name__)

BUDGET_SECONDS = 0.3  # for all rings of one delivery; who is not rung for is found by the sweeper
BREAK_SECONDS = 5.0  # after a failure the broker is left alone for this long
FAN_OUT_ABOVE = 20  # more conversations than this are rung for by one task that rings for each
STATUS_SEEN_SECONDS = 86_400

Ring = tuple[str, tuple[object, ...], timedelta]  # the task, its arguments, when


class Doorbell:
    """One connection to the broker with short timeouts, shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: Connection | None = None
        self._broken_until = 0.0

    def ring(self, waits: Mapping[str, timedelta], files: Sequence[tuple[str, str]] = ()) -> bool:
        """Ring for each conversation after its wait, then for the files of these messages, (user_key, message_key) each.

        False where the broker did not take all rings in time; the sweeper sees to what is left out.
        """
        rings: list[Ring] = [("conversations.tasks.process_conversation", (key,), wait) for key, wait in waits.items()]
        if len(waits) > FAN_OUT_ABOVE:
            rings = [("conversations.tasks.fan_out", (list(waits),), max(waits.values()))]
        rings += [("conversations.tasks.fetch_media", file, timedelta(0)) for file in files[:FAN_OUT_ABOVE]]
        return not rings or self._ring(rings)

    def ring_media(self, files: Sequence[tuple[str, str]]) -> bool:
        return self.ring({}, files)

    def _ring(self, rings: Sequence[Ring]) -> bool:
        deadline = time.monotonic() + BUDGET_SECONDS
        if not self._lock.acquire(timeout=BUDGET_SECONDS):
            return False
        try:
            if time.monotonic() < self._broken_until:
                return False
            return all(self._send(task, args, wait, deadline) for task, args, wait in rings)
        finally:
            self._lock.release()

    def _send(self, task: str, args: tuple[object, ...], wait: timedelta, deadline: float) -> bool:
        if time.monotonic() > deadline:
            log.warning("ring_over_budget")
            return False
        try:
            with current_app.amqp.Producer(self._connect().default_channel, auto_declare=False) as producer:
                current_app.send_task(
                    task, args=args, countdown=wait.total_seconds() or None, producer=producer, retry=False
                )
        except (OperationalError, KombuError, RedisError, OSError) as exc:
            log.warning("ring_failed", error=type(exc).__name__)
            self._broken_until = time.monotonic() + BREAK_SECONDS
            self._connection = None
            return False
        return True

    def _connect(self) -> Connection:
        if self._connection is None:
            options = {
                **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
                "socket_timeout": BUDGET_SECONDS,
                "socket_connect_timeout": BUDGET_SECONDS,
                "max_retries": 0,
            }
            self._connection = current_app.connection_for_write(transport_options=options)
        return self._connection


doorbell = Doorbell()


def note_statuses(seen: Mapping[str, datetime]) -> None:
    """Remember until when Meta's statuses of a number have reached us (Meta's time); best effort.

    Late statuses of other messages take nothing back.
    """
    try:
        for phone_number_id, at in seen.items():
            if at.timestamp() > status_seen_at(phone_number_id):
                get_redis().set(f"status_seen_at:{phone_number_id}", at.timestamp(), ex=STATUS_SEEN_SECONDS)
    except RedisError as exc:
        log.warning("status_seen_not_noted", error=type(exc).__name__)


def status_seen_at(phone_number_id: str) -> float:
    """Seconds since the epoch; 0 where nothing is known."""
    try:
        return float(get_redis().get(f"status_seen_at:{phone_number_id}") or 0)
    except RedisError:
        return 0.0
