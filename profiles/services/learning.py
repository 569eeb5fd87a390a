"""What a turn learns of its customer: identifiers to attach, and the profile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from profiles.facts import ENCRYPTED, TEXT_MAX, changes_of, clean_text, facts_of, search_fields, stored
from profiles.identifiers import NUMBER_CHANGE, Attachment, Sender, identity_ids, to_attach
from profiles.models import Identity, UserProfile
from profiles.services.history import changes_written
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import Write

identities = IdentityStore()
profiles = UserProfileStore()


def paths_to_attach(senders: Sequence[Sender]) -> list[str]:
    """The identity entries that a turn reads, to attach identifiers which had none; under every pepper.

    Those of the senders' other identifiers are among them: what is attached goes where they go when a merge is undone.
    """
    paths: list[str] = []
    for sender in senders:
        if attachments := to_attach(sender):
            groups = [*(wanted.ids for wanted in attachments), *(keys for _, keys in identity_ids(sender))]
            paths += [identities.path(key) for keys in groups for key in keys]
    return paths


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
    candidates: list[str] = list(profile.merge_candidates) if profile else []
    candidates += _owners_of_others(user_key, senders, existing, set(candidates))
    known_by = [_renewed(user_key, sender, existing) for sender in senders]
    entries = _new_entries(user_key, senders, existing, now)
    return [*entries, *_profile_writes(user_key, profile, known_by, learnt, candidates, now)]


def _new_entries(user_key: str, senders: Sequence[Sender], existing: dict[str, Identity], now: datetime) -> list[Write]:
    """Under every pepper at once, so that processes with another ring meet them.

    An identifier that has an entry under an older pepper alone gets its twin under the newest.
    """
    wanted: dict[tuple[str, ...], tuple[Attachment, Sender]] = {}
    for sender in senders:
        for attachment in to_attach(sender):
            wanted.setdefault(attachment.ids, (attachment, sender))  # the first is known by what is there already
    writes: list[Write] = []
    merge_ids = {key: entry.merge_ids for key, entry in existing.items() if entry.user_key == user_key}
    for ids, (attachment, sender) in wanted.items():
        owners = {existing[key].user_key for key in ids if key in existing}
        if not owners:
            known_by = (key for _, keys in identity_ids(sender) for key in keys if key in merge_ids)
            inherited = merge_ids.get(next(known_by, ""), [])
            writes += identities.new(
                identity_ids=ids,
                user_key=user_key,
                kind=attachment.kind,
                evidence=attachment.evidence,
                now=now,
                merge_ids=inherited,
            )
            merge_ids |= dict.fromkeys(ids, inherited)  # a later message of this turn may be known by it
        elif owners == {user_key}:
            writes += identities.pair(ids, existing) or ()
    return writes


def _owners_of_others(
    user_key: str, senders: Sequence[Sender], existing: dict[str, Identity], known: set[str]
) -> list[str]:
    """To whom identifiers of these senders belong that are not this customer's, in the order of their messages."""
    owners = (_owner(attachment, existing) for sender in senders for attachment in to_attach(sender))
    return [owner for owner in dict.fromkeys(owners) if owner and owner not in {user_key, *known}]


def _renewed(user_key: str, sender: Sender, existing: dict[str, Identity]) -> Sender:
    """What the customer is known by after this message. What is somebody else's is not taken from them."""
    foreign = {
        attachment.kind
        for attachment in to_attach(sender)
        if attachment.evidence == NUMBER_CHANGE and _owner(attachment, existing) not in {"", user_key}
    }
    return replace(
        sender,
        new_wa_id="" if Identity.Kind.PHONE in foreign else sender.new_wa_id,
        new_bsuid="" if Identity.Kind.BSUID in foreign else sender.new_bsuid,
    ).renewed()


def fields_renewed(
    user_key: str, profile: UserProfile | None, senders: Sequence[Sender], existing: dict[str, Identity]
) -> list[str]:
    """The names of the profile's fields to which a number change gives new values."""
    changed = [sender for sender in senders if sender.new_wa_id or sender.new_bsuid]
    if not changed:
        return []
    before, found = facts_of(profile), set()
    for sender in changed:
        after = _renewed(user_key, sender, existing)
        found |= {name for name in ENCRYPTED if getattr(after, name) not in {getattr(sender, name), before[name]}}
    return sorted(found)


def _owner(attachment: Attachment, existing: dict[str, Identity]) -> str:
    return next((existing[key].user_key for key in attachment.ids if key in existing), "")


def _profile_writes(
    user_key: str,
    profile: UserProfile | None,
    senders: Sequence[Sender],
    learnt: dict[str, Any],
    candidates: list[str],
    now: datetime,
) -> list[Write]:
    """The profile, and an entry of its history for each who changed it: the customer, and the bot that asked them."""
    before = facts_of(profile)
    after = before | _told_by(senders, before) | learnt
    changes = changes_of(before, after)
    fields: dict[str, Any] = {"updated_at": now, "last_interaction": now}
    if profile is None:
        fields = UserProfile(id=user_key, created_at=now, **fields).to_document()
    fields |= stored(user_key, {field: new for field, (_, new) in changes.items()})
    found_by = search_fields(after)
    fields |= {name: value for name, value in found_by.items() if profile is None or getattr(profile, name) != value}
    if candidates:
        fields["merge_candidates"] = candidates
    actors = {"USER": changes.keys() - learnt.keys(), "PYLOTO": changes.keys() & learnt.keys()}
    told = changes_written(user_key=user_key, profile=profile, changes=changes, actors=actors, at=now)
    return [profiles.write(user_key, fields), *told]


def _told_by(senders: Sequence[Sender], before: dict[str, Any]) -> dict[str, Any]:
    """What WhatsApp says of the customer; the latest sender wins.

    A phone is news only where it is not that of the wa_id which the profile has: what staff put there instead stays.
    A name is taken once: who told us another one meant it.
    """
    told = {
        field: latest
        for field in ENCRYPTED
        if (latest := next((value for sender in reversed(senders) if (value := getattr(sender, field))), ""))
    }
    if before["phone"] and told.get("phone") == Sender(wa_id=before["wa_id"] or "").phone:
        told.pop("phone", None)
    name = next((name for sender in reversed(senders) if (name := clean_text(sender.name)[: TEXT_MAX["name"]])), "")
    return told | ({"name": name} if name and not before["name"] else {})


def revealed(profile: UserProfile | None, field: str) -> str:
    """The plain value of an encrypted field of the profile; empty where it has none. Raises `DecryptionFailed`."""
    return profile.reveal(field) if profile else ""
