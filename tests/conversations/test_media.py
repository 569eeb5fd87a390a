"""Files that customers send: fetched from the fake Meta over HTTP, kept encrypted, given up in the end."""

import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.base import File
from django.utils import timezone

from conversations import tasks
from conversations.media import MediaReason, MediaStatus
from conversations.models import MessageState
from conversations.services import media
from conversations.services.media import CannotTryAgain, MediaMissing
from conversations.simulator.fake import FakeMeta
from conversations.whatsapp.media import MediaClient, MediaInfo, MediaUnreachable
from pyloto.documents import DocumentStore, Unavailable
from pyloto.errors import StorageUnavailable
from pyloto.observability.metrics import ALERTS
from pyloto.privacy.encrypted_files import save_stream
from pyloto.privacy.fields import DecryptionFailed
from tests.lab.canaries import NAME, PHONE, WA_ID, find_canaries
from tests.lab.faulty_store import Fault, FaultyStore

from .conftest import run_turns
from .deliveries import envelope, post, text_message
from .files import (
    PDF,
    PNG,
    VOICE,
    Library,
    a_fake,
    again,
    client_of,
    fetch,
    later,
    newest,
    opened,
    reference,
    send,
    storage,
    stored_files,
)
from .outside import Outside

pytestmark = pytest.mark.usefixtures("valkey", "no_files")


@pytest.fixture(scope="module")
def running() -> Iterator[FakeMeta]:
    with a_fake() as fake:
        yield fake


@pytest.fixture
def fake(running: FakeMeta) -> FakeMeta:
    running.misbehave({"media_next": []})
    return running


@pytest.fixture
def client(fake: FakeMeta) -> MediaClient:
    return client_of(fake)


def raised(name: str) -> float:
    return ALERTS.labels(event=name)._value.get()


# --- the way of a file ------------------------------------------------------------------------------------------------
def test_a_file_is_fetched_and_kept_encrypted(store: DocumentStore, fake: FakeMeta, client: MediaClient) -> None:
    message = send(fake.add_media(PNG, "image/png"), caption="Nossa vitrine")
    assert (message.media["status"], message.media_due["at"]) == ("PENDING", message.received_at)
    assert fetch(message, client) is MediaStatus.STORED
    message = again(message)
    assert message.media["status"] == "STORED"
    assert (message.media["size_bytes"], message.media["content_type"]) == (len(PNG), "image/png")
    assert message.media_due is None
    assert message.media.keys() & {"draft", "asked_at", "reason"} == set()
    assert stored_files() == [message.media["file"]]
    kept = Path(storage().path(message.media["file"])).read_bytes()
    assert kept.startswith(b"1.stream1\n")
    assert PNG[:8] not in kept
    assert Path(storage().path(message.media["file"])).stat().st_mode & 0o077 == 0
    assert opened(message) == PNG
    assert fetch(message, client) is None  # the ring came twice


@pytest.mark.parametrize(
    ("kind", "mime_type", "data", "served_as", "inline", "extension"),
    [
        ("image", "image/png", PNG, "image/png", True, "png"),
        ("sticker", "image/webp", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp", True, "webp"),
        ("audio", "audio/ogg; codecs=opus", VOICE, "audio/ogg", True, "ogg"),
        ("video", "video/mp4", b"\0\0\0\x20ftypisom" + bytes(50), "video/mp4", True, "mp4"),
        ("document", "application/pdf", PDF, "application/octet-stream", False, "pdf"),
        ("document", "text/plain", b"<script>alert(1)</script>", "application/octet-stream", False, "txt"),
    ],
)
def test_staff_open_it_under_a_name_and_a_type_of_ours(
    embedded_store: DocumentStore, kind: str, mime_type: str, data: bytes, served_as: str, inline: bool, extension: str
) -> None:
    library = Library()
    message = send(library.add(data), data, kind, mime_type, filename='a"\r\nSet-Cookie: x.html')
    assert fetch(message, library) is MediaStatus.STORED
    found = media.open_media(user_key=message.path.split("/")[1], message_key=message.pk)
    assert (found.content_type, found.inline, found.size_bytes) == (served_as, inline, len(data))
    assert found.filename == f"pyloto-{message.pk[:12]}.{extension}"
    assert b"".join(found.chunks) == data


def test_the_owners_own_photo_from_the_phone_is_fetched_too(embedded_store: DocumentStore) -> None:
    library = Library()
    echo = {"id": "wamid.echo1", "from": "554230000000", "to": "5542999990001", "timestamp": "1790000000"}
    echo |= {"type": "image", "image": reference(library.add(PNG), PNG, "image/png")}
    assert post(envelope(message_echoes=[echo])).status_code == 200
    run_turns(Outside())
    assert newest().state == MessageState.SENT
    assert fetch(newest(), library) is MediaStatus.STORED
    assert opened(newest()) == PNG


def test_a_turn_and_a_fetch_do_not_stand_in_each_others_way(embedded_store: DocumentStore) -> None:
    library = Library()
    message = send(library.add(PNG))
    read = library.describe
    library.describe = lambda media_id: (run_turns(Outside()), read(media_id))[1]  # type: ignore[method-assign]
    assert fetch(message, library) is MediaStatus.STORED
    message = again(message)
    assert (message.state, message.media["status"], message.sender) == (MessageState.HANDLED, "STORED", None)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "location", "location": {"latitude": 1.0, "longitude": 1.0}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "Padaria"}}]},
        {"type": "image", "image": reference("1284750912800001", PNG, "image/png"), "group_id": "g1"},
    ],
)
def test_what_has_no_file_and_what_was_said_in_a_group_is_not_fetched(
    embedded_store: DocumentStore, content: dict[str, Any]
) -> None:
    assert post(envelope(text_message("wamid.x", "") | content)).status_code == 200
    assert (newest().media_due, newest().media.get("status")) == (None, None)


def test_without_an_id_nobody_knows_where_it_is(embedded_store: DocumentStore) -> None:
    assert (
        post(envelope(text_message("wamid.x", "", type="image", image={"mime_type": "image/png"}))).status_code == 200
    )
    assert (newest().media["status"], newest().media["reason"]) == ("UNAVAILABLE", "no_id")
    assert newest().media_due is None


# --- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "mime_type", "data", "reason"),
    [
        ("document", "text/html", b"<html>", MediaReason.TYPE_NOT_ALLOWED),
        ("document", "application/x-msdownload", b"MZ", MediaReason.TYPE_NOT_ALLOWED),
        ("image", "image/svg+xml", b"<svg/>", MediaReason.TYPE_NOT_ALLOWED),
        ("audio", "image/png", PNG, MediaReason.TYPE_NOT_ALLOWED),
        ("image", "image/png", b"<svg onload=alert(1)>", MediaReason.WRONG_CONTENT),
        ("document", "application/pdf", b"MZ\x90\0", MediaReason.WRONG_CONTENT),
        ("sticker", "image/webp", b"RIFF\0\0\0\0WEBP" + bytes(512 * 1024), MediaReason.TOO_LARGE),
    ],
)
def test_what_must_not_be_kept_is_refused_with_the_reason(
    embedded_store: DocumentStore, kind: str, mime_type: str, data: bytes, reason: MediaReason
) -> None:
    library = Library()
    message = send(library.add(data), data, kind, mime_type)
    assert fetch(message, library) is MediaStatus.REFUSED
    assert again(message).media["reason"] == reason
    assert again(message).media_due is None
    assert stored_files() == []
    with pytest.raises(MediaMissing):
        opened(message)


def test_a_file_without_an_end_is_cut_off_at_its_limit(
    embedded_store: DocumentStore, fake: FakeMeta, client: MediaClient
) -> None:
    message = send(fake.add_media(PNG, "image/png"))
    fake.misbehave({"media_next": [{"mode": "oversized"}]})
    assert fetch(message, client) is MediaStatus.REFUSED
    assert again(message).media["reason"] == "too_large"


# --- what may pass ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["429", "500", "502", "503", "token", "truncate", "reset", "wrong_digest"])
def test_a_failure_that_may_pass_is_tried_again(
    embedded_store: DocumentStore, fake: FakeMeta, client: MediaClient, mode: str
) -> None:
    message = send(fake.add_media(PNG, "image/png"))
    fake.misbehave({"media_next": [{"mode": mode}]})
    assert fetch(message, client) is MediaStatus.PENDING
    assert timedelta(seconds=5) < later(message) - timezone.now() < timedelta(seconds=11)
    assert fetch(message, client) is None  # not due yet
    assert stored_files() == []
    assert fetch(message, client, later(message)) is MediaStatus.STORED
    assert opened(message) == PNG


def test_a_link_that_has_ended_is_asked_for_anew(
    embedded_store: DocumentStore, fake: FakeMeta, client: MediaClient
) -> None:
    message = send(fake.add_media(PNG, "image/png"))
    fake.misbehave({"media_next": [{"mode": "link_ended"}]})
    assert fetch(message, client) is MediaStatus.STORED
    other = send(fake.add_media(VOICE, "audio/ogg"), VOICE, "audio", "audio/ogg")
    fake.misbehave({"media_next": [{"mode": "link_ended", "count": 2}]})
    assert fetch(other, client) is MediaStatus.PENDING


@pytest.mark.parametrize(
    ("mode", "url", "reason"),
    [("other_host", "https://files.example.invalid/x", "host"), ("redirect", "http://127.0.0.1:1/x", "redirect")],
)
def test_a_foreign_address_is_not_followed_and_a_person_is_told(
    embedded_store: DocumentStore, fake: FakeMeta, client: MediaClient, mode: str, url: str, reason: str
) -> None:
    message, before = send(fake.add_media(PNG, "image/png")), raised("media_address_refused")
    fake.misbehave({"media_next": [{"mode": mode, "url": url}]})
    with structlog.testing.capture_logs() as lines:
        assert fetch(message, client) is MediaStatus.PENDING
    assert raised("media_address_refused") == before + 1
    assert [line["reason"] for line in lines if line["event"] == "media_address_refused"] == [reason]
    assert fetch(message, client, later(message)) is MediaStatus.STORED  # once the host is in the list


def test_what_is_wrong_three_times_was_never_what_was_sent(embedded_store: DocumentStore) -> None:
    library = Library()
    message = send(library.add(PDF), PNG)
    assert [fetch(message, library), fetch(message, library, later(message))] == [MediaStatus.PENDING] * 2
    assert fetch(message, library, later(message)) is MediaStatus.REFUSED
    assert again(message).media["reason"] == "wrong_digest"


def test_without_a_digest_the_length_tells_that_it_was_cut(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    message = text_message("wamid.cut", "", type="document")
    media_id = library.add(PDF[:100])
    message |= {"document": {"id": media_id, "mime_type": "application/pdf"}}
    assert post(envelope(message)).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr(library, "describe", lambda media_id: MediaInfo(media_id, size_bytes=len(PDF)))
        assert fetch(newest(), library) is MediaStatus.PENDING
        assert stored_files() == []
        library.files[media_id] = PDF
        assert fetch(newest(), library, later(newest())) is MediaStatus.STORED


# --- the end ----------------------------------------------------------------------------------------------------------
def test_after_six_days_of_failures_it_is_unavailable_and_staff_may_try_again(store: DocumentStore) -> None:
    library, waits = Library(), []
    message = send(library.add(PNG))
    now = message.received_at
    while again(message).media["status"] == "PENDING":
        library.errors.append(MediaUnreachable("no answer"))
        at = later(message)
        waits.append(at - now)
        now = at
        fetch(message, library, now)
    assert timedelta(days=5, hours=17) < now - message.received_at < timedelta(days=6)
    assert len(waits) < 40
    assert max(waits) <= timedelta(hours=6, seconds=1)
    assert again(message).media["reason"] == "gave_up"
    assert (again(message).media_due, stored_files()) == (None, [])
    user_key, now = message.path.split("/")[1], now + timedelta(hours=30)
    asked = media.try_again(user_key=user_key, message_key=message.pk, agent="user:7", now=now)
    assert (asked.media["status"], again(message).media["status"]) == ("PENDING", "PENDING")
    with pytest.raises(CannotTryAgain):  # a second click
        media.try_again(user_key=user_key, message_key=message.pk, agent="user:8", now=now)
    library.errors.append(MediaUnreachable("no answer"))
    assert fetch(message, library, now) is MediaStatus.PENDING
    assert fetch(message, library, later(message)) is MediaStatus.STORED
    assert opened(message) == PNG


def test_what_staff_ask_for_is_not_tried_for_ever(embedded_store: DocumentStore) -> None:
    library = Library()
    message = send(library.add(PNG))
    user_key, asked_at = message.path.split("/")[1], message.received_at + timedelta(days=7)
    media._end(_claimed(message), MediaStatus.UNAVAILABLE, MediaReason.GAVE_UP)
    media.try_again(user_key=user_key, message_key=message.pk, agent="user:7", now=asked_at)
    now = asked_at
    while again(message).media["status"] == "PENDING":
        library.errors.append(MediaUnreachable("no answer"))
        now = later(message)
        fetch(message, library, now)
    assert now - asked_at < timedelta(hours=1)


def _claimed(message: Any) -> Any:
    claimed = media._claim(message.path.split("/")[1], message.pk, timezone.now())
    assert claimed
    return claimed


def test_an_id_that_whatsapp_has_forgotten_after_its_time_ends_it_at_once(
    embedded_store: DocumentStore, fake: FakeMeta, client: MediaClient
) -> None:
    old, before = send("999999999998"), raised("media_gone_early")
    assert fetch(old, client, old.received_at + timedelta(days=6, hours=1)) is MediaStatus.UNAVAILABLE
    assert again(old).media["reason"] == "gone"
    assert raised("media_gone_early") == before


def test_what_is_gone_too_early_is_tried_again_and_a_person_is_told(embedded_store: DocumentStore) -> None:
    """Graph says the same where our token may not read it: Meta keeps files for a week."""
    library, before = Library(), raised("media_gone_early")
    message = send(library.add(PNG))
    hidden, library.files = library.files, {}
    assert fetch(message, library) is MediaStatus.PENDING
    assert raised("media_gone_early") == before + 1
    library.files = hidden
    assert fetch(message, library, later(message)) is MediaStatus.STORED


def test_runs_that_are_killed_again_and_again_end_too(embedded_store: DocumentStore) -> None:
    library = Library()
    message = send(library.add(PNG))
    now = message.received_at + timedelta(days=6)  # a worker begins late: one try is due to every file
    library.errors.append(SoftTimeLimitExceeded())
    with pytest.raises(SoftTimeLimitExceeded):
        fetch(message, library, now)
    assert fetch(message, library, now + timedelta(minutes=4)) is MediaStatus.UNAVAILABLE
    assert (again(message).media["reason"], again(message).media_due) == ("gave_up", None)


def test_what_is_stored_or_has_no_file_cannot_be_tried_again(embedded_store: DocumentStore) -> None:
    library = Library()
    message = send(library.add(PNG))
    fetch(message, library)
    user_key = message.path.split("/")[1]
    for key in (message.pk, "0" * 40):
        with pytest.raises(CannotTryAgain):
            media.try_again(user_key=user_key, message_key=key, agent="user:7", now=timezone.now())


# --- two at once, and killed ------------------------------------------------------------------------------------------
def test_of_two_runs_one_stores(embedded_store: DocumentStore) -> None:
    """The second one claims the file after the first one's time is up, while that one still lives."""
    library = Library()
    message = send(library.add(PNG))
    describe, results = library.describe, []

    def interrupted(media_id: str) -> Any:
        library.describe = describe  # type: ignore[method-assign]
        results.append(fetch(message, library, later(message)))
        return describe(media_id)

    library.describe = interrupted  # type: ignore[method-assign]
    assert fetch(message, library) is None
    assert results == [MediaStatus.STORED]
    assert stored_files() == [again(message).media["file"]]
    assert opened(message) == PNG


def test_a_run_that_was_killed_leaves_nothing_behind(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    message = send(library.add(PNG))

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(media, "_settle", die)
        with pytest.raises(Killed):
            fetch(message, library)
    assert len(stored_files()) == 1  # which no message names as its file
    assert timedelta(minutes=2) < later(message) - timezone.now() < timedelta(minutes=4)
    assert fetch(message, library, later(message)) is MediaStatus.STORED
    assert stored_files() == [again(message).media["file"]]


@pytest.mark.parametrize("applied", [True, False])
def test_an_answer_that_was_lost_is_made_good(
    faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    library = Library()
    message = send(library.add(PNG))
    real = library.describe

    def describe(media_id: str) -> Any:
        faulty.commit_faults.append(Fault(Unavailable("no answer"), applied=applied))
        return real(media_id)

    library.describe = describe  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        fetch(message, library)
    library.describe = real  # type: ignore[method-assign]
    if not applied:
        assert fetch(message, library, later(message)) is MediaStatus.STORED
    assert stored_files() == [again(message).media["file"]]
    assert opened(message) == PNG


def test_a_file_that_was_changed_is_not_shown(embedded_store: DocumentStore) -> None:
    library = Library()
    message, other = send(library.add(PDF), PDF, "document", "application/pdf"), send(library.add(PNG))
    fetch(message, library)
    fetch(other, library)
    places = [Path(storage().path(again(m).media["file"])) for m in (message, other)]
    original = places[0].read_bytes()
    places[0].write_bytes(places[1].read_bytes())  # a file of another message
    with pytest.raises(MediaMissing):
        opened(message)
    places[0].write_bytes(original[:-1])
    with pytest.raises((MediaMissing, DecryptionFailed)):
        opened(message)
    places[0].unlink()
    with pytest.raises(MediaMissing):
        opened(message)


# --- what a failed store leaves ---------------------------------------------------------------------------------------
def test_a_full_disk_leaves_no_pieces(embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    library, large = Library(), PDF * 400
    message = send(library.add(large), large, "document", "application/pdf")
    real = File.chunks

    def chunks(self: Any, chunk_size: int | None = None) -> Iterator[Any]:
        yield next(real(self, chunk_size))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(File, "chunks", chunks)
        for _ in range(3):
            assert fetch(message, library, later(message)) is MediaStatus.PENDING
            assert stored_files() == [again(message).media["draft"]]
        with time_machine.travel(message.received_at + timedelta(days=6) - timedelta(minutes=1)):
            assert fetch(message, library, timezone.now()) is MediaStatus.UNAVAILABLE
    assert stored_files() == []


def test_a_store_that_was_made_without_an_answer_is_found_by_the_next_try(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    message = send(library.add(PNG))

    def lose_the_answer(*args: Any, **kwargs: Any) -> str:
        save_stream(*args, **kwargs)
        raise StorageUnavailable("it may have been made")

    with monkeypatch.context() as patched:
        patched.setattr(media, "save_stream", lose_the_answer)
        assert fetch(message, library) is MediaStatus.PENDING
    assert len(stored_files()) == 1
    assert fetch(message, library, later(message)) is MediaStatus.STORED
    assert stored_files() == [again(message).media["file"]]


def test_a_place_that_is_missing_is_waited_for(embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    message = send(library.add(PNG))
    with monkeypatch.context() as patched:
        patched.setattr(type(storage()), "save", _no_such_place)
        assert fetch(message, library) is MediaStatus.PENDING
    assert fetch(message, library, later(message)) is MediaStatus.STORED


def _no_such_place(*_: Any, **__: Any) -> str:
    raise FileNotFoundError("no such bucket")


def test_files_that_nobody_names_go_every_day_and_young_ones_stay(
    embedded_store: DocumentStore, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    kept = [send(library.add(PNG)), send(library.add(PDF), PDF, "document", "application/pdf", wa_id="5541977776666")]
    for message in kept:
        fetch(message, library)
        user_key = message.path.split("/")[1]
        save_stream(media.MEDIA_FILES, f"media/{user_key}/{message.pk}.dead", [PNG], path=message.path)
    monkeypatch.setattr(tasks, "LEFTOVERS_SLICE", timedelta(seconds=-1))  # one folder each
    rung: list[str] = []
    monkeypatch.setattr(tasks.remove_leftover_files, "delay", rung.append)
    tasks.remove_leftover_files()
    assert len(stored_files()) == 4
    assert len(rung) == 1
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        rung[:] = [""]
        while rung:
            tasks.remove_leftover_files(rung.pop())
    assert sorted(stored_files()) == sorted(again(message).media["file"] for message in kept)


# --- sweeping ---------------------------------------------------------------------------------------------------------
def test_the_sweeper_rings_for_what_is_due_and_not_twice(store: DocumentStore, valkey: Any) -> None:
    library = Library()
    first, second, stored = send(library.add(PNG)), send(library.add(PNG)), send(library.add(PNG))
    fetch(stored, library)
    due = {(message.path.split("/")[1], message.pk) for message in (first, second)}
    now = timezone.now()
    assert set(media.find_due(now=now)) == due
    assert set(media.find_due(now=now)) == set()
    valkey.flushall()
    assert set(media.find_due(now=now)) == due
    assert media.oldest_due_seconds(now=now + timedelta(minutes=20)) >= 1200


def test_without_a_worker_rings_do_not_pile_up(
    embedded_store: DocumentStore, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "RINGS_MAX", 5)
    for _ in range(3):
        send(Library().add(PNG))
    for _ in range(5):
        for key in valkey.scan_iter("ring:media:*"):  # a minute later
            valkey.delete(key)
        tasks.sweep()
    assert valkey.llen(media.QUEUE) == 6  # three of the webhook
    valkey.delete(media.QUEUE, *valkey.scan_iter("ring:media:*"))  # a worker has taken them
    tasks.sweep()
    assert valkey.llen(media.QUEUE) == 3


def test_rings_and_sweeps_use_a_queue_of_their_own(
    embedded_store: DocumentStore, valkey: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = send(Library().add(PNG))
    assert valkey.llen("media") == 1  # the webhook's ring
    tasks.sweep()
    assert valkey.llen("media") == 2
    assert PNG not in b"".join(entry.encode() for entry in valkey.lrange("media", 0, -1))
    before = raised("media_stands_still")
    monkeypatch.setattr(tasks, "STANDS_STILL_SECONDS", -1)
    tasks.sweep()
    assert raised("media_stands_still") == before + 1
    assert message.pk


def test_the_task_fetches_it(embedded_store: DocumentStore, fake: FakeMeta, settings: Any) -> None:
    settings.WHATSAPP_GRAPH_URL = fake.url
    message = send(fake.add_media(PNG, "image/png"))
    tasks.fetch_media(message.path.split("/")[1], message.pk)
    assert opened(message) == PNG


# --- memory, and what is told -----------------------------------------------------------------------------------------
def test_a_hundred_megabytes_pass_with_little_memory(embedded_store: DocumentStore, fake: FakeMeta) -> None:
    """Fetched over HTTP and opened. What the fake itself holds was there before."""
    data = b"%PDF-1.7\n" + bytes(100 * 1024 * 1024 - 9)
    message = send(fake.add_media(data, "application/pdf"), data, "document", "application/pdf")
    tracemalloc.start()
    try:
        assert fetch(message, client_of(fake)) is MediaStatus.STORED
        chunks = media.open_media(user_key=message.path.split("/")[1], message_key=message.pk).chunks
        assert sum(map(len, chunks)) == len(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


def test_logs_and_tasks_tell_nothing_of_anybody(
    embedded_store: DocumentStore, fake: FakeMeta, client: MediaClient, valkey: Any
) -> None:
    with structlog.testing.capture_logs() as lines:
        for mode in ("500", "gone", "wrong_digest", "redirect", ""):
            media_id = fake.add_media(PDF, "application/pdf")
            message = send(media_id, PDF, "document", "application/pdf", wa_id=WA_ID, filename=f"{NAME} {PHONE}.pdf")
            fake.misbehave({"media_next": [{"mode": mode, "url": f"https://x.invalid/{PHONE}"}] if mode else []})
            fetch(message, client)
    told = repr(lines) + repr(valkey.lrange("media", 0, -1)) + repr(stored_files())
    assert "media_stored" in told
    assert find_canaries(told) == []
    assert fake.access_token not in told


# --- a storage that is away -------------------------------------------------------------------------------------------
def test_a_storage_that_is_away_is_waited_for(embedded_store: DocumentStore, settings: Any, tmp_path: Path) -> None:
    library, real = Library(), settings.STORAGES
    message = send(library.add(PNG))
    (tmp_path / "full").write_text("no directory")
    backend = real["media"] | {"OPTIONS": {"location": tmp_path / "full"}}
    settings.STORAGES = real | {"media": backend}
    assert fetch(message, library) is MediaStatus.PENDING
    settings.STORAGES = real
    assert fetch(message, library, later(message)) is MediaStatus.STORED
    settings.STORAGES = real | {"media": backend}
    with pytest.raises(MediaMissing):
        opened(message)
    settings.STORAGES = real
    assert opened(message) == PNG
