"""What a reading leaves behind for evaluation."""

from datetime import UTC, datetime

from ai.intents import Intent
from ai.models import Classification
from ai.orchestrator import AIOrchestrator
from ai.responses import ClassificationContext, Source

CONTEXT = ClassificationContext(active_intent="CUSTOM_SOFTWARE", question="problem")


def test_the_rules_answer_and_say_so() -> None:
    response = AIOrchestrator().classify("quero um app", CONTEXT)
    assert response.primary.intent == Intent.CUSTOM_SOFTWARE
    assert response.source == Source.RULES
    assert response.prompt_version == "rules-1"


def test_a_classification_keeps_the_text_masked() -> None:
    text = "quero um app, me chama no 42 99999-1234 ou ana@example.com"
    document = Classification.of(
        AIOrchestrator().classify(text, CONTEXT),
        id="c1",
        user_key="u1",
        conversation_id="v1",
        text=text,
        context=CONTEXT,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
    ).to_document()
    assert document["intent"] == "CUSTOM_SOFTWARE"
    assert document["source"] == "RULES"
    assert "99999" not in document["masked_text"]
    assert "ana@" not in document["masked_text"]
