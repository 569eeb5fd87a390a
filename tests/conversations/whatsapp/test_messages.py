"""What may be sent: Meta's limits, told before sending."""

import pytest

from conversations.whatsapp.messages import (
    Button,
    Buttons,
    Content,
    InvalidMessage,
    ListMessage,
    Reaction,
    Row,
    Section,
    Template,
    Text,
    content_from_document,
    content_to_document,
)


def buttons(count: int) -> tuple[Button, ...]:
    return tuple(Button(str(number), f"Botão {number}") for number in range(count))


def rows(count: int, start: int = 0) -> tuple[Row, ...]:
    return tuple(Row(str(number), f"Linha {number}") for number in range(start, start + count))


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda: Text(""), "text body must not be empty"),
        (lambda: Text("   "), "text body must not be empty"),
        (lambda: Text("x" * 4097), "text body is longer than 4096"),
        (lambda: Text("😀" * 2049), "text body is longer than 4096"),
        (lambda: Button("a", "x" * 21), "button title is longer than 20"),
        (lambda: Button("x" * 257, "A"), "button id is longer than 256"),
        (lambda: Buttons("x" * 1025, buttons(1)), "interactive body is longer than 1024"),
        (lambda: Buttons("Oi", buttons(4)), "reply buttons: 1 to 3"),
        (lambda: Buttons("Oi", ()), "reply buttons: 1 to 3"),
        (lambda: Buttons("Oi", (Button("a", "A"), Button("a", "B"))), "button ids must differ"),
        (lambda: Buttons("Oi", (Button("a", "A"), Button("b", "A"))), "button titles must differ"),
        (lambda: Buttons("Oi", buttons(1), header="x" * 61), "header is longer than 60"),
        (lambda: Buttons("Oi", buttons(1), footer="x" * 61), "footer is longer than 60"),
        (lambda: Row("a", "x" * 25), "row title is longer than 24"),
        (lambda: Row("a", "A", "x" * 73), "row description is longer than 72"),
        (lambda: Row("x" * 201, "A"), "row id is longer than 200"),
        (lambda: ListMessage("Oi", "Ver", rows(11)), "list rows in total: 1 to 10"),
        (lambda: ListMessage("Oi", "Ver"), "list rows in total: 1 to 10"),
        (lambda: ListMessage("Oi", "x" * 21, rows(1)), "list button is longer than 20"),
        (lambda: ListMessage("Oi", "Ver", (Row("a", "A"), Row("a", "B"))), "row ids must differ"),
        (lambda: Section("x" * 25, rows(1)), "section title is longer than 24"),
        (lambda: Section("", rows(1)), "section title must not be empty"),
        (
            lambda: ListMessage("Oi", "Ver", sections=(Section("1", rows(6)), Section("2", rows(5, 6)))),
            "list rows in total: 1 to 10",
        ),
        (lambda: ListMessage("Oi", "Ver", rows(1), sections=(Section("1", rows(1)),)), "rows or sections"),
        (lambda: Template("", "pt_BR"), "template name must not be empty"),
        (lambda: Template("a", ""), "template language"),
        (lambda: Reaction("", "👍"), "needs the id of a message"),
    ],
)
def test_broken_limit_is_named(make, limit: str) -> None:
    with pytest.raises(InvalidMessage, match=limit):
        make()


def test_error_never_repeats_the_content() -> None:
    with pytest.raises(InvalidMessage) as caught:
        Button("a", "segredo da cliente Bruna")
    assert "Bruna" not in str(caught.value)


CONTENTS: list[Content] = [
    Text("x" * 4096),
    Text("https://pyloto.com.br", preview_url=True),
    Buttons("Oi", buttons(3), header="Título", footer="Fim"),
    ListMessage("Oi", "Ver", rows(10)),
    ListMessage("Oi", "Ver", sections=(Section("1", rows(5)), Section("2", (Row("x", "X", "descrito"),)))),
    Template("retorno", "pt_BR", ({"type": "body", "parameters": [{"type": "text", "text": "Bruna"}]},)),
    Reaction("wamid.original", "👍"),
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_content_survives_its_document(content: Content) -> None:
    assert content_from_document(*content_to_document(content), reacted_to="wamid.original") == content


def test_document_of_a_reaction_holds_no_message_id() -> None:
    assert content_to_document(Reaction("wamid.original", "👍")) == ("reaction", "", {"emoji": "👍"})


def test_unknown_document_cannot_be_sent() -> None:
    with pytest.raises(InvalidMessage):
        content_from_document("interactive", "Oi", {"kind": "carousel"})
