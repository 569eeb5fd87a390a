"""The background jobs about customers. Arguments are ids only; every job may run twice."""

from datetime import timedelta

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from kombu.exceptions import OperationalError

from pyloto.errors import TransientError
from pyloto.observability.alerts import alert

from .services import erasure, retention

log = structlog.get_logger(__name__)

RETENTION_SLICE = timedelta(seconds=20)  # the same queue: what is left is another task's
ERASURE_SECONDS = 30  # then the rest is another task's: the queue is that of the turns


@shared_task(soft_time_limit=ERASURE_SECONDS)
def continue_erasure(user_key: str) -> str:
    """Do what an erasure has left to do now; where it breaks off, the next minute's job goes on."""
    try:
        receipt = erasure.resume(user_key, timezone.now())
    except SoftTimeLimitExceeded:
        if wait := _postpone(user_key):
            ring_for_erasure(user_key, after=wait)
        return "More to do"
    except TransientError as exc:
        log.warning("erasure_postponed", user_key=user_key, error=type(exc).__name__)
        return "Postponed"
        _postpone(user_key)
    return receipt.step.value if receipt else "Nothing to do"


@shared_task
def _postpone(user_key: str) -> timedelta | None:
    try:
        return erasure.postpone(user_key, timezone.now())
    except TransientError:
        return None  # then the job of the minute rings as it is


def continue_erasures() -> str:
    """Ring for every erasure whose last scan is due, or that was left lying."""
    due = erasure.find_unfinished(timezone.now())
    for user_key in due:
        ring_for_erasure(user_key)
    return f"Rang for {len(due)} erasures"


def ring_for_erasure(user_key: str, *, after: timedelta = timedelta(0)) -> None:
    """Best effort: without a ring, `continue_erasures` finds it two minutes later."""
    try:
        continue_erasure.apply_async(args=(user_key,), retry=False, countdown=after.total_seconds())
    except (OperationalError, OSError) as exc:
        alert("erasure_ring_failed", user_key=user_key, error=type(exc).__name__)


@shared_task
def apply_retention() -> str:
    """Remove what is past its time. Where a slice was not enough the next one begins at once; a lost one comes tomorrow."""
    try:
        applied = retention.apply_retention(now=timezone.now(), at_most=RETENTION_SLICE)
    except TransientError as exc:
        alert("retention_failed", error=type(exc).__name__)
        return "Postponed to tomorrow"
    removed = {rule: count for rule, count in applied.removed.items() if count}
    log.info("retention_applied", removed=removed, held=applied.held.total(), finished=applied.finished)
    if not applied.finished:
        apply_retention.apply_async(countdown=1)
    return f"Removed {applied.removed.total()}"
