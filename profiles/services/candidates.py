"""Who may be the same person as a customer: turns note them, staff merge them, or say that it is somebody else."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from audit import Event, EventType, event_id
from audit.trails import commit_with_events
from profiles.models import Merge
from profiles.services.editing import ProfileContended
from profiles.stores import MergeStore, UserProfileStore
from pyloto.documents import AlreadyExists, NotFound, PreconditionFailed
from pyloto.observability.correlation import current_correlation_id

TRIES = 5
MERGES_MAX = 50  # a person who was merged more often than this is not looked through to the end
AT_ONCE = 30  # what Firestore takes in one `in`
profiles = UserProfileStore()
merges = MergeStore()


def candidates_of(user_key: str) -> list[str]:
    """Whoever is noted in the customer's profile, or notes them in theirs, each as the customer that they are by now.

    What was merged into the customer counts as theirs. Those whom staff dismissed, and those without a profile, are left
    out.
    """
    mine = _family(user_key)
    own = profiles.find_many(mine).values()
    noted = {key: None for profile in own for key in profile.merge_candidates}
    noted |= {key: None for one in mine for key in profiles.find_by_candidate(one)}
    dismissed = {key for profile in own for key in profile.dismissed_candidates}
    by_now = current_of([user_key, *(key for key in noted if key not in dismissed)])
    left_out = {*mine, *dismissed, by_now.pop(user_key)}
    return list(profiles.find_many(dict.fromkeys(key for key in by_now.values() if key not in left_out)))


def current_of(user_keys: Iterable[str]) -> dict[str, str]:
    """{key: whom merges have made of them}, in their order."""
    by_now = {key: key for key in user_keys}
    for _ in range(MERGES_MAX):
        keys = sorted(set(by_now.values()))
        into: dict[str, Merge] = {}
        for start in range(0, len(keys), AT_ONCE):
            into |= merges.active_of(keys[start : start + AT_ONCE])
        if not into:
            break
        by_now = {key: into[now].target if now in into else now for key, now in by_now.items()}
    return by_now


def _family(user_key: str) -> list[str]:
    """The customer, and whoever was merged into them."""
    family = [user_key]
    for key in family:  # which grows
        if len(family) < MERGES_MAX:
            family += [merge.source for merge in merges.active_into(key) if merge.source not in family]
    return family


def dismiss(*, user_key: str, other: str, actor: str, now: datetime) -> None:
    """Staff say that these two are not one person: neither is noted in the other's profile again.

    Raises `NotFound`, `ProfileContended`; what `commit_with_events` raises.
    """
    for _ in range(TRIES):
        mine, theirs = _family(user_key), _family(other)
        found = profiles.find_many([*mine, *theirs])
        if user_key not in found or other not in found:
            raise NotFound("one of the customers is not there")
        if other in mine or user_key in theirs or other in found[user_key].dismissed_candidates:
            return
        writes = []
        for side, others in ((mine, theirs), (theirs, mine)):
            for profile in (found[key] for key in side if key in found):
                fields = {
                    "merge_candidates": [key for key in profile.merge_candidates if key not in others],
                    "dismissed_candidates": list(dict.fromkeys([*profile.dismissed_candidates, *others])),
                }
                writes.append(profiles.update(profile.pk, fields, last_update_time=profile.update_time))
        event = Event(
            event_id("candidate-dismissed", user_key, secrets.token_hex(16)),
            EventType.PROFILE_UPDATED,
            actor,
            now,
            metadata={"fields": "dismissed_candidates", "other": other},
            correlation_id=current_correlation_id(),
        )
        try:
            commit_with_events(user_key=user_key, events=[event], writes=writes)
        except (AlreadyExists, NotFound, PreconditionFailed):
            continue  # a profile is not as it was read
        return
    raise ProfileContended("the profiles changed at every try")
