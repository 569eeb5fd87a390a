"""What an agent reads about a message that did not arrive."""

from typing import Any

import pytest
from django.utils import timezone

from conversations.failure_texts import failure_text
from conversations.models import Actor, Direction, Message, MessageState
from conversations.whatsapp.errors import CLASS_BY_CODE

NOW = timezone.now()


def message(state: MessageState, *codes: int, **fields: Any) -> Message:
    errors = [{"code": code, "title": "Meta's own words"} for code in codes]
    return Message(direction=Direction.OUT, actor=Actor.PYLOTO, type="text", state=state, errors=errors, **fields)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (message(MessageState.FAILED, 131047), "24 horas"),
        (message(MessageState.FAILED, 190), "acesso da empresa ao WhatsApp expirou"),
        (message(MessageState.FAILED, 131062), "telefone"),
        (message(MessageState.FAILED, 131037), "não aceita nada da empresa no momento (código 131037)"),
        (message(MessageState.FAILED, 999999), "(código 999999)"),
        (message(MessageState.FAILED), "recusou"),
        (message(MessageState.SENT, 131026, status_at={"sent": NOW, "failed": NOW}), "não pode receber"),
        (message(MessageState.NEEDS_HUMAN), "Não sabemos se esta mensagem chegou"),
        (message(MessageState.UNKNOWN), "Ainda não sabemos"),
        (message(MessageState.CANCELLED), "a conversa seguiu sem ela"),
        (message(MessageState.CANCELLED, 131026), "já viu"),
        (message(MessageState.QUEUED, 190), "Tentamos de novo"),
    ],
)
def test_it_says_in_plain_portuguese_what_happened(item: Message, words: str) -> None:
    text = failure_text(item)
    assert words in text
    assert "Meta's own words" not in text


@pytest.mark.parametrize(
    "item",
    [
        message(MessageState.QUEUED),
        message(MessageState.SENDING),
        message(MessageState.SENT),
        message(MessageState.SENT, 131026, status_at={"failed": NOW, "delivered": NOW}),
        message(MessageState.NEEDS_HUMAN, status_at={"delivered": NOW}),
        message(MessageState.HANDLED),
    ],
)
def test_nothing_is_said_of_what_arrived_or_is_on_its_way(item: Message) -> None:
    assert failure_text(item) == ""


def test_no_code_of_meta_is_without_a_reason() -> None:
    texts = {code: failure_text(message(MessageState.FAILED, code)) for code in CLASS_BY_CODE if code}
    assert all(text.startswith("Não entregue: ") and text.endswith(".") for text in texts.values())
