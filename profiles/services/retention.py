"""Nothing is kept for longer than the settings say; a legal hold on a customer stops the clock for all that is theirs."""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from audit import Event, EventType, event_id, trails
from profiles.models import UserProfile
from profiles.services.subjects import keys_of
from profiles.stores import MergeStore, UserProfileStore
from pyloto.documents import Delete, get_store
from pyloto.privacy import registry
from pyloto.privacy.registry import Aged, Place, RetentionRule

log = structlog.get_logger(__name__)
profiles = UserProfileStore()
merges = MergeStore()

IN_MAX = 30  # values of one `in`


@dataclass(frozen=True)
class Progress:
    """How far a run has come: rule by rule, and in a rule by time and path. What comes before is gone, or stays."""

    rule: str
    place: Place | None = None


@dataclass
class Applied:
    """How many were removed by each rule, and how many a hold kept. `progress`: where to go on; None at the end."""

    removed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    progress: Progress | None = None


def apply_retention(
    *, now: datetime, at_most: timedelta | None = None, dry_run: bool = False, applied: Applied | None = None
) -> Applied:
    """Remove what is past its time, in one pass: rule by rule, the oldest first. It may be killed and run again.

    `at_most`: how long to work; None until everything is done. With `dry_run` everything is counted and stays.
    `applied` is counted on, and knows how far the run has come, also when an exception ends it.
    """
    applied = applied or Applied()
    ends_at = time.monotonic() + at_most.total_seconds() if at_most else None
    held = held_keys()
    for rule in _rules_from(applied.progress):
        days = getattr(settings, rule.setting)
        if not days:
            continue
        if applied.progress is None or applied.progress.rule != rule.name:
            applied.progress = Progress(rule.name)
        batch: list[Aged] = []
        for aged in rule.find(now - timedelta(days=days), applied.progress.place):
            batch += [] if aged.stays else [aged]
            time_is_up = ends_at is not None and time.monotonic() > ends_at
            if time_is_up or len(batch) == rule.batch:
                _apply(rule, batch, applied, held, dry_run=dry_run)
                batch = []
                applied.progress = Progress(rule.name, aged.place)
            if time_is_up:
                return applied
        _apply(rule, batch, applied, held, dry_run=dry_run)
    applied.progress = None
    return applied


def _rules_from(progress: Progress | None) -> list[RetentionRule]:
    """All of them where the rule that was being applied is no more."""
    rules = registry.retention_rules()
    names = [rule.name for rule in rules]
    return rules[names.index(progress.rule) :] if progress and progress.rule in names else rules


def _apply(
    rule: RetentionRule, batch: Sequence[Aged], applied: Applied, held: frozenset[str], *, dry_run: bool
) -> None:
    if not batch:
        return
    protected = held | _held_meanwhile({aged.user_key for aged in batch} - held - {""})
    free = [aged for aged in batch if aged.user_key not in protected]
    removed = len(free)
    if free and not dry_run:
        removed = rule.remove(free) if rule.remove else _delete(free)
    applied.removed[rule.name] += removed
    applied.held[rule.name] += len(batch) - len(free)
    log.info("retention_progress", rule=rule.name, removed=removed, held=len(batch) - len(free), dry_run=dry_run)


def _held_meanwhile(user_keys: Iterable[str]) -> set[str]:
    """Those of these customers who are under a hold: it may have been put, or they merged, since the run began."""
    keys = list(user_keys)
    merged = {key for start in range(0, len(keys), IN_MAX) for key in merges.any_of(keys[start : start + IN_MAX])}
    people = {key: keys_of(key) if key in merged else (key,) for key in keys}
    found = profiles.find_many({key for person in people.values() for key in person})
    holding = {key for key, profile in found.items() if profile.legal_hold}
    return {key for key, person in people.items() if holding.intersection(person)}


def _delete(batch: Sequence[Aged]) -> int:
    get_store().commit([Delete(path) for aged in batch for path in aged.paths])
    return len(batch)


# --- legal hold -------------------------------------------------------------------------------------------------------
def held_keys() -> frozenset[str]:
    """Every `user_key` of every person under a hold; one hold on any of their keys protects them all."""
    return frozenset(key for profile in profiles.held() for key in keys_of(profile.pk))


def hold(*, user_key: str, reason: UserProfile.HoldReason, actor: str, now: datetime) -> None:
    """Keep all data of this person, whatever its age and whoever asks for erasure, until the hold is released.

    Another hold replaces the first. Raises `NotFound` where the person has no profile, and what `commit_with_events`
    raises.
    """
    user_key = keys_of(user_key)[0]
    before = profiles.get(user_key).legal_hold
    placed = {"reason": reason.value, "by": actor, "at": now}
    _change({user_key: placed}, old=_reason(before), new=reason.value, actor=actor, now=now)


def release_hold(*, user_key: str, actor: str, now: datetime) -> bool:
    """Let the clock run again for this person; False where nothing was held."""
    user_keys = keys_of(user_key)
    holding = {p.pk: p.legal_hold for p in profiles.find_many(user_keys).values() if p.legal_hold}
    if not holding:
        return False
    old = _reason(next(iter(holding.values())))
    _change({user_keys[0]: None, **dict.fromkeys(holding)}, old=old, new=None, actor=actor, now=now)
    return True


def _change(
    holds: dict[str, dict[str, object] | None], *, old: str | None, new: str | None, actor: str, now: datetime
) -> None:
    """`holds`: by `user_key`, the one in use first. In one commit with the event in the person's trail."""
    event = Event(
        event_id=event_id("legal-hold", secrets.token_hex(16)),
        event_type=EventType.PROFILE_UPDATED,
        actor=actor,
        timestamp=now,
        changes={"legal_hold": [old, new]},
    )
    writes = [profiles.update(key, {"legal_hold": placed}, last_update_time=None) for key, placed in holds.items()]
    trails.commit_with_events(user_key=next(iter(holds)), events=[event], writes=writes)


def _reason(legal_hold: dict[str, str] | None) -> str | None:
    return legal_hold["reason"] if legal_hold else None
