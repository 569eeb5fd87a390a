"""Deliveries that could not be read go through the intake again, once the code can read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings

from conversations.models import Quarantined
from conversations.privacy.quarantine import body_of, delete
from conversations.services.ingest import Receipt, items_of, quarantine_id_of, store_items
from conversations.stores import QuarantineStore
from conversations.whatsapp.signature import Undecodable, decode_delivery
from conversations.whatsapp.split import InboundItem, Unreadable, envelope_of
from pyloto.observability.correlation import bind_correlation_id, new_correlation_id
from pyloto.privacy.fields import DecryptionFailed

log = structlog.get_logger(__name__)
store = QuarantineStore()

# Reasons of `decode_delivery`: the entry is a whole body, byte for byte.
UNDECODED = frozenset({"not_utf8", "too_deep", "not_json", "not_a_number", "duplicate_keys"})


class Fate(StrEnum):
    REPLAYED = "replayed"  # all that it holds is stored, and it is gone from the quarantine; in a dry run: would be
    UNREADABLE = "unreadable"  # still
    SEALED = "sealed"  # a key or a file is missing


@dataclass(frozen=True)
class Replayed:
    quarantine_id: str
    reason: str  # why it was put aside
    fate: Fate
    receipt: Receipt | None = None


def replay_quarantined(*, dry_run: bool, now: datetime) -> Iterator[Replayed]:
    """Yield what becomes of each entry, one after the other. The messages count as received now: they come late.

    An entry goes after all that it holds is durable; a second run meets its messages as duplicates. What is still
    unreadable stays. Raises `TransientError` where the stores do not answer.
    """
    for entry in store.iterate():
        yield _replay(entry, dry_run=dry_run, now=now)


def _replay(entry: Quarantined, *, dry_run: bool, now: datetime) -> Replayed:
    try:
        raw = body_of(entry)
    except DecryptionFailed:
        raw = ""
    if not raw:
        return Replayed(entry.pk, entry.reason, Fate.SEALED)
    items = _items(entry, raw)
    if not items or any(isinstance(item, Unreadable) and _is_same(item, entry, raw) for item in items):
        return Replayed(entry.pk, entry.reason, Fate.UNREADABLE)
    if dry_run:
        return Replayed(entry.pk, entry.reason, Fate.REPLAYED)
    correlation_id = new_correlation_id()
    bind_correlation_id(correlation_id)
    receipt = store_items(items, received_at=now, correlation_id=correlation_id)
    delete(entry)
    log.info("quarantine_replayed", quarantine_id=entry.pk, stored=receipt.stored, duplicates=receipt.duplicates)
    return Replayed(entry.pk, entry.reason, Fate.REPLAYED, receipt)


def _items(entry: Quarantined, raw: str) -> list[InboundItem]:
    """What can be read in it by now; nothing where it is no delivery at all."""
    try:
        part: Any = decode_delivery(raw.encode("utf-8", "surrogateescape"))
    except Undecodable:
        return []
    number = entry.phone_number_id or _only_number()
    envelope = part if entry.reason in UNDECODED else envelope_of(part, entry.reason, number)
    return items_of(envelope)


def _only_number() -> str:
    """Ours, where there is only one; entries made before the number was noted do not tell."""
    numbers = settings.WHATSAPP_PHONE_NUMBER_IDS
    return str(numbers[0]) if len(numbers) == 1 else ""


def _is_same(item: Unreadable, entry: Quarantined, raw: str) -> bool:
    """Whether it would be put aside again as what it is."""
    return item.raw == raw or quarantine_id_of(item.raw) == entry.pk
