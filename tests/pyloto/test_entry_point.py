"""What each container runs, as `docker-entrypoint.sh` starts it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("process", "named", "queues"),
    [
        ("worker", "", "turns,sweep,checkpoints"),
        ("worker", "turns,sweep", "turns,sweep"),
        ("media", "", "media"),
        ("media", "turns,sweep", "media"),  # an environment that all containers share
    ],
)
def test_each_worker_serves_its_queues(tmp_path: Path, process: str, named: str, queues: str) -> None:
    (tmp_path / "celery").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "celery").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | ({"WORKER_QUEUES": named} if named else {})
    ran = subprocess.run(
        ["sh", ROOT / "docker-entrypoint.sh", process], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split()[3:7] == ["-n", f"{process}@%h", "-Q", queues]
