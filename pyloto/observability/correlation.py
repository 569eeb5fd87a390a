"""The correlation id: one for each request or job, in every log line from the webhook down to the reply."""

import uuid
from collections.abc import Callable
from typing import Any

from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

HEADER = "X-Correlation-Id"


def new_correlation_id() -> str:
    return uuid.uuid4().hex


def bind_correlation_id(value: str) -> None:
    bind_contextvars(correlation_id=value)


def current_correlation_id() -> str:
    """Empty outside of a request or task."""
    return str(get_contextvars().get("correlation_id", ""))


class CorrelationMiddleware:
    """A fresh id for each request, told to the client. What a client sends in this header is not trusted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        clear_contextvars()  # threads are reused
        correlation_id = new_correlation_id()
        bind_correlation_id(correlation_id)
        response = self.get_response(request)
        response.headers[HEADER] = correlation_id
        return response


@receiver(request_finished)
def forget_request(**kwargs: Any) -> None:
    """Not in the middleware: Django logs the errors of a response after the last middleware is done."""
    clear_contextvars()
