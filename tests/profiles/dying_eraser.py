"""`python -m tests.profiles.dying_eraser DATABASE CHANGES USER_KEY`: erases a customer, and is killed before a change.

Works on the embedded documents of that file; CHANGES is how many changes outside of the process it lives to make.
"""

import os
import signal
import sys
from typing import Any

import django
from django.conf import settings


def main(database: str, changes: int, user_key: str) -> None:
    settings.DATABASES["documents"]["NAME"] = database
    django.setup()
    import pytest
    from django.core.management import call_command

    from .erasures import Fuse, burning

    class Deadly(Fuse):
        def tick(self) -> None:
            if self.calls == self.blows_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.calls += 1

    def work() -> Any:
        return call_command("erase_customer", "--user-key", user_key, "--reason", "TEST", "--yes", "--json")

    burning(Deadly(changes), pytest.MonkeyPatch(), work)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
