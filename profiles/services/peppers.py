"""A new pepper for the identity index, while customers write: each entry under an older one gets a twin under the newest.

Only the plain identifier makes an entry, so this goes through the places where those stand. It may be killed at any
point and run again, or twice at once. An old pepper may go when every entry under it has a twin.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from profiles.identifiers import of_field
from profiles.models import UserProfile
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import AlreadyExists, NotFound, PreconditionFailed, Snapshot, Update, Write, get_store
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed
from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.keyring import read_ring
from pyloto.privacy.registry import identifier_sources
from pyloto.privacy.walk import Walk

NAME = "rotate_peppers"
WALKS_MAX = 3
RACES_MAX = 5  # for one page; what is lost more often is left to the next run
COMMIT_MAX = 100  # identifiers: with three peppers 300 writes, of 500
PRUNE_PAGE = 200

LOST_RACE = (AlreadyExists, PreconditionFailed, NotFound)
Progress = Callable[[str, int], None]

identities = IdentityStore()
profiles = UserProfileStore()


@dataclass
class Peppers:
    """How far the rotation is. Versions of the ring first, the newest at their head."""

    ring: tuple[int, ...]
    entries: dict[int, int]  # by version, also of versions that the ring no longer holds
    unpaired: dict[int, int]  # entries of the older ones that have no twin under the newest
    paired: int = 0  # by this run
    lost: int = 0  # changed by others at every try
    contradictions: int = 0  # identifiers whose entries lead to two customers
    unreadable: int = 0  # documents whose identifiers cannot be decrypted

    @property
    def done(self) -> bool:
        return not (any(self.unpaired.values()) or self.lost or self.contradictions)

    @property
    def dropped(self) -> tuple[int, ...]:
        """Versions of entries that nobody can find: the ring holds their pepper no more."""
        return tuple(version for version in self.entries if version not in self.ring)


def rotate_peppers(*, dry_run: bool = False, progress: Progress = lambda source, documents: None) -> Peppers:
    """Give twins to all whose identifiers can be read. `dry_run` only counts.

    A run that was killed is gone on with where it was. Raises `Unavailable`.
    """
    paired = 0
    for _ in range(1 if dry_run else WALKS_MAX):
        walk = _walk(dry_run=dry_run, progress=progress)
        paired += walk.counts["paired"]
        state = count_entries()
        # Somebody may have come where this walk, or the killed one that it went on with, had been already.
        has_missed = any(state.unpaired.values()) and (walk.resumed or walk.counts["paired"])
        if not walk.counts["lost"] and not has_missed:
            break
    state.paired, state.lost = paired, walk.counts["lost"]
    state.contradictions, state.unreadable = walk.counts["contradictions"], walk.counts["unreadable"]
    if state.contradictions:
        alert("pepper_rotation_contradictions", count=state.contradictions)
    if state.unreadable:
        alert("pepper_rotation_unreadable", count=state.unreadable)
    return state


def count_entries() -> Peppers:
    ring = tuple(read_ring("PRIVACY_PEPPERS"))
    present = identities.pepper_versions()
    entries = {version: identities.count(version=version) for version in (*ring, *present)}
    unpaired = {
        version: number - identities.count(version=version, twin_version=ring[0])
        for version, number in entries.items()
        if version != ring[0]
    }
    return Peppers(ring=ring, entries=entries, unpaired=unpaired)


def prune(*, unpaired: bool = False) -> int:
    """Delete the entries of peppers that the ring no longer holds; return how many.

    Those without a twin stay unless `unpaired` says otherwise: with their pepper back in the ring they still count.
    """
    state = count_entries()
    deleted = 0
    for version in state.dropped:
        if state.unpaired[version] and not unpaired:
            continue
        while entries := identities.under(version, limit=PRUNE_PAGE):
            identities.delete_many([entry.pk for entry in entries])
            deleted += len(entries)
    return deleted


def _walk(*, dry_run: bool, progress: Progress) -> Walk:
    sources = {source.name: source for source in identifier_sources()}
    target = next(iter(read_ring("PRIVACY_PEPPERS")))
    walk = Walk(NAME, {name: source.query() for name, source in sources.items()}, target=target, keep=not dry_run)
    for name, page in walk.pages():
        found: dict[tuple[str, str], None] = {}
        for snapshot in page:
            try:
                for identifier in sources[name].read(snapshot):
                    found[identifier] = None
            except DecryptionFailed:
                walk.counts["unreadable"] += 1
        walk.counts["documents"] += len(page)
        walk.counts.update(_pair(found, dry_run=dry_run))
        if name == UserProfile.collection and not dry_run:
            walk.counts.update(_renew_search_keys(page))
        progress(name, walk.counts["documents"])
    return walk


def _pair(found: Iterable[tuple[str, str]], *, dry_run: bool) -> dict[str, int]:
    """Give twins to the entries of these identifiers. {"paired", "contradictions", "lost": how many}.

    Where entries of one identifier lead to two customers nothing is changed: a person must look at that.
    """
    left = [identity_keys(kind, value) for kind, value in found]
    paired = 0
    for race in range(RACES_MAX):
        entries = identities.find_many(key for keys in left for key in keys) if left else {}
        writes = {keys[0]: identities.pair(keys, entries) for keys in left}
        contradictions = sum(group is None for group in writes.values())
        todo = {newest: group for newest, group in writes.items() if group}
        if dry_run:
            return {"contradictions": contradictions}
        done = _commit(list(todo.items()), size=1 if race else COMMIT_MAX)
        paired += len(done)
        left = [keys for keys in left if keys[0] in todo.keys() - done]
        if not left:
            break
    return {"paired": paired, "contradictions": contradictions, "lost": len(left)}


def _commit(groups: Sequence[tuple[str, Sequence[Write]]], *, size: int) -> set[str]:
    """Commit the writes of the identifiers, so many at once; return those that were applied."""
    done: set[str] = set()
    for start in range(0, len(groups), size):
        part = groups[start : start + size]
        try:
            get_store().commit([write for _, writes in part for write in writes])
        except LOST_RACE:
            continue
        done.update(newest for newest, _ in part)
    return done


def _renew_search_keys(page: Sequence[Snapshot]) -> dict[str, int]:
    """A profile is found by username under the newest pepper too. One that changes meanwhile is read again."""
    renewed = 0
    for _ in range(RACES_MAX):
        updates = [update for snapshot in page if (update := _search_key_update(snapshot))]
        if not updates:
            return {"renewed": renewed}
        lost = []
        for result in get_store().write_many(updates):
            if isinstance(result.error, LOST_RACE):
                lost.append(result.path)
            elif result.error:
                raise result.error
            else:
                renewed += 1
        page = list(get_store().get_many(lost).values()) if lost else []
    return {"renewed": renewed, "lost": len(page)}


def _search_key_update(snapshot: Snapshot) -> Update | None:
    profile = UserProfile.from_snapshot(snapshot)
    if not profile.username_key or profile.username_key.startswith(f"v{next(iter(read_ring('PRIVACY_PEPPERS')))}-"):
        return None
    try:
        [(kind, username)] = of_field("username", profile.reveal("username")) or [("", "")]
    except DecryptionFailed:
        return None  # counted as unreadable
    key = identity_keys(kind, username)[0] if username else ""
    return profiles.update(profile.pk, {"username_key": key}, last_update_time=profile.update_time)
