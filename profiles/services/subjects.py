"""Who a customer is by now: the person behind a `user_key`, with all that merges have brought together."""

from profiles.models import Identity, UserProfile
from profiles.stores import MergeStore, UserProfileStore
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed
from pyloto.privacy.registry import Subject, conversation_ids_of

profiles = UserProfileStore()
merges = MergeStore()


def subject_of(user_key: str) -> Subject:
    """The person, whichever of their keys is given: the one in use first, then those merged into it.

    A key that nobody has gives a subject of that key alone.
    """
    user_keys = keys_of(user_key)
    found = dict.fromkeys(identifier for key in user_keys for identifier in _identifiers(profiles.find(key)))
    return Subject(user_keys=user_keys, conversation_ids=conversation_ids_of(user_keys), identifiers=tuple(found))


def keys_of(user_key: str) -> tuple[str, ...]:
    """All keys of the person, the one in use first."""
    return _merged_into(_in_use(user_key))


def subject_of_key(user_key: str) -> Subject:
    """What belongs to this key alone, whatever was merged with it."""
    return Subject(
        user_keys=(user_key,),
        conversation_ids=conversation_ids_of((user_key,)),
        identifiers=tuple(dict.fromkeys(_identifiers(profiles.find(user_key)))),
    )


def _in_use(user_key: str) -> str:
    """The end of the way that merges lead; each key is passed once, whatever the documents say."""
    passed = {user_key}
    while (merge := merges.find_active(source=user_key)) and merge.target not in passed:
        user_key = merge.target
        passed.add(user_key)
    return user_key


def _merged_into(user_key: str) -> tuple[str, ...]:
    user_keys = [user_key]
    for key in user_keys:  # grows while it is read: what was merged into merged ones belongs to them too
        user_keys += [merge.source for merge in merges.active_into(key) if merge.source not in user_keys]
    return tuple(user_keys)


def _identifiers(profile: UserProfile | None) -> list[tuple[str, str]]:
    """(kind, canonical value) as in `Sender.identifiers`; one that cannot be read any more is left out, with an alert."""
    if profile is None:
        return []
    found = []
    for kind, field in (
        (Identity.Kind.BSUID, "bsuid"),
        (Identity.Kind.PHONE, "phone"),
        (Identity.Kind.USERNAME, "username"),
    ):
        try:
            value = profile.reveal(field)
        except DecryptionFailed:
            alert("profile_unreadable", user_key=profile.pk, field=field)
            continue
        if value:
            found.append((kind.value, value.lower() if kind is Identity.Kind.USERNAME else value))
    return found
