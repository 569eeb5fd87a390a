"""`manage.py replay_webhooks`: kept envelopes take the same way as those that come in."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from conversations.doorbell import doorbell
from pyloto.documents import DocumentStore, Unavailable, use_store

from .deliveries import envelope, post, text_message
from .kept import SAMPLES, quarantined, run_turns, sample, stored_messages
from .outside import Outside


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*paths: Path) -> dict[str, Any]:
        capsys.readouterr()
        call_command("replay_webhooks", *map(str, paths), "--json")
        report: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return report

    return run


def kept_in(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_one_envelope_is_stored_and_answered(
    store: DocumentStore, valkey: redis.Redis, tmp_path: Path, replay: Any, outside: Outside
) -> None:
    report = replay(kept_in(tmp_path / "a.json", envelope(text_message("wamid.A", "oi"))))
    assert report == {"items": 1, "stored": 1, "duplicates": 0, "unreadable": 0, "by_type": {"text": 1}}
    run_turns(outside)
    assert len(outside.sent) == 1


def test_a_map_of_names_holds_an_envelope_each(
    embedded_store: DocumentStore, valkey: object, tmp_path: Path, replay: Any
) -> None:
    names = ["text", "image", "statuses", "echo", "calls", "value_errors", "two_customers"]
    named = {name: sample(name) for name in names} | {"odd": ["no envelope"], "again": sample("text")}
    assert replay(kept_in(tmp_path / "a.json", named)) == {
        "items": 14,
        "stored": 6,
        "duplicates": 1,
        "unreadable": 2,
        "by_type": {"echo": 1, "error": 1, "image": 1, "status": 4, "text": 5, "unreadable": 2},
    }
    assert (len(stored_messages()), len(quarantined())) == (6, 2)


def test_several_files_and_a_second_run(
    embedded_store: DocumentStore, valkey: object, tmp_path: Path, replay: Any
) -> None:
    files = [kept_in(tmp_path / f"{n}.json", envelope(text_message(f"wamid.{n}", "oi"))) for n in range(3)]
    assert replay(*files)["stored"] == 3
    assert replay(*files) == {"items": 3, "stored": 0, "duplicates": 3, "unreadable": 0, "by_type": {"text": 3}}


def test_a_directory_stands_for_its_files(embedded_store: DocumentStore, valkey: object, replay: Any) -> None:
    report = replay(SAMPLES)
    assert report["stored"] == len(stored_messages())
    assert report["unreadable"] == len(quarantined()) == 4


def test_no_marks_are_left_and_none_is_asked(
    embedded_store: DocumentStore, valkey: redis.Redis, tmp_path: Path, replay: Any
) -> None:
    delivery = envelope(text_message("wamid.A", "oi"))
    replay(kept_in(tmp_path / "a.json", delivery))
    assert valkey.keys("dedupe:*") == []
    assert post(delivery).status_code == 200
    assert replay(kept_in(tmp_path / "a.json", delivery))["duplicates"] == 1
    assert len(stored_messages()) == 1


def test_each_message_rings_until_it_is_answered(
    embedded_store: DocumentStore, valkey: object, tmp_path: Path, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[Any] = []
    monkeypatch.setattr(doorbell, "ring", rings.append)
    file = kept_in(tmp_path / "a.json", sample("text"))
    replay(file)
    replay(file)
    assert [len(ring) for ring in rings] == [1, 1]  # no worker has looked yet


def test_the_text_says_the_same(
    embedded_store: DocumentStore, valkey: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("replay_webhooks", str(kept_in(tmp_path / "a.json", sample("text"))))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["1 items, 1 stored, 0 duplicates, 0 unreadable", "  text: 1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "not_utf8"),
        (b"[]", "neither an envelope nor a map"),
        (b"17", "neither an envelope nor a map"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_stored(
    embedded_store: DocumentStore, valkey: object, tmp_path: Path, content: bytes | None, words: str
) -> None:
    bad = tmp_path / "bad.json"
    if content is not None:
        bad.write_bytes(content)
    good = kept_in(tmp_path / "good.json", sample("text"))
    with pytest.raises(CommandError, match=f"bad.json .*{words}") as error:
        call_command("replay_webhooks", str(good), str(bad))
    assert error.value.returncode == 1
    assert stored_messages() == []


def test_an_empty_directory_is_a_mistake(embedded_store: DocumentStore, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"holds no \.json file"):
        call_command("replay_webhooks", str(tmp_path))


def test_stores_that_do_not_answer_are_no_fault_of_the_file(tmp_path: Path) -> None:
    class Down:
        def get_many(self, paths: Any) -> Any:
            raise Unavailable("down")

    with use_store(Down()), pytest.raises(CommandError) as error:  # type: ignore[arg-type]
        call_command("replay_webhooks", str(kept_in(tmp_path / "a.json", sample("text"))))
    assert error.value.returncode == 2
