"""The only file that reads and writes identities and profiles."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pyloto.documents import AlreadyExists, Create, Query, Set, Write, get_store

from .models import Identity, Merge, UserProfile


class IdentityStore:
    @staticmethod
    def path(identity_id: str) -> str:
        return f"{Identity.collection}/{identity_id}"

    def find_many(self, identity_ids: Iterable[str]) -> dict[str, Identity]:
        """By id; those that do not exist are left out."""
        found = get_store().get_many([self.path(identity_id) for identity_id in identity_ids])
        return {snapshot.id: Identity.from_snapshot(snapshot) for snapshot in found.values()}

    def new(self, *, identity_id: str, user_key: str, kind: str, evidence: str, now: datetime) -> Create:
        """The write that creates an entry. The id carries the pepper's version: "v2-…"."""
        version = int(identity_id.partition("-")[0].removeprefix("v"))
        identity = Identity(
            id=identity_id,
            user_key=user_key,
            kind=kind,
            pepper_version=version,
            evidence=evidence,
            created_at=now,
        )
        return Create(self.path(identity_id), identity.to_document())

    def create_many(self, writes: Sequence[Create]) -> set[str]:
        """Create entries; return the ids that somebody else had created before.

        Raises what the store answered for any other failed write.
        """
        taken = set()
        for result in get_store().write_many(writes):
            if isinstance(result.error, AlreadyExists):
                taken.add(result.path.rpartition("/")[2])
            elif result.error is not None:
                raise result.error
        return taken


class UserProfileStore:
    @staticmethod
    def path(user_key: str) -> str:
        return f"{UserProfile.collection}/{user_key}"

    def find(self, user_key: str) -> UserProfile | None:
        snapshot = get_store().get_many([self.path(user_key)]).get(self.path(user_key))
        return UserProfile.from_snapshot(snapshot) if snapshot else None

    def write(self, user_key: str, fields: dict[str, Any]) -> Write:
        """The write that sets these fields, for somebody else's commit."""
        return Set(self.path(user_key), fields, merge=True)


class MergeStore:
    @staticmethod
    def path(merge_id: str) -> str:
        return f"{Merge.collection}/{merge_id}"

    def find_active(self, *, source: str) -> Merge | None:
        """The merge that this customer went into, unless it was undone."""
        query = Query(Merge.collection, where=(("source", "==", source),))
        return next((merge for merge in self._query(query) if merge.undone_at is None), None)

    def active_into(self, target: str) -> list[Merge]:
        """What was merged into this customer and not undone."""
        query = Query(Merge.collection, where=(("target", "==", target),))
        return [merge for merge in self._query(query) if merge.undone_at is None]

    @staticmethod
    def _query(query: Query) -> list[Merge]:
        return [Merge.from_snapshot(snapshot) for snapshot in get_store().query(query)]
