"""A new encryption key while customers write: everything can be read at any time, and the command may die anywhere."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from conversations.services import ingest
from profiles.models import Erasure
from profiles.services import erasure
from profiles.stores import UserProfileStore
from pyloto.documents import DocumentStore, PreconditionFailed, Query, Unavailable, WriteResult, use_store
from pyloto.privacy import rotation, walk
from pyloto.privacy.fields import DecryptionFailed, UnknownKey, decrypt, encrypt, newest_key
from pyloto.privacy.registry import encrypted_fields
from pyloto.privacy.rotation import rotate_keys
from tests.conversations.deliveries import envelope, post, text_message
from tests.conversations.files import stored_files
from tests.conversations.kept import documents
from tests.conversations.outside import Outside
from tests.lab.canaries import PHONE

from . import erasures
from .erasures import Copy, Fuse, World
from .people import writes
from .rotating import decrypted_file, dies, envelopes, plain, ring, versions

CHILD = """
import sys, django
django.setup()
from django.core.management import call_command
from django.db import connections
from pyloto.management.commands import rotate_keys
from pyloto.privacy import walk
connections["documents"].settings_dict["NAME"] = sys.argv[1]
walk.PAGE = rotate_keys.PROGRESS_EVERY = 1
call_command("rotate_keys")
"""


@pytest.fixture(autouse=True)
def _small(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pages and a file, out of few documents."""
    settings.STORAGES = settings.STORAGES | {
        name: settings.STORAGES[name] | {"OPTIONS": {"location": tmp_path / name}}
        for name in ("default", "exports", "media")
    }
    monkeypatch.setattr(walk, "PAGE", 6)
    monkeypatch.setattr(ingest, "QUARANTINE_INLINE_MAX", 3000)
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1)


def play() -> World:
    """Somebody in every kind of document that holds envelopes."""
    gone = writes("wamid.gone", wa_id="5511977770000")
    erasure.begin(user_key=gone, reason=Erasure.Reason.REQUEST, actor="SYSTEM", now=timezone.now())
    writes("wamid.named", wa_id="5511966660000", username="some.body")
    world = World(Outside()).plant()
    world.post_message("mudei de número", wa_id=erasures.BYSTANDER)
    hologram = text_message("wamid.raw", "", wa_id=erasures.BYSTANDER, type="hologram", hologram={"a": PHONE})
    assert post(envelope(hologram)).status_code == 200
    return world


def both(settings: Any) -> None:
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2, 1)


# --- Which fields -----------------------------------------------------------------------------------------------------
def test_every_envelope_of_a_played_store_stands_in_a_registered_field(store: DocumentStore, valkey: object) -> None:
    play()
    registered = {(entry.collection, entry.field) for entry in encrypted_fields()}
    found = {(path.split("/")[-2], field) for path, field in envelopes()}
    assert found == registered


def test_an_envelope_that_is_moved_to_any_other_place_is_refused(embedded_store: DocumentStore, valkey: object) -> None:
    play()
    found = envelopes()
    assert len({(path.split("/")[-2], field) for path, field in found}) >= 9
    for place, sealed in found.items():
        unseal = decrypted_file if place[1] == "media.content" else decrypt
        unseal(sealed, path=place[0], field=place[1])
        for path, field in found.keys() - {place}:
            with pytest.raises(DecryptionFailed):
                unseal(sealed, path=path, field=field)


def test_an_envelope_names_its_key_and_an_unknown_one_is_told_without_any_value(settings: Any) -> None:
    both(settings)
    sealed = encrypt(PHONE, path="user_profiles/u1", field="phone")
    assert sealed.startswith("2.")
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1)
    with pytest.raises(UnknownKey) as error:
        decrypt(sealed, path="user_profiles/u1", field="phone")
    assert str(error.value) == "phone of user_profiles/u1 needs key 2, which PRIVACY_KEYS does not hold"


def test_a_swapped_field_of_a_stored_profile_is_refused_by_its_readers(
    embedded_store: DocumentStore, valkey: object
) -> None:
    one, other = writes("wamid.1", wa_id="5542999990001"), writes("wamid.2", wa_id="5542999990002")
    stolen = embedded_store.get(f"user_profiles/{other}").data
    embedded_store.update(f"user_profiles/{one}", {"phone": stolen["phone"], "wa_id": stolen["phone"]})
    profile = UserProfileStore().get(one)
    for field in ("phone", "wa_id"):
        with pytest.raises(DecryptionFailed):
            profile.reveal(field)


# --- The command ------------------------------------------------------------------------------------------------------
def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    out = StringIO()
    try:
        call_command("rotate_keys", "--json", *arguments, stdout=out)
    except SystemExit as exc:
        return int(str(exc.code)), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_afterwards_everything_is_under_the_new_key_and_the_old_one_may_go(
    store: DocumentStore, valkey: object, settings: Any
) -> None:
    play()
    before = plain()
    both(settings)
    status, counted = run("--dry-run")
    assert (status, counted["envelopes"], counted["remaining"]) == (1, {"1": len(before)}, len(before))
    assert versions() == {"1"}
    status, report = run()
    assert (status, report["done"], report["envelopes"]) == (0, True, {"2": len(before)})
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2)
    assert plain() == before
    assert run()[1]["rewritten"] == 0
    assert documents("controls") == []


def test_it_tells_operators_how_far_it_is_and_when_the_old_key_may_go(
    embedded_store: DocumentStore, valkey: object, settings: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyloto.management.commands.rotate_keys.PROGRESS_EVERY", 1)
    writes("wamid.1")
    both(settings)
    with pytest.raises(SystemExit):
        call_command("rotate_keys", "--dry-run")
    assert "Key 1 must stay." in capsys.readouterr().out
    call_command("rotate_keys")
    told = capsys.readouterr().out
    assert "  key 2: 5 envelopes (the newest)\n  key 1: 0 envelopes\nKey 1 may be removed." in told
    assert "documents read, at messages…" in told


def test_what_cannot_be_read_is_reported_and_stays(
    embedded_store: DocumentStore, valkey: object, settings: Any, caplog: Any
) -> None:
    user_key = writes("wamid.1")
    path = f"user_profiles/{user_key}"
    broken = {"phone": "9." + "A" * 60, "wa_id": "1." + "A" * 60, "bsuid": "nothing"}
    embedded_store.update(path, broken)
    both(settings)
    status, report = run()
    assert (status, report["unreadable"], report["remaining"]) == (1, 3, 3)
    assert report["unreadable_at"] == [f"{path} bsuid", f"{path} phone", f"{path} wa_id"]
    assert report["envelopes"]["9"] == 1
    assert embedded_store.get(path).data.items() >= broken.items()
    assert "envelopes_unreadable" in caplog.text
    assert "AAAA" not in caplog.text


def test_a_store_that_does_not_answer_is_status_2(embedded_store: DocumentStore, settings: Any) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise Unavailable(name)

    with use_store(Away()), pytest.raises(CommandError) as error:  # type: ignore[arg-type]
        call_command("rotate_keys")
    assert error.value.returncode == 2


def test_pages_of_large_documents_are_read_in_smaller_ones(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    play()
    both(settings)

    class Slow:
        def query(self, query: Query) -> Any:
            if query.limit is not None and query.limit > 1:
                raise Unavailable("deadline")
            return embedded_store.query(query)

        def __getattr__(self, name: str) -> Any:
            return getattr(embedded_store, name)

    with use_store(Slow()):  # type: ignore[arg-type]
        assert rotate_keys().done
    assert versions() == {"2"}


# --- Killed -----------------------------------------------------------------------------------------------------------
def test_killed_at_any_call_it_goes_on_and_nothing_is_lost(
    embedded_store: DocumentStore, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    play()
    before = plain()
    copy = Copy(valkey, tmp_path / "copy")
    both(settings)
    number = 0
    while dies(Fuse(number), monkeypatch, rotate_keys):
        assert plain() == before
        rotation_after = rotate_keys()
        assert rotation_after.done
        assert rotation_after.envelopes == {2: len(before)}
        assert plain() == before
        assert versions() == {"2"}
        with time_machine.travel(timezone.now() + timedelta(minutes=16)):
            rotate_keys()  # removes what the killed one left
        assert len(default_storage.listdir("quarantine")[1]) == 1
        assert len(stored_files()) == 3
        copy.restore()
        number += 1
    assert number > 12


def test_customers_write_while_it_is_killed_again_and_again(
    embedded_store: DocumentStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Some of them meet processes that still write under the old key."""
    world = play()
    number = 0
    both(settings)
    while dies(Fuse(number), monkeypatch, rotate_keys):
        settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", *((1, 2) if number % 3 == 0 else (2, 1)))
        if number % 3 == 0:
            assert writes(f"wamid.new{number}", wa_id=f"55429888{number:05}", body=f"oi {number}")
        else:
            assert world.hears(f"e agora? {number}") == world.user_key
        both(settings)
        assert plain()
        number += 1
    assert number > 5
    assert rotate_keys().done
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 2)
    assert PHONE in plain().values()
    assert world.hears("ainda sou eu") == world.user_key


def test_a_process_that_is_killed_leaves_everything_readable_and_the_next_goes_on(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    play()
    before = plain()
    both(settings)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pyloto.settings",
        "PRIVACY_KEYS": ring("PRIVACY_KEYS", 2, 1),
    }
    name = str(connections["documents"].settings_dict["NAME"])
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, name], stdout=subprocess.PIPE, env=environment, text=True
    ) as child:
        assert child.stdout is not None
        for _ in range(12):
            assert "documents read" in child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert plain() == before
    assert versions() == {"1", "2"}
    [place] = documents("controls")
    assert place.data["counts"]["documents"] >= 11
    seen: list[int] = []
    assert rotate_keys(progress=lambda collection, count: seen.append(count)).done
    assert seen[0] > place.data["counts"]["documents"]
    assert plain() == before


# --- Others at the same time ------------------------------------------------------------------------------------------
class Meanwhile:
    """Passes everything on; before the first `write_many` somebody else does something."""

    def __init__(self, inner: DocumentStore, act: Any) -> None:
        self.inner, self.act = inner, act

    def __getattr__(self, name: str) -> Any:
        if name == "write_many" and self.act:
            act, self.act = self.act, None
            act()
        return getattr(self.inner, name)


def test_what_changes_between_reading_and_writing_is_read_again(
    store: DocumentStore, valkey: object, settings: Any
) -> None:
    user_key = writes("wamid.1")
    path = f"user_profiles/{user_key}"
    both(settings)
    settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1, 2)
    change = {"phone": encrypt("+5542988887777", path=path, field="phone"), "name": "Outro nome"}
    both(settings)
    with use_store(Meanwhile(store, lambda: store.update(path, change))):  # type: ignore[arg-type]
        assert rotate_keys().done
    data = store.get(path).data
    assert (data["name"], decrypt(data["phone"], path=path, field="phone")) == ("Outro nome", "+5542988887777")
    assert newest_key() == 2
    assert versions() == {"2"}


def test_a_document_that_is_deleted_meanwhile_is_no_error(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    user_key = writes("wamid.1")
    both(settings)
    gone = f"user_profiles/{user_key}"
    with use_store(Meanwhile(embedded_store, lambda: embedded_store.delete(gone))):  # type: ignore[arg-type]
        assert rotate_keys().done
    assert embedded_store.get_many([gone]) == {}


def test_two_at_once_do_each_others_work(embedded_store: DocumentStore, valkey: object, settings: Any) -> None:
    play()
    before = plain()
    both(settings)
    with use_store(Meanwhile(embedded_store, rotate_keys)):  # type: ignore[arg-type]
        assert rotate_keys().done
    assert plain() == before
    assert versions() == {"2"}


def test_a_race_that_is_lost_at_every_try_is_not_called_done(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    writes("wamid.1")
    both(settings)

    class Contended(Meanwhile):
        def write_many(self, updates: Any) -> list[WriteResult]:
            return [WriteResult(update.path, PreconditionFailed(update.path)) for update in updates]

    with use_store(Contended(embedded_store, None)):  # type: ignore[arg-type]
        result = rotate_keys()
    assert (result.done, result.settled, result.remaining) == (False, False, 5)


def test_what_an_old_process_writes_behind_a_place_that_is_resumed_is_found(
    embedded_store: DocumentStore, valkey: object, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play()
    both(settings)
    assert rotate_keys().done
    for number in range(20):  # the walk that would only verify dies at some place
        if dies(Fuse(number), monkeypatch, rotate_keys) and any(
            found.id == rotation.NAME for found in documents("controls")
        ):
            settings.PRIVACY_KEYS = ring("PRIVACY_KEYS", 1, 2)
            writes("wamid.late", wa_id="5511955550000")
            both(settings)
            assert rotate_keys().done
            assert versions() == {"2"}
            return
    pytest.fail("no run left a place")


# --- Files ------------------------------------------------------------------------------------------------------------
def test_a_file_that_is_gone_is_reported(embedded_store: DocumentStore, valkey: object, settings: Any) -> None:
    play()
    [file] = default_storage.listdir("quarantine")[1]
    default_storage.delete(f"quarantine/{file}")
    both(settings)
    result = rotate_keys()
    assert (result.done, result.unreadable) == (False, 1)
    assert result.unreadable_at == [f"webhook_quarantine/{file} body"]


def test_a_file_that_no_document_names_goes_once_it_is_old(embedded_store: DocumentStore, settings: Any) -> None:
    default_storage.save("quarantine/left.over", ContentFile(b"2.AAAA"))
    storages["media"].save(f"media/{'0' * 32}/{'1' * 40}.left", ContentFile(b"2.stream1\n"))
    assert rotate_keys().leftover_files == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert rotate_keys().leftover_files == 2
    assert default_storage.listdir("quarantine")[1] == []
    assert stored_files() == []


# --- Where it goes on -------------------------------------------------------------------------------------------------
def test_a_place_towards_another_key_or_of_last_week_is_forgotten(
    embedded_store: DocumentStore, valkey: object, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play()
    both(settings)
    assert dies(Fuse(3), monkeypatch, rotate_keys)
    [place] = documents("controls")
    assert (place.id, place.data["target"]) == (rotation.NAME, 2)
    stages = {entry.collection: None for entry in encrypted_fields()}
    queries = {name: Query(name, group=name in {"messages", "history"}) for name in stages}
    assert walk.Walk(rotation.NAME, queries, target=2).resumed
    assert not walk.Walk(rotation.NAME, queries, target=3).resumed
    assert not walk.Walk(rotation.NAME, queries, target=2, keep=False).resumed
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert not walk.Walk(rotation.NAME, queries, target=2).resumed
