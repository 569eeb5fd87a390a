"""Customers with whom nobody has spoken for so long that all that is kept about them is erased."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from conversations.models import Conversation, Mode
from conversations.stores import ConversationStore
from profiles.models import Erasure
from profiles.services import erasure
from profiles.services.subjects import keys_of
from profiles.stores import UserProfileStore
from pyloto.documents import get_store
from pyloto.errors import PylotoError
from pyloto.observability.alerts import alert
from pyloto.privacy.registry import Aged, Place

conversations = ConversationStore()
profiles = UserProfileStore()

ON_ITS_WAY = timedelta(seconds=20)  # so old a message may be when it is stored at last


def find_silent(cutoff: datetime, place: Place | None) -> Iterator[Aged]:
    for profile in profiles.find_silent(cutoff, after=place):
        yield Aged((profile.path,), profile.last_interaction, profile.pk, stays=not _is_silent(profile.pk, cutoff))


def _is_silent(user_key: str, cutoff: datetime) -> bool:
    """Whether nobody has spoken with this person since: no message, nothing open, under none of their keys.

    Only the key in use speaks for them. Those who are being erased already are not silent: others see to that.
    """
    user_keys = keys_of(user_key)
    heard = [profile.last_interaction for profile in profiles.find_many(user_keys).values()]
    found = get_store().get_many([conversations.path(key) for key in user_keys])
    headers = [Conversation.from_snapshot(snapshot) for snapshot in found.values()]
    spoken = [header.last_message_at for header in headers if header.last_message_at]
    return (
        user_keys[0] == user_key
        and all(at <= cutoff for at in (*heard, *spoken))
        and all(header.status != Conversation.Status.ERASED for header in headers)
        and all(header.mode == Mode.BOT or header.merged_into for header in headers)
        and not any(conversations.open_items(key, limit=1) for key in user_keys)
    )


def erase_silent(batch: Sequence[Aged]) -> int:
    """Begin each erasure; the job that goes on with unfinished ones does the rest. One that fails is found tomorrow."""
    return sum(_begin(aged.user_key) for aged in batch)


def _begin(user_key: str) -> bool:
    """Whoever came back since they were found stays. Who writes from now on is answered as somebody new."""
    now = timezone.now()
    try:
        if not _is_silent(user_key, now - timedelta(days=settings.RETENTION_CUSTOMERS_DAYS)):
            return False
        asked_at = now - ON_ITS_WAY  # what came in since, and was not there to be seen, is not part of what goes
        erasure.begin(user_key=user_key, reason=Erasure.Reason.RETENTION, actor="SYSTEM", now=asked_at)
    except PylotoError as exc:
        alert("retention_erasure_failed", user_key=user_key, error=type(exc).__name__)
        return False
    return True
