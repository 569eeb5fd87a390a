"""Celery's side of logs and correlation: workers log as every process does, and a task goes on with its caller's id."""

from typing import Any

from celery import Task, signals
from structlog.contextvars import bind_contextvars, clear_contextvars

from .correlation import current_correlation_id, new_correlation_id

HEADER = "pyloto_correlation_id"


@signals.setup_logging.connect
def keep_own_logging(**kwargs: Any) -> None:
    """Having a receiver is what keeps Celery from configuring logs: `django.setup()` has applied LOGGING already."""


@signals.before_task_publish.connect
def send_correlation_id(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    if headers is not None and (correlation_id := current_correlation_id()):
        headers.setdefault(HEADER, correlation_id)


@signals.task_prerun.connect
def bind_task(task_id: str, task: Task[Any, Any], **kwargs: Any) -> None:
    clear_contextvars()
    # A worker's request has the message's headers as its own fields, an eager one keeps them apart.
    sent = getattr(task.request, HEADER, None) or (task.request.headers or {}).get(HEADER)
    bind_contextvars(correlation_id=sent or new_correlation_id(), task=task.name, task_id=task_id)


@signals.task_postrun.connect
def clear_task(**kwargs: Any) -> None:
    clear_contextvars()
