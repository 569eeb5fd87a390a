"""What each app knows about people: how it is erased, given out, aged out and re-encrypted.

An app registers its own steps in `AppConfig.ready()`; `profiles` runs the lists, and knows no other app for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from pyloto.documents import Query, Snapshot


@dataclass(frozen=True)
class Subject:
    """One person, with all that merges have brought together. The keys are random; `identifiers` are personal data.

    `user_keys`: the one in use first. `identifiers`: (kind, canonical value), kinds as in `profiles.Identity.Kind`.
    `asked_at`: since when they are being erased; a message that comes later belongs to somebody new.
    """

    user_keys: tuple[str, ...]
    conversation_ids: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    asked_at: datetime | None = None


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

    `label` stands in the receipt, in Portuguese. Where all must be read to find what is the person's, `walk(subject,
    place)` does one page of `erase`: it returns how many it removed and the place of the next page, None at the end. It
    begins at "".
    """

    name: str  # "conversations.messages"
    label: str
    phase: Phase
    erase: Callable[[Subject], int]
    count: Callable[[Subject], int]
    walk: Callable[[Subject, str], tuple[int, str | None]] | None = None

    @property
    def key(self) -> str:
        """The name as a key in documents, which hold no dots."""
        return self.name.replace(".", "_")


@dataclass(frozen=True)
class AccessSection:
    """One chapter of what a person gets to read about themselves: rows with Portuguese names, values as JSON has them.

    `note` says in Portuguese what the chapter does not say by itself. `columns` names the fields that stand in columns
    where people read it; the others follow in one more. Without them each row stands by itself.
    """

    name: str
    title: str
    collect: Callable[[Subject], Iterable[Mapping[str, Any]]]
    note: str = ""
    columns: tuple[str, ...] = ()


Place = tuple[datetime, str]  # time and path: the cursor of a query that is ordered by the time


@dataclass(frozen=True)
class Aged:
    """Documents that are kept no longer, and go together; the first is the one that was found by its time `at`.

    `user_key`: whose they are; empty where nobody knows. `stays`: it is old, but something about it is still open.
    """

    paths: tuple[str, ...]
    at: datetime
    user_key: str = ""
    stays: bool = False

    @property
    def place(self) -> Place:
        return self.at, self.paths[0]


@dataclass(frozen=True)
class RetentionRule:
    """`find(cutoff, place)` gives all that is older and comes after the place, the oldest first.

    It gives what stays too, so that the caller can stop at each. `setting` names the number of days; 0 keeps for ever.
    Customers under a legal hold are left out by the caller. `remove` is for what is more than documents, and returns how
    many it removed; it may be repeated, and leaves the documents found until the rest is gone. `batch`: how many go at
    once.
    """

    name: str  # "conversations.messages"
    label: str
    setting: str
    find: Callable[[datetime, Place | None], Iterable[Aged]]
    remove: Callable[[Sequence[Aged]], int] | None = None
    batch: int = 250  # of two documents at most: a commit holds 500 writes


@dataclass(frozen=True)
class EncryptedField:
    """A field that holds an envelope of `pyloto.privacy.fields`. `group`: the collection hangs below other documents.

    `field` is the path of the field ("payload.raw") and what the envelope was bound to. `file` is the path of the field
    with the name of a file in `folder` of a storage, "{folder}/{document id}" and what follows a dot: it holds the envelope
    where the document has none. In a group `parent` names the collection above, and each of its documents has a folder of
    its own: "{folder}/{id above}/{document id}". `streamed`: the file is one of `pyloto.privacy.streams`.
    """

    collection: str
    field: str
    group: bool = False
    file: str = ""
    folder: str = ""
    storage: str = "default"
    parent: str = ""
    streamed: bool = False


@dataclass(frozen=True)
class IdentifierSource:
    """Where identifiers of customers stand, encrypted: what a new pepper needs in plain text.

    `read` gives the (kind, canonical value) pairs of one document that `query()` finds. Raises `DecryptionFailed`.
    `query_of(user_key)` finds those of one customer, where an erasure would not know them otherwise.
    """

    name: str
    query: Callable[[], Query]
    read: Callable[[Snapshot], Iterable[tuple[str, str]]]
    query_of: Callable[[str], Query] | None = None


ConversationFinder = Callable[[Sequence[str]], Sequence[str]]

_erasure: dict[str, ErasureStep] = {}
_access: dict[str, AccessSection] = {}
_retention: dict[str, RetentionRule] = {}
_encrypted: dict[tuple[str, str], EncryptedField] = {}
_identifiers: dict[str, IdentifierSource] = {}
_conversations: list[ConversationFinder] = []


def register(*entries: ErasureStep | AccessSection | RetentionRule | EncryptedField | IdentifierSource) -> None:
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
            case IdentifierSource():
                _identifiers[entry.name] = entry


def erasure_steps() -> list[ErasureStep]:
    """By phase, then by name."""
    return sorted(_erasure.values(), key=lambda step: (step.phase, step.name))


def access_sections() -> list[AccessSection]:
    return list(_access.values())


def retention_rules() -> list[RetentionRule]:
    return list(_retention.values())


def encrypted_fields() -> list[EncryptedField]:
    return list(_encrypted.values())


def identifier_sources() -> list[IdentifierSource]:
    return list(_identifiers.values())


def value_at(data: Mapping[str, Any], field_path: str) -> Any:
    """What stands in a document at the path of a field ("payload.raw"); None where nothing does."""
    value: Any = data
    for name in field_path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def register_conversations(find: ConversationFinder) -> None:
    """`find` gives the `conversation_id` of each of these `user_key`s that has a conversation."""
    _conversations[:] = [find]


def conversation_ids_of(user_keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(conversation_id for find in _conversations for conversation_id in find(user_keys))
