"""A person takes over while the bot is at work: whoever makes which step first, the bot is silent afterwards.

Two hundred different orders of all calls to the store and to Meta, on each adapter. A failure names its seed. And the
other way round: a person gives the conversation back while the customer writes.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
from conversations.services.release import release_to_bot
from conversations.services.turns import process
from conversations.stores import ConversationStore, HandoffStore, SessionStore, due
from conversations.whatsapp.client import Accepted, Ambiguous, Rejected, SendResult
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.split import provider_key
from pyloto.documents import Create, DocumentStore, Update, Write, use_store
from pyloto.documents.embedded import EmbeddedStore
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
        answer = self.answers.pop(0) if self.answers else Accepted(f"wamid.out.{callback_data}")
        if isinstance(answer, Rejected):
            self.world.put_off.add(callback_data.partition(".")[2])
        return answer

    def mark_read(self, **_: Any) -> bool:
        self.world.store.scheduler.pause("mark_read")
        return True


class World:
    """Customers with a message each that waits for an answer, and with what their stage says of their conversation."""

    def __init__(self, store: SteppedStore, stages: Sequence["Stage"], count: int) -> None:
        self.store = store
        self.stages = [stages[number % len(stages)] for number in range(count)]
        messages = [text_message(f"wamid.{n}", stage.text, wa_id=wa_id(n)) for n, stage in enumerate(self.stages)]
        assert post(envelope(*messages)).status_code == 200
        found = conversations.find_by_provider_keys([provider_key(f"wamid.{number}") for number in range(count)])
        self.user_keys = [found[provider_key(f"wamid.{number}")].split("/")[1] for number in range(count)]
        pairs = zip(self.user_keys, self.stages, strict=True)
        writes = [write for user_key, stage in pairs for write in stage.writes(user_key)]
        assert not [result for result in store.write_many(writes) if result.error]
        self.happened: list[Any] = []  # to one customer: the writes of each commit, and the keys of posted messages
        self.put_off: set[str] = set()  # messages that Meta did not take yet
        store.commits = self.happened

    def work(self, seed: int) -> None:
        """A worker's run. Meta accepts the first message, or does not answer, or asks for patience."""
        answers = Random(seed).choice(ANSWERS)
        process(user_key=self.user_keys[seed], client=Meta(self, list(answers)))  # type: ignore[arg-type]


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
        if self.mode != Mode.BOT:
            header.session_id = digest("session", user_key)
            owner = {"id": header.session_id, "user_key": user_key, "conversation_id": header.conversation_id}
            session = Session(**owner, status="CLOSED", outcome="HANDOFF_HUMAN", started_at=now, last_user_at=now)
            about = {"intent_primary": "CUSTOM_SOFTWARE", "routing": "software", "qualification_level": "low"}
            handoff = Handoff(**owner, **about, opened_at=now)
            if self.mode == Mode.HUMAN:
                header.assigned_to = handoff.agent_id = "user:7"
                handoff.status = Handoff.Status.TAKEN.value
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
def stepped(store: DocumentStore, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[SteppedStore]:
    settings.WHATSAPP_SENDS_PER_SECOND = 1000
    for module in ("turns", "delivery", "ownership"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)
    stepped = SteppedStore(store)
    with use_store(stepped):
        yield stepped


def test_no_claim_of_the_bot_follows_a_takeover_and_at_most_one_message_arrives(stepped: SteppedStore) -> None:
    world = World(stepped, STAGES, ORDERS + SPARE)
    arrived_after = explore(world, take_over, check, ORDERS)
    assert arrived_after == {0, 1}  # the takeover met the bot in the middle of a POST, too


def explore(
    world: World, person: Callable[[World, int], object], check: Callable[[World, int], int], count: int
) -> set[int]:
    """Let workers and a person loose on one customer after the other, in `count` different orders; what `check` returns."""
    orders, found = set(), set()
    with ThreadPoolExecutor(3) as pool:
        for seed in range(len(world.user_keys)):
            trace = interleave(world, pool, seed, person)
            orders.add(trace)
            try:
                found.add(check(world, seed))
            except AssertionError as exc:
                raise AssertionError(f"seed {seed}: {' '.join(trace)}\n{exc}") from exc
            if len(orders) == count:
                break
        list(pool.map(lambda _: connections.close_all(), range(3)))
    assert len(orders) == count
    return found


def interleave(
    world: World, pool: ThreadPoolExecutor, seed: int, person: Callable[[World, int], object]
) -> tuple[str, ...]:
    """Returns the order of the steps."""
    stage = world.stages[seed]
    jobs: dict[str, Callable[[], object]] = {f"worker{n}": partial(world.work, seed) for n in range(stage.workers)}
    jobs["person"] = partial(person, world, seed)
    world.happened.clear()
    scheduler = world.store.scheduler = Scheduler(seed)
    scheduler.run(pool, jobs)
    world.work(seed)  # what is left to do, in peace
    return (stage.text, *scheduler.trace)


def take_over(world: World, seed: int) -> None:
    """As an agent, or on the phone; the worker that is rung for the echo makes a takeover of it."""
    if Random(seed).random() < 0.6:
        take(user_key=world.user_keys[seed], agent="user:7", now=timezone.now())
        return
    echo: dict[str, Any] = {"id": f"wamid.echo.{seed}", "from": "554230000000", "to": wa_id(seed), "type": "text"}
    echo |= {"timestamp": str(int(timezone.now().timestamp())), "text": {"body": "Aqui é o dono"}}
    assert post(envelope(message_echoes=[echo])).status_code == 200
    world.work(seed)


def check(world: World, seed: int) -> int:
    """How many messages of the bot arrived after the takeover's commit."""
    user_key = world.user_keys[seed]
    before, after = split(world, user_key, Mode.HUMAN)
    assert not [claim for what in after for claim in claims(what)]
    arrived = [what for what in after if isinstance(what, str)]
    assert len(arrived) <= 1
    assert set(arrived) <= {claim for what in before for claim in claims(what)}
    assert check_whole(world, user_key).mode == Mode.HUMAN
    return len(arrived)


def check_whole(world: World, user_key: str) -> Conversation:
    """Nothing was posted twice, nothing told twice, and the trail is intact; the header."""
    posts = [what for what in world.happened if isinstance(what, str) and what not in world.put_off]
    assert len(set(posts)) == len(posts)  # by no two workers either
    header = conversations.get_header(user_key)
    chain = [event.to_document() for event in AuditLogStore().trail(header.conversation_id)]
    assert not verify(header.conversation_id, chain)
    assert len({event["event_id"] for event in chain}) == len(chain) == header.audit_head["seq"]
    return header


def split(world: World, user_key: str, mode: Mode) -> tuple[list[Any], list[Any]]:
    """What happened before and after the one commit that made this mode."""
    [place] = [place for place, what in enumerate(world.happened) if makes(mode, what, user_key)]
    return world.happened[:place], world.happened[place + 1 :]


def makes(mode: Mode, what: Sequence[Write] | str, user_key: str) -> bool:
    return not isinstance(what, str) and any(
        isinstance(write, Update) and write.path == conversations.path(user_key) and write.fields.get("mode") == mode
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


# --- the other way round ----------------------------------------------------------------------------------------------
def give_back(world: World, seed: int) -> None:
    release_to_bot(user_key=world.user_keys[seed], agent="user:7", now=timezone.now())


def check_one_responder(world: World, seed: int) -> int:
    """How many messages the bot had to say: it answers what it reads after the release, and nothing else."""
    user_key = world.user_keys[seed]
    before, after = split(world, user_key, Mode.BOT)
    assert not [claim for what in before for claim in claims(what)]
    said = {claim for what in after for claim in claims(what)}
    was_left_to_the_person = any(handles(what) for what in before)
    assert sum(handles(what) for what in (*before, *after)) == 1
    assert len(said) == (0 if was_left_to_the_person else 1)
    assert check_whole(world, user_key).mode == Mode.BOT
    return len(said)


def handles(what: Sequence[Write] | str) -> bool:
    return not isinstance(what, str) and any(
        isinstance(write, Update) and write.fields.get("state") == MessageState.HANDLED for write in what
    )


def test_what_comes_while_a_person_gives_back_has_one_responder(stepped: SteppedStore) -> None:
    is_embedded = isinstance(stepped.inner, EmbeddedStore)
    orders = 60 if is_embedded else 10
    world = World(stepped, [Stage("Onde vocês ficam?", mode=Mode.HUMAN, workers=2)], 2 * orders)
    assert explore(world, give_back, check_one_responder, orders) == {0, 1}
