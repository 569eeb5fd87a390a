"""The one background job of no app."""

from celery import shared_task

from pyloto import clock
from pyloto.canary import stamp


@shared_task
def canary(name: str) -> None:
    """Show that tasks of a queue, or of one worker, are done; tell where the clock of this process is wrong."""
    stamp(name)
    clock.tell(clock.compare())
