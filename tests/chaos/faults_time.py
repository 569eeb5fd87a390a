"""§1.G: clocks."""

import sys
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from conversations.stores import ConversationStore, SessionStore
from pyloto.canary import takes_tasks
from pyloto.celery import app
from pyloto.documents import Update, get_store

from .faults import fault
from .lab import WAIT_SECONDS, Lab

WRONG_CLOCK = Path(__file__).parent / "wrong_clock"  # its sitecustomize shifts the clock of every Python that sees it


def worker_with_wrong_clock(lab: Lab, minutes: int) -> None:
    """It is there for a while, beside the others, and takes its share of what customers write."""
    name = f"clock{minutes}"
    command = [sys.executable, "-m", "celery", "-A", "pyloto", "worker", "-Q", "turns", "-P", "solo"]
    command += ["-n", f"{name}@localhost", "--without-gossip", "--without-mingle", "-l", settings.LOG_LEVEL]
    path = f"{WRONG_CLOCK}:{settings.BASE_DIR}"
    lab.start_extra(name, command, env={"PYTHONPATH": path, "CHAOS_CLOCK_SHIFT_SECONDS": str(minutes * 60)})
    lab.wait(
        lambda: bool(app.control.ping([f"{name}@localhost"], timeout=1.0)), "the worker with the wrong clock answers"
    )
    for _ in range(3):  # in doubt: whoever ends the wait too soon sends them twice, and the judge sees that
        person = lab.person()
        lab.fail_next(person.customer_id, "accept_then_reset")
        lab.says(person)
    wamids = [lab.says(lab.person()) for _ in range(6)]
    for wamid in wamids:
        lab.wait_handled(wamid)
    lab.expect(takes_tasks(f"{name}@localhost", within_seconds=WAIT_SECONDS), "it takes no tasks")
    log = lab.runner.children[name].log
    lab.wait(lambda: '"clock_is_wrong"' in log.read_text(), "it says that its clock is wrong")
    lab.stop_extra(name)


@fault("G1", "the clock of a worker is ten minutes fast", lasts=35)
def clock_fast(lab: Lab) -> None:
    worker_with_wrong_clock(lab, +10)


@fault("G2", "the clock of a worker is ten minutes slow", lasts=35)
def clock_slow(lab: Lab) -> None:
    worker_with_wrong_clock(lab, -10)


@fault("G3", "a session times out while its customer writes")
def timeout_races(lab: Lab) -> None:
    person = lab.person()
    header = ConversationStore().get_header(person.user_key)
    if header.session_id:
        past = {"expires_at": timezone.now() - timedelta(seconds=1)}
        get_store().commit([Update(SessionStore.path(header.session_id), past)])
    wamid = lab.says(person)
    for _ in range(3):
        app.send_task("conversations.tasks.check_session_timeouts")
        time.sleep(lab.random.uniform(0, 0.3))
    lab.later("G3", lambda: lab.expect(lab.is_answered(wamid), "the customer was not answered"))
