import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from celery import shared_task
from granian.log import configure_logging

import pyloto.observability
from pyloto.errors import TransientError
from tests.lab import canaries

log = structlog.get_logger("pyloto.tests")


@pytest.fixture
def lines(capsys):
    """What was logged since the last call, decoded."""
    structlog.contextvars.clear_contextvars()  # what other tests bound
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class Customer:
    def __repr__(self) -> str:
        return canaries.NAME


def read_customer():
    try:
        {}[canaries.NAME]
    except KeyError as exc:
        raise TransientError("The store did not answer") from exc


def test_an_event_is_one_json_line_with_its_ids(lines):
    log.info("session_closed", conversation_id="c1", at=datetime(2026, 1, 2, tzinfo=UTC))

    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "pyloto.tests",
        "event": "session_closed",
        "correlation_id": "",
        "conversation_id": "c1",
        "at": "2026-01-02T00:00:00+00:00",
    }


def test_what_libraries_log_has_the_same_shape(lines):
    logging.getLogger("some.library").warning("took %d ms\nfor %s", 12, "x")

    (line,) = lines()
    assert (line["level"], line["logger"], line["event"]) == ("warning", "some.library", "took 12 ms\nfor x")


def test_an_exception_shows_class_place_and_cause_but_no_foreign_text(lines):
    try:
        read_customer()
    except TransientError:
        log.exception("turn_failed")

    (line,) = lines()
    ours, cause = line["exception"]
    assert (ours["type"], ours["message"]) == ("pyloto.errors.TransientError", "The store did not answer")
    assert ours["frames"][-1].endswith("read_customer")
    assert (cause["type"], "message" in cause) == ("builtins.KeyError", False)
    assert canaries.find_canaries(json.dumps(line)) == []


def test_a_library_that_logs_an_exception_shows_its_class_only(lines):
    logging.getLogger("some.library").error("failed: %s", ValueError(canaries.NAME))

    assert [line["event"] for line in lines()] == ["failed: ValueError"]


def test_query_strings_are_cut(lines):
    logging.getLogger("django.request").warning("Not Found: %s", f"/admin/?q={quote(canaries.NAME)}")

    assert [line["event"] for line in lines()] == ["Not Found: /admin/?…"]


@pytest.mark.parametrize("value", [*canaries.PHONE_SPELLINGS, canaries.EMAIL, canaries.WAMID, Customer()])
def test_personal_data_that_slips_into_a_value_is_masked(lines, value):
    log.info("slipped", value=value)

    (line,) = lines()
    assert canaries.find_canaries(json.dumps(line)) == []


def test_what_lies_deep_in_a_value_is_masked_and_the_value_itself_stays(lines):
    value = {"to": [canaries.PHONE, {"mail": (canaries.EMAIL, 7)}], canaries.WAMID: None}

    log.info("slipped", value=value)

    (line,) = lines()
    assert line["value"] == {"to": ["[telefone]", {"mail": ["[e-mail]", 7]}], "[mensagem]": None}
    assert value["to"][0] == canaries.PHONE


def test_a_failing_task_shows_neither_its_arguments_nor_the_text_of_its_error(lines):
    @shared_task
    def fail(name: str) -> None:
        raise ValueError(name)

    fail.apply(args=[canaries.NAME])

    (line,) = lines()
    assert line["exception"][0]["type"] == "builtins.ValueError"
    assert canaries.find_canaries(json.dumps(line)) == []


@pytest.mark.parametrize("library", ["urllib3.connectionpool", "httpx2", "django.db.backends", "google.api_core"])
def test_libraries_that_show_bodies_in_debug_are_kept_quiet(library):
    assert not logging.getLogger(library).isEnabledFor(logging.INFO)


def test_the_log_of_a_management_command_keeps_away_from_its_result(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/srv/pyloto/manage.py", "audit_verify", "--json"])

    log.info("something")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "something"


def test_the_web_server_logs_in_the_same_way(lines):
    config = Path(pyloto.observability.__file__).with_name("granian.json")
    configure_logging("info", json.loads(config.read_text()))

    logging.getLogger("_granian").info("Started worker-%d", 1)

    assert [(line["logger"], line["event"]) for line in lines()] == [("_granian", "Started worker-1")]
