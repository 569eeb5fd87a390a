"""What was read in messages, for evaluation: written in the turn's commit."""

from datetime import datetime
from typing import Self

from django.db import models

from pyloto.documents.document_model import DocumentModel
from pyloto.privacy.hashing import digest
from pyloto.privacy.masking import mask_text

from .intents import Intent
from .responses import AIResponse, ClassificationContext, Source


class Classification(DocumentModel):
    """One reading of a turn. Id: the turn's id. The text is masked."""

    collection = "classifications"
    store_name = "the turn's commit"

    user_key = models.CharField("cliente", max_length=64)
    conversation_id = models.CharField("conversa", max_length=64)
    masked_text = models.TextField("texto mascarado", default="")
    context_digest = models.CharField("resumo do contexto", max_length=64)
    prompt_version = models.CharField("versão do prompt", max_length=40, default="")
    model = models.CharField("modelo", max_length=80, default="")
    raw_answer = models.TextField("resposta do modelo", default="")
    intent = models.CharField("intenção", max_length=40, choices=Intent.choices)
    confidence = models.FloatField("confiança", default=0.0)
    source = models.CharField("origem", max_length=8, choices=Source.choices)
    fallback_reason = models.CharField("motivo da alternativa", max_length=80, default="")
    latency_ms = models.IntegerField("duração em ms", default=0)
    corrected_intent = models.CharField(
        "intenção corrigida", max_length=40, choices=Intent.choices, null=True, default=None
    )
    created_at = models.DateTimeField("criada em")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "classificação"
        verbose_name_plural = "classificações"

    @classmethod
    def of(
        cls,
        response: AIResponse,
        *,
        id: str,  # noqa: A002 - the name of the model's field
        user_key: str,
        conversation_id: str,
        text: str,
        context: ClassificationContext,
        created_at: datetime,
    ) -> Self:
        """The document about one answer of the orchestrator's; `text` is masked here."""
        return cls(
            id=id,
            user_key=user_key,
            conversation_id=conversation_id,
            masked_text=mask_text(text),
            context_digest=digest(context.active_intent, context.question),
            prompt_version=response.prompt_version,
            model=response.model,
            raw_answer=response.raw_answer,
            intent=response.primary.intent.value,
            confidence=response.primary.confidence,
            source=response.source.value,
            fallback_reason=response.fallback_reason,
            latency_ms=response.latency_ms,
            created_at=created_at,
        )
