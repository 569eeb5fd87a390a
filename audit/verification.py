"""Verification of what is stored: the signed log of observed heads first, then every chain against it.

One pass over the documents, in memory that does not grow with them. The checks themselves are `verify_trail`'s.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

from django.core.files.storage import storages

from pyloto.documents import Snapshot

from .log_files import stored_checkpoints
from .stores import AuditLogStore, CheckpointStore
from .verify_trail import (
    CheckpointFiles,
    Note,
    NoteError,
    ObservedHeads,
    Problem,
    ProblemKind,
    Report,
    VerifierKey,
    find_problems,
    verify_by_one_of,
    verify_log,
)


def verify_everything(
    *,
    keys: Sequence[VerifierKey],
    checkpoints: Iterable[CheckpointFiles] | None = None,
    remembered: str | None = None,
    conversation_id: str | None = None,
) -> tuple[Report, str | None]:
    """Verify the log, and then all chains or one. The second value is the newest note of a log that is sound.

    `checkpoints` are those of an auditor's copy; else those in the storage "exports", which the index must agree with.
    `remembered` is the note that an earlier verification gave back. Raises `Unavailable`, `StorageUnavailable`,
    `OSError` where something cannot be read.
    """
    report = Report()
    notes, problems = signed_notes({"lembrado": remembered} if remembered is not None else {}, keys)
    report.add(problems)
    if checkpoints is None:
        # The index before the files: what is written meanwhile is in the files too.
        indexed, problems = indexed_notes(keys)
        report.add(problems)
        notes += indexed
        checkpoints = stored_checkpoints(storages["exports"])
    with closing(ObservedHeads()) as observed:
        problems, newest = verify_log(checkpoints, keys, observed, notes)
        report.add(problems)
        is_sound = report.ok
        # The chains after the log: an event that it observed is there by now.
        verify_stored_chains(AuditLogStore(), conversation_id, observed, report)
    return report, newest.full_text if newest and is_sound else None


def verify_stored_chains(
    store: AuditLogStore, conversation_id: str | None, observed: ObservedHeads, report: Report
) -> None:
    """Verify the chain of one conversation, or all of them. A conversation that was named must have a chain."""
    for chain_id, snapshots in groupby(store.iterate(conversation_id), key=chain_id_of):
        if conversation_id is None or chain_id == conversation_id:
            report.chains += 1
            report.add(find_problems(chain_id, _counted(snapshots, report), observed=observed.of(chain_id)))
    if conversation_id is None:
        for chain_id in observed.not_found():
            report.add(find_problems(chain_id, (), observed=observed.of(chain_id)))
    elif report.chains == 0:
        gone = find_problems(conversation_id, (), observed=observed.of(conversation_id))
        missing = Problem(conversation_id, None, ProblemKind.MISSING, "não há eventos desta cadeia")
        report.add([*gone, missing])


def indexed_notes(keys: Sequence[VerifierKey]) -> tuple[list[Note], list[Problem]]:
    """The newest checkpoint that the documents know: the files may not have less."""
    newest = CheckpointStore().newest()
    return signed_notes({f"{newest.number:08d} do índice": newest.note} if newest else {}, keys)


def signed_notes(texts: Mapping[str, str], keys: Sequence[VerifierKey]) -> tuple[list[Note], list[Problem]]:
    """The notes that were signed, and a problem for each that was not; by what they are called."""
    notes, problems = [], []
    for name, text in texts.items():
        try:
            notes.append(verify_by_one_of(text, keys))
        except NoteError as exc:
            problems.append(Problem(None, None, ProblemKind.LOG_FORGED, f"ponto {name}: {exc}"))
    return notes, problems


def chain_id_of(snapshot: Snapshot) -> str:
    """The chain among whose events it stands, whoever put it there under whatever id: none has "-0" in its name."""
    name, has_number, _ = snapshot.id.partition("-0")
    return name if has_number else snapshot.id.rpartition("-")[0]


def _counted(snapshots: Iterable[Snapshot], report: Report) -> Iterator[dict[str, Any]]:
    for snapshot in snapshots:
        report.events += 1
        yield {**snapshot.data, "id": snapshot.id}
