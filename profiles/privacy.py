"""What profiles keep about people: what they are known by, their profile and its history, and what was merged."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from typing import Any

from django.core.cache import cache

from pyloto.documents import Delete, NotFound, PreconditionFailed, Query, Snapshot, Update, get_store, read_all
from pyloto.documents.removal import owned_by
from pyloto.privacy import registry
from pyloto.privacy.access import label_of, plain, row_of
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.registry import (
    AccessSection,
    Aged,
    EncryptedField,
    ErasureStep,
    IdentifierSource,
    Phase,
    Place,
    RetentionRule,
    Subject,
)
from pyloto.privacy.removal import documents_step

from . import identifiers
from .models import Erasure, Identity, Merge, ProfileChange, UserProfile
from .services import history, resolution
from .stores import UserProfileStore

# --- erasure ----------------------------------------------------------------------------------------------------------


def _erase_identities(subject: Subject) -> int:
    """One by one, each as it was read: under the same id somebody new may stand by now."""
    erased = 0
    for snapshot in _identities(subject):
        try:
            get_store().commit([Delete(snapshot.path, last_update_time=snapshot.update_time)])
        except (PreconditionFailed, NotFound):
            continue
        erased += 1
    return erased


def _count_identities(subject: Subject) -> int:
    return sum(1 for _ in _identities(subject))


def _identities(subject: Subject) -> Iterator[Snapshot]:
    for user_key in subject.user_keys:
        yield from get_store().query(owned_by(Identity.collection, user_key))


def _forget_resolved(subject: Subject) -> int:
    """Only this process's: the others forget within a minute, and a worker moves what they still take in."""
    known = _count_resolved(subject)
    resolution.forget(_identity_ids(subject))
    return known


def _count_resolved(subject: Subject) -> int:
    found = cache.get_many([f"identity:{identity_id}" for identity_id in _identity_ids(subject)])
    return sum(1 for user_key in found.values() if user_key in subject.user_keys)


def _identity_ids(subject: Subject) -> list[str]:
    return [identity_id for kind, value in subject.identifiers for identity_id in identity_keys(kind, value)]


def _about_merges(subject: Subject) -> list[Query]:
    return [
        Query(Merge.collection, where=((side, "==", user_key),))
        for user_key in subject.user_keys
        for side in ("source", "target")
    ]


NAMED_IN = ("merge_candidates", "dismissed_candidates")  # of a profile: keys of others


def _erase_candidates(subject: Subject) -> int:
    """Where others' profiles name them as perhaps the same person. One that changes meanwhile is met by the next scan."""
    erased = 0
    for snapshot in _candidates(subject):
        left = {
            field: [key for key in snapshot.data.get(field, ()) if key not in subject.user_keys] for field in NAMED_IN
        }
        change = Update(snapshot.path, left, last_update_time=snapshot.update_time)
        try:
            get_store().commit([change])
        except (PreconditionFailed, NotFound):
            continue
        erased += 1
    return erased


def _count_candidates(subject: Subject) -> int:
    return sum(1 for _ in _candidates(subject))


def _candidates(subject: Subject) -> Iterator[Snapshot]:
    """Profiles of others that name one of the person's keys, each once."""
    seen = {UserProfileStore.path(user_key) for user_key in subject.user_keys}
    for user_key, field in product(subject.user_keys, NAMED_IN):
        named = Query(UserProfile.collection, where=((field, "array-contains", user_key),))
        for snapshot in get_store().query(named):
            if snapshot.path not in seen:
                seen.add(snapshot.path)
                yield snapshot


def _merges(subject: Subject) -> list[str]:
    return sorted({snapshot.path for query in _about_merges(subject) for snapshot in get_store().query(query)})


def _profiles(subject: Subject) -> list[str]:
    return list(get_store().get_many([UserProfileStore.path(user_key) for user_key in subject.user_keys]))


def _delete(paths: list[str]) -> int:
    get_store().commit([Delete(path) for path in paths])
    return len(paths)


registry.register(
    ErasureStep(
        "profiles.identities",
        "Identificadores (telefone, id do WhatsApp, nome de usuário) no índice",
        Phase.DETACH,
        _erase_identities,
        _count_identities,
    ),
    ErasureStep(
        "profiles.resolved", "Identificadores na memória do servidor", Phase.DETACH, _forget_resolved, _count_resolved
    ),
    documents_step(
        "profiles.history",
        "Histórico do cadastro",
        lambda subject: [
            Query(f"{UserProfileStore.path(user_key)}/{ProfileChange.collection}") for user_key in subject.user_keys
        ],
    ),
    ErasureStep(
        "profiles.merges",
        "Registros de união de cadastros",
        Phase.DOCUMENTS,
        lambda subject: _delete(_merges(subject)),
        lambda subject: len(_merges(subject)),
    ),
    ErasureStep(
        "profiles.candidates",
        "Menções como possível duplicata em outros cadastros",
        Phase.DOCUMENTS,
        _erase_candidates,
        _count_candidates,
    ),
    ErasureStep(
        "profiles.profile",
        "Cadastro",
        Phase.DOCUMENTS,
        lambda subject: _delete(_profiles(subject)),
        lambda subject: len(_profiles(subject)),
    ),
)


# --- access -----------------------------------------------------------------------------------------------------------
ENCRYPTED = ("phone", "wa_id", "bsuid", "username")
# Made of other fields for the search; and random keys of others who may be the same person.
NOT_GIVEN_OUT = ("name_search", "city_search", "search_words", "username_key", *NAMED_IN)


def _profile_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    for user_key, profile in UserProfileStore().find_many(subject.user_keys).items():
        yield {"cliente": user_key, **row_of(profile, reveal=ENCRYPTED, leave_out=NOT_GIVEN_OUT)}


def _identity_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    """What kinds of identifier lead to them, and since when. The entries themselves are hashes."""
    for snapshot in _identities(subject):
        yield row_of(Identity.from_snapshot(snapshot), leave_out=("pepper_version", "merge_ids"))


def _change_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    for user_key in subject.user_keys:
        query = Query(f"{UserProfileStore.path(user_key)}/{ProfileChange.collection}", order_by=(("at", "desc"),))
        for change in map(ProfileChange.from_snapshot, read_all(query)):
            told = history.values_of(change)
            changes = {
                label_of(UserProfile, field): {"antes": old, "depois": new} for field, (old, new) in told.items()
            }
            yield row_of(change, leave_out=("fields",)) | {"mudanças": plain(changes)}


def _merge_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    """When records were joined, by whom, and what came of it; undone ones name nobody else."""
    found = {s.path: s for query in _about_merges(subject) for s in get_store().query(query)}
    for snapshot in found.values():
        yield row_of(Merge.from_snapshot(snapshot), leave_out=("source", "target", "identity_ids"))


registry.register(
    AccessSection("profiles.profile", "Cadastro", _profile_rows),
    AccessSection(
        "profiles.identities",
        "Identificadores",
        _identity_rows,
        note="Como reconhecemos quem escreve. O índice guarda só códigos; os valores estão no cadastro.",
        columns=("tipo", "origem", "criada em"),
    ),
    AccessSection(
        "profiles.history", "Histórico de mudanças do cadastro", _change_rows, columns=("quando", "autor", "mudanças")
    ),
    AccessSection("profiles.merges", "Uniões de cadastros", _merge_rows),
)


# --- retention --------------------------------------------------------------------------------------------------------
def _old_changes(cutoff: datetime, place: Place | None) -> Iterator[Aged]:
    query = Query(ProfileChange.collection, where=(("at", "<=", cutoff),), start_after=place, group=True)
    for snapshot in read_all(query):
        yield Aged((snapshot.path,), snapshot.data["at"], snapshot.path.split("/")[1])


registry.register(
    RetentionRule("profiles.history", "Histórico de mudanças do cadastro", "RETENTION_HISTORY_DAYS", _old_changes)
)


# --- keys -------------------------------------------------------------------------------------------------------------
def _known_by(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    profile, unreadable = UserProfile.from_snapshot(snapshot), None
    for field in identifiers.FIELDS:
        try:
            yield from identifiers.of_field(field, profile.reveal(field))
        except DecryptionFailed as exc:
            unreadable = exc
    if unreadable:
        raise unreadable


def _was_known_by(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """What staff and WhatsApp replaced: entries of it still lead here."""
    told = json.loads(decrypt(snapshot.data["changes"], path=snapshot.path, field="changes"))
    for field in identifiers.FIELDS:
        for value in told.get(field, ()):
            yield from identifiers.of_field(field, value or "")


registry.register(
    *(EncryptedField(UserProfile.collection, field) for field in identifiers.FIELDS),
    EncryptedField(ProfileChange.collection, "changes", group=True),
    EncryptedField(Erasure.collection, "identifiers"),
    IdentifierSource(UserProfile.collection, lambda: Query(UserProfile.collection), _known_by),
    IdentifierSource(
        ProfileChange.collection,
        lambda: Query(ProfileChange.collection, group=True),
        _was_known_by,
        lambda user_key: Query(f"{UserProfileStore.path(user_key)}/{ProfileChange.collection}"),
    ),
)
