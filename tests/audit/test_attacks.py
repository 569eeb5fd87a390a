"""Every attack on a stored trail, and on the log that watches it, gets its verdict from `manage.py audit_verify`."""

import base64
import json
import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command

from audit import Event, EventType, Head, ProblemKind, event_id, link
from audit.checkpoints import make_checkpoint
from audit.signing import sign_checkpoint, verifier_key
from audit.verify_trail import canonical_json, chain_hash, document_id, parse_note
from pyloto.documents import Create, Delete, Set

VICTIM = "c0ffee"
OTHER = "badcafe"
HASHING = ("canonical", "previous_hash", "current_hash")


def grow(store, chain, count):
    """Append events to a chain, as whoever changes a conversation does."""
    stored = documents(store, chain)
    head = Head(chain, len(stored), stored[-1]["current_hash"]) if stored else Head.genesis(chain)
    events = [
        Event(
            event_id(chain, str(head.seq + n)), EventType.REPLY_QUEUED, "PYLOTO", datetime.now(UTC), metadata={"n": n}
        )
        for n in range(count)
    ]
    store.commit(link(head, events)[0])


@pytest.fixture
def trail(store, files):
    """Two chains, the one to attack with six events, of which checkpoints observed the third and the sixth."""
    grow(store, OTHER, 2)
    grow(store, VICTIM, 3)
    make_checkpoint(now=datetime.now(UTC))
    grow(store, VICTIM, 3)
    make_checkpoint(now=datetime.now(UTC))
    return store


def path(seq, chain=VICTIM):
    return f"audit_logs/{document_id(chain, seq)}"


def documents(store, chain=VICTIM):
    found = []
    while snapshots := store.get_many([path(len(found) + 1, chain)]):
        found += [snapshot.data for snapshot in snapshots.values()]
    return found


def hashed_anew(document, previous_hash, **changes):
    fields = {name: value for name, value in (document | changes).items() if name not in HASHING}
    canonical = canonical_json(fields)
    hashes = {"previous_hash": previous_hash, "current_hash": chain_hash(previous_hash, canonical)}
    return {**fields, "canonical": canonical, **hashes}


def write_chain(store, contents):
    """Put these events in the victim's place, as a chain without a flaw."""
    head = Head.genesis(VICTIM)
    writes = [Delete(path(n + 1)) for n in range(len(contents), 6)]
    for document in contents:
        head = Head(VICTIM, head.seq + 1, (new := hashed_anew(document, head.hash, seq=head.seq + 1))["current_hash"])
        writes.append(Set(path(head.seq), new))
    store.commit(writes)


# --- the attacks ------------------------------------------------------------------------------------------------------


def edit_a_field(store):
    store.update(path(2), {"actor": "user:9"})


def edit_a_field_and_its_canonical_form(store):
    canonical = documents(store)[1]["canonical"].replace('"PYLOTO"', '"user:9"')
    store.update(path(2), {"actor": "user:9", "canonical": canonical})


def edit_only_the_canonical_form(store):
    store.update(path(2), {"canonical": documents(store)[1]["canonical"].replace('"PYLOTO"', '"user:9"')})


def edit_and_hash_that_event_anew(store):
    first, second, *_ = documents(store)
    store.set(path(2), hashed_anew(second, first["current_hash"], actor="user:9"))


def edit_the_last_event_and_hash_it_anew(store):
    *_, before, last = documents(store)
    store.set(path(6), hashed_anew(last, before["current_hash"], actor="user:9"))


def delete_in_the_middle(store):
    store.delete(path(4))


def delete_an_observed_event_in_the_middle(store):
    store.delete(path(3))


def delete_the_beginning(store):
    store.delete(path(1))


def delete_in_the_middle_and_close_the_gap(store):
    contents = documents(store)
    write_chain(store, contents[:3] + contents[4:])


def insert_between_two_events(store):
    third = documents(store)[2]
    store.create(f"{path(3)}x", hashed_anew(third, third["current_hash"], seq=4))


def insert_under_an_id_that_looks_like_another_chains(store):
    third = documents(store)[2]
    store.create(f"{path(3)}-x", hashed_anew(third, third["current_hash"], seq=4))


def insert_a_chain_between_two_events(store):
    store.create(
        f"{path(3)}-000000000001",
        link(Head("x", 0, "0" * 64), [Event("e", EventType.NOTE_ADDED, "x", datetime.now(UTC))])[0][0].data,
    )


def insert_and_renumber_all_that_follow(store):
    contents = documents(store)
    write_chain(store, [*contents[:2], contents[0], *contents[2:]])


def swap_two_documents(store):
    contents = documents(store)
    store.commit([Set(path(4), contents[4]), Set(path(5), contents[3])])


def swap_two_events_and_hash_all_anew(store):
    contents = documents(store)
    contents[3], contents[4] = contents[4], contents[3]
    write_chain(store, contents)


def repeat_an_event_at_the_end(store):
    store.create(path(7), documents(store)[2])


def drop_the_tail(store):
    store.commit([Delete(path(5)), Delete(path(6))])


def drop_the_tail_and_write_another(store):
    write_chain(store, [*documents(store)[:4], *documents(store)[:2]])


def delete_the_chain(store):
    store.commit([Delete(path(n)) for n in range(1, 7)])


def recompute_all_from_the_fourth_on(store):
    contents = documents(store)
    write_chain(store, [*contents[:3], contents[3] | {"actor": "user:9"}, *contents[4:]])


def recompute_everything_from_the_genesis(store):
    contents = documents(store)
    write_chain(store, [contents[0] | {"actor": "user:9"}, *contents[1:]])


def move_an_event_to_another_chain(store):
    store.commit([Create(path(3, OTHER), documents(store)[3]), Delete(path(4))])


def move_an_event_so_that_it_fits_the_other_chain(store):
    head = documents(store, OTHER)[-1]["current_hash"]
    moved = hashed_anew(documents(store)[3], head, seq=3, conversation_id=OTHER)
    store.commit([Create(path(3, OTHER), moved), Delete(path(4))])


def make_a_field_another_type(store):
    store.update(path(2), {"metadata": "text"})


def smuggle_a_field(store):
    store.update(path(2), {"note": "smuggled"})


def plant_what_is_no_event(store):
    store.create(f"audit_logs/{VICTIM}-000000000007", {"hello": "there"})


ATTACKS = {
    edit_a_field: ProblemKind.EDITED,
    edit_a_field_and_its_canonical_form: ProblemKind.EDITED,
    edit_only_the_canonical_form: ProblemKind.EDITED,
    edit_and_hash_that_event_anew: ProblemKind.BROKEN_LINK,
    edit_the_last_event_and_hash_it_anew: ProblemKind.REWRITTEN,
    delete_in_the_middle: ProblemKind.GAP,
    delete_an_observed_event_in_the_middle: ProblemKind.GAP,
    delete_the_beginning: ProblemKind.GAP,
    delete_in_the_middle_and_close_the_gap: ProblemKind.TRUNCATED,
    insert_between_two_events: ProblemKind.OUT_OF_ORDER,
    insert_under_an_id_that_looks_like_another_chains: ProblemKind.OUT_OF_ORDER,
    insert_a_chain_between_two_events: ProblemKind.FOREIGN,
    insert_and_renumber_all_that_follow: ProblemKind.REWRITTEN,
    swap_two_documents: ProblemKind.OUT_OF_ORDER,
    swap_two_events_and_hash_all_anew: ProblemKind.REWRITTEN,
    repeat_an_event_at_the_end: ProblemKind.OUT_OF_ORDER,
    drop_the_tail: ProblemKind.TRUNCATED,
    drop_the_tail_and_write_another: ProblemKind.REWRITTEN,
    delete_the_chain: ProblemKind.DELETED,
    recompute_all_from_the_fourth_on: ProblemKind.REWRITTEN,
    recompute_everything_from_the_genesis: ProblemKind.REWRITTEN,
    move_an_event_to_another_chain: ProblemKind.FOREIGN,
    move_an_event_so_that_it_fits_the_other_chain: ProblemKind.GAP,
    make_a_field_another_type: ProblemKind.MALFORMED,
    smuggle_a_field: ProblemKind.MALFORMED,
    plant_what_is_no_event: ProblemKind.MALFORMED,
}


def run(capsys, *args):
    capsys.readouterr()
    status = 0
    try:
        call_command("audit_verify", "--json", *args)
    except SystemExit as exit_:
        status = exit_.code
    return status, json.loads(capsys.readouterr().out)


def kinds(report):
    return {problem["kind"] for problem in report["problems"]}


def test_a_trail_that_nobody_touched_is_intact(trail, capsys):
    assert run(capsys) == (0, {"ok": True, "chains": 2, "events": 8, "problems": []})


@pytest.mark.parametrize(("attack", "kind"), ATTACKS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_an_attack_on_a_chain_is_found_for_what_it_is(trail, capsys, attack, kind):
    attack(trail)

    status, report = run(capsys)

    assert (status, report["ok"]) == (kind.status, False)
    assert kind in kinds(report)
    assert VICTIM in {problem["conversation_id"] for problem in report["problems"]}


def test_a_chain_that_is_gone_is_found_when_it_is_asked_for_alone(trail, capsys):
    delete_the_chain(trail)

    assert run(capsys, "--conversation", VICTIM)[0] == ProblemKind.DELETED.status
    assert run(capsys, "--conversation", OTHER)[0] == 0


def test_what_no_checkpoint_has_seen_can_be_cut_off_unnoticed(trail, capsys):
    """The limit of the proof: what happened since the last checkpoint."""
    grow(trail, VICTIM, 2)
    trail.delete(path(8))

    assert run(capsys)[0] == 0


# --- attacks on the log -----------------------------------------------------------------------------------------------


@pytest.fixture
def log(embedded_store, files):
    """The directory of the checkpoint files of a trail like the one above."""
    grow(embedded_store, OTHER, 2)
    grow(embedded_store, VICTIM, 3)
    make_checkpoint(now=datetime.now(UTC))
    grow(embedded_store, VICTIM, 3)
    make_checkpoint(now=datetime.now(UTC))
    return Path(files.path("checkpoints"))


@pytest.fixture
def state(log, capsys, tmp_path):
    """What an auditor remembers of the log before it was attacked."""
    assert run(capsys, "--state", str(tmp_path / "state"))[0] == 0
    return str(tmp_path / "state")


def overwrite(file, content):
    file.write_bytes(content)


def forge_a_size(log):
    note = log / "00000001.note"
    overwrite(note, note.read_bytes().replace(b"\n2\n", b"\n3\n"))


def sign_with_another_key(log):
    text = (log / "00000002.note").read_text()
    note, key = parse_note(text), verifier_key()
    signature = key.key_hash + Ed25519PrivateKey.generate().sign(note.text.encode())
    overwrite(log / "00000002.note", f"{note.text}\n— {key.name} {base64.b64encode(signature).decode()}\n".encode())


def break_a_note(log):
    overwrite(log / "00000002.note", b"\xff\xfe")


def edit_a_leaf(log):
    leaves = log / "00000001.leaves"
    overwrite(leaves, leaves.read_bytes().replace(b'"seq":3', b'"seq":2'))


def drop_a_leaf(log):
    leaves = log / "00000001.leaves"
    overwrite(leaves, leaves.read_bytes().splitlines(keepends=True)[0])


def write_a_leaf_another_way(log):
    leaves = log / "00000001.leaves"
    overwrite(leaves, leaves.read_bytes().replace(b'"seq":3', b'"seq": 3'))


def drop_the_leaves(log):
    (log / "00000001.leaves").unlink()


def drop_a_note(log):
    (log / "00000001.note").unlink()


def drop_a_checkpoint(log):
    drop_the_leaves(log)
    drop_a_note(log)


LOG_ATTACKS = {
    forge_a_size: ProblemKind.LOG_FORGED,
    sign_with_another_key: ProblemKind.LOG_FORGED,
    break_a_note: ProblemKind.LOG_FORGED,
    edit_a_leaf: ProblemKind.LOG_DAMAGED,
    drop_a_leaf: ProblemKind.LOG_DAMAGED,
    write_a_leaf_another_way: ProblemKind.LOG_DAMAGED,
    drop_the_leaves: ProblemKind.LOG_DAMAGED,
    drop_a_note: ProblemKind.LOG_DAMAGED,
    drop_a_checkpoint: ProblemKind.LOG_DAMAGED,
}


@pytest.mark.parametrize(("attack", "kind"), LOG_ATTACKS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_an_attack_on_the_log_is_found_for_what_it_is(log, capsys, attack, kind):
    attack(log)

    status, report = run(capsys)

    assert (status, kinds(report)) == (kind.status, {kind})
    assert {(problem["conversation_id"], problem["seq"]) for problem in report["problems"]} == {(None, None)}


def test_a_damaged_log_still_accuses_with_what_is_signed_of_it(log, capsys, embedded_store):
    drop_a_note(log)
    drop_the_tail(embedded_store)

    assert kinds(run(capsys)[1]) == {"LOG_DAMAGED", "TRUNCATED"}


def test_leaves_that_nothing_signed_confirms_accuse_nobody(log, capsys, embedded_store):
    break_a_note(log)
    drop_the_tail(embedded_store)  # only the second checkpoint saw it

    assert kinds(run(capsys)[1]) == {"LOG_FORGED"}


def test_leaves_whose_note_is_still_to_be_written_are_no_damage(log, capsys):
    shutil.copy(log / "00000002.leaves", log / "00000003.leaves")

    assert run(capsys)[0] == 0


def roll_back(log, store):
    """Take the last checkpoint away, with its entry in the index."""
    for name in ("00000002.leaves", "00000002.note"):
        (log / name).unlink()
    store.delete("audit_checkpoints/00000002")


def rewrite_with_the_real_key(log, store):
    """What somebody with all keys and all rights can do: forge the chain, and write the whole log anew."""
    shutil.rmtree(log)
    store.commit([Delete("audit_checkpoints/00000001"), Delete("audit_checkpoints/00000002")])
    recompute_everything_from_the_genesis(store)
    grow(store, OTHER, 1)
    for _ in range(3):
        grow(store, OTHER, 1)
        make_checkpoint(now=datetime.now(UTC))


def remove_the_log(log, store):
    shutil.rmtree(log)
    store.commit([Delete("audit_checkpoints/00000001"), Delete("audit_checkpoints/00000002")])


@pytest.mark.parametrize("attack", [roll_back, rewrite_with_the_real_key, remove_the_log])
def test_only_who_remembers_the_log_finds_it_shortened_or_rewritten(log, state, embedded_store, capsys, attack):
    attack(log, embedded_store)

    assert run(capsys)[0] == 0
    status, report = run(capsys, "--state", state)
    assert (status, kinds(report)) == (ProblemKind.LOG_ROLLED_BACK.status, {"LOG_ROLLED_BACK"})


def test_files_that_the_index_still_knows_cannot_be_taken_away(log, capsys):
    for name in ("00000002.leaves", "00000002.note"):
        (log / name).unlink()

    assert run(capsys)[0] == ProblemKind.LOG_ROLLED_BACK.status


def test_an_index_that_nobody_signed_is_found(log, capsys, embedded_store):
    embedded_store.update("audit_checkpoints/00000002", {"note": "size 1"})

    assert run(capsys)[0] == ProblemKind.LOG_FORGED.status


def test_another_key_than_the_remembered_one_is_found(log, state, capsys, settings, embedded_store):
    remove_the_log(log, embedded_store)
    settings.AUDIT_SIGNING_KEY = "A" * 43 + "="
    make_checkpoint(now=datetime.now(UTC))

    assert run(capsys)[0] == 0
    assert run(capsys, "--state", state)[0] == ProblemKind.LOG_FORGED.status


def test_an_auditors_own_copy_and_key_convict_who_holds_all_keys(log, capsys, embedded_store, tmp_path):
    copy, key = tmp_path / "copy", tmp_path / "key"
    shutil.copytree(log, copy)
    key.write_text(f"{verifier_key()}\n")
    rewrite_with_the_real_key(log, embedded_store)

    status, report = run(capsys, "--checkpoints", str(copy), "--pubkey", str(key))

    assert (status, kinds(report)) == (ProblemKind.REWRITTEN.status, {"REWRITTEN"})


# --- what the auditor remembers ---------------------------------------------------------------------------------------


def test_the_state_is_the_newest_note_and_moves_on_with_the_log(log, state, capsys, embedded_store):
    assert Path(state).read_text() == (log / "00000002.note").read_text()
    grow(embedded_store, VICTIM, 1)
    make_checkpoint(now=datetime.now(UTC))

    assert run(capsys, "--state", state)[0] == 0

    assert Path(state).read_text() == (log / "00000003.note").read_text()


def test_a_sound_log_is_remembered_although_a_chain_is_damaged(log, capsys, embedded_store, tmp_path):
    edit_a_field(embedded_store)

    assert run(capsys, "--state", str(tmp_path / "state"))[0] == ProblemKind.EDITED.status

    assert (tmp_path / "state").read_text() == (log / "00000002.note").read_text()


@pytest.mark.parametrize("attack", [edit_a_leaf, drop_a_note, sign_with_another_key])
def test_a_log_that_is_not_sound_is_not_remembered(log, state, capsys, embedded_store, attack):
    grow(embedded_store, VICTIM, 1)
    make_checkpoint(now=datetime.now(UTC))
    before = Path(state).read_text()
    attack(log)

    assert run(capsys, "--state", state)[0] != 0

    assert Path(state).read_text() == before
    assert [file.name for file in Path(state).parent.iterdir() if "state" in file.name] == ["state"]


def test_a_state_that_nobody_signed_is_found(log, state, capsys):
    Path(state).write_text(sign_checkpoint(size=1, root=bytes(32), at=datetime.now(UTC)).replace("\n1\n", "\n0\n"))

    assert run(capsys, "--state", state)[0] == ProblemKind.LOG_FORGED.status


def test_an_empty_state_is_not_one_that_was_never_written(log, state, capsys):
    Path(state).write_text("")

    assert run(capsys, "--state", state)[0] == ProblemKind.LOG_FORGED.status
    assert Path(state).read_text() == ""


def test_what_was_found_is_told_although_the_state_cannot_be_written(log, capsys, embedded_store, tmp_path):
    nowhere = str(tmp_path / "nowhere" / "state")
    status, report = run(capsys, "--state", nowhere)
    assert (status, report["ok"]) == (2, True)

    drop_the_tail(embedded_store)
    status, report = run(capsys, "--state", nowhere)
    assert (status, kinds(report)) == (ProblemKind.TRUNCATED.status, {"TRUNCATED"})


def test_an_empty_log_is_held_against_a_remembered_empty_one(embedded_store, files, capsys, tmp_path):
    (tmp_path / "state").write_text(sign_checkpoint(size=0, root=sha256().digest(), at=datetime.now(UTC)))

    assert run(capsys, "--state", str(tmp_path / "state"))[0] == 0
