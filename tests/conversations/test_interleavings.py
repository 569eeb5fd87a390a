"""A person takes over while the bot is at work: whoever makes which step first, the bot is silent afterwards.

Two hundred different orders of all calls to the store and to Meta, on each adapter. A failure names its seed.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from audit import Head, verify
from audit.stores import AuditLogStore
from conversations.models import Actor, Conversation, Direction, Handoff, Message, MessageState, Mode, Session
from conversations.services.agents import take
from conversations.services.turns import process
from conversations.stores import ConversationStore, HandoffStore, SessionStore, due
from conversations.whatsapp.client import Accepted, Ambiguous, Rejected, SendResult
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.split import provider_key
from pyloto.documents import Create, DocumentStore, Update, Write, use_store
from pyloto.privacy.hashing import digest
from tests.lab.interleaving import Scheduler, SteppedStore

from .deliveries import envelope, post, text_message

ORDERS = 200
SPARE = 60  # customers for orders that came before
conversations = ConversationStore()
pytestmark = pytest.mark.usefixtures("valkey")


class Meta:
    """Where `WhatsAppOutboundClient` stands; a POST and its answer are two steps."""

    def __init__(self, world: "World", answers: list[SendResult]) -> None:
        self.world, self.answers = world, answers

    def send_response(self, *, callback_data: str, **_: Any) -> SendResult:
        self.world.store.scheduler.pause("post")
        self.world.happened.append(callback_data.partition(".")[2])
        self.world.store.scheduler.pause("answer")
        return self.answers.pop(0) if self.answers else Accepted(f"wamid.out.{callback_data}")

    def mark_read(self, **_: Any) -> bool:
        self.world.store.scheduler.pause("mark_read")
        return True


class World:
    """Customers with a message each that waits for an answer, and with what `STAGES` says of their conversation."""

    def __init__(self, store: SteppedStore, count: int) -> None:
        self.store = store
        texts = [STAGES[number % len(STAGES)].text for number in range(count)]
        messages = [text_message(f"wamid.{n}", text, wa_id=wa_id(n)) for n, text in enumerate(texts)]
        assert post(envelope(*messages)).status_code == 200
        found = conversations.find_by_provider_keys([provider_key(f"wamid.{number}") for number in range(count)])
        self.user_keys = [found[provider_key(f"wamid.{number}")].split("/")[1] for number in range(count)]
        stages = (STAGES[number % len(STAGES)] for number in range(count))
        writes = [write for key, stage in zip(self.user_keys, stages, strict=True) for write in stage.writes(key)]
        assert not [result for result in store.write_many(writes) if result.error]
        self.happened: list[Any] = []
        store.commits = self.happened


def wa_id(number: int) -> str:
    return f"55429{90000000 + number}"


# --- where a conversation may stand -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Stage:
    text: str  # what the customer says
    mode: Mode = Mode.BOT
    queued: bool = False  # an earlier reply of the bot waits to be sent
    workers: int = 1  # two, where the lock ran out

    def writes(self, user_key: str) -> Iterator[Create]:
        now = timezone.now()
        header = Conversation(
            id=user_key,
            conversation_id=digest(user_key),
            phone_number_id=settings.WHATSAPP_PHONE_NUMBER_IDS[0],
            mode=self.mode.value,
            last_user_at=now,
            out_seq=7 if self.queued else 0,
            audit_head=Head.genesis(digest(user_key)).to_document(),
            created_at=now,
            updated_at=now,
        )
        if self.mode == Mode.WAITING_HUMAN:
            header.session_id = digest("session", user_key)
            owner = {"id": header.session_id, "user_key": user_key, "conversation_id": header.conversation_id}
            session = Session(**owner, status="CLOSED", outcome="HANDOFF_HUMAN", started_at=now, last_user_at=now)
            handoff = Handoff(
                **owner, intent_primary="CUSTOM_SOFTWARE", routing="software", qualification_level="low", opened_at=now
            )
            yield Create(SessionStore.path(session.pk), session.to_document())
            yield Create(HandoffStore.path(handoff.pk), handoff.to_document())
        yield Create(conversations.path(user_key), header.to_document())
        if self.queued:
            yield conversations.create_message(user_key, queued_reply(user_key))


def queued_reply(user_key: str) -> Message:
    now = timezone.now()
    key = digest("queued", user_key)
    return Message(
        id=key,
        phone_number_id=settings.WHATSAPP_PHONE_NUMBER_IDS[0],
        direction=Direction.OUT.value,
        actor=Actor.PYLOTO.value,
        type="text",
        text="Olá!",
        timestamp=now,
        received_at=now,
        seq=7,
        state=MessageState.QUEUED.value,
        due=due(key, now),
        turn_id="earlier",
    )


STAGES = [
    Stage("oi"),
    Stage("Onde fica a empresa?", queued=True),
    Stage("quero falar com uma pessoa", workers=2),
    Stage("vocês demoram?", mode=Mode.WAITING_HUMAN),
    Stage("preciso de um sistema sob medida", queued=True, workers=2),
]
ANSWERS: list[list[SendResult]] = [
    [],
    [],
    [Ambiguous("ReadTimeoutError")],
    [Rejected(130429, ErrorClass.RETRY)],
]


# --- two hundred orders -----------------------------------------------------------------------------------------------
@pytest.fixture
def world(store: DocumentStore, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[World]:
    settings.WHATSAPP_SENDS_PER_SECOND = 1000
    for module in ("turns", "delivery", "ownership"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)
    stepped = SteppedStore(store)
    with use_store(stepped):
        yield World(stepped, ORDERS + SPARE)


def test_no_claim_of_the_bot_follows_a_takeover_and_at_most_one_message_arrives(world: World) -> None:
    orders, arrived_after = set(), set()
    with ThreadPoolExecutor(3) as pool:
        for seed in range(ORDERS + SPARE):
            trace = interleave(world, pool, seed)
            orders.add(trace)
            try:
                arrived_after.add(check(world, seed))
            except AssertionError as exc:
                raise AssertionError(f"seed {seed}: {' '.join(trace)}\n{exc}") from exc
            if len(orders) == ORDERS:
                break
        list(pool.map(lambda _: connections.close_all(), range(3)))
    assert len(orders) == ORDERS
    assert arrived_after == {0, 1}  # the takeover met the bot in the middle of a POST, too


def interleave(world: World, pool: ThreadPoolExecutor, seed: int) -> tuple[str, ...]:
    """Let workers and a person loose on one customer; return the order of their steps."""
    number, random = seed, Random(seed)
    user_key, stage = world.user_keys[number], STAGES[number % len(STAGES)]
    meta = Meta(world, list(random.choice(ANSWERS)))
    by_phone = random.random() < 0.4

    def work() -> None:
        process(user_key=user_key, client=meta)  # type: ignore[arg-type]

    def take_over() -> None:
        if not by_phone:
            take(user_key=user_key, agent="user:7", now=timezone.now())
            return
        echo: dict[str, Any] = {
            "id": f"wamid.echo.{number}",
            "from": "554230000000",
            "to": wa_id(number),
            "type": "text",
        }
        echo |= {"timestamp": str(int(timezone.now().timestamp())), "text": {"body": "Aqui é o dono"}}
        assert post(envelope(message_echoes=[echo])).status_code == 200
        work()

    world.happened.clear()
    scheduler = world.store.scheduler = Scheduler(seed)
    scheduler.run(pool, {"person": take_over, **{f"worker{n}": work for n in range(stage.workers)}})
    work()  # what is left to do, in peace
    return (str(number % len(STAGES)), *scheduler.trace)


def check(world: World, seed: int) -> int:
    """How many messages of the bot arrived after the takeover's commit."""
    user_key = world.user_keys[seed]
    taken_at = [place for place, what in enumerate(world.happened) if is_takeover(what, user_key)]
    assert len(taken_at) == 1
    before, after = world.happened[: taken_at[0]], world.happened[taken_at[0] + 1 :]
    assert not [claim for what in after for claim in claims(what)]
    arrived = [what for what in after if isinstance(what, str)]
    assert len(arrived) <= 1
    assert set(arrived) <= {claim for what in before for claim in claims(what)}
    posts = [what for what in world.happened if isinstance(what, str)]
    assert len(set(posts)) == len(posts)  # by no two workers either
    header = conversations.get_header(user_key)
    assert header.mode == Mode.HUMAN
    chain = [event.to_document() for event in AuditLogStore().trail(header.conversation_id)]
    assert not verify(header.conversation_id, chain)
    assert len({event["event_id"] for event in chain}) == len(chain) == header.audit_head["seq"]
    return len(arrived)


def is_takeover(what: Sequence[Write] | str, user_key: str) -> bool:
    return not isinstance(what, str) and any(
        isinstance(write, Update)
        and write.path == conversations.path(user_key)
        and write.fields.get("mode") == Mode.HUMAN
        for write in what
    )


def claims(what: Sequence[Write] | str) -> Iterator[str]:
    """The messages of the bot that a commit claims, or says for the first time."""
    for write in () if isinstance(what, str) else what:
        key = write.path.rpartition("/")[2]
        if (isinstance(write, Update) and write.fields.get("state") == MessageState.SENDING) or (
            isinstance(write, Create) and "/messages/" in write.path and write.data["actor"] == Actor.PYLOTO
        ):
            yield key
