"""Deliveries out of `tests/data/webhooks`, and what the documents hold after them."""

import json
from pathlib import Path
from typing import Any

from conversations.models import Message, Quarantined
from conversations.services.turns import process
from pyloto.documents import Query, Snapshot, get_store
from pyloto.documents.recorder import RecordingStore
from pyloto.privacy.fields import decrypt

from .outside import Outside

SAMPLES = Path(__file__).parents[1] / "data" / "webhooks"


def sample(kind: str) -> dict[str, Any]:
    """One delivery of this kind, as Meta sends it."""
    envelope: dict[str, Any] = json.loads((SAMPLES / f"{kind}.json").read_text())
    return envelope


def value_of(delivery: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = delivery["entry"][0]["changes"][0]["value"]
    return value


def first_message(delivery: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = value_of(delivery)["messages"][0]
    return message


def documents(collection: str, *, group: bool = False) -> list[Snapshot]:
    """All documents of a collection. Read past a recording store, whose queries are those of the product alone."""
    store = get_store()
    while isinstance(store, RecordingStore):
        store = store.inner
    return store.query(Query(collection, group=group))


def stored_messages() -> list[Message]:
    """All messages, in the order of their arrival."""
    found = [Message.from_snapshot(snapshot) for snapshot in documents("messages", group=True)]
    return sorted(found, key=lambda message: message.seq)


def quarantined() -> list[Quarantined]:
    return [Quarantined.from_snapshot(snapshot) for snapshot in documents("webhook_quarantine")]


def user_keys() -> list[str]:
    """Everybody who wrote."""
    return sorted({message.path.split("/")[1] for message in stored_messages()})


def run_turns(outside: Outside) -> None:
    """Do what the workers would do for each conversation."""
    for user_key in user_keys():
        process(user_key=user_key, client=outside)  # type: ignore[arg-type]


def revealed(document: Message | Quarantined, field: str) -> str:
    """The plain value of an encrypted field; "payload.raw" is one too."""
    name, _, key = field.partition(".")
    envelope = getattr(document, name)
    return decrypt(envelope[key] if key else envelope, path=document.path, field=field)
