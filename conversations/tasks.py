"""The background jobs. Arguments are ids only; every job may run twice."""

from datetime import timedelta

import structlog
from celery import shared_task
from django.utils import timezone

from pyloto.failpoints import failpoint
from pyloto.observability.alerts import alert

from .doorbell import doorbell
from .services.sessions import SessionManager
from .services.sweep import find_still, oldest_due_seconds
from .services.turns import process
from .turn_lock import TurnLock
from .whatsapp.client import create_client

log = structlog.get_logger(__name__)

# What is due later than this is left to the sweeper: rings that ring again would only multiply.
RING_AHEAD = timedelta(seconds=20)
STANDS_STILL_SECONDS = 900  # longer than any doubt is waited for


@shared_task
def process_conversation(user_key: str) -> None:
    """Answer what waits in one conversation and send its replies."""
    failpoint("turn.before_lock", user_key)
    lock = TurnLock(user_key)
    wait = lock.acquire()
    if wait is not None:
        doorbell.ring({user_key: wait} if wait else {})
        return
    next_at, moved_to = None, frozenset[str]()
    try:
        next_at, moved_to = process(user_key=user_key, client=create_client())
    finally:
        rung = lock.release()
        wait = timedelta(0) if rung else next_at - timezone.now() if next_at else RING_AHEAD
        rings = dict.fromkeys(moved_to, timedelta(0))
        if wait < RING_AHEAD:
            rings[user_key] = max(wait, timedelta(0))
        doorbell.ring(rings)


@shared_task
def fan_out(user_keys: list[str]) -> None:
    """Ring for each conversation of a large delivery."""
    for user_key in user_keys:
        process_conversation.delay(user_key)


@shared_task
def sweep() -> str:
    """Ring for whatever stands still."""
    failpoint("sweep")
    now, rung = timezone.now(), 0
    seconds = oldest_due_seconds(now=now)
    if seconds > STANDS_STILL_SECONDS:
        alert("work_stands_still", seconds=seconds)
    for user_key in find_still(now=now):
        process_conversation.delay(user_key)
        rung += 1
    if rung:
        log.info("sweep_rang", conversations=rung)
    return f"Rang for {rung} conversations"


@shared_task
def check_session_timeouts() -> str:
    closed = SessionManager().check_timeouts(now=timezone.now())
    return f"Closed {len(closed)} sessions"
