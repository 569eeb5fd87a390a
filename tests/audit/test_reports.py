"""Reports of a conversation and of a period: checked by the auditor's script alone, and read as PDF."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pypdfium2
import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from audit import Event, EventType, log_files, verify_trail
from audit.chain import Head
from audit.checkpoints import make_checkpoint
from audit.proofs import Batch
from audit.report_pdf import to_pdf, verdict
from audit.reports import NoTrail, conversation_report, period_report, start_of, to_document, write_json
from audit.signing import verifier_key
from audit.stores import AuditLogStore
from audit.verify_trail import Frontier, leaf_bytes, leaf_hash, verify_inclusion
from pyloto.documents import Delete, Unavailable, Update, get_store
from pyloto.write_once import read

NOW = datetime.now(UTC).replace(microsecond=0)  # the times of checkpoint files are the system's own
MINUTE = timedelta(minutes=1)
SCRIPT = Path(verify_trail.__file__)


@pytest.fixture
def store_files(embedded_store, files):
    return files


@pytest.fixture
def checked(tmp_path, capsys):
    """What the auditor's script says to the JSON of a report and the public key: {"ok", "chains", "events", "problems"}."""

    def checked(report):
        trail, key = tmp_path / "trail.json", tmp_path / "key"
        trail.write_text("".join(write_json(report)))
        key.write_text(f"{verifier_key()}\n")
        capsys.readouterr()
        status = verify_trail.main([str(trail), "--pubkey", str(key), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert (status == 0) == found["ok"]
        return found

    return checked


def kinds(found):
    return [(problem["conversation_id"], problem["kind"]) for problem in found["problems"]]


def report_of(conversation_id="ana"):
    return conversation_report(conversation_id, now=NOW)


def report_since(at, *, until=NOW + 10 * MINUTE):
    return period_report(at, until, now=NOW)


def edit(conversation_id, seq, **fields):
    get_store().commit([Update(f"audit_logs/{conversation_id}-{seq:012d}", fields)])


def delete(conversation_id, *seqs):
    get_store().commit([Delete(f"audit_logs/{conversation_id}-{seq:012d}") for seq in seqs])


def pdf_text(content: bytes) -> str:
    with pypdfium2.PdfDocument(content) as pdf:
        return "\n".join(page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in pdf)


# --- a conversation ---------------------------------------------------------------------------------------------------


def test_the_report_of_a_conversation_proves_itself(store, files, happen, checked):
    happen("ana", "rui", "ana", "ana")
    make_checkpoint(now=NOW)
    happen("ana")

    report = report_of()

    (trail,) = to_document(report)["trails"]
    assert [event["seq"] for event in trail["events"]] == [1, 2, 3, 4]
    assert [each["leaf"]["seq"] for each in trail["checkpoints"]] == [3]
    covered = {"conversation_id": "ana", "first": 1, "last": 4, "proven_until": 3, "observed_until": 3, "before": []}
    assert checked(report) == {"ok": True, "chains": 1, "events": 4, "problems": [], "trails": [covered]}
    assert "ainda não cobre os últimos eventos" in verdict(report)


def test_it_tells_what_it_is_about_and_what_was_found(store_files, happen):
    happen("ana", "ana")
    make_checkpoint(now=NOW)
    document = to_document(report_of())
    assert {name: document[name] for name in ("format", "kind", "conversation_id", "counts", "public_key")} == {
        "format": "pyloto-audit-report/1",
        "kind": "conversation",
        "conversation_id": "ana",
        "counts": {"REPLY_QUEUED": 2},
        "public_key": str(verifier_key()),
    }
    assert document["verification"] == {"ok": True, "chains": 1, "events": 2, "problem_count": 0, "problems": []}


def test_the_latest_checkpoint_of_the_chain_covers_it(store_files, happen, checked):
    for hour in range(3):
        happen("ana", "rui")
        make_checkpoint(now=NOW + hour * 60 * MINUTE)
    happen("rui")
    make_checkpoint(now=NOW + 240 * MINUTE)

    ana, rui = report_of("ana"), report_of("rui")

    assert [(r.proofs[0].number, r.proofs[0].head.seq) for r in (ana, rui)] == [(3, 3), (4, 4)]
    assert checked(ana)["ok"]
    assert checked(rui)["ok"]


def test_without_a_checkpoint_it_says_that_nothing_is_proven_yet(store_files, happen, checked):
    happen("ana")
    report = report_of()
    assert kinds(checked(report)) == [("ana", "UNPROVEN")]
    assert verdict(report).startswith("Sem alterações, e ainda sem prova: 1 evento.")
    assert "Íntegro" not in pdf_text(to_pdf(report))


def test_of_a_period_the_chains_that_no_checkpoint_saw_yet_are_told(store_files, happen, checked):
    happen("ana")
    make_checkpoint(now=NOW)
    happen("ana", "rui", at=NOW + MINUTE)
    report = report_since(NOW - 10 * MINUTE)
    assert kinds(checked(report)) == [("rui", "UNPROVEN")]
    assert verdict(report).endswith("ainda não cobre os últimos eventos; 1 cadeia ainda sem prova")


def test_the_script_checks_it_outside_of_the_project(store_files, happen, tmp_path):
    happen("ana", "ana")
    make_checkpoint(now=NOW)
    trail, key = tmp_path / "trail.json", tmp_path / "key"
    key.write_text(f"{verifier_key()}\n")

    def status():
        arguments = [sys.executable, SCRIPT, trail, "--pubkey", key]
        return subprocess.run(arguments, cwd=tmp_path, check=False, capture_output=True).returncode

    trail.write_text("".join(write_json(report_of())))
    assert status() == 0
    trail.write_text(trail.read_text().replace("REPLY_QUEUED", "SEND_FAILED"))
    assert status() == verify_trail.ProblemKind.EDITED.status


def test_a_chain_whose_name_begins_like_this_one_stays_out(store_files, happen):
    happen("ana", "ana-b", "ana")
    (trail,) = to_document(report_of())["trails"]
    assert {event["conversation_id"] for event in trail["events"]} == {"ana"}


def test_a_conversation_without_events_has_no_report(store_files, happen):
    happen("ana")
    for name in ("nobody", "", "../x", "a b", "x" * 2000):
        with pytest.raises(NoTrail):
            report_of(name)


ATTACKS = {
    "edited": (lambda: edit("ana", 2, actor="HUMAN"), "EDITED", "alterado"),
    "gap": (lambda: delete("ana", 2), "GAP", "lacuna"),
    "end cut off": (lambda: delete("ana", 3), "TRUNCATED", "final da cadeia removido"),
    "deleted": (lambda: delete("ana", 1, 2, 3), "DELETED", "cadeia removida"),
    "malformed": (lambda: edit("ana", 2, changes=7, timestamp="ontem"), "MALFORMED", "malformado"),
}


@pytest.mark.parametrize(("attack", "kind", "words"), ATTACKS.values(), ids=ATTACKS)
def test_a_damaged_chain_shows_in_each_form(store_files, happen, attack, kind, words, checked):
    happen("ana", "ana", "ana")
    make_checkpoint(now=NOW)
    attack()

    report = report_of()

    assert kind in {problem["kind"] for problem in to_document(report)["verification"]["problems"]}
    assert kind in {kind for _, kind in kinds(checked(report))}
    assert words in verdict(report)
    text = pdf_text(to_pdf(report))
    assert "Com problemas" in text
    assert words in text


def test_a_chain_written_anew_is_told_from_the_signed_one(store_files, happen, checked):
    happen("ana", "ana")
    make_checkpoint(now=NOW)
    delete("ana", 1, 2)
    happen("ana", "ana", at=NOW - MINUTE)

    report = report_of()

    assert [problem.kind for problem in report.verification.problems] == ["REWRITTEN"]
    assert kinds(checked(report)) == [("ana", "REWRITTEN")]


def test_damage_of_the_log_itself_is_reported(store_files, happen):
    happen("ana")
    make_checkpoint(now=NOW)
    note = read(store_files, "checkpoints/00000001.note")
    store_files.delete("checkpoints/00000001.note")
    store_files.save("checkpoints/00000001.note", ContentFile(note.replace(b"\n1\n", b"\n2\n")))
    assert "LOG_FORGED" in {problem.kind for problem in report_of().verification.problems}


# --- a period ---------------------------------------------------------------------------------------------------------


def test_a_period_holds_its_events_of_all_chains_and_each_proves_itself(store, files, happen, checked):
    happen("ana", "ana", "rui", at=NOW - 60 * MINUTE)
    happen("ana", "system", "ana", at=NOW - 5 * MINUTE)
    make_checkpoint(now=NOW)

    report = report_since(NOW - 10 * MINUTE)

    document = to_document(report)
    numbers = {trail["conversation_id"]: [event["seq"] for event in trail["events"]] for trail in document["trails"]}
    assert numbers == {"ana": [3, 4], "system": [1]}
    assert document["trails"][0]["after"]["seq"] == 2
    assert document["counts"] == {"REPLY_QUEUED": 3}
    assert checked(report)["ok"]


def test_the_events_go_on_to_the_one_that_is_signed(store_files, happen, checked):
    happen("ana", at=NOW - 30 * MINUTE)
    happen("ana", "ana", at=NOW - 5 * MINUTE)
    make_checkpoint(now=NOW)
    happen("ana", at=NOW - 4 * MINUTE)
    make_checkpoint(now=NOW + MINUTE)

    report = report_since(NOW - 40 * MINUTE, until=NOW - 20 * MINUTE)

    (trail,) = to_document(report)["trails"]
    assert [event["seq"] for event in trail["events"]] == [1, 2, 3]
    assert trail["checkpoints"][0]["number"] == 1
    assert report.events == 1
    assert checked(report)["ok"]


def test_an_event_at_the_end_of_a_period_belongs_to_the_next(store_files, happen):
    happen("ana", at=NOW - 2 * MINUTE)
    happen("rui", at=NOW - MINUTE)
    assert set(report_since(NOW - 2 * MINUTE, until=NOW - MINUTE).parts) == {"ana"}
    assert set(report_since(NOW - MINUTE).parts) == {"rui"}


def test_a_chain_that_was_deleted_as_a_whole_is_missed_in_its_period(store_files, happen, checked):
    happen("ana", "rui")
    make_checkpoint(now=NOW)
    delete("ana", 1)

    report = report_since(NOW - 60 * MINUTE)

    assert [(p.conversation_id, p.kind) for p in report.verification.problems] == [("ana", "DELETED")]
    assert kinds(checked(report)) == [("ana", "DELETED")]


def test_chains_that_were_only_signed_in_the_period_are_verified_and_not_shown(store_files, happen):
    happen("ana", at=NOW - 90 * MINUTE)
    make_checkpoint(now=NOW)
    report = report_since(NOW - 60 * MINUTE)
    assert (report.verification.chains, list(report.parts)) == (1, [])
    assert verdict(report) == "Nenhum evento no período"
    assert "Nada a mostrar." in pdf_text(to_pdf(report))


def test_a_day_begins_at_midnight_in_sao_paulo():
    assert start_of(datetime(2026, 11, 22).date()) == datetime(2026, 11, 22, 3, tzinfo=UTC)  # noqa: DTZ001


# --- proofs -----------------------------------------------------------------------------------------------------------


def test_every_leaf_is_proven_from_the_frontier_before_its_checkpoint():
    heads = [Head(f"c{n}", 1, f"{n:064x}") for n in range(40)]
    leaves = list(map(leaf_bytes, heads))
    for size in range(1, len(leaves) + 1):
        root = frontier_of(leaves[:size]).root()
        for start in range(size):
            batch = Batch(1, "", leaves[start:size], frontier_of(leaves[:start]))
            for proof in batch.prove(enumerate(heads[start:size])):
                assert verify_inclusion(leaf_hash(leaves[proof.index]), proof.index, size, proof.hashes, root)


def frontier_of(leaves):
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return frontier


def test_many_checkpoints_are_read_in_their_order(embedded_store, exports, happen, monkeypatch, checked):
    monkeypatch.setattr(log_files, "READ_AT_ONCE", 2)
    monkeypatch.setattr(log_files, "MEMORY_BYTES", 1)  # through the disk
    for hour in range(5):
        happen("ana")
        make_checkpoint(now=NOW + hour * 60 * MINUTE)
    report = report_of()
    assert report.proofs[0].number == 5
    assert checked(report)["ok"]


# --- PDF --------------------------------------------------------------------------------------------------------------


def test_the_pdf_tells_people_what_happened_and_whether_it_is_intact(store_files):
    changes = {"mode": ["WAITING_HUMAN", "BOT"]}
    at = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
    AuditLogStore().append("ana", Event("e1", EventType.HANDOFF_RESOLVED, "user:7", at, changes, {"reason": "DONE"}))
    make_checkpoint(now=NOW)

    text = pdf_text(to_pdf(report_of()))

    for expected in ("Relatório de auditoria da conversa", "Conversa ana", "Como conferir", "Página 1 de"):
        assert expected in text
    assert re.search(r"Íntegro: 1 evento, cadeia verificada até o ponto de verificação nº 1\s+de \d\d/\d\d/\d{4}", text)
    for cell in ("21/11/2026", "23:30:00", "Atendimento humano", "Usuário nº 7", "WAITING_HUMAN → BOT", "reason: DONE"):
        assert cell in text
    assert str(verifier_key()) in text.replace("\n", "")


def test_the_pdf_of_a_period_counts_by_type_and_by_day(store_files, happen):
    happen("ana", "rui", at=datetime(2026, 11, 21, 12, tzinfo=UTC))
    happen("ana", at=datetime(2026, 11, 22, 12, tzinfo=UTC))
    start, end = (start_of(datetime(2026, 11, day).date()) for day in (21, 23))  # noqa: DTZ001
    text = pdf_text(to_pdf(period_report(start, end, now=NOW)))
    for expected in ("21/11/2026 a 22/11/2026", "Resposta na fila REPLY_QUEUED 3", "21/11/2026 2", "22/11/2026 1"):
        assert expected in text


def test_a_long_list_of_events_is_cut_with_a_note(store_files, happen, monkeypatch):
    monkeypatch.setattr("audit.report_pdf.EVENTS_MAX", 2)
    happen("ana", "ana", "ana")
    text = pdf_text(to_pdf(report_of()))
    assert "São mostrados os primeiros 2 de 3 eventos" in text
    assert len(re.findall("Bot", text)) == 2


def test_the_same_report_is_the_same_file(store_files, happen):
    happen("ana")
    assert to_pdf(report_of()) == to_pdf(report_of())
    assert "".join(write_json(report_of())) == "".join(write_json(report_of()))


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "begins"), [("pdf", b"%PDF"), ("json", b"{")])
def test_the_command_writes_a_file_that_only_its_owner_reads(store_files, happen, tmp_path, capsys, form, begins):
    happen("ana")
    output = tmp_path / f"report.{form}"
    call_command("audit_report", "--conversation", "ana", "--format", form, "--output", str(output))
    assert output.read_bytes().startswith(begins)
    assert output.stat().st_mode & 0o777 == 0o600
    assert "Sem alterações, e ainda sem prova: 1 evento" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [output.name]


def test_the_command_reports_whole_days(store_files, happen, tmp_path):
    happen("ana", at=datetime(2026, 11, 23, 2, 59, tzinfo=UTC))
    happen("rui", at=datetime(2026, 11, 23, 3, 0, tzinfo=UTC))
    output = tmp_path / "report.json"
    call_command(
        "audit_report", "--from", "2026-11-22", "--to", "2026-11-22", "--format", "json", "--output", str(output)
    )
    assert [trail["conversation_id"] for trail in json.loads(output.read_bytes())["trails"]] == ["ana"]


def test_the_command_overwrites_nothing_unless_told_to(store_files, happen, tmp_path):
    happen("ana")
    output = tmp_path / "report.pdf"
    output.write_text("before")
    with pytest.raises(CommandError, match="exists"):
        call_command("audit_report", "--conversation", "ana", "--output", str(output))
    assert output.read_text() == "before"
    call_command("audit_report", "--conversation", "ana", "--output", str(output), "--force")
    assert output.read_bytes().startswith(b"%PDF")


def test_the_command_ends_in_the_status_of_what_is_wrong(store_files, happen, tmp_path):
    happen("ana")
    edit("ana", 1, actor="HUMAN")
    with pytest.raises(SystemExit) as ended:
        call_command("audit_report", "--conversation", "ana", "--output", str(tmp_path / "report.pdf"))
    assert ended.value.code == verify_trail.ProblemKind.EDITED.status
    assert (tmp_path / "report.pdf").exists()


WRONG = (
    [],
    ["--conversation", "ana", "--from", "2026-11-01", "--to", "2026-11-02"],
    ["--from", "2026-11-01"],
    ["--from", "2026-11-02", "--to", "2026-11-01"],
    ["--from", "2026-11-02", "--to", "9999-12-31"],
    ["--from", "ontem", "--to", "2026-11-01"],
    ["--conversation", "nobody"],
)


def test_the_command_refuses_what_makes_no_sense(store_files, tmp_path):
    for arguments in WRONG:
        with pytest.raises(CommandError) as refused:
            call_command("audit_report", *arguments, "--output", str(tmp_path / "report.pdf"))
        assert refused.value.returncode != 0
    assert not list(tmp_path.glob("*report*"))


def test_the_command_tells_where_it_cannot_write(store_files, happen, tmp_path):
    happen("ana")
    (tmp_path / "directory").mkdir()
    for name in ("missing/report.pdf", "directory"):
        with pytest.raises(CommandError) as refused:
            call_command("audit_report", "--conversation", "ana", "--output", str(tmp_path / name), "--force")
        assert refused.value.returncode == 2


def test_a_store_that_stops_answering_leaves_no_half_file(store_files, happen, tmp_path, monkeypatch):
    happen("ana")

    def breaks_off(report):
        yield "{"
        raise Unavailable("gone")

    monkeypatch.setattr("audit.management.commands.audit_report.write_json", breaks_off)
    with pytest.raises(CommandError) as failed:
        call_command("audit_report", "--conversation", "ana", "--format", "json", "--output", str(tmp_path / "r.json"))
    assert failed.value.returncode == 2
    assert not list(tmp_path.glob("*r.json*"))
