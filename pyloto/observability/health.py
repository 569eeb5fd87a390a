"""Probes: is the process alive, and can it do its work?"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from pyloto import canary, clock
from pyloto.celery import app
from pyloto.documents import NotFound, get_store
from pyloto.redis_client import get_redis, tell_unreachable

from .alerts import alert

log = structlog.get_logger(__name__)

Check = Callable[[], dict[str, Any]]
BROKER_TIMEOUT_SECONDS = 1


def check_documents() -> dict[str, Any]:
    with suppress(NotFound):  # any answer will do
        get_store().get("controls/readiness")
    return {}


def check_database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {}


def check_redis() -> dict[str, Any]:
    get_redis().ping()
    return {}


def check_broker() -> dict[str, Any]:
    with app.connection_for_write(connect_timeout=BROKER_TIMEOUT_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=BROKER_TIMEOUT_SECONDS)
    return {}


def check_workers() -> dict[str, Any]:
    """Here, as the web process goes on where beat or all workers have stopped, and is their witness about the time."""
    clock.testify()
    ages = canary.ages()
    stale = [queue for queue, seconds in ages.items() if seconds > canary.STALE_SECONDS[queue]]
    for queue in filter(canary.may_tell, stale):
        alert("queue_stands_still", queue=queue, seconds=ages[queue])
    return {"ok": not stale, "age_seconds": ages}


_checks: dict[str, Check] = {
    "documents": check_documents,
    "database": check_database,
    "redis": check_redis,
    "broker": check_broker,
    "workers": check_workers,
}


def register(name: str, check: Check) -> None:
    """Add a check to `/readyz`. It returns what may be shown to anybody, and raises where the process is not ready."""
    _checks[name] = check


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200, or 503 with the names of the checks that failed; why they failed stands in the log.

    What the intake does without is shown, and no balancer turns away: the workers, and Redis where
    DEDUPE_BACKEND=firestore.
    """
    results = {name: _run(name, check) for name, check in _checks.items()}
    spared = {"workers"} | ({"redis", "broker"} if settings.DEDUPE_BACKEND == "firestore" else set())
    ready = all(result["ok"] for name, result in results.items() if name not in spared)
    return JsonResponse(
        {"status": "ok" if ready else "unavailable", "checks": results},
        status=200 if ready else 503,
    )


def _run(name: str, check: Check) -> dict[str, Any]:
    try:
        return {"ok": True, **check()}
    except Exception as exc:  # The outermost frame of a check: whatever it raises means "not ready"
        log.warning("readiness_check_failed", check=name, exc_info=exc)
        if isinstance(exc, RedisError):
            tell_unreachable(exc)
        return {"ok": False}
