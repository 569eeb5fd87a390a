"""The one place that fetches files from WhatsApp: asks the Graph API where one is, and reads it from there.

The address comes from outside, so it is believed little: only hosts of `WHATSAPP_MEDIA_HOSTS`, by HTTPS on its own port, at
a public IP address (the very one that was looked up is connected to, whatever the name says a moment later); no redirect is
followed, and no proxy of the environment is used. The token goes nowhere else. The one exception is the origin of
`WHATSAPP_GRAPH_URL`, which the token goes to anyway: there stands the simulator in development.

Not covered: who controls the DNS of an allowed host, and a certificate for it, is that host. Looking a name up has no time
limit of its own but that of the task.
"""

import ipaddress
import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import structlog
import urllib3
from django.conf import settings

from pyloto.errors import PermanentError, TransientError

from .errors import ErrorClass, classify

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3
READ_SECONDS = 10  # between two parts
TOTAL_SECONDS = 60  # for one file, however steadily it drips; below the time limit of the task
ANSWER_MAX_BYTES = 64 * 1024  # of the Graph API about a file
READ_BYTES = 256 * 1024
ADDRESSES_MAX = 3  # of one host that are tried
LINK_ENDED = (401, 403, 404, 410)  # Meta: a link ends after five minutes
_URL = re.compile(r"[!-\[\]-~]+", re.ASCII)  # printable ASCII without blanks and backslashes
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class MediaGone(PermanentError):
    """WhatsApp has no file of this id (any more), or we may not have it."""


class MediaTooLarge(PermanentError):
    """More bytes than this type may have."""


class MediaUnreachable(TransientError):
    """No answer, one that nobody can read, or one that came too slowly."""


class LinkEnded(TransientError):
    """The address does not lead to the file any more: ask for another one."""


class GraphRefused(TransientError):
    """The Graph API refused: by its code, and what that means."""

    def __init__(self, code: int | None, error_class: ErrorClass) -> None:
        super().__init__(f"Graph refused with code {code}")
        self.code, self.error_class = code, error_class


class AddressRefused(TransientError):
    """An address that nothing is fetched from. `reason` is a code, `host` the name as it was given."""

    def __init__(self, reason: str, host: str = "") -> None:
        super().__init__(f"address refused: {reason}")
        self.reason, self.host = reason, host[:100]


@dataclass(frozen=True)
class MediaInfo:
    """What the Graph API tells of a file. `url` ends after five minutes."""

    url: str = field(repr=False)
    mime_type: str = ""
    sha256: str = ""
    size_bytes: int = 0


@dataclass(frozen=True)
class Origin:
    """Where an address leads. `pinned`: only public IP addresses are connected to."""

    scheme: str
    host: str
    port: int
    pinned: bool = True


class MediaClient:
    def __init__(self, *, graph_url: str, version: str, access_token: str, hosts: Sequence[str]) -> None:
        self._graph_url, self._version = graph_url.rstrip("/"), version
        self._graph = _origin(_split(graph_url), pinned=False)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._headers = {
            "Authorization": f"Bearer {access_token}",
            "Accept-Encoding": "identity",  # the digest is of the bytes as they were sent
            "User-Agent": "pyloto",  # Meta refuses some libraries' own names
        }

    def describe(self, media_id: str) -> MediaInfo:
        """Where a file is, and what it is. Raises `MediaGone`, `GraphRefused`, `MediaUnreachable`."""
        url = _split(f"{self._graph_url}/{self._version}/{quote(media_id, safe='')}")
        with self._get(self._graph, url) as response:
            data = response.read(ANSWER_MAX_BYTES)
            status = int(response.status)
        return _info(status, data)

    @contextmanager
    def open(self, url: str, *, max_bytes: int) -> Iterator[Iterator[bytes]]:
        """The bytes at an address of `describe`, while they come in.

        Raises `AddressRefused`, `LinkEnded`, `MediaTooLarge`, `MediaUnreachable`, the last two also in the middle.
        """
        ends_at = time.monotonic() + TOTAL_SECONDS
        split = _split(url)
        with self._get(self._allowed(split), split) as response:
            if response.status in LINK_ENDED:
                raise LinkEnded(f"HTTP {response.status}")
            if 300 <= response.status < 400:
                raise AddressRefused("redirect", _host(split))
            if response.status != 200:
                raise MediaUnreachable(f"HTTP {response.status}")
            if _length(response) > max_bytes:
                raise MediaTooLarge("announced as too large")
            yield _read(response, max_bytes, ends_at)

    def _allowed(self, url: SplitResult) -> Origin:
        """Where the address leads. Raises `AddressRefused` for whatever is not exactly a place that we know."""
        if url.username is not None or url.password is not None or "@" in url.netloc:
            raise AddressRefused("userinfo")
        origin = _origin(url, pinned=True)
        if (origin.scheme, origin.host, origin.port) == (self._graph.scheme, self._graph.host, self._graph.port):
            return self._graph
        if origin.scheme != "https":
            raise AddressRefused("scheme", origin.host)
        if origin.host not in self._hosts:
            raise AddressRefused("host", origin.host)
        if origin.port != 443:
            raise AddressRefused("port", origin.host)
        return origin

    @contextmanager
    def _get(self, origin: Origin, url: SplitResult) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer, its body not read yet. Library exceptions in the block become `MediaUnreachable` too."""
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            with _connect(origin, target, {**self._headers, "Host": url.netloc}) as response:
                yield response
        except urllib3.exceptions.HTTPError as exc:
            raise MediaUnreachable(type(exc).__name__) from exc


def create_media_client() -> MediaClient:
    return MediaClient(
        graph_url=settings.WHATSAPP_GRAPH_URL,
        version=settings.WHATSAPP_GRAPH_VERSION,
        access_token=settings.WHATSAPP_ACCESS_TOKEN,
        hosts=settings.WHATSAPP_MEDIA_HOSTS,
    )


# --- what Graph says --------------------------------------------------------------------------------------------------
def _info(status: int, data: bytes) -> MediaInfo:
    try:
        answer = json.loads(data)
    except ValueError as exc:  # also bad UTF-8: a gateway on the way spoke, not Graph
        raise MediaUnreachable(f"unreadable answer, HTTP {status}") from exc
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        code, subcode = error.get("code"), error.get("error_subcode")
        if (code, subcode) == (
            100,
            33,
        ):  # "Object with ID … does not exist, cannot be loaded due to missing permissions"
            raise MediaGone("no such id")
        known = code if isinstance(code, int) and not isinstance(code, bool) else None
        raise GraphRefused(known, classify(known, status, error.get("is_transient") is True))
    if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("url"), str):
        raise MediaUnreachable(f"unreadable answer, HTTP {status}")
    return MediaInfo(answer["url"], _text(answer, "mime_type"), _text(answer, "sha256"), _size(answer.get("file_size")))


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    return value[:256] if isinstance(value, str) else ""


def _size(value: Any) -> int:
    """Meta's documentation has it as a text, its answers as a number; 0 where it says neither."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


# --- addresses --------------------------------------------------------------------------------------------------------
def _split(url: str) -> SplitResult:
    if not _URL.fullmatch(url) or len(url) > 4096:
        raise AddressRefused("unreadable")
    try:
        return urlsplit(url)
    except ValueError as exc:
        raise AddressRefused("unreadable") from exc


def _origin(url: SplitResult, *, pinned: bool) -> Origin:
    host = _host(url)
    try:
        port = url.port
    except ValueError as exc:
        raise AddressRefused("port", host) from exc
    if not host or url.scheme not in ("https", "http"):
        raise AddressRefused("scheme", host)
    return Origin(url.scheme, host, (443 if url.scheme == "https" else 80) if port is None else port, pinned)


def _host(url: SplitResult) -> str:
    return (url.hostname or "").lower()


def public_addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a host. Raises `AddressRefused` where one of them is not on the open internet."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise MediaUnreachable("the host was not found") from exc
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(map(is_public, addresses)):
        raise AddressRefused("private_address", host)
    return addresses[:ADDRESSES_MAX]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also where it is wrapped into another one."""
    try:
        parsed: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        teredo = parsed.teredo
        wrapped = parsed.ipv4_mapped or parsed.sixtofour or (teredo[1] if teredo else None)
        if wrapped is None and parsed in _NAT64:
            wrapped = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


# --- connections ------------------------------------------------------------------------------------------------------
@contextmanager
def _connect(origin: Origin, target: str, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
    """One request on a connection of its own: to the first address that takes it."""
    addresses = public_addresses(origin.host, origin.port) if origin.pinned else [origin.host]
    for left, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        with _pool(origin, address) as pool:
            try:
                response = pool.urlopen("GET", target, headers=headers, redirect=False, preload_content=False)
            except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
                if not left:
                    raise
                continue
            try:
                yield response
            finally:
                response.close()  # what is left of the body is not read
            return


def _pool(origin: Origin, address: str) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    if origin.scheme == "http":
        return urllib3.HTTPConnectionPool(address, origin.port, timeout=timeout, retries=False)
    return urllib3.HTTPSConnectionPool(
        address,
        origin.port,
        timeout=timeout,
        retries=False,
        cert_reqs="CERT_REQUIRED",
        assert_hostname=origin.host,
        server_hostname=origin.host,
    )


def _length(response: urllib3.BaseHTTPResponse) -> int:
    return _size(response.headers.get("Content-Length", ""))


def _read(response: urllib3.BaseHTTPResponse, max_bytes: int, ends_at: float) -> Iterator[bytes]:
    """The body in parts, as they come in: a server that drips is not waited for any longer than `ends_at`."""
    total = 0
    while part := response.read1(READ_BYTES, decode_content=False):
        total += len(part)
        if total > max_bytes:
            raise MediaTooLarge("more than was announced")
        if time.monotonic() > ends_at:
            raise MediaUnreachable("too slow")
        yield part
