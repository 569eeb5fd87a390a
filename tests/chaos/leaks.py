"""Personal data where none may be: logs, the trail, metrics, and what went through the broker (I6)."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

from pyloto.documents import Query, get_store
from tests.lab.canaries import find_canaries

TASK_BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]+)"')  # kombu: base64 of the arguments
OTHERS_LOGS = {"firestore.log", "simulator.log"}  # the emulator's, and the fake Meta's own


def find_leaks(folder: Path) -> list[str]:
    return [
        f"personal data: {', '.join(found)} in {where}"
        for where, text in _places(folder)
        if (found := find_canaries(text))
    ]


def _places(folder: Path) -> Iterator[tuple[str, str]]:
    """Each place with its text, large ones piece by piece."""
    for path in sorted((folder / "run" / "logs").iterdir()):
        if path.name.removesuffix(".1") not in OTHERS_LOGS:
            yield path.name, path.read_text(errors="replace")
    for path in sorted((folder / "run" / "metrics").rglob("*.db")):
        yield f"metrics/{path.name}", path.read_bytes().decode("latin-1")
    for snapshot in get_store().query(Query("audit_logs")):
        yield f"the trail, event {snapshot.id[-12:]}", str(snapshot.data)
    for path in sorted((folder / "valkey").rglob("*.aof")):
        commands = path.read_bytes()
        yield f"what Valkey was told ({path.name})", commands.decode("latin-1")
        yield "the arguments of tasks", " ".join(_task_bodies(commands))


def _task_bodies(commands: bytes) -> Iterator[str]:
    for body in TASK_BODY.findall(commands):
        try:
            yield base64.b64decode(body).decode(errors="replace")
        except binascii.Error:
            yield body.decode()
