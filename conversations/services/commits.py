"""How a conversation is changed: its header, the audit events and whatever a plan leads to, in one commit."""

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audit import Event, EventType, Head, event_id, link
from audit.stores import AuditLogStore
from conversations.models import Actor, Conversation, Direction, Message, MessageState
from conversations.plans import TurnPlan
from conversations.replies import Reply
from conversations.stores import ConversationStore, HandoffStore, Loaded, SessionStore, due
from conversations.whatsapp.messages import Buttons, Content, ListMessage, Text, content_to_document
from profiles.identifiers import Sender
from profiles.models import Identity, UserProfile
from profiles.stores import UserProfileStore
from pyloto.documents import AlreadyExists, Create, NotFound, PreconditionFailed, Unavailable, Update, Write
from pyloto.privacy.fields import decrypt
from pyloto.privacy.hashing import digest

# What a commit raises where others were faster, and where nobody knows whether it was applied: then read again.
LOST_RACE = (AlreadyExists, PreconditionFailed, NotFound, Unavailable)

PREVIEW_MAX = 120


def jitter(race: int) -> float:
    """Seconds to wait after the lost race with this number, from 0 on."""
    return random.uniform(0, 0.05 * 2 ** min(race, 5))


def header_writes(
    header: Conversation, changes: Mapping[str, Any], *, events: Sequence[Event], attempt: str, now: datetime
) -> list[Write]:
    """The header's write and those of its audit events.

    The header is the version of the conversation: the commit fails where it changed since it was read, or where
    another one created it. `attempt` is random for each run, so that the header changes with every commit.
    """
    writes, head = link(Head.from_document(header.conversation_id, header.audit_head), events)
    fields = {**changes, "attempt": attempt, "audit_head": head.to_document(), "updated_at": now}
    path = ConversationStore.path(header.pk)
    if header.update_time is None:
        return [Create(path, {**header.to_document(), **fields}), *writes]
    return [Update(path, fields, last_update_time=header.update_time), *writes]


def catch_up(header: Conversation) -> bool:
    """Take the end of the chain for the header's, where that is behind; whether it was. For who met an existing event."""
    tail = AuditLogStore().tail(header.conversation_id)
    if tail.seq <= Head.from_document(header.conversation_id, header.audit_head).seq:
        return False
    header.audit_head = tail.to_document()
    return True


def new_header(user_key: str, message: Message, now: datetime) -> Conversation:
    """That of a conversation of which this is the first message; its id in the trail is random."""
    return Conversation(
        id=user_key,
        conversation_id=secrets.token_hex(16),
        channel=message.provider,
        created_at=now,
        updated_at=now,
    )


def senders_of(messages: Sequence[Message]) -> list[Sender]:
    """What WhatsApp knew the customer by, with each message. Raises `DecryptionFailed`."""
    return [
        Sender.from_json(decrypt(message.sender, path=message.path, field="sender"))
        for message in messages
        if message.sender
    ]


def identities_in(loaded: Loaded) -> dict[str, Identity]:
    """The identity entries among the documents that were read, by their ids."""
    return {
        snapshot.id: Identity.from_snapshot(snapshot)
        for path, snapshot in loaded.snapshots.items()
        if path.startswith(f"{Identity.collection}/")
    }


def profile_in(loaded: Loaded, user_key: str) -> UserProfile | None:
    """The customer's profile among the documents that were read; None where there is none yet."""
    snapshot = loaded.snapshots.get(UserProfileStore.path(user_key))
    return UserProfile.from_snapshot(snapshot) if snapshot else None


def preview_of(text: str, kind: str) -> str:
    """What the list of conversations shows of a message: its text, else its type in brackets."""
    return (text or f"[{kind}]")[:PREVIEW_MAX]


@dataclass(frozen=True)
class Claimant:
    """The run that sends the first reply itself, right after the commit."""

    attempt: str
    claimed_at: datetime
    stale_at: datetime


def reply_messages(
    header: Conversation,
    plan: TurnPlan,
    *,
    turn_id: str,
    now: datetime,
    phone_number_id: str,
    correlation_id: str,
    claim: Claimant | None,
) -> list[Message]:
    """A plan's replies as outbound messages with deterministic ids; the first one claimed where there is a claimant.

    They take their place in the timeline as inbound messages do: whole seconds, as Meta's are, then microseconds in
    `seq`. A customer who answers within the second would else stand before the question.
    Raises `InvalidMessage` for a reply that breaks a limit of Meta's.
    """
    messages = []
    last_seq = max(header.out_seq, int(now.timestamp() * 1_000_000))
    for number, reply in enumerate(plan.replies):
        key = digest("reply", turn_id, str(number))
        kind, text, payload = content_to_document(content_of(reply))
        claimant = claim if number == 0 else None
        messages.append(
            Message(
                id=key,
                phone_number_id=phone_number_id,
                direction=Direction.OUT.value,
                actor=Actor.PYLOTO.value,
                type=kind,
                text=text,
                payload=payload,
                timestamp=now.replace(microsecond=0),
                received_at=now,
                seq=last_seq + number + 1,
                state=(MessageState.SENDING if claimant else MessageState.QUEUED).value,
                due=due(key, claimant.stale_at if claimant else now),
                claimed_by=claimant.attempt if claimant else None,
                claimed_at=claimant.claimed_at if claimant else None,
                tries=1 if claimant else 0,
                owner_epoch=plan.conversation.get("owner_epoch", header.owner_epoch),
                intent=plan.intent,
                outcome=plan.outcome.value,
                session_id=plan.session_id,
                turn_id=turn_id,
                correlation_id=correlation_id,
            )
        )
    return messages


def plan_writes(
    header: Conversation,
    plan: TurnPlan,
    replies: Sequence[Message],
    *,
    changes: Mapping[str, Any],
    attempt: str,
    now: datetime,
    correlation_id: str = "",
    events: Sequence[Event] = (),
) -> list[Write]:
    """The writes of a plan: header, audit events, sessions, handoff and replies.

    `changes`: the header's bookkeeping. `events`: what else happens in this commit.
    """
    queued = [
        Event(
            event_id(str(reply.turn_id), "reply", str(number)),
            EventType.REPLY_QUEUED,
            Actor.PYLOTO.value,
            now,
            metadata={"message_key": reply.pk, "type": reply.type, "turn_id": reply.turn_id},
        )
        for number, reply in enumerate(replies)
    ]
    planned = [replace(event, correlation_id=correlation_id) for event in (*plan.events, *queued)]
    changes = {**changes, **plan.conversation} | ({"out_seq": replies[-1].seq} if replies else {})
    writes = header_writes(header, changes, events=[*planned, *events], attempt=attempt, now=now)
    writes += [SessionStore().write(session) for session in plan.sessions]
    if plan.handoff:
        writes.append(HandoffStore().create(plan.handoff))
    return writes + [ConversationStore().create_message(header.pk, reply) for reply in replies]


def content_of(reply: Reply) -> Content:
    """What WhatsApp can carry of it. Raises `InvalidMessage` where the reply breaks a limit of Meta's."""
    if reply.rows:
        return ListMessage(reply.text, reply.list_button, rows=reply.rows)
    if reply.buttons:
        return Buttons(reply.text, reply.buttons)
    return Text(reply.text)
