"""Processes that use the documents at the same time, started by the tests of both adapters.

`python -m tests.pyloto.documents.processes write NAME ROUNDS`: works on the embedded documents of PYLOTO_RUN_DIR and
prints, as JSON, the update times that its own writes gave to the hot document.
`python -m tests.pyloto.documents.processes imports`: prints which modules of gRPC loading the project brought in.
"""

import json
import sys

import django

from pyloto.documents import Create, PreconditionFailed, Update

HOT = "conversations/hot"


def write(name: str, rounds: int) -> list[str]:
    from pyloto.documents.embedded import EmbeddedStore

    store = EmbeddedStore()
    times = []
    for number in range(rounds):
        while True:
            header = store.get(HOT)
            turn = [
                Update(HOT, {"count": header.data["count"] + 1, "attempt": f"{name}-{number}"}, header.update_time),
                Create(f"{HOT}/messages/{name}-{number}", {"by": name}),
            ]
            try:
                store.commit(turn)
            except PreconditionFailed:
                continue
            break
        written = store.get(HOT)
        if written.data["attempt"] == f"{name}-{number}":
            times.append(written.update_time.isoformat())
    return times


def imports() -> list[str]:
    from django.conf import settings
    from django.urls import get_resolver

    assert settings.DOCUMENTS_BACKEND == "firestore"
    assert get_resolver().url_patterns
    return [module for module in sys.modules if module.split(".")[0] == "grpc" or "firestore_v1" in module]


if __name__ == "__main__":
    django.setup()
    match sys.argv[1:]:
        case ["write", name, rounds]:
            print(json.dumps(write(name, int(rounds))))  # noqa: T201
        case ["imports"]:
            print(json.dumps(imports()))  # noqa: T201
