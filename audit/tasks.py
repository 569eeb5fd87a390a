"""The background job of the audit trail; it may run twice, and at any time."""

import structlog
from celery import shared_task
from django.utils import timezone

from pyloto.observability.alerts import alert

from .checkpoints import CheckpointRefused, make_checkpoint

log = structlog.get_logger(__name__)


@shared_task(soft_time_limit=210, time_limit=240)  # below the broker's visibility timeout
def write_audit_checkpoint() -> str:
    try:
        checkpoint = make_checkpoint(now=timezone.now())
    except CheckpointRefused:
        raise  # has its own alert
    except Exception as exc:
        alert("audit_checkpoint_failed", error=type(exc).__name__)
        raise
    if checkpoint:
        log.info("audit_checkpoint_written", number=checkpoint.number, size=checkpoint.size)
    return f"Wrote checkpoint {checkpoint.number}" if checkpoint else "Nothing new"
