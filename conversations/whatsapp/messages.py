"""What can be sent: each kind checks Meta's limits when it is made and knows its Graph form. Pure.

Source of the limits: WhatsApp Cloud API reference, as gathered in July 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyloto.errors import PermanentError

TEXT_MAX = 4096
INTERACTIVE_BODY_MAX = 1024  # lists: sources differ (1024 or 4096); the smaller is right for both
HEADER_MAX = FOOTER_MAX = 60
BUTTONS_MAX = 3
BUTTON_TITLE_MAX = 20
BUTTON_ID_MAX = 256
LIST_BUTTON_MAX = 20
SECTIONS_MAX = 10
ROWS_MAX = 10  # in total, over all sections
SECTION_TITLE_MAX = 24
ROW_TITLE_MAX = 24
ROW_DESCRIPTION_MAX = 72
ROW_ID_MAX = 200
TEMPLATE_NAME_MAX = 512


class InvalidMessage(PermanentError, ValueError):
    """The message breaks a limit of Meta's. Names the limit, never the content."""


@dataclass(frozen=True)
class Text:
    body: str
    preview_url: bool = False

    def __post_init__(self) -> None:
        _check("text body", self.body, TEXT_MAX)

    def to_graph(self) -> dict[str, Any]:
        return {"type": "text", "text": {"body": self.body, "preview_url": self.preview_url}}


@dataclass(frozen=True)
class Button:
    id: str
    title: str

    def __post_init__(self) -> None:
        _check("button id", self.id, BUTTON_ID_MAX)
        _check("button title", self.title, BUTTON_TITLE_MAX)


@dataclass(frozen=True)
class Buttons:
    body: str
    buttons: tuple[Button, ...]
    header: str = ""
    footer: str = ""

    def __post_init__(self) -> None:
        _check_frame(self.body, self.header, self.footer)
        _check_count("reply buttons", len(self.buttons), BUTTONS_MAX)
        _check_distinct("button ids", [button.id for button in self.buttons])
        _check_distinct("button titles", [button.title for button in self.buttons])

    def to_graph(self) -> dict[str, Any]:
        buttons = [{"type": "reply", "reply": {"id": button.id, "title": button.title}} for button in self.buttons]
        return _interactive("button", self.body, self.header, self.footer, {"buttons": buttons})


@dataclass(frozen=True)
class Row:
    id: str
    title: str
    description: str = ""

    def __post_init__(self) -> None:
        _check("row id", self.id, ROW_ID_MAX)
        _check("row title", self.title, ROW_TITLE_MAX)
        _check("row description", self.description, ROW_DESCRIPTION_MAX, optional=True)

    def to_dict(self) -> dict[str, str]:
        row = {"id": self.id, "title": self.title}
        return {**row, "description": self.description} if self.description else row


@dataclass(frozen=True)
class Section:
    title: str
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        _check("section title", self.title, SECTION_TITLE_MAX)
        _check_count("rows of a section", len(self.rows), ROWS_MAX)

    def to_dict(self) -> dict[str, Any]:
        return {"title": self.title, "rows": [row.to_dict() for row in self.rows]}


@dataclass(frozen=True)
class ListMessage:
    """A list that opens on a tap: plain `rows`, or `sections` with a title each; one of the two."""

    body: str
    button: str
    rows: tuple[Row, ...] = ()
    header: str = ""
    footer: str = ""
    sections: tuple[Section, ...] = ()

    def __post_init__(self) -> None:
        _check_frame(self.body, self.header, self.footer)
        _check("list button", self.button, LIST_BUTTON_MAX)
        if self.rows and self.sections:
            raise InvalidMessage("a list takes rows or sections, not both")
        if self.sections:
            _check_count("list sections", len(self.sections), SECTIONS_MAX)
        rows = [*self.rows, *(row for section in self.sections for row in section.rows)]
        _check_count("list rows in total", len(rows), ROWS_MAX)
        _check_distinct("row ids", [row.id for row in rows])

    def to_graph(self) -> dict[str, Any]:
        sections = [section.to_dict() for section in self.sections]
        action = {"button": self.button, "sections": sections or [{"rows": [row.to_dict() for row in self.rows]}]}
        return _interactive("list", self.body, self.header, self.footer, action)


@dataclass(frozen=True)
class Template:
    """A template that Meta has approved; `components` in Graph's own form."""

    name: str
    language: str
    components: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        _check("template name", self.name, TEMPLATE_NAME_MAX)
        if not self.language:
            raise InvalidMessage("template language must not be empty")

    def to_graph(self) -> dict[str, Any]:
        template: dict[str, Any] = {"name": self.name, "language": {"code": self.language}}
        if self.components:
            template["components"] = [dict(component) for component in self.components]
        return {"type": "template", "template": template}


@dataclass(frozen=True)
class Reaction:
    """An emoji on a message; an empty one takes the reaction back."""

    message_id: str
    emoji: str

    def __post_init__(self) -> None:
        if not self.message_id:
            raise InvalidMessage("a reaction needs the id of a message")

    def to_graph(self) -> dict[str, Any]:
        return {"type": "reaction", "reaction": {"message_id": self.message_id, "emoji": self.emoji}}


Content = Text | Buttons | ListMessage | Template | Reaction


def content_to_document(content: Content) -> tuple[str, str, dict[str, Any]]:
    """`(type, text, payload)` as a Message document holds what is to be sent.

    A reaction's `message_id` is left out: it holds a phone number, and documents keep it encrypted elsewhere.
    """
    match content:
        case Text():
            return "text", content.body, {"preview_url": True} if content.preview_url else {}
        case Buttons():
            buttons = [{"id": button.id, "title": button.title} for button in content.buttons]
            return "interactive", content.body, {"kind": "buttons", "buttons": buttons, **_ends(content)}
        case ListMessage():
            payload: dict[str, Any] = {"kind": "list", "button": content.button, **_ends(content)}
            if content.sections:
                payload["sections"] = [section.to_dict() for section in content.sections]
            else:
                payload["rows"] = [row.to_dict() for row in content.rows]
            return "interactive", content.body, payload
        case Template():
            components = [dict(component) for component in content.components]
            return "template", "", {"name": content.name, "language": content.language, "components": components}
        case Reaction():
            return "reaction", "", {"emoji": content.emoji}


def content_from_document(
    type: str,  # noqa: A002  (the name of the document's field)
    text: str,
    payload: Mapping[str, Any],
    *,
    reacted_to: str = "",
) -> Content:
    """The inverse of `content_to_document`; `reacted_to` is Meta's id of the message that a reaction is about."""
    ends = {"header": payload.get("header", ""), "footer": payload.get("footer", "")}
    match type, payload.get("kind"):
        case "text", _:
            return Text(text, preview_url=payload.get("preview_url", False))
        case "interactive", "buttons":
            return Buttons(text, tuple(Button(**button) for button in payload["buttons"]), **ends)
        case "interactive", "list":
            sections = tuple(Section(part["title"], _rows(part["rows"])) for part in payload.get("sections", ()))
            return ListMessage(text, payload["button"], _rows(payload.get("rows", ())), sections=sections, **ends)
        case "template", _:
            return Template(payload["name"], payload["language"], tuple(payload.get("components", ())))
        case "reaction", _:
            return Reaction(reacted_to, payload.get("emoji", ""))
    raise InvalidMessage("a stored message of this type cannot be sent")


def _rows(rows: Any) -> tuple[Row, ...]:
    return tuple(Row(**row) for row in rows)


def _ends(content: Buttons | ListMessage) -> dict[str, str]:
    return {name: value for name, value in (("header", content.header), ("footer", content.footer)) if value}


def _interactive(kind: str, body: str, header: str, footer: str, action: dict[str, Any]) -> dict[str, Any]:
    interactive: dict[str, Any] = {"type": kind, "body": {"text": body}, "action": action}
    if header:
        interactive["header"] = {"type": "text", "text": header}
    if footer:
        interactive["footer"] = {"text": footer}
    return {"type": "interactive", "interactive": interactive}


def _check(what: str, value: str, limit: int, *, optional: bool = False) -> None:
    if not value.strip() and not (optional and not value):
        raise InvalidMessage(f"{what} must not be empty")
    # Meta does not say how it counts. UTF-16 units, where an emoji is two, are never fewer than characters.
    if len(value.encode("utf-16-le", "surrogatepass")) // 2 > limit:
        raise InvalidMessage(f"{what} is longer than {limit} characters")


def _check_frame(body: str, header: str, footer: str) -> None:
    _check("interactive body", body, INTERACTIVE_BODY_MAX)
    _check("header", header, HEADER_MAX, optional=True)
    _check("footer", footer, FOOTER_MAX, optional=True)


def _check_count(what: str, count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise InvalidMessage(f"{what}: 1 to {limit} allowed")


def _check_distinct(what: str, values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise InvalidMessage(f"{what} must differ from each other")
