"""Random histories of one conversation: customers, statuses, agents, dying workers, lost answers, in any order.

Whatever happens, once it is over every message is answered, no reply is sent twice but for the one documented case,
and the trail tells each change once.
"""

import itertools
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.models import MessageState, Mode
from conversations.services.release import NotWithHuman, release_to_bot
from conversations.services.sessions import SessionManager
from conversations.services.turns import TooManyRaces, process
from pyloto.documents import PreconditionFailed, Unavailable, Update, use_store
from pyloto.documents.models import Document
from tests.lab.faulty_store import Fault, FaultyStore

from . import invariants
from .customer import Customer
from .meta import WEATHER, Meta
from .outside import WorkerDied

TEXTS = ("oi", "Preciso de um sistema sob medida", "Onde fica a empresa?", "quero falar com uma pessoa", "Empresa")


class History:
    def __init__(self, store: FaultyStore, clock: Any) -> None:
        self.store, self.clock, self.meta = store, clock, Meta()
        self.customer = Customer(store, self.meta)  # type: ignore[arg-type]
        self.customer.writes("oi")

    def happens(self, what: str) -> None:
        match what.split(":"):
            case ["writes", number]:
                self.customer.writes(TEXTS[int(number)])
            case ["waits", seconds]:
                self.clock.shift(int(seconds))
            case ["meta", weather]:
                self.meta.weather.append(weather)
            case ["store", fault]:
                self.fault(fault)
            case ["agent", "takes"]:
                self.takes_over()
            case [name]:
                getattr(self, name)()

    def is_served(self) -> None:
        with suppress(WorkerDied, TooManyRaces):
            process(user_key=self.customer.user_key, client=self.meta)  # type: ignore[arg-type]

    def job(self) -> None:
        with suppress(Unavailable):
            SessionManager().check_timeouts(now=timezone.now())

    def fault(self, fault: str) -> None:
        match fault:
            case "race":
                self.store.before_commits.append(self.is_served)
            case "refused":
                self.store.commit_faults.append(Fault(PreconditionFailed("header")))
            case "no answer":
                self.store.commit_faults.append(Fault(Unavailable("commit"), applied=True))
            case "not reached":
                self.store.commit_faults.append(Fault(Unavailable("commit")))
            case "sent not recorded":
                self.store.update_faults += [Fault(Unavailable("update"))] * 5

    def statuses(self) -> None:
        """Of all that arrived and was not told yet; and of somebody else's."""
        for message_key in self.meta.arrived.keys() - self.meta.reported:
            self.customer.status_arrives(f"{self.customer.user_key}.{message_key}", wamid=f"wamid.{message_key}")
            self.meta.reported.add(message_key)
        self.others()

    def others(self) -> None:
        self.customer.status_arrives("f" * 32 + "." + "e" * 40)

    def takes_over(self) -> None:
        path = f"conversations/{self.customer.user_key}"
        if path in self.store.inner.get_many([path]):
            epoch = self.customer.header.owner_epoch + 1
            taken = {"mode": Mode.HUMAN.value, "owner_epoch": epoch, "attempt": f"agent{epoch}"}
            self.store.inner.commit([Update(path, taken)])

    def phone(self) -> None:
        self.customer.is_answered_on_the_phone()

    def release(self) -> None:
        faults, self.store.commit_faults = self.store.commit_faults, []
        with suppress(NotWithHuman):
            release_to_bot(user_key=self.customer.user_key, agent="user:1", now=timezone.now())
        self.store.commit_faults = faults

    def pause(self) -> None:
        self.store.inner.set("controls/bot", {"paused": True})

    def resume(self) -> None:
        self.store.inner.set("controls/bot", {"paused": False})

    def ends(self) -> None:
        """Nothing goes wrong any more, and time passes."""
        self.meta.weather, self.store.commit_faults, self.store.update_faults = [], [], []
        self.store.before_commits = []
        self.resume()
        for _ in range(20):
            self.is_served()
            if not any(message.due for message in (*self.customer.received, *self.customer.replies)):
                return
            self.clock.shift(130)
            self.statuses()


FAULTS = st.sampled_from(
    [
        *(f"meta:{weather}" for weather in WEATHER),
        *(f"store:{fault}" for fault in ("race", "refused", "no answer", "not reached", "sent not recorded")),
    ]
)
OTHERS = st.sampled_from(
    ["statuses", "others", "job", "agent:takes", "phone", "release", "pause", "resume", "waits:1900"]
)
WRITES = st.integers(0, len(TEXTS) - 1).map("writes:{}".format)
SERVED = st.just("is_served")
# Mostly a message or a wait and then a worker; something goes wrong in about half of them.
STEPS = st.one_of(
    st.tuples(WRITES, SERVED),
    st.tuples(WRITES, FAULTS, SERVED),
    st.tuples(FAULTS, WRITES, FAULTS, SERVED),
    st.tuples(st.sampled_from(["waits:3", "waits:31", "waits:121"]), SERVED),
    st.tuples(st.sampled_from(["waits:3", "waits:31", "waits:121"]), FAULTS, SERVED),
    st.tuples(OTHERS, SERVED),
    st.tuples(OTHERS),
)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=2, max_size=8))
def test_every_message_is_answered_and_nothing_is_said_twice(
    embedded_store: Any, valkey: Any, no_pauses: None, steps: list[tuple[str, ...]]
) -> None:
    Document.objects.using("documents").all().delete()
    valkey.flushall()
    cache.clear()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=1), tick=True) as clock:
        history = History(FaultyStore(embedded_store), clock)
        with use_store(history.store):
            for event in itertools.chain(*steps):
                history.happens(event)
            history.ends()
            assert_well(history)


def assert_well(history: History) -> None:
    customer, arrived = history.customer, history.meta.arrived
    invariants.check(customer)
    assert {message.state for message in customer.received} == {MessageState.HANDLED}
    for reply in customer.replies:
        assert not invariants.is_open(reply)
        assert arrived[reply.pk] <= 1 + reply.resends
        assert arrived[reply.pk] >= int(reply.state == MessageState.SENT)
    first = list(dict.fromkeys(history.meta.order))
    seqs = {reply.pk: reply.seq for reply in customer.replies}
    assert [seqs[key] for key in first] == sorted(seqs[key] for key in first)
