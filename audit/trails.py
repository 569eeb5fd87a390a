"""The trail of a customer, for those who may not know what a conversation is.

A conversation's chain is extended by whoever owns its header, in the commit that changes it. `conversations` registers
that owner; apps below it say what happened, and which documents change with it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pyloto.documents import Write

from .chain import Event


class TrailOwner(Protocol):
    def commit_with_events(
        self, *, user_key: str, events: Sequence[Event], writes: Sequence[Write], header: Mapping[str, Any]
    ) -> None: ...


_owners: list[TrailOwner] = []


def register_owner(owner: TrailOwner) -> None:
    _owners[:] = [owner]


def commit_with_events(
    *,
    user_key: str,
    events: Sequence[Event],
    writes: Sequence[Write] = (),
    header: Mapping[str, Any] | None = None,
) -> None:
    """Apply the writes and append the events to the trail of this customer, all or nothing.

    `header` holds fields of the conversation's header that change with it. The header's version makes the commit: other
    commits to the same conversation come before or after it. A customer without conversation has their events on the
    chain "system", with the `user_key` in their metadata.

    Raises the error of the caller's own write (`PreconditionFailed`, `NotFound`, `AlreadyExists`), `CustomerErased`
    where the customer was erased meanwhile, `TrailContended` where others were faster at every try.
    """
    _owners[0].commit_with_events(user_key=user_key, events=events, writes=writes, header=header or {})
