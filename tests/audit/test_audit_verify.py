import json

import pytest
from django.core.management import CommandError, call_command

from audit import Head, link
from audit import stores as audit_stores
from pyloto.documents import Unavailable, use_store

from .test_chain import make_events


@pytest.fixture
def chains(store, monkeypatch):
    """Three chains of four events each, read in pages of three."""
    monkeypatch.setattr(audit_stores, "PAGE_SIZE", 3)
    for name in ("aaa", "bbb-1", "system"):
        writes, _ = link(Head.genesis(name), make_events(4))
        store.commit(writes)
    return store


def run(capsys, *args):
    status = 0
    try:
        call_command("audit_verify", "--json", *args)
    except SystemExit as exit_:
        status = exit_.code
    return status, json.loads(capsys.readouterr().out)


def test_sound_chains_verify(chains, capsys):
    assert run(capsys) == (0, {"ok": True, "chains": 3, "events": 12, "problem_count": 0, "problems": []})


def test_an_empty_installation_is_sound(store, capsys):
    assert run(capsys)[1]["chains"] == 0


def test_one_conversation_is_verified_alone(chains, capsys):
    chains.delete("audit_logs/system-000000000002")

    assert run(capsys, "--conversation", "bbb-1")[0] == 0
    status, report = run(capsys, "--conversation", "system")
    assert (status, report["chains"], report["problems"][0]["kind"]) == (1, 1, "GAP")


def test_a_conversation_without_a_chain_is_a_problem(chains, capsys):
    status, report = run(capsys, "--conversation", "bbb")

    assert (status, report["problems"][0]["kind"]) == (1, "MISSING")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"actor": "someone"}, "EDITED"),
        ({"seq": 7}, "FOREIGN"),
        ({"canonical": "{}"}, "EDITED"),
        ({"metadata": "text"}, "MALFORMED"),
        ({"previous_hash": "0" * 64}, "BROKEN_LINK"),
    ],
)
def test_a_change_in_the_store_is_found_in_the_right_chain(chains, capsys, change, kind):
    chains.update("audit_logs/bbb-1-000000000002", change)

    status, report = run(capsys)

    assert status == 1
    assert kind in {problem["kind"] for problem in report["problems"]}
    assert {problem["conversation_id"] for problem in report["problems"]} == {"bbb-1"}


@pytest.mark.parametrize("path", ["audit_logs/aaa-000000000005", "audit_logs/aaa-x", "audit_logs/junk"])
def test_a_document_that_is_no_event_is_a_failure_not_skipped(chains, capsys, path):
    chains.create(path, {"note": "planted"})

    status, report = run(capsys)

    assert (status, report["problems"][0]["kind"]) == (1, "MALFORMED")


def test_a_store_that_does_not_answer_is_neither_ok_nor_a_problem(embedded_store, capsys):
    class Down:
        def query(self, query):
            raise Unavailable("down")

    with use_store(Down()), pytest.raises(CommandError) as error:
        call_command("audit_verify")

    assert error.value.returncode == 2


def test_the_text_report_names_chain_number_and_kind(chains, capsys):
    chains.delete("audit_logs/system-000000000002")

    with pytest.raises(SystemExit):
        call_command("audit_verify")

    assert capsys.readouterr().out.splitlines() == [
        "system seq 3: GAP, 1 events missing before it",
        "system seq 3: BROKEN_LINK, previous_hash is not the hash of the event before",
        "3 chains, 11 events: 2 problems",
    ]
