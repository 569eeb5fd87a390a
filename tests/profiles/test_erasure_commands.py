"""`manage.py erase_customer` and `reapply_erasures`: from the terminal, killed for real, and after a restore."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from conversations.management.commands import erase_customer
from profiles.management.commands import reapply_erasures
from profiles.models import Erasure
from profiles.services import erasure
from pyloto import write_once
from pyloto.documents import DocumentStore, Set, Snapshot, get_store
from tests.conversations.outside import Outside
from tests.lab.canaries import PHONE_SPELLINGS, find_canaries

from .erasures import World, all_documents, canaries_in, check_gone, everything_kept, finished, folders, inner, trail_of


class Terminal:
    """Runs a command; keeps what it prints."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()

    def run(self, *args: str) -> str:
        call_command(*args, stdout=self.out, stderr=self.err)
        return self.out.getvalue()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def world(embedded_store: DocumentStore, valkey: redis.Redis, outside: Outside, file_folders: None) -> World:
    return World(outside).plant()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    for module in (erase_customer, reapply_erasures):
        monkeypatch.setattr(module.time, "sleep", lambda seconds: clock.shift(timedelta(seconds=seconds)))


def types(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))


# --- erase_customer ---------------------------------------------------------------------------------------------------
def test_a_customer_is_erased_by_their_phone_read_from_the_terminal(
    world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    types(monkeypatch, PHONE_SPELLINGS[3], "APAGAR")
    printed = terminal.run("erase_customer", "--phone", "--reason", "REQUEST", "--wait")
    assert "Concluído." in printed
    assert "Last scan in" in terminal.err.getvalue()
    assert find_canaries(printed + terminal.err.getvalue()) == []
    check_gone(world, valkey)


def test_the_receipt_comes_as_json(world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None) -> None:
    conversation_id = inner().get(f"conversations/{world.user_key}").data["conversation_id"]
    args = ("--conversation-id", conversation_id, "--reason", "CONSENT_REVOKED", "--yes", "--wait", "--json")
    receipt = json.loads(terminal.run("erase_customer", *args))
    assert (receipt["situacao"], receipt["motivo"]) == ("COMPLETED", "CONSENT_REVOKED")
    check_gone(world, valkey)


def test_without_waiting_the_last_scan_is_left_to_others(world: World, valkey: redis.Redis, terminal: Terminal) -> None:
    printed = terminal.run("erase_customer", "--user-key", world.merged, "--reason", "TEST", "--yes")
    assert "falta a varredura final" in printed
    finished(world.user_key)
    check_gone(world, valkey)


def test_nothing_is_erased_without_the_word(
    world: World, valkey: redis.Redis, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    types(monkeypatch, "sim")
    before = everything_kept(valkey)
    with pytest.raises(CommandError, match="Nothing was erased"):
        terminal.run("erase_customer", "--user-key", world.user_key, "--reason", "TEST")
    assert everything_kept(valkey) == before


@pytest.mark.parametrize(
    ("args", "typed", "told"),
    [
        (("--user-key", "0" * 32), "", "Nothing is kept"),
        (("--conversation-id", "0" * 32), "", "Nothing is kept"),
        (("--phone",), "+55 41 3333-2222", "Nothing is kept"),
        (("--phone",), "not a phone", "not a phone number"),
    ],
)
def test_whoever_is_not_found_is_told_so(
    world: World, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], typed: str, told: str
) -> None:
    types(monkeypatch, typed)
    with pytest.raises(CommandError, match=told) as refused:
        terminal.run("erase_customer", *args, "--reason", "TEST", "--yes")
    assert refused.value.returncode == 1


def test_a_redis_that_is_away_is_an_exit_status_of_its_own(world: World, terminal: Terminal, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError) as refused:
        terminal.run("erase_customer", "--user-key", world.user_key, "--reason", "TEST", "--yes")
    assert refused.value.returncode == 2


# --- killed for real --------------------------------------------------------------------------------------------------
def test_a_process_that_is_killed_leaves_what_the_next_one_ends(
    embedded_store: DocumentStore, valkey: redis.Redis, outside: Outside
) -> None:
    for folder in folders():  # the child's too
        shutil.rmtree(folder, ignore_errors=True)
    world = World(outside).plant()
    database = connections["documents"].settings_dict["NAME"]
    for changes in (3, 9):
        command = [sys.executable, "-m", "tests.profiles.dying_eraser", str(database), str(changes), world.user_key]
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "pyloto.settings"}
        died = subprocess.run(
            command, env=environment, cwd=settings.BASE_DIR, capture_output=True, timeout=60, check=False
        )
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
        assert find_canaries(died.stdout.decode() + died.stderr.decode()) == []
    assert canaries_in(everything_kept(valkey))
    finished(world.user_key)
    check_gone(world, valkey)
    for folder in folders():
        shutil.rmtree(folder, ignore_errors=True)


# --- reapply_erasures -------------------------------------------------------------------------------------------------
def restore(snapshots: list[Snapshot]) -> None:
    """The documents of a backup, and nothing that was written since."""
    for snapshot in all_documents():
        get_store().delete(snapshot.path)
    for start in range(0, len(snapshots), 100):
        get_store().commit([Set(snapshot.path, snapshot.data) for snapshot in snapshots[start : start + 100]])


def test_a_restored_backup_is_erased_again(
    store: DocumentStore,
    valkey: redis.Redis,
    outside: Outside,
    file_folders: None,
    terminal: Terminal,
    no_waiting: None,
) -> None:
    world = World(outside).plant()
    backup = all_documents()
    erasure.erase(user_key=world.user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    finished(world.user_key)
    restore(backup)
    assert canaries_in(everything_kept(valkey))
    told = terminal.run("reapply_erasures")
    assert "2 erased again, 0 were not back" in told
    check_gone(world, valkey)
    assert trail_of(world.user_key)[-2:] == ["ERASURE_REQUESTED", "ERASURE_COMPLETED"]
    assert "0 erased again, 2 were not back" in Terminal().run("reapply_erasures")


def test_tombstones_may_come_from_a_directory(
    world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None, tmp_path: Path
) -> None:
    backup = all_documents()
    erasure.erase(user_key=world.user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    finished(world.user_key)
    shutil.move(folders()[1] / "erasures", tmp_path / "elsewhere" / "erasures")
    restore(backup)
    with pytest.raises(CommandError, match="There is no tombstone") as refused:
        Terminal().run("reapply_erasures")
    assert refused.value.returncode == 1
    with pytest.raises(CommandError, match="There is no tombstone"):  # it wants what holds "erasures/"
        Terminal().run("reapply_erasures", "--from", str(tmp_path / "elsewhere" / "erasures"))
    assert "0 erased again" in Terminal().run("reapply_erasures", "--none-expected")
    assert "2 erased again" in terminal.run("reapply_erasures", "--from", str(tmp_path / "elsewhere"))
    check_gone(world, valkey)


def test_a_merge_that_the_backup_brought_back_takes_nobody_along(
    world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None
) -> None:
    """It was undone later, and only one of both asked to be erased."""
    backup = all_documents()
    erasure.begin(user_key=world.user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    (folders()[1] / "erasures" / f"{world.merged}.json").unlink()
    restore(backup)
    assert "1 erased again" in terminal.run("reapply_erasures")
    assert inner().get(f"user_profiles/{world.merged}")
    assert erasure.receipt(world.merged) is None


def test_a_file_that_is_no_tombstone_is_named_and_the_others_are_applied(
    world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None
) -> None:
    backup = all_documents()
    erasure.begin(user_key=world.user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    restore(backup)
    (folders()[1] / "erasures" / "0.json").write_text("{}")
    with pytest.raises(CommandError, match=r"erasures/0\.json") as refused:
        terminal.run("reapply_erasures")
    assert refused.value.returncode == 1
    check_gone(world, valkey)


def test_whose_tombstone_was_lost_is_named_and_the_others_are_applied(
    world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None
) -> None:
    erasure.erase(user_key=world.bystander, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    finished(world.bystander)
    backup = all_documents()
    erasure.begin(user_key=world.user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    restore(backup)
    (folders()[1] / "erasures" / f"{world.bystander}.json").unlink()
    with pytest.raises(CommandError, match=world.bystander) as refused:
        terminal.run("reapply_erasures", "--none-expected")
    assert refused.value.returncode == 1
    assert "2 erased again" in terminal.out.getvalue()
    assert canaries_in(everything_kept(valkey)) == {}


def test_a_storage_that_does_not_list_its_tombstones_is_an_exit_status_of_its_own(
    world: World, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Any:
        raise write_once.StorageUnavailable("away")

    monkeypatch.setattr(write_once, "list_names", refuse)
    with pytest.raises(CommandError) as refused:
        terminal.run("reapply_erasures", "--none-expected")
    assert refused.value.returncode == 2


def test_a_part_whose_person_is_missing_in_the_backup_is_erased_by_itself(
    world: World, valkey: redis.Redis, terminal: Terminal, no_waiting: None
) -> None:
    """A backup that was not made at one moment: the journal of the part is in it, that of the person is not."""
    erasure.begin(user_key=world.user_key, reason=Erasure.Reason.REQUEST, actor="user:7", now=timezone.now())
    get_store().delete(f"erasures/{world.user_key}")
    (folders()[1] / "erasures" / f"{world.user_key}.json").unlink()
    assert "1 erased again" in terminal.run("reapply_erasures")
    assert inner().get_many([f"user_profiles/{world.merged}"]) == {}
    assert inner().get(f"erasures/{world.merged}").data["step"] == "COMPLETED"
