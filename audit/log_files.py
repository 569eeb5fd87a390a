"""The files of the checkpoints in the storage "exports": their names, and how they are read."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from tempfile import SpooledTemporaryFile

from django.core.files.storage import Storage

from pyloto.write_once import list_names, read_lines

from .verify_trail import LOG_FILE, CheckpointFiles, checkpoint_files

DIRECTORY = "checkpoints"
READ_AT_ONCE = 32  # checkpoints; each file is a request where they lie in Cloud Storage
MEMORY_BYTES = 64 * 1024  # of each file; one with more leaves goes through the disk


def leaves_name(number: int) -> str:
    return f"{DIRECTORY}/{number:08d}.leaves"


def note_name(number: int) -> str:
    return f"{DIRECTORY}/{number:08d}.note"


def stored_checkpoints(storage: Storage) -> Iterator[CheckpointFiles]:
    """The checkpoints in their order, several read at once, in memory that does not grow with them.

    Each has to be used before the next one is asked for. Raises `StorageUnavailable`.
    """
    by_number: dict[str, list[str]] = {}
    for name in sorted(filter(LOG_FILE.fullmatch, list_names(storage, DIRECTORY))):
        by_number.setdefault(name.partition(".")[0], []).append(name)
    numbers = list(by_number)
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        for first in range(0, len(numbers), READ_AT_ONCE):
            names = [name for number in numbers[first : first + READ_AT_ONCE] for name in by_number[number]]
            with ExitStack() as stack:
                files = {name: stack.enter_context(SpooledTemporaryFile(MEMORY_BYTES)) for name in names}
                list(pool.map(partial(_fetch, storage), names, files.values()))
                yield from checkpoint_files(names, partial(_lines, files))


def _fetch(storage: Storage, name: str, file: SpooledTemporaryFile[bytes]) -> None:
    file.writelines(read_lines(storage, f"{DIRECTORY}/{name}"))
    file.seek(0)


def _lines(files: dict[str, SpooledTemporaryFile[bytes]], name: str) -> Iterable[bytes]:
    return files[name]
