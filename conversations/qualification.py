"""What a human finds waiting: the handoff, filled out of the session by code. Pure.

Source: product.md §4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ai import rules

from .answers import UNKNOWN
from .flows import find_flow
from .intents import COMMERCIAL, Intent, IntentQueue, IntentStatus, Outcome, value_rank
from .labels import label_of
from .models import Conversation, Handoff, Session

Level = Handoff.Qualification
DEADLINE_MAX = 200
ROUTING: dict[str, str] = {Intent.PYLOTO_ENTREGA_REQUEST: "delivery"}
ROUTING_GENERAL, ROUTING_FAILURE = "general", "failure"


@dataclass(frozen=True)
class Qualified:
    level: Handoff.Qualification
    reasons: tuple[str, ...]  # in Portuguese, for the agent


def qualify(intent: str, collected: Mapping[str, str], *, urgent: bool, decision_maker: bool) -> Qualified:
    """high = commercial, nothing critical missing, and urgent or decision maker; medium = commercial, at most one missing."""
    flow = find_flow(intent)
    if flow is None or intent not in COMMERCIAL:
        return Qualified(Level.LOW, ("Assunto informativo",))
    missing = flow.missing_critical(collected)
    reasons = [f"Interesse comercial: {flow.intent.label}"]
    if flow.critical:
        reasons.append(
            f"Faltam: {', '.join(field.label.lower() for field in missing)}"
            if missing
            else "Todos os dados essenciais informados"
        )
    reasons += ["Pediu urgência"] * urgent + ["Fala com quem decide"] * decision_maker
    if len(missing) >= 2:
        level = Level.LOW
    else:
        level = Level.HIGH if not missing and (urgent or decision_maker) else Level.MEDIUM
    return Qualified(level, tuple(reasons))


def primary_entry(queue: IntentQueue) -> dict[str, Any] | None:
    """The intent that the handoff is about: the active one, else the most valuable that led to it, else any."""
    if queue.active:
        return queue.active
    handed = [entry for entry in queue.entries if entry["outcome"] == Outcome.HANDOFF_HUMAN]
    return min(handed or queue.entries, key=lambda e: value_rank(e["intent"]), default=None)


def open_handoff(
    session: Session, conversation: Conversation, *, facts: Mapping[str, Any], now: datetime, routing: str = ""
) -> Handoff:
    """The handoff of a session, with all of its intents. `facts`: what is known of the customer, without the phone."""
    queue = IntentQueue(session.intents)
    primary = primary_entry(queue) or {"intent": Intent.ENTRY_UNKNOWN.value, "confidence": 0.0}
    intent = primary["intent"]
    flow = find_flow(intent)
    collected = session.collected.get(intent, {})
    qualified = qualify(
        intent,
        collected,
        urgent=bool(primary.get("urgent")) or rules.is_urgent(collected.get("deadline", "")),
        decision_maker=any(entry["decision_maker"] for entry in queue.entries),
    )
    deadline = collected.get("deadline")
    return Handoff(
        id=session.pk,
        user_key=conversation.pk,
        conversation_id=conversation.conversation_id,
        status=Handoff.Status.OPEN.value,
        lead={name: facts.get(name) for name in ("name", "city", "is_business", "business_name", "role")},
        intent_primary=intent,
        intents_detected=[entry["intent"] for entry in queue.entries],
        resolved_intents=[entry["intent"] for entry in queue.entries if _is_resolved(entry)],
        open_intents=[entry["intent"] for entry in queue.entries if not _is_resolved(entry)],
        summary=summarise(session),
        requirements={name: dict(given) for name, given in session.collected.items() if given},
        deadline=deadline[:DEADLINE_MAX] if deadline and deadline != UNKNOWN else None,
        routing=routing or (flow.routing if flow else ROUTING.get(intent, ROUTING_GENERAL)),
        confidence=primary["confidence"],
        qualification_level=qualified.level.value,
        qualification_reasons=list(qualified.reasons),
        opened_at=now,
    )


def _is_resolved(entry: Mapping[str, Any]) -> bool:
    """Answered, routed or declined: nothing that the agent must still do."""
    if entry["status"] == IntentStatus.DECLINED:
        return True
    return bool(entry["status"] == IntentStatus.DONE and entry["outcome"] != Outcome.HANDOFF_HUMAN)


def summarise(session: Session) -> str:
    """What the session was about, in Portuguese, a line for each intent and each answer."""
    lines: list[str] = []
    for entry in session.intents:
        status = "" if entry["status"] != IntentStatus.DECLINED else " (deixado de lado pelo cliente)"
        lines.append(f"{label_of(Intent, entry['intent'])}{status}")
        flow = find_flow(entry["intent"])
        given = session.collected.get(entry["intent"], {})
        known = [field for field in flow.fields if field.name in given] if flow else []
        lines += [f"• {field.label}: {shown_answer(given[field.name])}" for field in known]
    return "\n".join(lines) or "O cliente ainda não disse sobre o que quer falar."


def shown_answer(answer: str) -> str:
    return "não informado" if answer == UNKNOWN else answer
