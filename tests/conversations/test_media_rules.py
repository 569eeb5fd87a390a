"""What a file may be, how large, and when it is tried again."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conversations import media
from conversations.media import ALLOWED, MAX_BYTES, MediaReason, MediaStatus
from conversations.models import Message

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
DIGEST = hashlib.sha256(b"x").digest()


def message(**about: Any) -> Message:
    return Message(id="a" * 40, type="image", received_at=NOW, media={"id": "1", "tries": 1, **about})


@pytest.mark.parametrize(
    ("kind", "mime_type", "size", "reason"),
    [
        ("image", "image/jpeg", 5 * 1024 * 1024, None),
        ("image", "image/jpeg", 5 * 1024 * 1024 + 1, MediaReason.TOO_LARGE),
        ("image", "IMAGE/JPG", 1, None),
        ("image", "image/svg+xml", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("image", "image/gif", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("image", "application/pdf", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("sticker", "image/webp", 500 * 1024, None),
        ("sticker", "image/webp", 513 * 1024, MediaReason.TOO_LARGE),
        ("audio", "audio/ogg; codecs=opus", 16 * 1024 * 1024, None),
        ("audio", "audio/ogg", 17 * 1024 * 1024, MediaReason.TOO_LARGE),
        ("video", "video/mp4", 1, None),
        ("video", "text/html", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("document", "application/pdf", 100 * 1024 * 1024, None),
        ("document", "application/pdf", 101 * 1024 * 1024, MediaReason.TOO_LARGE),
        ("document", "image/jpeg", 50 * 1024 * 1024, None),  # sent as a file, to keep its quality
        ("document", "text/html", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("document", "application/javascript", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("document", "application/vnd.android.package-archive", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("document", "application/octet-stream", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("document", "", 1, MediaReason.TYPE_NOT_ALLOWED),
        ("location", "image/png", 1, MediaReason.TYPE_NOT_ALLOWED),
    ],
)
def test_type_and_size_are_judged_before_anything_is_fetched(
    kind: str, mime_type: str, size: int, reason: MediaReason | None
) -> None:
    assert media.refusal_before(kind, mime_type, size) == reason


PROGRAMS = [b"MZ\x90\0\3", b"\x7fELF\2\1\1", b"<!doctype html><script>", b"<svg onload=x>", b"#!/bin/sh\n", b"PK\3\4"]


@pytest.mark.parametrize("mime_type", sorted(set(ALLOWED["document"]) - {"text/plain", "text/csv"}))
def test_what_begins_like_something_else_is_refused(mime_type: str) -> None:
    zipped = media.FILE_TYPES[mime_type].matches(b"PK\3\4")
    for head in (*PROGRAMS[:-1], b"", *(() if zipped else (b"PK\3\4",))):
        assert media.refusal_of_content(mime_type, head) is MediaReason.WRONG_CONTENT


@pytest.mark.parametrize(
    ("mime_type", "head"),
    [
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 "),
        ("image/heic", b"\0\0\0\x18ftypheic"),
        ("audio/ogg; codecs=opus", b"OggS\0\2"),
        ("audio/mpeg", b"ID3\4\0"),
        ("audio/mpeg", b"\xff\xfb\x90\0"),
        ("audio/mp4", b"\0\0\0\x1cftypM4A "),
        ("audio/aac", b"\xff\xf1\x50\x80"),
        ("audio/amr", b"#!AMR\n"),
        ("video/3gpp", b"\0\0\0\x18ftyp3gp4"),
        ("application/pdf", b"\xef\xbb\xbf%PDF-1.4"),
        ("application/msword", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\3\4\x14\0"),
        ("text/plain", "Olá, segue a lista".encode()),
        ("text/plain", "Olá, segue a lista".encode("latin-1")),
        ("text/plain", "\ufeffOlá".encode("utf-16")),
        ("text/csv", b""),
    ],
)
def test_what_begins_as_it_says_is_kept(mime_type: str, head: bytes) -> None:
    assert media.refusal_of_content(mime_type, head) is None


@pytest.mark.parametrize("head", [b"MZ\x90\0", b"\x7fELF", b"#!/bin/sh", b"%PDF-1.4", b"PK\3\4", b"a\0b"])
def test_a_text_is_no_program(head: bytes) -> None:
    assert media.refusal_of_content("text/plain", head) is MediaReason.WRONG_CONTENT


def test_nothing_that_a_browser_runs_is_shown_by_it() -> None:
    shown = {name for name, known in media.FILE_TYPES.items() if known.inline}
    assert all(name.partition("/")[0] in {"image", "audio", "video"} for name in shown)
    assert not any("svg" in name or "xml" in name for name in shown)


@pytest.mark.parametrize(
    ("told", "same"),
    [
        (DIGEST.hex(), True),
        (DIGEST.hex().upper(), True),
        (base64.b64encode(DIGEST).decode(), True),
        (base64.b64encode(DIGEST).decode().rstrip("="), True),
        (base64.urlsafe_b64encode(DIGEST).decode(), True),
        (hashlib.sha256(b"y").hexdigest(), False),
        ("", False),
        ("ção", False),
        ("x" * 1000, False),
    ],
)
def test_a_digest_is_understood_in_either_spelling(told: str, same: bool) -> None:
    assert media.same_digest(told, DIGEST) is same


def test_waits_grow_and_end_after_six_days() -> None:
    waits = [media.wait_after(tries) for tries in range(1, 40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=10), timedelta(hours=6))
    assert media.next_try_at(message(), 30, NOW + timedelta(days=5, hours=17)) == NOW + timedelta(days=5, hours=23)
    assert media.next_try_at(message(), 30, NOW + timedelta(days=5, hours=18)) is None
    asked_at = NOW + timedelta(days=8)
    assert media.next_try_at(message(asked_at=asked_at), 1, asked_at) == asked_at + timedelta(seconds=10)
    assert media.next_try_at(message(asked_at=asked_at), 6, asked_at) is None


@pytest.mark.parametrize("media_id", ["", "../106540352242922", "1/2", "1?access_token=x", "1 2", "x" * 129, "１２"])
def test_an_id_that_is_none_is_never_asked_for(media_id: str) -> None:
    assert media.first_state({"id": media_id})["status"] == MediaStatus.UNAVAILABLE
    assert not media.can_try_again(message(id=media_id, status="UNAVAILABLE"))


def test_every_state_without_a_file_says_so_in_portuguese() -> None:
    for reason in MediaReason:
        assert media.status_text(message(status="REFUSED", reason=reason.value)) == reason.label
    assert "baixado" in media.status_text(message(status="PENDING"))
    assert media.status_text(message(status="STORED")) == ""
    assert media.status_text(Message(id="x", type="text")) == ""
    assert all(size for size in MAX_BYTES.values())
