"""Giving a conversation back to the bot, after a person has dealt with it."""

from datetime import datetime

from audit import EventType
from conversations.models import Conversation, Mode
from conversations.services.ownership import Change, Known, change, given_back
from pyloto.errors import PermanentError


class NotWithHuman(PermanentError):
    """The bot has the conversation already."""


def release_to_bot(*, user_key: str, agent: str, now: datetime, seen: str | None = None) -> Conversation:
    """Put the bot back in charge and resolve the open handoff, in one commit with their audit events.

    `agent` names who does it in the trail ("user:7"), `seen` is the header's `attempt` on the page where they pressed
    the button. Returns the header as it now is. Raises `NotWithHuman`, `NewMessages`, `NoConversation`, or `Contended`.
    """

    def decide(known: Known, seed: str) -> Change:
        if known.header.mode == Mode.BOT:
            raise NotWithHuman("this conversation is not with a person")
        return given_back(
            known, mode=Mode.BOT, event_type=EventType.HANDOFF_RELEASED, actor=agent, seed=seed, now=now, seen=seen
        )

    return change(user_key=user_key, decide=decide, now=now)
