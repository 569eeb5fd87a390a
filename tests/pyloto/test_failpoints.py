"""The places of the chaos test do what was ordered, when it was ordered, and nothing in production."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pyloto import failpoints
from pyloto.failpoints import FailpointHit, arm, disarm, failpoint, was_hit


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(failpoints, "_directory", tmp_path)
    return tmp_path


def test_nothing_happens_where_nothing_is_ordered(orders: Path) -> None:
    arm(orders, "elsewhere", "raise")
    failpoint("here")
    assert not was_hit(orders, "elsewhere")


def test_the_nth_visit_is_hit_and_no_other(orders: Path) -> None:
    arm(orders, "here", "raise", nth=3)
    failpoint("here")
    failpoint("here")
    with pytest.raises(FailpointHit):
        failpoint("here")
    failpoint("here")
    assert was_hit(orders, "here")


def test_as_many_visits_as_ordered_are_hit(orders: Path) -> None:
    arm(orders, "here", "raise", times=2)
    for _ in range(2):
        with pytest.raises(FailpointHit):
            failpoint("here")
    failpoint("here")


def test_only_the_customer_named_is_hit(orders: Path) -> None:
    arm(orders, "here", "raise", subject="u1")
    failpoint("here", "u2")
    failpoint("here")
    with pytest.raises(FailpointHit):
        failpoint("here", "u1")


def test_who_is_held_goes_on_when_the_order_is_taken_back(orders: Path) -> None:
    arm(orders, "here", "hold")
    visitor = threading.Thread(target=failpoint, args=("here",))
    visitor.start()
    while not was_hit(orders, "here"):
        assert visitor.is_alive()
    assert visitor.is_alive()
    disarm(orders, "here")
    visitor.join(timeout=10)
    assert not visitor.is_alive()


def test_an_order_to_die_ends_the_process_at_once(tmp_path: Path) -> None:
    arm(tmp_path, "here", "kill9")
    program = (
        "import django; django.setup(); from pyloto.failpoints import failpoint; failpoint('here'); print('alive')"
    )
    env = {**os.environ, "FAILPOINTS": str(tmp_path), "DEBUG": "true", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-9, b"")


def test_they_are_refused_in_production(tmp_path: Path) -> None:
    env = {**os.environ, "FAILPOINTS": str(tmp_path), "DEBUG": "false", "DJANGO_SETTINGS_MODULE": "pyloto.settings"}
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"], env=env, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"FAILPOINTS is for the chaos test" in done.stderr
