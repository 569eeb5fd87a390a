"""Who reads a message: today the rules."""

from dataclasses import replace
from time import perf_counter

from . import rules
from .responses import AIResponse, ClassificationContext


class AIOrchestrator:
    """Reads what a customer wrote. The one place where a model comes in, before the rules, which then stand in for it."""

    def classify(self, message: str, context: ClassificationContext) -> AIResponse:
        started = perf_counter()
        response = rules.classify(message)
        return replace(response, latency_ms=round((perf_counter() - started) * 1000))
