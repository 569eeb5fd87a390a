"""The open messages of a customer, taken together as one thing said. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from ai import rules
from ai.responses import AIResponse

from . import replies
from .models import Message

SILENT_TYPES = frozenset({"reaction", "system", "edit", "revoke"})  # never answered, open no session
LATE_AFTER = timedelta(minutes=15)  # product.md §3: an apology in front
TEXT_MAX = 8192  # characters of a turn that are read: two of the longest messages


@dataclass(frozen=True)
class Heard:
    """The speaking messages of a turn, taken together."""

    text: str
    taps: tuple[tuple[str, str], ...]  # (id, title)
    media: list[str]
    reading: AIResponse
    late: bool  # one of them is answered late, whether it was long on its way or waited here
    stale: bool  # all of them are
    first_at: datetime
    last_at: datetime
    said_on: date  # the day on which the last of it was written, in São Paulo
    answerable_from: datetime  # when the customer's time to answer begins: long after `last_at` if we let them wait

    @property
    def wants_human(self) -> bool:
        return self.reading.wants_human or any(tap_id == replies.HUMAN for tap_id, _ in self.taps)


def _tap(message: Message) -> tuple[str, str] | None:
    """The id and the title of a tapped button or row."""
    if message.payload.get("kind") in ("list_reply", "button_reply") and message.payload.get("id"):
        return str(message.payload["id"]), message.text or str(message.payload.get("title", ""))
    return None


def is_typed(message: Message) -> bool:
    return message.type not in SILENT_TYPES and _tap(message) is None and bool(message.text.strip())


def typed_text(messages: Sequence[Message]) -> str:
    """What a classifier should read of a turn: without taps, whose meaning is known."""
    return "\n".join(message.text.strip() for message in messages if is_typed(message))[:TEXT_MAX]


def hear(messages: Sequence[Message], classification: AIResponse | None, now: datetime) -> Heard:
    text = typed_text(messages)
    late = [now - message.timestamp > LATE_AFTER for message in messages]
    last_at = max(message.received_at for message in messages)
    return Heard(
        text=text,
        taps=tuple(tap for message in messages if (tap := _tap(message))),
        media=[m.type for m in messages if m.type in replies.MEDIA_TYPES and not m.text.strip()],
        reading=classification or rules.classify(text),
        late=any(late),
        stale=all(late),
        first_at=min(message.received_at for message in messages),
        last_at=last_at,
        said_on=timezone.localdate(max(min(message.timestamp, message.received_at) for message in messages)),
        answerable_from=now if now - last_at > LATE_AFTER else last_at,
    )
