"""An auditor's view of the checkpoint files: read and verified from the first one on, with none of the writer's code."""

import hashlib
import json
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import storages

from audit.signing import verifier_key
from audit.verify_trail import verify_note


@dataclass
class LogFiles:
    """`heads`: (chain, seq) of all leaves, in their order. `notes`: the signed texts by number."""

    heads: list[tuple[str, int]]
    notes: dict[int, str]


def read_log(vkey: str | None = None) -> LogFiles:
    """Asserts that every note is signed and tells the root of all leaves up to it, and that no file is left over."""
    storage = storages["exports"]
    _, names = storage.listdir("checkpoints") if storage.exists("checkpoints") or settings.EXPORTS_BUCKET else ([], [])
    count = sum(name.endswith(".note") for name in names)
    log, leaves = LogFiles([], {}), []
    expected = {f"{n:08d}.{kind}" for n in range(1, count + 1) for kind in ("leaves", "note")}
    assert set(names) == expected
    for number in range(1, count + 1):
        with storage.open(f"checkpoints/{number:08d}.leaves") as file:
            lines = file.read().splitlines()
        with storage.open(f"checkpoints/{number:08d}.note") as file:
            text = file.read().decode()
        leaves += lines
        note = verify_note(text, vkey or str(verifier_key()))
        assert (note.size, note.root) == (len(leaves), merkle_root(leaves))
        for line in map(json.loads, lines):
            log.heads.append((line["conversation_id"], line["seq"]))
        log.notes[number] = text
    return log


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:k]) + merkle_root(leaves[k:])).digest()
