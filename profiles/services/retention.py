"""Nothing is kept for longer than the settings say; a legal hold on a customer stops the clock for all that is theirs."""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from audit import Event, EventType, event_id, trails
from profiles.models import UserProfile
from profiles.services.subjects import subject_of
from profiles.stores import UserProfileStore
from pyloto.documents import Delete, get_store
from pyloto.privacy import registry
from pyloto.privacy.registry import Aged, RetentionRule

log = structlog.get_logger(__name__)
profiles = UserProfileStore()


@dataclass
class Applied:
    """How many were removed by each rule, and how many a hold kept; `finished` is false where time ran out."""

    removed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    finished: bool = True


def apply_retention(*, now: datetime, at_most: timedelta | None = None, dry_run: bool = False) -> Applied:
    """Remove what is past its time, rule by rule, the oldest first. What was removed is gone: a repeated run goes on.

    `at_most`: how long to work; None until everything is done. With `dry_run` everything is counted and stays.
    """
    applied = Applied()
    ends_at = time.monotonic() + at_most.total_seconds() if at_most else None
    for rule in registry.retention_rules():
        days = getattr(settings, rule.setting)
        if not days:
            continue
        for batch in _batches(rule.find(now - timedelta(days=days)), rule.batch):
            _apply(rule, batch, applied, dry_run=dry_run)
            if ends_at is not None and time.monotonic() > ends_at:
                applied.finished = False
                return applied
    return applied


def _apply(rule: RetentionRule, batch: Sequence[Aged], applied: Applied, *, dry_run: bool) -> None:
    """The holds are read for each batch: one that was just put protects what comes after it."""
    held = held_keys() if any(aged.user_key for aged in batch) else frozenset()
    free = [aged for aged in batch if aged.user_key not in held]
    removed = len(free)
    if free and not dry_run:
        removed = rule.remove(free) if rule.remove else _delete(free)
    applied.removed[rule.name] += removed
    applied.held[rule.name] += len(batch) - len(free)
    log.info("retention_progress", rule=rule.name, removed=removed, held=len(batch) - len(free), dry_run=dry_run)


def _delete(batch: Sequence[Aged]) -> int:
    get_store().commit([Delete(path) for aged in batch for path in aged.paths])
    return len(batch)


def _batches(found: Iterable[Aged], size: int) -> Iterator[list[Aged]]:
    batch: list[Aged] = []
    for aged in found:
        batch.append(aged)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


# --- legal hold -------------------------------------------------------------------------------------------------------
def held_keys() -> frozenset[str]:
    """Every `user_key` of every person under a hold; one hold on any of their keys protects them all."""
    return frozenset(key for profile in profiles.held() for key in subject_of(profile.pk).user_keys)


def hold(*, user_key: str, reason: UserProfile.HoldReason, actor: str, now: datetime) -> None:
    """Keep all data of this person, whatever its age and whoever asks for erasure, until the hold is released.

    Another hold replaces the first. Raises `NotFound` where the person has no profile, and what `commit_with_events`
    raises.
    """
    user_key = subject_of(user_key).user_keys[0]
    before = profiles.get(user_key).legal_hold
    placed = {"reason": reason.value, "by": actor, "at": now}
    _change({user_key: placed}, old=_reason(before), new=reason.value, actor=actor, now=now)


def release_hold(*, user_key: str, actor: str, now: datetime) -> bool:
    """Let the clock run again for this person; False where nothing was held."""
    subject = subject_of(user_key)
    holding = {p.pk: p.legal_hold for p in profiles.find_many(subject.user_keys).values() if p.legal_hold}
    if not holding:
        return False
    old = _reason(next(iter(holding.values())))
    _change({subject.user_keys[0]: None, **dict.fromkeys(holding)}, old=old, new=None, actor=actor, now=now)
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
