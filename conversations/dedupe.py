"""Has this inbound message been taken in already? A fast path in front of the create-only documents.

Both backends fail closed: one that does not answer raises `DedupeUnavailable`, and the webhook answers 503. Neither is
needed for correctness: with a store that forgets everything, a duplicate still meets the document of the first.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import redis
import structlog
from django.utils import timezone

from pyloto.documents import (
    AlreadyExists,
    Create,
    DocumentStore,
    NotFound,
    PreconditionFailed,
    Set,
    Snapshot,
    Unavailable,
    Update,
    get_store,
)
from pyloto.errors import TransientError
from pyloto.observability.metrics import DEDUPE_LOOKUPS
from pyloto.privacy.hashing import digest
from pyloto.redis_client import get_redis

IN_FLIGHT_SECONDS = 60  # the mark of a process that died; Meta's next try finds it gone
COMMIT_MAX = 500  # writes of one commit
LOGGED_MAX = 20  # keys in a line of the log: a delivery of Meta's may hold a thousand messages

DIGEST = re.compile(r"[0-9a-f]{40}")

log = structlog.get_logger(__name__)


class Reservation(StrEnum):
    NEW = "NEW"  # the caller's, until `mark_many` or `release`
    IN_FLIGHT = "IN_FLIGHT"  # another request is at it, and may still die: the caller answers 503
    DONE = "DONE"  # durable: a duplicate


EVENTS = {
    Reservation.DONE: "dedupe_hit",
    Reservation.NEW: "dedupe_miss",
    Reservation.IN_FLIGHT: "dedupe_in_flight",
}


class DedupeUnavailable(TransientError):
    """The store did not answer: nothing is known about the keys."""


class DedupeStore(Protocol):
    """Keys are message keys (digests); anything else is digested first. Every call may raise `DedupeUnavailable`."""

    def is_processed(self, key: str) -> bool: ...

    def mark_as_processed(self, key: str, ttl_seconds: int = 3600) -> None: ...

    def mark_many(self, keys: Sequence[str], ttl_seconds: int | None = None) -> None:
        """Mark as done, by default for DEDUPE_TTL_DAYS; only once the messages are durable."""

    def reserve(self, keys: Sequence[str], token: str) -> dict[str, Reservation]:
        """Take the keys that nobody has. `token` is the caller's own: with it a repeated call gets the same answer."""

    def release(self, keys: Sequence[str], token: str) -> None:
        """Give back what `token` reserved; marks of others and done ones stay."""


def create_dedupe_store(settings: Any) -> DedupeStore:
    """The store that `DEDUPE_BACKEND` names. Raises `ValueError` for an unknown one."""
    done_seconds = settings.DEDUPE_TTL_DAYS * 86_400
    store: DedupeStore
    match settings.DEDUPE_BACKEND:
        case "redis":
            store = RedisDedupeStore(done_seconds=done_seconds)
        case "firestore":
            store = FirestoreDedupeStore(done_seconds=done_seconds)
        case other:
            raise ValueError(f"DEDUPE_BACKEND is {other!r}; use 'redis' or 'firestore'")
    log.info("dedupe_backend", backend=settings.DEDUPE_BACKEND, done_days=settings.DEDUPE_TTL_DAYS)
    return store


def safe_key(key: str) -> str:
    """A digest: Meta's ids hold the customer's phone."""
    return key if DIGEST.fullmatch(key) else digest("dedupe", key)


def note_lookups(backend: str, answers: Iterable[tuple[str, Reservation]]) -> None:
    """Count the answers, and log them: one line for the hits of a call, one for the misses, one for those in flight.

    A line holds the count and the first keys.
    """
    keys: dict[Reservation, list[str]] = {}
    for key, reservation in answers:
        keys.setdefault(reservation, []).append(safe_key(key))
    for reservation, found in keys.items():
        event = EVENTS[reservation]
        DEDUPE_LOOKUPS.labels(backend=backend, result=event.removeprefix("dedupe_")).inc(len(found))
        log.info(event, backend=backend, count=len(found), keys=found[:LOGGED_MAX])


class RedisDedupeStore:
    """`dedupe:{key}` holds "inflight:{token}" for a minute, then "done". Each call is one round trip."""

    # Compare and delete in one step: the mark may have become another's since it was read.
    RELEASE = """
        for _, key in ipairs(KEYS) do
            if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
        end
    """

    def __init__(self, client: redis.Redis | None = None, *, done_seconds: int = 8 * 86_400) -> None:
        self._given = client
        self._done_seconds = done_seconds

    def is_processed(self, key: str) -> bool:
        try:
            found = self._client.get(self._name(key)) == "done"
        except redis.RedisError as exc:
            raise DedupeUnavailable("Redis did not answer") from exc
        note_lookups("redis", [(key, Reservation.DONE if found else Reservation.NEW)])
        return found

    def mark_as_processed(self, key: str, ttl_seconds: int = 3600) -> None:
        self.mark_many([key], ttl_seconds)

    def mark_many(self, keys: Sequence[str], ttl_seconds: int | None = None) -> None:
        seconds = self._done_seconds if ttl_seconds is None else ttl_seconds
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.set(self._name(key), "done", ex=seconds)
        self._execute(pipeline)

    def reserve(self, keys: Sequence[str], token: str) -> dict[str, Reservation]:
        mine = f"inflight:{token}"
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.set(self._name(key), mine, nx=True, ex=IN_FLIGHT_SECONDS, get=True)  # gives what stood there
        reservations = {}
        for key, before in zip(keys, self._execute(pipeline), strict=True):
            if before == "done":
                reservations[key] = Reservation.DONE
            else:
                reservations[key] = Reservation.NEW if before in (None, mine) else Reservation.IN_FLIGHT
        note_lookups("redis", reservations.items())
        return reservations

    def release(self, keys: Sequence[str], token: str) -> None:
        if not keys:
            return
        try:
            self._client.eval(self.RELEASE, len(keys), *map(self._name, keys), f"inflight:{token}")
        except redis.RedisError as exc:
            raise DedupeUnavailable("Redis did not answer") from exc

    @property
    def _client(self) -> redis.Redis:
        return self._given or get_redis()

    @staticmethod
    def _name(key: str) -> str:
        return f"dedupe:{safe_key(key)}"

    @staticmethod
    def _execute(pipeline: Any) -> list[Any]:
        try:
            return list(pipeline.execute())
        except redis.RedisError as exc:
            raise DedupeUnavailable("Redis did not answer") from exc


class FirestoreDedupeStore:
    """`dedupe/{key}` holds `state`, `token` and `expires_at`: for those who would rather not depend on Redis.

    A TTL policy deletes what has expired, some time later: expiry is checked here.
    """

    def __init__(self, store: DocumentStore | None = None, *, done_seconds: int = 8 * 86_400) -> None:
        self._given = store
        self._done_seconds = done_seconds

    def is_processed(self, key: str) -> bool:
        path = self._path(key)
        try:
            snapshot = self._store.get_many([path]).get(path)
        except Unavailable as exc:
            raise DedupeUnavailable("The document store did not answer") from exc
        found = snapshot is not None and self._judge(snapshot, token="") is Reservation.DONE
        note_lookups("firestore", [(key, Reservation.DONE if found else Reservation.NEW)])
        return found

    def mark_as_processed(self, key: str, ttl_seconds: int = 3600) -> None:
        self.mark_many([key], ttl_seconds)

    def mark_many(self, keys: Sequence[str], ttl_seconds: int | None = None) -> None:
        expires_at = timezone.now() + timedelta(seconds=self._done_seconds if ttl_seconds is None else ttl_seconds)
        paths = list(dict.fromkeys(map(self._path, keys)))
        writes = [Set(path, {"state": "DONE", "token": "", "expires_at": expires_at}) for path in paths]
        try:
            for start in range(0, len(writes), COMMIT_MAX):
                self._store.commit(writes[start : start + COMMIT_MAX])
        except Unavailable as exc:
            raise DedupeUnavailable("The document store did not answer") from exc

    def reserve(self, keys: Sequence[str], token: str) -> dict[str, Reservation]:
        paths = {self._path(key): key for key in keys}
        results = self._write([Create(path, self._mark(token)) for path in paths])
        taken = [path for path, error in results.items() if isinstance(error, AlreadyExists)]
        found = dict.fromkeys(paths, Reservation.NEW) | self._judge_many(taken, token)
        reservations = {key: found[self._path(key)] for key in keys}
        note_lookups("firestore", reservations.items())
        return reservations

    def release(self, keys: Sequence[str], token: str) -> None:
        """Lets the marks expire now. One that changed since it was read is no longer ours, and stays."""
        snapshots = self._read([self._path(key) for key in keys])
        mine = [s for s in snapshots.values() if s.data["state"] == "IN_FLIGHT" and s.data["token"] == token]
        self._write([Update(s.path, {"expires_at": timezone.now()}, last_update_time=s.update_time) for s in mine])

    def _judge_many(self, paths: list[str], token: str) -> dict[str, Reservation]:
        """What stands at paths that somebody took; marks that have expired are taken over, by one caller only."""
        # In flight, the answer that makes Meta ask once more, is also right for a mark that is gone by now.
        found = dict.fromkeys(paths, Reservation.IN_FLIGHT)
        takeovers = []
        for path, snapshot in self._read(paths).items():
            verdict = self._judge(snapshot, token)
            if verdict is None:
                takeovers.append(Update(path, self._mark(token), last_update_time=snapshot.update_time))
            else:
                found[path] = verdict
        for path, error in self._write(takeovers).items():
            if error is None:
                found[path] = Reservation.NEW
        return found

    @staticmethod
    def _judge(snapshot: Snapshot, token: str) -> Reservation | None:
        """None: it has expired."""
        expires_at: datetime = snapshot.data["expires_at"]
        if expires_at <= timezone.now():
            return None
        if snapshot.data["state"] == "DONE":
            return Reservation.DONE
        return Reservation.NEW if snapshot.data["token"] == token else Reservation.IN_FLIGHT

    def _read(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        try:
            return self._store.get_many(paths) if paths else {}
        except Unavailable as exc:
            raise DedupeUnavailable("The document store did not answer") from exc

    def _write(self, writes: Sequence[Create | Update]) -> dict[str, Exception | None]:
        """The error of each write that lost a race; any other means that nothing is known."""
        results = self._store.write_many(writes) if writes else []
        for result in results:
            if not isinstance(result.error, AlreadyExists | PreconditionFailed | NotFound | None):
                raise DedupeUnavailable("The document store did not answer") from result.error
        return {result.path: result.error for result in results}

    @property
    def _store(self) -> DocumentStore:
        return self._given or get_store()

    @staticmethod
    def _path(key: str) -> str:
        return f"dedupe/{safe_key(key)}"

    @staticmethod
    def _mark(token: str) -> dict[str, Any]:
        expires_at = timezone.now() + timedelta(seconds=IN_FLIGHT_SECONDS)
        return {"state": "IN_FLIGHT", "token": token, "expires_at": expires_at}
