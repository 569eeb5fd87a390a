"""Customers for the tests: some who wrote, some whom staff wrote down."""

from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache

from audit.models import AuditEvent
from profiles.models import UserProfile
from profiles.services.editing import create_profile
from tests.conversations.deliveries import envelope, post, text_message
from tests.conversations.kept import documents, run_turns
from tests.conversations.outside import Outside

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
PHONE, WA_ID = "+5542999990001", "554299990001"  # one number, the second without the ninth digit
STAFF_USER = "user:7"


def written_down(**facts: Any) -> UserProfile:
    """A customer who has not written yet."""
    return create_profile(facts={"phone": PHONE, "name": "Ana Souza", **facts}, actor=STAFF_USER, now=NOW)


def writes(wamid: str, *, name: str = "Ana Souza", wa_id: str = WA_ID, username: str = "", **fields: Any) -> str:
    """A message of somebody, answered; returns whose it is."""
    message = text_message(wamid, fields.pop("body", "oi"), wa_id=wa_id, **fields)
    if not wa_id:
        del message["from"]
    delivery = envelope(message, name=name)
    if username:
        delivery["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["username"] = username
    known = {snapshot.path for snapshot in documents("messages", group=True)}
    assert post(delivery).status_code == 200
    (new,) = [s.path for s in documents("messages", group=True) if s.path not in known]
    run_turns(Outside())
    cache.clear()  # the next delivery may meet another process
    return str(new.split("/")[1])


def events(event_type: str) -> list[AuditEvent]:
    found = [AuditEvent.from_snapshot(snapshot) for snapshot in documents("audit_logs")]
    return [event for event in found if event.event_type == event_type]
