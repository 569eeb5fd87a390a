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


class Checkpoint(DocumentModel):
    """A signed root over the heads that were observed so far. Id: its number with leading zeros."""

    collection = "audit_checkpoints"
    store_name = "CheckpointStore"

    number = models.IntegerField("nº")
    size = models.BigIntegerField("registros")  # leaves of the Merkle tree
    root = models.CharField("raiz", max_length=64)
    note = models.TextField("nota assinada")
    frontier = models.JSONField("fronteira da árvore", default=list)  # the tree's right edge, which the root confirms
    new_leaves = models.IntegerField("registros novos")
    observed_until = models.DateTimeField("observado até")
    created_at = models.DateTimeField("criado em")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "ponto de verificação"
        verbose_name_plural = "pontos de verificação"

    def __str__(self) -> str:
        return f"Ponto de verificação nº {self.number}"
