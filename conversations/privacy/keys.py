"""What of conversations is encrypted, and where identifiers of customers stand in it."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from conversations.models import Message, Quarantined
from conversations.stores import MEDIA_FILES, QUARANTINE_FOLDER, ConversationStore
from profiles.identifiers import Sender
from pyloto.documents import Query, Snapshot
from pyloto.privacy import registry
from pyloto.privacy.fields import decrypt
from pyloto.privacy.registry import EncryptedField, IdentifierSource

conversations = ConversationStore()


def _waiting() -> Query:
    """Messages that no turn has brought into a profile yet; each is due within seconds."""
    return conversations.due_query(timezone.now() + timedelta(days=1))


def _sent_by(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    envelope = snapshot.data.get("sender")
    if envelope:
        sender = Sender.from_json(decrypt(envelope, path=snapshot.path, field="sender"))
        yield from sender.identifiers()
        yield from sender.renewed().identifiers()


registry.register(
    EncryptedField(Message.collection, "sender", group=True),
    EncryptedField(Message.collection, "provider_message_id", group=True),
    EncryptedField(Message.collection, "payload.raw", group=True),
    MEDIA_FILES,
    EncryptedField(Quarantined.collection, "body", file="file", folder=QUARANTINE_FOLDER),
    IdentifierSource(Message.collection, _waiting, _sent_by, conversations.open_query),
)
