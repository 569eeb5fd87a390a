"""A run that ends at any point, storages that are down, and two runs at once: one sound log in the end."""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from audit import checkpoints
from audit.checkpoints import make_checkpoint
from audit.stores import AuditLogStore, CheckpointStore
from audit.verify_trail import leaf_bytes
from pyloto import write_once
from pyloto.documents import Unavailable
from pyloto.errors import TransientError
from pyloto.write_once import StorageUnavailable

from .log_files import read_log

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
STEPS = ("leaves", "note", "document")


class Killed(BaseException):
    """Goes through everything, as a SIGKILL would."""


class Writes:
    """Stands before every write of a run. `at("note", hook)`: called before (or `after`) that write."""

    def __init__(self, monkeypatch):
        self.hooks = {}
        self.signed = []
        save, create, sign = checkpoints.save_once, CheckpointStore.create, checkpoints.sign_checkpoint

        def save_once(storage, name, content):
            return self._around(name.rpartition(".")[2], lambda: save(storage, name, content))

        def create_document(documents, checkpoint):
            return self._around("document", lambda: create(documents, checkpoint))

        def sign_checkpoint(**fields):
            self.signed.append((fields["size"], sign(**fields)))
            return self.signed[-1][1]

        monkeypatch.setattr(checkpoints, "save_once", save_once)
        monkeypatch.setattr(CheckpointStore, "create", create_document)
        monkeypatch.setattr(checkpoints, "sign_checkpoint", sign_checkpoint)

    def at(self, step, hook, *, after=False):
        self.hooks[step, after] = hook

    def fail(self, step, error, *, after=False):
        def hook():
            raise error

        self.at(step, hook, after=after)

    def _around(self, step, write):
        self._call(step, False)
        result = write()
        self._call(step, True)
        return result

    def _call(self, step, after):
        if hook := self.hooks.pop((step, after), None):
            hook()

    def assert_one_text_for_each_number(self):
        by_size = {}
        for size, text in self.signed:
            assert by_size.setdefault(size, text) == text


@pytest.fixture
def writes(monkeypatch):
    return Writes(monkeypatch)


def assert_sound(heads):
    log = read_log()
    assert sorted(set(log.heads)) == sorted(heads)
    assert len(log.heads) == len(set(log.heads))
    assert [CheckpointStore().get(number).note for number in log.notes] == list(log.notes.values())
    assert CheckpointStore().newest().number == len(log.notes)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_killed_is_finished_by_the_next(embedded_store, exports, happen, writes, step, after):
    happen("a", "b")
    make_checkpoint(now=NOW)
    happen("a", "c", at=NOW + HOUR)
    writes.fail(step, Killed(), after=after)
    with pytest.raises(Killed):
        make_checkpoint(now=NOW + HOUR)
    happen("b", "d", at=NOW + HOUR)  # what has come meanwhile

    make_checkpoint(now=NOW + 2 * HOUR)

    assert_sound([("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 2), ("d", 1)])
    writes.assert_one_text_for_each_number()
    assert make_checkpoint(now=NOW + 3 * HOUR) is None


@pytest.mark.parametrize("step", STEPS)
def test_the_first_checkpoint_may_be_killed_too(store, files, happen, writes, step):
    happen("a", "b")
    writes.fail(step, Killed(), after=True)
    with pytest.raises(Killed):
        make_checkpoint(now=NOW)

    make_checkpoint(now=NOW + HOUR)

    assert_sound([("a", 1), ("b", 1)])


@pytest.mark.parametrize("step", STEPS)
def test_a_run_may_die_for_good(embedded_store, files, happen, step):
    happen("a")
    make_checkpoint(now=NOW)
    happen("a", "b", at=NOW + HOUR)
    connections.close_all()
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patched:
            Writes(patched).at(step, lambda: os.kill(os.getpid(), signal.SIGKILL), after=True)
            make_checkpoint(now=NOW + HOUR)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    make_checkpoint(now=NOW + 2 * HOUR)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert_sound([("a", 1), ("a", 2), ("b", 1)])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_whoever_is_overtaken_at_any_point_signs_the_same(embedded_store, exports, happen, writes, step, after):
    happen("a")
    make_checkpoint(now=NOW)
    happen("a", at=NOW + HOUR)

    def overtake():
        happen("b", at=NOW + HOUR)  # the other run sees more than we did
        make_checkpoint(now=NOW + HOUR)

    writes.at(step, overtake, after=after)
    make_checkpoint(now=NOW + HOUR)
    make_checkpoint(now=NOW + 2 * HOUR)

    assert_sound([("a", 1), ("a", 2), ("b", 1)])
    writes.assert_one_text_for_each_number()


def test_what_a_slower_run_had_not_seen_comes_with_the_next_one(embedded_store, files, happen, writes):
    happen("a", at=NOW - 2 * HOUR)
    make_checkpoint(now=NOW - HOUR)
    happen("a", "b", at=NOW - HOUR / 2)

    def overtake():
        name, theirs = "checkpoints/00000002.leaves", leaf_bytes(AuditLogStore().tail("a"))
        assert write_once.save_once(files, name, theirs + b"\n")

    writes.at("leaves", overtake)
    make_checkpoint(now=NOW)
    make_checkpoint(now=NOW + HOUR)

    assert read_log().heads == [("a", 1), ("a", 2), ("b", 1)]


def test_runs_at_the_same_time_write_one_log(embedded_store, exports, happen, writes):
    finished = []

    def run(now, barrier):
        try:
            barrier.wait()
            make_checkpoint(now=now)
            finished.append(now)
        finally:
            connections.close_all()

    for hour in range(3):
        now = NOW + hour * HOUR
        happen("a", "b", at=now)
        barrier = threading.Barrier(3)
        threads = [threading.Thread(target=run, args=[now, barrier]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(finished) == 9
    assert_sound([("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)])
    writes.assert_one_text_for_each_number()


@pytest.mark.parametrize(
    ("step", "error"),
    [("leaves", StorageUnavailable("down")), ("note", StorageUnavailable("down")), ("document", Unavailable("down"))],
)
@pytest.mark.parametrize("after", [False, True])  # the write was made, and its answer lost
def test_an_outage_may_be_tried_again(embedded_store, files, happen, writes, step, error, after):
    happen("a")
    writes.fail(step, error, after=after)
    with pytest.raises(TransientError):
        make_checkpoint(now=NOW)

    make_checkpoint(now=NOW + HOUR)

    assert_sound([("a", 1)])
