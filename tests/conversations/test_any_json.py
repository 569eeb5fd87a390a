"""Whatever stands in a signed delivery: it is stored, quarantined or empty; never an error, never a poison loop."""

import json
import re
from functools import reduce
from itertools import product
from operator import getitem
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyloto.documents import DocumentStore, get_store

from .deliveries import envelope, post, text_message
from .kept import SAMPLES, documents, first_message, quarantined, revealed, sample, stored_messages, value_of

pytestmark = pytest.mark.usefixtures("valkey")

ANY = settings(
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
KEYS = [
    "object", "entry", "changes", "value", "metadata", "phone_number_id", "messages", "statuses", "message_echoes", "errors",
    "contacts", "calls", "id", "from", "from_user_id", "to", "timestamp", "type", "text", "body", "image", "caption",
    "interactive", "list_reply", "location", "latitude", "longitude", "reaction", "message_id", "context", "referral",
    "group_id", "status", "recipient_id", "biz_opaque_callback_data", "system", "profile", "name", "wa_id", "user_id", "code",
    "", "__x__", "a.b", "\x00", "\ud83d", "ação",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=8),  # lone surrogates, control characters
    st.sampled_from(
        ["text", "location", "interactive", "whatsapp_business_account", "106540352242922", "5542999990001"]
    ),
    st.sampled_from(["1790000000", "wamid.A", "sent", "BR.1", "9" * 20, "x" * 3000]),
)
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.sampled_from([10**400, -(10**400), 2**63, 1e308, 1e999])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=5),
    max_leaves=15,
)
KINDS = [
    "text",
    "image",
    "location",
    "interactive",
    "reaction",
    "order",
    "contacts",
    "system",
    "edit",
    "button",
    "hologram",
]


def encoded(value: Any) -> bytes:
    """JSON as a sender may write it: lone surrogates as escapes, 1e999 for what is infinite."""
    return json.dumps(value).replace("-Infinity", "-1e999").replace("Infinity", "1e999").encode()


def kept() -> int:
    return len(stored_messages()) + len(documents("webhook_quarantine"))


def delivered(value: Any) -> int:
    """How many documents the delivery has made; every one of them is taken away again."""
    assert post(encoded(value)).status_code == 200
    number = kept()
    for collection, group in (("messages", True), ("webhook_quarantine", False)):
        for snapshot in documents(collection, group=group):
            get_store().delete(snapshot.path)
    return number


@ANY
@given(st.dictionaries(st.sampled_from(KEYS) | TEXTS, VALUES, max_size=6))
def test_any_object_is_kept(embedded_store: DocumentStore, valkey: Any, body: dict[str, Any]) -> None:
    valkey.flushall()
    assert delivered(body) == 1


@ANY
@given(VALUES)
def test_any_value_in_the_place_of_a_value_is_kept(embedded_store: DocumentStore, valkey: Any, value: Any) -> None:
    valkey.flushall()
    delivery = envelope()
    delivery["entry"][0]["changes"][0]["value"] = value
    lists = ("messages", "statuses", "message_echoes", "errors", "contacts")
    empty = isinstance(value, dict) and any(value.get(key) == [] for key in lists)
    assert delivered(delivery) >= (0 if empty else 1)


@ANY
@given(st.sampled_from(["messages", "message_echoes"]), st.sampled_from(KINDS), VALUES, st.dictionaries(TEXTS, VALUES))
@example("messages", "location", {"latitude": "nan", "longitude": 1}, {})
@example("messages", "location", {"latitude": 10**400, "longitude": 1}, {})
@example("messages", "location", {}, {})
@example("messages", "hologram", "😀" * 200_000, {})
@example("messages", "order", {"product_items": ["\ud83d" * 300_000]}, {})
@example("message_echoes", "text", {"body": "x"}, {"to_user_id": "B" * 2_000_000})
@example("messages", "text", {"body": "x"}, {"from": "1" * 30, "from_user_id": "BR.\ud83d"})
@example(
    "messages", "interactive", {"type": "list_reply", "list_reply": {"id": "x" * 9999, "title": "😀" * 20_000}}, {}
)
def test_any_content_and_field_of_a_message_is_kept(
    embedded_store: DocumentStore, valkey: Any, kind: str, own_type: str, own: Any, more: dict[str, Any]
) -> None:
    valkey.flushall()
    message = {"id": "wamid.A", "from": "5542999990001", "to": "5542999990001", "timestamp": "1790000000"}
    message |= {"type": own_type, own_type: own} | more
    delivery = envelope()
    value_of(delivery)[kind] = [message]
    assert delivered(delivery) == 1


@ANY
@given(st.dictionaries(st.sampled_from(["metadata", "contacts", "errors", "context", "x"]), VALUES), VALUES)
def test_what_stands_beside_a_message_costs_it_nothing(
    embedded_store: DocumentStore, valkey: Any, beside: dict[str, Any], other: Any
) -> None:
    valkey.flushall()
    delivery = sample("text")
    value = value_of(delivery)
    value["messages"].append(other)
    value |= {key: content for key, content in beside.items() if key != "metadata"}
    assert delivered(delivery) >= 2


@pytest.mark.parametrize("kind", sorted(path.stem for path in SAMPLES.glob("*.json")))
def test_no_broken_field_costs_another_message(embedded_store: DocumentStore, kind: str) -> None:
    """Each field in turn is taken away, emptied, or of another type: all of these in one delivery."""
    entries, whole = [], set()
    variants = product(fields_of(sample(kind)["entry"][0]), (None, "", [], {}, 0, "\ud83d"))
    for number, (path, broken) in enumerate(variants):
        entry = json.loads(json.dumps(sample(kind)["entry"][0]).replace('"id": "wamid.', f'"id": "wamid.<{number}>'))
        *ways, last = path
        reduce(getitem, ways, entry)[last] = broken
        entries.append(entry)
        if f"<{number}>" in json.dumps(entry):
            whole.add(number)
    assert post(encoded(sample(kind) | {"entry": entries})).status_code == 200
    texts = [revealed(message, "provider_message_id") for message in stored_messages()]
    texts += [revealed(kept, "body") for kept in quarantined() if not kept.file]
    found = {int(number) for text in texts for number in re.findall(r"<(\d+)>", text)}
    assert whole or kind in {"account_update", "calls", "value_errors"}
    assert whole <= found or "status" in kind


def fields_of(item: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [found for key, inner in pairs for found in ((*path, key), *fields_of(inner, (*path, key)))]


def test_odd_content_comes_back_as_it_was_sent(store: DocumentStore) -> None:
    delivery = sample("unknown_type")
    odd = {"": [[1, [2]]], "__x__": {"a.b": "\x00", "deep": deep(40)}, "half": "\ud83d"}
    first_message(delivery)["hologram"] = odd
    assert post(encoded(delivery)).status_code == 200
    [message] = stored_messages()
    assert json.loads(revealed(message, "payload.raw")) == odd | {"half": "\ufffd"}


def test_lone_surrogates_and_nul_in_a_text_are_stored(store: DocumentStore) -> None:
    assert post(envelope(text_message("wamid.A", "a\ud83d\x00b"), name="\udc00Ana")).status_code == 200
    assert [message.text for message in stored_messages()] == ["a\ufffd\x00b"]


def test_an_item_that_is_too_large_for_a_document_is_quarantined_alone(store: DocumentStore) -> None:
    large = text_message("wamid.B", "") | {"type": "order", "order": {"text": "oi", "product_items": ["😀" * 300_000]}}
    assert post(envelope(text_message("wamid.A", "oi"), large)).status_code == 200
    assert [message.text for message in stored_messages()] == ["oi"]
    assert [kept.reason for kept in quarantined()] == ["bad_messages_ValueError"]


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else "bottom"
