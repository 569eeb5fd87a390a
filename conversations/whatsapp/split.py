"""From one delivery of Meta to its items: messages, statuses, echoes and errors, each in our own terms. Pure.

Source of the shapes: WhatsApp Cloud API, webhook components reference.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from conversations.models import TAP_KINDS
from profiles.identifiers import Sender
from pyloto.privacy.hashing import digest
from pyloto.privacy.phones import WA_ID_DIGITS

TEXT_MAX = 16_384
CUT = " […]"  # marks a text that was cut
LIST_MAX = 5000  # Meta puts at most 1,000 updates into a delivery; 3 MB hold a million tiny ones
RAW_MAX_BYTES = 500_000  # of a type's own JSON: encrypted it must fit into a document; a longer item is quarantined
ID_MAX = 1024  # characters; Meta's have about 60
USER_ID_MAX = 256  # characters; Meta: up to 128 behind the country
OBJECT = "whatsapp_business_account"
TOO_MANY_UNREADABLE = "too_many_unreadable"  # the reason of who keeps a whole delivery instead of its items
BAD = "bad_"  # in front of the reason, where an item of a kind cannot be read
ITEMS = ("messages", "statuses", "message_echoes", "errors")  # the lists of a value that are understood
CHANGES = ("user_changed_number", "user_changed_user_id", "customer_changed_number")  # types of `system` messages
REFERRAL = ("source_id", "source_type", "source_url", "ctwa_clid", "headline", "body")  # which advertisement it was
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def provider_key(provider_message_id: str) -> str:
    """The digest that stands for an id of Meta's, which holds the customer's phone."""
    return digest("whatsapp", provider_message_id)


@dataclass(frozen=True)
class InboundMessage:
    """A message as the customer sent it, or with `echo` one that the owner sent from the phone app."""

    wamid: str = field(repr=False)
    phone_number_id: str
    sender: Sender = field(repr=False)  # of an echo: the customer it went to
    type: str
    timestamp: datetime
    text: str = field(default="", repr=False)
    payload: dict[str, Any] = field(default_factory=dict, repr=False)
    raw: str = field(default="", repr=False)  # JSON of the type's own object, where it is not wholly in `payload`
    media: dict[str, Any] = field(default_factory=dict, repr=False)
    context: dict[str, Any] = field(default_factory=dict)
    echo: bool = False

    @property
    def is_tap(self) -> bool:
        """A choice in a list or on a button: complete by itself, nothing more to wait for."""
        return self.payload.get("kind") in TAP_KINDS


@dataclass(frozen=True)
class StatusUpdate:
    wamid: str = field(repr=False)
    status: str
    timestamp: datetime
    phone_number_id: str
    callback_data: str = ""
    errors: tuple[dict[str, Any], ...] = ()  # {"code", "title"}


@dataclass(frozen=True)
class ProviderError:
    """An error that Meta reports for the number itself, outside any message."""

    code: int
    title: str


@dataclass(frozen=True)
class Unreadable:
    """An item that cannot be understood; `raw` is its JSON, to be quarantined. `envelope_of` puts it together again."""

    reason: str
    raw: str = field(repr=False)
    phone_number_id: str = ""  # of ours, where the item alone does not tell


InboundItem = InboundMessage | StatusUpdate | ProviderError | Unreadable


class _Item(BaseModel):
    """What no message, echo or status may lack. Whatever else they carry is read leniently."""

    id: str = Field(min_length=1, max_length=ID_MAX)
    timestamp: int = Field(gt=0, lt=32_503_680_000)  # seconds; before the year 3000

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp, UTC)


class _Message(_Item):
    type: str = Field(min_length=1, max_length=64)


class _Status(_Item):
    status: Literal["sent", "delivered", "read", "played", "failed"]


def split_delivery(body: Any, *, our_numbers: Sequence[str]) -> Iterator[InboundItem]:
    """Yield every message, status, echo and error of one delivery, in document order.

    `body` is the decoded envelope: {"object", "entry": [{"changes": [{"field", "value"}]}]}. Items that cannot be read,
    and whatever is not ours, are yielded as `Unreadable` with a reason; nothing is skipped.
    """
    if not isinstance(body, Mapping) or body.get("object") != OBJECT:
        yield _unreadable("unknown_object", body)
        return
    if not isinstance(body.get("entry"), list):
        yield _unreadable("no_entry", body)
        return
    if len(body["entry"]) > LIST_MAX:
        yield _unreadable("too_many_entries", body)
        return
    for entry in body["entry"]:
        changes = entry.get("changes") if isinstance(entry, Mapping) else None
        if not isinstance(changes, list) or len(changes) > LIST_MAX:
            yield _unreadable("too_many_changes" if isinstance(changes, list) else "no_changes", entry)
            continue
        for change in changes:
            value = change.get("value") if isinstance(change, Mapping) else None
            if isinstance(value, Mapping):
                yield from _split_value(value, our_numbers)
            else:
                yield _unreadable("no_value", change)


def envelope_of(part: Any, reason: str, phone_number_id: str) -> Any:
    """The delivery that holds this part of one, which was `Unreadable` for that reason.

    Of an item only its kind and our number are known; without contacts its sender has no name.
    """
    if reason.startswith(BAD):
        kind = next((kind for kind in ITEMS if reason.startswith(f"{BAD}{kind}_")), "messages")
        part = {"metadata": {"phone_number_id": phone_number_id}, kind: [part]}
    elif reason in ("unknown_object", "no_entry", "too_many_entries", TOO_MANY_UNREADABLE):
        return part
    elif reason in ("no_changes", "too_many_changes"):
        return {"object": OBJECT, "entry": [part]}
    change = part if reason == "no_value" else {"value": part}
    return {"object": OBJECT, "entry": [{"changes": [change]}]}


def _split_value(value: Mapping[str, Any], our_numbers: Sequence[str]) -> Iterator[InboundItem]:
    number = _text(_map(value, "metadata"), "phone_number_id")
    known = [key for key in ITEMS if isinstance(value.get(key), list)]
    if known and number not in our_numbers:
        yield _unreadable("unknown_phone_number_id", value)
        return
    contacts = _contacts(value)
    for kind in known:
        if len(value[kind]) > LIST_MAX:
            yield _unreadable(f"too_many_{kind}", value)
            continue
        for item in value[kind]:
            yield _read(kind, item, number, contacts)
    rest = {key: content for key, content in value.items() if key not in known}
    if not known or any(_holds_items(key, content) for key, content in rest.items()):
        yield _unreadable("unknown_field", rest)


def _holds_items(key: str, content: Any) -> bool:
    """Whether something that we do not know stands there: whatever Meta sends, it sends in lists."""
    return key != "contacts" and (isinstance(content, list) or (key in ITEMS and content is not None))


def _read(kind: str, item: Any, number: str, contacts: Mapping[str, Sender]) -> InboundItem:
    """One bad item never costs the others. Of an exception only its class is kept: its text may quote the item."""
    try:
        match kind:
            case "messages":
                return _message(item, number, contacts)
            case "message_echoes":
                return _echo(item, number)
            case "statuses":
                return _status(item, number)
            case _:
                return _provider_error(item)
    except (ValueError, TypeError, OverflowError) as exc:  # pydantic's ValidationError is a ValueError
        return replace(_unreadable(f"{BAD}{kind}_{type(exc).__name__}", item), phone_number_id=number)


def _message(item: Any, number: str, contacts: Mapping[str, Sender]) -> InboundMessage:
    message = _Message.model_validate(item)
    wa_id, bsuid = _wa_id(item, "from"), _user_id(item, "from_user_id")
    known = contacts.get(bsuid) or contacts.get(wa_id) or Sender()
    sender = Sender(wa_id=wa_id or known.wa_id, bsuid=bsuid or known.bsuid, username=known.username, name=known.name)
    if message.type == "system":
        sender = _with_new_ids(sender, _map(item, "system"))
    if not sender.identifiers():
        raise ValueError("no sender")
    context = _context(item)
    if group := _text(item, "group_id"):
        context["group"] = digest("group", group)
    return _inbound(message, item, number, sender, context)


def _with_new_ids(sender: Sender, own: Mapping[str, Any]) -> Sender:
    """With what the customer is known by from now on, where a notice of WhatsApp says so; old ones say `new_wa_id`."""
    if _text(own, "type") not in CHANGES:
        return sender
    new_wa_id, new_bsuid = _wa_id(own, "new_wa_id") or _wa_id(own, "wa_id"), _user_id(own, "user_id")
    return replace(sender, new_wa_id=new_wa_id, new_bsuid=new_bsuid)


def _echo(item: Any, number: str) -> InboundMessage:
    message = _Message.model_validate(item)
    customer = Sender(wa_id=_wa_id(item, "to"), bsuid=_user_id(item, "to_user_id"))
    if not customer.identifiers():
        raise ValueError("no recipient")
    return _inbound(message, item, number, customer, _context(item), echo=True)


def _inbound(
    message: _Message,
    item: Mapping[str, Any],
    number: str,
    customer: Sender,
    context: dict[str, Any],
    *,
    echo: bool = False,
) -> InboundMessage:
    content = _content(message.type, item)
    if errors := _errors(item):
        content["payload"] = {**content.get("payload", {}), "errors": list(errors)}
    return InboundMessage(
        wamid=message.id,
        phone_number_id=number,
        sender=customer,
        type=message.type,
        timestamp=message.at,
        context=context,
        echo=echo,
        **content,
    )


def _status(item: Any, number: str) -> StatusUpdate:
    status = _Status.model_validate(item)
    return StatusUpdate(
        wamid=status.id,
        status=status.status,
        timestamp=status.at,
        phone_number_id=number,
        callback_data=_text(item, "biz_opaque_callback_data"),
        errors=_errors(item),
    )


def _provider_error(item: Any) -> ProviderError:
    if not isinstance(item, Mapping):
        raise TypeError("an error is an object")
    return ProviderError(code=_int(item, "code"), title=_text(item, "title")[:200])


def _content(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """`text`, `payload`, `raw` and `media` of a message, out of the object that stands under its type."""
    own = _map(item, kind)
    match kind:
        case "text":
            return {"text": _long_text(own, "body")}
        case "image" | "video" | "document" | "audio" | "sticker":
            return {"text": _long_text(own, "caption"), "media": _media(own)}
        case "interactive":
            return _interactive(own)
        case "button":
            text = _long_text(own, "text")
            return {
                "text": text,
                "payload": {"kind": "template_button", "id": _text(own, "payload")[:1024], "title": text},
            }
        case "location":
            return {"payload": _location(own)}
        case "reaction":
            return {"payload": {"emoji": _text(own, "emoji")[:64], "message_key": _key(own, "message_id")}}
        case "order":
            return {
                "text": _long_text(own, "text"),
                "payload": {"catalog_id": _text(own, "catalog_id")[:256]},
                "raw": _raw(own),
            }
        case "contacts":
            return {"payload": {"count": len(_list(item, "contacts"))}, "raw": _raw(item.get("contacts"))}
        case "system":
            return {"payload": {"kind": _text(own, "type")[:64]}, "raw": _raw(own)}
        case "edit":
            edited = _map(own, "message")
            text = _long_text(_map(edited, "text"), "body")
            payload = {"message_key": _key(own, "original_message_id"), "type": _text(edited, "type")[:64]}
            return {"text": text, "payload": payload, "raw": _raw(edited)}
        case "revoke":
            return {"payload": {"message_key": _key(own, "original_message_id")}}
        case _:
            return {"raw": _raw(item.get(kind))}


def _interactive(own: Mapping[str, Any]) -> dict[str, Any]:
    kind = _text(own, "type")
    chosen = _map(own, kind) if kind else {}
    match kind:
        case "button_reply" | "list_reply":
            title = _long_text(chosen, "title")
            payload = {"kind": kind, "id": _text(chosen, "id")[:256], "title": title}
            if chosen.get("description"):
                payload["description"] = _text(chosen, "description")[:256]
            return {"text": title, "payload": payload}
        case "nfm_reply":
            payload = {"kind": kind, "name": _text(chosen, "name")[:256]}
            return {"text": _long_text(chosen, "body"), "payload": payload, "raw": _raw(chosen)}
        case _:  # the object can be missing, when Meta reports errors
            return {"payload": {"kind": kind[:64]}, "raw": _raw(own) if own else ""}


def _location(own: Mapping[str, Any]) -> dict[str, Any]:
    place: dict[str, Any] = {name: _text(own, name)[:1024] for name in ("name", "address", "url") if own.get(name)}
    for axis in ("latitude", "longitude"):
        degrees = float(own.get(axis))  # type: ignore[arg-type]  # TypeError where there is none
        if not abs(degrees) <= 180:  # also what is not a number
            raise ValueError("no place on earth")
        place[axis] = degrees
    return place


def _media(own: Mapping[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {
        key: _text(own, key)[:1024] for key in ("id", "mime_type", "sha256", "filename") if own.get(key)
    }
    return media | {key: bool(own[key]) for key in ("voice", "animated") if key in own}


def _context(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the message quotes, whether it was forwarded, which advertisement it came from."""
    own = _map(item, "context")
    context: dict[str, Any] = {key: True for key in ("forwarded", "frequently_forwarded") if own.get(key) is True}
    if own.get("id"):
        context["message_key"] = _key(own, "id")
    if referral := _map(item, "referral"):
        context["referral"] = {key: _text(referral, key)[:1024] for key in REFERRAL if referral.get(key)}
    return context


def _contacts(value: Mapping[str, Any]) -> dict[str, Sender]:
    """The senders that `contacts` names, under each of their ids."""
    found: dict[str, Sender] = {}
    for contact in _list(value, "contacts"):
        if not isinstance(contact, Mapping):
            continue
        profile = _map(contact, "profile")
        wa_id, bsuid = _wa_id(contact, "wa_id"), _user_id(contact, "user_id")
        sender = Sender(
            wa_id=wa_id, bsuid=bsuid, username=_text(profile, "username")[:256], name=_text(profile, "name")[:200]
        )
        found |= {key: sender for key in (wa_id, bsuid) if key}
    return found


def _errors(item: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Codes and titles; the details may quote the customer's number."""
    return tuple(
        {"code": _int(error, "code"), "title": _text(error, "title")[:200]}
        for error in _list(item, "errors")[:10]
        if isinstance(error, Mapping)
    )


def _unreadable(reason: str, item: Any) -> Unreadable:
    return Unreadable(reason=reason, raw=_json(item))


def _raw(own: Any) -> str:
    if own is None:
        return ""
    text = _json(own)
    if len(text.encode()) > RAW_MAX_BYTES:
        raise ValueError("the type's own object is too large")
    return text


def _json(item: Any) -> str:
    return _clean(json.dumps(item, ensure_ascii=False, separators=(",", ":")))


def _clean(text: str) -> str:
    """Lone surrogates cannot be stored: they become U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


def _text(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, Mapping) else None
    return _clean(value) if isinstance(value, str) else ""


def _long_text(item: Mapping[str, Any], key: str) -> str:
    text = _text(item, key)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - len(CUT)] + CUT


def _key(item: Mapping[str, Any], key: str) -> str:
    value = _text(item, key)
    return provider_key(value) if value else ""


def _int(item: Any, key: str) -> int:
    value = item.get(key) if isinstance(item, Mapping) else None
    return value if isinstance(value, int) and abs(value) < 2**53 else 0


def _map(item: Any, key: str) -> Mapping[str, Any]:
    value = item.get(key) if isinstance(item, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _list(item: Any, key: str) -> list[Any]:
    value = item.get(key) if isinstance(item, Mapping) else None
    return value if isinstance(value, list) else []


def _user_id(item: Any, key: str) -> str:
    """A business-scoped user id; none where it is longer than Meta's can be."""
    value = _text(item, key)
    return value if len(value) <= USER_ID_MAX else ""


def _wa_id(item: Any, key: str) -> str:
    """A wa_id as WhatsApp sent it; none where it is no phone, as in the statuses of groups."""
    value = _text(item, key)
    digits = value.removeprefix("+")
    return value if digits.isascii() and digits.isdecimal() and len(digits) in WA_ID_DIGITS else ""
