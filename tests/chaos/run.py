"""One seed: everything up, customers who write, each fault in its drawn order, then quiet, then the verdict."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model

from pyloto.documents import Unavailable
from pyloto.management.commands.dev import prepare_databases
from pyloto.processes import ProcessError, Runner
from tests.lab.canaries import NAME, PHONE
from tests.lab.phones import WRITE_AGAIN_SECONDS, is_anything_in_doubt, nothing_is_due

from . import faults_broker, faults_graph, faults_ingest, faults_people, faults_store, faults_time  # noqa: F401
from .faults import FAULTS, Fault, Unexpected
from .judge import Evidence, judge
from .lab import Lab, start_lab
from .leaks import find_leaks
from .traffic import Crowd

SLOW_STATUSES = (0, 0, 2, 6)  # seconds that are drawn from; the last is longer than doubt is waited for
DRAIN_POLL_SECONDS = 0.5
PEOPLE, FEW_PEOPLE = 90, 45  # who are there at the beginning; a fault that finds nobody left gathers more
QUIET_LOOKS = 3  # so often in a row nothing may be due
QUIET_SECONDS = 5  # from the last thing settled to the verdict

Say = Callable[[str], None]


@dataclass
class Outcome:
    counts: dict[str, Any]
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems


def run(
    *,
    seed: int,
    backend: str,
    folder: Path,
    runner: Runner,
    valkey_port: int,
    rows: Sequence[str],
    unknown: timedelta,
    drain_seconds: float,
    until: float,
    say: Say,
) -> Outcome:
    """`until`, of the monotonic clock: when all should be settled; what would last longer is left out."""
    prepare_databases()
    hire(faults_people.AGENTS)
    started_at = time.monotonic()
    draw = random.Random(f"run {seed}")
    with start_lab(seed=seed, backend=backend, folder=folder, runner=runner, valkey_port=valkey_port) as lab:
        slow = lab.status_delay_seconds = draw.choice(SLOW_STATUSES)
        manners = {"status_delay_seconds": slow, "duplicate": draw.randint(0, 1), "reorder": draw.random() < 0.3}
        lab.phones.post("misbehave", **manners)
        say(f"up after {time.monotonic() - started_at:.1f} s; documents: {backend}; {manners}")
        canary = lab.phones.post("customers", name=NAME, phone=PHONE)["customer_id"]
        lab.phones.write(canary, "Oi")
        lab.gather(FEW_PEOPLE if isfinite(until) else PEOPLE)
        crowd = Crowd(lab.phones, seed=seed)
        crowd.start([canary])
        chosen = choose(draw, backend, rows)
        if not isfinite(until):
            chosen.sort(key=lambda fault: -fault.lasts)
        injected, problems = break_everything(lab, chosen, until - QUIET_SECONDS, say)
        lab.mend()
        crowd.stop()
        began = time.monotonic()
        if not drain(lab, drain_seconds):
            problems.append(f"not all was done {drain_seconds:.0f} s after the last fault was lifted")
        say(f"quiet {time.monotonic() - began:.1f} s after the last fault; started again: {dict(lab.restarts)}")
        problems += look_back(lab)
        inbound = {m["wamid"]: m for m in lab.phones.get("inbound")} | lab.posted
        verdict = judge(
            Evidence(
                inbound=list(inbound.values()),
                accepted=lab.phones.get("accepted"),
                statuses=[*lab.phones.get("statuses"), *lab.told],
                witnesses=lab.witnesses,
                excused=lab.excused,
                unknown=unknown,
            )
        )
        for note in lab.notes:
            say(f"  {note}")
        say(
            f"window of §3.4 used: {verdict.windows}; in silence beside a person: {verdict.unanswered}; "
            f"left to a person: {verdict.needs_human}"
        )
        problems += crowd.problems + verdict.problems + find_leaks(folder)
    counts = {
        "faults": injected,
        "in": verdict.received,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "disordered": len(verdict.disordered),
        "bot_after_human": verdict.bot_after_human,
        "chains_ok": verdict.chains_ok,
    }
    return Outcome(counts, problems)


def hire(agents: Sequence[str]) -> None:
    """Without users of their own a job would give their conversations back to the queue."""
    for agent in agents:
        get_user_model().objects.create(pk=int(agent.removeprefix("user:")), username=agent, is_staff=True)


def choose(draw: random.Random, backend: str, rows: Sequence[str]) -> list[Fault]:
    """The faults of this seed in their drawn order."""
    chosen = [FAULTS[row] for row in rows] if rows else list(FAULTS.values())
    chosen = [fault for fault in chosen if fault.only_with in ("", backend)]
    draw.shuffle(chosen)
    return chosen


def break_everything(lab: Lab, chosen: Sequence[Fault], until: float, say: Say) -> tuple[int, list[str]]:
    """How many were injected, and what went wrong. None begins that would last longer than `until`."""
    problems: list[str] = []
    left_out: list[str] = []
    for fault in chosen:
        began = time.monotonic()
        if began + fault.lasts > until:
            left_out.append(fault.row)
            continue
        try:
            lab.wait_for_web()  # the one before may have cost it its life
            fault.inject(lab)
        except Unexpected as exc:
            problems.append(f"{fault.row}: {exc}")
        except Exception as exc:  # noqa: BLE001 - the outermost loop: the others still get their turn
            problems.append(f"{fault.row}: {type(exc).__name__}: {exc}")
        finally:
            lab.mend()
        failed = " FAILED: " + problems[-1] if problems and problems[-1].startswith(f"{fault.row}:") else ""
        say(f"  {fault.row:4} {time.monotonic() - began:5.1f} s  {fault.title}{failed}")
    if left_out:
        say(f"  no time was left for: {' '.join(sorted(left_out))}")
    return len(chosen) - len(left_out), problems


def look_back(lab: Lab) -> list[str]:
    """What the faults could look at only now."""
    problems = []
    for row, check in lab.at_end:
        try:
            check()
        except Unexpected as exc:
            problems.append(f"{row}: {exc}")
    return problems


def drain(lab: Lab, seconds: float) -> bool:
    """Wait until nothing waits any more, and stays so; whether it came to that."""
    deadline = time.monotonic() + seconds
    write_at = 0.0
    quiet = 0
    while time.monotonic() < deadline:
        with suppress(Unavailable, OSError, ProcessError):
            quiet = quiet + 1 if nothing_is_due(lab.phones) else 0
            if quiet >= QUIET_LOOKS:
                return True
            if time.monotonic() > write_at and is_anything_in_doubt():
                lab.says(lab.person())
                write_at = time.monotonic() + WRITE_AGAIN_SECONDS
        time.sleep(DRAIN_POLL_SECONDS)
    return False
