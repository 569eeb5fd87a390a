"""What the customers' phones show: customers, chats, files; kept in a file where one is given.

Not thread-safe: `FakeMeta` holds its lock around every call.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .customers import Customer
from .webhooks import Item

CHAT_KEEPS = 500  # messages of one chat in the state file
MIME_TYPES = {
    "image": {"image/jpeg", "image/png", "image/webp"},
    "audio": {"audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/amr", "audio/webm"},
    "video": {"video/mp4", "video/3gpp"},
    "sticker": {"image/webp"},
    "document": {"application/pdf", "text/plain"},
}
MAX_BYTES = {"image": 5, "audio": 16, "video": 16, "sticker": 0.5, "document": 100}  # MB, Meta's limits


class BadRequest(Exception):
    """The control API was asked for something that does not exist; the text is for the person at the page."""


class Phones:
    def __init__(self, state_path: Path | None) -> None:
        self.customers: dict[str, Customer] = {}
        self.chats: dict[str, list[dict[str, Any]]] = {}
        self.undelivered: dict[str, Item] = {}  # by wamid: what the webhook has not answered 200 yet
        self.starts = 0
        self._by_identifier: dict[str, Customer] = {}
        self._owners: dict[str, str] = {}  # wamid to customer_id
        self._media: dict[str, tuple[bytes, str]] = {}
        self._path = state_path
        if state_path is not None and state_path.exists():
            self._load(json.loads(state_path.read_text()))

    def add_customer(self, customer: Customer) -> None:
        self.customers[customer.customer_id] = customer
        self.chats[customer.customer_id] = []
        self._by_identifier.update(dict.fromkeys(customer.identifiers(), customer))

    def find_customer(self, recipient: str) -> Customer | None:
        """By number, with or without "+" and the ninth digit, or by user id."""
        return self._by_identifier.get(recipient.lstrip("+"))

    def add_entry(self, customer_id: str, entry: dict[str, Any]) -> None:
        self.chats[customer_id].append(entry)
        self._owners[entry["wamid"]] = customer_id

    def find_entry(self, wamid: str) -> tuple[str, dict[str, Any]] | None:
        """`(customer_id, entry)` of a message."""
        customer_id = self._owners.get(wamid)
        if customer_id is None:
            return None
        entry = next((entry for entry in reversed(self.chats[customer_id]) if entry["wamid"] == wamid), None)
        return None if entry is None else (customer_id, entry)

    def add_media(self, media_id: str, data: bytes, mime_type: str) -> None:
        self._media[media_id] = data, mime_type
        if self._path is not None:
            folder = self._media_folder()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / media_id).write_bytes(mime_type.encode() + b"\n" + data)

    def find_media(self, media_id: str) -> tuple[bytes, str] | None:
        """`(data, mime_type)`"""
        if media_id not in self._media and self._path is not None and media_id.isdigit():
            path = self._media_folder() / media_id
            if path.exists():
                mime_type, _, data = path.read_bytes().partition(b"\n")
                self._media[media_id] = data, mime_type.decode()
        return self._media.get(media_id)

    def media_reference(self, media_id: str) -> dict[str, str]:
        """What a webhook says about a file; its digest is base64 there, hexadecimal in the Graph API."""
        found = self.find_media(media_id)
        if found is None:
            raise KeyError(media_id)
        data, mime_type = found
        shown = "audio/ogg; codecs=opus" if mime_type == "audio/ogg" else mime_type
        return {
            "id": media_id,
            "mime_type": shown,
            "sha256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        }

    def save(self) -> None:
        if self._path is None:
            return
        state = {
            "version": 1,
            "saved_at": time.time(),
            "starts": self.starts,
            "customers": [customer.to_dict() for customer in self.customers.values()],
            "chats": {customer_id: chat[-CHAT_KEEPS:] for customer_id, chat in self.chats.items()},
            "undelivered": [_item_to_dict(item) for item in self.undelivered.values()],
        }
        draft = self._path.with_name(self._path.name + ".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(state))
        os.replace(draft, self._path)

    def _load(self, state: Mapping[str, Any]) -> None:
        self.starts = state["starts"]
        for fields in state["customers"]:
            self.add_customer(Customer(**fields))
        for customer_id, chat in state["chats"].items():
            for entry in chat:
                self.add_entry(customer_id, entry)
        items = [Item(**fields) for fields in state["undelivered"]]
        self.undelivered = {item.wamid: item for item in items}

    def _media_folder(self) -> Path:
        assert self._path is not None
        return self._path.with_name(self._path.name + ".media")


def _item_to_dict(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "payload": item.payload,
        "phone_number_id": item.phone_number_id,
        "contact": item.contact,
    }
