"""Start-up checks of the WhatsApp channel."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

WARN_BEFORE = timedelta(days=90)
# The last day of each version; None: not announced. Source: Meta's changelog, as of July 2026.
GRAPH_VERSIONS_END_ON: dict[str, date | None] = {
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
    "v26.0": None,
}


@checks.register()
def check_graph_url(**_kwargs: Any) -> list[CheckMessage]:
    """Refuse an address at which anybody on the way reads the token, and what customers send; DEBUG has the simulator."""
    if settings.DEBUG or settings.WHATSAPP_GRAPH_URL.startswith("https://"):
        return []
    hint = "Meta's is https://graph.facebook.com, the default."
    return [checks.Error("WHATSAPP_GRAPH_URL must begin with https://.", hint, id="conversations.E003")]


@checks.register()
def check_graph_version(**_kwargs: Any) -> list[CheckMessage]:
    """Warn of a Graph version that ends soon, has ended, or is not in the table."""
    version = settings.WHATSAPP_GRAPH_VERSION
    hint = "Set WHATSAPP_GRAPH_VERSION to a current version, and keep the table in conversations/whatsapp/checks.py."
    if version not in GRAPH_VERSIONS_END_ON:
        return [
            checks.Warning(f"Nothing is known about version {version} of the Graph API.", hint, id="conversations.W001")
        ]
    ends_on = GRAPH_VERSIONS_END_ON[version]
    if ends_on is None or ends_on - datetime.now(UTC).date() > WARN_BEFORE:
        return []
    return [checks.Warning(f"Version {version} of the Graph API ends on {ends_on}.", hint, id="conversations.W002")]
