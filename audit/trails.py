"""The trail of a customer, for those who may not know what a conversation is.

A conversation's chain is extended by whoever owns its header, in the commit that changes it. `conversations` registers
that owner; apps below it say what happened, and which documents change with it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pyloto.documents import Write

from .chain import Event

# Asked again at every try, with the conversation's id: the events and the other writes of a commit, or None where there
# is nothing left to do.
Changes = Callable[[str], tuple[Sequence[Event], Sequence[Write]] | None]


class TrailOwner(Protocol):
    def commit_with_events(
        self, *, user_key: str, events: Sequence[Event], writes: Sequence[Write], refuse_merged: bool
    ) -> None: ...

    def end_conversation(self, *, user_key: str, changes: Changes) -> None: ...

    def remove_conversation(self, *, user_key: str, conversation_id: str, changes: Changes) -> None: ...


_owners: list[TrailOwner] = []


def register_owner(owner: TrailOwner) -> None:
    _owners[:] = [owner]


def end_conversation(*, user_key: str, changes: Changes) -> None:
    """Mark the customer's conversation as erased, in one commit with these events and writes, all or nothing.

    Nobody commits anything to it any more. A customer without a conversation gets one that is erased: whoever is about
    to make the first one fails. Raises `TrailContended` where others were faster at every try, and what `changes` raises.
    """
    _owners[0].end_conversation(user_key=user_key, changes=changes)


def remove_conversation(*, user_key: str, conversation_id: str, changes: Changes) -> None:
    """Delete what is left of an ended conversation, with its last events and these writes. The events stay."""
    _owners[0].remove_conversation(user_key=user_key, conversation_id=conversation_id, changes=changes)


def commit_with_events(
    *,
    user_key: str,
    events: Sequence[Event],
    writes: Sequence[Write] = (),
    refuse_merged: bool = False,
) -> None:
    """Apply the writes and append the events to the trail of this customer, all or nothing.

    The version of the conversation's header makes the commit: other commits to the same conversation come before or
    after it. A customer without conversation has their events on the chain "system", with the `user_key` in their
    metadata. The id of the first event tells this commit from all others.

    Raises the error of the caller's own write (`PreconditionFailed`, `NotFound`, `AlreadyExists`), `CustomerErased`
    where the customer was erased meanwhile, `TrailContended` where others were faster at every try; with
    `refuse_merged`, `CustomerMerged` where the customer was merged into another one.
    """
    _owners[0].commit_with_events(user_key=user_key, events=events, writes=writes, refuse_merged=refuse_merged)
