"""The client against the fake of Meta, over HTTP: every answer becomes one of four values."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from conversations.simulator.fake import FakeMeta
from conversations.whatsapp.client import (
    Accepted,
    Ambiguous,
    NotSent,
    Recipient,
    Rejected,
    WhatsAppOutboundClient,
    create_client,
)
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.messages import Button, Buttons, ListMessage, Reaction, Row, Template, Text
from tests.conversations.simulator.receiver import NUMBER, Receiver, new_fake, wait_for

TOKEN = "access-token"


@pytest.fixture
def fake() -> Iterator[FakeMeta]:
    receiver = Receiver()
    with new_fake(receiver.url) as fake:
        yield fake
    receiver.close()


class Sender:
    """One customer who has written, and our client."""

    def __init__(self, fake: FakeMeta, token: str = TOKEN) -> None:
        self.fake = fake
        self.customer = fake.add_customer()
        self.wamid = fake.write(self.customer.customer_id, {"type": "text", "text": "Oi"})
        self.client = WhatsAppOutboundClient(
            graph_url=fake.url, version="v26.0", access_token=token, connect_seconds=0.5, read_seconds=0.5
        )

    def send(self, content: Any = None, **options: Any) -> Any:
        options = {"recipient": Recipient(wa_id=self.customer.wa_id), "callback_data": "user.message"} | options
        return self.client.send_response(phone_number_id=NUMBER, content=content or Text("Olá"), **options)


@pytest.fixture
def sender(fake: FakeMeta) -> Sender:
    return Sender(fake)


@pytest.mark.parametrize(
    "content",
    [
        Text("Olá", preview_url=True),
        Buttons("Escolha", (Button("1", "Sim"),), header="Título", footer="Fim"),
        ListMessage("Escolha", "Ver", tuple(Row(str(n), "x" * 24, "y" * 72) for n in range(10))),
        Template("retorno", "pt_BR", ({"type": "body", "parameters": [{"type": "text", "text": "Bruna"}]},)),
    ],
    ids=lambda content: type(content).__name__,
)
def test_every_kind_is_accepted(sender: Sender, content: Any) -> None:
    result = sender.send(content, quoted_message_id=sender.wamid)
    assert isinstance(result, Accepted)
    accepted = sender.fake.accepted()[0]
    assert accepted["wamid"] == result.provider_message_id
    assert accepted["to"] == "+" + sender.customer.wa_id
    assert (accepted["callback_data"], accepted["quoted"]) == ("user.message", sender.wamid)


def test_reaction_lands_on_the_message(sender: Sender) -> None:
    assert isinstance(sender.send(Reaction(sender.wamid, "👍")), Accepted)
    assert sender.fake.chat(sender.customer.customer_id)[0]["reactions"] == {"business": "👍"}


def test_customer_without_phone_is_reached_by_user_id(sender: Sender) -> None:
    recipient = Recipient(bsuid=sender.customer.user_id)
    assert isinstance(sender.send(recipient=recipient), Accepted)
    assert sender.fake.accepted()[0]["customer_id"] == sender.customer.customer_id


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"mode": "429"}, Rejected(130429, ErrorClass.RETRY)),
        ({"mode": "error", "code": 131016, "status": 500}, Rejected(131016, ErrorClass.RETRY)),
        ({"mode": "error", "code": 131047, "status": 400}, Rejected(131047, ErrorClass.CHANGE_ROUTE)),
        ({"mode": "error", "code": 190, "status": 401}, Rejected(190, ErrorClass.CHANNEL_BROKEN)),
        ({"mode": "500"}, Ambiguous("code 131000, HTTP 500")),
        ({"mode": "502"}, Ambiguous("unreadable answer, HTTP 502")),
        ({"mode": "reset"}, Ambiguous("ProtocolError")),
    ],
    ids=lambda value: str(value.get("code", value["mode"])) if isinstance(value, dict) else "",
)
def test_failure_becomes_a_value_and_is_not_tried_again(sender: Sender, failure: dict[str, Any], expected: Any) -> None:
    sender.fake.misbehave({"fail_next": [failure]})
    assert sender.send() == expected
    assert sender.fake.accepted() == []
    assert sender.fake.describe_misbehaviour()["fail_next"] == []


@pytest.mark.parametrize(
    ("mode", "reason"), [("accept_then_timeout", "ReadTimeoutError"), ("accept_then_reset", "ProtocolError")]
)
def test_lost_reply_is_ambiguous_and_sent_once(sender: Sender, mode: str, reason: str) -> None:
    sender.fake.misbehave({"fail_next": [{"mode": mode}]})
    assert sender.send() == Ambiguous(reason)
    assert len(sender.fake.accepted()) == 1


def test_who_has_less_time_waits_no_longer_than_that(fake: FakeMeta) -> None:
    sender = Sender(fake)
    sender.client = WhatsAppOutboundClient(graph_url=fake.url, version="v26.0", access_token=TOKEN, read_seconds=60)
    fake.misbehave({"fail_next": [{"mode": "accept_then_timeout"}]})
    assert sender.send(timeout_seconds=0.5) == Ambiguous("ReadTimeoutError")


def test_refused_connection_was_certainly_not_sent(sender: Sender) -> None:
    assert isinstance(sender.send(), Accepted)  # leaves a connection open, which the refusal ends too
    sender.fake.misbehave({"fail_next": [{"mode": "refuse", "seconds": 0.3}]})
    assert sender.send() == NotSent("NewConnectionError")
    time.sleep(0.5)
    assert isinstance(sender.send(), Accepted)
    assert len(sender.fake.accepted()) == 2


def test_unknown_host_was_not_sent() -> None:
    client = WhatsAppOutboundClient(graph_url="http://nowhere.invalid", version="v26.0", access_token=TOKEN)
    result = client.send_response(
        phone_number_id=NUMBER, recipient=Recipient("5542"), content=Text("Oi"), callback_data="a.b"
    )
    assert result == NotSent("NameResolutionError")


def test_wrong_certificate_was_not_sent(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        thread = threading.Thread(target=refuse_handshake, args=(context, server))
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        client = WhatsAppOutboundClient(graph_url=url, version="v26.0", access_token=TOKEN)
        result = client.send_response(
            phone_number_id=NUMBER, recipient=Recipient("5542"), content=Text("Oi"), callback_data="a.b"
        )
        thread.join()
    assert result == NotSent("certificate")


def refuse_handshake(context: ssl.SSLContext, server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        context.wrap_socket(connection, server_side=True)


def self_signed(folder: Path) -> Path:
    """A certificate that nobody trusts, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
)
def test_truncated_or_empty_success_is_ambiguous(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = WhatsAppOutboundClient(
            graph_url=f"http://127.0.0.1:{server.getsockname()[1]}", version="v26.0", access_token=TOKEN, read_seconds=1
        )

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        result = client.send_response(
            phone_number_id=NUMBER, recipient=Recipient("5542"), content=Text("Oi"), callback_data="a.b"
        )
        thread.join()
    assert isinstance(result, Ambiguous)


def test_reading_and_typing_show_on_the_phone(sender: Sender) -> None:
    listener = sender.fake.events.listen()
    assert sender.client.mark_read(phone_number_id=NUMBER, provider_message_id=sender.wamid, typing=True)
    assert sender.fake.chat(sender.customer.customer_id)[0]["status"] == "read"
    wait_for(lambda: "event: typing" in (listener.get(timeout=1) or ""))
    assert not sender.client.mark_read(phone_number_id=NUMBER, provider_message_id="wamid.unknown")


def test_token_and_people_show_in_no_log_and_no_representation(
    fake: FakeMeta, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = Sender(fake, token="another-token")
    result = sender.send()
    sender.client.mark_read(phone_number_id=NUMBER, provider_message_id=sender.wamid)
    recipient = Recipient(wa_id=sender.customer.wa_id, bsuid=sender.customer.user_id)
    said = caplog.text + repr((sender.client, result, recipient, Accepted("wamid.secret")))
    assert isinstance(result, Rejected)
    for secret in ("another-token", sender.customer.wa_id, sender.customer.user_id, "wamid."):
        assert secret not in said


def test_recipient_and_callback_data_are_checked(sender: Sender) -> None:
    with pytest.raises(ValueError, match="recipient"):
        sender.send(recipient=Recipient())
    with pytest.raises(ValueError, match="callback_data"):
        sender.send(callback_data="x" * 513)


def test_one_client_a_process_for_the_settings(settings, sender: Sender) -> None:
    settings.WHATSAPP_GRAPH_URL = sender.fake.url
    settings.WHATSAPP_ACCESS_TOKEN = TOKEN
    client = create_client()
    assert create_client() is client
    sender.client = client
    assert isinstance(sender.send(), Accepted)
    settings.WHATSAPP_GRAPH_VERSION = "v25.0"
    assert create_client() is not client
