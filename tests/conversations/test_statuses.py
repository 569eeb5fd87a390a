"""Delivery statuses find their message, in whatever order, number and company they come."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.models import Actor, Direction, Message, MessageState
from conversations.whatsapp.split import provider_key
from pyloto.documents import DocumentStore, get_store, use_store
from pyloto.documents.recorder import RecordingStore
from pyloto.observability.metrics import STATUSES_UNMATCHED
from pyloto.privacy.hashing import digest

from .deliveries import envelope, post, text_message
from .kept import quarantined, revealed, run_turns, sample, stored_messages, user_keys, value_of
from .outside import Outside

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
FAILED = {"code": 131026, "title": "Message undeliverable", "error_data": {"details": "5542999990001 has no WhatsApp"}}


def status(name: str, message: Message | None = None, *, wamid: str = "wamid.out1", **fields: Any) -> dict[str, Any]:
    seconds = {"sent": 1, "delivered": 2, "read": 3, "played": 4, "failed": 5}[name]
    report = {"id": wamid, "status": name, "timestamp": str(1790000000 + seconds), "recipient_id": "5542999990001"}
    if message:
        report["biz_opaque_callback_data"] = f"{message.path.split('/')[1]}.{message.pk}"
    if name == "failed":
        report["errors"] = [FAILED]
    return report | fields


def our_message(wamid: str = "", n: int = 0, **fields: Any) -> Message:
    """An outbound message as it waits for its statuses; Meta's id is known where the answer came."""
    key = digest("reply", str(n))
    values = {"state": MessageState.SENT if wamid else MessageState.SENDING, "text": "Olá!", **fields}
    message = Message(
        id=key,
        direction=Direction.OUT,
        actor=Actor.PYLOTO,
        type="text",
        timestamp=NOW,
        received_at=NOW,
        seq=n,
        provider_message_key=provider_key(wamid) if wamid else None,
        **values,
    )
    message.path = f"conversations/{'a' * 32}/messages/{key}"
    get_store().create(message.path, message.to_document())
    return message


def times(message: Message) -> dict[str, int]:
    return {name: int(at.timestamp()) - 1790000000 for name, at in message.status_at.items()}


def outbound() -> list[Message]:
    return [message for message in stored_messages() if message.direction == "out"]


def test_a_status_finds_its_message_by_our_own_id(store: DocumentStore, valkey: object) -> None:
    ours = our_message()
    assert post(envelope(statuses=[status("sent", ours), status("delivered", ours)])).status_code == 200
    [message] = outbound()
    assert times(message) == {"sent": 1, "delivered": 2}
    assert revealed(message, "provider_message_id") == "wamid.out1"
    assert message.provider_message_key == provider_key("wamid.out1")


def test_a_status_never_touches_the_state(embedded_store: DocumentStore, valkey: object) -> None:
    """It belongs to the workers; the status may come before the answer to the very request that sent the message."""
    ours = our_message(claimed_by="attempt", text="Olá!")
    post(envelope(statuses=[status("failed", ours)]))
    [message] = outbound()
    assert (message.state, message.claimed_by, message.text) == (MessageState.SENDING, "attempt", "Olá!")
    assert message.errors == [{"code": 131026, "title": "Message undeliverable"}]


def test_a_status_without_our_id_finds_its_message_by_that_of_meta(store: DocumentStore, valkey: object) -> None:
    our_message("wamid.out1")
    our_message("wamid.out2", n=1)
    post(envelope(statuses=[status("delivered", wamid="wamid.out2")]))
    assert [times(message) for message in outbound()] == [{}, {"delivered": 2}]


def test_the_owners_own_messages_get_their_statuses(embedded_store: DocumentStore, valkey: object) -> None:
    post(sample("echo"))
    wamid = value_of(sample("echo"))["message_echoes"][0]["id"]
    post(envelope(statuses=[status("read", wamid=wamid)]))
    [message] = outbound()
    assert times(message)["read"] == 3


def test_statuses_of_unknown_messages_are_counted_and_change_nothing(
    embedded_store: DocumentStore, valkey: object
) -> None:
    before = STATUSES_UNMATCHED._value.get()
    ours = our_message("wamid.out1")
    get_store().delete(ours.path)
    lost = [status("sent", ours), status("sent", wamid="wamid.never"), status("sent", biz_opaque_callback_data="x.y")]
    assert post(envelope(statuses=lost)).status_code == 200
    assert STATUSES_UNMATCHED._value.get() == before + 3
    assert stored_messages() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"recipient_id": "123"},
        {"recipient_id": "120363041234567890", "recipient_type": "group"},
        {"recipient_id": None, "recipient_user_id": "BR.1", "biz_opaque_callback_data": None},
        {"biz_opaque_callback_data": "../../x." + "a" * 40},
        {"biz_opaque_callback_data": "a" * 32 + "." + "A" * 40},
        {"biz_opaque_callback_data": {"a": 1}},
    ],
)
def test_an_odd_recipient_or_callback_is_no_error(
    embedded_store: DocumentStore, valkey: object, fields: dict[str, Any]
) -> None:
    assert post(envelope(text_message("wamid.A", "oi"), statuses=[status("sent", **fields)])).status_code == 200
    assert len(stored_messages()) == 1


@pytest.mark.parametrize("broken", [{"status": "teleported"}, {"timestamp": "soon"}, {"id": ""}, {"status": None}])
def test_a_status_that_cannot_be_read_is_quarantined_alone(
    embedded_store: DocumentStore, valkey: object, broken: dict[str, Any]
) -> None:
    ours = our_message()
    post(envelope(statuses=[status("sent", ours) | broken, status("delivered", ours)]))
    assert times(outbound()[0]) == {"delivered": 2}
    assert [kept.reason for kept in quarantined()] == ["bad_statuses_ValidationError"]


def test_a_thousand_statuses_that_nobody_sent_cost_no_thousand_queries(
    embedded_store: DocumentStore, valkey: object
) -> None:
    """Another system may send through the same number; a delivery that takes too long comes again for a week."""
    reports = [status("sent", wamid=f"wamid.{n}", recipient_id=f"55429999{n:05}") for n in range(1000)]
    with use_store(RecordingStore(get_store())) as recording:
        assert post(envelope(statuses=reports)).status_code == 200
    assert recording.round_trips <= 34


NAMES = ["sent", "delivered", "read", "played", "failed"]


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[str]]:
    """Some statuses of one message, in any order, some twice, in any number of deliveries."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    order = draw(st.permutations(names + draw(st.lists(st.sampled_from(names), max_size=3))))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=3)))
    return [part for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True) if (part := order[start:end])]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries(), st.booleans())
def test_in_any_order_statuses_make_the_same_document(
    embedded_store: DocumentStore, valkey: object, parts: list[list[str]], named: bool
) -> None:
    ours = our_message("wamid.out1")
    for part in parts:
        assert post(envelope(statuses=[status(name, ours if named else None) for name in part])).status_code == 200
    [message] = outbound()
    get_store().delete(ours.path)
    names = {name for part in parts for name in part}
    assert times(message) == {name: NAMES.index(name) + 1 for name in names}
    assert bool(message.errors) == ("failed" in names)
    assert message.state == MessageState.SENT


def test_a_reply_carries_the_id_that_its_status_brings_back(
    store: DocumentStore, valkey: object, outside: Outside
) -> None:
    post(envelope(text_message("wamid.A", "oi")))
    run_turns(outside)
    [sent] = outside.sent
    post(envelope(statuses=[status("read") | {"biz_opaque_callback_data": sent.callback_data}]))
    assert sent.callback_data.split(".")[0] == user_keys()[0]
    [message] = outbound()
    assert times(message)["read"] == 3
