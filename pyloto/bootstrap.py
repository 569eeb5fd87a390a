"""Writes a `.env` with random secrets for a try-out: `python -m pyloto.bootstrap`. The standard library only.

A file that stands already is kept as it is, and gets what an earlier version of Pyloto did not know yet.
"""

import base64
import os
import re
import secrets
from pathlib import Path

TEMPLATE = """\
# Written by `make run` for a try-out on this machine, with random secrets. Keep it: without the keys below, what is
# stored can no longer be read. `.env.example` lists all variables; docs/production.md tells what a server needs.
DEBUG=true
DJANGO_SECRET_KEY={secret_key}
PRIVACY_PEPPERS=1:{pepper}
PRIVACY_KEYS=1:{key}
AUDIT_SIGNING_KEY={signing_key}
WHATSAPP_APP_SECRET={app_secret}
WHATSAPP_VERIFY_TOKEN={verify_token}
WHATSAPP_ACCESS_TOKEN={access_token}
# An invented number: the simulator answers for it.
WHATSAPP_PHONE_NUMBER_IDS=106540352242922
DELIVERY_DESK_WHATSAPP=+55 42 99999-0000
"""


def write_env(path: Path) -> bool:
    """Write the file, readable by its owner alone. False where one stands already: it is never touched."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            TEMPLATE.format(
                secret_key=secrets.token_urlsafe(50),
                pepper=random_base64(),
                key=random_base64(),
                signing_key=random_base64(),
                app_secret=secrets.token_hex(16),
                verify_token=secrets.token_urlsafe(16),
                access_token=f"try-out-{secrets.token_urlsafe(24)}",
            )
        )
    return True


def random_base64() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


# Secrets that came after the first release, each with what makes one. A missing key of what is stored already is not
# among them: a new one would not read it.
LATER = {"AUDIT_SIGNING_KEY": random_base64}


def complete_env(path: Path) -> list[str]:
    """Append the later secrets that neither the file nor the environment gives a value; nothing else is touched.

    Returns their names.
    """
    text = path.read_text(encoding="utf-8")
    missing = [name for name in LATER if not os.environ.get(name) and not _has_value(text, name)]
    if missing:
        lines = [f"{name}={LATER[name]()}\n" for name in missing]
        start = "" if text.endswith("\n") or not text else "\n"
        with path.open("a", encoding="utf-8") as file:
            file.write(start + "# Added by a later version of Pyloto.\n" + "".join(lines))
    return missing


def _has_value(text: str, name: str) -> bool:
    """Whether the last line that sets it gives it one, as the file's reader has it."""
    values = re.findall(rf"^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*(.*)$", text, re.MULTILINE)
    return bool(values) and values[-1].partition("#")[0].strip(" \t'\"") != ""


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / ".env"
    if write_env(target):
        print(f"Configuração criada com segredos aleatórios: {target}")
    elif added := complete_env(target):
        print(f"Segredos novos acrescentados a {target}: {', '.join(added)}")
