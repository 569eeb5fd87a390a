"""Filling an empty installation with invented conversations.

The first `PLAYED_MAX` customers really talk to the product: their messages go through ingest and turn, only WhatsApp is a
double and the clock is set back. The others are likenesses of these: the same documents under names, times and ids of
their own, written in large batches, with audit chains linked anew.

Workers may run meanwhile, and WhatsApp may be the real one: nothing is ever left that they would send to an invented
number. A conversation is locked while something waits in it, and every session is over at the end.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils import timezone

from audit import Event, EventType, Head, link
from audit.models import AuditEvent
from audit.stores import AuditLogStore
from conversations.flows import find_flow
from conversations.models import Conversation
from conversations.services.ingest import store_items
from conversations.services.release import NotWithHuman, release_to_bot
from conversations.services.sessions import GRACE, SessionManager
from conversations.services.turns import process
from conversations.sessions import IDLE_LIMIT
from conversations.stores import ConversationStore, HandoffStore, SessionStore
from conversations.turn_lock import TurnLock
from conversations.whatsapp.client import Accepted, Recipient, SendResult
from conversations.whatsapp.messages import Button, Buttons, Content, ListMessage, Row
from conversations.whatsapp.split import split_delivery
from profiles.facts import fold, words_of
from profiles.identifiers import Sender, identity_ids
from profiles.models import UserProfile
from profiles.services.resolution import resolve_senders
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import Create, Query, Snapshot, get_store
from pyloto.documents.queryset import DocumentQuerySet
from pyloto.errors import PermanentError
from pyloto.privacy.fields import encrypt

from .customers import Answer, Customer, Media, React, Say, Script, Step, Tap, invent, write_script

AGENT = "seed_demo"  # whom the trail names for handoffs that were dealt with
PLAYED_MAX = 200
PLAYED_DAYS = 7  # the played conversations lie within these days
WEEKS_MAX = 26  # ... and their likenesses within these weeks before
BATCH = 4000  # documents collected before they are written
EVENTS_MAX = 1000  # of one played conversation; they have some twenty
RELEASED_AFTER = timedelta(hours=4)
SILENCE = IDLE_LIMIT + 2 * GRACE  # after this a session is closed
PLAYED_UNTIL = 2 * SILENCE  # before now: the last session, too, is over by now
FIRST_WORDS = timedelta(minutes=5)  # the longest that a customer takes to write at all
LOCK_POLL_SECONDS = 0.1
HEX_ID = re.compile(r"[0-9a-f]{16,64}")

Progress = Callable[[int], None]


class NotEmpty(PermanentError):
    """There are documents already: a demonstration is for an empty installation only."""


@dataclass
class Clock:
    """The time that the services see while a conversation of the past is played."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def clock_set_to(clock: Clock) -> Iterator[None]:
    """The services read the time through `django.utils.timezone`: within this, they read it from `clock`."""
    real = timezone.now
    timezone.now = clock
    try:
        yield
    finally:
        timezone.now = real


@dataclass
class AcceptingClient:
    """Stands where the WhatsApp client does, and accepts whatever is sent."""

    rng: Random
    sent: list[tuple[str, Content, str]] = field(default_factory=list)  # (Meta's id, content, callback data)

    def send_response(self, *, recipient: Recipient, content: Content, callback_data: str, **_: Any) -> SendResult:
        provider_message_id = invent_message_id(self.rng)
        self.sent.append((provider_message_id, content, callback_data))
        return Accepted(provider_message_id)

    def mark_read(self, **_: Any) -> bool:
        return True

    @property
    def last(self) -> Content | None:
        return self.sent[-1][1] if self.sent else None


@contextmanager
def locked(user_key: str) -> Iterator[None]:
    """Within this, workers leave the conversation alone. Without Redis there are none that were rung for."""
    lock = TurnLock(user_key)
    while lock.acquire() is not None:
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def seed_demo(*, customers: int, seed: int, phone_number_id: str, progress: Progress = lambda done: None) -> None:
    """Raises `NotEmpty`."""
    if not _is_empty():
        raise NotEmpty("this installation holds documents already")
    rng = Random(seed)
    played = play_customers(min(customers, PLAYED_MAX), rng, phone_number_id=phone_number_id, progress=progress)
    if customers > PLAYED_MAX:
        write_likenesses(range(PLAYED_MAX, customers), played, rng, progress=progress)


def _is_empty() -> bool:
    """Looked at where every installation in use has something, by queries that have their index anyway."""
    conversations = DocumentQuerySet(Conversation).order_by("-last_message_at")
    profiles = DocumentQuerySet(UserProfile).order_by("-last_interaction")
    events = DocumentQuerySet(AuditEvent).order_by("-timestamp")
    waiting = ConversationStore().oldest_due(timezone.now() + timedelta(days=1))
    return waiting is None and not any(found.exists() for found in (conversations, profiles, events))


# --- Played -----------------------------------------------------------------------------------------------------------
def play_customers(
    count: int, rng: Random, *, phone_number_id: str, progress: Progress = lambda done: None
) -> dict[str, Customer]:
    """Let this many customers talk to the product; return them by their `user_key`."""
    end = timezone.now() - PLAYED_UNTIL
    starts = sorted(_start_within(PLAYED_DAYS, rng, end - FIRST_WORDS) for _ in range(count))
    played: dict[str, Customer] = {}
    for number, start in enumerate(starts):
        customer = invent(number, rng)
        clock = Clock(start)
        with clock_set_to(clock):
            player = Player(customer, rng, clock, end, phone_number_id)
            player.play(write_script(customer, rng))
            player.fall_silent()
            player.be_dealt_with()
        played[player.user_key] = customer
        progress(number + 1)
    return played


@dataclass
class Player:
    """One customer who talks to the product, message by message, until the script or the time ends."""

    customer: Customer
    rng: Random
    clock: Clock
    end: datetime
    phone_number_id: str

    def __post_init__(self) -> None:
        self.client = AcceptingClient(self.rng)
        # Before they write: the conversation is locked under this key when the first message comes.
        self.user_key = resolve_senders([self.customer.sender], now=self.clock.now)[0].user_key

    def play(self, script: Script) -> None:
        for step in script:
            for part in self._spelled_out(step):
                at = self.clock.now + part.pause * self.rng.uniform(0.5, 2)
                if at >= self.end:
                    return
                self.clock.now = at
                with locked(self.user_key):
                    self._write(part)
                    self._be_answered()

    def fall_silent(self) -> None:
        """A session that is still open runs out, and what the customer is told then goes out."""
        self.clock.now += SILENCE
        with locked(self.user_key):
            SessionManager().check_timeouts(now=self.clock.now)
            self._be_answered()

    def be_dealt_with(self) -> None:
        """Most handoffs have been dealt with some hours later."""
        later = self.clock.now + RELEASED_AFTER * self.rng.uniform(0.3, 2)
        if later > self.end or self.rng.random() < 0.3:
            return
        self.clock.now = later
        try:
            release_to_bot(user_key=self.user_key, agent=AGENT, now=later)
        except NotWithHuman:
            return

    def _spelled_out(self, step: Step) -> Iterator[Say | Tap | Media | React]:
        """What the customer does, the answers to a flow's questions one by one."""
        if not isinstance(step, Answer):
            yield step
            return
        flow = find_flow(step.intent)
        for _ in range(step.at_most):
            asked = getattr(self.client.last, "body", "")
            name = next((f.name for f in flow.fields if f.question in asked), None) if flow else None
            if name is None:
                return
            yield Tap(self.customer.answers[step.intent][name], pause=step.pause)

    def _write(self, step: Say | Tap | Media | React) -> None:
        """The messages of one step arrive in one delivery."""
        contact = {
            "profile": {"name": self.customer.name},
            "wa_id": self.customer.wa_id,
            "user_id": self.customer.bsuid,
        }
        messages = [
            {
                "id": invent_message_id(self.rng),
                "from": self.customer.wa_id,
                "from_user_id": self.customer.bsuid,
                "timestamp": str(int(self.clock.now.timestamp())),
                "type": kind,
                kind: content,
            }
            for kind, content in self._contents(step)
        ]
        self._deliver({"contacts": [contact], "messages": messages})

    def _contents(self, step: Say | Tap | Media | React) -> list[tuple[str, dict[str, Any]]]:
        """(type, the object under its name) of each message, in Meta's form."""
        match step:
            case Say(texts=texts):
                return [("text", {"body": text}) for text in texts]
            case Media():
                return [(step.type, dict(step.media))]
            case React(emoji=emoji):
                return [("reaction", {"emoji": emoji, "message_id": self.client.sent[-1][0]})]
            case Tap(title=title):
                chosen = _option(self.client.last, title)
                return [("interactive", chosen) if chosen else ("text", {"body": title})]

    def _be_answered(self) -> None:
        before = len(self.client.sent)
        while (next_at := process(user_key=self.user_key, client=self.client).at) is not None:  # type: ignore[arg-type]
            self.clock.now = max(next_at, self.clock.now + timedelta(seconds=1))
        statuses = [status for sent in self.client.sent[before:] for status in self._statuses(sent)]
        if statuses:
            self._deliver({"statuses": statuses})

    def _statuses(self, sent: tuple[str, Content, str]) -> list[dict[str, Any]]:
        provider_message_id, _, callback_data = sent
        names = ("sent", "delivered", "read") if self.rng.random() < 0.85 else ("sent", "delivered")
        return [
            {
                "id": provider_message_id,
                "status": name,
                "timestamp": str(int(self.clock.now.timestamp()) + seconds),
                "recipient_id": self.customer.wa_id,
                "biz_opaque_callback_data": callback_data,
            }
            for seconds, name in enumerate(names, start=1)
        ]

    def _deliver(self, value: dict[str, Any]) -> None:
        """What the webhook does with a delivery, without signature and rings."""
        change = {"field": "messages", "value": {"metadata": {"phone_number_id": self.phone_number_id}, **value}}
        envelope = {"object": "whatsapp_business_account", "entry": [{"changes": [change]}]}
        items = list(split_delivery(envelope, our_numbers=[self.phone_number_id]))
        correlation_id = f"{self.rng.getrandbits(128):032x}"
        store_items(items, received_at=self.clock.now, correlation_id=correlation_id)


def invent_message_id(rng: Random) -> str:
    return f"wamid.DEMO{rng.getrandbits(160):040X}"


def _start_within(days: int, rng: Random, end: datetime) -> datetime:
    """A moment of the last days, more often by day than by night."""
    start = end - timedelta(days=days) * rng.random()
    local_hour = timezone.localtime(start).hour
    return start if 8 <= local_hour < 21 or rng.random() < 0.15 else start - timedelta(hours=10)


def _option(content: Content | None, title: str) -> dict[str, Any] | None:
    """The reply that a tap sends; None where the last message offers nothing of that title."""
    options: list[Row | Button] = []
    match content:
        case ListMessage():
            options, kind = [*content.rows, *(row for part in content.sections for row in part.rows)], "list_reply"
        case Buttons():
            options, kind = [*content.buttons], "button_reply"
        case _:
            return None
    chosen = next((option for option in options if option.title.startswith(title)), None)
    return {"type": kind, kind: {"id": chosen.id, "title": chosen.title}} if chosen else None


# --- Likenesses -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Played:
    """All documents of one played customer."""

    customer: Customer
    user_key: str
    conversation_id: str
    documents: list[Snapshot]  # conversation, profile, sessions, handoffs, messages
    events: list[AuditEvent]
    ids: list[str]


def write_likenesses(
    numbers: range, played: dict[str, Customer], rng: Random, *, progress: Progress = lambda done: None
) -> None:
    """Customers like those who were played, weeks earlier. Raises what the store raises for a write that failed."""
    models = [_read(user_key, customer) for user_key, customer in played.items()]
    writes: list[Create] = []
    for number in numbers:
        writes += _likeness(rng.choice(models), invent(number, rng), rng)
        if len(writes) >= BATCH or number == numbers[-1]:
            for result in get_store().write_many(writes):
                if result.error is not None:
                    raise result.error
            writes = []
            progress(number + 1)


def _read(user_key: str, customer: Customer) -> Played:
    path = ConversationStore.path(user_key)
    header = get_store().get(path)
    messages = get_store().query(Query(f"{path}/messages", order_by=(("timestamp", "desc"), ("seq", "desc"))))
    session_ids = sorted({m.data["session_id"] for m in messages if m.data.get("session_id")})
    sessions = [SessionStore.path(session_id) for session_id in session_ids]
    handoffs = [HandoffStore.path(session_id) for session_id in session_ids]
    others = get_store().get_many([UserProfileStore.path(user_key), *sessions, *handoffs])
    conversation_id = header.data["conversation_id"]
    events = AuditLogStore().trail(conversation_id, limit=EVENTS_MAX)
    documents = [header, *others.values(), *messages]
    return Played(customer, user_key, conversation_id, documents, events, _ids(documents, events))


def _ids(documents: Sequence[Snapshot], events: Sequence[AuditEvent]) -> list[str]:
    """Every id of ours that occurs anywhere in the documents: random or digests, in hex."""
    found: dict[str, None] = {}

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for part in value.values():
                collect(part)
        elif isinstance(value, list):
            for part in value:
                collect(part)
        elif isinstance(value, str) and HEX_ID.fullmatch(value):
            found[value] = None

    for document in documents:
        for part in document.path.split("/"):
            collect(part)
        collect(document.data)
    for event in events:
        collect(event.event_id)
        collect(event.metadata)
    return list(found)


@dataclass(frozen=True)
class Translation:
    """From the documents of one customer to those of another: ids, names and times."""

    ids: dict[str, str]
    names: tuple[tuple[str, str], ...]
    shift: timedelta

    def __call__(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self(part) for key, part in value.items()}
            case list():
                return [self(part) for part in value]
            case datetime():
                return value + self.shift
            case str():
                return self.ids.get(value) or self._renamed(value)
        return value

    def path(self, path: str) -> str:
        return "/".join(self.ids.get(part, part) for part in path.split("/"))

    def _renamed(self, text: str) -> str:
        for old, new in self.names:
            if old in text:
                text = text.replace(old, new)
        return text


def _likeness(model: Played, customer: Customer, rng: Random) -> list[Create]:
    """The documents of another customer with the same history, whole weeks earlier (weekdays and hours are told)."""
    old, new = model.customer.name.split()[0], customer.name.split()[0]
    translate = Translation(
        ids={key: f"{rng.getrandbits(4 * len(key)):0{len(key)}x}" for key in model.ids},
        names=((model.customer.name, customer.name), (f"{old}!", f"{new}!"), (f"{old},", f"{new},")),
        shift=-timedelta(weeks=rng.randint(1, WEEKS_MAX), minutes=rng.randint(-20, 20)),
    )
    conversation_id, user_key = translate.ids[model.conversation_id], translate.ids[model.user_key]
    audit_writes, head = link(Head.genesis(conversation_id), [_event(event, translate) for event in model.events])
    writes = list(audit_writes)
    for snapshot in model.documents:
        path, data = translate.path(snapshot.path), translate(snapshot.data)
        collection = path.split("/")[-2]
        if collection == "conversations":
            data["audit_head"] = head.to_document()
        elif collection == "messages":
            data["provider_message_id"] = None  # Meta never saw it
            data["seq"] += int(translate.shift / timedelta(microseconds=1)) if data["direction"] == "in" else 0
        elif collection == "user_profiles":
            data |= _identity_fields(customer, path)
        writes.append(Create(path, data))
    return writes + _identities(
        customer.sender, user_key, created_at=writes[-1].data.get("created_at") or timezone.now()
    )


def _event(event: AuditEvent, translate: Translation) -> Event:
    return Event(
        event_id=translate.ids[event.event_id],
        event_type=EventType(event.event_type),
        actor=event.actor,
        timestamp=translate(event.timestamp),
        changes=translate(event.changes),
        metadata=translate(event.metadata),
        correlation_id=translate.ids.get(event.correlation_id, event.correlation_id),
    )


def _identity_fields(customer: Customer, path: str) -> dict[str, Any]:
    plain = {"phone": customer.sender.phone, "wa_id": customer.wa_id, "bsuid": customer.bsuid}
    fields = {name: encrypt(value, path=path, field=name) for name, value in plain.items()}
    found_by = {"name_search": fold(customer.name), "search_words": words_of(customer.name)}
    return {**fields, "name": customer.name, **found_by}


def _identities(sender: Sender, user_key: str, *, created_at: datetime) -> list[Create]:
    return [
        write
        for kind, keys in identity_ids(sender)
        for write in IdentityStore().new(
            identity_ids=keys, user_key=user_key, kind=kind, evidence="seed_demo", now=created_at
        )
    ]
