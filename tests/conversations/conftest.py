"""A conversation in the tests: the real webhook and the real turn; only the way to Meta is a double."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from conversations import views
from conversations.services.turns import process
from pyloto.documents import DocumentStore, Query, get_store, use_store
from pyloto.documents.shapes import SHAPES
from tests.lab.faulty_store import FaultyStore

from . import invariants
from .customer import Customer
from .files import storage, stored_files
from .outside import Outside


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def faulty(store: DocumentStore) -> Iterator[FaultyStore]:
    """Both adapters behind a store that fails on demand. Whatever the product asked of it must have its index."""
    with use_store(FaultyStore(store)) as faulty:
        yield faulty
    assert not faulty.shapes - set(SHAPES), "pyloto/documents/shapes.py does not list these queries"


@pytest.fixture
def customer(faulty: FaultyStore, valkey: object, outside: Outside) -> Iterator[Customer]:
    """After each test their documents and their trail must agree, whatever the test was about."""
    yield (customer := Customer(faulty, outside))
    if customer.has_conversation:
        invariants.check(customer)


@pytest.fixture
def no_files() -> Iterator[None]:
    """What a test stores is gone after it."""
    yield
    for file in stored_files():
        storage().delete(file)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time goes on as usual, and may be pushed ahead: `clock.shift(…)`. Valkey's own time does not follow."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def fresh_process(settings: Any) -> None:
    """What a process keeps between requests is the test's own."""
    from django.core.cache import cache

    cache.clear()
    views.dedupe_store.cache_clear()
    settings.TURN_QUIET_SECONDS = timedelta(0)
    # Tests write faster than people, and repeat themselves: those of floods and loops turn this on.
    settings.FLOOD_MESSAGES_MAX = settings.LOOP_TURNS_MAX = 0


def user_keys() -> list[str]:
    """Everybody who wrote, by their conversation's messages."""
    store = get_store()
    found = (store.inner if isinstance(store, FaultyStore) else store).query(Query("messages", group=True))
    return sorted({snapshot.path.split("/")[1] for snapshot in found})


def run_turns(outside: Outside) -> None:
    """Do what the workers would do for each conversation."""
    for user_key in user_keys():
        process(user_key=user_key, client=outside)  # type: ignore[arg-type]


__all__ = ["Outside", "run_turns", "user_keys"]
