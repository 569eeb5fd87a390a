"""Every dialogue of `dialogues/*.toml`, through the signed webhook, the worker and the documents."""

from typing import Any

import pytest
import time_machine

from pyloto.documents import DocumentStore
from tests.lab.faulty_store import FaultyStore

from .outside import Outside
from .play import Play, Script, scripts

SCRIPTS = scripts()
ON_THE_EMULATOR = 3  # its writes are slow: the first of some files


def _first_of_each_file() -> list[Script]:
    return list({script.file: script for script in reversed(SCRIPTS)}.values())[-ON_THE_EMULATOR:]


STAGES = [("embedded", script) for script in SCRIPTS] + [("firestore", script) for script in _first_of_each_file()]


@pytest.mark.parametrize(
    ("store", "script"),
    STAGES,
    indirect=["store"],
    ids=[f"{store}-{script.file}-{script.name}" for store, script in STAGES],
)
def test_dialogue(
    store: DocumentStore,
    script: Script,
    faulty: FaultyStore,
    valkey: object,
    outside: Outside,
    clock: time_machine.Traveller,
    settings: Any,
) -> None:
    settings.DELIVERY_DESK_WHATSAPP = script.desk
    settings.FLOOD_MESSAGES_MAX, settings.LOOP_TURNS_MAX = 10, 40
    play = Play(script, faulty, outside, clock)
    try:
        play.run()
    except BaseException as exc:
        exc.add_note(play.told)
        raise
    print(play.told)  # noqa: T201  (`pytest -rP` shows how each dialogue went)
    if play.wrong:
        pytest.fail(play.told, pytrace=False)


def test_each_flow_is_played_in_easy_messy_and_hostile_forms() -> None:
    forms: dict[str, set[str]] = {}
    for script in SCRIPTS:
        for intent in script.ends["intents"]:
            forms.setdefault(intent, set()).add(script.form)
    assert set(forms) == {
        "CUSTOM_SOFTWARE",
        "SAAS_COMMUNICATION",
        "PYLOTO_ENTREGA_REQUEST",
        "PYLOTO_ENTREGA_DRIVER_SIGNUP",
        "PYLOTO_ENTREGA_MERCHANT_SIGNUP",
        "INSTITUTIONAL",
        "UNSUPPORTED",
    }
    assert all(found == {"easy", "messy", "hostile"} for found in forms.values())


def test_no_two_dialogues_share_a_name() -> None:
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS) >= 60
