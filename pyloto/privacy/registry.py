"""What each app knows about people: how it is erased, given out, aged out and re-encrypted.

An app registers its own steps in `AppConfig.ready()`; `profiles` runs the lists, and knows no other app for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any


@dataclass(frozen=True)
class Subject:
    """One person, with all that merges have brought together. The keys are random; `identifiers` are personal data.

    `user_keys`: the one in use first. `identifiers`: (kind, canonical value), kinds as in `profiles.Identity.Kind`.
    """

    user_keys: tuple[str, ...]
    conversation_ids: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()


class Phase(IntEnum):
    """The order in which an erasure goes: nothing may come in or go out any more before something is deleted."""

    DETACH = 1  # the next message of this person starts a new one
    STOP = 2  # what waits to be sent, links that are out
    FILES = 3
    DOCUMENTS = 4
    CACHES = 5


@dataclass(frozen=True)
class ErasureStep:
    """`erase` removes and returns how many; `count` returns how many are left. Both may be repeated at any time.

    `label` stands in the receipt, in Portuguese.
    """

    name: str  # "conversations.messages"
    label: str
    phase: Phase
    erase: Callable[[Subject], int]
    count: Callable[[Subject], int]


@dataclass(frozen=True)
class AccessSection:
    """One chapter of what a person gets to read about themselves: rows with Portuguese names, values as JSON has them.

    `note` says in Portuguese what the chapter does not say by itself.
    """

    name: str
    title: str
    collect: Callable[[Subject], Iterable[Mapping[str, Any]]]
    note: str = ""


@dataclass(frozen=True)
class Aged:
    """Documents that are kept no longer, and go together. `user_key`: whose they are; empty where nobody knows."""

    paths: tuple[str, ...]
    user_key: str = ""
    at: datetime | None = None  # the time that decided


@dataclass(frozen=True)
class RetentionRule:
    """`find(cutoff)` gives what is older, the oldest first, and leaves out what is still open.

    `setting` names the number of days; 0 keeps for ever. Customers under a legal hold are left out by the caller.
    `remove` is for what is more than documents; it may be repeated, and leaves the documents found until the rest is gone.
    """

    name: str  # "conversations.messages"
    label: str
    setting: str
    find: Callable[[datetime], Iterable[Aged]]
    remove: Callable[[Sequence[Aged]], None] | None = None


@dataclass(frozen=True)
class EncryptedField:
    """A field that holds an envelope of `pyloto.privacy.fields`. `group`: the collection hangs below other documents.

    `field` is the path of the field ("payload.raw") and what the envelope was bound to.
    """

    collection: str
    field: str
    group: bool = False


ConversationFinder = Callable[[Sequence[str]], Sequence[str]]

_erasure: dict[str, ErasureStep] = {}
_access: dict[str, AccessSection] = {}
_retention: dict[str, RetentionRule] = {}
_encrypted: dict[tuple[str, str], EncryptedField] = {}
_conversations: list[ConversationFinder] = []


def register(*entries: ErasureStep | AccessSection | RetentionRule | EncryptedField) -> None:
    """A second entry of the same name replaces the first."""
    for entry in entries:
        match entry:
            case ErasureStep():
                _erasure[entry.name] = entry
            case AccessSection():
                _access[entry.name] = entry
            case RetentionRule():
                _retention[entry.name] = entry
            case EncryptedField():
                _encrypted[entry.collection, entry.field] = entry


def erasure_steps() -> list[ErasureStep]:
    """By phase, then by name."""
    return sorted(_erasure.values(), key=lambda step: (step.phase, step.name))


def access_sections() -> list[AccessSection]:
    return list(_access.values())


def retention_rules() -> list[RetentionRule]:
    return list(_retention.values())


def encrypted_fields() -> list[EncryptedField]:
    return list(_encrypted.values())


def register_conversations(find: ConversationFinder) -> None:
    """`find` gives the `conversation_id` of each of these `user_key`s that has a conversation."""
    _conversations[:] = [find]


def conversation_ids_of(user_keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(conversation_id for find in _conversations for conversation_id in find(user_keys))
