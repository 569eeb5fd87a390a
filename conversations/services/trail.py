"""Commits of other apps that belong to a customer: with their audit events, under the header's version."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from audit import Event, Head, link
from audit.errors import CustomerErased, TrailContended
from audit.stores import SYSTEM_CHAIN, AuditLogStore
from conversations.models import Conversation
from conversations.services.commits import LOST_RACE, header_writes, jitter
from conversations.stores import load
from pyloto.documents import AlreadyExists, Unavailable, Write, get_store

TRIES = 8


def commit_with_events(
    *, user_key: str, events: Sequence[Event], writes: Sequence[Write], header: Mapping[str, Any]
) -> None:
    """See `audit.trails`."""
    attempt = secrets.token_hex(16)
    error: Exception | None = None
    found: Conversation | None = None
    for race in range(TRIES):
        before = found
        found = load(user_key, ()).header
        if found is None:
            _commit_to_system_chain(user_key, events, writes)
            return
        if found.attempt == attempt:
            return  # a commit of ours was applied after all, only its answer was lost
        if found.status == Conversation.Status.ERASED:
            raise CustomerErased("this customer was erased")
        if error is not None and not isinstance(error, Unavailable):
            if before is not None and before.update_time == found.update_time:
                _settle(found, error)
            time.sleep(jitter(race))
        try:
            get_store().commit(
                [*header_writes(found, header, events=events, attempt=attempt, now=timezone.now()), *writes]
            )
        except LOST_RACE as exc:
            error = exc
        else:
            return
    found = load(user_key, ()).header
    if found is not None and found.attempt == attempt:
        return
    raise TrailContended("the conversation changed at every try")


def _settle(header: Conversation, error: Exception) -> None:
    """The header is as it was read, so it did not refuse: the chain is ahead of it, or the caller's own write failed."""
    tail = AuditLogStore().tail(header.conversation_id)
    if tail.seq > Head.from_document(header.conversation_id, header.audit_head).seq:
        header.audit_head = tail.to_document()
        return
    raise error


def _commit_to_system_chain(user_key: str, events: Sequence[Event], writes: Sequence[Write]) -> None:
    """Their ids tell events that are there already: a repeated call appends nothing twice."""
    named = [replace(event, metadata={**event.metadata, "user_key": user_key}) for event in events]
    trail = AuditLogStore()
    for race in range(TRIES):
        head = trail.tail(SYSTEM_CHAIN)
        new = [event for event in named if trail.find_event(SYSTEM_CHAIN, event.event_id) is None]
        if named and not new:
            return
        appended, _ = link(head, new)
        try:
            get_store().commit([*appended, *writes])
        except LOST_RACE as exc:
            if not isinstance(exc, AlreadyExists | Unavailable) or trail.tail(SYSTEM_CHAIN) == head:
                raise
            time.sleep(jitter(race))
        else:
            return
    raise TrailContended("the trail changed at every try")
