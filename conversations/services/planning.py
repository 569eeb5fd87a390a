"""From what a turn knows to its plan: what was written is read, the rules decide. What fails here never fails the customer."""

import secrets

import structlog

from ai.models import Classification
from ai.orchestrator import AIOrchestrator
from ai.responses import AIResponse, ClassificationContext
from conversations.fallbacks import plan_last_resort
from conversations.hearing import typed_text
from conversations.intents import IntentQueue
from conversations.models import Session
from conversations.pipeline import TurnPlan, needs_classification, plan_failure, plan_turn
from conversations.services.context import Context
from pyloto.observability.alerts import alert
from pyloto.privacy.hashing import digest

log = structlog.get_logger(__name__)
orchestrator = AIOrchestrator()


def plan(context: Context, turn_id: str) -> tuple[Classification | None, TurnPlan]:
    """The answer to a turn, and what was read in it."""
    response = classification = None
    paused = context.loaded.controls.silence(context.messages[-1].phone_number_id)
    if needs_classification(
        conversation=context.header, session=context.session, messages=context.messages, paused=paused
    ):
        response, classification = _classify(context, turn_id)
    planned = plan_turn(
        conversation=context.header,
        session=context.session,
        profile=context.profile,
        messages=context.messages,
        classification=response,
        now=context.now,
        paused=paused,
        turn_id=turn_id,
        new_session_id=secrets.token_hex(16),
    )
    if planned.handoff and not planned.handoff.lead.get("name"):  # on a first turn the profile is only being written
        planned.handoff.lead["name"] = next((sender.name for sender in context.senders if sender.name), "")
    return classification, planned


def give_up(context: Context, turn_id: str) -> TurnPlan:
    """The turn that failed too often goes to a person (product.md §5)."""
    alert("turn_given_up", conversation_id=context.header.conversation_id)
    if not context.is_bare:
        try:
            return plan_failure(
                conversation=context.header,
                session=context.session,
                profile=context.profile,
                messages=context.messages,
                now=context.now,
                turn_id=turn_id,
                new_session_id=secrets.token_hex(16),
            )
        except Exception as exc:  # noqa: BLE001  (nothing comes after this that could help)
            log.warning("last_resort", error=type(exc).__name__)
    return plan_last_resort(
        conversation=context.header,
        messages=context.messages,
        now=context.now,
        turn_id=turn_id,
        new_session_id=secrets.token_hex(16),
    )


def _classify(context: Context, turn_id: str) -> tuple[AIResponse | None, Classification | None]:
    """What was read in the typed messages; nothing where the classifier fails: then the rules read."""
    text = typed_text(context.messages)
    try:
        about = _what_they_are_in(context.session)
        response = orchestrator.classify(text, about)
        return response, Classification.of(
            response,
            id=digest("classification", turn_id),
            user_key=context.header.pk,
            conversation_id=context.header.conversation_id,
            text=text,
            context=about,
            created_at=context.now,
        )
    except Exception as exc:  # noqa: BLE001  (product.md §5: a failing classifier is no failure, whatever it raises)
        alert("classifier_failed", conversation_id=context.header.conversation_id, error=type(exc).__name__)
        return None, None


def _what_they_are_in(session: Session | None) -> ClassificationContext:
    if session is None:
        return ClassificationContext()
    active = IntentQueue(session.intents).active or {}
    return ClassificationContext(active_intent=active.get("intent", ""), question=session.asked.get("field", ""))
