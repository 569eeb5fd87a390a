"""Who wrote: from what WhatsApp knows a customer by to their random `user_key`."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.core.cache import cache

from profiles.identifiers import WEBHOOK, Sender, identity_ids, to_attach
from profiles.stores import IdentityStore
from pyloto.documents import Create
from pyloto.errors import TransientError

CACHE_SECONDS = 60
RACES_MAX = 4
identities = IdentityStore()


@dataclass(frozen=True)
class Resolved:
    user_key: str
    sender: Sender  # with `unattached` filled


class IdentityContended(TransientError):
    """Others were faster at every try."""


def resolve_senders(senders: Sequence[Sender], *, now: datetime, fresh: bool = False) -> list[Resolved]:
    """The `user_key` of each sender, created where none of their identifiers is known. `fresh` asks no cache.

    One read for all that the cache does not know, one write for the new, one more read where a race was lost. While
    the pepper is being rotated, the new are written in one commit for each person.
    A sender without any identifier raises `ValueError`: the splitter lets none through.
    """
    ids = [identity_ids(sender) for sender in senders]
    if not all(ids):
        raise ValueError("a sender without identifier cannot be resolved")
    groups = [[key for _, keys in entry for key in keys] for entry in ids]
    if fresh:
        forget({key for group in groups for key in group})
    for _ in range(RACES_MAX):
        known = _known(groups)
        owners, created = _owners(senders, ids, known, now)
        if _create_all(created):
            entries = known | {
                write.path.rpartition("/")[2]: user_key for user_key, writes in created.items() for write in writes
            }
            return [
                Resolved(owner, replace(sender, unattached=_unattached(entry, owner, entries)))
                for sender, entry, owner in zip(senders, ids, owners, strict=True)
            ]
    raise IdentityContended("others kept creating and removing the same entries")


def _owners(
    senders: Sequence[Sender], ids: Sequence[list[tuple[str, list[str]]]], known: dict[str, str], now: datetime
) -> tuple[list[str], dict[str, list[Create]]]:
    """The owner of each sender, and the entries to create for those that are new: {user_key: writes}."""
    created: dict[str, list[Create]] = {}
    together: dict[str, str] = {}  # identifiers that messages of this delivery brought together
    owners: list[str] = []
    for sender, entry in zip(senders, ids, strict=True):
        candidates = [key for _, keys in entry for key in keys]
        owner = next((found for key in candidates if (found := known.get(key) or together.get(key))), None)
        if owner is None:
            owner = secrets.token_hex(16)
            kind, keys = entry[0]
            created[owner] = identities.new(identity_ids=keys, user_key=owner, kind=kind, evidence=WEBHOOK, now=now)
        changed = [key for attachment in to_attach(sender) for key in attachment.ids]
        for key in (*candidates, *changed):
            together.setdefault(key, owner)
        owners.append(owner)
    return owners, created


def _unattached(entry: list[tuple[str, list[str]]], owner: str, entries: dict[str, str]) -> tuple[str, ...]:
    """The kinds that are not the owner's under the newest pepper: a turn attaches them, or gives them their twin."""
    return tuple(kind for kind, keys in entry if entries.get(keys[0]) != owner)


def _known(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """{identity id: user_key} of those that exist: from the cache, the others in one read.

    `groups` holds the ids of one sender each. That an id is absent is cached too, since a previous pepper leaves many
    empty places; but a sender of whom the cache knows nothing else is read again: another process may have met them.
    """
    ids = {key for group in groups for key in group}
    found = cache.get_many([f"identity:{key}" for key in ids])
    cached: dict[str, str] = {key.removeprefix("identity:"): user_key for key, user_key in found.items()}
    strangers = {key for group in groups if not any(cached.get(key) for key in group) for key in group}
    missing = sorted(strangers | (ids - cached.keys()))
    if missing:
        read = {key: identity.user_key for key, identity in identities.find_many(missing).items()}
        cached |= {key: read.get(key, "") for key in missing}
        _remember({key: cached[key] for key in missing})
    return {key: user_key for key, user_key in cached.items() if user_key}


def _create_all(created: dict[str, list[Create]]) -> bool:
    """Create the new people's entries; False where a race was lost: then the cache holds nothing of the losers."""
    if not created:
        return True
    done = identities.create_many(list(created.values()))
    lost: set[str] = set()
    for (user_key, writes), was_created in zip(created.items(), done, strict=True):
        ids = {write.path.rpartition("/")[2] for write in writes}
        if was_created:
            _remember(dict.fromkeys(ids, user_key))
        else:
            lost |= ids
    forget(lost)
    return not lost


def forget(identity_ids: Iterable[str]) -> None:
    """Ask the documents for these the next time."""
    cache.delete_many([f"identity:{key}" for key in identity_ids])


def _remember(found: dict[str, str]) -> None:
    cache.set_many({f"identity:{key}": user_key for key, user_key in found.items()}, CACHE_SECONDS)
