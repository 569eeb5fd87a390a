"""The webhook. Meta's contract: a 200 means that we keep the message; anything else is sent again for up to 7 days."""

import hmac
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from redis.exceptions import RedisError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from pyloto import clock
from pyloto.errors import TransientError
from pyloto.failpoints import failpoint
from pyloto.observability.correlation import current_correlation_id
from pyloto.observability.metrics import SIGNATURE_FAILURES
from pyloto.redis_client import tell_unreachable

from .dedupe import DedupeStore, create_dedupe_store
from .doorbell import doorbell, note_statuses
from .services.ingest import receive_delivery
from .whatsapp.signature import is_signed

log = structlog.get_logger(__name__)


@cache
def dedupe_store() -> DedupeStore:
    """The store of this process. Raises `ValueError` for an unknown DEDUPE_BACKEND."""
    return create_dedupe_store(settings)


class AnyRepresentation(BaseContentNegotiation):
    """The answers are empty: whatever the client accepts, or asks for by `?format=`, is no reason to refuse it."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class WhatsAppWebhook(APIView):
    content_negotiation_class = AnyRepresentation
    authentication_classes = ()  # the signature is the authentication; no session, so no CSRF either
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> HttpResponseBase:
        """Meta's verification of the address; it is not signed."""
        given = request.query_params.get("hub.verify_token", "").encode()
        expected = settings.WHATSAPP_VERIFY_TOKEN.encode()
        if request.query_params.get("hub.mode") == "subscribe" and hmac.compare_digest(given, expected):
            return HttpResponse(request.query_params.get("hub.challenge", ""), content_type="text/plain")
        return HttpResponse(status=403)

    def post(self, request: Request) -> HttpResponseBase:
        body = request.read(settings.WHATSAPP_WEBHOOK_MAX_BYTES + 1)
        if len(body) > settings.WHATSAPP_WEBHOOK_MAX_BYTES:
            return HttpResponse(status=413)
        secrets = (settings.WHATSAPP_APP_SECRET, settings.WHATSAPP_APP_SECRET_PREVIOUS)
        if settings.ZERO_TRUST_MODE and not is_signed(body, request.headers.get("X-Hub-Signature-256"), secrets):
            SIGNATURE_FAILURES.inc()
            log.warning("signature_refused")
            return HttpResponse(status=403)
        try:
            receipt = receive_delivery(
                body,
                dedupe=dedupe_store(),
                received_at=timezone.now(),
                correlation_id=current_correlation_id(),
            )
        except (TransientError, OSError) as exc:
            log.error("delivery_not_stored", error=type(exc).__name__)
            if isinstance(exc.__cause__, RedisError):  # the marks against duplicates are there
                tell_unreachable(exc.__cause__)
            return HttpResponse(status=503, headers={"Retry-After": "5"})
        note_statuses(receipt.statuses_seen)
        try:
            clock.testify()
        except RedisError as exc:
            tell_unreachable(exc)
        doorbell.ring(receipt.rings, receipt.files)
        failpoint("ingest.after_enqueue", *receipt.rings)
        return HttpResponse(status=200)
