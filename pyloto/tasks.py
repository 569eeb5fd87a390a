"""The one background job of no app."""

from celery import shared_task

from pyloto.canary import stamp
from pyloto.observability.alerts import alert

CLOCK_SECONDS_MAX = 2  # faults.md G2


@shared_task
def canary(name: str) -> None:
    """Show that tasks of a queue, or of one worker, are done; tell where the clock of this process is wrong."""
    ahead = stamp(name)
    if abs(ahead) > CLOCK_SECONDS_MAX:
        alert("clock_is_wrong", seconds=round(ahead, 1))
