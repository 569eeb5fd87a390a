"""The runner really kills things here; a process left behind fails the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyloto.processes import ProcessError, Runner

# A child with a grandchild: both write their process ids, then wait.
FAMILY = """
import os, subprocess, sys, time
grandchild = subprocess.Popen(["sleep", "300"])
with open(sys.argv[1], "a") as pids:
    print(os.getpid(), grandchild.pid, file=pids)
time.sleep(300)
"""

# A manager as `manage.py dev` is one: two families, and the signals that ask it to stop.
MANAGER = """
import signal, sys
from pathlib import Path
from pyloto.processes import Runner, ProcessError
asked = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: asked.append(1))
folder = Path(sys.argv[1])
with Runner(folder / "logs", stop_requested=lambda: bool(asked)) as runner:
    for name in ("one", "two"):
        runner.start(name, [sys.executable, "-c", sys.argv[2], str(folder / "pids")])
    try:
        runner.watch()
    except ProcessError as exc:
        sys.exit(str(exc))
"""


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie, which nobody has waited for yet, does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.strip().startswith("Z")


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def family_pids(folder: Path, families: int) -> list[int]:
    """The process ids of children and grandchildren, once all have started."""
    file = folder / "pids"
    assert eventually(lambda: file.exists() and len(file.read_text().split()) == 2 * families)
    return [int(pid) for pid in file.read_text().split()]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", MANAGER, str(tmp_path), FAMILY], text=True, stderr=subprocess.PIPE, process_group=0
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_manager_that_is_asked_to_stop_leaves_nobody_behind(
    number: int, manager: subprocess.Popen[str], tmp_path: Path
) -> None:
    pids = family_pids(tmp_path, 2)
    os.killpg(manager.pid, number)  # as a terminal does: to the whole foreground group
    assert manager.wait(timeout=30) == 0
    assert [pid for pid in pids if alive(pid)] == []


def test_a_killed_manager_leaves_nobody_behind(manager: subprocess.Popen[str], tmp_path: Path) -> None:
    pids = family_pids(tmp_path, 2)
    manager.kill()
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_the_death_of_a_child_stops_the_others_and_shows(manager: subprocess.Popen[str], tmp_path: Path) -> None:
    pids = family_pids(tmp_path, 2)
    os.kill(pids[0], signal.SIGKILL)
    assert manager.wait(timeout=30) == 1
    assert "ended by itself (signal SIGKILL)" in manager.stderr.read()
    assert [pid for pid in pids if alive(pid)] == []


def test_a_killed_child_takes_its_own_children_along_and_can_be_restarted(tmp_path: Path) -> None:
    with Runner(tmp_path / "logs") as runner:
        runner.start("family", [sys.executable, "-c", FAMILY, str(tmp_path / "pids")])
        first = family_pids(tmp_path, 1)
        runner.kill("family")
        assert eventually(lambda: not any(alive(pid) for pid in first))
        runner.restart("family")
        assert runner.pid("family") == family_pids(tmp_path, 2)[2]
        runner.check()
    assert not any(alive(pid) for pid in family_pids(tmp_path, 2))


def test_children_are_ended_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    script = 'trap "echo $1 >> $2; exit 0" TERM; echo up >> $2.up; while :; do sleep 0.05; done'
    with Runner(tmp_path / "logs") as runner:
        for name in ("store", "web", "worker"):
            runner.start(name, ["sh", "-c", script, "sh", name, str(tmp_path / "order")])
        up = tmp_path / "order.up"
        assert eventually(lambda: up.exists() and len(up.read_text().split()) == 3)
    assert (tmp_path / "order").read_text().split() == ["worker", "web", "store"]


def test_a_child_that_ignores_the_request_to_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    with Runner(tmp_path / "logs") as runner:
        runner.start("deaf", ["sh", "-c", f'trap "" TERM; echo > {tmp_path}/up; sleep 300'], grace_seconds=0.3)
        assert eventually((tmp_path / "up").exists)
        pid = runner.pid("deaf")
    assert not alive(pid)


def test_a_child_that_dies_before_it_answers_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Runner(tmp_path / "logs") as runner:
        runner.start("web", ["sh", "-c", "echo porta ocupada; exit 3"])
        with pytest.raises(ProcessError, match=r"(?s)web ended by itself \(exit status 3\).*porta ocupada"):
            runner.wait_until("web", lambda: False)


def test_a_child_that_never_answers_is_reported(tmp_path: Path) -> None:
    with Runner(tmp_path / "logs") as runner:
        runner.start("web", ["sleep", "300"])
        with pytest.raises(ProcessError, match="web did not answer"):
            runner.wait_until("web", lambda: False, timeout_seconds=0.2)


def test_a_manager_killed_before_it_told_the_reaper_starts_no_command(tmp_path: Path) -> None:
    from pyloto.processes import GATE

    shell = subprocess.Popen(["/bin/sh", "-c", GATE, "sh", "touch", str(tmp_path / "ran")], stdin=subprocess.PIPE)
    shell.stdin.close()  # what the kernel does for a dead manager
    assert shell.wait(timeout=10) != 0
    assert not (tmp_path / "ran").exists()
