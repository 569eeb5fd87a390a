"""The one place that talks to WhatsApp: sends a message, marks one as read. Never tries again on its own."""

import json
import os
import ssl
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import structlog
import urllib3
from django.conf import settings

from .errors import ErrorClass, classify
from .messages import Content

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3
READ_SECONDS = 10
MARK_READ_SECONDS = 2  # nothing depends on it: it must not hold up the answer
IDLE_SECONDS = 5  # a connection idle for longer is not used again: one that Meta has just closed costs a doubtful send
CALLBACK_DATA_MAX = 512  # Meta: biz_opaque_callback_data


@dataclass(frozen=True)
class Recipient:
    """Where a message goes: `wa_id` exactly as WhatsApp sent it, or the business-scoped user id."""

    wa_id: str = field(default="", repr=False)
    bsuid: str = field(default="", repr=False)

    def to_graph(self) -> dict[str, str]:
        if self.wa_id:
            return {"to": "+" + self.wa_id.removeprefix("+")}
        if self.bsuid:
            return {"recipient": self.bsuid}
        raise ValueError("a recipient needs a wa_id or a bsuid")


@dataclass(frozen=True)
class Accepted:
    """Meta took the message; whether it arrives is told by statuses."""

    provider_message_id: str = field(repr=False)  # holds the phone number


@dataclass(frozen=True)
class Rejected:
    """Meta answered that it did not take the message. A rejection of class AMBIGUOUS is an `Ambiguous` instead."""

    code: int | None
    error_class: ErrorClass


@dataclass(frozen=True)
class NotSent:
    """No connection: nothing was written, so trying again is safe."""

    reason: str


@dataclass(frozen=True)
class Ambiguous:
    """The message may have been accepted: wait for a status with its callback data before anything else."""

    reason: str


SendResult = Accepted | Rejected | NotSent | Ambiguous


class WhatsAppOutboundClient:
    def __init__(
        self,
        *,
        graph_url: str,
        version: str,
        access_token: str,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._url = f"{graph_url.rstrip('/')}/{version}"
        self._headers = {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"}
        self._connect_seconds, self._read_seconds = connect_seconds, read_seconds
        self._pool = urllib3.PoolManager(retries=False, maxsize=4)
        self._used_at = 0.0

    def send_response(
        self,
        *,
        phone_number_id: str,
        recipient: Recipient,
        content: Content,
        callback_data: str,
        quoted_message_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> SendResult:
        """Send one message from our number `phone_number_id`; `callback_data` comes back with each of its statuses.

        `timeout_seconds`: for connecting and waiting together, where that is less than the client's own patience.
        """
        if len(callback_data) > CALLBACK_DATA_MAX:
            raise ValueError(f"callback_data is longer than {CALLBACK_DATA_MAX} characters")
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **recipient.to_graph(),
            **content.to_graph(),
            "biz_opaque_callback_data": callback_data,
        }
        if quoted_message_id:
            body["context"] = {"message_id": quoted_message_id}
        timeout = urllib3.Timeout(connect=self._connect_seconds, read=self._read_seconds, total=timeout_seconds)
        answer = self._post(phone_number_id, body, timeout)
        if isinstance(answer, NotSent | Ambiguous | Rejected):
            return answer
        return _accepted(answer)

    def mark_read(self, *, phone_number_id: str, provider_message_id: str, typing: bool = False) -> bool:
        """Show the customer's message, and all before it, as read; with `typing`, "digitando…" for up to 25 s.

        Returns whether Meta took it. Nothing depends on it, so a failure is logged and forgotten.
        """
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": provider_message_id}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        answer = self._post(phone_number_id, body, urllib3.Timeout(connect=MARK_READ_SECONDS, read=MARK_READ_SECONDS))
        if isinstance(answer, dict):
            return True
        log.info("whatsapp_mark_read_failed", kind=type(answer).__name__, code=getattr(answer, "code", None))
        return False

    def _post(
        self, phone_number_id: str, body: dict[str, Any], timeout: urllib3.Timeout
    ) -> dict[str, Any] | Rejected | NotSent | Ambiguous:
        """Graph's answer to a request that succeeded, else what is known about the failure."""
        self._drop_idle_connections()
        try:
            response = self._pool.request(
                "POST",
                f"{self._url}/{quote(phone_number_id, safe='')}/messages",
                body=json.dumps(body).encode(),
                headers=self._headers,
                timeout=timeout,
                redirect=False,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as exc:
            return NotSent(type(exc).__name__)
        except urllib3.exceptions.SSLError as exc:
            # A certificate is checked before anything is written; any other failure of TLS may come later.
            unverified = any(isinstance(argument, ssl.SSLCertVerificationError) for argument in exc.args)
            return NotSent("certificate") if unverified else Ambiguous(type(exc).__name__)
        except urllib3.exceptions.HTTPError as exc:  # time-outs, resets, truncated answers: it may have arrived
            return Ambiguous(type(exc).__name__)
        return _read(response.status, response.data)

    def _drop_idle_connections(self) -> None:
        now = time.monotonic()
        if now - self._used_at > IDLE_SECONDS:
            self._pool.clear()
        self._used_at = now


def create_client() -> WhatsAppOutboundClient:
    """The process's client for what the settings name; its connections are reused."""
    return _client(
        os.getpid(),  # a forked child must not share its parent's sockets
        settings.WHATSAPP_GRAPH_URL,
        settings.WHATSAPP_GRAPH_VERSION,
        settings.WHATSAPP_ACCESS_TOKEN,
    )


@lru_cache(maxsize=2)
def _client(_pid: int, graph_url: str, version: str, access_token: str) -> WhatsAppOutboundClient:
    return WhatsAppOutboundClient(graph_url=graph_url, version=version, access_token=access_token)


def _read(status: int, data: bytes) -> dict[str, Any] | Rejected | Ambiguous:
    try:
        answer = json.loads(data)
    except ValueError:  # also bad UTF-8: a gateway on the way spoke, not Graph
        return Ambiguous(f"unreadable answer, HTTP {status}")
    if not isinstance(answer, dict):
        return Ambiguous(f"unreadable answer, HTTP {status}")
    if 200 <= status < 300:
        return answer
    error = answer.get("error")
    if not isinstance(error, dict):
        return Ambiguous(f"unreadable answer, HTTP {status}")
    code = _whole_number(error.get("code"))
    error_class = classify(code, status, error.get("is_transient") is True)
    if error_class is ErrorClass.AMBIGUOUS:
        return Ambiguous(f"code {code}, HTTP {status}")
    return Rejected(code, error_class)


def _accepted(answer: dict[str, Any]) -> Accepted | Ambiguous:
    match answer:
        case {"messages": [{"id": str(message_id)}, *_]} if message_id:
            return Accepted(message_id)
    return Ambiguous("accepted without a message id")


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
