"""A writer of the audit trail that is killed again and again, and started again until all of its events are there.

`python -m tests.audit.writers CHAIN NAME EVENTS KILLS`: every run appends the events NAME-0 to NAME-{EVENTS-1} from the
first one on, as a task that is delivered again does. The first KILLS runs end by SIGKILL: before a `create`, after one
whose answer then gets lost, or wherever they are after a moment. Prints how many runs were killed.
"""

import os
import random
import signal
import sys
import time
from typing import Any, NoReturn

import django

MOMENT_SECONDS = 0.15


def append_all(chain: str, name: str, events: int, store: Any) -> None:
    from audit import EventType
    from audit.stores import AuditLogStore
    from pyloto.errors import TransientError

    for number in range(events):
        while True:
            try:
                AuditLogStore(store).record_event(
                    event_type=EventType.CONTROL_CHANGED,
                    actor=name,
                    conversation_id=chain,
                    event_id=f"{name}-{number}",
                    metadata={"n": number},
                )
            except TransientError:  # others were faster ten times
                continue
            break


class Deadly:
    """A store whose `left`-th create ends the process, before or after its work."""

    def __init__(self, store: Any, left: int, *, after: bool) -> None:
        self.store, self.left, self.after = store, left, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def create(self, path: str, data: Any) -> None:
        self.left -= 1
        if self.left <= 0 and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.store.create(path, data)
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run(chain: str, name: str, events: int, end: str, rng: random.Random) -> NoReturn:
    from pyloto.documents.registry import create_store

    store: Any = create_store()
    if end in ("before", "after"):
        store = Deadly(store, rng.randint(1, max(1, events // 4)), after=end == "after")
    append_all(chain, name, events, store)
    os._exit(0)


def run_and_kill(chain: str, name: str, events: int, kills: int) -> int:
    rng = random.Random(name)
    killed = 0
    while True:
        end = ("after", "any time", "before")[killed % 3] if killed < kills else "well"
        child = os.fork()  # nothing was asked of a store yet: the clients are the child's own
        if not child:
            run(chain, name, events, end, rng)
        if end == "any time":
            time.sleep(rng.uniform(0, MOMENT_SECONDS))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return killed if os.WEXITSTATUS(status) == 0 else sys.exit("a run failed by itself")
        killed += 1


if __name__ == "__main__":
    django.setup()
    chain, name, events, kills = sys.argv[1:]
    print(run_and_kill(chain, name, int(events), int(kills)))  # noqa: T201
