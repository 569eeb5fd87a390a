"""The Graph API of the fake over HTTP, without our client: what it refuses and how."""

import hashlib
import json
from typing import Any

import pytest
import urllib3

from conversations.simulator.fake import FakeMeta
from conversations.simulator.phones import BadRequest
from tests.conversations.simulator.receiver import NUMBER, wait_for

TOKEN = "access-token"


class Graph:
    def __init__(self, fake: FakeMeta) -> None:
        self.fake = fake
        self.customer = fake.add_customer()
        self.wamid = fake.write(self.customer.customer_id, {"type": "text", "text": "Oi"})

    def request(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
        response = urllib3.request(
            method,
            path if path.startswith("http") else self.fake.url + path,
            body=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}"},
            retries=False,
        )
        is_json = response.headers["Content-Type"].startswith("application/json")
        return response.status, json.loads(response.data) if is_json else response.data

    def send(self, number: str = NUMBER, token: str = TOKEN, **changes: Any) -> tuple[int, Any]:
        body = {
            "messaging_product": "whatsapp",
            "to": f"+{self.customer.wa_id}",
            "type": "text",
            "text": {"body": "Olá"},
        } | changes
        kept = {key: value for key, value in body.items() if value is not None}
        return self.request("POST", f"/v26.0/{number}/messages", kept, token)

    def interactive(self, **parts: Any) -> tuple[int, Any]:
        return self.send(type="interactive", text=None, interactive={"body": {"text": "Escolha"}, **parts})


@pytest.fixture
def graph(fake: FakeMeta) -> Graph:
    return Graph(fake)


def buttons(*titles: str, **reply: Any) -> dict[str, Any]:
    made = [{"type": "reply", "reply": {"id": f"id {n}", "title": title} | reply} for n, title in enumerate(titles)]
    return {"type": "button", "action": {"buttons": made}}


def rows(count: int, **row: Any) -> dict[str, Any]:
    made = [{"id": f"row {n}", "title": f"Linha {n}"} | row for n in range(count)]
    return {"type": "list", "action": {"button": "Ver", "sections": [{"rows": made}]}}


def test_accepted_message_gets_an_id_and_stands_on_the_phone(graph: Graph) -> None:
    status, answer = graph.send(biz_opaque_callback_data="user.message", context={"message_id": graph.wamid})
    assert status == 200
    assert answer["contacts"] == [{"input": f"+{graph.customer.wa_id}", "wa_id": graph.customer.wa_id}]
    wamid = answer["messages"][0]["id"]
    accepted = graph.fake.accepted()[0]
    assert (accepted["wamid"], accepted["callback_data"], accepted["body"]) == (wamid, "user.message", "Olá")
    last = graph.fake.chat(graph.customer.customer_id)[-1]
    assert (last["wamid"], last["text"], last["quote"]) == (wamid, "Olá", graph.wamid)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"messaging_product": None}, 100),
        ({"to": None}, 100),
        ({"type": "smoke_signal"}, 100),
        ({"surprise": 1}, 100),
        ({"text": {"body": "Olá", "colour": "red"}}, 100),
        ({"text": {"body": "x" * 4097}}, 100),
        ({"text": {"body": ""}}, 131008),
        ({"text": None}, 131008),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"context": {"message_id": "wamid.unknown"}}, 131009),
        ({"type": "reaction", "text": None, "reaction": {"message_id": "wamid.unknown", "emoji": "👍"}}, 131009),
        ({"type": "template", "text": None, "template": {"name": "Not A Name", "language": {"code": "pt_BR"}}}, 132001),
    ],
)
def test_bad_request_is_refused_with_metas_code(graph: Graph, changes: dict[str, Any], code: int) -> None:
    status, answer = graph.send(**changes)
    assert (status, answer["error"]["code"]) == (400, code)
    assert answer["error"]["type"] == "OAuthException"
    assert graph.fake.accepted() == []


@pytest.mark.parametrize(
    "parts",
    [
        buttons("1", "2", "3", "4"),
        buttons("x" * 21),
        buttons("Sim", id="x" * 257),
        buttons("Sim", "Sim"),
        buttons("Sim", "Não", id="same"),
        rows(11),
        rows(1, title="x" * 25),
        rows(1, description="x" * 73),
        rows(1, id="x" * 201),
        rows(2, id="same"),
        rows(1) | {"body": {"text": "x" * 1025}},
        rows(1) | {"footer": {"text": "x" * 61}},
        rows(1) | {"header": {"type": "text", "text": "x" * 61}},
        {"type": "list", "action": {"button": "x" * 21, "sections": [{"rows": [{"id": "a", "title": "A"}]}]}},
        {"type": "carousel", "action": {"buttons": []}},
    ],
)
def test_interactive_limits_are_enforced(graph: Graph, parts: dict[str, Any]) -> None:
    status, answer = graph.interactive(**parts)
    assert (status, answer["error"]["code"]) == (400, 131009)
    assert answer["error"]["error_data"]["details"]


@pytest.mark.parametrize("parts", [buttons("x" * 20, "2", "3"), rows(10, title="x" * 24, description="x" * 72)])
def test_interactive_at_its_limits_passes(graph: Graph, parts: dict[str, Any]) -> None:
    assert graph.interactive(**parts)[0] == 200


def test_sections_need_titles_once_there_are_two(graph: Graph) -> None:
    sections = [{"rows": [{"id": "a", "title": "A"}]}, {"title": "Dois", "rows": [{"id": "b", "title": "B"}]}]
    status, answer = graph.interactive(type="list", action={"button": "Ver", "sections": sections})
    assert (status, answer["error"]["code"]) == (400, 131008)


def test_wrong_token_number_and_path_are_refused(graph: Graph) -> None:
    status, answer = graph.send(token="another")
    assert (status, answer["error"]["code"]) == (401, 190)
    status, answer = graph.send(number="999")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 100, 33)
    status, answer = graph.request("POST", f"/v26/{NUMBER}/messages", {})
    assert (status, answer["error"]["code"]) == (400, 2500)


def test_pair_limit_refuses_the_forty_sixth_message(graph: Graph) -> None:
    graph.fake.misbehave({"messages_per_second": 0})
    assert {graph.send()[0] for _ in range(45)} == {200}
    status, answer = graph.send()
    assert (status, answer["error"]["code"]) == (400, 131056)


def test_throughput_limit_refuses_with_429(graph: Graph) -> None:
    graph.fake.misbehave({"messages_per_second": 2})
    assert [graph.send()[0] for _ in range(3)] == [200, 200, 429]


def test_unknown_recipient_is_accepted_and_then_fails(graph: Graph, receiver) -> None:
    assert graph.send(to="+5511999990000")[0] == 200
    failed = wait_for(lambda: receiver.all("statuses"))[0]
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131026)


def test_reading_marks_earlier_messages_and_refuses_unknown_ones(graph: Graph) -> None:
    second = graph.fake.write(graph.customer.customer_id, {"type": "text", "text": "Alguém?"})
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": second}
    assert graph.request("POST", f"/v26.0/{NUMBER}/messages", body) == (200, {"success": True})
    assert {entry["status"] for entry in graph.fake.chat(graph.customer.customer_id)} == {"read"}
    status, answer = graph.request("POST", f"/v26.0/{NUMBER}/messages", body | {"message_id": "wamid.unknown"})
    assert (status, answer["error"]["code"]) == (400, 131009)


def test_media_needs_the_token_twice(graph: Graph) -> None:
    data = b"\x89PNG" + bytes(100)
    media_id = graph.fake.add_media(data, "image/png")
    assert graph.request("GET", f"/v26.0/{media_id}", token="another")[0] == 401
    status, answer = graph.request("GET", f"/v26.0/{media_id}")
    assert status == 200
    assert answer["sha256"] == hashlib.sha256(data).hexdigest()
    assert (answer["mime_type"], answer["file_size"]) == ("image/png", len(data))
    assert graph.request("GET", answer["url"], token="another")[0] == 401
    assert graph.request("GET", answer["url"]) == (200, data)


def test_control_api_takes_only_json_from_its_own_page(graph: Graph) -> None:
    response = urllib3.request(
        "POST", f"{graph.fake.url}/api/customers", body=b"{}", headers={"Content-Type": "text/plain"}
    )
    assert response.status == 400
    assert len(graph.fake.customers()) == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_page_under_another_name_reads_and_sends_nothing(graph: Graph, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/api/snapshot"), ("GET", "/api/events"), ("POST", "/api/customers")):
        body = {"json": {}} if method == "POST" else {}
        response = urllib3.request(method, graph.fake.url + path, headers={"Host": host}, **body)
        assert response.status == 403
    assert len(graph.fake.customers()) == 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8001", "127.0.0.1:8001", "[::1]:8001"])
def test_page_is_open_under_the_names_of_this_machine(graph: Graph, host: str) -> None:
    for path in ("/", "/api/customers"):
        assert urllib3.request("GET", graph.fake.url + path, headers={"Host": host}).status == 200


def test_graph_api_is_open_under_any_name(graph: Graph) -> None:
    media_id = graph.fake.add_media(b"\x89PNG", "image/png")
    headers = {"Host": "simulator:8001", "Authorization": f"Bearer {TOKEN}"}
    assert urllib3.request("GET", f"{graph.fake.url}/v26.0/{media_id}", headers=headers).status == 200


@pytest.mark.parametrize("changes", [{"nonsense": 1}, {"duplicate": "two"}, {"fail_next": [{"mode": "explode"}]}])
def test_unknown_misbehaviour_is_refused(graph: Graph, changes: dict[str, Any]) -> None:
    response = urllib3.request("POST", f"{graph.fake.url}/api/misbehave", json=changes)
    assert response.status == 400


def test_invented_number_avoids_one_that_was_asked_for(graph: Graph) -> None:
    asked = graph.fake.add_customer(phone="+5542999990002")
    invented = graph.fake.add_customer()
    assert asked.phone == "+5542999990002"
    assert invented.phone == "+5542999990003"
    with pytest.raises(BadRequest):
        graph.fake.add_customer(phone="+554299990002")


def test_control_api_tells_what_went_in_and_out(graph: Graph) -> None:
    api = graph.fake.url + "/api"
    made = urllib3.request("POST", f"{api}/customers", json={"name": "Davi", "phone": "+55 11 99999-0000"}).json()
    assert made["wa_id"] == "5511999990000"
    sent = urllib3.request(
        "POST", f"{api}/customers/{made['customer_id']}/messages", json={"type": "text", "text": "Oi"}
    )
    wait_for(lambda: len(urllib3.request("GET", f"{api}/inbound").json()) == 2)
    graph.send(to="+5511999990000")
    taken = {item["customer_id"]: item["wamid"] for item in urllib3.request("GET", f"{api}/inbound").json()}
    assert taken[made["customer_id"]] == sent.json()["wamid"]  # in the order of the webhook's answers, not of writing
    assert urllib3.request("GET", f"{api}/accepted").json()[0]["customer_id"] == made["customer_id"]
    chat = urllib3.request("GET", f"{api}/customers/{made['customer_id']}/messages").json()
    assert [entry["text"] for entry in chat] == ["Oi", "Olá"]
