import json

import pytest
from django.http import Http404

from pyloto.observability.alerts import alert
from pyloto.observability.metrics import ALERTS, DEDUPE_LOOKUPS, metrics


def read(rf, token="", **headers):
    response = metrics(rf.get("/metrics", headers=headers))
    return response.status_code, response.content.decode()


def test_metrics_do_not_exist_without_a_token(rf, settings):
    settings.METRICS_TOKEN = ""

    with pytest.raises(Http404):
        metrics(rf.get("/metrics", headers={"Authorization": "Bearer "}))


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Bearer größe", "s3cret"])
def test_metrics_are_for_the_bearer_of_the_token(rf, settings, given):
    settings.METRICS_TOKEN = "s3cret"

    assert metrics(rf.get("/metrics", headers={"Authorization": given})).status_code == 401


def test_metrics_show_alerts_and_the_hit_rate_of_the_dedupe_store(rf, settings):
    settings.METRICS_TOKEN = "s3cret"
    DEDUPE_LOOKUPS.clear()
    for result, count in {"hit": 1, "miss": 2, "in_flight": 1}.items():
        DEDUPE_LOOKUPS.labels(backend="redis", result=result).inc(count)

    response = metrics(rf.get("/metrics", headers={"Authorization": "Bearer s3cret"}))

    assert "pyloto_dedupe_hit_rate 0.25" in response.content.decode().splitlines()


def test_an_alert_is_one_error_event_and_a_count(capsys):
    before = ALERTS.labels(event="channel_broken")._value.get()

    alert("channel_broken", code=190)

    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["event"], line["code"], line["alert"]) == ("error", "channel_broken", 190, True)
    assert ALERTS.labels(event="channel_broken")._value.get() == before + 1
