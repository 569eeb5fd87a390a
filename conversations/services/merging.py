"""Two customers turn out to be one person: the identifiers of one lead to the other from then on, and back on undo.

No document is moved. What was written stays where it was written; whoever still finds the merged customer follows
`merged_into` of their header. Both headers are in the commit, as the versions of their conversations: turns, takeovers,
erasures and other merges come before or after it.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from audit import Event, EventType, event_id
from audit.errors import CustomerErased
from conversations.models import Conversation, Mode
from conversations.outbox import is_to_send
from conversations.plans import expires_to_person
from conversations.services.commits import LOST_RACE, catch_up, header_writes, jitter, profile_in
from conversations.sessions import is_active
from conversations.stores import ConversationStore, Loaded, SessionStore, load
from profiles.models import Identity, Merge
from profiles.services.resolution import forget
from profiles.stores import IdentityStore, MergeStore, UserProfileStore
from pyloto.documents import Update, Write, get_store
from pyloto.errors import PermanentError, TransientError
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import current_correlation_id

log = structlog.get_logger(__name__)
conversations = ConversationStore()
identities = IdentityStore()
merges = MergeStore()
sessions = SessionStore()
profiles = UserProfileStore()

TRIES = 8
IDENTITIES_MAX = 400  # for one merge: a commit holds 500 writes, and its undo gives back what was attached since, too
IDENTITIES_READ_MAX = 5000
MERGES_MAX = 50  # a person who was merged more often than this is found by nobody


class CannotMerge(PermanentError):
    """The merge, or its undo, makes no sense as things are; the subclass says why."""


class SamePerson(CannotMerge):
    """They are one customer already: the same key, or merged before."""


class UnknownCustomer(CannotMerge):
    """Nothing is known of this `user_key`."""


class AlreadyMerged(CannotMerge):
    """This customer was merged into another one: that one is to be merged, or its merge undone."""


class WithPerson(CannotMerge):
    """The source has a person, waits for one, or will once its session runs out. Merge the other way, or later.

    The bot would answer beside the person, and nobody takes a conversation that goes on elsewhere.
    """


class ReplyOnItsWay(CannotMerge):
    """Something is still to be sent to the source, or nobody knows yet what became of it. Merge the other way, or later.

    The merge would cancel it, and nobody answers anew what the customer wrote.
    """


class TooManyIdentifiers(CannotMerge):
    """More identifiers than one commit can hold."""


class UnknownMerge(CannotMerge):
    """There is no merge with this id."""


class AlreadyUndone(CannotMerge):
    """This merge was undone before."""


@dataclass(frozen=True)
class Undone:
    """How an undo ended: the merge, and how many identifiers went back to its source and stay with its target."""

    merge: Merge
    given_back: int
    kept: int


class MergeContended(TransientError):
    """Others kept changing the conversations, or the store did not answer; nothing is half done."""


@dataclass(frozen=True)
class Side:
    """One of the two customers, as they were read."""

    user_key: str
    loaded: Loaded

    @property
    def header(self) -> Conversation | None:
        return self.loaded.header

    def header_or_new(self, now: datetime) -> Conversation:
        """A customer whose first turn is not done yet gets the header that it would make."""
        return self.header or Conversation(
            id=self.user_key, conversation_id=secrets.token_hex(16), created_at=now, updated_at=now
        )


def find_current(user_key: str) -> tuple[str, Loaded]:
    """The customer whom merges have made of this one, and what was read of them."""
    loaded = load(user_key, ())
    for _ in range(MERGES_MAX):
        if loaded.header is None or not loaded.header.merged_into:
            return user_key, loaded
        user_key = loaded.header.merged_into
        loaded = load(user_key, ())
    alert("merged_in_a_circle", user_key=user_key)
    return user_key, loaded


# --- merge ------------------------------------------------------------------------------------------------------------
def merge(*, source: str, target: str, actor: str, now: datetime) -> Merge:
    """From now on whoever was `source` is `target`. `actor` as in the trail: "user:7".

    Raises a `CannotMerge`, `CustomerErased`, or `MergeContended` after a bounded number of lost races.
    """
    if source == target:
        raise SamePerson("a customer cannot be merged with themselves")
    merge_id, attempt = secrets.token_hex(16), secrets.token_hex(16)

    def compose(again: bool) -> list[Write]:
        sides = [_read(source, again), _read(target, again)]
        _refuse_merge(*sides, now=now)
        entries = identities.of(source, limit=IDENTITIES_MAX + 1)  # after the header: nothing is attached in between
        if len(entries) > IDENTITIES_MAX:
            raise TooManyIdentifiers("too many identifiers for one merge")
        forget(entry.pk for entry in entries)
        merged = Merge(
            id=merge_id,
            source=source,
            target=target,
            identity_ids=[entry.pk for entry in entries],
            merged_by=actor,
            merged_at=now,
        )
        return _merge_writes(sides, entries, merged, attempt)

    done = _commit(merge_id, compose, is_done=lambda merge: True)
    forget(done.identity_ids)
    log.info("customers_merged", merge_id=merge_id, source=source, target=target, identifiers=len(done.identity_ids))
    return done


def _read(user_key: str, again: bool) -> Side:
    loaded = load(user_key, [profiles.path(user_key)])
    if again and loaded.header:  # perhaps an event stood in the way
        catch_up(loaded.header)
    return Side(user_key, loaded)


def _refuse_merge(source: Side, target: Side, *, now: datetime) -> None:
    for side in (source, target):
        if side.loaded.is_erased:
            raise CustomerErased("this customer was erased")
        known = side.header or profile_in(side.loaded, side.user_key) or identities.of(side.user_key, limit=1)
        if not known:
            raise UnknownCustomer("nothing is known of this customer")
    merged_into = [side.header.merged_into if side.header else None for side in (source, target)]
    if merged_into[0] == target.user_key or merged_into[1] == source.user_key:
        raise SamePerson("one of them was merged into the other before")
    if any(merged_into):
        raise AlreadyMerged("one of them was merged before: merge the customer whom they are now")
    if source.header and _is_with_person(source.header, now):
        raise WithPerson("the source is with a person, or waits for one")
    session = sessions.find(source.header.session_id) if source.header else None
    if session is not None and is_active(session) and expires_to_person(session):
        raise WithPerson("the source has told what a person should call back about")
    # Read after the header: nothing is queued without a write of it.
    if any(map(is_to_send, conversations.all_open_items(source.user_key))):
        raise ReplyOnItsWay("a message to the source was not sent yet")


def _is_with_person(header: Conversation, now: datetime) -> bool:
    """Not where the owner had answered on the phone and left it alone since: the bot is back at the next message."""
    return header.mode != Mode.BOT and not header.is_left_by_owner(now)


def _merge_writes(sides: Sequence[Side], entries: Sequence[Identity], merged: Merge, attempt: str) -> list[Write]:
    source, target = sides
    now, headers = merged.merged_at, [side.header_or_new(merged.merged_at) for side in sides]
    told = {"merge_id": merged.pk, "source": source.user_key, "target": target.user_key, "identifiers": len(entries)}
    fields = {"merged_into": target.user_key, "owner_epoch": headers[0].owner_epoch + 1}
    changes = {"merged_into": [None, target.user_key]}
    return [
        *_header(headers[0], fields, EventType.IDENTITY_MERGED, merged, merged.merged_by, told, attempt, now, changes),
        *_header(headers[1], {}, EventType.IDENTITY_MERGED, merged, merged.merged_by, told, attempt, now),
        *(identities.repoint(entry, merged) for entry in entries),
        *_without_each_other(sides),
        merges.create(merged),
    ]


def _header(
    header: Conversation,
    fields: dict[str, Any],
    event_type: EventType,
    merged: Merge,
    actor: str,
    told: dict[str, Any],
    attempt: str,
    now: datetime,
    changes: dict[str, Any] | None = None,
) -> list[Write]:
    """One side's header with its event; the event's id follows from the merge, which happens once and is undone once."""
    event = Event(
        event_id(merged.pk, event_type, header.pk),
        event_type,
        actor,
        now,
        changes=changes or {},
        metadata=told,
        correlation_id=current_correlation_id(),
    )
    return header_writes(header, fields, events=[event], attempt=attempt, now=now)


def _without_each_other(sides: Sequence[Side]) -> list[Write]:
    """The profiles, where one names the other as a possible double."""
    writes: list[Write] = []
    for side, other in (sides, reversed(sides)):
        profile = profile_in(side.loaded, side.user_key)
        if profile and other.user_key in profile.merge_candidates:
            rest = [key for key in profile.merge_candidates if key != other.user_key]
            writes.append(Update(profiles.path(side.user_key), {"merge_candidates": rest}))
    return writes


# --- undo -------------------------------------------------------------------------------------------------------------
def undo(*, merge_id: str, actor: str, now: datetime) -> Undone:
    """Give back the identifiers that the merge took, where they still lead to its target; the source is a customer again.

    With them go those that were attached through them since. What was written meanwhile stays with the target. Raises as
    `merge` does.
    """
    attempt = secrets.token_hex(16)
    given, kept = list[Identity](), list[Identity]()

    def compose(again: bool) -> list[Write]:
        merged = merges.find(merge_id)
        if merged is None:
            raise UnknownMerge("there is no such merge")
        if merged.undone_at is not None:
            raise AlreadyUndone("this merge was undone before")
        sides = [_read(merged.source, again), _read(merged.target, again)]
        _refuse_undo(merged, *sides)
        found = identities.of(merged.target, limit=IDENTITIES_READ_MAX)
        given[:] = [entry for entry in found if merge_id in entry.merge_ids]
        kept[:] = [entry for entry in found if merge_id not in entry.merge_ids]
        forget(entry.pk for entry in given)
        return _undo_writes(merged, sides, given, actor, attempt, now)

    done = _commit(merge_id, compose, is_done=lambda merge: (merge.undone_by, merge.undone_at) == (actor, now))
    forget(entry.pk for entry in given)
    undone = Undone(done, _count(given), _count(kept))
    log.info(
        "merge_undone",
        merge_id=merge_id,
        source=done.source,
        target=done.target,
        given_back=undone.given_back,
        kept=undone.kept,
    )
    return undone


def _count(entries: Sequence[Identity]) -> int:
    """How many identifiers they are: those under an older pepper have a twin under the newest."""
    counted, seen = 0, set[str]()
    for entry in sorted(entries, key=lambda entry: -entry.pepper_version):
        counted += entry.twin not in seen
        seen.add(entry.pk)
    return counted


def _refuse_undo(merged: Merge, source: Side, target: Side) -> None:
    if source.loaded.is_erased or target.loaded.is_erased:
        raise CustomerErased("this customer was erased")
    if target.header and target.header.merged_into:
        raise AlreadyMerged("the target was merged later: undo that merge first")
    if source.header is None or target.header is None or source.header.merged_into != merged.target:
        raise UnknownCustomer("the source is not merged into the target any more")


def _undo_writes(
    merged: Merge, sides: Sequence[Side], entries: Sequence[Identity], actor: str, attempt: str, now: datetime
) -> list[Write]:
    headers = [side.header_or_new(now) for side in sides]
    told = {"merge_id": merged.pk, "source": merged.source, "target": merged.target, "identifiers": len(entries)}
    fields = {"merged_into": None, "owner_epoch": headers[0].owner_epoch + 1}
    changes = {"merged_into": [merged.target, None]}
    return [
        *_header(headers[0], fields, EventType.IDENTITY_UNMERGED, merged, actor, told, attempt, now, changes),
        *_header(headers[1], {}, EventType.IDENTITY_UNMERGED, merged, actor, told, attempt, now),
        *(identities.give_back(entry, merged) for entry in entries),
        merges.mark_undone(merged, by=actor, at=now),
    ]


def _commit(merge_id: str, compose: Callable[[bool], list[Write]], *, is_done: Callable[[Merge], bool]) -> Merge:
    """Compose and commit until it is applied; what is read again tells whether an earlier try was, its answer lost."""
    for race in range(TRIES):
        if race and (found := merges.find(merge_id)) and is_done(found):
            return found
        try:
            get_store().commit(compose(race > 0))
        except LOST_RACE:
            time.sleep(jitter(race))
    found = merges.find(merge_id)
    if found and is_done(found):
        return found
    raise MergeContended("the conversations changed at every try")
