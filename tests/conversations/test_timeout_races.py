"""The timeouts job against a customer who writes at that moment (faults.md G3): exactly one session goes on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connections
from django.utils import timezone

from conversations.services.sessions import SessionManager
from conversations.services.turns import process
from pyloto.documents import DocumentStore, use_store
from pyloto.documents.models import Document
from tests.lab.faulty_store import FaultyStore
from tests.lab.interleaving import Scheduler, SteppedStore

from . import invariants
from .customer import Customer
from .outside import Outside

INTERLEAVINGS = 200
START = datetime(2040, 1, 2, tzinfo=UTC)  # in the future: gRPC's deadlines are times of the real clock
LATE = timedelta(minutes=31, seconds=30)  # past the limit, and past what the job leaves for slow deliveries
# A lead that lacks nothing critical goes to a person when its time is over, whoever closes it.
LEAD = "Preciso de um sistema para controlar o estoque da empresa em Castro/PR, 10 usuários, até março, precisa ter cadastro e relatórios"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool
        for done in [pool.submit(_close_connections, barrier) for barrier in [threading.Barrier(2)] * 2]:
            done.result()


def _close_connections(both: threading.Barrier) -> None:
    both.wait(20)
    connections.close_all()


def begun(store: DocumentStore, text: str, *, wa_id: str) -> Customer:
    customer = Customer(FaultyStore(store), Outside(), wa_id=wa_id)
    with use_store(store):
        customer.writes(text).is_served()
    return customer


def at_once(pool: Executor, store: DocumentStore, customer: Customer, seed: int) -> str:
    """Let them write and the job look, in the order that the seed decides; returns the outcome of the first session."""

    def writes_and_is_served() -> None:
        customer.writes("voltei")
        customer.is_served()

    with use_store(stepped := SteppedStore(store)):
        stepped.scheduler = Scheduler(seed)
        stepped.scheduler.run(
            pool,
            {
                "customer": writes_and_is_served,
                "job": lambda: SessionManager().check_timeouts(now=timezone.now()),
            },
        )
    process(user_key=customer.user_key, client=customer.outside)  # type: ignore[arg-type]
    first, *others = customer.sessions
    assert (first.status, bool(first.outcome)) == ("CLOSED", True)
    if first.outcome == "HANDOFF_HUMAN":  # what they write now belongs to the handoff
        assert not others
        assert len(customer.handoffs) == 1
    else:
        assert [session.status for session in others] == ["ACTIVE"]
        assert customer.header.session_id == others[0].pk
    assert {message.state for message in customer.received} == {"HANDLED"}
    assert set(customer.states) == {"SENT"}
    return str(first.outcome)


def remembered() -> Callable[[], None]:
    """All documents as they are now, to be put back again and again."""
    documents = Document.objects.using("documents")
    rows = list(documents.all())

    def put_back() -> None:
        documents.all().delete()
        documents.bulk_create(rows)
        cache.clear()

    return put_back


@pytest.mark.parametrize(("text", "outcome"), [("oi", "SCHEDULED_FOLLOWUP"), (LEAD, "HANDOFF_HUMAN")])
def test_a_message_and_the_timeouts_job_at_once_leave_one_session(
    embedded_store: Any, valkey: Any, pool: Executor, text: str, outcome: str
) -> None:
    with time_machine.travel(START, tick=True) as clock:
        customer = begun(embedded_store, text, wa_id="5542999990001")
        put_back = remembered()
        clock.shift(LATE)
        for seed in range(INTERLEAVINGS // 2):
            put_back()
            valkey.flushall()  # which counts what is sent to one person
            assert at_once(pool, embedded_store, customer, seed) == outcome
            if seed % 10 == 0:
                invariants.check(customer)


def test_a_message_and_the_timeouts_job_at_once_leave_one_session_in_firestore(
    firestore_store: Any, valkey: Any, pool: Executor
) -> None:
    for seed in range(6):
        with time_machine.travel(START + seed * timedelta(hours=1), tick=True) as clock:
            customer = begun(firestore_store, LEAD if seed % 2 else "oi", wa_id=f"554299999000{seed}")
            assert customer.user_key
            clock.shift(LATE)
            at_once(pool, firestore_store, customer, seed)
            invariants.check(customer)
