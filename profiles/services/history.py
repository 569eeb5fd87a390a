"""Who changed what of a profile, and when: written by the commit that makes the change, the values encrypted."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from profiles.facts import Changes
from profiles.models import ProfileChange, UserProfile
from profiles.stores import UserProfileStore
from pyloto.documents import Create
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, decrypt, encrypt
from pyloto.privacy.hashing import digest

PAGE = 20
Place = tuple[datetime, str]  # time and id of a change
profiles = UserProfileStore()


def changes_written(
    *, user_key: str, profile: UserProfile | None, changes: Changes, actors: Mapping[str, Collection[str]], at: datetime
) -> list[Create]:
    """The writes that tell of these changes to a profile as it was read, for the commit that makes them.

    `actors` names who changed which fields: {"USER": […], "user:7": […]}; one entry for each of them. Their ids follow
    from the version that they change: two commits on one version cannot both be told of.
    """
    writes = []
    version = str(profile.update_time) if profile else "new"
    for actor, fields in actors.items():
        told = {field: values for field, values in changes.items() if field in fields}
        if not told:
            continue
        change_id = digest("profile-change", user_key, version, actor)
        path = profiles.change_path(user_key, change_id)
        values = encrypt(json.dumps(told, ensure_ascii=False), path=path, field="changes")
        change = ProfileChange(id=change_id, at=at, actor=actor, fields=list(told), changes=values)
        writes.append(profiles.create_change(user_key, change))
    return writes


@dataclass(frozen=True)
class Page:
    """Changes, newest first. `next`: the place after which the next page begins, None on the last one."""

    changes: list[ProfileChange]
    next: Place | None


def history(user_key: str, *, before: Place | None = None, limit: int = PAGE) -> Page:
    found = profiles.changes(user_key, limit=limit + 1, before=before)
    page = found[:limit]
    return Page(page, (page[-1].at, page[-1].pk) if len(found) > limit else None)


def values_of(change: ProfileChange) -> Changes:
    """What the change holds, in the plain; empty, with an alert, where it cannot be read any more."""
    try:
        told: Changes = json.loads(decrypt(change.changes, path=change.path, field="changes"))
    except DecryptionFailed:
        alert("profile_change_unreadable", change_id=change.pk)
        return {}
    return told
