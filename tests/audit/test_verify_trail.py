"""The verifier that auditors take away: one file, run by itself, with an exported trail and the public key."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import ProblemKind, verify_trail
from audit.checkpoints import make_checkpoint
from audit.signing import verifier_key
from audit.stores import AuditLogStore, CheckpointStore
from audit.verify_trail import inclusion_proof, leaf_hash, main, parse_leaf

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
    proof = inclusion_proof(index, len(leaves), map(leaf_hash, leaves))
    trail = {
        "conversation_id": CHAIN,
        "events": [
            {**snapshot.data, "id": snapshot.id, "timestamp": snapshot.data["timestamp"].isoformat()}
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
    assert json.loads(ended.stdout) == {"ok": True, "chains": 1, "events": 3, "problems": []}


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


def test_an_export_without_its_proof_is_held_against_the_whole_log(export, tmp_path, capsys):
    trail = export()
    export(events=trail["events"][:1], checkpoints=[])
    assert kinds(verified(tmp_path, capsys)) == []

    log = ("--checkpoints", str(tmp_path / "exports" / "checkpoints"))
    assert kinds(verified(tmp_path, capsys, *log)) == ["TRUNCATED"]


def test_a_part_of_a_chain_is_verified_from_the_head_before_it(export, tmp_path, capsys):
    trail = export()
    after = {"seq": 1, "hash": trail["events"][0]["current_hash"]}
    export(events=trail["events"][1:], after=after)
    assert kinds(verified(tmp_path, capsys)) == []

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
    export(trails=[trail, trail | {"events": trail["events"][1:]}])

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
    ],
)
def test_what_is_no_report_is_neither_intact_nor_damaged(export, tmp_path, capsys, content):
    (tmp_path / "TRAIL.json").write_text(content)

    assert main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Não foi possível verificar")


def test_people_read_the_verdict_in_portuguese(export, tmp_path, capsys):
    export()
    main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")])

    assert capsys.readouterr() == ("1 cadeias, 3 eventos: sem alterações\n", "")


def test_a_trail_without_a_signed_head_is_told_to_be_unproven_at_its_end(export, tmp_path, capsys):
    export(checkpoints=[])
    main([str(tmp_path / "TRAIL.json"), "--pubkey", str(tmp_path / "KEY")])

    assert "c0ffee: nenhum ponto de verificação" in capsys.readouterr().err
