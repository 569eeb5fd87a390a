"""The whole product, started for real: `make smoke`, and with DOCUMENTS_BACKEND=firestore `make smoke-firestore`.

It starts every process on free ports in a temporary directory, plays customers through the fake Meta, kills the worker
and flushes Valkey in the middle of a batch, and then judges by what is stored and by what the fake accepted. The last
line is the verdict; what is wrong stands above it, and the exit status is 1.
"""

import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import django
import redis
from django.conf import settings

from pyloto.documents import Query, Snapshot, get_store
from pyloto.management.commands.dev import prepare_databases
from pyloto.privacy.hashing import digest
from pyloto.processes import Runner
from pyloto.stack import Stack, child_environment
from tests.lab.emulator import EmulatorMissing, free_port
from tests.lab.installation import set_environment, start_stores
from tests.lab.phones import (
    DELIVERIES,
    GREETINGS,
    QUESTIONS,
    WRITE_AGAIN_SECONDS,
    Lead,
    Phones,
    is_anything_in_doubt,
    nothing_is_due,
)
from tests.lab.trail import problems_of_chains

PLAY_SECONDS = 90  # the longest that everything may take to be answered; a quiet machine needs 25
TICK_SECONDS = 0.2
BATCH = 200
KILL_AFTER, FLUSH_AFTER = 30, 90  # replies to the batch
SHOWN_PROBLEMS = 20

SETTINGS = {
    "SWEEP_SECONDS": "1",
    "TURN_QUIET_SECONDS": "0.2",
    "TURN_MAX_SECONDS": "3",
    "OUTBOX_STALE_SECONDS": "7",
    "OUTBOX_UNKNOWN_SECONDS": "4",  # the fake's slowest status takes one second
    "FIRESTORE_PROJECT": "pyloto-smoke",
}


@dataclass
class Verdict:
    received: int = 0
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    chains_ok: bool = True
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        answered = self.received - len(self.lost)
        counts = f"in={self.received} answered={answered} lost={len(self.lost)} doubled={len(self.doubled)}"
        return f"smoke: {counts} chains_ok={str(self.chains_ok).lower()}"

    @property
    def passed(self) -> bool:
        return self.received > 0 and not self.problems


def main() -> int:
    """The exit status: 1 where something was lost or doubled, or where CI misses the emulator that a person may miss."""
    try:
        return smoke()
    except EmulatorMissing as exc:
        say(f"smoke skipped: {exc}")
        return 1 if os.environ.get("REQUIRE_EMULATORS") == "1" else 0


def smoke() -> int:
    started_at = time.monotonic()
    backend = os.environ.get("DOCUMENTS_BACKEND") or "embedded"
    with tempfile.TemporaryDirectory(prefix="pyloto-smoke-") as folder, ExitStack() as stack:
        set_environment(Path(folder), backend=backend, settings=SETTINGS)
        runner = stack.enter_context(start_stores(Path(folder), backend))
        installation = start_installation(runner)
        say(f"up after {time.monotonic() - started_at:.1f} s, documents: {backend}")
        phones = Phones(installation.simulator_url)
        unfinished = play(installation, phones)
        verdict = judge(phones.get("inbound"), phones.get("accepted"))
        verdict.problems += unfinished
        for problem in islice(verdict.problems, SHOWN_PROBLEMS):
            say(problem)
        if len(verdict.problems) > SHOWN_PROBLEMS:
            say(f"… and {len(verdict.problems) - SHOWN_PROBLEMS} problems more")
        if not verdict.passed:
            for name in ("worker", "web"):
                say(f"{name}{runner.log_tail(name)}")
        runner.kill_all()  # everything is judged: nobody needs an ordered end
    say(f"done after {time.monotonic() - started_at:.1f} s")
    say(verdict.line)
    return 0 if verdict.passed else 1


# --- starting ---------------------------------------------------------------------------------------------------------


def start_installation(runner: Runner) -> Stack:
    django.setup()
    prepare_databases()
    installation = Stack(runner, web_port=free_port(), simulator_port=free_port())
    runner.env = {**os.environ, **child_environment(installation.web_port, installation.simulator_port)}
    installation.start()
    return installation


# --- playing ----------------------------------------------------------------------------------------------------------


def play(installation: Stack, phones: Phones) -> list[str]:
    """All customers, and what goes wrong meanwhile. Returns when nothing waits any more, or, when time is up, with what
    did not come to its end."""
    phones.post("misbehave", duplicate=2)
    say_to_all(phones, phones.add(4), GREETINGS)
    phones.deliver_everything()
    phones.post("misbehave", duplicate=0)

    say_to_all(phones, [*phones.add(4), *phones.add(2, phone=False)], GREETINGS)
    say_to_all(phones, phones.add(6), QUESTIONS)
    say_to_all(phones, phones.add(4), DELIVERIES)
    leads = [Lead(customer_id) for customer_id in phones.add(4)]
    crowd = phones.add(BATCH)
    phones.post("deliver", customers=crowd, text="Oi, quero saber mais")

    killed = flushed = False
    write_at = 0.0
    crowd_ids = set(crowd)
    deadline = time.monotonic() + PLAY_SECONDS
    while time.monotonic() < deadline:
        installation.runner.check()
        replies = defaultdict(list)
        for record in phones.get("accepted"):
            replies[record["customer_id"]].append(record)
        for lead in leads:
            if flushed or lead.sent < 2:  # the second message meets the dead worker, the others an empty Valkey
                lead.go_on(phones, replies[lead.customer_id])
        answered = len(crowd_ids & replies.keys())
        if not killed and answered >= KILL_AFTER:
            killed = True
            kill_worker(installation)
            say(f"worker killed after {answered} of {BATCH} replies, and started again")
        elif killed and not flushed and answered >= FLUSH_AFTER:
            flushed = True
            flush_valkey(phones)
            say(f"Valkey flushed after {answered} of {BATCH} replies")
        if flushed and all(lead.done for lead in leads) and nothing_is_due(phones):
            return []
        if flushed and time.monotonic() > write_at and is_anything_in_doubt():
            say_to_all(phones, phones.add(1), GREETINGS)
            write_at = time.monotonic() + WRITE_AGAIN_SECONDS
        time.sleep(TICK_SECONDS)
    unfinished = [f"no handoff for a lead after {lead.sent} messages" for lead in leads if not lead.done]
    return [f"time is up after {PLAY_SECONDS} s; killed: {killed}, flushed: {flushed}", *unfinished]


def say_to_all(phones: Phones, customers: list[str], texts: tuple[str, ...]) -> None:
    for number, customer_id in enumerate(customers):
        phones.write(customer_id, texts[number % len(texts)])


def kill_worker(installation: Stack) -> None:
    installation.runner.kill("worker")
    installation.runner.restart("worker")


def flush_valkey(phones: Phones) -> None:
    """Everything that Valkey knew is gone: queues, locks, marks. Duplicates now meet only the documents."""
    late = phones.add(6)
    phones.post("misbehave", duplicate=1)
    say_to_all(phones, late[:3], GREETINGS)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    say_to_all(phones, late[3:], QUESTIONS)
    phones.deliver_everything()
    phones.post("misbehave", duplicate=0)


# --- judging ----------------------------------------------------------------------------------------------------------


def judge(inbound: list[dict[str, Any]], accepted: list[dict[str, Any]]) -> Verdict:
    """Compare what the fake delivered and accepted with what is stored, message by message."""
    stored: dict[str, list[Snapshot]] = defaultdict(list)  # by the key of the inbound message
    replies: dict[str, list[str]] = defaultdict(list)  # by turn: what the fake got as callback data
    for snapshot in get_store().query(Query("messages", group=True)):
        if snapshot.data["direction"] == "in":
            stored[snapshot.id].append(snapshot)
        else:
            replies[snapshot.data["turn_id"]].append(f"{snapshot.path.split('/')[1]}.{snapshot.id}")
    times_accepted = Counter(record["callback_data"] for record in accepted)

    verdict = Verdict(received=len(inbound))
    for key in (digest("whatsapp", message["wamid"]) for message in inbound):
        if trouble := trouble_with(stored[key], replies, times_accepted):
            verdict.lost.add(key)
            verdict.problems.append(f"lost: message {key[:12]} {trouble}")
        if len(stored[key]) > 1:
            verdict.doubled.add(key)
            verdict.problems.append(f"doubled: message {key[:12]} stands in {len(stored[key])} conversations")
    if len(stored) > len(inbound):
        verdict.problems.append(f"{len(stored) - len(inbound)} messages are stored that were never delivered")

    turns = {snapshot.data.get("turn_id") for found in stored.values() for snapshot in found}
    expected = {callback for turn in turns if turn for callback in replies[turn]}
    for callback, times in times_accepted.items():
        if times > 1 or callback not in expected:
            verdict.doubled.add(callback)
            reason = f"was accepted {times} times" if callback in expected else "belongs to no turn of a message"
            verdict.problems.append(f"doubled: reply {callback[-12:]} {reason}")

    chain_problems = list(problems_of_chains())
    verdict.chains_ok = not chain_problems
    verdict.problems += chain_problems
    return verdict


def trouble_with(found: list[Snapshot], replies: dict[str, list[str]], times_accepted: Counter[str]) -> str:
    """Why a delivered message does not count as answered; empty where it does."""
    if not found:
        return "is not stored"
    turn_id = found[0].data.get("turn_id")
    if found[0].data["state"] != "HANDLED" or not turn_id:
        return f"is {found[0].data['state']}"
    if not replies[turn_id]:
        return "was handled without a reply"
    if missing := [callback for callback in replies[turn_id] if not times_accepted[callback]]:
        return f"has {len(missing)} replies that were never accepted"
    return ""


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
