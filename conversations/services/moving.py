"""Messages that wait below a customer who is no more: each goes to whom it belongs by now.

A process keeps for a minute whose an identifier is, and a message is on its way for a while. So it may come in under the
key of a customer who was erased, or merged into another. The worker that finds it there asks anew who wrote it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from conversations.models import Message, MessageState
from conversations.services.media import discard_files, moved_media
from conversations.services.merging import find_current
from conversations.stores import ConversationStore, Loaded
from profiles.identifiers import Sender, identity_ids
from profiles.services.resolution import IdentityContended, Resolved, resolve_senders
from profiles.stores import IdentityStore
from pyloto.documents import DELETE_FIELD, AlreadyExists, Create, Delete, Update, get_store
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, decrypt, encrypt
from pyloto.privacy.registry import encrypted_fields

log = structlog.get_logger(__name__)
conversations = ConversationStore()
identities = IdentityStore()

TRIES = 4


class Departed(Exception):
    """No failure: this conversation goes on elsewhere, or not at all. `loaded` is what was read of it."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__("the conversation goes on elsewhere")
        self.loaded = loaded


def move_items(items: Sequence[Message], loaded: Loaded, *, now: datetime) -> set[str]:
    """Move what came in, each message in one commit; return the keys of those whom a worker should look after now.

    What an erased customer wrote before they asked for it, and what was to be sent to them, is deleted. What a merged
    one is to be sent is left to the outbox. Raises what the store raises; a second run does the rest.
    """
    moved_to = set()
    for item in items:
        if item.state == MessageState.RECEIVED and not _is_erased(item, loaded):
            if user_key := _move(item, now=now):
                moved_to.add(user_key)
        elif loaded.is_erased:
            get_store().delete(item.path)
            log.info("erased_message_removed", message_key=item.pk)
    return moved_to


def _is_erased(message: Message, loaded: Loaded) -> bool:
    """Whether it is part of what was to be erased; without a journal nobody knows, and it is answered."""
    return loaded.is_erased and loaded.erasure is not None and not message.came_in_after(loaded.erasure.requested_at)


def _move(message: Message, *, now: datetime) -> str | None:
    """Returns whose it is now; None where it cannot be read, as nobody can tell then: it stays where it is, not due
    any more, since no other try would end otherwise. Its state tells that it was not answered."""
    try:
        sender = Sender.from_json(decrypt(message.sender or "", path=message.path, field="sender"))
        owner = _owner_of(sender, now=now)
        path = conversations.message_path(owner.user_key, message.pk)
        document = _bound_to(path, message)
    except DecryptionFailed:
        alert("message_not_moved", message_key=message.pk)
        get_store().commit([Update(message.path, {"due": DELETE_FIELD}, last_update_time=message.update_time)])
        return None
    if path == message.path:  # a merge was undone meanwhile
        return owner.user_key
    document["sender"] = encrypt(owner.sender.to_json(), path=path, field="sender")
    document |= moved_media(message, path, now=now)
    removed = Delete(message.path, last_update_time=message.update_time)
    try:
        get_store().commit([Create(path, document), removed])
    except AlreadyExists:
        if path not in get_store().get_many([path]):
            raise
        get_store().commit([removed])  # Meta sent it twice, and it is there already
    discard_files(message)
    log.info("message_moved", message_key=message.pk, user_key=owner.user_key)
    return owner.user_key


def _owner_of(sender: Sender, *, now: datetime) -> Resolved:
    """Asked of the documents. Entries that lead to an erased customer are left over: they go, and somebody new comes."""
    for _ in range(TRIES):
        [resolved] = resolve_senders([sender], now=now, fresh=True)
        user_key, loaded = find_current(resolved.user_key)
        if not loaded.is_erased:
            return Resolved(user_key, resolved.sender)
        found = identities.find_many(key for _, keys in identity_ids(sender) for key in keys)
        left_over = [identity for identity in found.values() if identity.user_key == resolved.user_key]
        get_store().commit([identities.remove(identity) for identity in left_over])
    raise IdentityContended("an erased customer keeps coming back")


def _bound_to(path: str, message: Message) -> dict[str, Any]:
    """The document as it stands at another path: what is encrypted is bound to its place. Raises `DecryptionFailed`."""
    document = message.to_document()
    for entry in encrypted_fields():
        *ways, last = entry.field.split(".")
        place: Any = document
        for name in ways:
            place = place.get(name) if isinstance(place, dict) else None
        if entry.collection == Message.collection and isinstance(place, dict) and place.get(last):
            plain = decrypt(place[last], path=message.path, field=entry.field)
            place[last] = encrypt(plain, path=path, field=entry.field)
    return document
