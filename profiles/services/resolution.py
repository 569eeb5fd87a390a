"""Who wrote: from what WhatsApp knows a customer by to their random `user_key`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.core.cache import cache

from profiles.identifiers import Sender, identity_ids
from profiles.stores import IdentityStore
from pyloto.documents import Create

CACHE_SECONDS = 60
identities = IdentityStore()


@dataclass(frozen=True)
class Resolved:
    user_key: str
    sender: Sender  # with `unattached` filled


def resolve_senders(senders: Sequence[Sender], *, now: datetime) -> list[Resolved]:
    """The `user_key` of each sender, created where none of their identifiers is known.

    One read for all that the cache does not know, one write for the new, one more read where a race was lost.
    A sender without any identifier raises `ValueError`: the splitter lets none through.
    """
    ids = [identity_ids(sender) for sender in senders]
    if not all(ids):
        raise ValueError("a sender without identifier cannot be resolved")
    known = _known([[key for _, keys in entry for key in keys] for entry in ids])
    created: dict[str, Create] = {}
    together: dict[str, str] = {}  # identifiers that messages of this delivery brought together
    owners: list[str] = []
    for entry in ids:
        candidates = [key for _, keys in entry for key in keys]
        owner = next((found for key in candidates if (found := known.get(key) or together.get(key))), None)
        if owner is None:
            owner = secrets.token_hex(16)
            kind, keys = entry[0]
            created[keys[0]] = identities.new(
                identity_id=keys[0], user_key=owner, kind=kind, evidence="webhook", now=now
            )
        for key in candidates:
            together.setdefault(key, owner)
        owners.append(owner)
    entries = known | {key: write.data["user_key"] for key, write in created.items()}
    winners = _create(created) if created else {}
    return [
        Resolved(winners.get(owner, owner), replace(sender, unattached=_unattached(entry, owner, entries)))
        for sender, entry, owner in zip(senders, ids, owners, strict=True)
    ]


def _unattached(entry: list[tuple[str, list[str]]], owner: str, entries: dict[str, str]) -> tuple[str, ...]:
    return tuple(kind for kind, keys in entry if not any(entries.get(key) == owner for key in keys))


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


def _create(created: dict[str, Create]) -> dict[str, str]:
    """Create the entries; return {our user_key: the other's} for each race that was lost."""
    taken = identities.create_many(list(created.values()))
    _remember({key: write.data["user_key"] for key, write in created.items() if key not in taken})
    if not taken:
        return {}
    others = identities.find_many(sorted(taken))
    _remember({key: identity.user_key for key, identity in others.items()})
    return {created[key].data["user_key"]: identity.user_key for key, identity in others.items()}


def _remember(found: dict[str, str]) -> None:
    cache.set_many({f"identity:{key}": user_key for key, user_key in found.items()}, CACHE_SECONDS)
