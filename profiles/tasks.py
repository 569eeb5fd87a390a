"""The background jobs about customers. Arguments are ids only; every job may run twice."""

from datetime import datetime, timedelta

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from pyloto import clock
from pyloto.errors import TransientError
from pyloto.observability.alerts import alert

from .services import erasure, retention

log = structlog.get_logger(__name__)

RETENTION_SLICE = timedelta(seconds=20)  # the same queue: what is left is another task's
RETENTION_SECONDS = 30
ERASURE_SECONDS = 30  # then the rest is another task's: the queue is that of the turns


@shared_task(soft_time_limit=ERASURE_SECONDS)
def continue_erasure(user_key: str) -> str:
    """Do what an erasure has left to do now; where it breaks off, the next minute's job goes on."""
    try:
        receipt = erasure.resume(user_key, clock.now())
    except SoftTimeLimitExceeded:
        if wait := _postpone(user_key):
            ring_for_erasure(user_key, after=wait)
        return "More to do"
    except (TransientError, erasure.OnLegalHold) as exc:
        log.warning("erasure_postponed", user_key=user_key, error=type(exc).__name__)
        _postpone(user_key)
        return "Postponed"
    return receipt.step.value if receipt else "Nothing to do"


def _postpone(user_key: str) -> timedelta | None:
    try:
        return erasure.postpone(user_key, clock.now())
    except TransientError:
        return None  # then the job of the minute rings as it is


@shared_task
def continue_erasures() -> str:
    """Ring for every erasure whose last scan is due, or that was left lying."""
    due = erasure.find_unfinished(clock.now())
    for user_key in due:
        ring_for_erasure(user_key)
    return f"Rang for {len(due)} erasures"


def ring_for_erasure(user_key: str, *, after: timedelta = timedelta(0)) -> None:
    """Best effort: without a ring, `continue_erasures` finds it two minutes later."""
    try:
        continue_erasure.apply_async(args=(user_key,), retry=False, countdown=after.total_seconds())
    except (OperationalError, OSError) as exc:
        alert("erasure_ring_failed", user_key=user_key, error=type(exc).__name__)


@shared_task(soft_time_limit=RETENTION_SECONDS)
def apply_retention(rule: str = "", at: str = "", path: str = "") -> str:
    """Remove what is past its time: a slice of the one pass over all rules, from here on. A lost slice comes tomorrow.

    The arguments are how far the pass has come. Each slice comes further or is the last, so that every pass ends.
    """
    begun = retention.Progress(rule, (datetime.fromisoformat(at), path) if at else None) if rule else None
    applied = retention.Applied(progress=begun)
    try:
        retention.apply_retention(now=clock.now(), at_most=RETENTION_SLICE, applied=applied)
    except SoftTimeLimitExceeded:
        if applied.progress == begun:
            alert("retention_stands_still", rule=rule)
            return "Postponed to tomorrow"
    except TransientError as exc:
        alert("retention_failed", error=type(exc).__name__)
        return "Postponed to tomorrow"
    removed = {rule: count for rule, count in applied.removed.items() if count}
    log.info("retention_applied", removed=removed, held=applied.held.total(), finished=applied.progress is None)
    if applied.progress:
        _ring_for_retention(applied.progress)
    return f"Removed {applied.removed.total()}"


def _ring_for_retention(progress: retention.Progress) -> None:
    at, path = progress.place or (None, "")
    try:
        apply_retention.apply_async(args=(progress.rule, at.isoformat() if at else "", path), retry=False, countdown=1)
    except (OperationalError, OSError) as exc:
        alert("retention_ring_failed", error=type(exc).__name__)
