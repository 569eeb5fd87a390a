"""Logs as JSON lines: event name, ids, correlation id. Nothing in a line may identify a customer.

`settings.py` imports this module: it reads no settings. Django applies the configuration in every process; Celery is
kept from setting up its own by `celery_signals`, granian reads `granian.json` beside this file.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import structlog
from django.core.exceptions import ImproperlyConfigured
from structlog.typing import EventDict, Processor, WrappedLogger

from pyloto.errors import PylotoError
from pyloto.privacy.masking import mask_text

# Errors whose text is written by programmers about programs.
TEXT_SHOWN = (PylotoError, ImproperlyConfigured, ImportError, NameError, AttributeError)
FRAMES_MAX = 20
CAUSES_MAX = 5

# What these say below their level is bodies, parameters and addresses.
LIBRARY_LEVELS = {
    "asyncio": "WARNING",
    "amqp": "WARNING",
    "kombu": "WARNING",
    "celery.app.trace": "WARNING",  # a line for each task that succeeds
    "celery.worker.strategy": "WARNING",  # a line for each task that arrives
    "django.db.backends": "WARNING",  # SQL with its parameters
    "django.template": "WARNING",
    "fontTools": "WARNING",  # the letters of every PDF
    "fpdf": "WARNING",
    "google": "WARNING",
    "grpc": "WARNING",
    "openai": "WARNING",
    "httpcore": "WARNING",
    "httpx": "WARNING",
    "httpx2": "WARNING",
    "urllib3": "WARNING",
}
TEXT_OF_TASKS = {"exc", "traceback", "args", "kwargs", "return_value"}  # what Celery formats into its messages

QUERY_STRING = re.compile(r"\?[^\s\"'<>]+")


def logging_config(level: str) -> dict[str, Any]:
    """Set up structlog and return the `LOGGING` dict of the standard library's side: both end in the same line."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    libraries = {name: {"level": max(level, least, key=logging.getLevelName)} for name, least in LIBRARY_LEVELS.items()}
    through_root: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"output": {"()": OutputHandler, "formatter": "json"}},
        "root": {"handlers": ["output"], "level": level},
        "loggers": {
            # Django's defaults give these two handlers of their own (console, mail to admins).
            "django": {**through_root, "level": "INFO"},
            "django.server": {**through_root, "level": "INFO"},
            "celery": {**through_root, "level": "INFO"},
            **libraries,
        },
    }


class OutputHandler(logging.StreamHandler[TextIO]):
    """Writes to the stdout of the moment. A management command's stdout is its result, so its log goes to stderr."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        is_command = Path(sys.argv[0] if sys.argv else "").name in {"manage.py", "django-admin"}
        return sys.stderr if is_command else sys.stdout


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders our own events and the records of libraries alike."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _order_keys,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=_render_value),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        if not hasattr(record, "_logger"):  # not from structlog
            record = logging.makeLogRecord(record.__dict__)
            record.args = _without_texts(record.args)
            record.msg = QUERY_STRING.sub("?…", record.getMessage()).strip()
            record.args = ()
        return super().format(record)


def _without_texts(args: Any) -> Any:
    """The arguments of a library's message without what may quote a customer: exceptions become their class name."""
    if isinstance(args, Mapping):
        return {key: "…" if key in TEXT_OF_TASKS else _class_name(value) for key, value in args.items()}
    return tuple(_class_name(value) for value in args or ())


def _class_name(value: Any) -> Any:
    return type(value).__name__ if isinstance(value, BaseException) else value


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
        _mask_values,
    ]


def _describe_exception(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Exceptions as class, place and causes. Their texts may quote a customer: only those of `TEXT_SHOWN` appear."""
    exc_info = event.pop("exc_info", None)
    if exc_info is True or exc_info == 1:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = describe_exception(error)
    event.pop("stack_info", None)
    return event


def describe_exception(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what caused it, innermost last: class, frames ("file:line function"), and safe texts."""
    described: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(described) < CAUSES_MAX:
        described.append(
            {
                "type": f"{type(current).__module__}.{type(current).__qualname__}",
                **({"message": mask_text(str(current))} if isinstance(current, TEXT_SHOWN) else {}),
                "frames": _frames(current.__traceback__),
            }
        )
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return described


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-FRAMES_MAX:]


def _mask_values(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The second net: whatever looks like a phone, an e-mail or one of Meta's message ids is replaced by a marker."""
    for key, value in event.items():
        if key not in {"timestamp", "logger", "level"}:
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    """The value with every text in it masked, keys too, however deep in lists and dicts; what was given stays."""
    match value:
        case str():
            return mask_text(value)
        case Mapping():
            return {mask_text(key) if isinstance(key, str) else key: _masked(item) for key, item in value.items()}
        case list() | tuple():
            return [_masked(item) for item in value]
        case _:
            return value


def _order_keys(logger: WrappedLogger, name: str, event: MutableMapping[str, Any]) -> EventDict:
    first = {key: event.pop(key, "") for key in ("timestamp", "level", "logger", "event", "correlation_id")}
    return {**first, **event}


def _render_value(value: Any) -> str:
    """For what JSON lacks. A repr could show the fields of a customer's document: unknown classes give their name."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case Enum():
            return str(value.value)
        case UUID() | Path():
            return str(value)
        case _:
            return f"<{type(value).__name__}>"
