"""A conversation in the tests: the real webhook and the real turn; only the way to Meta is a double."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from conversations import views
from conversations.services.turns import process
from conversations.whatsapp.client import Accepted, Recipient, SendResult
from conversations.whatsapp.messages import Content
from pyloto.documents import Query, get_store


@dataclass
class Sent:
    recipient: Recipient
    content: Content
    callback_data: str


@dataclass
class Outside:
    """Stands where `WhatsAppOutboundClient` does: keeps what is sent, answers as told, accepts by default."""

    sent: list[Sent] = field(default_factory=list)
    answers: list[SendResult | Exception] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def send_response(self, *, recipient: Recipient, content: Content, callback_data: str, **_: Any) -> SendResult:
        self.sent.append(Sent(recipient, content, callback_data))
        answer = self.answers.pop(0) if self.answers else Accepted(f"wamid.out{len(self.sent)}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def mark_read(self, *, provider_message_id: str, **_: Any) -> bool:
        self.read.append(provider_message_id)
        return True

    @property
    def texts(self) -> list[str]:
        return [
            sent.content.to_graph().get("text", {}).get("body") or getattr(sent.content, "body", "")
            for sent in self.sent
        ]


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture(autouse=True)
def fresh_process(settings: Any) -> None:
    """What a process keeps between requests is the test's own."""
    from django.core.cache import cache

    cache.clear()
    views.dedupe_store.cache_clear()
    settings.TURN_QUIET_SECONDS = settings.TURN_QUIET_SECONDS * 0


def user_keys() -> list[str]:
    """Everybody who wrote, by their conversation's messages."""
    found = get_store().query(Query("messages", group=True))
    return sorted({snapshot.path.split("/")[1] for snapshot in found})


def run_turns(outside: Outside) -> None:
    """Do what the workers would do for each conversation."""
    for user_key in user_keys():
        process(user_key=user_key, client=outside)  # type: ignore[arg-type]


__all__ = ["Outside", "redis", "run_turns", "user_keys"]
