"""The only file that reads and writes the documents of conversations."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from profiles.models import Erasure
from profiles.stores import ErasureStore
from pyloto.documents import (
    DOCUMENT_ID,
    AlreadyExists,
    Create,
    NotFound,
    PreconditionFailed,
    Query,
    Snapshot,
    Update,
    Write,
    get_store,
)
from pyloto.documents.paging import PAGE, read_all
from pyloto.privacy.registry import EncryptedField, Place

from .models import Conversation, Handoff, Message, Mode, Quarantined, Session

IN_MAX = 30  # Firestore: values of one `in`
SHARDS = 16  # so that the sequential `due.at` is no hot spot of the index
MEDIA_FILES = EncryptedField(  # one folder for each customer; see `conversations.services.media`
    Message.collection,
    "media.content",
    group=True,
    file="media.file",
    folder="media",
    storage="media",
    parent=Conversation.collection,
    streamed=True,
)
QUARANTINE_FOLDER = "quarantine"  # of the default storage
QUARANTINE_PAGE = 20  # a body has up to 700 KB
CONTROL_PAUSE = "controls/bot"  # {"paused": bool, "paused_numbers": [phone_number_id]}


def due(message_key: str, at: datetime) -> dict[str, Any]:
    """What a waiting message carries, so that the sweeper finds it."""
    return {"shard": int(message_key[0], 16) % SHARDS, "at": at}


@dataclass(frozen=True)
class Position:
    """A place in the timeline of a conversation, for `get_messages(before=…)`."""

    timestamp: datetime
    seq: int
    path: str

    @classmethod
    def of(cls, message: Message) -> "Position":
        return cls(message.timestamp, message.seq, message.path)


class ConversationStore:
    @staticmethod
    def path(user_key: str) -> str:
        return f"{Conversation.collection}/{user_key}"

    @staticmethod
    def message_path(user_key: str, message_key: str) -> str:
        return f"{Conversation.collection}/{user_key}/{Message.collection}/{message_key}"

    def get_header(self, user_key: str) -> Conversation:
        """Raises `NotFound`: a conversation has a header once its first turn is done."""
        return Conversation.from_snapshot(get_store().get(self.path(user_key)))

    def conversation_ids(self, user_keys: Sequence[str]) -> list[str]:
        """The public names of their conversations, erased ones too, in one read."""
        paths = [self.path(user_key) for user_key in user_keys]
        found = get_store().get_many(paths)
        return [found[path].data["conversation_id"] for path in paths if path in found]

    def find_user_key(self, conversation_id: str) -> str | None:
        """Whose conversation this is."""
        query = Query(Conversation.collection, where=(("conversation_id", "==", conversation_id),), limit=1)
        return next((snapshot.id for snapshot in get_store().query(query)), None)

    def find_assigned(self, owner: str) -> Iterator[str]:
        """The `user_key` of each conversation that somebody has."""
        query = Query(Conversation.collection, where=(("assigned_to", "==", owner),), order_by=((DOCUMENT_ID, "asc"),))
        return (snapshot.id for snapshot in read_all(query))

    def find_with_person(self) -> Iterator[Conversation]:
        """The conversations that people have, whoever they are."""
        query = Query(
            Conversation.collection, where=(("mode", "==", Mode.HUMAN.value),), order_by=((DOCUMENT_ID, "asc"),)
        )
        return map(Conversation.from_snapshot, read_all(query))

    def get_messages(self, user_key: str, *, limit: int = 50, before: Position | None = None) -> list[Message]:
        """A page of the timeline, newest first."""
        query = replace(
            self.messages_query(user_key),
            order_by=(("timestamp", "desc"), ("seq", "desc")),
            limit=limit,
            start_after=(before.timestamp, before.seq, before.path) if before else None,
        )
        return [Message.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def open_items(self, user_key: str, *, limit: int) -> list[Message]:
        """What waits in a conversation: messages to answer and messages to send, by the time they are due."""
        query = replace(self.open_query(user_key), limit=limit)
        return [Message.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def all_open_items(self, user_key: str, *, page: int = PAGE) -> Iterator[Message]:
        """As `open_items`, however many: one read for each full page, and one more."""
        return map(Message.from_snapshot, read_all(self.open_query(user_key), page=page))

    def open_query(self, user_key: str) -> Query:
        """Finds what waits in a conversation."""
        return replace(self.messages_query(user_key), order_by=(("due.at", "asc"),))

    def messages_query(self, user_key: str) -> Query:
        """Finds all messages of a conversation."""
        return Query(f"{self.path(user_key)}/{Message.collection}")

    def find_due(self, now: datetime, *, page: int = PAGE) -> Iterator[str]:
        """The `user_key` of each message that waits past its time, in all conversations; one may come several times."""
        return (snapshot.path.split("/")[1] for snapshot in read_all(self.due_query(now), page=page))

    def oldest_due(self, now: datetime) -> datetime | None:
        """Since when the longest waiting message is due; None when nothing is."""
        snapshots = get_store().query(self.due_query(now, limit=1))
        return snapshots[0].data["due"]["at"] if snapshots else None

    @staticmethod
    def due_query(now: datetime, *, limit: int | None = None) -> Query:
        return Query(
            Message.collection,
            where=(("due.shard", "in", list(range(SHARDS))), ("due.at", "<=", now)),
            order_by=(("due.at", "asc"),),
            limit=limit,
            group=True,
        )

    def find_media_due(self, now: datetime) -> Iterator[tuple[str, str]]:
        """(user_key, message_key) of each message whose file waits past its time to be fetched."""
        return ((snapshot.path.split("/")[1], snapshot.id) for snapshot in read_all(self.media_due_query(now)))

    def oldest_media_due(self, now: datetime) -> datetime | None:
        """Since when the file that waits longest is due; None where none is."""
        snapshots = get_store().query(self.media_due_query(now, limit=1))
        return snapshots[0].data["media_due"]["at"] if snapshots else None

    @staticmethod
    def media_due_query(now: datetime, *, limit: int | None = None) -> Query:
        return Query(
            Message.collection,
            where=(("media_due.shard", "in", list(range(SHARDS))), ("media_due.at", "<=", now)),
            order_by=(("media_due.at", "asc"),),
            limit=limit,
            group=True,
        )

    def find_by_provider_keys(self, provider_message_keys: Sequence[str]) -> dict[str, str]:
        """{key: path} of the messages that Meta knows by ids with these keys, in all conversations.

        A message that came to us, or was echoed, has the key as its own id; one that we sent goes before its echo.
        """
        found: dict[str, str] = {}
        for start in range(0, len(provider_message_keys), IN_MAX):
            part = list(provider_message_keys[start : start + IN_MAX])
            query = Query(Message.collection, where=(("provider_message_key", "in", part),), group=True)
            snapshots = sorted(get_store().query(query), key=lambda s: s.id != s.data["provider_message_key"])
            found |= {snapshot.data["provider_message_key"]: snapshot.path for snapshot in snapshots}
        return found

    def create_message(self, user_key: str, message: Message) -> Create:
        """The write that creates the message, for somebody else's commit."""
        return Create(self.message_path(user_key, message.pk), message.to_document())

    def append_message(self, user_key: str, message: Message) -> bool:
        """Create one message; False where it stands already."""
        return write_results([self.create_message(user_key, message)])[0].created


class SessionStore:
    @staticmethod
    def path(session_id: str) -> str:
        return f"{Session.collection}/{session_id}"

    def find(self, session_id: str | None) -> Session | None:
        if not session_id:
            return None
        try:
            return Session.from_snapshot(get_store().get(self.path(session_id)))
        except NotFound:
            return None

    @classmethod
    def place(cls, session: Session) -> Place:
        """Where an expired one stands, as it was read, for `find_expired(after=…)`."""
        assert session.expires_at is not None
        return session.expires_at, cls.path(session.pk)

    def find_expired(self, now: datetime, *, page: int = PAGE, after: Place | None = None) -> Iterator[Session]:
        """Those past their limits, the longest expired first; closing them meanwhile is fine."""
        query = Query(
            Session.collection,
            where=(("expires_at", "<=", now),),
            order_by=(("expires_at", "asc"),),
            start_after=after,
        )
        return map(Session.from_snapshot, read_all(query, page=page))

    def write(self, session: Session) -> Write:
        """The write that stores the session, for somebody else's commit."""
        path = self.path(session.pk)
        if session.update_time is None:
            return Create(path, session.to_document())
        return Update(path, session.to_document())


class HandoffStore:
    @staticmethod
    def path(session_id: str) -> str:
        return f"{Handoff.collection}/{session_id}"

    def find(self, session_id: str | None) -> Handoff | None:
        path = self.path(session_id or "-")
        snapshot = get_store().get_many([path]).get(path) if session_id else None
        return Handoff.from_snapshot(snapshot) if snapshot else None

    def create(self, handoff: Handoff) -> Write:
        return Create(self.path(handoff.pk), handoff.to_document())


class QuarantineStore:
    @staticmethod
    def path(quarantine_id: str) -> str:
        return f"{Quarantined.collection}/{quarantine_id}"

    def create(self, quarantined: Quarantined) -> Create:
        return Create(self.path(quarantined.pk), quarantined.to_document())

    def find(self, quarantine_id: str) -> Quarantined | None:
        return self.find_many([quarantine_id]).get(quarantine_id)

    def find_many(self, quarantine_ids: Iterable[str]) -> dict[str, Quarantined]:
        """By id; those that do not exist are left out."""
        found = get_store().get_many([self.path(quarantine_id) for quarantine_id in quarantine_ids])
        return {snapshot.id: Quarantined.from_snapshot(snapshot) for snapshot in found.values()}

    def page(self, *, after: str = "") -> list[Quarantined]:
        """The next ones by their ids. A small page: a body has up to 700 KB."""
        query = Query(
            Quarantined.collection,
            order_by=((DOCUMENT_ID, "asc"),),
            limit=QUARANTINE_PAGE,
            start_after=(self.path(after),) if after else None,
        )
        return [Quarantined.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def iterate(self) -> Iterator[Quarantined]:
        """All of them, page by page."""
        page = self.page()
        while page:
            yield from page
            page = self.page(after=page[-1].pk) if len(page) == QUARANTINE_PAGE else []


@dataclass(frozen=True)
class Written:
    """What became of an independent write: new, there before, or missing where it should change something."""

    path: str
    created: bool
    missing: bool = False


def write_results(writes: Sequence[Create | Update]) -> list[Written]:
    """Apply independent writes. A create that finds its document is no error; whatever is not durable raises."""
    written = []
    for result in get_store().write_many(writes):
        if result.error is not None and not isinstance(result.error, AlreadyExists | NotFound):
            raise result.error
        written.append(Written(result.path, created=result.error is None, missing=isinstance(result.error, NotFound)))
    return written


@dataclass(frozen=True)
class BotControls:
    """Where the bot is silent: for everybody, or for who writes to one of these numbers of ours."""

    paused: bool = False
    paused_numbers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, snapshot: Snapshot | None) -> "BotControls":
        data = snapshot.data if snapshot else {}
        return cls(bool(data.get("paused")), frozenset(data.get("paused_numbers") or ()))

    def to_document(self) -> dict[str, Any]:
        return {"paused": self.paused, "paused_numbers": sorted(self.paused_numbers)}

    def silence(self, phone_number_id: str) -> bool:
        """Whether the bot must not speak through this number."""
        return self.paused or phone_number_id in self.paused_numbers


def read_again(messages: Sequence[Message], others: Iterable[str] = ()) -> tuple[list[Message], dict[str, Snapshot]]:
    """What waits as it is now, and other documents by their paths, in one read: for after the header was read.

    Raises `PreconditionFailed` where somebody dealt with one of them since: a race is lost. Whoever does that writes the
    header too, so from here on the header's own precondition tells.
    """
    found = get_store().get_many([*(message.path for message in messages), *others])
    current = [Message.from_snapshot(found[message.path]) for message in messages if message.path in found]
    if [message.state for message in current] != [message.state for message in messages]:
        raise PreconditionFailed("somebody dealt with these messages")
    return current, found


@dataclass(frozen=True)
class Loaded:
    """The documents that a worker reads in one round trip; absent ones are None or left out."""

    header: Conversation | None
    snapshots: dict[str, Snapshot]
    erasure: Erasure | None = None  # the journal of the customer's erasure, which stays for ever

    @property
    def is_erased(self) -> bool:
        """Whether this customer is no more; the header is the first to say so, and goes when all else is gone."""
        if self.header is None:
            return self.erasure is not None
        return bool(self.header.status == Conversation.Status.ERASED)

    @property
    def controls(self) -> BotControls:
        return BotControls.of(self.snapshots.get(CONTROL_PAUSE))


def bot_controls() -> BotControls:
    return BotControls.of(get_store().get_many([CONTROL_PAUSE]).get(CONTROL_PAUSE))


def load(user_key: str, others: Iterable[str]) -> Loaded:
    """Header, controls, a journal of erasure and the other documents named, in one read."""
    path, journal = ConversationStore.path(user_key), ErasureStore.path(user_key)
    snapshots = get_store().get_many([path, CONTROL_PAUSE, journal, *others])
    header = Conversation.from_snapshot(snapshots[path]) if path in snapshots else None
    erasure = Erasure.from_snapshot(snapshots[journal]) if journal in snapshots else None
    return Loaded(header, snapshots, erasure)
