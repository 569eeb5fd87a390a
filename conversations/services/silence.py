"""Customers with whom nobody has spoken for so long that all that is kept about them is erased."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.utils import timezone

from conversations.models import Conversation, Mode
from conversations.stores import ConversationStore
from profiles.models import Erasure
from profiles.services import erasure
from profiles.services.subjects import subject_of
from profiles.stores import UserProfileStore
from pyloto.documents import get_store
from pyloto.errors import PylotoError
from pyloto.observability.alerts import alert
from pyloto.privacy.registry import Aged, Subject

conversations = ConversationStore()
profiles = UserProfileStore()


def find_silent(cutoff: datetime) -> Iterator[Aged]:
    """People with whom nobody has spoken since: no message, nothing open, under none of their keys."""
    for profile in profiles.find_silent(cutoff):
        subject = subject_of(profile.pk)
        if subject.user_keys[0] == profile.pk and not _is_in_touch(subject, cutoff):
            yield Aged((profile.path,), profile.pk, profile.last_interaction)


def _is_in_touch(subject: Subject, cutoff: datetime) -> bool:
    """Also where they are being erased already: others see to that."""
    heard = [profile.last_interaction for profile in profiles.find_many(subject.user_keys).values()]
    found = get_store().get_many([conversations.path(user_key) for user_key in subject.user_keys])
    headers = [Conversation.from_snapshot(snapshot) for snapshot in found.values()]
    spoken = [header.last_message_at for header in headers if header.last_message_at]
    return (
        any(at > cutoff for at in (*heard, *spoken))
        or any(header.status == Conversation.Status.ERASED or header.mode != Mode.BOT for header in headers)
        or any(conversations.open_items(user_key, limit=1) for user_key in subject.user_keys)
    )


def erase_silent(batch: Sequence[Aged]) -> int:
    """Begin each erasure; the job that goes on with unfinished ones does the rest. One that fails is found tomorrow."""
    begun = 0
    for aged in batch:
        try:
            erasure.begin(user_key=aged.user_key, reason=Erasure.Reason.RETENTION, actor="SYSTEM", now=timezone.now())
        except PylotoError as exc:
            alert("retention_erasure_failed", user_key=aged.user_key, error=type(exc).__name__)
            continue
        begun += 1
    return begun
