"""What the Graph API refuses, in its own words. Pure, and on purpose without a look at our client's checks."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

TOP_LEVEL_KEYS = {
    *("messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"),
    *("text", "interactive", "template", "reaction"),
}
TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}")


class GraphError(Exception):
    def __init__(self, code: int, message: str, details: str = "", *, status: int = 400, subcode: int | None = None):
        super().__init__(message)
        self.code, self.message, self.details, self.status, self.subcode = code, message, details, status, subcode

    def to_graph(self, trace_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self.message}",
            "type": "OAuthException",  # for every error, as the real one does: no one may class by it
            "code": self.code,
            "fbtrace_id": trace_id,
        }
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode:
            error["error_subcode"] = self.subcode
        return {"error": error}


FAILURES = {
    "429": GraphError(130429, "Rate limit hit", "Message failed to send because there were too many", status=429),
    "500": GraphError(131000, "Something went wrong", "Message failed to send due to an unknown error", status=500),
}
# What a send may meet on request. "error" takes a "code" and a "status"; "refuse" closes the port for some "seconds".
LOST_ANSWERS = {"accept_then_timeout", "accept_then_reset", "accept_then_truncate"}
FAILURE_MODES = {*FAILURES, *LOST_ANSWERS, "502", "error", "reset", "refuse"}

# What the next fetch of a file may meet: where the Graph API is asked for it, and where it is downloaded. "other_host" and
# "redirect" lead to a "url", "token" and "429" and "500" are refusals, "slow" drips for some "seconds".
MEDIA_GONE = GraphError(100, "Unsupported get request. Object does not exist", subcode=33)
MEDIA_FAILURES = {**FAILURES, "gone": MEDIA_GONE, "token": GraphError(190, "Access token has expired", status=401)}
MEDIA_GRAPH_MODES = {*MEDIA_FAILURES, "502", "other_host", "link_ended"}
MEDIA_DOWNLOAD_MODES = {"wrong_digest", "redirect", "oversized", "slow", "truncate", "reset", "503"}


def check_body(body: Any) -> None:
    """Raise the GraphError with which Meta refuses the request; pass for one that it accepts."""
    if not isinstance(body, dict):
        raise GraphError(100, "Invalid parameter", "the body must be a JSON object")
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "The parameter messaging_product is required.")
    if body.get("status") == "read":
        _check_read(body)
        return
    _keys(body, TOP_LEVEL_KEYS, "the request")
    if not isinstance(body.get("to") or body.get("recipient"), str):
        raise GraphError(100, "The parameter to is required.")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(100, "Param recipient_type must be one of {individual}.")
    if len(_text_of(body, "biz_opaque_callback_data", required=False)) > 512:
        raise GraphError(100, "Param biz_opaque_callback_data must be at most 512 characters long.")
    kind = body.get("type", "text")
    if kind not in _CHECKS:
        raise GraphError(100, "Param type must be one of {TEXT, INTERACTIVE, TEMPLATE, REACTION}.")
    content = body.get(kind)
    if not isinstance(content, dict):
        raise GraphError(131008, "Required parameter is missing", f"{kind} is required")
    _CHECKS[kind](content)


def _check_read(body: Mapping[str, Any]) -> None:
    _keys(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "the request")
    _text_of(body, "message_id")
    if "typing_indicator" in body and body["typing_indicator"] != {"type": "text"}:
        _invalid("typing_indicator type must be text")


def _check_text(text: Mapping[str, Any]) -> None:
    _keys(text, {"body", "preview_url"}, "text")
    body = _text_of(text, "body")
    if len(body) > 4096:
        raise GraphError(100, "Param text['body'] must be at most 4096 characters long.")
    if not isinstance(text.get("preview_url", False), bool):
        raise GraphError(100, "Param text['preview_url'] must be a boolean.")


def _check_reaction(reaction: Mapping[str, Any]) -> None:
    _keys(reaction, {"message_id", "emoji"}, "reaction")
    _text_of(reaction, "message_id")
    if not isinstance(reaction.get("emoji"), str) or len(reaction["emoji"]) > 16:
        _invalid("emoji must be one emoji or empty")


def _check_template(template: Mapping[str, Any]) -> None:
    _keys(template, {"name", "language", "components"}, "template")
    if not TEMPLATE_NAME.fullmatch(_text_of(template, "name")):
        raise GraphError(132001, "Template name does not exist in the translation")
    language = template.get("language")
    if not isinstance(language, dict) or not language.get("code"):
        raise GraphError(131008, "Required parameter is missing", "template language code is required")
    for component in _list_of(template, "components", required=False):
        if not isinstance(component, dict) or component.get("type") not in {"header", "body", "button", "carousel"}:
            raise GraphError(132012, "Parameter format does not match format in the created template")


def _check_interactive(interactive: Mapping[str, Any]) -> None:
    _keys(interactive, {"type", "header", "body", "footer", "action"}, "interactive")
    body, action = interactive.get("body"), interactive.get("action")
    if not isinstance(body, dict) or not isinstance(action, dict):
        raise GraphError(131008, "Required parameter is missing", "interactive body and action are required")
    _length(_text_of(body, "text"), 1024, "Body text")
    footer = interactive.get("footer")
    if footer is not None:
        _length(_text_of(footer, "text"), 60, "Footer text")
    header = interactive.get("header")
    if header is not None:
        if not isinstance(header, dict) or header.get("type") != "text":
            _invalid("Header type must be text")
        _length(_text_of(header, "text"), 60, "Header text")
    match interactive.get("type"):
        case "button":
            _check_buttons(action)
        case "list":
            _check_list(action)
        case _:
            _invalid("Interactive type must be button or list")


def _check_buttons(action: Mapping[str, Any]) -> None:
    _keys(action, {"buttons"}, "action")
    buttons = _list_of(action, "buttons")
    if not 1 <= len(buttons) <= 3:
        _invalid("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
    replies = []
    for button in buttons:
        if not isinstance(button, dict) or button.get("type") != "reply" or not isinstance(button.get("reply"), dict):
            _invalid("Button type must be reply")
        reply = button["reply"]
        _keys(reply, {"id", "title"}, "reply")
        _length(_text_of(reply, "id"), 256, "Button id")
        _length(_text_of(reply, "title"), 20, "Button title")
        replies.append(reply)
    _distinct([reply["id"] for reply in replies], "Duplicated id in buttons")
    _distinct([reply["title"] for reply in replies], "Duplicated title in buttons")


def _check_list(action: Mapping[str, Any]) -> None:
    _keys(action, {"button", "sections"}, "action")
    _length(_text_of(action, "button"), 20, "Button label")
    sections = _list_of(action, "sections")
    if not 1 <= len(sections) <= 10:
        _invalid("Invalid sections count. Min allowed sections: 1, Max allowed sections: 10")
    rows: list[Mapping[str, Any]] = []
    for section in sections:
        if not isinstance(section, dict):
            _invalid("Section must be an object")
        _keys(section, {"title", "rows"}, "section")
        if len(sections) > 1:
            _text_of(section, "title")
        _length(_text_of(section, "title", required=False), 24, "Section title", minimum=0)
        section_rows = _list_of(section, "rows")
        if not section_rows:
            _invalid("Section rows must not be empty")
        rows += section_rows
    if len(rows) > 10:
        _invalid("Total row count exceed max allowed count: 10")
    for row in rows:
        if not isinstance(row, dict):
            _invalid("Row must be an object")
        _keys(row, {"id", "title", "description"}, "row")
        _length(_text_of(row, "id"), 200, "Row id")
        _length(_text_of(row, "title"), 24, "Row title")
        _length(_text_of(row, "description", required=False), 72, "Row description", minimum=0)
    _distinct([row["id"] for row in rows], "Duplicated row id")


_CHECKS = {
    "text": _check_text,
    "reaction": _check_reaction,
    "template": _check_template,
    "interactive": _check_interactive,
}


def _invalid(details: str) -> NoReturn:
    raise GraphError(131009, "Parameter value is not valid", details)


def _keys(value: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for key in value:
        if key not in allowed:
            raise GraphError(100, f'Unexpected key "{key}" on {where}.')


def _text_of(value: Any, key: str, *, required: bool = True) -> str:
    found = value.get(key, "") if isinstance(value, dict) else ""
    if not isinstance(found, str):
        raise GraphError(100, f"Param {key} must be a string.")
    if required and not found:
        raise GraphError(131008, "Required parameter is missing", f"{key} is required")
    return found


def _list_of(value: Mapping[str, Any], key: str, *, required: bool = True) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, list):
        raise GraphError(100, f"Param {key} must be an array.")
    if required and not found:
        raise GraphError(131008, "Required parameter is missing", f"{key} is required")
    return found


def _length(text: str, maximum: int, what: str, minimum: int = 1) -> None:
    if not minimum <= len(text) <= maximum:
        _invalid(f"{what} length invalid. Min length: {minimum}, Max length: {maximum}")


def _distinct(values: list[str], details: str) -> None:
    if len(set(values)) != len(values):
        _invalid(details)
