"""The Celery application. Workers start by spawn: gRPC does not survive a fork."""

import os

from celery import Celery, signals

import pyloto.observability.celery_signals  # noqa: F401 - connects logging and correlation
from pyloto.documents import warm_up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pyloto.settings")

app = Celery("pyloto")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_process_init.connect
def connect(**kwargs: object) -> None:
    warm_up()
