"""What a turn learns of its customer: identifiers to attach, and the profile."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from profiles.facts import ENCRYPTED, TEXT_MAX, changes_of, clean_text, facts_of, search_fields, stored
from profiles.identifiers import NUMBER_CHANGE, STAFF, WEBHOOK, Attachment, Sender, identity_ids, to_attach
from profiles.models import Identity, UserProfile
from profiles.services.history import changes_written
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import Write
from pyloto.privacy.hashing import identity_keys

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
    dismissed = profile.dismissed_candidates if profile else []
    candidates += _owners_of_others(user_key, senders, existing, {*candidates, *dismissed})
    before = facts_of(profile)
    told = _told_by([renewed(user_key, sender, existing) for sender in senders], before)
    news = _kinds_that_are_new(user_key, senders, existing)
    if before["phone"] and not (Identity.Kind.PHONE in news and before["phone"] == _phone_of(before["wa_id"])):
        told.pop("phone", None)  # staff's, or one of several numbers of the customer
    entries = _new_entries(user_key, senders, existing, now)
    entries += _vouched_for(user_key, senders, before, {write.path for write in entries})
    return [*entries, *_profile_writes(user_key, profile, before, told, learnt, news, candidates, now)]


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


def renewed(user_key: str, sender: Sender, existing: dict[str, Identity]) -> Sender:
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
        after = renewed(user_key, sender, existing)
        found |= {name for name in ENCRYPTED if getattr(after, name) not in {getattr(sender, name), before[name]}}
    return sorted(found)


def bsuid_replaced(profile: UserProfile | None, senders: Sequence[Sender], existing: dict[str, Identity]) -> bool:
    """Whether the phone led here, and the id that came with it is another one than we knew, of nobody, and announced
    by no notice: the person has a new account, or the number another owner."""
    known = facts_of(profile)["bsuid"]
    announced = {sender.new_bsuid for sender in senders}
    return bool(known) and any(
        attachment.kind == Identity.Kind.BSUID and attachment.evidence == WEBHOOK and not _owner(attachment, existing)
        for sender in senders
        if sender.bsuid and sender.bsuid not in {known, *announced}
        for attachment in to_attach(sender)
    )


def _kinds_that_are_new(user_key: str, senders: Sequence[Sender], existing: dict[str, Identity]) -> set[str]:
    """The kinds of identifier of which the customer gets one: those of nobody so far, and what a notice says."""
    return {
        attachment.kind
        for sender in senders
        for attachment in to_attach(sender)
        if (owner := _owner(attachment, existing)) == "" or (owner == user_key and attachment.evidence == NUMBER_CHANGE)
    }


def _phone_of(wa_id: str | None) -> str:
    return Sender(wa_id=wa_id or "").phone


def _vouched_for(
    user_key: str, senders: Sequence[Sender], before: dict[str, Any], written: Collection[str]
) -> list[Write]:
    """A phone that staff wrote down, and that a message comes from now, is staff's no more: an edit takes its entry
    away no longer."""
    phone = before["phone"]
    if not phone or phone == _phone_of(before["wa_id"]) or phone not in {sender.phone for sender in senders}:
        return []
    found = identities.find_many(identity_keys(Identity.Kind.PHONE.value, phone))
    return [
        identities.vouch(entry, WEBHOOK)
        for entry in found.values()
        if (entry.user_key, entry.evidence) == (user_key, STAFF) and identities.path(entry.pk) not in written
    ]


def _owner(attachment: Attachment, existing: dict[str, Identity]) -> str:
    return next((existing[key].user_key for key in attachment.ids if key in existing), "")


def _profile_writes(
    user_key: str,
    profile: UserProfile | None,
    before: dict[str, Any],
    told: dict[str, Any],
    learnt: dict[str, Any],
    news: set[str],
    candidates: list[str],
    now: datetime,
) -> list[Write]:
    """The profile, and an entry of its history for each who changed it: the customer, and the bot that asked them.

    Where the customer wrote from another account that was theirs before, the profile follows, so that replies go there,
    and the history is silent: somebody with two numbers would fill it.
    """
    after = before | told | learnt
    changes = changes_of(before, after)
    fields: dict[str, Any] = stored(user_key, {field: new for field, (_, new) in changes.items()})
    found_by = search_fields(after)
    fields |= {name: value for name, value in found_by.items() if profile is None or getattr(profile, name) != value}
    if candidates:
        fields["merge_candidates"] = candidates
    fields |= {"updated_at": now, "last_interaction": now}
    write = (
        profiles.create(UserProfile(id=user_key, created_at=now, **fields))
        if profile is None
        else profiles.update(user_key, fields, last_update_time=profile.update_time)
    )
    if not news and not {"wa_id", "bsuid"}.isdisjoint(changes):
        changes = {field: values for field, values in changes.items() if field not in ENCRYPTED or not values[0]}
    actors = {"USER": changes.keys() - learnt.keys(), "PYLOTO": changes.keys() & learnt.keys()}
    return [write, *changes_written(user_key=user_key, profile=profile, changes=changes, actors=actors, at=now)]


def _told_by(senders: Sequence[Sender], before: dict[str, Any]) -> dict[str, Any]:
    """What WhatsApp says of the customer; the latest sender wins.

    A name is taken once: who told us another one meant it.
    """
    told = {
        field: latest
        for field in ENCRYPTED
        if (latest := next((value for sender in reversed(senders) if (value := getattr(sender, field))), ""))
    }
    name = next((name for sender in reversed(senders) if (name := clean_text(sender.name)[: TEXT_MAX["name"]])), "")
    return told | ({"name": name} if name and not before["name"] else {})


def revealed(profile: UserProfile | None, field: str) -> str:
    """The plain value of an encrypted field of the profile; empty where it has none. Raises `DecryptionFailed`."""
    return profile.reveal(field) if profile else ""
