"""A conversation as people read it: from messages to the bubbles of the chat view. Pure, in plain Portuguese."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.text import Truncator

from .failure_texts import failure_text
from .labels import day_name
from .media import FILE_TYPES, MediaStatus, can_try_again, status_text
from .models import Actor, Conversation, Direction, Message, MessageState, Mode
from .outbox import IN_DOUBT, is_undelivered

DELIVERED = ("played", "read", "delivered")  # Meta's statuses that prove an arrival, the highest first

MEDIA = {  # by Meta's type: the symbol, and what it is
    "image": ("image", "Imagem"),
    "video": ("videocam", "Vídeo"),
    "audio": ("headphones", "Áudio"),
    "voice": ("mic", "Mensagem de voz"),
    "document": ("description", "Documento"),
    "sticker": ("sentiment_satisfied", "Figurinha"),
    "location": ("location_on", "Localização"),
    "contacts": ("contacts", "Contato"),
    "order": ("shopping_cart", "Pedido do catálogo"),
    "template": ("campaign", "Modelo de mensagem"),
    "system": ("info", "Aviso do WhatsApp"),
    "revoke": ("block", "O cliente apagou uma mensagem"),
    "edit": ("edit", "O cliente corrigiu uma mensagem"),
    "unsupported": ("help", "Tipo de mensagem sem suporte"),
}
PREVIEWS = {"reaction": "Reação", **{kind: words for kind, (_, words) in MEDIA.items()}}
PREVIEW_LENGTH = 80
TEXT_TYPES = {"text", "interactive", "button"}
ON_ITS_WAY = {MessageState.SENDING, MessageState.UNKNOWN}


@dataclass(frozen=True)
class Delivery:
    """How far an outbound message got. `symbol` and `tone` choose its look, `note` is shown when something is wrong."""

    label: str
    symbol: str = "schedule"
    tone: str = "muted"  # muted, read, warning, danger
    note: str = ""


@dataclass(frozen=True)
class Quote:
    author: str
    text: str


@dataclass(frozen=True)
class Attachment:
    """The file of a message: how it is shown where it is there, else what became of it."""

    shown_as: str = ""  # image, audio, video; "" for a file to download
    is_stored: bool = False
    note: str = ""
    can_try_again: bool = False


@dataclass(frozen=True)
class Bubble:
    message: Message
    author: str
    outbound: bool
    at: datetime  # local
    new_day: str = ""  # "Hoje", "12 de novembro de 2026": the separator above this bubble
    media_symbol: str = ""
    media_label: str = ""
    media_detail: str = ""
    attachment: Attachment | None = None
    tapped: bool = False
    quote: Quote | None = None
    reactions: tuple[str, ...] = ()
    delivery: Delivery | None = None
    options: tuple[dict[str, str], ...] = field(default=())  # rows of a list, or reply buttons

    @property
    def tone(self) -> str:
        return {Actor.USER.value: "customer", Actor.PYLOTO.value: "bot"}.get(self.message.actor, "human")

    @property
    def is_in_doubt(self) -> bool:
        """Whether a person decides if it is sent once more, as `services.uncertain` lets them."""
        arrived = self.message.status_at and not is_undelivered(self.message.status_at)
        return self.outbound and self.message.state in IN_DOUBT and not arrived

    @property
    def is_list(self) -> bool:
        return bool(self.message.payload.get("kind") == "list")


def bubbles_of(
    newest_first: Sequence[Message], *, quoted: Mapping[str, Message], today: date, mode: str = Mode.BOT
) -> list[Bubble]:
    """The messages of one page, oldest first. `quoted` holds messages that are cited but stand elsewhere, by key.

    With a person (`mode` HUMAN) a message of the bot's that was on its way may still arrive, and says so.
    Reactions hang below the message that they are about; those whose message stands elsewhere keep their own bubble.
    """
    by_key = {**quoted, **keyed(newest_first)}
    ordered = list(reversed(newest_first))
    reactions = _reactions(ordered)
    on_page = {id(message) for message in ordered}
    shown, day = [], None
    for message in ordered:
        target = by_key.get(message.payload.get("message_key", "")) if message.type == "reaction" else None
        if target is not None and id(target) in on_page:
            continue
        at = timezone.localtime(message.timestamp)
        shown.append(
            _bubble(
                message,
                at,
                by_key,
                reactions,
                new_day=day_name(at.date(), today) if at.date() != day else "",
                taken=mode == Mode.HUMAN,
            )
        )
        day = at.date()
    return shown


def keyed(messages: Iterable[Message]) -> dict[str, Message]:
    """Each message under the keys it is cited by: its own, and the digest of Meta's id."""
    found = {}
    for message in messages:
        found[message.pk] = message
        if message.provider_message_key:
            found[message.provider_message_key] = message
    return found


def cited_keys(messages: Sequence[Message]) -> set[str]:
    """The keys of quoted messages that are not among these."""
    return {key for message in messages if (key := message.context.get("message_key"))} - keyed(messages).keys()


def attachment_of(message: Message) -> Attachment | None:
    """None where the message brought no file."""
    if "status" not in message.media:
        return None
    if message.media["status"] != MediaStatus.STORED:
        return Attachment(note=status_text(message), can_try_again=can_try_again(message))
    content_type = str(message.media.get("content_type", ""))
    known = FILE_TYPES.get(content_type)
    return Attachment(shown_as=content_type.partition("/")[0] if known and known.inline else "", is_stored=True)


def delivery_of(message: Message, *, taken: bool = False) -> Delivery:
    """What became of an outbound message: the highest status that Meta reported, else our own state.

    `taken`: a person has the conversation.
    """
    reached = next((status for status in DELIVERED if message.status_at.get(status)), None)
    match reached:
        case "played":
            return Delivery("Ouvida", "done_all", "read")
        case "read":
            return Delivery("Lida", "done_all", "read")
        case "delivered":
            return Delivery("Entregue", "done_all")
    note = failure_text(message)
    if message.status_at.get("failed") or message.state == MessageState.FAILED:
        return Delivery("Não entregue", "error", "danger", note)
    if message.status_at.get("sent"):
        return Delivery("Enviada", "done")
    if taken and message.actor == Actor.PYLOTO and message.state in ON_ITS_WAY:
        note = "Mensagem do bot em envio quando a conversa foi assumida: ainda pode chegar ao cliente."
        return Delivery("Mensagem do bot em envio", "schedule", "warning", note)
    match message.state:
        case MessageState.SENT:
            return Delivery("Enviada", "done")
        case MessageState.UNKNOWN | MessageState.NEEDS_HUMAN:
            return Delivery("Entrega incerta", "help", "warning", note)
        case MessageState.CANCELLED:
            return Delivery("Cancelada", "cancel", "muted", note)
        case MessageState.SENDING:
            return Delivery("Enviando")
    return Delivery("Na fila", note=note)


def preview_of(header: Conversation) -> str:
    """The last message in a few words. Of one without text the header holds its type in brackets."""
    preview = header.last_message_preview
    if re.fullmatch(r"\[\w+\]", preview):
        return PREVIEWS.get(preview[1:-1], MEDIA["unsupported"][1])
    return Truncator(preview).chars(PREVIEW_LENGTH)


def _bubble(
    message: Message,
    at: datetime,
    by_key: Mapping[str, Message],
    reactions: Mapping[str, tuple[str, ...]],
    *,
    new_day: str,
    taken: bool,
) -> Bubble:
    outbound = message.direction == Direction.OUT
    symbol, label = _media(message)
    cited = message.context.get("message_key")
    return Bubble(
        message=message,
        author=_author(message),
        outbound=outbound,
        at=at,
        new_day=new_day,
        media_symbol=symbol,
        media_label=label,
        media_detail=_media_detail(message),
        attachment=attachment_of(message),
        tapped=message.payload.get("kind") in {"list_reply", "button_reply", "template_button"},
        quote=_quote(by_key.get(cited)) if cited else None,
        reactions=reactions.get(message.pk) or reactions.get(message.provider_message_key or "") or (),
        delivery=delivery_of(message, taken=taken) if outbound else None,
        options=_options(message.payload),
    )


def _author(message: Message) -> str:
    if message.actor == Actor.HUMAN:
        return "Atendente"
    return "Cliente" if message.actor == Actor.USER else "Otto"


def _media(message: Message) -> tuple[str, str]:
    if message.type in TEXT_TYPES and (message.text or message.payload):
        return "", ""
    if message.type == "reaction":
        emoji = str(message.payload.get("emoji") or "")
        return "add_reaction", f"Reagiu com {emoji} a outra mensagem" if emoji else "Retirou uma reação"
    kind = "voice" if message.media.get("voice") else message.type
    symbol, label = MEDIA.get(kind, MEDIA["unsupported"])
    return symbol, label


def _media_detail(message: Message) -> str:
    """The one line that says more about what is not shown: a file name, a place, a number."""
    payload = message.payload
    match message.type:
        case "location":
            place = " · ".join(str(payload[key]) for key in ("name", "address") if payload.get(key))
            return place or f"{payload.get('latitude', '?')}, {payload.get('longitude', '?')}"
        case "contacts":
            return f"{payload['count']} no total" if payload.get("count", 1) != 1 else ""
        case "template":
            return str(payload.get("name", ""))
    return str(message.media.get("filename", ""))


def _options(payload: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    match payload.get("kind"):
        case "buttons":
            options = payload.get("buttons", ())
        case "list":
            options = [
                *payload.get("rows", ()),
                *(r for part in payload.get("sections", ()) for r in part.get("rows", ())),
            ]
        case _:
            return ()
    return tuple({"title": str(o.get("title", "")), "description": str(o.get("description", ""))} for o in options)


def _quote(cited: Message | None) -> Quote:
    if cited is None:
        return Quote("Mensagem anterior", "Fora desta página")
    return Quote(_author(cited), cited.text or _media(cited)[1])


def _reactions(oldest_first: Sequence[Message]) -> dict[str, tuple[str, ...]]:
    """{key of the message reacted to: emojis}. Each side has one reaction; a later one replaces it, "" takes it back."""
    current: dict[str, dict[str, str]] = {}
    for message in oldest_first:
        if message.type == "reaction":
            key = str(message.payload.get("message_key", ""))
            current.setdefault(key, {})[message.actor] = str(message.payload.get("emoji") or "")
    return {key: tuple(emoji for emoji in by_actor.values() if emoji) for key, by_actor in current.items()}
