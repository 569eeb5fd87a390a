"""A customer's first message, from the signed delivery to the reply."""

from pyloto.documents import DocumentStore, Query, get_store

from .conftest import Outside, run_turns, user_keys
from .deliveries import envelope, post, text_message


def test_a_greeting_is_stored_and_answered_with_the_menu(
    store: DocumentStore, valkey: object, outside: Outside
) -> None:
    response = post(envelope(text_message("wamid.A", "oi")))
    assert response.status_code == 200
    run_turns(outside)
    assert len(outside.sent) == 1
    assert "Pyloto" in outside.texts[0]
    [user_key] = user_keys()
    states = {
        s.data["direction"]: s.data["state"] for s in get_store().query(Query(f"conversations/{user_key}/messages"))
    }
    assert states == {"in": "HANDLED", "out": "SENT"}


def test_second_delivery_sends_no_second_answer(store: DocumentStore, valkey: object, outside: Outside) -> None:
    for _ in range(2):
        assert post(envelope(text_message("wamid.A", "oi"))).status_code == 200
        run_turns(outside)
    assert len(outside.sent) == 1
