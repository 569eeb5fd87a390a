"""Ending a conversation whose customer is erased: first nobody may write to it, at last its header goes too."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.utils import timezone

from audit import Head, link
from audit.errors import TrailContended
from audit.stores import AuditLogStore
from audit.trails import Changes
from conversations.models import Conversation, Mode
from conversations.services.commits import LOST_RACE, catch_up, header_writes, jitter
from conversations.stores import ConversationStore, load
from pyloto.documents import Delete, Write, get_store

TRIES = 8


def end_conversation(*, user_key: str, changes: Changes) -> None:
    """See `audit.trails`."""

    def compose(header: Conversation | None) -> Sequence[Write] | None:
        now = timezone.now()
        ended = header or Conversation(
            id=user_key, conversation_id=secrets.token_hex(16), created_at=now, updated_at=now
        )
        if (change := changes(ended.conversation_id)) is None:
            return None
        events, writes = change
        fields: dict[str, Any] = {
            "status": Conversation.Status.ERASED.value,
            "merged_into": None,
            "mode": Mode.BOT.value,
            "owner_epoch": ended.owner_epoch + 1,  # what waits to be sent was written for the one before
            "assigned_to": None,
            "app_until": None,
            "session_id": None,
            "last_user_at": None,  # closes the window for replies
            "last_message_preview": "",
            "unread": 0,
            "flood": {},
        }
        return [*header_writes(ended, fields, events=events, attempt=secrets.token_hex(16), now=now), *writes]

    _commit(user_key, compose)


def remove_conversation(*, user_key: str, conversation_id: str, changes: Changes) -> None:
    """See `audit.trails`."""

    def compose(header: Conversation | None) -> Sequence[Write] | None:
        if (change := changes(conversation_id)) is None:
            return None
        events, writes = change
        if header is None:
            head = AuditLogStore().tail(conversation_id)
            return [*link(head, events)[0], *writes]
        head = Head.from_document(header.conversation_id, header.audit_head)
        removed = Delete(ConversationStore.path(user_key), last_update_time=header.update_time)
        return [removed, *link(head, events)[0], *writes]

    _commit(user_key, compose)


def _commit(user_key: str, compose: Callable[[Conversation | None], Sequence[Write] | None]) -> None:
    """Commit what `compose` makes of the header, again where somebody was faster or no answer came.

    `compose` finds out by itself that an earlier try was applied after all.
    """
    for race in range(TRIES):
        header = load(user_key, ()).header
        if header is not None and race:  # was the chain ahead of the header?
            catch_up(header)
        if (writes := compose(header)) is None:
            return
        try:
            get_store().commit(writes)
        except LOST_RACE:
            time.sleep(jitter(race))
        else:
            return
    raise TrailContended("the conversation changed at every try")
