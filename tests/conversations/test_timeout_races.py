"""The timeouts job against a customer who writes at that moment (faults.md G3): exactly one session goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from conversations.services.sessions import SessionManager
from conversations.services.turns import process
from pyloto.documents import DocumentStore
from pyloto.documents.models import Document
from tests.lab.faulty_store import FaultyStore
from tests.lab.interleaving import interleaved

from . import invariants
from .customer import Customer
from .outside import Outside

INTERLEAVINGS = 200
START = datetime(2026, 11, 23, tzinfo=UTC)  # an hour for each: the newest message is the customer's own
LEAD = "Preciso de um sistema para o estoque da empresa em Castro/PR, 10 usuários, até março, precisa ter cadastro e relatórios"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


def one_goes_on(store: DocumentStore, seed: int) -> str:
    """One conversation, told by the last digit of `seed` what kind; returns the outcome of its first session."""
    outside = Outside()
    customer = Customer(FaultyStore(store), outside, wa_id=f"55429{seed:08}")
    with time_machine.travel(START + seed * timedelta(hours=1), tick=True) as clock:
        customer.writes(LEAD if seed % 2 else "oi")
        user_key = customer.user_key
        process(user_key=user_key, client=outside)  # type: ignore[arg-type]
        clock.shift(
            timedelta(minutes=31, seconds=30)
        )  # past the limit, and past what the job leaves for slow deliveries

        def writes_and_is_served() -> None:
            customer.writes("voltei")
            process(user_key=user_key, client=outside)  # type: ignore[arg-type]

        def times_out() -> None:
            SessionManager().check_timeouts(now=timezone.now())

        interleaved(store, seed, writes_and_is_served, times_out)
        process(user_key=user_key, client=outside)  # type: ignore[arg-type]
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
    invariants.check(customer)
    return str(first.outcome)


def test_a_message_and_the_timeout_job_at_once_leave_one_session(embedded_store: Any, valkey: Any) -> None:
    outcomes = set()
    for seed in range(INTERLEAVINGS):
        if seed % 20 == 0:  # what earlier ones left makes each look-up longer
            Document.objects.using("documents").all().delete()
            cache.clear()
        outcomes.add(one_goes_on(embedded_store, seed))
    assert outcomes == {"SCHEDULED_FOLLOWUP", "HANDOFF_HUMAN"}


def test_a_message_and_the_timeout_job_at_once_leave_one_session_in_firestore(
    firestore_store: Any, valkey: Any
) -> None:
    for seed in range(8):
        one_goes_on(firestore_store, seed)
