"""Who somebody is, in any order: messages by any identifier, number changes, merges, undos, erasures, caches that lag.

Whatever happens, once it is over every message that was not erased stands once, was dealt with once, and every identifier
leads to somebody who is there.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.chain import verify
from audit.errors import CustomerErased, TrailContended
from conversations.services.merging import CannotMerge, MergeContended, find_current, merge, undo
from conversations.services.turns import TooManyRaces, process
from conversations.whatsapp.split import provider_key
from profiles.models import Erasure, Identity
from profiles.services import erasure
from pyloto.documents import PreconditionFailed, Unavailable, use_store
from pyloto.documents.models import Document
from tests.lab.faulty_store import Fault, FaultyStore

from .deliveries import envelope, post, text_message
from .kept import documents, stored_messages
from .outside import Outside, WorkerDied

SENDERS: dict[str, dict[str, str]] = {
    "phone": {"wa_id": "5542999990001"},
    "old phone": {"wa_id": "554299990001"},
    "id": {"bsuid": "BR.100"},
    "both": {"wa_id": "5542999990001", "bsuid": "BR.100"},
    "other phone": {"wa_id": "5542999990002"},
    "other": {"wa_id": "5542999990002", "bsuid": "BR.200"},
}
FAULTS = {
    "race": Fault(PreconditionFailed("x")),
    "no answer": Fault(Unavailable("x"), applied=True),
    "not reached": Fault(Unavailable("x")),
    "dies before": Fault(WorkerDied()),
    "dies after": Fault(WorkerDied(), applied=True),
}


class World:
    def __init__(self, store: FaultyStore, clock: Any) -> None:
        self.store, self.clock, self.outside = store, clock, Outside()
        self.numbers = itertools.count(1)
        self.delivered: set[str] = set()
        self.erased: set[str] = set()
        self.caches: list[dict[str, str]] = []

    def happens(self, what: str) -> None:
        name, _, detail = what.partition(":")
        getattr(self, name)(detail)

    def writes(self, who: str, **content: Any) -> None:
        wamid = f"wamid.{next(self.numbers)}"
        message = text_message(wamid, "oi", **{"wa_id": "", **SENDERS[who]}) | content
        message = {name: value for name, value in message.items() if value != ""}
        with self.no_faults():
            assert post(envelope(message)).status_code == 200
        self.delivered.add(provider_key(wamid))

    def changes_number(self, who: str) -> None:
        self.writes(who, type="system", system={"type": "user_changed_number", "wa_id": "5542999990003"})

    def served(self, _: str) -> None:
        for user_key in sorted({message.path.split("/")[1] for message in stored_messages()}):
            with suppress(WorkerDied, TooManyRaces):
                process(user_key=user_key, client=self.outside)  # type: ignore[arg-type]

    def people(self) -> list[str]:
        return sorted({snapshot.data["user_key"] for snapshot in documents("identities")})

    def merges(self, way: str) -> None:
        people = self.people()
        if len(people) > 1:
            source, target = people[:2] if way == "up" else reversed(people[:2])
            with suppress(CannotMerge, CustomerErased, MergeContended, WorkerDied):
                merge(source=source, target=target, actor="user:7", now=timezone.now())

    def undoes(self, _: str) -> None:
        for snapshot in documents("merges"):
            with suppress(CannotMerge, CustomerErased, MergeContended, WorkerDied):
                undo(merge_id=snapshot.id, actor="user:7", now=timezone.now())

    def erases(self, which: str) -> None:
        people = self.people()
        if not people:
            return
        user_key = people[int(which) % len(people)]
        before = {message.path: message.pk for message in stored_messages()}
        self.clock.shift(0.001)
        with suppress(WorkerDied, TrailContended, PreconditionFailed, Unavailable, erasure.UnknownCustomer):
            erasure.erase(user_key=user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
        journal = erasure.find_journal(user_key)
        keys = set(journal.user_keys) if journal else set()
        self.erased |= {key for path, key in before.items() if path.split("/")[1] in keys}
        self.clock.shift(0.001)

    def time(self, _: str) -> None:
        self.clock.shift(130)
        for user_key in erasure.find_unfinished(timezone.now()):
            with suppress(WorkerDied, TrailContended, PreconditionFailed, Unavailable):
                erasure.resume(user_key, timezone.now())

    def forgets(self, _: str) -> None:
        cache.clear()

    def remembers(self, _: str) -> None:
        """What identities are now; a process that lags believes it later on."""
        self.caches.append({snapshot.id: snapshot.data["user_key"] for snapshot in documents("identities")})

    def lags(self, _: str) -> None:
        if self.caches:
            cache.set_many({f"identity:{key}": value for key, value in self.caches[-1].items()}, 60)

    def fault(self, kind: str) -> None:
        self.store.commit_faults.append(FAULTS[kind])

    @contextmanager
    def no_faults(self) -> Iterator[None]:
        faults, self.store.commit_faults = self.store.commit_faults, []
        yield
        self.store.commit_faults = faults

    def ends(self) -> None:
        self.store.commit_faults = []
        cache.clear()
        for _ in range(5):
            self.time("")
            self.served("")

    def check(self) -> None:
        messages = [message for message in stored_messages() if message.direction == "in"]
        counted = Counter(message.pk for message in messages)
        assert set(counted.values()) <= {1}
        assert self.delivered - self.erased == set(counted)
        assert {message.state for message in messages} <= {"HANDLED"}
        sends = Counter(sent.callback_data for sent in self.outside.sent)
        assert set(sends.values()) <= {1}
        for snapshot in documents("identities"):
            assert not find_current(Identity.from_snapshot(snapshot).user_key)[1].is_erased
        events = [snapshot.data for snapshot in documents("audit_logs")]
        for conversation_id in {event["conversation_id"] for event in events}:
            chain = [event for event in events if event["conversation_id"] == conversation_id]
            assert verify(conversation_id, sorted(chain, key=lambda event: event["seq"])) == []


WRITES = st.sampled_from(sorted(SENDERS)).map("writes:{}".format)
STEPS = st.one_of(
    st.tuples(WRITES),
    st.tuples(WRITES, st.just("served")),
    st.tuples(WRITES, st.just("served")),
    st.tuples(st.sampled_from(["merges:up", "merges:down"]), st.sampled_from(["served", "lags", "undoes"])),
    st.tuples(st.just("remembers"), st.sampled_from(["erases:0", "erases:1", "merges:up"]), st.just("lags"), WRITES),
    st.tuples(st.sampled_from(["phone", "both", "id"]).map("changes_number:{}".format), st.just("served")),
    st.tuples(
        st.sampled_from(sorted(FAULTS)).map("fault:{}".format), st.sampled_from(["served", "erases:0", "merges:up"])
    ),
    st.tuples(st.sampled_from(["undoes", "erases:0", "erases:1", "time", "forgets", "lags", "remembers"])),
)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery", "merging", "erasure", "trail"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=9))
def test_nobody_is_lost_doubled_or_brought_back(
    embedded_store: Any,
    valkey: Any,
    no_pauses: None,
    steps: list[tuple[str, ...]],
) -> None:
    Document.objects.using("documents").all().delete()
    valkey.flushall()
    cache.clear()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=1), tick=True) as clock:
        world = World(FaultyStore(embedded_store), clock)
        with use_store(world.store):
            for step in itertools.chain(*steps):
                world.happens(step)
            world.ends()
            world.check()
