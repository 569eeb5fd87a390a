"""A fresh installation of the whole product in a temporary directory, for smoke and chaos."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pyloto.bootstrap import write_env
from pyloto.processes import Runner

from .emulator import firestore_emulator

INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "JAVA_HOME",
    "VIRTUAL_ENV",
    "FIRESTORE_EMULATOR_HOST",
    "REQUIRE_EMULATORS",
)


def set_environment(folder: Path, *, backend: str, settings: Mapping[str, str]) -> None:
    """A fresh installation's: nothing of the developer's own settings gets in."""
    write_env(folder / "env")
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(
        kept,
        **settings,
        PYLOTO_ENV_FILE=str(folder / "env"),
        PYLOTO_RUN_DIR=str(folder / "run"),
        DJANGO_SETTINGS_MODULE="pyloto.settings",
        DOCUMENTS_BACKEND=backend,
    )


@contextmanager
def start_stores(folder: Path, backend: str) -> Iterator[Runner]:
    """A runner for the processes, with the emulator where the documents are in Firestore.

    Raises `EmulatorMissing`.
    """
    with Runner(folder / "run" / "logs") as runner, ExitStack() as stack:
        if backend == "firestore":
            emulator = stack.enter_context(firestore_emulator(runner, project=os.environ["FIRESTORE_PROJECT"]))
            os.environ["FIRESTORE_PROJECT"] = emulator.project
        yield runner
