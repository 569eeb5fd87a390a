"""The webhook bodies that Meta sends: shapes of messages, statuses and the envelope. Pure."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .customers import Customer

WABA_ID = "102290129340398"
MEDIA_TYPES = ("image", "video", "document", "audio", "sticker")


@dataclass(frozen=True)
class Item:
    """One message, echo or status on its way to the webhook."""

    kind: str  # "messages", "message_echoes" or "statuses": the list that it stands in
    payload: Mapping[str, Any]
    phone_number_id: str
    contact: Mapping[str, Any] | None = None

    @property
    def wamid(self) -> str:
        return str(self.payload["id"])

    @property
    def field(self) -> str:
        return "smb_message_echoes" if self.kind == "message_echoes" else "messages"


def envelope(items: Iterable[Item], display_numbers: Mapping[str, str]) -> dict[str, Any]:
    """One webhook body; neighbours of one kind and one number of ours share a change."""
    changes = []
    for (kind, phone_number_id), group in groupby(items, key=lambda item: (item.kind, item.phone_number_id)):
        together = list(group)
        metadata = {
            "display_phone_number": display_numbers.get(phone_number_id, ""),
            "phone_number_id": phone_number_id,
        }
        value: dict[str, Any] = {"messaging_product": "whatsapp", "metadata": metadata}
        contacts = {item.contact["user_id"]: item.contact for item in together if item.contact}
        if contacts:
            value["contacts"] = list(contacts.values())
        value[kind] = [item.payload for item in together]
        changes.append({"field": together[0].field, "value": value})
    return {"object": "whatsapp_business_account", "entry": [{"id": WABA_ID, "changes": changes}]}


def signature(body: bytes, app_secret: str) -> str:
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def contact(customer: Customer) -> dict[str, Any]:
    profile = {"name": customer.name} | ({"username": customer.username} if customer.username else {})
    known = {"wa_id": customer.wa_id} if customer.wa_id else {}
    return {"profile": profile, **known, "user_id": customer.user_id}


def message(customer: Customer, wamid: str, at: float, body: Mapping[str, Any]) -> dict[str, Any]:
    """A message of the customer; `body` comes from `message_body`."""
    sender = {"from": customer.wa_id} if customer.wa_id else {}
    return {**sender, "from_user_id": customer.user_id, "id": wamid, "timestamp": str(int(at)), **body}


def echo(customer: Customer, wamid: str, at: float, text: str, business_number: str) -> dict[str, Any]:
    """A message that the owner wrote in the phone app."""
    to = {"to": customer.wa_id} if customer.wa_id else {}
    head = {"from": business_number, **to, "to_user_id": customer.user_id}
    return {**head, "id": wamid, "timestamp": str(int(at)), "type": "text", "text": {"body": text}}


def status(
    customer: Customer, wamid: str, name: str, at: float, callback_data: str, error: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    known = {"recipient_id": customer.wa_id} if customer.wa_id else {}
    body: dict[str, Any] = {
        "id": wamid,
        "status": name,
        "timestamp": str(int(at)),
        **known,
        "recipient_user_id": customer.user_id,
    }
    if error:
        body["errors"] = [error]
    else:
        body["pricing"] = {"billable": False, "pricing_model": "PMP", "category": "service", "type": "regular"}
    if callback_data:
        body["biz_opaque_callback_data"] = callback_data
    return body


def message_body(content: Mapping[str, Any], media: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a message that its type decides: `{"type": …, <type>: …}`.

    `content` is what the control API was given: {"type", …}; `media` {"id", "mime_type", "sha256", "url"} of a stored
    file, for the types that carry one. What `content` leaves out is invented. Raises KeyError for an unknown type.
    """
    kind = content["type"]
    if kind in MEDIA_TYPES:
        return {"type": kind, kind: _media(kind, content, media)}
    if kind in {"list_reply", "button_reply", "nfm_reply"}:
        return {"type": "interactive", "interactive": {"type": kind, kind: _reply(kind, content)}}
    return _BODIES[kind](content)


def _media(kind: str, content: Mapping[str, Any], media: Mapping[str, Any]) -> dict[str, Any]:
    body = dict(media)
    if kind in {"image", "video", "document"} and content.get("caption"):
        body["caption"] = content["caption"]
    if kind == "document":
        body["filename"] = content.get("filename") or "documento.pdf"
    if kind == "audio":
        body["voice"] = content.get("voice", True)
    if kind == "sticker":
        body["animated"] = False
    return body


def _reply(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "nfm_reply":
        return {"name": "flow", "body": "Sent", "response_json": content.get("response_json", "{}")}
    described = {"description": content["description"]} if kind == "list_reply" and content.get("description") else {}
    return {"id": content["id"], "title": content["title"], **described}


def _contacts(content: Mapping[str, Any]) -> dict[str, Any]:
    name = content.get("name", "Padaria Invenção")
    phone = {"phone": "+55 42 99999-0000", "wa_id": "554299990000", "type": "WORK"}
    return {"type": "contacts", "contacts": [{"name": {"formatted_name": name, "first_name": name}, "phones": [phone]}]}


def _system(content: Mapping[str, Any]) -> dict[str, Any]:
    details = {key: content[key] for key in ("wa_id", "user_id") if content.get(key)}
    return {
        "type": "system",
        "system": {"body": content.get("body", ""), "type": content.get("event", "user_changed_number"), **details},
    }


def _order(content: Mapping[str, Any]) -> dict[str, Any]:
    item = {"product_retailer_id": "cesta-01", "quantity": 1, "item_price": 49.9, "currency": "BRL"}
    return {
        "type": "order",
        "order": {"catalog_id": "194836987003835", "text": content.get("text", ""), "product_items": [item]},
    }


def _unsupported(content: Mapping[str, Any]) -> dict[str, Any]:
    details = {"details": "Message type is currently not supported."}
    error = {"code": 131051, "title": "Message type unknown", "message": "Message type unknown", "error_data": details}
    return {
        "type": "unsupported",
        "errors": [error],
        "unsupported": {"type": content.get("unsupported_type", "poll_creation")},
    }


_BODIES: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "text": lambda content: {"type": "text", "text": {"body": content["text"]}},
    "button": lambda content: {
        "type": "button",
        "button": {"payload": content.get("payload", content["text"]), "text": content["text"]},
    },
    "reaction": lambda content: {
        "type": "reaction",
        # Taking a reaction back leaves the emoji out.
        "reaction": {"message_id": content["wamid"]} | ({"emoji": content["emoji"]} if content.get("emoji") else {}),
    },
    "location": lambda content: {
        "type": "location",
        "location": {
            "latitude": content.get("latitude", -25.0945),
            "longitude": content.get("longitude", -50.1633),
            "name": content.get("name", "Centro"),
            "address": content.get("address", "Ponta Grossa, PR"),
        },
    },
    "contacts": _contacts,
    "system": _system,
    "order": _order,
    "edit": lambda content: {
        "type": "edit",
        "edit": {
            "original_message_id": content["wamid"],
            "message": {"type": "text", "text": {"body": content["text"]}},
        },
    },
    "revoke": lambda content: {"type": "revoke", "revoke": {"original_message_id": content["wamid"]}},
    "unsupported": _unsupported,
    "raw": lambda content: dict(content["message"]),
}
