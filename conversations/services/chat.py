"""One conversation for the admin's chat view: a page of its messages, and what stands beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.utils import timezone

from conversations.models import Conversation, Handoff, Message, Session
from conversations.services.commits import profile_in
from conversations.stores import BotControls, ConversationStore, HandoffStore, Position, SessionStore, load
from conversations.transcript import Bubble, bubbles_of, cited_keys, keyed
from profiles.models import UserProfile
from profiles.stores import UserProfileStore
from pyloto.documents import get_store, is_document_id

PAGE = 50
PLACE_SALT = "conversations.chat"
conversations = ConversationStore()


@dataclass(frozen=True)
class Chat:
    header: Conversation
    profile: UserProfile | None
    session: Session | None
    handoff: Handoff | None
    bubbles: list[Bubble]
    controls: BotControls
    earlier: str  # signed place of the page before; empty at the beginning of the conversation
    is_latest: bool

    @property
    def name(self) -> str:
        return self.profile.name if self.profile and self.profile.name else "Cliente sem nome"

    @property
    def masked_phone(self) -> str:
        return self.profile.masked_phone if self.profile else ""


def load_chat(user_key: str, *, before: str = "") -> Chat | None:
    """None where there is no such conversation, or its customer is being erased. A `before` that we did not sign shows the latest page.

    Reads header and profile, one page of messages, session and handoff with quoted messages: three round trips.
    """
    if not is_document_id(user_key):
        return None
    loaded = load(user_key, [UserProfileStore.path(user_key)])
    if loaded.header is None or loaded.is_erased:
        return None
    place = _read_place(user_key, before)
    messages = conversations.get_messages(user_key, limit=PAGE + 1, before=place)
    page, session, handoff = messages[:PAGE], None, None
    cited = {key: conversations.message_path(user_key, key) for key in cited_keys(page)}
    session_id = loaded.header.session_id
    beside = [SessionStore.path(session_id), HandoffStore.path(session_id)] if session_id else []
    others = get_store().get_many([*beside, *cited.values()]) if beside or cited else {}
    if session_id:
        session = Session.from_snapshot(others[beside[0]]) if beside[0] in others else None
        handoff = Handoff.from_snapshot(others[beside[1]]) if beside[1] in others else None
    quoted: Mapping[str, Message] = keyed(Message.from_snapshot(others[p]) for p in cited.values() if p in others)
    return Chat(
        header=loaded.header,
        profile=profile_in(loaded, user_key),
        session=session,
        handoff=handoff,
        bubbles=bubbles_of(page, quoted=quoted, today=timezone.localdate(), mode=loaded.header.mode),
        controls=loaded.controls,
        earlier=_sign_place(user_key, page[-1]) if len(messages) > PAGE else "",
        is_latest=place is None,
    )


def is_there(user_key: str) -> bool:
    """Whether there is such a conversation, whose customer is not being erased."""
    loaded = load(user_key, ())
    return loaded.header is not None and not loaded.is_erased


def version_of(user_key: str) -> str | None:
    """Changes with every commit to the conversation; None where there is none."""
    header = load(user_key, ()).header
    return header.attempt if header is not None else None


def _sign_place(user_key: str, message: Message) -> str:
    place: dict[str, Any] = {"t": message.timestamp.isoformat(), "s": message.seq, "k": message.pk}
    return signing.dumps(place, salt=f"{PLACE_SALT}:{user_key}")


def _read_place(user_key: str, signed: str) -> Position | None:
    try:
        place = signing.loads(signed, salt=f"{PLACE_SALT}:{user_key}")
    except signing.BadSignature:
        return None
    path = conversations.message_path(user_key, place["k"])
    return Position(datetime.fromisoformat(place["t"]), place["s"], path)
