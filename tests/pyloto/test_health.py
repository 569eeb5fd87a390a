import json
import time

import pytest

from pyloto import redis_client
from pyloto.errors import TransientError
from pyloto.observability import health

pytestmark = pytest.mark.django_db(databases=["default", "documents"], transaction=True)


def get_readyz(rf):
    response = health.readyz(rf.get("/readyz"))
    return response.status_code, json.loads(response.content)


def test_a_process_that_answers_is_alive(rf):
    assert health.healthz(rf.get("/healthz")).status_code == 200


def test_ready_when_every_store_answers(rf, embedded_store, valkey, capsys):
    status, body = get_readyz(rf)

    assert (status, body["status"]) == (200, "ok")
    assert '"redis_unreachable"' not in capsys.readouterr().out
    assert {"documents", "database", "redis", "broker"} <= body["checks"].keys()


def test_without_redis_it_is_not_ready_and_says_only_which_check_failed(rf, embedded_store, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setitem(health._checks, "broker", dict)

    status, body = get_readyz(rf)

    assert (status, body["status"]) == (503, "unavailable")
    assert body["checks"]["redis"] == {"ok": False}
    assert body["checks"]["documents"] == {"ok": True}


def test_an_intake_that_does_without_redis_stays_ready_when_it_is_down(rf, embedded_store, settings, monkeypatch):
    settings.REDIS_URL, settings.DEDUPE_BACKEND = "redis://127.0.0.1:9/0", "firestore"
    monkeypatch.setitem(health._checks, "broker", dict)

    status, body = get_readyz(rf)

    assert (status, body["checks"]["redis"]) == (200, {"ok": False})


@pytest.mark.parametrize("backend", ["redis", "firestore"])
def test_an_outage_of_redis_is_told_once_a_minute(rf, embedded_store, settings, monkeypatch, capsys, backend):
    settings.REDIS_URL, settings.DEDUPE_BACKEND = "redis://127.0.0.1:9/0", backend
    monkeypatch.setitem(health._checks, "broker", dict)
    monkeypatch.setattr(redis_client, "_told_at", float("-inf"))
    get_readyz(rf)
    get_readyz(rf)
    assert capsys.readouterr().out.count('"redis_unreachable"') == 1

    monkeypatch.setattr(redis_client, "_told_at", time.monotonic() - redis_client.TELL_AGAIN_SECONDS)
    get_readyz(rf)
    assert capsys.readouterr().out.count('"redis_unreachable"') == 1


def test_a_registered_check_shows_its_numbers_and_may_fail(rf, monkeypatch, capsys):
    monkeypatch.setattr(health, "_checks", {})
    health.register("oldest_due", lambda: {"age_seconds": 3})
    assert get_readyz(rf) == (200, {"status": "ok", "checks": {"oldest_due": {"ok": True, "age_seconds": 3}}})

    def fail():
        raise TransientError("too old")

    health.register("oldest_due", fail)
    assert get_readyz(rf)[0] == 503
    assert json.loads(capsys.readouterr().out)["check"] == "oldest_due"
