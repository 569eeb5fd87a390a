"""Where files are fetched from, and where never: the token goes nowhere else."""

import datetime as dt
import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conversations.simulator.fake import FakeMeta
from conversations.whatsapp import media
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.media import (
    AddressRefused,
    GraphRefused,
    LinkEnded,
    MediaClient,
    MediaGone,
    MediaTooLarge,
    MediaUnreachable,
    is_public,
    public_addresses,
)
from tests.conversations.files import PNG, a_fake, client_of

HOST = "lookaside.fbsbx.com"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeMeta]:
    with a_fake() as fake:
        yield fake


@pytest.fixture
def fake(running: FakeMeta) -> FakeMeta:
    running.misbehave({"media_next": []})
    return running


@pytest.fixture
def client(fake: FakeMeta) -> MediaClient:
    return client_of(fake)


def read(client: MediaClient, url: str, max_bytes: int = 1_000_000) -> bytes:
    with client.open(url, max_bytes=max_bytes) as parts:
        return b"".join(parts)


# --- addresses --------------------------------------------------------------------------------------------------------
@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be connected to, or even looked up."""

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(media.socket, "getaddrinfo", fail)
    monkeypatch.setattr(media.urllib3, "HTTPSConnectionPool", fail)
    monkeypatch.setattr(media.urllib3, "HTTPConnectionPool", fail)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://evil.example/x", "host"),
        (f"https://{HOST}.evil.example/x", "host"),
        (f"https://evil-{HOST}/x", "host"),
        (f"https://sub.{HOST}/x", "host"),
        (f"https://{HOST}./x", "host"),
        (f"https://{HOST}%2eevil.example/x", "host"),
        (f"https://{HOST}@evil.example/x", "userinfo"),
        (f"https://{HOST}:443@evil.example/x", "userinfo"),
        (f"https://evil.example@{HOST}/x", "userinfo"),
        (f"https://@{HOST}/x", "userinfo"),
        (f"https://evil.example\\@{HOST}/x", "unreadable"),
        (f"https://{HOST}\\.evil.example/x", "unreadable"),
        (f"https://{HOST}/x\r\nHost: evil.example", "unreadable"),
        (f"https://{HOST}/x y", "unreadable"),
        ("https://lookaside.fbsbx.com\u3002evil.example/x", "unreadable"),
        ("https://look\u0430side.fbsbx.com/x", "unreadable"),  # a Cyrillic letter
        (f"https://evil.example#@{HOST}/x", "host"),
        (f"https://evil.example?@{HOST}/x", "host"),
        (f"http://{HOST}/x", "scheme"),
        (f"ftp://{HOST}/x", "scheme"),
        (f"//{HOST}/x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "scheme"),
        (f"{HOST}/x", "scheme"),
        (f"https://{HOST}:8443/x", "port"),
        (f"https://{HOST}:99999/x", "port"),
        (f"https://{HOST}:0/x", "port"),
        ("https://127.0.0.1/x", "host"),
        ("https://2130706433/x", "host"),
        ("https://0x7f000001/x", "host"),
        ("https://[::1]/x", "host"),
        ("https://[::1/x", "unreadable"),
        ("https://169.254.169.254/latest/meta-data/", "host"),
        ("https://metadata.google.internal/computeMetadata/v1/", "host"),
        ("https://localhost/x", "host"),
        ("http://127.0.0.1:1/x", "scheme"),
        ("https:///x", "scheme"),
        ("", "unreadable"),
        (f"https://{HOST}/" + "x" * 5000, "unreadable"),
    ],
)
def test_nothing_is_fetched_from_anywhere_else(
    fake: FakeMeta, client: MediaClient, no_connection: None, url: str, reason: str
) -> None:
    with pytest.raises(AddressRefused) as refused:
        read(client, url)
    assert refused.value.reason == reason
    assert fake.access_token not in str(refused.value)


def test_the_origin_of_the_graph_api_is_one_to_the_very_port(fake: FakeMeta, client: MediaClient) -> None:
    media_id = fake.add_media(PNG, "image/png")
    url = client.describe(media_id).url
    assert url.startswith(fake.url)
    assert read(client, url) == PNG
    elsewhere = url.replace(fake.url, fake.url[:-1] + str((int(fake.url[-1]) + 1) % 10))
    for other in (url.replace("http:", "https:"), url.replace("127.0.0.1", "localhost"), elsewhere):
        with pytest.raises(AddressRefused):
            read(client, other)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("157.240.12.53", True),
        ("2a03:2880:f10c:83:face:b00c:0:25de", True),
        *[
            (address, False)
            for address in (
                *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
                *("224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "::1", "::", "fe80::1"),
                *("fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
                *("64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "100::1"),
                *("2001:0:4136:e378:8000:63bf:f5ff:fffe", "x", ""),
            )
        ],
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["157.240.12.53", "10.0.0.1"], ["::ffff:169.254.169.254"], ["fd00::1", "157.240.1.1"]]
)
def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(
    fake: FakeMeta, client: MediaClient, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr(media.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (a, 443)) for a in addresses])
    with pytest.raises(AddressRefused) as refused:
        read(client, f"https://{HOST}/x")
    assert (refused.value.reason, refused.value.host) == ("private_address", HOST)


def test_a_name_that_nobody_knows_may_come_back(fake: FakeMeta, client: MediaClient) -> None:
    with pytest.raises(MediaUnreachable):
        public_addresses("files.example.invalid", 443)


# --- TLS, and the pin -------------------------------------------------------------------------------------------------
class Secure:
    """A server with a certificate for HOST, on an address of this machine that the test calls public."""

    def __init__(self, folder: Path, *names: str) -> None:
        certificate = self._certify(folder, names)
        self.seen: list[dict[str, str]] = []
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append({**dict(self.headers), "path": self.path})
                self.send_response(200)
                self.send_header("Content-Length", str(len(PNG)))
                self.end_headers()
                self.wfile.write(PNG)

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.certificate = certificate
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def _certify(self, folder: Path, names: tuple[str, ...]) -> Path:
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1000, now, now + dt.timedelta(days=1))
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        certificate = (
            builder.add_extension(alternatives, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        pem += key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "certificate.pem").write_bytes(pem)
        return folder / "certificate.pem"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Iterator[Secure]:
    """Stands at the first address that HOST leads to; a second look-up would lead elsewhere."""
    server = Secure(tmp_path, *getattr(request, "param", (HOST,)))
    looked_up: list[str] = []
    real = media.socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **options: Any) -> Any:
        if host != HOST:
            return real(host, *rest, **options)
        looked_up.append(host)
        return [(0, 0, 0, "", ("127.0.0.1" if len(looked_up) == 1 else "127.0.0.9", 443))]

    pool = media._pool

    def to_test_port(origin: Any, address: str) -> Any:
        made = pool(origin, address)
        made.port, made.ca_certs = server.port, str(server.certificate)
        return made

    monkeypatch.setattr(media.socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(media, "is_public", lambda address: True)
    monkeypatch.setattr(media, "_pool", to_test_port)
    yield server
    server.close()


def test_an_allowed_host_is_looked_up_once_and_asked_by_its_name(secure: Secure, client: MediaClient) -> None:
    assert read(client, f"https://{HOST}/whatsapp_business/attachments/?mid=1&ext=2") == PNG
    [seen] = secure.seen
    assert (seen["Host"], seen["path"]) == (HOST, "/whatsapp_business/attachments/?mid=1&ext=2")
    assert seen["Authorization"] == "Bearer access-token-of-the-tests"


@pytest.mark.parametrize("secure", [("other.example",)], indirect=True)
def test_a_certificate_of_somebody_else_gets_no_token(secure: Secure, client: MediaClient) -> None:
    with pytest.raises(MediaUnreachable):
        read(client, f"https://{HOST}/x")
    assert secure.seen == []


def test_a_certificate_that_nobody_vouches_for_gets_no_token(
    secure: Secure, client: MediaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_test_port = media._pool

    def by_default(origin: Any, address: str) -> Any:
        made = to_test_port(origin, address)
        made.ca_certs = None
        return made

    monkeypatch.setattr(media, "_pool", by_default)
    with pytest.raises(MediaUnreachable):
        read(client, f"https://{HOST}/x")
    assert secure.seen == []


def test_a_proxy_of_the_environment_is_not_used(
    fake: FakeMeta, client: MediaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert read(client, client.describe(fake.add_media(PNG, "image/png")).url) == PNG


# --- what Meta answers ------------------------------------------------------------------------------------------------
def test_a_redirect_is_not_followed(fake: FakeMeta, client: MediaClient) -> None:
    """Not even to where a file might be fetched from."""
    first, second = (client.describe(fake.add_media(PNG, "image/png")).url for _ in range(2))
    fake.misbehave({"media_next": [{"mode": "redirect", "url": second}]})
    with pytest.raises(AddressRefused) as refused:
        read(client, first)
    assert refused.value.reason == "redirect"


@pytest.mark.parametrize(
    ("mode", "error", "error_class"),
    [
        ("429", GraphRefused, ErrorClass.RETRY),
        ("500", GraphRefused, None),
        ("token", GraphRefused, ErrorClass.CHANNEL_BROKEN),
        ("gone", MediaGone, None),
        ("502", MediaUnreachable, None),
    ],
)
def test_a_refusal_of_graph_is_told_by_its_meaning(
    fake: FakeMeta, client: MediaClient, mode: str, error: type[Exception], error_class: ErrorClass | None
) -> None:
    fake.misbehave({"media_next": [{"mode": mode}]})
    with pytest.raises(error) as raised:
        client.describe(fake.add_media(PNG, "image/png"))
    if error_class:
        assert isinstance(raised.value, GraphRefused)
        assert raised.value.error_class is error_class


def test_graph_tells_what_the_file_is(fake: FakeMeta, client: MediaClient) -> None:
    info = client.describe(fake.add_media(PNG, "image/png"))
    assert (info.mime_type, info.size_bytes, len(info.sha256)) == ("image/png", len(PNG), 64)
    assert info.url not in repr(info)
    with pytest.raises(MediaGone):
        client.describe("1")
    with pytest.raises(GraphRefused):
        client_of(fake, access_token="another").describe("1")


def test_a_link_ends(fake: FakeMeta, client: MediaClient) -> None:
    with pytest.raises(LinkEnded):
        read(client, f"{fake.url}/media/0")


@pytest.mark.parametrize("mode", ["503", "truncate", "reset"])
def test_a_broken_download_may_be_tried_again(fake: FakeMeta, client: MediaClient, mode: str) -> None:
    url = client.describe(fake.add_media(PNG, "image/png")).url
    fake.misbehave({"media_next": [{"mode": mode}]})
    with pytest.raises(MediaUnreachable):
        read(client, url)


def test_a_file_is_cut_off_at_its_limit_announced_or_not(fake: FakeMeta, client: MediaClient) -> None:
    url = client.describe(fake.add_media(PNG, "image/png")).url
    assert read(client, url, max_bytes=len(PNG)) == PNG
    with pytest.raises(MediaTooLarge):
        read(client, url, max_bytes=len(PNG) - 1)
    fake.misbehave({"media_next": [{"mode": "oversized"}]})
    with pytest.raises(MediaTooLarge):
        read(client, url)


def test_who_drips_is_not_waited_for_for_ever(
    fake: FakeMeta, client: MediaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes long before any wait for the next one is over."""
    monkeypatch.setattr(media, "TOTAL_SECONDS", 0.3)
    url = client.describe(fake.add_media(PNG, "image/png")).url
    fake.misbehave({"media_next": [{"mode": "slow", "seconds": 10}]})
    began_at = time.monotonic()
    with pytest.raises(MediaUnreachable):
        read(client, url)
    assert time.monotonic() - began_at < 3


def test_who_says_nothing_is_not_waited_for_either(
    fake: FakeMeta, client: MediaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "READ_SECONDS", 0.2)
    url = client.describe(fake.add_media(PNG, "image/png")).url
    fake.misbehave({"media_next": [{"mode": "slow", "seconds": 10_000}]})
    with pytest.raises(MediaUnreachable):
        read(client, url)


def test_nobody_listens(client: MediaClient) -> None:
    away = MediaClient(graph_url="http://127.0.0.1:9", version="v26.0", access_token="x", hosts=[HOST])
    with pytest.raises(MediaUnreachable):
        away.describe("1")
