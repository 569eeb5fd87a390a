"""Deliveries as Meta posts them: real in shape, invented in content; signed with the tests' app secret."""

import hashlib
import hmac
import json
import time
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.test import Client


def text_message(
    wamid: str, body: str, *, wa_id: str = "5542999990001", bsuid: str = "", **fields: Any
) -> dict[str, Any]:
    """Sent just now, unless `fields` says otherwise."""
    sent_at = str(int(time.time()))
    message = {"id": wamid, "from": wa_id, "timestamp": sent_at, "type": "text", "text": {"body": body}}
    return message | ({"from_user_id": bsuid} if bsuid else {}) | fields


def envelope(*messages: dict[str, Any], name: str = "Cliente Exemplo", **value: Any) -> dict[str, Any]:
    """One delivery with these messages, and a contact for each of their senders."""
    number = {"display_phone_number": "554230000000", "phone_number_id": settings.WHATSAPP_PHONE_NUMBER_IDS[0]}
    contacts = [
        {"profile": {"name": name}, "wa_id": message.get("from", ""), "user_id": message.get("from_user_id", "")}
        for message in messages
    ]
    content = {"messaging_product": "whatsapp", "metadata": number, **value}
    if messages:
        content |= {"contacts": contacts, "messages": list(messages)}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "100000000000001", "changes": [{"field": "messages", "value": content}]}],
    }


def signature(body: bytes, secret: str | None = None) -> str:
    key = (secret or settings.WHATSAPP_APP_SECRET).encode()
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def post(body: bytes | dict[str, Any], **headers: str) -> HttpResponse:
    """POST a delivery to the real address, signed unless `headers` says otherwise."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Hub-Signature-256": signature(raw), **headers}
    return Client().post("/webhooks/whatsapp", raw, content_type="application/json", headers=headers)
