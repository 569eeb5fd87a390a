"""The embedded Valkey of a run directory, as a child of a runner."""

from pathlib import Path

import redis

from pyloto.embedded_valkey import server_command, socket_url
from pyloto.processes import Runner


def start_valkey(runner: Runner, run_dir: Path, *, durable: bool = False) -> None:
    """Start it and wait until it answers."""
    runner.start("valkey", server_command(run_dir, durable=durable))
    with redis.Redis.from_url(socket_url(run_dir)) as client:
        runner.wait_until("valkey", lambda: answers(client), timeout_seconds=20)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
