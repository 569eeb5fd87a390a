"""How messages look on the customer's phone: the entries of a chat. Pure."""

from collections.abc import Mapping
from typing import Any


def own_entry(wamid: str, at: float, content: Mapping[str, Any], quote: str) -> dict[str, Any]:
    """A message of the customer; one that only changes another message is hidden."""
    entry: dict[str, Any] = {
        "wamid": wamid,
        "from": "customer",
        "type": content["type"],
        "at": int(at * 1000),
        "text": str(content.get("text") or content.get("title") or content.get("caption") or ""),
        "status": "sending",
    }
    if quote:
        entry["quote"] = quote
    if content.get("media_id"):
        entry["media_id"] = content["media_id"]
    if content["type"] in {"reaction", "edit", "revoke"}:
        entry["hidden"] = True
    return entry


def apply_change(entry: dict[str, Any], content: Mapping[str, Any]) -> None:
    """What a reaction, an edit or a removal by the customer does to the message it is about."""
    match content["type"]:
        case "reaction":
            entry.setdefault("reactions", {})["customer"] = content.get("emoji", "")
        case "edit":
            entry.update(text=content["text"], edited=True)
        case "revoke":
            entry.update(text="", revoked=True)


def shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """How a message of ours looks on the phone: {"type", "text", …}."""
    kind = body.get("type", "text")
    if kind == "text":
        return {"type": "text", "text": body["text"]["body"]}
    if kind == "template":
        template = body["template"]
        parameters = [p for component in template.get("components", ()) for p in component.get("parameters", ())]
        texts = [str(parameter.get("text", "")) for parameter in parameters if parameter.get("text")]
        return {"type": "template", "text": "\n".join([f"Modelo “{template['name']}”", *texts])}
    if kind == "reaction":
        return {"type": "reaction", "text": ""}
    interactive = body["interactive"]
    shown = {
        "text": interactive["body"]["text"],
        "header": (interactive.get("header") or {}).get("text", ""),
        "footer": (interactive.get("footer") or {}).get("text", ""),
    }
    action = interactive["action"]
    if interactive["type"] == "button":
        return {"type": "buttons", **shown, "buttons": [button["reply"] for button in action["buttons"]]}
    return {"type": "list", **shown, "button": action["button"], "sections": action["sections"]}


def choices(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The buttons or rows of a message."""
    rows = [row for section in entry.get("sections", ()) for row in section["rows"]]
    return [*entry.get("buttons", ()), *rows]
