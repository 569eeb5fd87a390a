"""The webhooks of the fake: shape, signature, retries, and what goes wrong on request."""

import base64
import hashlib
import hmac
import json

import pytest

from conversations.simulator.fake import FakeMeta
from tests.conversations.simulator.receiver import NUMBER, Receiver, new_fake, wait_for


def send_text(fake: FakeMeta, to: str, text: str = "Olá", callback_data: str = "user.message") -> str:
    body = {"to": to, "type": "text", "text": {"body": text}, "biz_opaque_callback_data": callback_data}
    return fake.send(NUMBER, body)["messages"][0]["id"]


def test_delivery_is_signed_over_its_raw_bytes(fake: FakeMeta, receiver: Receiver) -> None:
    fake.write(fake.add_customer().customer_id, {"type": "text", "text": "Olá, você"})
    headers, body = wait_for(lambda: receiver.requests)[0]
    expected = hmac.new(b"app-secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={expected}"
    assert b"Ol\\u00e1" in body  # Meta escapes what is not ASCII


def test_text_has_the_shape_of_a_customer_with_a_phone(fake: FakeMeta, receiver: Receiver) -> None:
    customer = fake.add_customer("Bruna Lima")
    wamid = fake.write(customer.customer_id, {"type": "text", "text": "Oi"})
    _, body = wait_for(lambda: receiver.requests)[0]
    value = json.loads(body)["entry"][0]["changes"][0]["value"]
    assert value["metadata"]["phone_number_id"] == NUMBER
    assert value["contacts"] == [
        {"profile": {"name": "Bruna Lima"}, "wa_id": customer.wa_id, "user_id": customer.user_id}
    ]
    message = value["messages"][0]
    assert (message["from"], message["from_user_id"]) == (customer.wa_id, customer.user_id)
    assert (message["id"], message["type"], message["text"]) == (wamid, "text", {"body": "Oi"})
    assert message["timestamp"].isdigit()


def test_username_customer_shows_no_phone_anywhere(fake: FakeMeta, receiver: Receiver) -> None:
    customer = fake.add_customer("Caio", phone=False, username="caio.lima")
    fake.write(customer.customer_id, {"type": "text", "text": "Oi"})
    _, body = wait_for(lambda: receiver.requests)[0]
    value = json.loads(body)["entry"][0]["changes"][0]["value"]
    assert value["contacts"] == [{"profile": {"name": "Caio", "username": "caio.lima"}, "user_id": customer.user_id}]
    assert "from" not in value["messages"][0]
    assert customer.user_id.startswith("BR.")


def test_invented_number_loses_its_ninth_digit_where_whatsapp_drops_it(fake: FakeMeta) -> None:
    customer = fake.add_customer()
    assert (customer.phone, customer.wa_id) == ("+5542999990000", "554299990000")
    for written in ("+5542999990000", "5542999990000", "+554299990000", customer.user_id):
        send_text(fake, written)
    assert {record["customer_id"] for record in fake.accepted()} == {customer.customer_id}


def test_message_id_holds_the_number_in_base64(fake: FakeMeta) -> None:
    customer = fake.add_customer()
    wamid = fake.write(customer.customer_id, {"type": "text", "text": "Oi"})
    assert wamid.startswith("wamid.")
    assert customer.wa_id.encode() in base64.b64decode(wamid.removeprefix("wamid."))


@pytest.mark.parametrize(
    ("content", "kind", "body"),
    [
        ({"type": "list_reply", "id": "a", "title": "A"}, "interactive", {"id": "a", "title": "A"}),
        ({"type": "button_reply", "id": "b", "title": "B"}, "interactive", {"id": "b", "title": "B"}),
        ({"type": "button", "text": "Sim"}, "button", {"payload": "Sim", "text": "Sim"}),
        (
            {"type": "nfm_reply", "response_json": "{}"},
            "interactive",
            {"name": "flow", "body": "Sent", "response_json": "{}"},
        ),
    ],
)
def test_taps_have_their_own_shapes(
    fake: FakeMeta, receiver: Receiver, content: dict[str, str], kind: str, body: dict[str, str]
) -> None:
    fake.write(fake.add_customer().customer_id, content)
    message = wait_for(receiver.all)[0]
    inner = message[kind]
    assert message["type"] == kind
    assert (inner[content["type"]] if kind == "interactive" else inner) == body


@pytest.mark.parametrize("kind", ["image", "audio", "location", "contacts", "order", "system", "unsupported"])
def test_every_kind_arrives_under_its_own_key(fake: FakeMeta, receiver: Receiver, kind: str) -> None:
    wamid = fake.write(fake.add_customer().customer_id, {"type": kind})
    message = wait_for(receiver.all)[0]
    assert (message["id"], message["type"]) == (wamid, kind)
    assert message[kind]


def test_reaction_edit_and_removal_point_to_the_message(fake: FakeMeta, receiver: Receiver) -> None:
    customer_id = fake.add_customer().customer_id
    wamid = fake.write(customer_id, {"type": "text", "text": "Oi"})
    fake.write(customer_id, {"type": "reaction", "wamid": wamid, "emoji": "👍"})
    fake.write(customer_id, {"type": "reaction", "wamid": wamid, "emoji": ""})
    fake.write(customer_id, {"type": "edit", "wamid": wamid, "text": "Olá"})
    fake.write(customer_id, {"type": "revoke", "wamid": wamid})
    _, reaction, taken_back, edit, removal = wait_for(lambda: len(receiver.all()) == 5 and receiver.all())
    assert reaction["reaction"] == {"message_id": wamid, "emoji": "👍"}
    assert taken_back["reaction"] == {"message_id": wamid}
    assert edit["edit"]["original_message_id"] == removal["revoke"]["original_message_id"] == wamid
    entry = fake.chat(customer_id)[0]
    assert entry["revoked"]
    assert entry["reactions"] == {"customer": ""}


def test_tap_quotes_the_message_that_was_tapped(fake: FakeMeta, receiver: Receiver) -> None:
    customer = fake.add_customer()
    action = {"button": "Ver", "sections": [{"rows": [{"id": "row", "title": "Linha"}]}]}
    interactive = {"type": "list", "body": {"text": "Escolha"}, "action": action}
    body = {"to": customer.wa_id, "type": "interactive", "interactive": interactive}
    fake.write(customer.customer_id, {"type": "text", "text": "Oi"})
    asked = fake.send(NUMBER, body)["messages"][0]["id"]
    fake.write(customer.customer_id, {"type": "list_reply", "id": "row", "title": "Linha"})
    tap = wait_for(lambda: len(receiver.all()) == 2 and receiver.all())[1]
    assert tap["context"] == {"from": "554233330000", "id": asked}


def test_echo_comes_in_its_own_field(fake: FakeMeta, receiver: Receiver) -> None:
    customer = fake.add_customer()
    fake.write(customer.customer_id, {"type": "echo", "text": "Eu mesmo respondo"})
    _, body = wait_for(lambda: receiver.requests)[0]
    change = json.loads(body)["entry"][0]["changes"][0]
    assert change["field"] == "smb_message_echoes"
    assert change["value"]["message_echoes"][0]["to"] == customer.wa_id
    assert fake.inbound() == []


def test_refused_delivery_comes_again_until_it_is_taken(fake: FakeMeta, receiver: Receiver) -> None:
    receiver.answers = [503, 500]
    customer_id = fake.add_customer().customer_id
    wamid = fake.write(customer_id, {"type": "text", "text": "Oi"})
    wait_for(lambda: fake.chat(customer_id)[0]["status"] == "refused")
    assert fake.chat(customer_id)[0]["error"] == "HTTP 503"
    assert fake.inbound() == []
    wait_for(fake.inbound)
    assert [message["id"] for message in receiver.all()] == [wamid] * 3
    assert fake.chat(customer_id)[0]["status"] == "delivered"
    assert "error" not in fake.chat(customer_id)[0]


def test_retry_on_request_does_not_wait(fake: FakeMeta, receiver: Receiver) -> None:
    receiver.answers = [503, 503, 503]
    customer_id = fake.add_customer().customer_id
    wamid = fake.write(customer_id, {"type": "text", "text": "Oi"})
    wait_for(lambda: len(receiver.requests) == 3)  # the fourth try would come after two seconds
    wait_for(lambda: fake.retry(wamid))
    wait_for(fake.inbound, seconds=1.9)


def test_two_hundred_customers_fit_into_one_delivery(fake: FakeMeta, receiver: Receiver) -> None:
    ids = [fake.add_customer().customer_id for _ in range(200)]
    wamids = fake.deliver(ids, "Oi")
    wait_for(lambda: len(fake.inbound()) == 200)
    assert [len(messages) for messages in receiver.values()] == [200]
    assert {message["id"] for message in receiver.all()} == set(wamids)


def test_messages_of_one_customer_keep_their_order(fake: FakeMeta, receiver: Receiver) -> None:
    customer_id = fake.add_customer().customer_id
    wamids = [fake.write(customer_id, {"type": "text", "text": str(number)}) for number in range(10)]
    wait_for(lambda: len(fake.inbound()) == 10)
    assert [message["id"] for message in receiver.all()] == wamids


def test_duplicates_come_on_request(fake: FakeMeta, receiver: Receiver) -> None:
    fake.misbehave({"duplicate": 2})
    wamid = fake.write(fake.add_customer().customer_id, {"type": "text", "text": "Oi"})
    wait_for(lambda: len(receiver.requests) == 3)
    assert {message["id"] for message in receiver.all()} == {wamid}
    assert len(fake.inbound()) == 1


@pytest.mark.parametrize(("changes", "bodies"), [({"reorder": True}, 3), ({"batch": True}, 1)])
def test_reorder_and_batch_on_request(
    fake: FakeMeta, receiver: Receiver, changes: dict[str, bool], bodies: int
) -> None:
    fake.misbehave(changes)
    customer_id = fake.add_customer().customer_id
    wamids = [fake.write(customer_id, {"type": "text", "text": str(number)}) for number in range(3)]
    wait_for(lambda: len(fake.inbound()) == 3)
    expected = wamids if "batch" in changes else wamids[::-1]
    assert [message["id"] for message in receiver.all()] == expected
    assert len(receiver.values()) == bodies


def test_accepted_send_reports_sent_delivered_and_read(fake: FakeMeta, receiver: Receiver) -> None:
    customer = fake.add_customer()
    fake.write(customer.customer_id, {"type": "text", "text": "Oi"})
    wamid = send_text(fake, customer.wa_id)
    statuses = wait_for(lambda: len(receiver.all("statuses")) == 3 and receiver.all("statuses"))
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    assert {status["id"] for status in statuses} == {wamid}
    assert {status["biz_opaque_callback_data"] for status in statuses} == {"user.message"}
    assert {status["recipient_id"] for status in statuses} == {customer.wa_id}


@pytest.mark.parametrize("changes", [{"drop_statuses": True}, {"status_delay_seconds": 60}])
def test_statuses_can_be_dropped_or_late(fake: FakeMeta, receiver: Receiver, changes: dict[str, object]) -> None:
    customer = fake.add_customer()
    fake.write(customer.customer_id, {"type": "text", "text": "Oi"})
    fake.misbehave(changes)
    send_text(fake, customer.wa_id)
    fake.misbehave({"drop_statuses": False, "status_delay_seconds": 0})
    send_text(fake, customer.wa_id)
    wait_for(lambda: len(receiver.all("statuses")) == 3)
    assert {status["id"] for status in receiver.all("statuses")} == {fake.accepted()[1]["wamid"]}


@pytest.mark.parametrize(("wrote", "code"), [(False, 131047), (True, None)])
def test_free_text_fails_outside_the_window(fake: FakeMeta, receiver: Receiver, wrote: bool, code: int | None) -> None:
    customer = fake.add_customer()
    fake.write(customer.customer_id, {"type": "text", "text": "Oi", "age_seconds": 0 if wrote else 25 * 3600})
    send_text(fake, customer.wa_id)
    status = wait_for(lambda: receiver.all("statuses"))[0]
    assert status["status"] == ("failed" if code else "sent")
    assert [error["code"] for error in status.get("errors", [])] == ([code] if code else [])


def test_same_seed_invents_the_same_customers_and_ids(receiver: Receiver) -> None:
    def play() -> list[object]:
        with new_fake(receiver.url) as fake:
            customer = fake.add_customer()
            return [customer.to_dict()["user_id"], fake.write(customer.customer_id, {"type": "text", "text": "Oi"})]

    assert play() == play()


def test_state_file_keeps_chats_files_and_what_was_not_delivered(receiver: Receiver, tmp_path) -> None:
    state = tmp_path / "simulator.json"
    receiver.answers = [503] * 50
    with new_fake(receiver.url, state_path=state) as fake:
        customer_id = fake.add_customer("Bruna").customer_id
        wamid = fake.write(customer_id, {"type": "image"})
        media_id = fake.chat(customer_id)[0]["media_id"]
        wait_for(lambda: fake.chat(customer_id)[0]["status"] == "refused")
    receiver.answers = []
    with new_fake(receiver.url, state_path=state) as fake:
        assert [customer.name for customer in fake.customers()] == ["Bruna"]
        found = fake.find_media(media_id)
        assert found is not None
        assert found[1] == "image/png"
        assert wait_for(fake.inbound)[0]["wamid"] == wamid
        assert fake.write(customer_id, {"type": "text", "text": "de novo"}) != wamid
