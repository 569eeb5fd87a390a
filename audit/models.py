"""The audit trail: one create-only document for each event."""

from django.db import models

from pyloto.documents.document_model import DocumentModel


class AuditEvent(DocumentModel):
    """Id: `{conversation_id}-{seq:012d}`. Holds codes, counts and digests: no personal data, no free text."""

    collection = "audit_logs"
    store_name = "AuditLogStore"

    seq = models.BigIntegerField("nº")
    timestamp = models.DateTimeField("quando")
    conversation_id = models.CharField("conversa", max_length=64)
    event_id = models.CharField("evento", max_length=64)
    event_type = models.CharField("tipo", max_length=40)
    actor = models.CharField("autor", max_length=150)
    changes = models.JSONField("mudanças", default=dict)
    metadata = models.JSONField("detalhes", default=dict)
    correlation_id = models.CharField("correlação", max_length=64, default="")
    canonical = models.TextField("forma canônica")
    previous_hash = models.CharField("hash anterior", max_length=64)
    current_hash = models.CharField("hash", max_length=64)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "evento de auditoria"
        verbose_name_plural = "eventos de auditoria"

    def __str__(self) -> str:
        return f"{self.event_type} nº {self.seq}"
