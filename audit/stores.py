"""The only reader and writer of `audit_logs` and `audit_checkpoints`: both are created once and never changed."""

import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from django.utils import timezone

from pyloto.documents import (
    DOCUMENT_ID,
    AlreadyExists,
    DocumentStore,
    NotFound,
    Query,
    Snapshot,
    Unavailable,
    cursor_of,
    get_store,
)
from pyloto.errors import TransientError
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import current_correlation_id

from .chain import Event, EventType, Head, document_id, link
from .errors import TrailDamaged
from .models import AuditEvent, Checkpoint
from .verify_trail import leaf_bytes, parse_leaf

SYSTEM_CHAIN = "system"  # controls, keys, logins, bulk exports: what belongs to no conversation
RECORD_TRIES = 10
PAGE_SIZE = 500

log = structlog.get_logger(__name__)


class AuditConflict(TransientError):
    """The chain's head is another one than expected: somebody else appended."""


def head_of(snapshot: Snapshot) -> Head | None:
    """The end of its chain, if there is nothing behind it; None for what is no event of ours."""
    conversation_id, seq, current_hash = (
        snapshot.data.get(name) for name in ("conversation_id", "seq", "current_hash")
    )
    if not (isinstance(conversation_id, str) and type(seq) is int and isinstance(current_hash, str)):
        return None
    head = Head(conversation_id, seq, current_hash)
    return head if parse_leaf(leaf_bytes(head)) and snapshot.id == document_id(conversation_id, seq) else None


class AuditLogStore:
    """A chain for each conversation. Whoever changes a conversation's documents uses `link` in its own commit instead."""

    def __init__(self, store: DocumentStore | None = None) -> None:
        self._given = store

    def tail(self, conversation_id: str) -> Head:
        """The head of the chain as it is stored; genesis where there are no events.

        Raises `TrailDamaged` (after an alert) where something stands there that is no event of ours.
        """
        newest = Query(
            AuditEvent.collection,
            where=(("conversation_id", "==", conversation_id),),
            order_by=(("seq", "desc"),),
            limit=1,
        )
        for snapshot in self._store.query(newest):
            head = head_of(snapshot)
            if head is None:
                alert("audit_chain_damaged", chain=conversation_id)
                raise TrailDamaged(f"The newest event of chain {conversation_id} is malformed: see audit_verify")
            return head
        return Head.genesis(conversation_id)

    def find_event(self, conversation_id: str, event_id: str) -> AuditEvent | None:
        same = Query(
            AuditEvent.collection,
            where=(("conversation_id", "==", conversation_id), ("event_id", "==", event_id)),
            limit=1,
        )
        return next(map(AuditEvent.from_snapshot, self._store.query(same)), None)

    def append(self, conversation_id: str, event: Event, expected_prev_hash: str | None = None) -> AuditEvent:
        """Append the event once: one with its id that is there already is given back instead.

        Raises `AuditConflict` where the head is not `expected_prev_hash`, or where somebody else was faster;
        `Unavailable` where the store did not answer: the same call again appends nothing twice.
        """
        head = self.tail(conversation_id)  # read before the event is looked for: what comes between meets our create
        if existing := self.find_event(conversation_id, event.event_id):
            return existing
        if expected_prev_hash is not None and head.hash != expected_prev_hash:
            raise AuditConflict(f"The head of chain {conversation_id} is not the expected one")
        (write,), _ = link(head, [event])
        try:
            self._store.create(write.path, write.data)
        except (AlreadyExists, Unavailable) as exc:
            return self._settle(write.path, event.event_id, exc)
        return AuditEvent(id=write.path.rpartition("/")[2], **write.data)

    def _settle(self, path: str, event_id: str, error: AlreadyExists | Unavailable) -> AuditEvent:
        """What stands at the number we wanted: our event (delivered twice, or the reply was lost), or another one."""
        try:
            found = AuditEvent.from_snapshot(self._store.get(path))
        except NotFound:
            raise error from None
        if found.event_id != event_id:
            raise AuditConflict(f"Another event stands at {path}") from error
        return found

    def record_event(
        self,
        *,
        event_type: EventType,
        actor: str,
        conversation_id: str = SYSTEM_CHAIN,
        changes: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        timestamp: datetime | None = None,
    ) -> AuditEvent:
        """Append to a chain that has no header, again where another writer was faster.

        `event_id` is given where the same event may come twice. Raises `AuditConflict` when all tries were lost.
        """
        event = Event(
            event_id=event_id or uuid.uuid4().hex,
            event_type=event_type,
            actor=actor,
            timestamp=timestamp or timezone.now(),
            changes=changes or {},
            metadata=metadata or {},
            correlation_id=current_correlation_id(),
        )
        for attempt in range(1, RECORD_TRIES):
            try:
                return self.append(conversation_id, event)
            except AuditConflict:
                log.info("audit_append_lost_race", chain=conversation_id, event_id=event.event_id, attempt=attempt)
                time.sleep(random.uniform(0, 0.02 * attempt))
        return self.append(conversation_id, event)

    def trail(self, conversation_id: str, after_seq: int = 0, limit: int = 100) -> list[AuditEvent]:
        """The events after `after_seq`, oldest first."""
        # By id rather than by seq: equality and the order of ids need no composite index.
        page = Query(
            AuditEvent.collection,
            where=(
                ("conversation_id", "==", conversation_id),
                (DOCUMENT_ID, ">", document_id(conversation_id, after_seq)),
            ),
            order_by=((DOCUMENT_ID, "asc"),),
            limit=limit,
        )
        return [AuditEvent.from_snapshot(snapshot) for snapshot in self._store.query(page)]

    def about(self, user_key: str) -> list[AuditEvent]:
        """What the chain "system" says about a customer, oldest first."""
        query = Query(
            AuditEvent.collection,
            where=(("conversation_id", "==", SYSTEM_CHAIN), ("metadata.user_key", "==", user_key)),
            order_by=((DOCUMENT_ID, "asc"),),
        )
        return [AuditEvent.from_snapshot(snapshot) for snapshot in self._store.query(query)]

    def iterate(self, conversation_id: str | None = None) -> Iterator[Snapshot]:
        """Every document of one chain or of all, in the order of the ids: chain by chain, each from its first event.

        Raw and chosen by id alone, so that verification sees malformed ones too; read in pages. For one chain there
        may be events of another among them, whose name begins with this one's and a hyphen.
        """
        # "." comes right after "-"
        last = ((DOCUMENT_ID, "<", f"{conversation_id}."),) if conversation_id else ()
        after = f"{conversation_id}-" if conversation_id else ""
        while True:
            first = ((DOCUMENT_ID, ">", after),) if after else ()
            page = self._store.query(
                Query(
                    AuditEvent.collection,
                    where=(*first, *last),
                    order_by=((DOCUMENT_ID, "asc"),),
                    limit=PAGE_SIZE,
                )
            )
            yield from page
            if len(page) < PAGE_SIZE:
                return
            after = page[-1].id

    def since(self, at: datetime) -> Iterator[Snapshot]:
        """Every document with a timestamp from `at` on, of whatever chain, the oldest first; raw, read in pages."""
        later = Query(
            AuditEvent.collection,
            where=(("timestamp", ">=", at),),
            order_by=(("timestamp", "asc"),),
            limit=PAGE_SIZE,
        )
        while True:
            page = self._store.query(later)
            yield from page
            if len(page) < PAGE_SIZE:
                return
            later = replace(later, start_after=cursor_of(page[-1], later))

    def count_missing(self, heads: Sequence[Head]) -> int:
        """How many of these heads stand in no stored event."""
        found = 0
        for first in range(0, len(heads), PAGE_SIZE):
            wanted = {
                f"{AuditEvent.collection}/{document_id(h.conversation_id, h.seq)}": h.hash
                for h in heads[first : first + PAGE_SIZE]
            }
            stored = self._store.get_many(list(wanted))
            found += sum(stored[path].data.get("current_hash") == wanted[path] for path in stored)
        return len(heads) - found

    @property
    def _store(self) -> DocumentStore:
        return self._given or get_store()


class CheckpointStore:
    """The index of the checkpoints; the files are the truth (see `checkpoints`)."""

    def newest(self) -> Checkpoint | None:
        latest = Query(Checkpoint.collection, order_by=(("number", "desc"),), limit=1)
        return next(map(Checkpoint.from_snapshot, get_store().query(latest)), None)

    def get(self, number: int) -> Checkpoint:
        """Raises `NotFound`."""
        return Checkpoint.from_snapshot(get_store().get(self._path(number)))

    def created_since(self, at: datetime) -> list[Checkpoint]:
        later = Query(Checkpoint.collection, where=(("created_at", ">=", at),), order_by=(("created_at", "asc"),))
        return [Checkpoint.from_snapshot(snapshot) for snapshot in get_store().query(later)]

    def create(self, checkpoint: Checkpoint) -> Checkpoint:
        """Raises `AlreadyExists`: a checkpoint is never changed."""
        get_store().create(self._path(checkpoint.number), checkpoint.to_document())
        return self.get(checkpoint.number)

    @staticmethod
    def _path(number: int) -> str:
        return f"{Checkpoint.collection}/{number:08d}"
