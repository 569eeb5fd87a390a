"""Named places at which the chaos test lets a process die, fail or wait. In production each costs one comparison.

`FAILPOINTS` names a directory, and is refused unless DEBUG. An order is a file in it, named `{place}`, or `{place}@{subject}`
for visits about one subject only:

    {"action": "kill9", "nth": 2, "times": 1, "seconds": 3.0}

so that a running process can be told. The `nth` visit, counted over all processes, and the `times - 1` visits after it
are hit. An order that was carried out leaves `….done`; one that holds waits while there is `….held`, at most for its
seconds.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

from pyloto.errors import TransientError

Action = Literal["kill9", "kill_group", "raise", "sleep", "hold"]

POLL_SECONDS = 0.02
HOLD_MAX_SECONDS = 30.0

_directory: Path | None = Path(settings.FAILPOINTS) if settings.FAILPOINTS else None


class FailpointHit(TransientError):
    """The failure that was ordered."""


def failpoint(name: str, *subjects: str) -> None:
    """Do what was ordered for this place; nothing where nothing was. `subjects`: the random keys of who or what it is about."""
    if _directory is not None:
        _visit(_directory, name, subjects)


def arm(
    directory: Path,
    name: str,
    action: Action,
    *,
    nth: int = 1,
    times: int = 1,
    seconds: float = HOLD_MAX_SECONDS,
    subject: str = "",
) -> None:
    """Order something for a place, instead of what was ordered for it and this subject before."""
    path = order_path(directory, name, subject)
    with _locked(directory):
        for suffix in (".done", ".held"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        _write(path, {"action": action, "nth": nth, "times": times, "seconds": seconds})


def disarm(directory: Path, name: str, subject: str = "") -> None:
    """Take an order back, and let go who waits at the place."""
    path = order_path(directory, name, subject)
    with _locked(directory):
        for suffix in ("", ".held"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def was_hit(directory: Path, name: str, subject: str = "") -> bool:
    """Whether the order was carried out, as often as it said; of a hold: whether somebody waits or has waited."""
    path = order_path(directory, name, subject)
    return path.with_name(path.name + ".done").exists()


def order_path(directory: Path, name: str, subject: str = "") -> Path:
    return directory / (f"{name}@{subject}" if subject else name)


def _visit(directory: Path, name: str, subjects: Sequence[str]) -> None:
    for path in (order_path(directory, name, subject) for subject in ("", *subjects)):
        if not path.exists():
            continue
        with _locked(directory):
            order = _take(path)
        if order is not None:
            _act(path.with_name(path.name + ".held"), order, name)


def _take(path: Path) -> dict[str, Any] | None:
    """The order, where it is this visit's turn; counted off."""
    try:
        order: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    order["nth"] -= 1
    if order["nth"] > 0:
        _write(path, order)
        return None
    order["times"] -= 1
    if order["times"] > 0:
        _write(path, order | {"nth": 1})
    else:
        path.unlink()
        if order["action"] == "hold":
            path.with_name(f"{path.name}.held").touch()
        path.with_name(f"{path.name}.done").touch()
    return order


def _act(held: Path, order: dict[str, Any], name: str) -> None:
    match order["action"]:
        case "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_group":
            os.killpg(0, signal.SIGKILL)
        case "raise":
            raise FailpointHit(name)
        case "sleep":
            time.sleep(order["seconds"])
        case "hold":
            deadline = time.monotonic() + order["seconds"]
            while held.exists() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


def _write(path: Path, order: dict[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(order))
    draft.replace(path)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Visits of all processes are counted one after the other."""
    with open(directory / "lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
