"""A worker that fetches a file writes the message that a turn is about: neither is in the way of the other."""

from typing import Any

import pytest
from django.utils import timezone

from conversations.models import Message, Mode
from conversations.outbox import is_postponed
from conversations.services.controls import set_bot_paused

from .customer import Customer
from .deliveries import envelope, post
from .files import PNG, Library, fetch, reference
from .kept import stored_messages
from .outside import Outside

pytestmark = pytest.mark.usefixtures("valkey", "no_files")

FILES = 12  # more than the races that a run enters


def photo(library: Library) -> dict[str, Any]:
    return {"type": "image", "image": reference(library.add(PNG), PNG, "image/png")}


def photos_wait(customer: Customer, library: Library) -> list[Message]:
    customer.sends(*(photo(library) for _ in range(FILES)))
    return [message for message in stored_messages() if message.media.get("status") == "PENDING"]


def fetched_meanwhile(customer: Customer, library: Library, messages: list[Message]) -> None:
    """Whenever somebody is about to commit, the file of one more message is fetched."""

    def fetch_one() -> None:
        waiting, customer.store.before_commits = customer.store.before_commits, []
        assert fetch(messages.pop(), library) == "STORED"
        customer.store.before_commits = waiting

    customer.store.before_commits = [fetch_one] * len(messages)


def assert_passed_at_once(customer: Customer, valkey: Any) -> None:
    assert len(customer.store.before_commits) == FILES - 1
    assert not valkey.exists(f"attempts:{customer.user_key}")


@pytest.mark.parametrize("later", [False, True], ids=["first turn", "later turn"])
def test_a_turn_passes_while_its_files_are_fetched(customer: Customer, valkey: Any, later: bool) -> None:
    if later:
        customer.writes("oi").is_served()
    library = Library()
    fetched_meanwhile(customer, library, photos_wait(customer, library))
    customer.is_served()
    assert_passed_at_once(customer, valkey)
    assert {message.state for message in customer.received} == {"HANDLED"}
    assert [message.media.get("status") for message in customer.received].count("STORED") == 1
    assert customer.states == ["SENT"] * (1 + later)


def test_a_turn_that_is_put_off_is_put_off_while_its_files_are_fetched(customer: Customer) -> None:
    customer.writes("oi").is_served()
    set_bot_paused(paused=True, agent="user:7", now=timezone.now())
    library = Library()
    fetched_meanwhile(customer, library, photos_wait(customer, library))
    customer.is_served()
    assert len(customer.store.before_commits) == FILES - 1
    assert sum(is_postponed(message) for message in customer.received) == FILES


def test_what_the_owner_sends_is_recorded_while_its_file_is_fetched(customer: Customer, valkey: Any) -> None:
    customer.writes("oi").is_served()
    library = Library()
    sent_at = str(int(timezone.now().timestamp()))
    about = {"from": "554230000000", "to": customer.wa_id, "timestamp": sent_at}
    echoes = [{"id": f"wamid.echo.{number}"} | about | photo(library) for number in range(FILES)]
    assert post(envelope(message_echoes=echoes)).status_code == 200
    fetched_meanwhile(customer, library, [message for message in stored_messages() if message.media])
    customer.is_served()
    assert_passed_at_once(customer, valkey)
    assert customer.header.mode == Mode.HUMAN
    assert {message.state for message in customer.echoes} == {"SENT"}


def test_what_another_worker_answered_after_it_was_read_is_a_lost_race(customer: Customer, outside: Outside) -> None:
    """Together with more, so that its turn is another one; and the header is read as it is afterwards."""
    customer.writes("oi").is_served()
    customer.writes("Onde vocês ficam?")
    store, query = customer.store, customer.store.query

    def read_and_be_late(what: Any) -> Any:
        found = query(what)
        store.query = query  # type: ignore[method-assign]
        customer.writes("e o horário?").is_served()
        return found

    store.query = read_and_be_late  # type: ignore[method-assign]
    customer.is_served()
    assert len(outside.sent) == 2
    assert len({message.turn_id for message in customer.received}) == 2
