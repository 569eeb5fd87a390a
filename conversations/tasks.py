"""The background jobs. Arguments are ids only; every job may run twice."""

from datetime import datetime, timedelta

import structlog
from celery import shared_task

from pyloto import clock
from pyloto.documents import Unavailable
from pyloto.failpoints import failpoint
from pyloto.observability.alerts import alert

from .doorbell import doorbell
from .services import media
from .services.leaving import put_back_left
from .services.sessions import SessionManager
from .services.sweep import find_still, oldest_due_seconds
from .services.turns import process
from .turn_lock import TurnLock
from .whatsapp.client import create_client
from .whatsapp.media import create_media_client

log = structlog.get_logger(__name__)

# What is due later than this is left to the sweeper: rings that ring again would only multiply.
RING_AHEAD = timedelta(seconds=20)
LEFTOVERS_SLICE = timedelta(seconds=60)  # what is left is another task's
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
        wait = timedelta(0) if rung else next_at - clock.now() if next_at else RING_AHEAD
        rings = dict.fromkeys(moved_to, timedelta(0))
        if wait < RING_AHEAD:
            rings[user_key] = max(wait, timedelta(0))
        doorbell.ring(rings)


@shared_task
def fan_out(user_keys: list[str]) -> None:
    """Ring for each conversation of a large delivery."""
    for user_key in user_keys:
        process_conversation.delay(user_key)


@shared_task(soft_time_limit=110, time_limit=115)  # below the two minutes after which an erasure looks once more
def fetch_media(user_key: str, message_key: str) -> None:
    """Fetch the file of one message."""
    media.fetch(user_key=user_key, message_key=message_key, client=create_media_client(), now=clock.now())


@shared_task(soft_time_limit=110, time_limit=115)
def remove_leftover_files(after: str = "") -> None:
    """Delete the files of customers that no message names: a slice of them, and ring for the next. A lost one comes tomorrow."""
    stopped_at = media.remove_leftovers(after=after, at_most=LEFTOVERS_SLICE)
    if stopped_at:
        remove_leftover_files.delay(stopped_at)


@shared_task
def sweep() -> str:
    """Ring for whatever stands still."""
    failpoint("sweep")
    now, rung = clock.now(), 0
    try:
        seconds = oldest_due_seconds(now=now)
    except Unavailable:
        alert("documents_unreachable")
        raise
    if seconds > STANDS_STILL_SECONDS:
        alert("work_stands_still", seconds=seconds)
    for user_key in find_still(now=now):
        process_conversation.delay(user_key)
        rung += 1
    files = _sweep_media(now)
    if rung or files:
        log.info("sweep_rang", conversations=rung, files=files)
    return f"Rang for {rung} conversations"


def _sweep_media(now: datetime) -> int:
    rung, seconds = 0, media.oldest_due_seconds(now=now)
    if seconds > STANDS_STILL_SECONDS:
        alert("media_stands_still", seconds=seconds)
    for user_key, message_key in media.find_due(now=now):
        fetch_media.delay(user_key, message_key)
        rung += 1
    return rung


@shared_task
def check_session_timeouts(after: list[str] | None = None) -> str:
    """Close what is past its limits. Whatever takes long: a task of its own goes on behind it (`after`: time, path)."""
    place = (datetime.fromisoformat(after[0]), after[1]) if after else None
    looked = SessionManager().look_for_timeouts(now=clock.now(), after=place)
    if looked.stopped_at:
        at, path = looked.stopped_at
        check_session_timeouts.delay([at.isoformat(), path])
    return f"Closed {len(looked.closed)} sessions"


@shared_task
def put_back_left_conversations() -> str:
    return f"Put back {put_back_left(now=clock.now())} conversations"
