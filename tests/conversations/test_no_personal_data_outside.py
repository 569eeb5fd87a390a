"""Planted personal data goes through webhook and turn, and turns up in no log line, audit event, task, metric or URL."""

import base64
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.test import Client

from conversations import tasks
from conversations.services import ingest
from pyloto.documents import DocumentStore, Unavailable, use_store
from pyloto.observability.metrics import render_metrics
from tests.lab.canaries import BSUID, CPF, EMAIL, NAME, PHONE, WA_ID, find_canaries, planted_wamid

from .deliveries import envelope, post, signature, text_message
from .kept import SAMPLES, documents, stored_messages, user_keys

TEXT = f"Sou {NAME}, {PHONE}, {EMAIL}, CPF {CPF}"


class Graph:
    """Meta's API as far as a reply needs it; keeps the addresses it was asked at."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.bodies: list[str] = []
        graph, numbers = self, count(1000)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                graph.addresses.append(self.path)
                graph.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                answer = json.dumps({"success": True, "messages": [{"id": planted_wamid(next(numbers))}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def graph(settings: Any) -> Iterator[Graph]:
    graph = Graph()
    settings.WHATSAPP_GRAPH_URL = f"http://127.0.0.1:{graph.server.server_port}"
    yield graph
    graph.server.shutdown()
    graph.server.server_close()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """All that was logged since the last call, the most talkative level included."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    yield lambda: capsys.readouterr().out
    root.setLevel(level)


def planted_deliveries() -> list[bytes]:
    """Every sample with the canary's ids, name and words in it; last the echo, which silences the bot."""
    numbers = count(1)
    deliveries = []
    for path in sorted(SAMPLES.glob("*.json"), key=lambda path: (path.stem == "echo", path)):
        text = path.read_text().replace("5542999990101", WA_ID).replace("BR.6120487795311", BSUID)
        text = re.sub(
            r'"timestamp": "\d+"', f'"timestamp": "{int(time.time())}"', text
        )  # within the 24 hours of replies
        text = text.replace("Marina Exemplo", NAME).replace("marina.exemplo", EMAIL)
        text = re.sub(r"wamid\.[\w=+/]+", lambda _: planted_wamid(next(numbers)), text)
        for field in (
            "body",
            "caption",
            "filename",
            "title",
            "name",
            "address",
            "details",
            "emoji",
            "vcard",
            "description",
        ):
            text = text.replace(f'"{field}": "', f'"{field}": "{TEXT} ')
        deliveries.append(json.dumps(json.loads(text)).encode())
    return deliveries


def serve(user_key: str) -> None:
    tasks.process_conversation.apply(args=[user_key], throw=True)


def serve_all() -> None:
    for user_key in user_keys():
        serve(user_key)


def standing_in(valkey: redis.Redis) -> str:
    """Everything that Redis holds; the bodies of tasks decoded."""
    read = {
        "list": lambda key: valkey.lrange(key, 0, -1),
        "zset": lambda key: valkey.zrange(key, 0, -1),
        "set": valkey.smembers,
        "hash": valkey.hgetall,
        "string": valkey.get,
    }
    text = "\n".join(f"{key} {read[valkey.type(key)](key)}" for key in valkey.scan_iter())
    bodies = [base64.b64decode(body).decode() for body in re.findall(r'"body": ?"([\w=+/]+)"', text)]
    assert all(json.loads(body)[0] for body in bodies)
    return "\n".join([text, *bodies])


def test_webhook_and_turn_leave_no_trace_of_a_person(
    embedded_store: DocumentStore, valkey: redis.Redis, graph: Graph, lines: Any
) -> None:
    *deliveries, echo = planted_deliveries()
    for delivery in deliveries:
        assert post(delivery).status_code == 200
    rung = standing_in(valkey)
    serve_all()
    assert post(echo).status_code == 200
    rung += standing_in(valkey)
    serve_all()
    assert graph.bodies
    assert f'[["{user_keys()[0]}"]' in rung  # the arguments of a task, decoded
    logged = lines()
    assert "delivery_stored" in logged
    assert "turn_done" in logged
    assert "echoes_recorded" in logged
    trail = [json.dumps(snapshot.data, default=str) for snapshot in documents("audit_logs")]
    assert len(trail) > 2
    paths = [snapshot.path for name in COLLECTIONS for snapshot in documents(name, group=True)]
    for place in (logged, *trail, rung, standing_in(valkey), *graph.addresses, *paths):
        assert find_canaries(place) == []
    assert find_canaries(render_metrics().decode()) == []


COLLECTIONS = (
    "messages", "conversations", "identities", "user_profiles", "sessions", "handoffs", "audit_logs", "classifications",
    "webhook_quarantine",
)  # fmt: skip


def test_the_canaries_were_really_there(embedded_store: DocumentStore, valkey: object, graph: Graph) -> None:
    *deliveries, echo = planted_deliveries()
    for delivery in deliveries:
        post(delivery)
    serve_all()
    post(echo)
    serve_all()
    assert {"phone", "name", "e-mail"} <= set(find_canaries(str([message.text for message in stored_messages()])))
    assert "phone" in find_canaries("".join(graph.bodies))


@pytest.mark.parametrize(
    "body",
    [
        TEXT.encode("utf-16"),
        json.dumps(envelope(text_message(planted_wamid(), TEXT, wa_id=WA_ID))).encode()[:-5],
        json.dumps(envelope({"id": planted_wamid(), "from": WA_ID, "text": {"body": TEXT}})).encode(),
        json.dumps({"object": NAME, TEXT: PHONE}).encode(),
        json.dumps(envelope(statuses=[{"id": planted_wamid(), "status": "odd", "recipient_id": WA_ID}])).encode(),
        json.dumps(envelope(errors=[{"code": 1, "title": TEXT}, TEXT])).encode(),
    ],
)
def test_what_is_quarantined_is_not_quoted(
    embedded_store: DocumentStore, valkey: object, lines: Any, body: bytes
) -> None:
    assert post(body).status_code == 200
    assert find_canaries(lines()) == []
    kept = [{name: v for name, v in s.data.items() if name != "body"} for s in documents("webhook_quarantine")]
    assert find_canaries(str(kept)) == []


def test_failures_quote_nobody(
    embedded_store: DocumentStore, valkey: object, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise KeyError(TEXT, planted_wamid())

    body = json.dumps(envelope(text_message(planted_wamid(), TEXT, wa_id=WA_ID))).encode()
    refused = Client().post(f"/webhooks/whatsapp?de={PHONE}", body, content_type="application/json")
    monkeypatch.setattr(ingest, "resolve_senders", fail)
    headers = {"X-Hub-Signature-256": signature(body)}
    client = Client(raise_request_exception=False)
    broken = client.post("/webhooks/whatsapp", body, content_type="application/json", headers=headers)
    assert (refused.status_code, broken.status_code) == (403, 500)
    assert find_canaries(lines() + broken.content.decode()) == []


def test_a_store_that_fails_quotes_nobody(valkey: object, embedded_store: DocumentStore, lines: Any) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise Unavailable("no answer") from ValueError(TEXT)

    cache.clear()
    with use_store(Failing()):  # type: ignore[arg-type]
        assert post(envelope(text_message(planted_wamid(), TEXT, wa_id=WA_ID))).status_code == 503
    assert find_canaries(logged := lines()) == []
    assert "delivery_not_stored" in logged
