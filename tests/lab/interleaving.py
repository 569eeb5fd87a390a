"""Several jobs at once, one step after the other: who makes the next step is drawn from a seed, and can be drawn again."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from random import Random
from typing import Any

from pyloto.documents import Write
from pyloto.documents.recorder import RecordingStore

PATIENCE_SECONDS = 20  # for one step; then something waits for what never comes


class Scheduler:
    """Each job has a thread of its own, and only one of them runs: until it is done, or comes to a `pause`.

    `trace` says in which order the steps were made.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._names: dict[int, str] = {}  # by thread
        self._gates: dict[str, threading.Semaphore] = {}
        self._arrived: queue.Queue[tuple[str, str | None]] = queue.Queue()  # None: the job is done
        self.trace: list[str] = []

    def run(self, pool: Executor, jobs: Mapping[str, Callable[[], object]]) -> None:
        """Raises what a job raises, when all have ended. The pool needs as many threads as there are jobs."""
        eagerness = {name: self._random.uniform(0.1, 1.0) for name in jobs}  # else all would go on in step
        self._gates = {name: threading.Semaphore(0) for name in jobs}
        running = [pool.submit(self._work, name, job) for name, job in jobs.items()]
        waiting = dict(self._arrived.get(timeout=PATIENCE_SECONDS) for _ in jobs)
        while waiting:
            names = sorted(waiting)
            name = self._random.choices(names, [eagerness[name] for name in names])[0]
            self.trace.append(f"{name}:{waiting.pop(name)}")
            self._gates[name].release()
            arrived, label = self._arrived.get(timeout=PATIENCE_SECONDS)
            if label is not None:
                waiting[arrived] = label
        for future in running:
            future.result()

    def _work(self, name: str, job: Callable[[], object]) -> None:
        thread = threading.get_ident()
        self._names[thread] = name
        try:
            self.pause("begin")
            job()
        finally:
            del self._names[thread]
            self._arrived.put((name, None))

    def pause(self, label: str) -> None:
        """Wait for the next step, where the caller is one of the jobs."""
        if name := self._names.get(threading.get_ident()):
            self._arrived.put((name, label))
            self._gates[name].acquire()


class SteppedStore(RecordingStore):
    """Passes everything on, with a pause before each call; `commits` holds the writes of those that were applied."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.scheduler = Scheduler(0)
        self.commits: list[Sequence[Write]] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("get", "get_many", "query", "commit", "update", "write_many"):
            return found

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.scheduler.pause(name)
            return found(*args, **kwargs)

        return stepped

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        update_times = super().commit(writes)
        self.commits.append(writes)
        return update_times
