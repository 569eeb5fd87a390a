from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from conversations.views import WhatsAppWebhook
from pyloto.observability.health import healthz, readyz
from pyloto.observability.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("webhooks/whatsapp", WhatsAppWebhook.as_view(), name="whatsapp-webhook"),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
