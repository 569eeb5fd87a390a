"""Commits of other apps that belong to a customer: with their audit events, under the header's version."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from audit import Event, link
from audit.errors import CustomerErased, CustomerMerged, TrailContended
from audit.stores import SYSTEM_CHAIN, AuditLogStore
from conversations.models import Conversation
from conversations.services.commits import LOST_RACE, catch_up, header_writes, jitter
from conversations.services.erasure import end_conversation, remove_conversation
from conversations.stores import load
from pyloto import clock
from pyloto.documents import AlreadyExists, Unavailable, Write, get_store

__all__ = ["commit_with_events", "end_conversation", "remove_conversation"]  # what `audit.trails.TrailOwner` asks for

TRIES = 8


def commit_with_events(*, user_key: str, events: Sequence[Event], writes: Sequence[Write], refuse_merged: bool) -> None:
    """See `audit.trails`."""
    attempt = secrets.token_hex(16)
    before: Conversation | None = None
    error: Exception | None = None
    for race in range(TRIES):
        loaded = load(user_key, ())
        found = loaded.header
        if before is not None and _was_applied(before, events, attempt, found):
            return
        if found is None and loaded.is_erased:
            raise CustomerErased("this customer was erased")
        if found is None:
            _commit_to_system_chain(user_key, events, writes)
            return
        if found.status == Conversation.Status.ERASED:
            raise CustomerErased("this customer was erased")
        if refuse_merged and found.merged_into:
            raise CustomerMerged("this customer was merged into another one")
        if before is not None and error is not None and before.update_time == found.update_time:
            _nobody_was_faster(found, error)
        before = found
        try:
            writes_of_header = header_writes(found, {}, events=events, attempt=attempt, now=clock.now())
            get_store().commit([*writes_of_header, *writes])
        except LOST_RACE as exc:
            error = exc
            time.sleep(jitter(race))
        else:
            return
    if before is None or not _was_applied(before, events, attempt, load(user_key, ()).header):
        raise TrailContended("the conversation changed at every try")


def _was_applied(before: Conversation, events: Sequence[Event], attempt: str, header: Conversation | None) -> bool:
    """Whether a commit of ours was applied after all, only its answer lost. Others may have come after it, so that the
    header tells of them: the trail tells."""
    if not events:
        return header is not None and header.attempt == attempt
    return AuditLogStore().find_event(before.conversation_id, events[0].event_id) is not None


def _nobody_was_faster(header: Conversation, error: Exception) -> None:
    """The header did not refuse: either the chain is ahead of it, or the caller's own write failed, which is raised."""
    if not isinstance(error, Unavailable) and not catch_up(header):
        raise error


def _commit_to_system_chain(user_key: str, events: Sequence[Event], writes: Sequence[Write]) -> None:
    """An event that is there already tells that an earlier commit was applied: a repeated call does nothing."""
    named = [replace(event, metadata={**event.metadata, "user_key": user_key}) for event in events]
    trail = AuditLogStore()
    for race in range(TRIES):
        head = trail.tail(SYSTEM_CHAIN)
        if any(trail.find_event(SYSTEM_CHAIN, event.event_id) for event in named):
            return
        appended, _ = link(head, named)
        try:
            get_store().commit([*appended, *writes])
        except LOST_RACE as exc:
            others_appended = isinstance(exc, AlreadyExists) and trail.tail(SYSTEM_CHAIN) != head
            if not (others_appended or isinstance(exc, Unavailable)):
                raise
            time.sleep(jitter(race))
        else:
            return
    raise TrailContended("the trail changed at every try")
