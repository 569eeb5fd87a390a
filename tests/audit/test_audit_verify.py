import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from audit import Head, ProblemKind, link, verify_trail
from audit import stores as audit_stores
from audit.checkpoints import make_checkpoint
from pyloto.documents import Create, Unavailable, use_store

from .test_chain import make_events


@pytest.fixture
def chains(store, files, monkeypatch):
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
    assert run(capsys) == (0, {"ok": True, "chains": 3, "events": 12, "problems": []})


def test_an_empty_installation_is_sound(store, files, capsys):
    assert run(capsys)[1]["chains"] == 0


def test_one_conversation_is_verified_alone(chains, capsys):
    chains.delete("audit_logs/system-000000000002")

    assert run(capsys, "--conversation", "bbb-1")[0] == 0
    status, report = run(capsys, "--conversation", "system")
    assert (status, report["chains"], report["problems"][0]["kind"]) == (13, 1, "GAP")


def test_a_conversation_without_a_chain_is_a_problem(chains, capsys):
    status, report = run(capsys, "--conversation", "bbb")

    assert (status, report["problems"][0]["kind"]) == (20, "MISSING")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"actor": "someone"}, "EDITED"),
        ({"seq": 7}, "OUT_OF_ORDER"),
        ({"canonical": "{}"}, "EDITED"),
        ({"metadata": "text"}, "MALFORMED"),
        ({"previous_hash": "0" * 64}, "BROKEN_LINK"),
    ],
)
def test_a_change_in_the_store_is_found_in_the_right_chain(chains, capsys, change, kind):
    chains.update("audit_logs/bbb-1-000000000002", change)

    status, report = run(capsys)

    assert status >= ProblemKind[kind].status
    assert kind in {problem["kind"] for problem in report["problems"]}
    assert {problem["conversation_id"] for problem in report["problems"]} == {"bbb-1"}


@pytest.mark.parametrize("path", ["audit_logs/aaa-000000000005", "audit_logs/aaa-x", "audit_logs/junk"])
def test_a_document_that_is_no_event_is_a_failure_not_skipped(chains, capsys, path):
    chains.create(path, {"note": "planted"})

    status, report = run(capsys)

    assert (status, report["problems"][0]["kind"]) == (11, "MALFORMED")


def test_a_store_that_does_not_answer_is_neither_ok_nor_a_problem(embedded_store, files):
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
        "system, nº 3: GAP (lacuna): faltam 1 eventos antes dele",
        "system, nº 3: BROKEN_LINK (elo quebrado): previous_hash não é o hash do evento anterior",
        "3 cadeias, 11 eventos: 2 problemas",
    ]


@pytest.mark.parametrize(
    ("option", "content"),
    [("--pubkey", b""), ("--pubkey", b"no key\n"), ("--pubkey", b"\xff"), ("--pubkey", None), ("--checkpoints", None)],
)
def test_what_cannot_be_read_is_neither_ok_nor_a_problem(embedded_store, files, tmp_path, option, content):
    if content is not None:
        (tmp_path / "given").write_bytes(content)

    with pytest.raises(CommandError) as error:
        call_command("audit_verify", option, str(tmp_path / "given"))

    assert error.value.returncode == 2


def test_a_directory_without_checkpoints_is_not_what_an_auditor_means(embedded_store, files, tmp_path):
    with pytest.raises(CommandError) as error:
        call_command("audit_verify", "--checkpoints", str(tmp_path))

    assert error.value.returncode == 2


def test_a_storage_that_does_not_answer_is_neither_ok_nor_a_problem(embedded_store, files, tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "checkpoints").write_text("a file where a directory should be")

    with pytest.raises(CommandError) as error:
        call_command("audit_verify")

    assert error.value.returncode == 2


def test_checkpoints_in_a_bucket_are_verified(embedded_store, bucket, happen, capsys):
    happen("aaa", "bbb")
    make_checkpoint(now=datetime.now(UTC))
    assert run(capsys)[0] == 0

    embedded_store.delete("audit_logs/bbb-000000000001")

    assert run(capsys)[0] == ProblemKind.DELETED.status


def test_the_statuses_are_distinct_and_in_the_help(capsys):
    statuses = [kind.status for kind in ProblemKind]

    with pytest.raises(SystemExit):
        call_command("audit_verify", "--help")

    text = capsys.readouterr().out
    assert sorted(set(statuses)) == statuses
    assert all(f"{kind.status}  {kind.value}" in text for kind in ProblemKind if kind is not ProblemKind.UNPROVEN)
    assert "1   Pyloto itself did not start" in text


def test_of_very_many_problems_the_gravest_is_always_told(embedded_store, files, capsys, monkeypatch):
    monkeypatch.setattr(verify_trail, "PROBLEMS_MAX", 2)
    writes, _ = link(Head.genesis("aaa"), make_events(6))
    embedded_store.commit([Create(write.path, {**write.data, "actor": "x"}) for write in writes])
    embedded_store.delete("audit_logs/aaa-000000000005")

    status, report = run(capsys)

    assert (status, [problem["kind"] for problem in report["problems"]]) == (13, ["EDITED", "EDITED", "GAP"])
