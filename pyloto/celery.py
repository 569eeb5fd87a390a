"""The Celery application. Workers start by spawn: gRPC does not survive a fork."""

import os
from contextlib import suppress

from celery import Celery, signals
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

import pyloto.observability.celery_signals  # noqa: F401 - connects logging and correlation
from pyloto import clock
from pyloto.broker import mend_kombu
from pyloto.documents import warm_up
from pyloto.start_up import require_checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pyloto.settings")

mend_kombu()
app = Celery("pyloto")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_init.connect
@signals.beat_init.connect
def check(**kwargs: object) -> None:
    """A bad setting stops the start, as in the web process. Celery survives any other exception of a receiver."""
    try:
        require_checks()
    except ImproperlyConfigured as exc:
        raise SystemExit(str(exc)) from exc


@signals.worker_process_init.connect
def connect(**kwargs: object) -> None:
    warm_up()


@signals.task_prerun.connect
def keep_time(**kwargs: object) -> None:
    with suppress(RedisError):
        clock.compare()
