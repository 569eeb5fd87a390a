"""Files that are written once, in a directory and in Cloud Storage (its emulator)."""

import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import FileSystemStorage
from google.api_core.exceptions import Forbidden
from google.cloud.storage import Blob

from pyloto import cloud_storage
from pyloto.errors import TransientError
from pyloto.write_once import read, save_once, written_at


@pytest.fixture(params=["files", "gcs"])
def storage(request, tmp_path):
    if request.param == "gcs":
        return request.getfixturevalue("gcs").storage()
    return FileSystemStorage(location=tmp_path / "exports")


def test_what_was_written_is_read(storage):
    assert save_once(storage, "checkpoints/00000001.note", b"one\n")

    assert read(storage, "checkpoints/00000001.note") == b"one\n"
    assert storage.exists("checkpoints/00000001.note")


def test_the_second_writer_changes_nothing(storage):
    save_once(storage, "a/b", b"first")

    assert not save_once(storage, "a/b", b"second")
    assert read(storage, "a/b") == b"first"


def test_an_empty_file_is_a_file(storage):
    assert save_once(storage, "empty", b"")
    assert not save_once(storage, "empty", b"no longer")
    assert read(storage, "empty") == b""


def test_what_is_not_there_is_not_found(storage):
    with pytest.raises(FileNotFoundError):
        read(storage, "a/nothing")
    with pytest.raises(FileNotFoundError):
        written_at(storage, "a/nothing")


def test_of_many_writers_at_once_one_wins(storage):
    won = []
    barrier = threading.Barrier(6)

    def write(number):
        barrier.wait()
        if save_once(storage, "race", b"%d" % number):
            won.append(b"%d" % number)

    threads = [threading.Thread(target=write, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won == [read(storage, "race")]


def test_the_time_of_writing_is_the_same_for_all_who_ask(storage):
    save_once(storage, "timed", b"x")

    first = written_at(storage, "timed")

    assert first == written_at(storage, "timed")
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)


def test_a_file_is_its_owners_alone(tmp_path):
    storage = FileSystemStorage(location=tmp_path / "exports")
    save_once(storage, "a/b", b"x")

    assert stat.S_IMODE((tmp_path / "exports/a/b").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "exports/a").iterdir()] == ["b"]


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    writer = """
import os, signal, sys
from pathlib import Path
from pyloto import write_once
os.link = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
write_once._link(Path(sys.argv[1]), b"x" * 100_000)
"""
    ended = subprocess.run([sys.executable, "-c", writer, str(tmp_path / "note")], check=False)
    storage = FileSystemStorage(location=tmp_path)

    assert ended.returncode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError):
        read(storage, "note")
    assert save_once(storage, "note", b"whole")
    assert read(storage, "note") == b"whole"


def test_a_storage_that_is_down_may_be_tried_again(gcs, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setattr(cloud_storage, "RETRY", cloud_storage.RETRY.with_timeout(0.1))
    storage = gcs.storage()

    for call in (lambda: save_once(storage, "a", b"x"), lambda: read(storage, "a"), lambda: written_at(storage, "a")):
        with pytest.raises(TransientError):
            call()


def test_who_may_create_and_not_replace_is_told_that_a_file_is_there(gcs, monkeypatch):
    def forbid(*args, **kwargs):
        raise Forbidden("no storage.objects.delete")

    storage = gcs.storage()
    save_once(storage, "there", b"x")
    monkeypatch.setattr(Blob, "upload_from_string", forbid)

    assert not save_once(storage, "there", b"y")
    with pytest.raises(TransientError):
        save_once(storage, "not-there", b"y")


def test_a_bucket_that_is_not_there_is_no_missing_file(gcs):
    storage = gcs.storage()
    storage.bucket_name = "never-made"

    with pytest.raises(TransientError, match="bucket"):
        save_once(storage, "a", b"x")


def test_a_directory_that_cannot_be_written_may_be_tried_again(tmp_path):
    (tmp_path / "a").write_text("a file where a directory should be")

    with pytest.raises(TransientError):
        save_once(FileSystemStorage(location=tmp_path), "a/b", b"x")
