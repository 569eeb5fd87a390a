"""Alerts: what a person should look at, as one ERROR event with a stable name and a counter."""

from typing import Any

import structlog

from .metrics import ALERTS

log = structlog.get_logger(__name__)


def alert(event: str, **ids: Any) -> None:
    """`event` is a constant of the code, `ids` are codes, counts and random ids."""
    ALERTS.labels(event=event).inc()
    log.error(event, alert=True, **ids)
