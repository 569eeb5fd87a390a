"""Prometheus metrics. Labels are codes, never ids.

With PROMETHEUS_MULTIPROC_DIR in the environment (set before the processes start, emptied before that) the numbers of all
processes of this machine are added up; without it a process shows its own.
"""

import hmac
import os
from collections.abc import Iterable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

ALERTS = Counter("pyloto_alerts", "Events that a person should look at", ["event"])
DEDUPE_LOOKUPS = Counter("pyloto_dedupe_lookups", "Answers of the dedupe store", ["backend", "result"])
STATUSES_UNMATCHED = Counter("pyloto_statuses_unmatched", "Delivery statuses of messages that nobody knows here")
SIGNATURE_FAILURES = Counter("pyloto_signature_failures", "Deliveries refused for their signature")


class DedupeHitRate(Collector):
    """The share of lookups that met a message already known, out of the counter as it was added up."""

    def __init__(self, source: Collector) -> None:
        self.source = source

    def collect(self) -> Iterable[Metric]:
        results = [
            (sample.labels["result"], sample.value)
            for metric in self.source.collect()
            for sample in metric.samples
            if sample.name == "pyloto_dedupe_lookups_total"
        ]
        total = sum(value for _, value in results)
        hits = sum(value for result, value in results if result == "hit")
        yield GaugeMetricFamily("pyloto_dedupe_hit_rate", "Hits among all dedupe lookups", hits / total if total else 0)


def render_metrics() -> bytes:
    """All metrics in the text format of Prometheus."""
    source: Collector = REGISTRY
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        source = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
    registry.register(source)
    registry.register(DedupeHitRate(source))
    return generate_latest(registry)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever brings METRICS_TOKEN as a bearer token; not there at all where none is set."""
    token = settings.METRICS_TOKEN
    if not token:
        raise Http404
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(render_metrics(), content_type=CONTENT_TYPE_LATEST)
