"""A whole conversation over HTTP with the fake Meta, which fails on request: webhooks in, sends out, statuses back."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conversations.services.turns import process
from conversations.simulator.fake import FakeMeta
from conversations.whatsapp.client import WhatsAppOutboundClient
from tests.lab.faulty_store import FaultyStore

from .conftest import user_keys
from .customer import Customer
from .outside import Outside

READ_SECONDS = 0.5


@pytest.fixture
def meta(settings: Any, live_server: Any) -> Iterator[FakeMeta]:
    with FakeMeta(
        webhook_url=f"{live_server.url}/webhooks/whatsapp",
        app_secret=settings.WHATSAPP_APP_SECRET,
        access_token=settings.WHATSAPP_ACCESS_TOKEN,
        phone_number_ids=settings.WHATSAPP_PHONE_NUMBER_IDS,
        seed=1,
    ) as meta:
        yield meta


@pytest.fixture
def client(meta: FakeMeta, settings: Any) -> WhatsAppOutboundClient:
    return WhatsAppOutboundClient(
        graph_url=meta.url,
        version=settings.WHATSAPP_GRAPH_VERSION,
        access_token=settings.WHATSAPP_ACCESS_TOKEN,
        read_seconds=READ_SECONDS,
    )


@pytest.fixture
def conversation(embedded_store: Any, valkey: object, meta: FakeMeta) -> Customer:
    """Somebody wrote "oi", and it is stored."""
    someone = meta.add_customer("Ana Exemplo")
    meta.write(someone.customer_id, {"type": "text", "text": "oi"})
    wait_until(lambda: bool(user_keys()))
    return Customer(FaultyStore(embedded_store), Outside(), wa_id=someone.wa_id)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def serve(conversation: Customer, client: WhatsAppOutboundClient) -> None:
    process(user_key=conversation.user_key, client=client)


def test_a_reply_is_accepted_once_and_reported_back(
    conversation: Customer, client: WhatsAppOutboundClient, meta: FakeMeta
) -> None:
    serve(conversation, client)
    wait_until(lambda: "read" in conversation.replies[0].status_at)
    [accepted] = meta.accepted()
    assert conversation.states == ["SENT"]
    assert accepted["callback_data"] == f"{conversation.user_key}.{conversation.replies[0].pk}"
    assert conversation.trail()


def test_a_send_that_was_accepted_but_timed_out_is_settled_by_its_status(
    conversation: Customer, client: WhatsAppOutboundClient, meta: FakeMeta
) -> None:
    meta.misbehave({"fail_next": [{"mode": "accept_then_timeout", "count": 1}]})
    serve(conversation, client)
    wait_until(lambda: bool(conversation.replies[0].status_at))
    serve(conversation, client)
    assert (conversation.states, len(meta.accepted())) == (["SENT"], 1)


def test_a_server_error_is_a_doubt_and_not_sent_again_at_once(
    conversation: Customer, client: WhatsAppOutboundClient, meta: FakeMeta
) -> None:
    meta.misbehave({"fail_next": [{"mode": "500", "count": 1}]})
    serve(conversation, client)
    serve(conversation, client)
    assert (conversation.states, meta.accepted()) == (["UNKNOWN"], [])


@pytest.mark.parametrize("mode", ["429", "refuse"])
def test_a_send_that_was_surely_not_made_is_made_again(
    conversation: Customer, client: WhatsAppOutboundClient, meta: FakeMeta, clock: Any, mode: str
) -> None:
    meta.misbehave({"fail_next": [{"mode": mode, "count": 1, "seconds": 0.5}]})
    serve(conversation, client)
    assert conversation.states == ["QUEUED"]
    clock.shift(5)
    time.sleep(0.6 if mode == "refuse" else 0)
    serve(conversation, client)
    assert (conversation.states, len(meta.accepted())) == (["SENT"], 1)
