"""What a turn learns of its customer: identifiers to attach, and the profile."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from profiles.identifiers import Sender, identity_ids
from profiles.models import Identity, UserProfile
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import Write
from pyloto.privacy.fields import encrypt

identities = IdentityStore()
profiles = UserProfileStore()


def paths_to_attach(senders: Sequence[Sender]) -> list[str]:
    """The identity entries that a turn reads, to attach identifiers which had none; under every pepper."""
    return [
        identities.path(key)
        for sender in senders
        for kind, keys in identity_ids(sender)
        if kind in sender.unattached
        for key in keys
    ]


def learn_from_senders(
    *,
    user_key: str,
    profile: UserProfile | None,
    senders: Sequence[Sender],
    existing: dict[str, Identity],
    learnt: dict[str, Any],
    now: datetime,
) -> list[Write]:
    """The writes of a turn about its customer: new identity entries, and the profile.

    `existing` holds the entries found at `paths_to_attach`, by id. One that belongs to somebody else is noted as a merge
    candidate. `learnt` holds profile fields that the turn collected.
    """
    writes: dict[str, Write] = {}
    candidates: list[str] = list(profile.merge_candidates) if profile else []
    for sender in senders:
        for kind, keys in identity_ids(sender):
            if kind not in sender.unattached:
                continue
            entry = next((existing[key] for key in keys if key in existing), None)
            if entry is None:
                writes[keys[0]] = identities.new(
                    identity_id=keys[0], user_key=user_key, kind=kind, evidence="webhook", now=now
                )
            elif entry.user_key not in {user_key, *candidates}:
                candidates.append(entry.user_key)
    fields = _profile_changes(user_key, profile, senders) | learnt | {"updated_at": now, "last_interaction": now}
    if candidates:
        fields["merge_candidates"] = candidates
    if "name" in fields:
        fields["name_search"] = fold(fields["name"])
    if profile is None:
        blank = UserProfile(id=user_key, created_at=now, updated_at=now, last_interaction=now)
        fields = blank.to_document() | fields
    return [*writes.values(), profiles.write(user_key, fields)]


def _profile_changes(user_key: str, profile: UserProfile | None, senders: Sequence[Sender]) -> dict[str, Any]:
    """The identifying fields that differ from what the profile holds, encrypted; the latest sender wins."""
    changes: dict[str, Any] = {}
    path = profiles.path(user_key)
    for field in ("phone", "wa_id", "bsuid", "username"):
        latest = next((value for sender in reversed(senders) if (value := getattr(sender, field))), "")
        if latest and latest != revealed(profile, field):
            changes[field] = encrypt(latest, path=path, field=field)
    name = next((sender.name for sender in reversed(senders) if sender.name), "")
    if name and not (profile and profile.name):
        changes["name"] = name[:200]
    return changes


def revealed(profile: UserProfile | None, field: str) -> str:
    """The plain value of an encrypted field of the profile; empty where it has none. Raises `DecryptionFailed`."""
    return profile.reveal(field) if profile else ""


def fold(name: str) -> str:
    """A name as it is searched: lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))[:200]
