"""The only file that reads and writes identities and profiles."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pyloto.documents import AlreadyExists, Create, Delete, Query, Set, Update, Write, get_store, read_all
from pyloto.documents.port import Operator

from .models import Erasure, Identity, Merge, ProfileChange, UserProfile

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
LAST_CHARACTER = "\uf8ff"  # sorts behind all that a folded text begins with


def pepper_version(identity_id: str) -> int:
    """Under which pepper an entry was made: "v2-…"."""
    return int(identity_id.partition("-")[0].removeprefix("v"))


WORD_PAGE = 100  # profiles read at once for a word: most searches look at no more than a few
CANDIDATES_MAX = 50  # more doubles of one person are a fault, not a list to be read


class IdentityStore:
    @staticmethod
    def path(identity_id: str) -> str:
        return f"{Identity.collection}/{identity_id}"

    def find_many(self, identity_ids: Iterable[str]) -> dict[str, Identity]:
        """By id; those that do not exist are left out."""
        found = get_store().get_many([self.path(identity_id) for identity_id in identity_ids])
        return {snapshot.id: Identity.from_snapshot(snapshot) for snapshot in found.values()}

    def new(
        self,
        *,
        identity_ids: Sequence[str],
        user_key: str,
        kind: str,
        evidence: str,
        now: datetime,
        merge_ids: Sequence[str] = (),
    ) -> list[Create]:
        """The writes that create the entries of one identifier, one for each pepper: all of them belong in one commit.

        An id carries the pepper's version: "v2-…". Processes whose rings of peppers share one meet each other there.
        `merge_ids` are those of the entry through which its customer was known.
        """
        return [
            Create(
                self.path(identity_id),
                Identity(
                    id=identity_id,
                    user_key=user_key,
                    kind=kind,
                    pepper_version=pepper_version(identity_id),
                    twin=next((other for other in identity_ids if other != identity_id), None),
                    merge_ids=list(merge_ids),
                    evidence=evidence,
                    created_at=now,
                ).to_document(),
            )
            for identity_id in identity_ids
        ]

    def pair(self, identity_ids: Sequence[str], entries: Mapping[str, Identity]) -> list[Write] | None:
        """The writes that give the entries of one identifier, as they were read, a twin under the newest pepper.

        `identity_ids` begins with the id under that pepper. None where the entries lead to two customers. All writes
        belong in one commit. It changes the older entries: of this and a merge or an erasure at the same time, which
        change them too, one fails and reads again.
        """
        newest, twin = identity_ids[0], entries.get(identity_ids[0])
        older = [entries[key] for key in identity_ids[1:] if key in entries]
        if len({entry.user_key for entry in (*older, *([twin] if twin else ()))}) > 1:
            return None
        writes: list[Write] = [
            Update(self.path(entry.pk), {"twin": newest}, last_update_time=entry.update_time)
            for entry in older
            if entry.twin != newest
        ]
        if older and twin is None:
            writes.append(self._twin_of(older[0], newest))
        return writes

    def _twin_of(self, entry: Identity, identity_id: str) -> Create:
        twin = Identity(
            id=identity_id,
            user_key=entry.user_key,
            kind=entry.kind,
            pepper_version=pepper_version(identity_id),
            twin=entry.pk,
            merge_ids=entry.merge_ids,
            evidence=entry.evidence,
            created_at=entry.created_at,
        )
        return Create(self.path(identity_id), twin.to_document())

    def pepper_versions(self) -> list[int]:
        """Those that entries were made under, the lowest first."""
        versions: list[int] = []
        while True:
            query = Query(
                Identity.collection, where=(("pepper_version", ">", versions[-1] if versions else -1),), limit=1
            )
            found = get_store().query(query)
            if not found:
                return versions
            versions.append(found[0].data["pepper_version"])

    def count(self, *, version: int, twin_version: int | None = None) -> int:
        """The entries under one pepper; only those with a twin under `twin_version` where it is given."""
        where: tuple[tuple[str, Operator, Any], ...] = (("pepper_version", "==", version),)
        if twin_version is not None:  # "v2-…"; "." is the character behind "-"
            where += (("twin", ">=", f"v{twin_version}-"), ("twin", "<", f"v{twin_version}."))
        return get_store().count(Query(Identity.collection, where=where))

    def under(self, version: int, *, limit: int) -> list[Identity]:
        """Some of the entries under this pepper."""
        query = Query(Identity.collection, where=(("pepper_version", "==", version),), limit=limit)
        return [Identity.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def delete_many(self, identity_ids: Sequence[str]) -> None:
        """At most 500."""
        get_store().commit([Delete(self.path(identity_id)) for identity_id in identity_ids])

    def of(self, user_key: str, *, limit: int) -> list[Identity]:
        """All entries that lead to this customer."""
        query = Query(Identity.collection, where=(("user_key", "==", user_key),), limit=limit)
        return [Identity.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def repoint(self, identity: Identity, merge: Merge) -> Update:
        """The write that gives an entry, as it was read, to the target of a merge."""
        fields = {"user_key": merge.target, "merge_ids": [*identity.merge_ids, merge.pk]}
        return Update(self.path(identity.pk), fields, last_update_time=identity.update_time)

    def give_back(self, identity: Identity, merge: Merge) -> Update:
        """The write that gives an entry, as it was read, back to the source of a merge."""
        fields = {"user_key": merge.source, "merge_ids": [key for key in identity.merge_ids if key != merge.pk]}
        return Update(self.path(identity.pk), fields, last_update_time=identity.update_time)

    def vouch(self, identity: Identity, evidence: str) -> Update:
        """The write that says where an entry, as it was read, is known from by now."""
        return Update(self.path(identity.pk), {"evidence": evidence}, last_update_time=identity.update_time)

    def remove(self, identity: Identity) -> Delete:
        """The write that deletes an entry that is as it was read."""
        return Delete(self.path(identity.pk), last_update_time=identity.update_time)

    def create_many(self, people: Sequence[Sequence[Create]]) -> list[bool]:
        """Create the entries of each person, all or none of them; False where somebody else had created one before.

        Raises what the store answered for any other failed write.
        """
        if all(len(writes) == 1 for writes in people):
            results = get_store().write_many([write for writes in people for write in writes])
            failed = [result.error for result in results if result.error is not None]
            if error := next((error for error in failed if not isinstance(error, AlreadyExists)), None):
                raise error
            return [result.error is None for result in results]
        return [self._create(writes) for writes in people]

    @staticmethod
    def _create(writes: Sequence[Create]) -> bool:
        try:
            get_store().commit(writes)
        except AlreadyExists:
            return False
        return True

    def deletes_of(self, user_key: str) -> list[Delete]:
        """The writes that delete every entry of this customer, each as it was read, for somebody else's commit."""
        found = get_store().query(Query(Identity.collection, where=(("user_key", "==", user_key),)))
        return [Delete(snapshot.path, last_update_time=snapshot.update_time) for snapshot in found]


class UserProfileStore:
    @staticmethod
    def path(user_key: str) -> str:
        return f"{UserProfile.collection}/{user_key}"

    def get(self, user_key: str) -> UserProfile:
        """Raises `NotFound`."""
        return UserProfile.from_snapshot(get_store().get(self.path(user_key)))

    def find(self, user_key: str) -> UserProfile | None:
        return self.find_many([user_key]).get(user_key)

    def find_many(self, user_keys: Iterable[str]) -> dict[str, UserProfile]:
        """By `user_key`, in their order; those that do not exist are left out."""
        paths = [self.path(user_key) for user_key in user_keys]
        found = get_store().get_many(paths) if paths else {}
        return {found[path].id: UserProfile.from_snapshot(found[path]) for path in paths if path in found}

    # --- writing ------------------------------------------------------------------------------------------------------
    def create(self, profile: UserProfile) -> Create:
        """The write that creates the profile, for somebody else's commit."""
        return Create(self.path(profile.pk), profile.to_document())

    def update(self, user_key: str, fields: dict[str, Any], *, last_update_time: datetime | None) -> Update:
        """The write that changes these fields of a profile that is as it was read, for somebody else's commit."""
        return Update(self.path(user_key), self._known(fields), last_update_time)

    def write(self, user_key: str, fields: dict[str, Any]) -> Write:
        """The write that sets these fields, for somebody else's commit."""
        return Set(self.path(user_key), self._known(fields), merge=True)

    @staticmethod
    def _known(fields: dict[str, Any]) -> dict[str, Any]:
        """Raises `ValueError` for what a profile does not have: nothing unlisted is stored about anybody."""
        if unknown := fields.keys() - set(UserProfile.field_names()):
            raise ValueError(f"A profile has no {', '.join(sorted(unknown))}")
        return fields

    def held(self) -> list[UserProfile]:
        """Those under a legal hold."""
        query = Query(UserProfile.collection, where=(("legal_hold.at", ">", LONG_AGO),))
        return [UserProfile.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def find_silent(self, cutoff: datetime, *, after: tuple[datetime, str] | None) -> Iterator[UserProfile]:
        """Those from whom nothing was heard since, the longest silent first; `after`: time and path of one of them."""
        query = Query(UserProfile.collection, where=(("last_interaction", "<=", cutoff),), start_after=after)
        return map(UserProfile.from_snapshot, read_all(query))

    # --- searching ----------------------------------------------------------------------------------------------------
    def find_by_prefix(self, field: Literal["name_search", "city_search"], prefix: str, *, limit: int) -> list[str]:
        """The keys of those whose folded name or city begins so, in its order."""
        where: tuple[tuple[str, Operator, Any], ...] = ((field, ">=", prefix), (field, "<", prefix + LAST_CHARACTER))
        return self._keys(where, limit)

    def with_word(self, word: str) -> Iterator[UserProfile]:
        """Those who have the folded word in their name or their company's."""
        query = Query(UserProfile.collection, where=(("search_words", "array-contains", word),))
        return map(UserProfile.from_snapshot, read_all(query, page=WORD_PAGE))

    def find_by_username_keys(self, keys: Sequence[str], *, limit: int) -> list[str]:
        """`keys` as `identity_keys` makes them."""
        return self._keys((("username_key", "in", list(keys)),), limit)

    @staticmethod
    def _keys(where: tuple[tuple[str, Operator, Any], ...], limit: int) -> list[str]:
        query = Query(UserProfile.collection, where=where, limit=limit)
        return [snapshot.id for snapshot in get_store().query(query)]

    def find_by_candidate(self, user_key: str) -> list[str]:
        """The keys of those in whose profile this customer is noted as perhaps the same person."""
        return self._keys((("merge_candidates", "array-contains", user_key),), CANDIDATES_MAX)

    # --- history ------------------------------------------------------------------------------------------------------
    def create_change(self, user_key: str, change: ProfileChange) -> Create:
        """The write that adds to the profile's history, for somebody else's commit."""
        return Create(self.change_path(user_key, change.pk), change.to_document())

    @classmethod
    def change_path(cls, user_key: str, change_id: str) -> str:
        return f"{cls.path(user_key)}/{ProfileChange.collection}/{change_id}"

    def changes(self, user_key: str, *, limit: int, before: tuple[datetime, str] | None = None) -> list[ProfileChange]:
        """A page of the history, newest first. `before`: time and id of the last change of the page before."""
        query = Query(
            f"{self.path(user_key)}/{ProfileChange.collection}",
            order_by=(("at", "desc"),),
            limit=limit,
            start_after=(before[0], self.change_path(user_key, before[1])) if before else None,
        )
        return [ProfileChange.from_snapshot(snapshot) for snapshot in get_store().query(query)]


class MergeStore:
    @staticmethod
    def path(merge_id: str) -> str:
        return f"{Merge.collection}/{merge_id}"

    def find(self, merge_id: str) -> Merge | None:
        path = self.path(merge_id)
        snapshot = get_store().get_many([path]).get(path)
        return Merge.from_snapshot(snapshot) if snapshot else None

    def create(self, merge: Merge) -> Create:
        """The write that notes the merge, for the commit that makes it."""
        return Create(self.path(merge.pk), merge.to_document())

    def mark_undone(self, merge: Merge, *, by: str, at: datetime) -> Update:
        """The write that notes, in a merge as it was read, that it was undone."""
        return Update(self.path(merge.pk), {"undone_by": by, "undone_at": at}, last_update_time=merge.update_time)

    def find_active(self, *, source: str) -> Merge | None:
        """The merge that this customer went into, unless it was undone."""
        query = Query(Merge.collection, where=(("source", "==", source),))
        return next((merge for merge in self._query(query) if merge.undone_at is None), None)

    def active_of(self, sources: Sequence[str]) -> dict[str, Merge]:
        """{source: merge} of those of these customers, at most 30, that were merged into others."""
        query = Query(Merge.collection, where=(("source", "in", list(sources)),))
        return {merge.source: merge for merge in self._query(query) if merge.undone_at is None} if sources else {}

    def any_of(self, user_keys: Sequence[str]) -> set[str]:
        """Those of these customers, at most 30, who went into others or whom others went into."""
        merges = [
            merge
            for side in ("source", "target")
            for merge in self._query(Query(Merge.collection, where=((side, "in", list(user_keys)),)))
            if merge.undone_at is None
        ]
        return {key for merge in merges for key in (merge.source, merge.target)} & set(user_keys)

    def active_into(self, target: str) -> list[Merge]:
        """What was merged into this customer and not undone."""
        query = Query(Merge.collection, where=(("target", "==", target),))
        return [merge for merge in self._query(query) if merge.undone_at is None]

    @staticmethod
    def _query(query: Query) -> list[Merge]:
        return [Merge.from_snapshot(snapshot) for snapshot in get_store().query(query)]


class ErasureStore:
    """Journals of erasures, and what is left of them afterwards: that this customer was erased."""

    @staticmethod
    def path(user_key: str) -> str:
        return f"{Erasure.collection}/{user_key}"

    def find(self, user_key: str) -> Erasure | None:
        snapshot = get_store().get_many([self.path(user_key)]).get(self.path(user_key))
        return Erasure.from_snapshot(snapshot) if snapshot else None

    def find_due(self, now: datetime, *, limit: int = 50) -> list[Erasure]:
        """Those that are not completed and whose time has come, the longest waiting first."""
        query = Query(Erasure.collection, where=(("scan_at", "<=", now),), order_by=(("scan_at", "asc"),), limit=limit)
        return [Erasure.from_snapshot(snapshot) for snapshot in get_store().query(query)]

    def completed(self) -> Iterator[str]:
        """The keys of all who were erased."""
        for snapshot in read_all(Query(Erasure.collection)):
            if snapshot.data.get("step") == Erasure.Step.COMPLETED.value:
                yield snapshot.id

    def write(self, erasure: Erasure) -> Write:
        """The write that begins a journal, also in the place of a completed one, for somebody else's commit."""
        return Set(self.path(erasure.pk), erasure.to_document())

    def change(self, erasure: Erasure, fields: dict[str, Any]) -> Update:
        """The write that changes a journal that is as it was read."""
        return Update(self.path(erasure.pk), fields, last_update_time=erasure.update_time)
