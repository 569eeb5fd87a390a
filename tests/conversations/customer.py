"""Somebody who writes on WhatsApp, the worker that answers, and what the documents then say."""

import itertools
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from audit.chain import EventType, verify
from conversations.models import Conversation, Direction, Handoff, Message, Session
from conversations.services.turns import process
from pyloto.documents import Query
from tests.lab.faulty_store import FaultyStore

from .deliveries import envelope, post, text_message
from .outside import Outside

_numbers = itertools.count(1)


class Customer:
    """Reads past the recording store, so that its shapes and round trips are those of the product alone."""

    def __init__(self, store: FaultyStore, outside: Outside, *, wa_id: str = "5542999990001") -> None:
        self.store, self.outside, self.wa_id = store, outside, wa_id
        self._user_key = ""
        self._kept: dict[Hashable, Any] | None = None

    # --- what they do -------------------------------------------------------------------------------------------------
    def writes(self, *texts: str) -> "Customer":
        """Each text is a delivery of its own."""
        for text in texts:
            self.sends({"type": "text", "text": {"body": text}})
        return self

    def taps(self, row_id: str, title: str = "…") -> "Customer":
        reply = {"type": "list_reply", "list_reply": {"id": row_id, "title": title}}
        return self.sends({"type": "interactive", "interactive": reply})

    def sends(self, *contents: dict[str, Any]) -> "Customer":
        """All in one delivery."""
        messages = [
            text_message(f"wamid.{next(_numbers)}", "", wa_id=self.wa_id, **content) | content for content in contents
        ]
        assert post(envelope(*messages)).status_code == 200
        return self

    def is_answered_on_the_phone(self, text: str = "Aqui é o dono", *, wamid: str = "", to: str = "") -> "Customer":
        """The owner writes to them from the phone app, and Meta echoes it."""
        sent_at = str(int(time.time()))
        echo: dict[str, Any] = {
            "id": wamid or f"wamid.{next(_numbers)}",
            "from": "554230000000",
            "to": to or self.wa_id,
        }
        echo |= {"timestamp": sent_at, "type": "text", "text": {"body": text}}
        assert post(envelope(message_echoes=[echo])).status_code == 200
        return self

    def gets(self, status: str, message: Message, *, wamid: str = "wamid.status") -> "Customer":
        """Meta reports `status` ("delivered", …) of one of our messages."""
        return self.status_arrives(f"{self.user_key}.{message.pk}", status, wamid=wamid)

    def status_arrives(self, callback_data: str, status: str = "sent", *, wamid: str = "wamid.other") -> "Customer":
        report = {"id": wamid, "status": status, "timestamp": str(int(time.time())), "recipient_id": self.wa_id}
        assert post(envelope(statuses=[report | {"biz_opaque_callback_data": callback_data}])).status_code == 200
        return self

    # --- what the worker does -----------------------------------------------------------------------------------------
    def is_served(self) -> datetime | None:
        """One run of a worker; returns when there will be more to do."""
        return process(user_key=self.user_key, client=self.outside).at  # type: ignore[arg-type]

    def is_served_after(self, clock: Any, wait: timedelta) -> datetime | None:
        clock.shift(wait)
        return self.is_served()

    # --- what the documents say ---------------------------------------------------------------------------------------
    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Nothing changes meanwhile: each collection is read once, however often it is asked for."""
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None

    @property
    def user_key(self) -> str:
        """The only customer's, where nobody else wrote before."""
        if not self._user_key:
            newest = max(self._read("messages", group=True), key=lambda snapshot: snapshot.data["seq"])
            self._user_key = newest.path.split("/")[1]
        return self._user_key

    @property
    def has_conversation(self) -> bool:
        """Whether a turn of theirs was done."""
        return any(snapshot.id == self._user_key for snapshot in self._read("conversations"))

    @property
    def header(self) -> Conversation:
        path = f"conversations/{self.user_key}"
        return Conversation.from_snapshot(self._once(path, lambda: self.store.inner.get(path)))

    @property
    def received(self) -> list[Message]:
        return [message for message in self._messages() if message.direction == Direction.IN]

    @property
    def replies(self) -> list[Message]:
        """Those that we sent, or have to send."""
        return [message for message in self._outbound() if not _is_echo(message)]

    @property
    def echoes(self) -> list[Message]:
        """What the owner sent from the phone app."""
        return [message for message in self._outbound() if _is_echo(message)]

    @property
    def states(self) -> list[str]:
        """Those of our replies, in the order in which they were made."""
        return [message.state for message in self.replies]

    @property
    def session(self) -> Session:
        return max(self.sessions, key=lambda session: session.started_at)

    @property
    def sessions(self) -> list[Session]:
        found = [Session.from_snapshot(snapshot) for snapshot in self._read("sessions")]
        return sorted((s for s in found if s.user_key == self.user_key), key=lambda session: session.started_at)

    @property
    def handoffs(self) -> list[Handoff]:
        found = [Handoff.from_snapshot(snapshot) for snapshot in self._read("handoffs")]
        return [handoff for handoff in found if handoff.user_key == self.user_key]

    def events(self, event_type: EventType) -> list[dict[str, Any]]:
        return [event for event in self.trail() if event["event_type"] == event_type]

    def trail(self) -> list[dict[str, Any]]:
        """The conversation's audit events in their order, verified: a broken chain or an event told twice fails."""
        conversation_id = self.header.conversation_id
        documents = [snapshot.data for snapshot in self._read("audit_logs")]
        chain = sorted((d for d in documents if d["conversation_id"] == conversation_id), key=lambda d: d["seq"])
        assert not verify(conversation_id, chain)
        assert len({event["event_id"] for event in chain}) == len(chain)
        assert self.header.audit_head["seq"] == len(chain)
        return chain

    def _outbound(self) -> list[Message]:
        return sorted((m for m in self._messages() if m.direction == Direction.OUT), key=lambda message: message.seq)

    def _messages(self) -> Iterator[Message]:
        return (Message.from_snapshot(snapshot) for snapshot in self._read(f"conversations/{self.user_key}/messages"))

    def _read(self, collection: str, *, group: bool = False) -> list[Any]:
        query = Query(collection, group=group)
        return self._once(query, lambda: self.store.inner.query(query))

    def _once(self, what: Hashable, read: Callable[[], Any]) -> Any:
        if self._kept is None:
            return read()
        if what not in self._kept:
            self._kept[what] = read()
        return self._kept[what]


def _is_echo(message: Message) -> bool:
    """As all that Meta brings us, it goes by the key of Meta's id."""
    return message.pk == message.provider_message_key
