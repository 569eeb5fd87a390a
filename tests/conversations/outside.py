"""The way to Meta, as a double."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conversations.whatsapp.client import Accepted, Recipient, SendResult
from conversations.whatsapp.messages import Content


class WorkerDied(BaseException):
    """Nothing catches it, as nothing outlives SIGKILL."""


@dataclass
class Sent:
    recipient: Recipient
    content: Content
    callback_data: str


@dataclass
class Outside:
    """Stands where `WhatsAppOutboundClient` does: keeps what is sent, answers as told, accepts by default.

    An answer that is an exception is raised: after the send where it arrived, with `dies_before` instead of it.
    `before_answers` holds what happens between a send and its answer, one for each send.
    """

    sent: list[Sent] = field(default_factory=list)
    answers: list[SendResult | BaseException] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    before_answers: list[Callable[[], object]] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)  # how long each send may take, in seconds
    dies_before: int = 0  # sends that a dying worker does not get to any more

    def send_response(
        self, *, recipient: Recipient, content: Content, callback_data: str, timeout_seconds: float, **_: Any
    ) -> SendResult:
        if self.dies_before:
            self.dies_before -= 1
            raise WorkerDied
        self.sent.append(Sent(recipient, content, callback_data))
        self.timeouts.append(timeout_seconds)
        answer = self.answers.pop(0) if self.answers else Accepted(f"wamid.out{len(self.sent)}")
        if self.before_answers:
            self.before_answers.pop(0)()
        if isinstance(answer, BaseException):
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
