"""The webhook's door: who may come in, with how much, and what becomes of bytes that nobody can read."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from conversations.services import ingest
from pyloto.observability.metrics import SIGNATURE_FAILURES
from pyloto.privacy.fields import decrypt

from .deliveries import envelope, post, signature, text_message
from .kept import documents, quarantined, revealed, sample, stored_messages

pytestmark = pytest.mark.usefixtures("embedded_store", "valkey")

ADDRESS = "/webhooks/whatsapp"
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def files(settings: Any, tmp_path: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}},
    }


# --- Verification of the address --------------------------------------------------------------------------------------
def verify(**changes: str) -> Any:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "verify-token-of-the-tests", "hub.challenge": "1158201444"}
    return Client().get(ADDRESS, asked | {key.replace("_", ".", 1): value for key, value in changes.items()})


def test_the_address_is_verified_without_a_signature() -> None:
    response = verify()
    assert (response.status_code, response.content) == (200, b"1158201444")
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "changes", [{"hub_verify_token": "wrong"}, {"hub_verify_token": ""}, {"hub_verify_token": "é"}, {"hub_mode": "x"}]
)
def test_another_token_or_mode_verifies_nothing(changes: dict[str, str]) -> None:
    response = verify(**changes)
    assert (response.status_code, response.content) == (403, b"")


def test_no_accept_header_or_format_is_a_reason_to_refuse() -> None:
    assert Client().get(ADDRESS, {"format": "xml"}).status_code == 403  # for its missing token
    assert post(envelope(text_message("wamid.A", "oi")), Accept="text/plain").status_code == 200


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(method: str) -> None:
    assert getattr(Client(), method)(ADDRESS).status_code == 405


# --- Signature --------------------------------------------------------------------------------------------------------
BODY = b'{"object": "whatsapp_business_account", "entry": []}'


def refused(body: bytes, header: str | None) -> bool:
    before = SIGNATURE_FAILURES._value.get()
    headers = {} if header is None else {"X-Hub-Signature-256": header}
    response = Client().post(ADDRESS, body, content_type="application/json", headers=headers)
    assert response.status_code in {200, 403}
    assert SIGNATURE_FAILURES._value.get() - before == (response.status_code == 403)
    return response.status_code == 403


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=é",
        "sha256=" + "0" * 64,
        "sha1=" + signature(BODY, "x")[7:],
        signature(BODY, "another secret"),
        signature(BODY, "app-secret-of-the-tests")[7:],
        signature(BODY, "app-secret-of-the-tests") + "0",
        signature(BODY, "app-secret-of-the-tests").upper(),
        signature(b"", "app-secret-of-the-tests"),
    ],
)
def test_a_delivery_without_the_right_signature_is_refused(header: str | None) -> None:
    assert refused(BODY, header)
    assert documents("webhook_quarantine") == []


@pytest.mark.parametrize("position", [0, len(BODY) // 2, len(BODY) - 1])
def test_one_tampered_byte_is_refused(position: int) -> None:
    tampered = BODY[:position] + bytes([BODY[position] ^ 1]) + BODY[position + 1 :]
    assert refused(tampered, signature(BODY))


def test_the_same_json_in_other_bytes_is_refused() -> None:
    assert refused(json.dumps(json.loads(BODY), indent=1).encode(), signature(BODY))


def test_both_secrets_are_accepted_while_they_are_changed(settings: Any) -> None:
    settings.WHATSAPP_APP_SECRET_PREVIOUS = "the-one-before"
    assert not refused(BODY, signature(BODY, "app-secret-of-the-tests"))
    assert not refused(BODY, signature(BODY, "the-one-before"))
    assert refused(BODY, signature(BODY, "the-one-before-that"))


def test_an_unset_previous_secret_signs_nothing() -> None:
    empty = "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert refused(BODY, empty)


# --- Size -------------------------------------------------------------------------------------------------------------
def delivery_of(size_bytes: int) -> bytes:
    """A delivery of exactly this size, with one message and filling around it."""
    body = envelope(text_message("wamid.A", "oi"))
    start = json.dumps(body | {"filling": ""}).encode()
    return json.dumps(body | {"filling": "x" * (size_bytes - len(start))}).encode()


@pytest.mark.parametrize("size_bytes", [2_900_000, 3_000_000, 4 * 1024 * 1024])
def test_a_large_delivery_is_taken_in(size_bytes: int) -> None:
    """Django's own limit of 2.5 MB would answer 400, and Meta would send the batch again until it is dropped."""
    assert post(delivery_of(size_bytes)).status_code == 200
    assert len(stored_messages()) == 1


@pytest.mark.parametrize("size_bytes", [4 * 1024 * 1024 + 1, 4_300_000])
def test_a_delivery_over_the_cap_is_refused(size_bytes: int) -> None:
    assert post(delivery_of(size_bytes)).status_code == 413
    assert stored_messages() == []


# --- Bytes that nobody can read ---------------------------------------------------------------------------------------
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not_json"),
    "latin-1": ('{"object": "ação"}'.encode("latin-1"), "not_utf8"),
    "utf-16": ('{"object": "x"}'.encode("utf-16"), "not_utf8"),
    "byte order mark": (b"\xef\xbb\xbf{}", "not_json"),
    "truncated": (json.dumps(sample("text")).encode()[:-9], "not_json"),
    "cut in a string": (b'{"object": "whats', "not_json"),
    "a raw NUL": (b'{"object": "\x00"}', "not_json"),
    "NaN": (b'{"entry": NaN}', "not_a_number"),
    "-Infinity": (b'{"entry": -Infinity}', "not_a_number"),
    "a huge integer": (b'{"entry": ' + b"9" * 5000 + b"}", "not_json"),
    "duplicate keys": (b'{"entry": [], "entry": []}', "duplicate_keys"),
    "65 deep": (b"[" * 65 + b"]" * 65, "too_deep"),
    "200,000 deep": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "too_deep"),
    "only opened": (b"[" * 1_000_000, "too_deep"),
    "closed first": (b"]" * 100 + b"[" * 100_000, "too_deep"),
    "brackets in an open string": (b'"' + b"[" * 100_000, "not_json"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_signed_bytes_that_cannot_be_read_are_kept_and_answered_200(case: str) -> None:
    body, reason = UNREADABLE[case]
    assert post(body).status_code == 200
    [kept] = quarantined()
    assert (kept.reason, kept.size_bytes) == (reason, len(body))
    if not kept.file:
        assert revealed(kept, "body").encode("utf-8", "surrogateescape") == body


def test_brackets_inside_of_a_text_are_no_depth() -> None:
    assert post(envelope(text_message("wamid.A", '[[{"\\' * 500))).status_code == 200
    assert [message.text for message in stored_messages()] == ['[[{"\\' * 500]


def test_the_same_unreadable_bytes_are_kept_once() -> None:
    for _ in range(2):
        assert post(b"{").status_code == 200
    assert len(quarantined()) == 1


def test_what_is_too_large_for_a_document_goes_to_storage_encrypted() -> None:
    body = b'{"de": "5542999990101", ' + b"x" * 3_000_000
    assert post(body).status_code == 200
    [kept] = quarantined()
    assert (kept.body, kept.size_bytes) == ("", len(body))
    with default_storage.open(kept.file) as file:
        content = file.read().decode()
    assert "5542999990101" not in content
    assert decrypt(content, path=kept.path, field="body").encode() == body


def test_a_file_that_broke_off_in_its_middle_is_written_again() -> None:
    body = b"{" + b"x" * MEGABYTE
    post(body)
    [kept] = quarantined()
    default_storage.delete(kept.file)
    ingest._store_file(kept.file, b"broken off")
    post(body)
    with default_storage.open(kept.file) as file:
        assert decrypt(file.read().decode(), path=kept.path, field="body").encode() == body


@pytest.mark.parametrize(
    "body",
    [b"[" + b"{}," * 1_000_000 + b"{}]", b'"' + b'\\"' * 1_500_000, b'["' + b'\\\\","' * 600_000],
    ids=["objects", "quotes", "texts"],
)
def test_three_megabytes_of_trifles_are_kept_whole(body: bytes) -> None:
    assert post(body).status_code == 200
    assert len(quarantined()) == 1
