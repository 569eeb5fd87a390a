"""The Celery application. Workers start by spawn: gRPC does not survive a fork."""

import os

from celery import Celery

import pyloto.observability.celery_signals  # noqa: F401 - connects logging and correlation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pyloto.settings")

app = Celery("pyloto")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
