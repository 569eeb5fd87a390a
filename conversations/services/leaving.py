"""Conversations that their person has left without a word: back into the queue, or to the bot. A job looks for them."""

from datetime import datetime
from itertools import takewhile

import structlog
from django.contrib.auth import get_user_model

from ai.rules import is_small_talk
from audit import EventType
from conversations.hearing import SILENT_TYPES
from conversations.models import WHATSAPP_APP, Actor, Conversation, Direction, MessageState, Mode
from conversations.services.agents import SYSTEM, NoConversation, NotTaken, TakenByOther, agent_of, put_back
from conversations.services.delivery import OPEN_ITEMS_MAX
from conversations.services.ownership import Change, Known, change, given_back
from conversations.stores import ConversationStore
from pyloto.errors import PylotoError
from pyloto.observability.alerts import alert

log = structlog.get_logger(__name__)
conversations = ConversationStore()

LOOKED_AT = 50  # messages: who wrote that much in half an hour said something


def put_back_left(*, now: datetime) -> int:
    """Put back what belongs to nobody who may work, and end the phone app's takeovers; return how many conversations.

    Whoever was locked out or deleted while they took one leaves it so. What cannot be put back now is found by the next
    run, after an alert.
    """
    with_person = list(conversations.find_with_person())
    users = get_user_model().objects.filter(is_active=True, is_staff=True)  # after it: whoever has one was one before
    working = {agent_of(pk) for pk in users.values_list("pk", flat=True)}
    count = failed = 0
    for header in with_person:
        if header.assigned_to in working or header.merged_into:
            continue
        try:
            count += _put_back(header, now)
        except (NotTaken, TakenByOther, NoConversation):
            pass  # somebody was faster
        except PylotoError as exc:  # what is wrong with one conversation is no reason to leave the others
            log.warning("conversation_not_put_back", user_key=header.pk, error=type(exc).__name__)
            failed += 1
    if failed:
        alert("conversations_not_put_back", conversations=failed)
    return count


def _put_back(header: Conversation, now: datetime) -> bool:
    if header.assigned_to == WHATSAPP_APP:
        return header.is_left_by_owner(now) and _end_takeover(header.pk, now)
    put_back(user_key=header.pk, agent=header.assigned_to or "", actor=SYSTEM, now=now)
    return True


def _end_takeover(user_key: str, now: datetime) -> bool:
    """The conversation is the bot's again, or waits for a person with what the owner did not answer.

    Messages and echoes that nobody has looked at are a worker's.
    """

    def decide(known: Known, seed: str) -> Change | None:
        waiting = conversations.open_items(user_key, limit=OPEN_ITEMS_MAX)
        if not known.header.is_left_by_owner(now) or any(item.state == MessageState.RECEIVED for item in waiting):
            return None
        mode = Mode.WAITING_HUMAN if known.header.unread and _is_unanswered(user_key) else Mode.BOT
        actor = Actor.PYLOTO.value
        return given_back(known, mode=mode, event_type=EventType.HANDOFF_RELEASED, actor=actor, seed=seed, now=now)

    return change(user_key=user_key, decide=decide, now=now).mode != Mode.HUMAN


def _is_unanswered(user_key: str) -> bool:
    """Whether the customer said more than "ok, obrigado" since a person spoke."""
    newest = conversations.get_messages(user_key, limit=LOOKED_AT)
    since = takewhile(lambda message: message.actor != Actor.HUMAN, newest)
    heard = (message for message in since if message.direction == Direction.IN and message.type not in SILENT_TYPES)
    return any(not is_small_talk(message.text) for message in heard)
