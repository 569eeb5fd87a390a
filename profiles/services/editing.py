"""Profiles changed by hand: what staff may write there, and the commit that writes it."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.crypto import salted_hmac

from audit import Event, EventType, event_id
from audit.errors import CustomerMerged
from audit.trails import commit_with_events
from profiles.facts import TEXT_MAX, changes_of, clean_text, facts_of, search_fields, stored
from profiles.identifiers import STAFF, Sender
from profiles.models import Identity, UserProfile
from profiles.services.history import changes_written
from profiles.services.resolution import forget
from profiles.stores import IdentityStore, MergeStore, UserProfileStore
from pyloto.documents import AlreadyExists, NotFound, PreconditionFailed, Write
from pyloto.errors import PermanentError, TransientError
from pyloto.observability.correlation import current_correlation_id
from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.phones import InvalidPhone, canonical_phone

EDITABLE = ("name", "phone", "city", "is_business", "business_name", "role")
TRIES = 5
profiles = UserProfileStore()
identities = IdentityStore()
merges = MergeStore()


class Refusal(TextChoices):
    """Why a value is not taken; the label is what staff read."""

    UNKNOWN_FIELD = "UNKNOWN_FIELD", "Este campo não existe ou não pode ser editado."
    WRONG_TYPE = "WRONG_TYPE", "Este valor não serve para o campo."
    TOO_LONG = "TOO_LONG", "Texto longo demais."
    NOT_A_PHONE = "NOT_A_PHONE", "Não é um telefone válido. Escreva DDD e número, ou + e o código do país."
    PHONE_TAKEN = "PHONE_TAKEN", "Este telefone já é de outro cliente. Se for a mesma pessoa, una os dois cadastros."
    PHONE_IN_USE = "PHONE_IN_USE", "O cliente escreve deste telefone: ele pode ser trocado, mas não apagado."


class InvalidProfile(PermanentError):
    """Values that were refused: `errors` by field. `owner` is the customer whose phone it is, a merge candidate."""

    def __init__(self, errors: Mapping[str, Refusal], owner: str | None = None) -> None:
        super().__init__("; ".join(f"{field}: {refusal.value}" for field, refusal in errors.items()))
        self.errors = dict(errors)
        self.owner = owner


class ProfileChanged(PermanentError):
    """Somebody changed the profile since it was shown: to be looked at again before it is edited."""


class ProfileMerged(PermanentError):
    """The customer was merged into another one, `target`: that one is edited."""

    def __init__(self, target: str) -> None:
        super().__init__("this customer was merged into another one")
        self.target = target


class ProfileContended(TransientError):
    """Others changed the profile at every try."""


def version_of(profile: UserProfile) -> str:
    """What tells whether the facts that can be edited are those that were shown.

    Not the document's update time: every message of the customer changes that, and would refuse the form.
    It goes out in the form, so it is made with our key: the few digits that a mask hides are found by trying otherwise.
    """
    facts = facts_of(profile)
    shown = json.dumps([profile.pk, *(facts[field] for field in EDITABLE)])
    return salted_hmac("profile-version", shown, algorithm="sha256").hexdigest()


def edit_profile(
    *, user_key: str, changes: Mapping[str, Any], expected_version: str, actor: str, now: datetime
) -> UserProfile:
    """Change the facts named; return the profile as it is then. What is the same already changes nothing.

    A phone becomes an identity of the customer, so that a message from there is theirs. One that staff had written
    before, and that nobody ever wrote from, is theirs no more.
    Raises `InvalidProfile`, `ProfileChanged`, `ProfileMerged`, `NotFound`; what `commit_with_events` raises.
    """
    wanted = cleaned(changes)
    for _ in range(TRIES):
        profile = profiles.get(user_key)
        if merge := merges.find_active(source=user_key):
            raise ProfileMerged(merge.target)
        if version_of(profile) != expected_version:
            raise ProfileChanged("the profile is not the one that was shown any more")
        before = facts_of(profile)
        changed = changes_of(before, wanted)
        if not changed:
            return profile
        after = before | wanted
        ids, writes = _phone_writes(user_key, before, after, now) if "phone" in changed else ([], [])
        fields = stored(user_key, {field: new for field, (_, new) in changed.items()}) | search_fields(after)
        writes.append(profiles.update(user_key, {**fields, "updated_at": now}, last_update_time=profile.update_time))
        writes += changes_written(
            user_key=user_key, profile=profile, changes=changed, actors={actor: changed.keys()}, at=now
        )
        event = _updated(user_key, changed, actor, now)
        try:
            commit_with_events(user_key=user_key, events=[event], writes=writes, refuse_merged=True)
        except (AlreadyExists, CustomerMerged, NotFound, PreconditionFailed):
            continue  # the customer, the profile, or an entry of its phone, is not as it was read
        forget(ids)
        return profiles.get(user_key)
    raise ProfileContended("the profile changed at every try")


def create_profile(*, facts: Mapping[str, Any], actor: str, now: datetime) -> UserProfile:
    """A customer who has not written yet; `facts` holds a phone. Who writes from there is this customer.

    Raises `InvalidProfile`, also where the phone is somebody's already; what `commit_with_events` raises.
    """
    after = facts_of(None) | cleaned(facts)
    if not after["phone"]:
        raise InvalidProfile({"phone": Refusal.NOT_A_PHONE})
    user_key = secrets.token_hex(16)
    changed = changes_of(facts_of(None), after)
    blank = UserProfile(id=user_key, created_at=now, updated_at=now, last_interaction=now)
    fields = blank.to_document() | stored(user_key, after) | search_fields(after)
    ids, entries = _phone_writes(user_key, facts_of(None), after, now)
    told = changes_written(user_key=user_key, profile=None, changes=changed, actors={actor: changed.keys()}, at=now)
    event = _updated(user_key, changed, actor, now)
    try:
        commit_with_events(
            user_key=user_key,
            events=[event],
            writes=[*entries, profiles.create(UserProfile(id=user_key, **fields)), *told],
        )
    except AlreadyExists:
        _phone_writes(user_key, facts_of(None), after, now)  # refuses what is somebody's by now
        raise
    forget(ids)
    return profiles.get(user_key)


def cleaned(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the form in which they are stored. Raises `InvalidProfile` with all that is wrong with them."""
    values, errors = {}, {}
    for field, value in changes.items():
        try:
            values[field] = _clean(field, value)
        except _Refused as refused:
            errors[field] = refused.refusal
    if errors:
        raise InvalidProfile(errors)
    return values


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


def _clean(field: str, value: Any) -> Any:
    if field not in EDITABLE:
        raise _Refused(Refusal.UNKNOWN_FIELD)
    if field == "is_business":
        if value is None or isinstance(value, bool):
            return value
        raise _Refused(Refusal.WRONG_TYPE)
    if not isinstance(value, str):
        raise _Refused(Refusal.WRONG_TYPE)
    text = clean_text(value)
    if field == "phone":
        return _phone(text)
    if len(text) > TEXT_MAX[field]:
        raise _Refused(Refusal.TOO_LONG)
    return text


def _phone(text: str) -> str:
    try:
        return canonical_phone(text) if text else ""
    except InvalidPhone:
        raise _Refused(Refusal.NOT_A_PHONE) from None


def _phone_writes(
    user_key: str, before: Mapping[str, Any], after: Mapping[str, Any], now: datetime
) -> tuple[list[str], list[Write]]:
    """The identity entries of a new phone, and the end of those of the old one. Returns the ids concerned, too.

    Raises `InvalidProfile` for a phone that belongs to somebody else: it is never taken from them.
    """
    old, new = before["phone"] or "", after["phone"]
    written_from = Sender(wa_id=before["wa_id"] or "").phone
    if not new and written_from:
        raise InvalidProfile({"phone": Refusal.PHONE_IN_USE})
    old_ids = identity_keys(Identity.Kind.PHONE.value, old) if old and old != written_from else []
    new_ids = identity_keys(Identity.Kind.PHONE.value, new) if new else []
    found = identities.find_many([*old_ids, *new_ids])
    owner = next((found[key].user_key for key in new_ids if key in found and found[key].user_key != user_key), None)
    if owner:
        raise InvalidProfile({"phone": Refusal.PHONE_TAKEN}, owner)
    writes: list[Write] = [
        identities.remove(found[key])
        for key in old_ids
        if key in found and found[key].user_key == user_key and found[key].evidence == STAFF
    ]
    if new and not any(key in found for key in new_ids):
        kind = Identity.Kind.PHONE.value
        writes += identities.new(identity_ids=new_ids, user_key=user_key, kind=kind, evidence=STAFF, now=now)
    return [*old_ids, *new_ids], writes


def _updated(user_key: str, changed: Mapping[str, Any], actor: str, now: datetime) -> Event:
    """It holds the names of the fields, never their values. Its id is random: a rival's edit is not taken for ours."""
    return Event(
        event_id("profile-updated", user_key, secrets.token_hex(16)),
        EventType.PROFILE_UPDATED,
        actor,
        now,
        metadata={"fields": sorted(changed)},
        correlation_id=current_correlation_id(),
    )
