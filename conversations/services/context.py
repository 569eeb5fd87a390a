"""What a turn knows before it is planned: header, session, profile, and who wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from audit import Event, EventType, event_id
from conversations.intents import Outcome
from conversations.models import Actor, Conversation, Message, MessageState, Mode, Session
from conversations.outbox import is_postponed
from conversations.plans import TurnPlan
from conversations.services.commits import identities_in, new_header, preview_of, profile_in
from conversations.services.delivery import Run
from conversations.stores import Loaded, SessionStore, read_again
from conversations.whatsapp.client import Recipient
from profiles.identifiers import NUMBER_CHANGE, Sender
from profiles.models import UserProfile
from profiles.services.learning import (
    bsuid_replaced,
    fields_renewed,
    learn_from_senders,
    paths_to_attach,
    profiles,
    renewed,
    revealed,
)
from pyloto.documents import DELETE_FIELD, Update, Write

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Context:
    """What a turn knows, as it was read. `is_bare`: nothing but the header and the messages could be.

    `messages` are those of after the header was read: its precondition holds for them too.
    """

    header: Conversation
    session: Session | None
    profile: UserProfile | None
    loaded: Loaded
    senders: list[Sender]
    messages: list[Message]
    now: datetime
    is_bare: bool = False

    @property
    def all_senders_read(self) -> bool:
        """Then the profile takes them over, and the messages need not keep them."""
        return not self.is_bare and len(self.senders) == sum(bool(message.sender) for message in self.messages)

    @property
    def bsuid_replaced(self) -> bool:
        return bsuid_replaced(self.profile, self.senders, identities_in(self.loaded))


def read(run: Run, messages: list[Message], now: datetime) -> Context:
    senders = run.senders(messages)
    loaded = run.load([profiles.path(run.user_key), *sorted(set(paths_to_attach(senders)))])
    messages, session = _messages_and_session(loaded, messages)
    header = loaded.header or new_header(run.user_key, messages[0], now)
    return Context(header, session, profile_in(loaded, run.user_key), loaded, senders, messages, now)


def read_bare(run: Run, messages: list[Message], now: datetime) -> Context:
    """For the last resort: session and profile are left alone, whatever is in them."""
    loaded = run.load(())
    if loaded.header:
        messages, _ = read_again(messages)
    header = loaded.header or new_header(run.user_key, messages[0], now)
    return Context(header, None, None, loaded, run.senders(messages), messages, now, is_bare=True)


def _messages_and_session(loaded: Loaded, messages: list[Message]) -> tuple[list[Message], Session | None]:
    """In one read. Without a header nobody has handled any message, and of those who do only one can create it."""
    if loaded.header is None:
        return messages, None
    path = SessionStore.path(loaded.header.session_id) if loaded.header.session_id else None
    messages, found = read_again(messages, [path] if path else [])
    return messages, Session.from_snapshot(found[path]) if path in found else None


def recipient(context: Context) -> Recipient:
    """Where the newest message came from; it is what WhatsApp last knew the customer by."""
    existing = identities_in(context.loaded)
    senders = [renewed(context.header.pk, sender, existing) for sender in reversed(context.senders)]
    wa_id = next((sender.wa_id for sender in senders if sender.wa_id), "")
    bsuid = next((sender.bsuid for sender in senders if sender.bsuid), "")
    return Recipient(
        wa_id=wa_id or revealed(context.profile, "wa_id"), bsuid=bsuid or revealed(context.profile, "bsuid")
    )


def profile_writes(context: Context, plan: TurnPlan) -> list[Write]:
    """What the profile learns from the senders and from what was said; of the bare there is nothing to learn from."""
    if context.is_bare:
        return []
    return learn_from_senders(
        user_key=context.header.pk,
        profile=context.profile,
        senders=context.senders,
        existing=identities_in(context.loaded),
        learnt=dict(plan.profile),
        now=context.now,
    )


def messages_handled(context: Context, plan: TurnPlan, turn_id: str) -> list[Update]:
    handled = {
        "state": MessageState.HANDLED.value,
        "due": DELETE_FIELD,
        "session_id": plan.session_id,
        "turn_id": turn_id,
        "intent": plan.intent,
        "outcome": plan.outcome.value,
    }
    if context.all_senders_read:
        handled["sender"] = DELETE_FIELD
    return [Update(message.path, handled) for message in context.messages]


def identity_events(context: Context, turn_id: str) -> list[Event]:
    """What WhatsApp told us, and the profile takes over: the names of the fields. And where nobody told us."""
    if context.is_bare:
        return []
    told: list[tuple[str, dict[str, Any]]] = []
    if fields := fields_renewed(context.header.pk, context.profile, context.senders, identities_in(context.loaded)):
        told.append(("number_change", {"fields": fields, "evidence": NUMBER_CHANGE}))
    if context.bsuid_replaced:
        told.append(("bsuid_replaced", {"fields": ["bsuid"], "bsuid_replaced": True}))
    return [
        Event(
            event_id(turn_id, name),
            EventType.PROFILE_UPDATED,
            Actor.USER.value,
            context.now,
            metadata=metadata,
            correlation_id=context.messages[-1].correlation_id,
        )
        for name, metadata in told
    ]


def header_changes(context: Context, plan: TurnPlan) -> dict[str, Any]:
    """The header's bookkeeping, with the replies."""
    changes = bookkeeping(context.header, context.messages)
    before, mode = context.header.mode, plan.conversation.get("mode", context.header.mode)
    if plan.replies and mode == Mode.BOT and plan.outcome != Outcome.DUPLICATE_OR_SPAM:
        changes["unread"] = 0  # answered
    elif before == Mode.BOT and mode != Mode.BOT:
        changes["unread"] = len(context.messages)  # what came before was answered, or needed no answer
    if plan.replies:
        newest = context.messages[-1]
        changes |= {
            "last_message_at": context.now,
            "last_message_preview": preview_of(plan.replies[-1].text, newest.type),
        }
    return changes


def bookkeeping(header: Conversation, messages: Sequence[Message]) -> dict[str, Any]:
    """What the list of conversations shows of these messages, and the claims check. Postponed ones are counted already."""
    newest = messages[-1]
    # WhatsApp's own notices open no window for replies.
    written_at = [message.timestamp for message in messages if message.type != "system"]
    return {
        "phone_number_id": newest.phone_number_id,
        "last_user_at": max([*written_at, *filter(None, [header.last_user_at])], default=None),
        "last_message_at": newest.received_at,
        "last_message_preview": preview_of(newest.text, newest.type),
        "unread": header.unread + sum(not is_postponed(message) for message in messages),
    }
