"""Encrypted files: whatever is changed, moved, left out or added is found; memory does not grow with the file."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from pyloto.privacy.fields import DecryptionFailed, UnknownKey
from pyloto.privacy.streams import PIECE_BYTES, SALT_BYTES, TAG_BYTES, decrypt_stream, encrypt_stream
from tests.profiles.rotating import ring

PLACE = {"path": "conversations/u1/messages/m1", "field": "media.content"}
HEAD = len(b"1.stream1\n") + SALT_BYTES
SEALED = PIECE_BYTES + TAG_BYTES


def sealed(content: bytes, **place: str) -> bytes:
    into = io.BytesIO()
    encrypt_stream([content[start : start + 70_000] for start in range(0, len(content), 70_000)], into, **PLACE | place)
    return into.getvalue()


def opened(file: bytes, **place: str) -> bytes:
    return b"".join(decrypt_stream(io.BytesIO(file), **PLACE | place))


def pieces(file: bytes) -> tuple[bytes, list[bytes]]:
    return file[:HEAD], [file[start : start + SEALED] for start in range(HEAD, len(file), SEALED)]


CONTENT = bytes(range(256)) * (PIECE_BYTES // 256) * 2 + b"the end"  # three pieces


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 2_000_001])
def test_what_was_encrypted_comes_back(length: int) -> None:
    content = (CONTENT * 5)[:length]
    file = sealed(content)
    assert opened(file) == content
    assert len(pieces(file)[1]) == max(1, -(-length // PIECE_BYTES))
    assert length < 50 or content[:50] not in file  # a single byte is found by chance


def _reordered(file: bytes) -> bytes:
    head, parts = pieces(file)
    return head + parts[1] + parts[0] + parts[2]


def _without(number: int) -> Any:
    def change(file: bytes) -> bytes:
        head, parts = pieces(file)
        del parts[number]
        return head + b"".join(parts)

    return change


def _mixed(file: bytes) -> bytes:
    """With a piece of another encryption of the same content for the same place."""
    head, parts = pieces(file)
    return head + parts[0] + pieces(sealed(CONTENT))[1][1] + parts[2]


@pytest.mark.parametrize(
    "change",
    [
        _reordered,
        _without(0),
        _without(1),
        _without(2),  # cut off between two pieces
        _mixed,
        lambda file: file[:-1],
        lambda file: file + b"x",
        lambda file: file + pieces(file)[1][2],
        lambda file: file[:HEAD],
        lambda file: file[: HEAD + 5],
        lambda file: file[:20],
        lambda file: b"",
        lambda file: b"1.AAAA" + file[6:],
        lambda file: file[:HEAD] + bytes([file[HEAD] ^ 1]) + file[HEAD + 1 :],
        lambda file: file[: HEAD - 1] + bytes([file[HEAD - 1] ^ 1]) + file[HEAD:],
    ],
)
def test_whatever_is_done_to_the_file_is_found(change: Any) -> None:
    with pytest.raises(DecryptionFailed):
        opened(change(sealed(CONTENT)))


def test_a_file_of_another_place_or_key_is_refused(settings: Any) -> None:
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1)
    file = sealed(CONTENT)
    for other in ({"path": "conversations/u2/messages/m1"}, {"field": "payload.raw"}):
        with pytest.raises(DecryptionFailed):
            opened(file, **other)
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2, 1)
    assert opened(file) == CONTENT
    assert sealed(b"").startswith(b"2.stream1\n")
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2)
    with pytest.raises(UnknownKey):
        opened(file)


def test_memory_does_not_grow_with_the_file(tmp_path: Any) -> None:
    def content() -> Iterator[bytes]:
        for _ in range(1000):
            yield bytes(100_000)

    tracemalloc.start()
    try:
        with (tmp_path / "file").open("wb") as into:
            encrypt_stream(content(), into, **PLACE)
        with (tmp_path / "file").open("rb") as file:
            assert sum(map(len, decrypt_stream(file, **PLACE))) == 100_000_000
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()
