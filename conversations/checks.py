"""Start-up checks of the outbox: how long doubt may last must fit the client and Meta."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from .outbox import CLOCKS_APART
from .whatsapp.client import CONNECT_SECONDS, READ_SECONDS

UNKNOWN_LEAST = timedelta(seconds=30)  # statuses of Meta's are known to take seconds; a shorter wait doubles replies


@checks.register()
def check_outbox_patience(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse waits that send a message again while the first one may still be on its way; DEBUG may try them."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    longest = timedelta(seconds=CONNECT_SECONDS + READ_SECONDS) + CLOCKS_APART
    if settings.OUTBOX_STALE_SECONDS <= longest:
        hint = f"The longest request takes {longest.total_seconds():g} s, by clocks that differ; the default is 30."
        found.append(checks.Error("OUTBOX_STALE_SECONDS is too short.", hint, id="conversations.E001"))
    if settings.OUTBOX_UNKNOWN_SECONDS < UNKNOWN_LEAST:
        hint = f"At least {UNKNOWN_LEAST.total_seconds():g} s; the default is 120."
        found.append(checks.Error("OUTBOX_UNKNOWN_SECONDS is too short.", hint, id="conversations.E002"))
    return found
