"""What a classifier is told and what it gives back."""

from dataclasses import dataclass

from django.db.models import TextChoices

from .intents import Intent


class Source(TextChoices):
    RULES = "RULES", "Regras"


@dataclass(frozen=True)
class Detected:
    intent: Intent
    confidence: float  # 0.0 to 1.0


@dataclass(frozen=True)
class ClassificationContext:
    """What the customer is in the middle of: codes only."""

    active_intent: str = ""
    question: str = ""  # the field asked for, "menu", …


@dataclass(frozen=True)
class AIResponse:
    """`intents` holds the greatest confidence first and is empty where nothing was recognised."""

    intents: tuple[Detected, ...] = ()
    wants_human: bool = False
    urgent: bool = False
    decision_maker: bool = False
    source: Source = Source.RULES
    fallback_reason: str = ""  # why the rules answered in the place of a model
    prompt_version: str = ""
    model: str = ""
    raw_answer: str = ""
    latency_ms: int = 0

    @property
    def primary(self) -> Detected:
        return self.intents[0] if self.intents else Detected(Intent.ENTRY_UNKNOWN, 0.0)
