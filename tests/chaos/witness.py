"""Counts what the bot claims while a person has the conversation, by looking at the documents alone.

Every claim of a message counts its `tries` up. Who looks once the takeover is committed, and again before the release,
sees each claim in between: whatever the product itself thinks prevents one has no part in it.
"""

from conversations.models import Actor, Direction, Message
from conversations.stores import ConversationStore
from pyloto.documents import get_store


class Witness:
    """Looks when it is made, and again at `close`."""

    def __init__(self, user_key: str) -> None:
        self.user_key = user_key
        self.before = claims_of_the_bot(user_key)
        self.after: dict[str, int] | None = None

    def close(self) -> None:
        if self.after is None:
            self.after = claims_of_the_bot(self.user_key)

    @property
    def claims(self) -> int:
        """How many there were in between."""
        assert self.after is not None
        return sum(max(tries - self.before.get(key, 0), 0) for key, tries in self.after.items())


def claims_of_the_bot(user_key: str) -> dict[str, int]:
    """How often each of the bot's messages has been claimed."""
    snapshots = get_store().query(ConversationStore().messages_query(user_key))
    messages = map(Message.from_snapshot, snapshots)
    return {m.pk: m.tries for m in messages if m.direction == Direction.OUT and m.actor == Actor.PYLOTO}
