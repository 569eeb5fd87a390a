"""Writes a `.env` with random secrets for a try-out, where there is none: `python -m pyloto.bootstrap`."""

import base64
import os
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


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / ".env"
    if write_env(target):
        print(f"Configuração criada com segredos aleatórios: {target}")
