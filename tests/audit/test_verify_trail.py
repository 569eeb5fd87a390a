"""The verifier that auditors take away: one file, run by itself, with an exported trail and the public key."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import Event, EventType, Head, ProblemKind, link, verify_trail
from audit.checkpoints import make_checkpoint
from audit.signing import sign_checkpoint, verifier_key
from audit.stores import AuditLogStore, CheckpointStore
from audit.verify_trail import Frontier, leaf_bytes, leaf_hash, main, parse_leaf

from .test_merkle import naive_path

CHAIN = "c0ffee"
# Nothing of Pyloto and no Django: neither can be imported.
ALONE = "import runpy, sys; sys.modules.update(django=None, pyloto=None, audit=None); runpy.run_path(sys.argv.pop(1), run_name='__main__')"


@pytest.fixture
def export(embedded_store, files, happen, tmp_path):
    """export(): the trail of a chain as it is exported now, in TRAIL.json, beside the key in KEY."""
    happen(CHAIN, "other", CHAIN)
    make_checkpoint(now=datetime.now(UTC))
    happen(CHAIN)
    (tmp_path / "KEY").write_text(f"{verifier_key()}\n")
    return lambda **changes: write_trail(files, tmp_path, **changes)


def write_trail(files, tmp_path, **changes):
    leaves = Path(files.path("checkpoints/00000001.leaves")).read_bytes().splitlines()
    (index,) = [n for n, line in enumerate(leaves) if parse_leaf(line).conversation_id == CHAIN]
    proof = naive_path(index, leaves)
    trail = {
        "conversation_id": CHAIN,
        "events": [
            {
                **snapshot.data,
                "id": snapshot.id,
                "timestamp": snapshot.data["timestamp"].isoformat(timespec="microseconds"),
            }
            for snapshot in AuditLogStore().iterate(CHAIN)
        ],
        "checkpoints": [
            {
                "note": CheckpointStore().newest().note,
                "leaf_index": index,
                "leaf": json.loads(leaves[index]),
                "proof": [each.hex() for each in proof],
            }
        ],
    }
    (tmp_path / "TRAIL.json").write_text(json.dumps(trail | changes))
    return trail


def verified(tmp_path, capsys, *options):
    capsys.readouterr()
    status = main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY"), "--json", *options])
    report = json.loads(capsys.readouterr().out)
    assert status == max([ProblemKind[problem["kind"]].status for problem in report["problems"]], default=0)
    return report


def kinds(report):
    return [problem["kind"] for problem in report["problems"]]


def test_the_file_alone_verifies_a_trail_without_django(export, tmp_path):
    export()
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(verify_trail.__file__, alone / "verify_trail.py")

    ended = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, "verify_trail.py", "../TRAIL.json", "--pubkey", "../KEY", "--json"],
        cwd=alone,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    trail = {"conversation_id": CHAIN, "first": 1, "last": 3, "proven_until": 2, "observed_until": 2, "before": []}
    assert json.loads(ended.stdout) == {"ok": True, "chains": 1, "events": 3, "problems": [], "trails": [trail]}


def test_without_orjson_the_verdicts_are_the_same(export, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verify_trail, "HAS_ORJSON", False)
    trail = export()
    assert verified(tmp_path, capsys)["ok"]
    trail["events"][1]["actor"] = "user:9"

    export(events=trail["events"])

    assert kinds(verified(tmp_path, capsys)) == ["EDITED"]


def test_an_edited_export_is_found(export, tmp_path, capsys):
    trail = export()
    trail["events"][1]["metadata"] = {"n": 1}
    export(events=trail["events"])

    assert kinds(verified(tmp_path, capsys)) == ["EDITED"]


def test_an_export_whose_end_is_left_out_is_found_by_the_signed_head(export, tmp_path, capsys):
    trail = export()
    export(events=trail["events"][:1])
    assert kinds(verified(tmp_path, capsys)) == ["TRUNCATED"]

    export(events=[])
    assert kinds(verified(tmp_path, capsys)) == ["DELETED"]


def test_an_export_without_its_proof_is_proven_by_a_copy_of_the_log(export, tmp_path, capsys):
    trail = export()
    log = ("--checkpoints", str(tmp_path / "exports" / "checkpoints"))
    export(checkpoints=[])
    assert kinds(verified(tmp_path, capsys)) == ["UNPROVEN"]
    assert verified(tmp_path, capsys, *log)["trails"][0]["proven_until"] == 2

    export(events=trail["events"][:1], checkpoints=[])
    assert kinds(verified(tmp_path, capsys, *log)) == ["UNPROVEN"]
    export(events=trail["events"][:1])
    assert kinds(verified(tmp_path, capsys, *log)) == ["TRUNCATED"]


def test_an_older_report_is_as_good_beside_a_newer_log(export, happen, tmp_path, capsys):
    export()
    happen(CHAIN)
    make_checkpoint(now=datetime.now(UTC))
    log = str(tmp_path / "exports" / "checkpoints")

    (trail,) = verified(tmp_path, capsys, "--checkpoints", log)["trails"]
    main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY"), "--checkpoints", log])

    assert (trail["last"], trail["proven_until"], trail["observed_until"]) == (3, 2, 4)
    assert "c0ffee: o registro viu até o nº 4; o relatório acaba no nº 3\n" in capsys.readouterr().out


def test_what_the_log_signed_before_the_reports_own_proof_may_not_be_missing(export, tmp_path, capsys):
    """The proof is of a number that the report has; the log up to its note has another one, behind the report's end."""
    (proof,) = export()["checkpoints"]
    forge_later_head_into(tmp_path / "exports" / "checkpoints", CHAIN, 9)
    log = tmp_path / "exports" / "checkpoints"
    note = (log / "00000002.note").read_text()
    leaves = b"".join((log / f"0000000{n}.leaves").read_bytes() for n in (1, 2)).splitlines()
    place = proof["leaf_index"]
    way = [each.hex() for each in naive_path(place, leaves)]
    export(checkpoints=[proof | {"note": note, "proof": way}])

    assert kinds(verified(tmp_path, capsys, "--checkpoints", str(log))) == ["TRUNCATED"]


def forge_later_head_into(log, chain, seq):
    """A second checkpoint, soundly signed, of an event that the report does not have."""
    leaves = [*(log / "00000001.leaves").read_bytes().splitlines(), leaf_bytes(Head(chain, seq, "ab" * 32))]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    (log / "00000002.leaves").write_bytes(leaves[-1] + b"\n")
    (log / "00000002.note").write_text(sign_checkpoint(size=len(leaves), root=frontier.root(), at=datetime.now(UTC)))


# --- what nobody signed -----------------------------------------------------------------------------------------------


def invented(count, after=None):
    """Events that fit each other, and a chain's end where it is given; nobody but their inventor has seen them."""
    events = [Event(f"x{n}", EventType.SEND_FAILED, "HUMAN", datetime.now(UTC)) for n in range(count)]
    writes, _ = link(after or Head.genesis(CHAIN), events)
    return [{**write.data, "timestamp": write.data["timestamp"].isoformat(timespec="microseconds")} for write in writes]


def test_a_chain_that_was_invented_is_not_proven(export, tmp_path, capsys):
    export(events=invented(5), checkpoints=[])
    report = verified(tmp_path, capsys)
    assert (kinds(report), report["ok"], report["trails"][0]["proven_until"]) == (["UNPROVEN"], False, None)

    export(conversation_id="nobody", events=[], checkpoints=[])
    assert kinds(verified(tmp_path, capsys)) == ["UNPROVEN"]


def test_a_proof_of_what_came_before_proves_nothing_of_a_part(export, tmp_path, capsys):
    head = Head(CHAIN, 10, "cd" * 32)
    export(events=invented(5, head), after=head.to_document())
    report = verified(tmp_path, capsys)
    assert (kinds(report), report["trails"][0]["before"]) == (["UNPROVEN"], [2])

    main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")])
    assert "o ponto assinado do nº 2 é de antes do nº 11" in capsys.readouterr().out


def test_what_follows_a_signed_head_could_be_invented(export, tmp_path, capsys):
    trail = export()
    head = Head(CHAIN, 2, trail["events"][1]["current_hash"])
    export(events=trail["events"][:2] + invented(50, head))

    assert verified(tmp_path, capsys)["trails"][0]["proven_until"] == 2
    main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")])
    assert "c0ffee: provado até o nº 2; nº 3 a 52 sem prova\n" in capsys.readouterr().out

    export(events=invented(50, head), after=head.to_document())
    (problem,) = verified(tmp_path, capsys)["problems"]
    assert (problem["kind"], problem["detail"].endswith("só o nº 2, antes deles, está no registro")) == (
        "UNPROVEN",
        True,
    )


# ----------------------------------------------------------------------------------------------------------------------


def test_a_part_of_a_chain_is_verified_from_the_head_before_it(export, tmp_path, capsys):
    trail = export()
    after = {"seq": 1, "hash": trail["events"][0]["current_hash"]}
    export(events=trail["events"][1:], after=after)
    report = verified(tmp_path, capsys)
    assert (kinds(report), report["trails"][0]["first"], report["trails"][0]["proven_until"]) == ([], 2, 2)

    export(events=trail["events"][1:], after=after | {"hash": "0" * 64})
    assert kinds(verified(tmp_path, capsys)) == ["BROKEN_LINK"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"leaf_index": 1}, "LOG_DAMAGED"),
        ({"proof": []}, "LOG_DAMAGED"),
        ({"leaf": {"conversation_id": "other", "seq": 2, "hash": "0" * 64}}, "LOG_DAMAGED"),
        ({"leaf": {"conversation_id": CHAIN, "seq": 1, "hash": "0" * 64}}, "LOG_DAMAGED"),
        ({"note": "forged"}, "LOG_FORGED"),
    ],
)
def test_a_proof_that_does_not_hold_is_found(export, tmp_path, capsys, change, kind):
    (proof,) = export()["checkpoints"]
    export(checkpoints=[proof | change])

    assert kinds(verified(tmp_path, capsys)) == [kind]


def test_several_trails_stand_in_one_report(export, tmp_path, capsys):
    trail = export()
    (tmp_path / "TRAIL.json").write_text(json.dumps({"trails": [trail, trail | {"events": trail["events"][1:]}]}))

    report = verified(tmp_path, capsys)

    assert (report["chains"], report["events"]) == (2, 5)
    assert set(kinds(report)) == {"GAP", "BROKEN_LINK"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"trails": []}',
        '{"conversation_id": "a", "events": 1, "checkpoints": []}',
        '{"conversation_id": "a", "events": [], "checkpoints": [{"note": "x"}]}',
        '{"conversation_id": 5, "events": [], "checkpoints": []}',
        '{"conversation_id": "a", "events": ["x"], "checkpoints": []}',
        '{"conversation_id": "a", "events": [{"x": 1}], "events": [], "checkpoints": []}',
        '{"conversation_id": "a", "events": [{"actor": "b", "actor": "c"}], "checkpoints": []}',
        '{"events": [], "trails": [{"conversation_id": "a", "events": [], "checkpoints": []}]}',
    ],
)
def test_what_is_no_report_is_neither_intact_nor_damaged(export, tmp_path, capsys, content):
    (tmp_path / "TRAIL.json").write_text(content)

    assert main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Não foi possível verificar")


@pytest.mark.parametrize("index", [1e999, 0.0, True, "0", None])
def test_a_place_in_the_log_that_is_no_number_is_no_report(export, tmp_path, capsys, index):
    (proof,) = export()["checkpoints"]
    export(checkpoints=[proof | {"leaf_index": index}])

    assert main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")]) == 2


@pytest.mark.parametrize(
    "time",
    [
        "9999-12-31T23:59:59.999999-12:00",
        "0001-01-01T00:00:00.000000+12:00",
        "2026-01-02T03:04:05.000678",
        "2026-01-02T03:04:05.000678Z",
        "2026-01-02T00:04:05.000678-03:00",
        "2026-W01-5T03:04:05,000678999Z",
        "2026-01-02T03:04:05+00:00",
    ],
)
def test_a_time_has_one_spelling(export, tmp_path, capsys, time):
    events = export()["events"]
    events[1]["timestamp"] = time
    export(events=events)

    assert kinds(verified(tmp_path, capsys)) == ["MALFORMED"]


def test_people_read_the_verdict_in_portuguese(export, tmp_path, capsys):
    export()
    main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")])

    said = "c0ffee: provado até o nº 2; nº 3 sem prova\n1 cadeias, 3 eventos: sem alterações\n"
    assert capsys.readouterr() == (said, "")


def test_the_help_names_each_status(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"{kind.status:<3} {kind.value}" in text for kind in ProblemKind)


def test_a_trail_without_a_signed_head_is_told_to_be_unproven(export, tmp_path, capsys):
    export(checkpoints=[])
    assert main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")]) == ProblemKind.UNPROVEN.status == 3

    first, last = capsys.readouterr().out.splitlines()
    assert first == ("c0ffee, nº 3: UNPROVEN (sem prova): nenhum ponto de verificação prova os eventos, nº 1 a 3")
    assert last == "1 cadeias, 3 eventos: sem alterações à vista, mas 1 sem prova"
