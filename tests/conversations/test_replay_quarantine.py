"""`manage.py replay_quarantine`: what could not be read once is taken in when it can be."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.services import ingest, quarantine
from conversations.services.ingest import _quarantine_body
from pyloto.documents import Unavailable
from tests.lab.faulty_store import FaultyStore

from .customer import Customer
from .deliveries import envelope, post, text_message
from .kept import quarantined, stored_messages

PHONE = "5542999990001"
# Nothing here depends on the adapter; the emulator takes four times as long.
on_one_store = pytest.mark.parametrize("store", ["embedded"], indirect=True)


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*options: str) -> dict[str, Any]:
        capsys.readouterr()
        call_command("replay_quarantine", "--json", *options)
        output = capsys.readouterr().out
        assert PHONE not in output
        return json.loads(output.strip().splitlines()[-1])  # type: ignore[no-any-return]

    return run


def of_another_number(*wamids: str) -> None:
    """A delivery for a number that is not configured (yet)."""
    delivery = envelope(*(text_message(wamid, "oi", wa_id=PHONE) for wamid in wamids))
    delivery["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "999"
    assert post(delivery).status_code == 200
    assert [entry.reason for entry in quarantined()] == ["unknown_phone_number_id"]


def test_what_can_be_read_by_now_is_stored_and_leaves_the_quarantine(
    customer: Customer, settings: Any, replay: Any
) -> None:
    of_another_number("wamid.1", "wamid.2")
    settings.WHATSAPP_PHONE_NUMBER_IDS = [*settings.WHATSAPP_PHONE_NUMBER_IDS, "999"]
    report = replay()
    assert (report["replayed"], report["stored"], quarantined()) == (1, 2, [])
    customer.is_served()
    assert customer.header.phone_number_id == "999"
    assert len(customer.outside.sent) == 1


@on_one_store
def test_what_still_cannot_be_read_stays(customer: Customer, replay: Any) -> None:
    of_another_number("wamid.1")
    report = replay()
    assert (report["unreadable"], report["kept"]) == (1, {"unknown_phone_number_id": 1})
    assert len(quarantined()) == 1


@on_one_store
def test_a_dry_run_changes_nothing(customer: Customer, settings: Any, replay: Any) -> None:
    of_another_number("wamid.1")
    settings.WHATSAPP_PHONE_NUMBER_IDS = [*settings.WHATSAPP_PHONE_NUMBER_IDS, "999"]
    report = replay("--dry-run")
    assert (report["replayed"], report["stored"]) == (1, 0)
    assert (len(quarantined()), stored_messages()) == (1, [])


@on_one_store
def test_one_bad_message_is_taken_in_with_the_number_that_it_came_to(
    customer: Customer, settings: Any, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WHATSAPP_PHONE_NUMBER_IDS = ["106540352242922", "999"]
    with monkeypatch.context() as until_the_update:
        until_the_update.setattr("conversations.whatsapp.split._message", lambda *_: int("no number"))
        assert post(envelope(text_message("wamid.1", "oi", wa_id=PHONE))).status_code == 200
    [entry] = quarantined()
    assert (entry.reason, entry.phone_number_id) == ("bad_messages_ValueError", "106540352242922")
    assert replay()["stored"] == 1
    [message] = stored_messages()
    assert (message.text, message.phone_number_id) == ("oi", "106540352242922")


@on_one_store
def test_a_delivery_of_too_much_that_cannot_be_read_is_taken_in_whole(
    customer: Customer, settings: Any, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "UNREADABLE_MAX", 3)
    delivery = envelope(*({"no": number} for number in range(5)), text_message("wamid.1", "oi", wa_id=PHONE))
    with monkeypatch.context() as until_the_update:
        until_the_update.setattr("conversations.whatsapp.split._message", lambda *_: int("no number"))
        assert post(delivery).status_code == 200
        assert [entry.reason for entry in quarantined()] == ["too_many_unreadable"]
        assert replay()["unreadable"] == 1  # still too much, and not split into as many entries
        assert [entry.reason for entry in quarantined()] == ["too_many_unreadable"]
    monkeypatch.setattr(ingest, "UNREADABLE_MAX", 10)
    assert replay()["stored"] == 1
    assert [message.text for message in stored_messages()] == ["oi"]
    assert {entry.reason for entry in quarantined()} == {"bad_messages_ValidationError"}


@on_one_store
def test_a_part_with_too_much_that_cannot_be_read_stays_one_entry(
    customer: Customer, settings: Any, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "UNREADABLE_MAX", 3)
    delivery = envelope(*({"no": number} for number in range(5)))
    delivery["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "999"
    post(delivery)
    settings.WHATSAPP_PHONE_NUMBER_IDS = [*settings.WHATSAPP_PHONE_NUMBER_IDS, "999"]
    assert replay()["replayed"] == 1  # known by now, and put aside for what is wrong with it now
    assert [entry.reason for entry in quarantined()] == ["too_many_unreadable"]
    assert replay()["kept"] == {"too_many_unreadable": 1}


@on_one_store
def test_a_body_that_no_decoder_took_is_taken_in_byte_for_byte(
    customer: Customer, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(envelope(text_message("wamid.1", "olá 👋", wa_id=PHONE))).encode()
    _quarantine_body(body, "too_deep", received_at=timezone.now(), correlation_id="c")
    assert (replay()["replayed"], quarantined()) == (1, [])
    assert [message.text for message in stored_messages()] == ["olá 👋"]


@on_one_store
def test_a_body_that_is_no_delivery_at_all_stays(customer: Customer, replay: Any) -> None:
    _quarantine_body(b'{"object": \xff', "not_utf8", received_at=timezone.now(), correlation_id="c")
    _quarantine_body(b"[1, 2", "not_json", received_at=timezone.now(), correlation_id="c")
    assert replay()["kept"] == {"not_json": 1, "not_utf8": 1}


@on_one_store
def test_a_part_that_is_still_bad_is_put_aside_by_itself(customer: Customer, settings: Any, replay: Any) -> None:
    delivery = envelope(text_message("wamid.1", "oi", wa_id=PHONE), {"id": "wamid.2", "no": "message"})
    delivery["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "999"
    post(delivery)
    settings.WHATSAPP_PHONE_NUMBER_IDS = [*settings.WHATSAPP_PHONE_NUMBER_IDS, "999"]
    assert replay()["stored"] == 1
    assert [entry.reason for entry in quarantined()] == ["bad_messages_ValidationError"]
    assert replay()["unreadable"] == 1
    assert len(quarantined()) == 1


@on_one_store
def test_a_run_that_is_killed_after_storing_stores_nothing_twice(
    customer: Customer, settings: Any, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another_number("wamid.1")
    settings.WHATSAPP_PHONE_NUMBER_IDS = [*settings.WHATSAPP_PHONE_NUMBER_IDS, "999"]
    with monkeypatch.context() as killed:
        killed.setattr(quarantine, "delete", lambda entry: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            replay()
    report = replay()
    assert (report["stored"], report["duplicates"], len(stored_messages()), quarantined()) == (0, 1, 1, [])


@on_one_store
def test_a_store_that_does_not_answer_is_status_2_and_a_missing_key_status_1(
    customer: Customer, settings: Any, replay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another_number("wamid.1")
    with monkeypatch.context() as away:
        away.setattr(FaultyStore, "query", lambda *_: (_ for _ in ()).throw(Unavailable("no answer")))
        with pytest.raises(CommandError) as error:
            replay()
    assert error.value.returncode == 2
    settings.PRIVACY_KEYS = settings.PRIVACY_KEYS.replace("1:", "2:", 1)
    with pytest.raises(CommandError) as error:
        replay()
    assert error.value.returncode == 1
    assert len(quarantined()) == 1
