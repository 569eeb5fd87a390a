"""`python -m tests.chaos --seeds N [--seed S] [--only A5,B1]`: see docs/chaos.md. The last line is the verdict."""

import argparse
import json
import logging
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tests.lab.emulator import EmulatorMissing, free_port

STALE_SECONDS, UNKNOWN_SECONDS = 8, 5
DRAIN_SECONDS = UNKNOWN_SECONDS + 60 + 60  # I8, and as much again for a loaded machine
SHOWN_PROBLEMS = 40

SETTINGS = {
    "SWEEP_SECONDS": "1",
    "TURN_QUIET_SECONDS": "0.2",
    "TURN_MAX_SECONDS": "3",
    "OUTBOX_STALE_SECONDS": str(STALE_SECONDS),
    "OUTBOX_UNKNOWN_SECONDS": str(UNKNOWN_SECONDS),
    "FLOOD_MESSAGES_MAX": "0",  # its customers write faster than people, and repeat themselves
    "LOOP_TURNS_MAX": "0",
    "FIRESTORE_PROJECT": "pyloto-chaos",
}


def main() -> int:
    arguments = parse()
    if arguments.result:
        return run_seed(arguments.seed, arguments)
    seeds = (
        [arguments.seed] if arguments.seed is not None else [secrets.randbelow(10**6) for _ in range(arguments.seeds)]
    )
    results, status = [], 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = pool.map(partial(run_in_process_of_its_own, aside=arguments.jobs > 1), seeds)
        for number, seed in enumerate(seeds, 1):
            say(f"chaos: seed {seed} ({number} of {len(seeds)}); again with: python -m tests.chaos --seed {seed}")
            result, code, printed = next(runs)
            print(printed, end="", flush=True)
            results += [result] if result else []
            status = status or code
    if len(results) < len(seeds):
        say(f"{len(seeds) - len(results)} seeds did not come to an end")
        status = 1
    say(summary(results))
    return status


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to draw")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once; their output comes seed by seed")
    parser.add_argument("--only", default="", help="rows, with commas between them; otherwise all")
    parser.add_argument("--backend", choices=["embedded", "firestore"], help="of the documents; otherwise drawn")
    parser.add_argument(
        "--seconds",
        type=float,
        default=float("inf"),
        help="leave out the faults that would last longer than this; otherwise all come",
    )
    parser.add_argument("--keep", type=Path, help="a folder that keeps the logs")
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)  # where a seed's own process writes its counts
    return parser.parse_args()


def run_in_process_of_its_own(seed: int, *, aside: bool) -> tuple[dict[str, Any], int, str]:
    """Settings are read once in a process: each seed gets one. `aside`: what it says comes back in the end, as text."""
    with tempfile.TemporaryDirectory(prefix="pyloto-chaos-result-") as folder:
        result = Path(folder) / "result.json"
        others = without(sys.argv[1:], "--seed", "--seeds", "--jobs")
        command = [sys.executable, "-m", "tests.chaos", *others, "--seed", str(seed)]
        pipe = subprocess.PIPE if aside else None
        ran = subprocess.run([*command, "--result", str(result)], check=False, stdout=pipe, text=True)
        return (json.loads(result.read_text()) if result.exists() else {}), ran.returncode, ran.stdout or ""


def without(arguments: Sequence[str], *options: str) -> list[str]:
    """The arguments, less these options and their values."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument.partition("=")[0] not in options:
            kept.append(argument)
        skip = argument in options and not skip
    return kept


def summary(results: Sequence[dict[str, Any]]) -> str:
    def total(name: str) -> int:
        return sum(result[name] for result in results)

    chains_ok = bool(results) and all(result["chains_ok"] for result in results)
    names = ("faults", "in", "lost", "doubled", "disordered", "bot_after_human")
    counts = " ".join(f"{name}={total(name)}" for name in names)
    return f"chaos: seeds={len(results)} {counts} chains_ok={str(chains_ok).lower()}"


def run_seed(seed: int, arguments: argparse.Namespace) -> int:
    try:
        return chaos(seed, arguments)
    except EmulatorMissing as exc:
        say(f"chaos: no emulator, so the documents are embedded ones and section C is left out. {exc}")
        if os.environ.get("REQUIRE_EMULATORS") == "1":
            return 1
        arguments.backend = "embedded"
        return chaos(seed, arguments)


def chaos(seed: int, arguments: argparse.Namespace) -> int:
    from tests.lab.installation import set_environment, start_stores

    draw = random.Random(f"seed {seed}")
    backend = arguments.backend or draw.choices(["firestore", "embedded"], [3, 1])[0]
    dedupe = draw.choices(["redis", "firestore"], [3, 1])[0]
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pyloto-chaos-") as name:
        folder = Path(name)
        valkey_port = free_port()
        own = {
            "REDIS_URL": f"redis://127.0.0.1:{valkey_port}/0",
            "DEDUPE_BACKEND": dedupe,
            "WHATSAPP_PHONE_NUMBER_IDS": "106540352242922,106540352242923",
        }
        set_environment(folder, backend=backend, settings=SETTINGS | own)
        with start_stores(folder, backend) as runner:
            import django

            django.setup()
            logging.getLogger("conversations").setLevel(
                logging.ERROR
            )  # of this process; the others have logs of their own
            from .run import run

            outcome = run(
                seed=seed,
                backend=backend,
                folder=folder,
                runner=runner,
                valkey_port=valkey_port,
                rows=[row for row in arguments.only.split(",") if row],
                unknown=timedelta(seconds=UNKNOWN_SECONDS),
                drain_seconds=DRAIN_SECONDS,
                until=started_at + arguments.seconds,
                say=say,
            )
            runner.kill_all()  # everything is judged: nobody needs an ordered end
        if arguments.keep:
            import shutil

            shutil.copytree(folder, arguments.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
    for problem in islice(outcome.problems, SHOWN_PROBLEMS):
        say(f"  {problem}")
    if len(outcome.problems) > SHOWN_PROBLEMS:
        say(f"  … and {len(outcome.problems) - SHOWN_PROBLEMS} problems more")
    say(f"chaos: seed {seed} done after {time.monotonic() - started_at:.1f} s")
    if arguments.result:
        arguments.result.write_text(json.dumps(outcome.counts))
    return 0 if outcome.passed else 1


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
