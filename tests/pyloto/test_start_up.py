"""A dangerous setting stops every kind of process, and scheduled jobs expire with their period."""

from typing import Any

import pytest
from celery.signals import beat_init, worker_init
from django.core.exceptions import ImproperlyConfigured
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from pyloto.celery import app
from pyloto.start_up import require_checks


@pytest.mark.parametrize("setting", ["OUTBOX_STALE_SECONDS", "OUTBOX_UNKNOWN_SECONDS"])
def test_waits_that_would_double_replies_stop_the_start(settings: Any, setting: str) -> None:
    settings.DEBUG, settings.WHATSAPP_GRAPH_URL = False, "https://graph.facebook.com"
    require_checks()
    setattr(settings, setting, settings.OUTBOX_STALE_SECONDS * 0)
    with pytest.raises(ImproperlyConfigured, match=setting):
        require_checks()


@pytest.mark.parametrize("signal", [worker_init, beat_init])
def test_worker_and_beat_end_where_the_web_process_would_not_start(settings: Any, signal: Any) -> None:
    settings.PRIVACY_KEYS = "1:not-a-key"
    with pytest.raises(SystemExit, match="PRIVACY_KEYS"):
        signal.send(sender=None)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["sweep", "session-timeouts", "left-conversations", "audit-checkpoint"])
def test_a_scheduled_job_expires_with_its_period(name: str) -> None:
    entry = app.conf.beat_schedule[name]
    ModelEntry.from_entry(name, app=app, **entry)
    task = PeriodicTask.objects.get(name=name)
    assert task.expire_seconds == entry["schedule"].total_seconds()


def test_a_process_of_a_worker_may_take_its_time_to_start() -> None:
    """With Celery's own four seconds a busy machine kills each replacement before it is ready, for ever."""
    assert app.conf.worker_proc_alive_timeout >= 30
