"""What goes into the log of checkpoints, and what stops it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as project_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from audit import checkpoints, signing, stores
from audit.checkpoints import MARGIN, CheckpointRefused, make_checkpoint
from audit.checks import check_shared_storage
from audit.stores import AuditLogStore, CheckpointStore
from audit.tasks import write_audit_checkpoint
from audit.verify_trail import leaf_bytes, verify_note
from pyloto import write_once
from pyloto.documents import Unavailable, get_store
from pyloto.errors import TransientError
from pyloto.start_up import require_checks

from .log_files import read_log

NOW = datetime.now(UTC)  # the files' times are the system's own
HOUR = timedelta(hours=1)


def overwrite(storage, name, content):
    storage.delete(name)
    storage.save(name, ContentFile(content))


def age_files(storage, number, at):
    os.utime(storage.path(f"checkpoints/{number:08d}.leaves"), (at.timestamp(), at.timestamp()))


@pytest.fixture
def alerts(monkeypatch):
    """The alerts, by their names."""
    raised = []
    for module in ("audit.checkpoints", "audit.tasks"):
        monkeypatch.setattr(f"{module}.alert", lambda event, **ids: raised.append(event))
    return raised


# --- what is signed ---------------------------------------------------------------------------------------------------


def test_a_checkpoint_holds_the_head_of_each_chain(store, files, happen):
    happen("b", "a", "a", "system")

    checkpoint = make_checkpoint(now=NOW)

    assert read_log().heads == [("a", 2), ("b", 1), ("system", 1)]
    assert (checkpoint.number, checkpoint.size, checkpoint.new_leaves) == (1, 3, 3)
    assert checkpoint.note == read_log().notes[1]
    assert checkpoint.observed_until == NOW - MARGIN  # what was committed late is read again


def test_the_next_one_holds_only_what_is_new(store, files, happen, monkeypatch):
    monkeypatch.setattr(stores, "PAGE_SIZE", 2)
    happen("a", "b", "c")
    make_checkpoint(now=NOW)
    happen("b", "d", "b", at=NOW + HOUR)

    checkpoint = make_checkpoint(now=NOW + HOUR)

    assert (checkpoint.size, checkpoint.new_leaves) == (5, 2)
    assert read_log().heads == [("a", 1), ("b", 1), ("c", 1), ("b", 3), ("d", 1)]
    assert CheckpointStore().newest().number == 2


def test_the_log_grows_in_a_bucket_as_in_a_directory(embedded_store, bucket, happen):
    for hour in range(3):
        happen("a", "b", at=NOW + hour * HOUR)
        make_checkpoint(now=NOW + hour * HOUR)

    assert read_log().heads == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]


def test_nothing_new_writes_nothing(embedded_store, files, happen):
    assert make_checkpoint(now=NOW) is None
    happen("a")
    make_checkpoint(now=NOW)

    assert make_checkpoint(now=NOW) is None
    assert make_checkpoint(now=NOW + 5 * HOUR) is None
    assert len(read_log().notes) == 1


def test_an_event_from_the_future_is_reported_and_signed_once(embedded_store, files, happen, alerts):
    happen("ahead", at=NOW + 9 * HOUR)
    for hour in range(4):
        happen("a", at=NOW + hour * HOUR)
        checkpoint = make_checkpoint(now=NOW + hour * HOUR)
        age_files(files, checkpoint.number, NOW + hour * HOUR)

    assert make_checkpoint(now=NOW + 4 * HOUR) is None
    assert read_log().heads == [("a", 1), ("ahead", 1), ("a", 2), ("a", 3), ("a", 4)]
    assert alerts == ["audit_events_ahead_of_time"] * 5


def test_an_event_that_was_committed_late_is_still_signed(embedded_store, files, happen):
    happen("a")
    make_checkpoint(now=NOW)
    happen("late", at=NOW - timedelta(minutes=10))

    make_checkpoint(now=NOW + HOUR)

    assert read_log().heads == [("a", 1), ("late", 1)]


def test_the_head_is_the_highest_number_whatever_the_clocks_said(embedded_store, files, happen):
    happen("a", at=NOW)
    happen("a", at=NOW - timedelta(minutes=1))

    make_checkpoint(now=NOW)

    assert read_log().heads == [("a", 2)]


def test_a_chain_that_was_written_anew_is_signed_beside_what_it_was(embedded_store, files, happen):
    happen("a", at=NOW - timedelta(minutes=1))
    make_checkpoint(now=NOW)
    get_store().delete("audit_logs/a-000000000001")
    happen("a")

    make_checkpoint(now=NOW)

    assert read_log().heads == [("a", 1), ("a", 1)]


def test_what_is_no_event_does_not_keep_the_others_from_being_signed(embedded_store, files, happen, alerts):
    happen("a")
    event = get_store().get("audit_logs/a-000000000001").data
    for document_id, change in {
        "a-000000000009": {"seq": 8},
        "x-000000000001": {"conversation_id": None},
        "y-000000000001": {"conversation_id": "y", "seq": True},
        "z-000000000001": {"conversation_id": "z", "current_hash": "short"},
        "..-000000000001": {"conversation_id": ".."},
    }.items():
        get_store().create(f"audit_logs/{document_id}", event | change)

    make_checkpoint(now=NOW)

    assert read_log().heads == [("a", 1)]
    assert alerts == ["audit_events_malformed"]


def test_the_note_says_when_its_leaves_were_written(embedded_store, files, happen):
    happen("a")

    note = verify_note(make_checkpoint(now=NOW).note, signing.verifier_key())

    (line,) = note.extensions
    assert abs(datetime.strptime(line, "time %Y-%m-%dT%H:%M:%S%z") - datetime.now(UTC)) < timedelta(minutes=5)


# --- what does not fit together ---------------------------------------------------------------------------------------


@pytest.fixture
def signed(embedded_store, files, happen):
    """Two checkpoints, and an event that waits for the third."""
    for chain in ("a", "b"):
        happen(chain)
        make_checkpoint(now=NOW)
    happen("c")
    return files


def forge(store, name, change):
    path = f"audit_checkpoints/{name}"
    store.update(path, change)


DAMAGE = {
    "the note before was changed": lambda s: overwrite(
        s, "checkpoints/00000002.note", write_once.read(s, "checkpoints/00000002.note").replace(b"\n2\n", b"\n3\n")
    ),
    "the note before is gone": lambda s: s.delete("checkpoints/00000002.note"),
    "the leaves before are gone": lambda s: s.delete("checkpoints/00000002.leaves"),
    "the note before is an older one": lambda s: overwrite(
        s, "checkpoints/00000002.note", write_once.read(s, "checkpoints/00000001.note")
    ),
    "the index has another note": lambda s: forge(
        get_store(), "00000002", {"note": write_once.read(s, "checkpoints/00000001.note").decode()}
    ),
    "the index knows a later one": lambda s: get_store().create(
        "audit_checkpoints/00000009", get_store().get("audit_checkpoints/00000002").data | {"number": 9}
    ),
    "a note of an unknown key is there": lambda s: plant_note(
        s, b"pyloto/audit\n3\n" + b"A" * 43 + b"=\n\nno signature\n"
    ),
    "a note of ours that does not follow is there": lambda s: plant_note(
        s, signing.sign_checkpoint(size=3, root=b"r" * 32, at=NOW).encode()
    ),
    "a note without leaves is there": lambda s: s.save("checkpoints/00000003.note", ContentFile(b"x")),
    "leaves of no event are there": lambda s: plant(s, b'{"conversation_id":"c","hash":"%s","seq":1}\n' % (b"0" * 64)),
    "half a line of leaves is there": lambda s: plant(s, b'{"conversation_id":"c","hash":"'),
    "leaves out of order are there": lambda s: plant(s, _leaf("c") + _leaf("b")),
    "leaves in another form are there": lambda s: plant(s, _leaf("c").replace(b":", b": ")),
    "an empty file of leaves is there": lambda s: plant(s, b""),
    "leaves are no text": lambda s: plant(s, b"\xff\n"),
}


def _leaf(chain):
    return leaf_bytes(AuditLogStore().tail(chain)) + b"\n"


def plant(storage, leaves):
    storage.save("checkpoints/00000003.leaves", ContentFile(leaves))


def plant_note(storage, note):
    plant(storage, _leaf("c"))
    storage.save("checkpoints/00000003.note", ContentFile(note))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_nothing_is_signed_on_top_of_what_does_not_fit(signed, alerts, monkeypatch, damage):
    damage(signed)
    monkeypatch.setattr(checkpoints, "sign_checkpoint", lambda **fields: pytest.fail("signed"))

    with pytest.raises(CheckpointRefused):
        make_checkpoint(now=NOW)

    assert alerts == ["audit_checkpoint_inconsistent"]
    with pytest.raises(CheckpointRefused):  # and it stays so until somebody looks
        make_checkpoint(now=NOW)


def test_a_changed_frontier_in_the_index_is_counted_again_out_of_the_leaves(signed):
    forge(get_store(), "00000002", {"frontier": ["00" * 32]})

    make_checkpoint(now=NOW)

    assert read_log().heads == [("a", 1), ("b", 1), ("c", 1)]


def test_leaves_that_were_changed_are_noticed_when_they_are_counted_again(signed, alerts):
    forge(get_store(), "00000002", {"frontier": None})
    overwrite(signed, "checkpoints/00000001.leaves", _leaf("c"))

    with pytest.raises(CheckpointRefused, match="Checkpoint 1 does not follow"):
        make_checkpoint(now=NOW)


def test_an_older_note_that_was_changed_in_the_index_is_noticed_when_all_is_counted_again(signed, alerts):
    forge(get_store(), "00000001", {"note": "another"})
    forge(get_store(), "00000002", {"frontier": []})

    with pytest.raises(CheckpointRefused, match="Checkpoint 1 is another one in the index"):
        make_checkpoint(now=NOW)


def test_an_index_that_claims_to_have_seen_the_future_hides_no_chain(signed):
    forge(get_store(), "00000002", {"observed_until": NOW + 9 * HOUR})

    make_checkpoint(now=NOW)

    assert ("c", 1) in read_log().heads


def test_leaves_that_are_gone_are_noticed_when_they_are_counted_again(signed, alerts):
    forge(get_store(), "00000002", {"frontier": None})
    for number in (1, 2):
        signed.delete(f"checkpoints/0000000{number}.leaves")
    signed.delete("checkpoints/00000001.note")

    with pytest.raises(CheckpointRefused, match="Checkpoint 1 is indexed, and its files are gone"):
        make_checkpoint(now=NOW)


def test_an_index_that_was_lost_is_made_again_out_of_the_files(signed, happen):
    before = [CheckpointStore().get(number) for number in (1, 2)]
    for number in (1, 2):
        get_store().delete(f"audit_checkpoints/{number:08d}")

    make_checkpoint(now=NOW)

    after = [CheckpointStore().get(number) for number in (1, 2)]
    assert [(c.note, c.root, c.size, c.frontier) for c in after] == [
        (c.note, c.root, c.size, c.frontier) for c in before
    ]
    assert read_log().heads == [("a", 1), ("b", 1), ("c", 1)]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_new_key_goes_on_where_the_old_one_is_known(signed, settings):
    old = str(signing.verifier_key())
    settings.AUDIT_SIGNING_KEY = "bmV3LWtleS1vZi10aGUtdGVzdHMtb2YtMzItYnl0ZXM="
    with pytest.raises(CheckpointRefused, match="none of our keys"):
        make_checkpoint(now=NOW)

    settings.AUDIT_PREVIOUS_PUBLIC_KEYS = [old]
    checkpoint = make_checkpoint(now=NOW)

    assert verify_note(checkpoint.note, signing.verifier_key()).size == 3
    assert verify_note(CheckpointStore().get(2).note, old).size == 2


@pytest.fixture
def ready(settings):
    """Nothing else stops the start: Django's test runner sets DEBUG to False, and the Graph API of the tests is no https."""
    settings.WHATSAPP_GRAPH_URL = "https://graph.facebook.com"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("AUDIT_SIGNING_KEY", "not base64!"),
        ("AUDIT_SIGNING_KEY", "c2hvcnQ="),
        ("AUDIT_ORIGIN", "two words"),
        ("AUDIT_ORIGIN", "a+b"),
        ("AUDIT_SIGNING_KEY", ""),
        ("AUDIT_PUBLIC_KEY", "nonsense"),
        ("AUDIT_PUBLIC_KEY", str(signing.VerifierKey("another/log", b"k" * 32))),
        ("AUDIT_PUBLIC_KEY", str(signing.VerifierKey("pyloto/audit", b"k" * 32))),
        ("AUDIT_PREVIOUS_PUBLIC_KEYS", ["nonsense"]),
        ("AUDIT_PREVIOUS_PUBLIC_KEYS", [str(signing.VerifierKey("another/log", b"k" * 32))]),
    ],
)
def test_a_key_that_cannot_be_used_stops_the_start(ready, settings, setting, value):
    require_checks()
    setattr(settings, setting, value)

    with pytest.raises(ImproperlyConfigured, match=setting):
        require_checks()


@pytest.fixture
def only_public_key(settings):
    settings.AUDIT_PUBLIC_KEY = str(signing.verifier_key())
    settings.AUDIT_SIGNING_KEY = ""


def test_who_only_verifies_needs_no_signing_key(ready, signed, only_public_key, capsys, settings):
    require_checks()
    call_command("audit_verify", "--json")
    call_command("audit_checkpoint", "--public-key")

    printed = capsys.readouterr().out
    assert '"ok": true' in printed or '"ok":true' in printed
    assert settings.AUDIT_PUBLIC_KEY in printed


def test_who_has_no_signing_key_signs_nothing_and_says_so(signed, only_public_key, alerts):
    with pytest.raises(CommandError, match="AUDIT_SIGNING_KEY is not set"):
        call_command("audit_checkpoint")
    with pytest.raises(ImproperlyConfigured, match="AUDIT_SIGNING_KEY is not set"):
        write_audit_checkpoint()

    assert alerts == ["audit_checkpoint_failed"]
    assert not signed.exists("checkpoints/00000003.leaves")


def test_processes_start_with_the_public_key_alone(tmp_path):
    program = "import django; django.setup(); from pyloto.start_up import require_checks; require_checks()"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "pyloto.settings", "AUDIT_SIGNING_KEY": ""}

    def start(**variables):
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=project_settings.BASE_DIR, env=environment | variables, capture_output=True, check=False
        )

    assert start(AUDIT_PUBLIC_KEY=str(signing.verifier_key())).returncode == 0
    assert b"Neither AUDIT_SIGNING_KEY" in start().stderr


def test_a_deployment_whose_machines_may_not_share_the_files_is_warned(settings):
    settings.DOCUMENTS_BACKEND = "firestore"

    assert [warning.id for warning in check_shared_storage()] == ["audit.W001"]
    settings.EXPORTS_BUCKET = "a-bucket"
    assert check_shared_storage() == []


# --- commands, jobs, settings -----------------------------------------------------------------------------------------


def test_the_command_writes_a_checkpoint_and_prints_it(embedded_store, files, happen, capsys):
    happen("a")
    call_command("audit_checkpoint", "--json")
    printed = json.loads(capsys.readouterr().out)
    call_command("audit_checkpoint", "--public-key")
    vkey = capsys.readouterr().out.strip()
    call_command("audit_checkpoint")

    assert (printed["written"], printed["number"], printed["size"]) == (True, 1, 1)
    assert verify_note(printed["note"], vkey).root.hex() == printed["root"]
    assert "Nothing new" in capsys.readouterr().out


def test_the_command_tells_a_refusal_from_an_outage_by_its_exit_status(signed, monkeypatch):
    def down(*args):
        raise write_once.StorageUnavailable("down")

    monkeypatch.setattr(checkpoints, "save_once", down)
    with pytest.raises(CommandError) as outage:
        call_command("audit_checkpoint")
    signed.delete("checkpoints/00000002.note")
    with pytest.raises(CommandError) as refusal:
        call_command("audit_checkpoint")

    assert (outage.value.returncode, refusal.value.returncode) == (2, 1)


def test_the_job_alerts_once_where_it_fails(signed, alerts, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(AuditLogStore, "since", lambda self, at: (_ for _ in ()).throw(Unavailable("down")))
        with pytest.raises(TransientError):
            write_audit_checkpoint()
    signed.delete("checkpoints/00000002.note")
    with pytest.raises(CheckpointRefused):
        write_audit_checkpoint()

    assert alerts == ["audit_checkpoint_failed", "audit_checkpoint_inconsistent"]


def test_the_job_signs_what_is_new(embedded_store, files, happen):
    happen("a")

    assert write_audit_checkpoint() == "Wrote checkpoint 1"
    assert write_audit_checkpoint() == "Nothing new"


def test_the_settings_lead_to_the_bucket_that_they_name(gcs, monkeypatch):
    """In a process of its own: the settings are read when it starts."""
    monkeypatch.setenv("EXPORTS_BUCKET", gcs.options()["bucket_name"])
    program = """
import django; django.setup()
from django.core.files.storage import storages
from pyloto.write_once import save_once, read
storage = storages["exports"]
print(type(storage).__name__, save_once(storage, "a/b", b"1"), save_once(storage, "a/b", b"2"), read(storage, "a/b"))
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=project_settings.BASE_DIR, capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "GoogleCloudStorage True False b'1'"
    assert gcs.storage().exists("a/b")
