"""One conversation under everything that can happen to it, as a state machine of Hypothesis: customers who write, repeat
themselves and come late, workers that die at any call, agents, the owner's phone, statuses in any order, time, erasure.

The invariants are those of faults.md §1.0. `make test` walks a fixed set of histories; for a long walk, with other
histories each time:

    STATE_MACHINE_EXAMPLES=2000 .venv/bin/python -m pytest -q -s tests/conversations/test_state_machine.py
"""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conversations.models import Actor, Conversation, Message, MessageState, Mode
from conversations.services import agents
from conversations.services.release import NotWithHuman, release_to_bot
from conversations.services.sessions import SessionManager
from conversations.services.turns import TooManyRaces, process
from conversations.stores import load
from conversations.whatsapp.split import provider_key
from profiles.models import Erasure
from profiles.services import erasure
from pyloto.documents import (
    AlreadyExists,
    Create,
    DocumentStore,
    PreconditionFailed,
    Query,
    Snapshot,
    Unavailable,
    Update,
    Write,
    use_store,
)
from pyloto.documents.models import Document
from tests.lab.faulty_store import Fault, FaultyStore
from tests.profiles.erasures import check_trails, finished

from . import invariants
from .customer import Customer
from .deliveries import envelope, post, text_message
from .meta import WEATHER, Meta
from .outside import WorkerDied

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WA_ID = "5542999990001"
TEXTS = (
    "oi", "Preciso de um sistema sob medida", "Onde fica a empresa?", "quero falar com uma pessoa", "Empresa", "sim", "não",
    "preciso de um motoboy agora e também quero um sistema", "quero ser entregador", "deixa pra lá", "me conta uma piada",
    "sistema para controlar o estoque da empresa em Castro/PR, 10 usuários, até março, precisa ter cadastro e relatórios",
)  # fmt: skip
TAPS = ("intent:CUSTOM_SOFTWARE", "intent:PYLOTO_ENTREGA_DRIVER_SIGNUP", "next:yes", "next:no", "human", "menu")
AGENTS = ("user:7", "user:8")
STORE_FAULTS = {
    "lost race": Fault(PreconditionFailed("header")),
    "someone was first": Fault(AlreadyExists("audit_logs")),
    "lost answer": Fault(Unavailable("commit"), applied=True),
    "not reached": Fault(Unavailable("commit")),
}
HANDED_OVER = {"HANDOFF_HUMAN", "FAILED_INTERNAL"}


class WatchedStore(FaultyStore):
    """A worker may die at any of its calls, and no claim of the bot may commit while a person has the conversation."""

    def __init__(self, inner: DocumentStore) -> None:
        super().__init__(inner)
        self.dies_in: int | None = None  # calls until then

    def _tick(self) -> None:
        if self.dies_in is None:
            return
        self.dies_in -= 1
        if self.dies_in < 0:
            self.dies_in = None
            raise WorkerDied

    def get(self, path: str) -> Snapshot:
        self._tick()
        return super().get(path)

    def get_many(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        self._tick()
        return super().get_many(paths)

    def query(self, query: Query) -> list[Snapshot]:
        self._tick()
        return super().query(query)

    def update(self, path: str, fields: dict[str, Any], **precondition: Any) -> None:
        self._tick()
        super().update(path, fields, **precondition)
        self._tick()

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        self._tick()
        try:
            update_times = super().commit(writes)
        finally:
            self._check_claims(writes)
        self._tick()
        return update_times

    def _check_claims(self, writes: Sequence[Write]) -> None:
        """Claims that were applied: their header is as that same commit left it, since nobody came in between."""
        for write in writes:
            fields = write.data if isinstance(write, Create) else write.fields if isinstance(write, Update) else {}
            if fields.get("state") != MessageState.SENDING:
                continue
            stored = self.inner.get_many([write.path, header := "/".join(write.path.split("/")[:2])])
            if header not in stored or write.path not in stored:
                continue
            message, conversation = (
                Message.from_snapshot(stored[write.path]),
                Conversation.from_snapshot(stored[header]),
            )
            if message.claimed_by != fields["claimed_by"] or message.actor != Actor.PYLOTO:
                continue
            assert conversation.mode != Mode.HUMAN, "the bot claimed a message after a takeover's commit"
            assert message.owner_epoch == conversation.owner_epoch, "the bot claimed what was written before a takeover"


class OneConversation(RuleBasedStateMachine):
    """A person, with one number. After an erasure they are somebody new: `lives` counts."""

    def __init__(self, inner: DocumentStore, valkey: Any) -> None:
        super().__init__()
        Document.objects.using("documents").all().delete()
        valkey.flushall()
        cache.clear()
        self.valkey, self.store, self.meta = valkey, WatchedStore(inner), Meta()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(time_machine.travel(START, tick=False))
        self.stack.enter_context(use_store(self.store))
        self.customer = self._new_customer()
        self.number = 0
        self.bodies: list[dict[str, Any]] = []  # what Meta delivered in this life
        self.expected: set[str] = set()  # the keys of the messages of this life
        self.erased: list[str] = []

    def _new_customer(self) -> Customer:
        return Customer(self.store, self.meta, wa_id=WA_ID)  # type: ignore[arg-type]

    def teardown(self) -> None:
        try:
            if self.number:
                self.ends()
        finally:
            self.stack.close()

    # --- what the customer does ---------------------------------------------------------------------------------------
    def _delivers(self, *contents: dict[str, Any], sent_before: timedelta = timedelta(0)) -> None:
        self._passes()
        messages = []
        for content in contents:
            self.number += 1
            sent_at = str(int((timezone.now() - sent_before).timestamp()))
            message = text_message(f"wamid.{self.number}", "", wa_id=WA_ID, **content)
            messages.append(message | {"timestamp": sent_at})
            self.expected.add(provider_key(f"wamid.{self.number}"))
        self.bodies.append(envelope(*messages))
        assert post(self.bodies[-1]).status_code == 200

    def _passes(self, *, seconds: float = 0.01) -> None:
        self.clock.shift(timedelta(seconds=seconds))

    @initialize(text=st.sampled_from(TEXTS))
    def begins(self, text: str) -> None:
        self.delivers(text)

    @rule(text=st.sampled_from(TEXTS))
    def delivers(self, text: str) -> None:
        self._delivers({"type": "text", "text": {"body": text}})

    @rule(tap=st.sampled_from(TAPS))
    def taps(self, tap: str) -> None:
        self._delivers(
            {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": tap, "title": "…"}}}
        )

    @rule(kind=st.sampled_from(["reaction", "image"]))
    def sends(self, kind: str) -> None:
        content = (
            {"message_id": "wamid.1", "emoji": "👍"} if kind == "reaction" else {"id": "1", "mime_type": "image/png"}
        )
        self._delivers({"type": kind, kind: content})

    @rule(texts=st.lists(st.sampled_from(TEXTS), min_size=2, max_size=3), minutes=st.sampled_from([0, 1, 20]))
    def reorders(self, texts: list[str], minutes: int) -> None:
        """What was written first comes last."""
        for age, text in reversed(list(enumerate(reversed(texts)))):
            self._delivers({"type": "text", "text": {"body": text}}, sent_before=timedelta(minutes=minutes * (1 + age)))

    @rule(which=st.integers(0, 50), forgotten=st.booleans())
    def duplicates(self, which: int, forgotten: bool) -> None:
        """Meta delivers once more; Redis may have forgotten."""
        if self.bodies:
            if forgotten:
                self.valkey.flushall()
            self._passes()
            assert post(self.bodies[which % len(self.bodies)]).status_code == 200

    # --- what workers do ----------------------------------------------------------------------------------------------
    def _works(self) -> None:
        with suppress(WorkerDied, TooManyRaces):
            process(user_key=self.customer.user_key, client=self.meta)  # type: ignore[arg-type]

    def _calm(self) -> None:
        self.store.dies_in = None
        self.store.commit_faults, self.store.update_faults, self.store.before_commits = [], [], []
        self.meta.weather, self.meta.during = [], []

    @precondition(lambda self: self.expected)
    @rule()
    def is_served(self) -> None:
        self._passes()
        self._works()

    @precondition(lambda self: self.expected)
    @rule(calls=st.integers(0, 30))
    def crashes(self, calls: int) -> None:
        """The worker dies at one of its calls to the store."""
        self._passes()
        self.store.dies_in = calls
        self._works()
        self._calm()

    @precondition(lambda self: self.expected)
    @rule(weather=st.lists(st.sampled_from([*WEATHER, "fine"]), min_size=1, max_size=2))
    def is_served_in(self, weather: list[str]) -> None:
        self._passes()
        self.meta.weather = list(weather)
        self._works()
        self._calm()

    @precondition(lambda self: self.expected)
    @rule(
        faults=st.lists(st.sampled_from(sorted(STORE_FAULTS)), min_size=1, max_size=3),
        unrecorded=st.booleans(),
    )
    def is_served_with(self, faults: list[str], unrecorded: bool) -> None:
        """The store fails; `unrecorded`: also where the worker says that it has sent something."""
        self._passes()
        self.store.commit_faults = [STORE_FAULTS[fault] for fault in faults]
        self.store.update_faults = [Fault(Unavailable("update"))] * (5 * unrecorded)
        self._works()
        self._calm()

    @precondition(lambda self: self.expected)
    @rule(
        what=st.sampled_from(["is_served", "delivers", "takes", "releases", "closes", "times_out", "phone", "erases"]),
        commit=st.integers(0, 2),
        agent=st.sampled_from(AGENTS),
        refused=st.booleans(),
    )
    def is_overtaken(self, what: str, commit: int, agent: str, refused: bool) -> None:
        """Somebody else is faster between a worker's reading and one of its commits.

        `refused`: it is a reply that Meta refused at first, and that the worker claims once more.
        """
        self._passes()
        if refused:
            self.delivers(TEXTS[2])
            self.meta.weather = ["429"]
            self._works()
            self._calm()
            self._passes(seconds=31)
        self.store.before_commits = [*([lambda: None] * commit), lambda: self._meanwhile(what, agent)]
        self._works()
        self._calm()

    @precondition(lambda self: self.expected)
    @rule(agent=st.sampled_from(AGENTS))
    def is_taken_before_a_claim(self, agent: str) -> None:
        """The one order of things in which only the header's version keeps the bot silent."""
        self.releases()
        self.waits(1900)
        self.is_overtaken("takes", 0, agent, True)

    @precondition(lambda self: self.expected)
    @rule(what=st.sampled_from(["takes", "releases", "status", "delivers", "phone"]), agent=st.sampled_from(AGENTS))
    def is_interrupted(self, what: str, agent: str) -> None:
        """Something happens while a message is on its way to Meta."""
        self._passes()
        if what == "status":
            self.meta.during = [lambda callback_data: self._status(callback_data, "delivered")]
        else:
            self.meta.during = [lambda _: self._meanwhile(what, agent)]
        self._works()
        self._calm()

    def _meanwhile(self, what: str, agent: str) -> None:
        match what:
            case "is_served":
                self._works()
            case "delivers":
                self.delivers(TEXTS[2])
            case "takes" | "closes":
                getattr(self, what)(agent, "")
            case "releases":
                self.releases()
            case "erases":
                self.erases()
            case "times_out":
                self._passes(seconds=1900)
                self.times_out()
            case "phone":
                self.phone()

    # --- what people do -----------------------------------------------------------------------------------------------
    def _acts(self, fault: str, act: Callable[[], object]) -> None:
        """Whatever the store does to them, and twice, as somebody who saw no answer would."""
        self._passes()
        hooks, self.store.before_commits = self.store.before_commits, []
        faults, self.store.commit_faults = self.store.commit_faults, [STORE_FAULTS[fault]] if fault else []
        for _ in range(1 + bool(fault)):
            with suppress(
                agents.TakenByOther,
                agents.NotTaken,
                agents.WindowClosed,
                agents.NoConversation,
                agents.Contended,
                NotWithHuman,
            ):
                act()
        self.store.before_commits, self.store.commit_faults = hooks, faults

    @precondition(lambda self: self.expected)
    @rule(agent=st.sampled_from(AGENTS), fault=st.sampled_from(["", *STORE_FAULTS]))
    def takes(self, agent: str, fault: str) -> None:
        self._acts(fault, lambda: agents.take(user_key=self.customer.user_key, agent=agent, now=timezone.now()))

    @precondition(lambda self: self.expected)
    @rule(agent=st.sampled_from(AGENTS), fault=st.sampled_from(["", *STORE_FAULTS]))
    def replies(self, agent: str, fault: str) -> None:
        key = secrets.token_hex(16)
        self._acts(
            fault,
            lambda: agents.reply(
                user_key=self.customer.user_key, agent=agent, text="Aqui é a Ana", key=key, now=timezone.now()
            ),
        )

    @precondition(lambda self: self.expected)
    @rule(agent=st.sampled_from(AGENTS), fault=st.sampled_from(["", *STORE_FAULTS]))
    def closes(self, agent: str, fault: str) -> None:
        self._acts(fault, lambda: agents.close(user_key=self.customer.user_key, agent=agent, now=timezone.now()))

    @precondition(lambda self: self.expected)
    @rule(agent=st.sampled_from(AGENTS))
    def puts_back(self, agent: str) -> None:
        self._acts("", lambda: agents.put_back(user_key=self.customer.user_key, agent=agent, now=timezone.now()))

    @precondition(lambda self: self.expected)
    @rule()
    def releases(self) -> None:
        self._acts("", lambda: release_to_bot(user_key=self.customer.user_key, agent="user:9", now=timezone.now()))

    @precondition(lambda self: self.expected)
    @rule()
    def phone(self) -> None:
        """The owner answers in the phone app."""
        self._passes()
        self.number += 1
        self.customer.is_answered_on_the_phone(wamid=f"wamid.echo{self.number}")

    @rule(paused=st.booleans())
    def pauses(self, paused: bool) -> None:
        self.store.inner.set("controls/bot", {"paused": paused})

    # --- what else happens --------------------------------------------------------------------------------------------
    @precondition(lambda self: self.meta.order)
    @rule(which=st.integers(0, 50), status=st.sampled_from(["sent", "delivered", "read", "failed"]))
    def status(self, which: int, status: str) -> None:
        """Of any message that arrived: in any order, early or late."""
        if self.expected:
            key = self.meta.order[which % len(self.meta.order)]
            self._status(f"{self.customer.user_key}.{key}", status)

    def _status(self, callback_data: str, status: str) -> None:
        self.customer.status_arrives(callback_data, status, wamid=f"wamid.{callback_data.partition('.')[2]}")

    @rule()
    def others_status(self) -> None:
        """A sign of life of the status channel."""
        self._passes()
        self.customer.status_arrives("f" * 32 + "." + "e" * 40)

    @rule()
    def times_out(self) -> None:
        self._passes()
        hooks, self.store.before_commits = self.store.before_commits, []
        with suppress(Unavailable):
            SessionManager().check_timeouts(now=timezone.now())
        self.store.before_commits = hooks

    @precondition(lambda self: self.expected)
    @rule(fault=st.sampled_from([*STORE_FAULTS]))
    def times_out_with(self, fault: str) -> None:
        self._passes(seconds=1900)
        self.store.commit_faults = [STORE_FAULTS[fault]]
        self.times_out()
        self._calm()

    @rule(seconds=st.sampled_from([3, 31, 121, 700, 1900, 7300, 90_000]))
    def waits(self, seconds: int) -> None:
        self._passes(seconds=seconds)

    @precondition(lambda self: self.expected and len(self.erased) < 2)
    @rule()
    def erases(self) -> None:
        """They ask to be forgotten; what they wrote and nobody has looked at is forgotten too."""
        self._passes()
        hooks, self.store.before_commits = self.store.before_commits, []
        user_key = self.customer.user_key
        erasure.erase(user_key=user_key, reason=Erasure.Reason.REQUEST, actor="SYSTEM", now=timezone.now())
        self.store.before_commits = hooks
        self.erased.append(user_key)
        self.customer, self.bodies, self.expected = self._new_customer(), [], set()
        self.meta.arrived.clear()
        self.meta.order.clear()
        cache.clear()

    # --- what must hold -----------------------------------------------------------------------------------------------
    @invariant()
    def every_message_stands_once_and_waits_or_was_answered(self) -> None:
        if not self.expected:
            return
        received = self.customer.received
        assert sorted(message.provider_message_key or "" for message in received) == sorted(self.expected)
        for message in received:
            assert bool(message.due) == (message.state == MessageState.RECEIVED), "it waits, and nobody would find it"
            assert bool(message.turn_id) == (message.state == MessageState.HANDLED)

    @invariant()
    def nothing_is_sent_more_often_than_it_says_and_all_in_order(self) -> None:
        if not self.expected:
            return
        replies = {reply.pk: reply for reply in self.customer.replies}
        for key, reply in replies.items():
            arrived = self.meta.arrived[key]
            assert arrived <= 1 + reply.resends
            assert arrived >= int(reply.state == MessageState.SENT)
            if reply.state == MessageState.FAILED and "failed" not in reply.status_at:
                assert not arrived
            assert reply.resends == 0 or reply.actor == Actor.PYLOTO, (
                "what an agent wrote is never sent twice by itself"
            )
        firsts = [key for key in dict.fromkeys(self.meta.order) if key in replies]
        seqs = [replies[key].seq for key in firsts]
        assert seqs == sorted(seqs)

    @invariant()
    def each_session_has_one_outcome_when_it_has_ended(self) -> None:
        if not self.expected:
            return
        sessions = self.customer.sessions
        for session in sessions:
            assert (session.status == "CLOSED") == bool(session.outcome) == (session.expires_at is None)
            assert session.outcome != "AWAITING_USER"
            assert len(session.intents) <= 3
        assert sum(session.status == "ACTIVE" for session in sessions) <= 1
        handed_over = {session.pk for session in sessions if session.outcome in HANDED_OVER}
        assert {handoff.pk for handoff in self.customer.handoffs} == handed_over

    @invariant()
    def the_trail_tells_each_change_once(self) -> None:
        if self.expected and load(self.customer.user_key, ()).header:
            invariants.check(self.customer)

    def ends(self) -> None:
        """Nothing goes wrong any more, and time passes: all that waits is done, and every session ends."""
        self._calm()
        self.store.inner.set("controls/bot", {"paused": False})
        for user_key in self.erased:
            finished(user_key)
            self._is_gone(user_key)
        check_trails()
        if not self.expected:
            return
        for _ in range(30):
            self._works()
            if not any(message.due for message in (*self.customer.received, *self.customer.replies)):
                break
            self._passes(seconds=130)
            for key in set(self.meta.order) - self.meta.reported:
                self._status(f"{self.customer.user_key}.{key}", "delivered")
                self.meta.reported.add(key)
        else:
            raise AssertionError("something waits for ever")
        self._passes(seconds=7500)
        SessionManager().check_timeouts(now=timezone.now())
        self._works()
        assert {message.state for message in self.customer.received} == {MessageState.HANDLED}
        assert {session.status for session in self.customer.sessions} <= {"CLOSED"}
        self.every_message_stands_once_and_waits_or_was_answered()
        self.nothing_is_sent_more_often_than_it_says_and_all_in_order()
        self.each_session_has_one_outcome_when_it_has_ended()
        self.the_trail_tells_each_change_once()

    def _is_gone(self, user_key: str) -> None:
        for collection in ("messages", "sessions", "handoffs", "user_profiles", "identities", "classifications"):
            for snapshot in self.store.inner.query(Query(collection, group=True)):
                assert user_key not in (snapshot.path.split("/")[1], snapshot.data.get("user_key")), snapshot.path


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery", "ownership", "sessions", "trail", "erasure"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


def test_any_history_of_a_conversation_keeps_the_invariants(embedded_store: Any, valkey: Any, no_pauses: None) -> None:
    class Bound(OneConversation):
        def __init__(self) -> None:
            super().__init__(embedded_store, valkey)

    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=EXAMPLES or 25,
            stateful_step_count=30 if EXAMPLES else 20,
            derandomize=not EXAMPLES,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
