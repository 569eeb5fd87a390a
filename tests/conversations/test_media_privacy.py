"""A file goes with its message and its customer, whoever is at work on it meanwhile, and follows where the message goes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.utils import timezone
from google.api_core.exceptions import ServiceUnavailable

from conversations.media import MediaReason, MediaStatus
from conversations.models import Message, MessageState
from conversations.services import media
from conversations.services.controls import set_bot_paused
from conversations.services.merging import merge, undo
from conversations.services.turns import process
from profiles import tasks
from profiles.models import Erasure, UserProfile
from profiles.services import erasure
from profiles.services.access import access_report
from profiles.services.retention import apply_retention, hold
from pyloto.documents import DocumentStore
from pyloto.errors import StorageUnavailable
from pyloto.privacy import encrypted_files
from pyloto.privacy.rotation import rotate_keys
from tests.lab.gcs import Gcs
from tests.profiles.rotating import ring

from .conftest import run_turns
from .deliveries import envelope, post, text_message
from .files import PDF, PNG, Library, again, fetch, later, newest, opened, reference, send, storage, stored_files
from .kept import stored_messages
from .outside import Outside
from .test_moving import comes_late

pytestmark = pytest.mark.usefixtures("valkey", "no_files")
SCAN = timedelta(minutes=2, seconds=1)


def key_of(message: Message) -> str:
    return message.path.split("/")[1]


def stored(library: Library, **about: Any) -> Message:
    """A file that was fetched, of a message that was answered."""
    message = send(library.add(PNG), **about)
    fetch(message, library)
    run_turns(Outside())
    return again(message)


def erase(user_key: str, *, scan: bool = True) -> None:
    now = timezone.now()
    erasure.erase(user_key=user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=now)
    if scan:
        erasure.resume(user_key, now + SCAN)


# --- erasure ----------------------------------------------------------------------------------------------------------
def test_erasure_takes_the_files_of_the_person_and_of_nobody_else(embedded_store: DocumentStore) -> None:
    library = Library()
    message, other = stored(library), stored(library, wa_id="5541977776666")
    encrypted_files.save_stream(  # what a run left that was killed right after it had stored
        media.MEDIA_FILES, f"media/{key_of(message)}/{'f' * 40}.dead", [PDF], path=message.path
    )
    assert len(stored_files()) == 3
    erase(key_of(message))
    assert stored_files() == [other.media["file"]]
    assert opened(other) == PNG
    receipt = erasure.receipt(key_of(message))
    assert receipt is not None
    removed = {row["passo"]: row["quantidade"] for row in receipt.to_document()["removido"]}
    assert removed["conversations.media"] == 2


@pytest.mark.parametrize("scan", [False, True], ids=["before the last scan", "after it"])
@pytest.mark.parametrize("moment", ["fetched", "stored", "settled"])
def test_a_fetch_that_an_erasure_overtakes_leaves_nothing(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch, moment: str, scan: bool
) -> None:
    library = Library()
    message = send(library.add(PNG))
    run_turns(Outside())
    acts: dict[str, tuple[Any, str]] = {
        "fetched": (library, "describe"),
        "stored": (media, "_keep"),
        "settled": (media, "_settle"),
    }
    target, name = acts[moment]
    _before(monkeypatch, target, name, lambda: erase(key_of(message), scan=scan))
    assert fetch(message, library) is None
    if not scan:
        erasure.resume(key_of(message), timezone.now() + SCAN)
    receipt = erasure.receipt(key_of(message))
    assert receipt is not None
    assert receipt.is_complete
    assert stored_files() == []
    assert stored_messages() == []


def _before(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, act: Callable[[], object]) -> None:
    """Somebody else acts right before this function begins."""
    real = getattr(target, name)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        act()
        return real(*args, **kwargs)

    monkeypatch.setattr(target, name, interrupted)


def test_a_fetch_that_is_killed_while_an_erasure_runs_leaves_what_the_last_scan_finds(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    library = Library()
    message = send(library.add(PNG))
    run_turns(Outside())
    with monkeypatch.context() as patched:
        _before(patched, library, "describe", lambda: erase(key_of(message), scan=False))
        patched.setattr(media, "_keep", die)
        with pytest.raises(Killed):
            fetch(message, library)
    assert len(stored_files()) == 1
    erasure.resume(key_of(message), timezone.now() + SCAN)
    assert stored_files() == []


def test_nothing_is_fetched_for_a_customer_who_is_gone(embedded_store: DocumentStore) -> None:
    library = Library()
    gone = key_of(stored(library))
    erase(gone)
    cache.clear()
    comes_late(gone, "wamid.late", type="image", image=reference(library.add(PNG), PNG, "image/png"))
    assert key_of(newest()) == gone
    assert fetch(newest(), library) is None
    assert stored_files() == []
    run_turns(Outside())  # the turn moves it to somebody new
    assert key_of(newest()) != gone
    assert fetch(newest(), library, later(newest())) is MediaStatus.STORED
    assert opened(newest()) == PNG


# --- moving and merging -----------------------------------------------------------------------------------------------
def test_a_file_follows_its_message_to_another_customer(embedded_store: DocumentStore) -> None:
    """Fetched, and its customer merged away before the turn: at the new place it is fetched once more."""
    library = Library()
    target = key_of(stored(library, wa_id="5541977776666"))
    source = key_of(stored(library))
    message = send(library.add(PDF), PDF, "document", "application/pdf", filename="planta.pdf")
    assert fetch(message, library) is MediaStatus.STORED
    merge(source=source, target=target, actor="user:7", now=timezone.now())
    for _ in range(2):  # the one moves it, the other one answers
        run_turns(Outside())
    moved = again(message)
    assert (key_of(moved), moved.state, moved.media["status"]) == (target, MessageState.HANDLED, "PENDING")
    assert moved.media.keys() == {"id", "mime_type", "sha256", "filename", "status", "tries"}
    assert not [file for file in stored_files() if message.pk in file]
    assert fetch(message, library) is None  # a ring for the old place
    assert fetch(moved, library, later(moved)) is MediaStatus.STORED
    assert opened(moved) == PDF


def test_a_file_that_whatsapp_may_have_forgotten_is_copied_to_the_new_place(embedded_store: DocumentStore) -> None:
    """The bot was paused for a week, and then their customer was merged away."""
    library = Library()
    target, source = key_of(stored(library, wa_id="5541977776666")), key_of(stored(library))
    set_bot_paused(paused=True, agent="user:7", now=timezone.now())
    message = send(library.add(PDF), PDF, "document", "application/pdf", filename="planta.pdf")
    assert fetch(message, library) is MediaStatus.STORED
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        merge(source=source, target=target, actor="user:7", now=timezone.now())
        run_turns(Outside())
    moved = again(message)
    assert (key_of(moved), moved.media["status"], moved.media_due) == (target, "STORED", None)
    assert opened(moved) == PDF
    assert [file for file in stored_files() if message.pk in file] == [moved.media["file"]]


def test_messages_move_although_the_storage_is_away(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    target, source = key_of(stored(library, wa_id="5541977776666")), key_of(stored(library))
    messages = [send(library.add(PDF), PDF, "document", "application/pdf") for _ in range(3)]
    assert [fetch(message, library) for message in messages] == [MediaStatus.STORED] * 3
    merge(source=source, target=target, actor="user:7", now=timezone.now())

    def away(*_: Any) -> None:
        raise StorageUnavailable("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(media, "delete_file", away)
        assert process(user_key=source, client=Outside()).ring == {target}
    assert [key_of(again(message)) for message in messages] == [target] * 3
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        media.remove_leftovers(at_most=timedelta(minutes=1))
    assert not [file for file in stored_files() for message in messages if message.pk in file]


def test_files_of_a_merged_customer_stay_are_fetched_and_come_back(embedded_store: DocumentStore) -> None:
    library = Library()
    target, message = key_of(stored(library, wa_id="5541977776666")), stored(library)
    waiting = send(library.add(PDF), PDF, "document", "application/pdf")
    run_turns(Outside())
    merged = merge(source=key_of(message), target=target, actor="user:7", now=timezone.now())
    assert fetch(waiting, library) is MediaStatus.STORED
    assert (opened(message), opened(waiting)) == (PNG, PDF)
    undo(merge_id=merged.pk, actor="user:7", now=timezone.now())
    assert (opened(message), opened(waiting)) == (PNG, PDF)
    merge(source=key_of(message), target=target, actor="user:7", now=timezone.now())
    erase(target)  # the whole person
    assert stored_files() == []


# --- retention --------------------------------------------------------------------------------------------------------
def test_a_file_goes_with_its_message_unless_its_customer_is_held(embedded_store: DocumentStore, settings: Any) -> None:
    settings.RETENTION_MESSAGES_DAYS, settings.RETENTION_CUSTOMERS_DAYS = 100, 0
    library = Library()
    message, held = stored(library), stored(library, wa_id="5541977776666")
    hold(user_key=key_of(held), reason=UserProfile.HoldReason.LAWSUIT, actor="user:7", now=timezone.now())
    with time_machine.travel(timezone.now() + timedelta(days=99)):
        recent = stored(library)
        apply_retention(now=timezone.now())
        assert len(stored_files()) == 3
    with time_machine.travel(timezone.now() + timedelta(days=101)):
        apply_retention(now=timezone.now())
    assert sorted(stored_files()) == sorted(found.media["file"] for found in (held, recent))
    assert (opened(held), opened(recent)) == (PNG, PNG)
    with pytest.raises(media.MediaMissing):
        opened(message)


def test_retention_comes_further_each_night_however_slow_the_storage_is(
    embedded_store: DocumentStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RETENTION_MESSAGES_DAYS, settings.RETENTION_CUSTOMERS_DAYS = 100, 0
    library, calls, rung = Library(), [], []
    for _ in range(40):
        fetch(send(library.add(PNG)), library)
    with time_machine.travel(timezone.now() + timedelta(seconds=20)):
        run_turns(Outside())
    assert len(stored_files()) == 40
    delete_file = media.delete_file

    def slow(*args: Any) -> None:
        calls.append(args)
        if len(calls) > 30:  # a second each
            raise SoftTimeLimitExceeded
        delete_file(*args)

    monkeypatch.setattr(media, "delete_file", slow)
    monkeypatch.setattr(tasks, "_ring_for_retention", rung.append)
    with time_machine.travel(timezone.now() + timedelta(days=101)):
        tasks.apply_retention()
        calls.clear()
        [progress] = rung
        tasks.apply_retention(progress.rule, progress.place[0].isoformat(), progress.place[1])
    assert (stored_messages(), stored_files()) == ([], [])


def test_a_key_rotation_in_the_middle_of_retention_leaves_no_file(
    embedded_store: DocumentStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RETENTION_MESSAGES_DAYS, settings.RETENTION_CUSTOMERS_DAYS = 100, 0
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1)
    stored(Library())
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2, 1)
    rotations = []

    def rotate() -> None:
        if not rotations:
            rotations.append(rotate_keys())

    from conversations.privacy import retention

    _before(monkeypatch, retention, "delete_files", rotate)
    with time_machine.travel(timezone.now() + timedelta(days=101)):
        apply_retention(now=timezone.now())
    assert (len(rotations), stored_messages(), stored_files()) == (1, [], [])


# --- keys -------------------------------------------------------------------------------------------------------------
def test_a_key_rotation_while_a_file_is_fetched_misses_nothing(
    embedded_store: DocumentStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1)
    library = Library()
    message = send(library.add(PNG))

    def rotate() -> None:
        settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2, 1)
        assert rotate_keys().done

    with monkeypatch.context() as patched:
        _before(patched, media, "_keep", rotate)
        assert fetch(message, library) is MediaStatus.STORED
    assert rotate_keys().envelopes.keys() == {2}  # what was stored under the old one in between
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2)
    assert opened(message) == PNG
    assert len(stored_files()) == 1


# --- what the person reads --------------------------------------------------------------------------------------------
def test_the_access_report_names_the_files(embedded_store: DocumentStore) -> None:
    library = Library()
    first = stored(library, filename="vitrine.png")
    forgotten = send("999", PNG)
    fetch(forgotten, library, forgotten.received_at + timedelta(days=6))
    report = access_report(user_key=key_of(first), actor="user:7", now=timezone.now())
    [rows] = [section["registros"] for section in report["secoes"] if section["nome"] == "conversations.messages"]
    told = [row["mídia"] for row in rows if row["mídia"]]
    assert told[0] | {"guardado em": "", "SHA-256": ""} == {
        "nome": "vitrine.png",
        "tipo": "image/png",
        "tamanho em bytes": len(PNG),
        "situação": "Guardado",
        "guardado em": "",
        "SHA-256": "",
        "identificador no WhatsApp": first.media["id"],
    }
    assert (told[1]["situação"], told[1]["motivo"]) == ("Indisponível", MediaReason.GONE.label)
    assert first.media["file"] not in repr(report)


# --- Cloud Storage ----------------------------------------------------------------------------------------------------
def test_a_bucket_does_what_a_directory_does(embedded_store: DocumentStore, gcs: Gcs, settings: Any) -> None:
    options = settings.STORAGES["media"]["OPTIONS"]
    backend = {
        "BACKEND": "storages.backends.gcloud.GoogleCloudStorage",
        "OPTIONS": gcs.options() | {"file_overwrite": False, "blob_chunk_size": 1024 * 1024, "max_memory_size": 1024},
    }
    assert "location" in options
    settings.STORAGES = settings.STORAGES | {"media": backend}
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1)
    library, large = Library(), PDF * 1000
    message = send(library.add(large), large, "document", "application/pdf")
    assert fetch(message, library) is MediaStatus.STORED
    run_turns(Outside())
    assert opened(message) == large
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2, 1)
    storage().save(f"media/{key_of(message)}/{'f' * 40}.dead", ContentFile(b"2.stream1\n"))
    assert rotate_keys().done
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=True):
        assert rotate_keys().leftover_files == 1
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2)
    assert opened(message) == large
    assert len(stored_files()) == 1
    storage().delete(again(message).media["file"])
    with pytest.raises(media.MediaMissing):
        opened(message)
    other = send(library.add(PNG))
    fetch(other, library)
    erase(key_of(other))
    assert stored_files() == []


def test_a_message_in_a_group_keeps_what_was_told_of_its_file(embedded_store: DocumentStore) -> None:
    told = {"type": "image", "image": reference("1284750912800001", PNG, "image/png"), "group_id": "g1"}
    assert post(envelope(text_message("wamid.g", "") | told)).status_code == 200
    assert newest().media == told["image"]


def test_a_bucket_that_is_away_postpones_an_erasure(
    embedded_store: DocumentStore, gcs: Gcs, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = stored(Library())
    bucket = {"BACKEND": "storages.backends.gcloud.GoogleCloudStorage", "OPTIONS": gcs.options()}
    settings.STORAGES = settings.STORAGES | {"media": bucket}
    with monkeypatch.context() as patched:
        patched.setattr(storage(), "listdir", _unavailable)
        with pytest.raises(StorageUnavailable):
            erase(key_of(message))
        assert tasks.continue_erasure(key_of(message)) == "Postponed"


def _unavailable(name: str) -> Any:
    raise ServiceUnavailable("503")
