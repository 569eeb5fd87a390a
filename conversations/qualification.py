"""What a human finds waiting: the handoff, filled out of the session by code. Pure.

Source: product.md §4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from ai import knowledge, rules
from profiles import scoring

from .answers import COMPANY, UNKNOWN
from .flows import Field, Flow, find_flow
from .intents import COMMERCIAL, Intent, IntentQueue, IntentStatus, Outcome, value_rank
from .labels import label_of
from .models import Conversation, Handoff, Session

Level = Handoff.Qualification
DEADLINE_MAX = 200
ROUTING: dict[str, str] = {Intent.PYLOTO_ENTREGA_REQUEST: "delivery"}
ROUTING_GENERAL, ROUTING_FAILURE = "general", "failure"
DECIDING_ROLES = ("Sócio(a)", "Dono(a)", "Direção")  # of those that `answers.find_role` names
INTEREST = {  # how much a line of business is worth, the greatest 1
    Intent.CUSTOM_SOFTWARE: 1.0,
    Intent.SAAS_COMMUNICATION: 0.8,
    Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP: 0.6,
    Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP: 0.3,
}
BRIEF_ANSWER_MAX = 90  # characters of an answer in the summary; all of it stands in the requirements
WISHES: dict[str, str] = {  # what somebody wants, after "Quer"
    Intent.CUSTOM_SOFTWARE: "um sistema sob medida",
    Intent.SAAS_COMMUNICATION: "o Pyloto no atendimento da empresa",
    Intent.PYLOTO_ENTREGA_REQUEST: "uma entrega",
    Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP: "ser entregador(a)",
    Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP: "entregas para a loja",
    Intent.INSTITUTIONAL: "uma resposta sobre a Pyloto que o assistente não tem",
    Intent.UNSUPPORTED: "falar de um assunto que não é da Pyloto",
}
NOTHING_SAID = "O cliente ainda não disse sobre o que quer falar."


@dataclass(frozen=True)
class Qualified:
    level: Handoff.Qualification
    reasons: tuple[str, ...]  # in Portuguese, for the agent


def qualify(intent: str, collected: Mapping[str, str], *, urgent: bool, decision_maker: bool) -> Qualified:
    """high = commercial, nothing critical missing, and urgent or decision maker; medium = commercial, at most one missing."""
    flow = find_flow(intent)
    if flow is None or intent not in COMMERCIAL:
        return Qualified(Level.LOW, ("Assunto informativo",))
    missing = _untold(flow, collected)
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
    """The intent that the handoff is about: the most valuable of those that are finished and wait for a person, else the
    active one, else any."""
    handed = [entry for entry in queue.entries if entry.get("outcome") == Outcome.HANDOFF_HUMAN]
    if not handed and queue.active:
        return queue.active
    return min(handed or queue.entries, key=lambda e: value_rank(e["intent"]), default=None)


def open_handoff(
    session: Session, conversation: Conversation, *, facts: Mapping[str, Any], now: datetime, routing: str = ""
) -> Handoff:
    """The handoff of a session, with all of its intents. `facts`: what is known of the customer, without the phone."""
    queue = IntentQueue(session.intents, session.noted)
    primary = primary_entry(queue) or {"intent": Intent.ENTRY_UNKNOWN.value, "confidence": 0.0}
    intent = primary["intent"]
    flow = find_flow(intent)
    collected = session.collected.get(intent, {})
    urgent = is_urgent(primary, collected)
    decides = any(entry.get("decision_maker") for entry in queue.entries) or facts.get("role") in DECIDING_ROLES
    qualified = qualify(intent, collected, urgent=urgent, decision_maker=decides)
    scored = scoring.score(
        scoring.Signals(
            interest=INTEREST.get(Intent(intent), 0.0) if intent in COMMERCIAL else 0.0,
            answered=answered_share(flow, collected),
            is_urgent=urgent,
            decides=decides,
            is_business=bool(facts.get("is_business")) or collected.get("client_type") == COMPANY,
            named_budget=collected.get("budget", UNKNOWN) != UNKNOWN,
        )
    )
    deadline = collected.get("deadline")  # in the customer's words, with the date that they mean
    beyond = [noted["intent"] for noted in session.noted]
    return Handoff(
        id=session.pk,
        user_key=conversation.pk,
        conversation_id=conversation.conversation_id,
        status=Handoff.Status.OPEN.value,
        lead={name: facts.get(name) for name in ("name", "city", "is_business", "business_name", "role")},
        intent_primary=intent,
        intents_detected=[entry["intent"] for entry in queue.entries] + beyond,
        resolved_intents=[entry["intent"] for entry in queue.entries if _is_resolved(entry)],
        open_intents=[entry["intent"] for entry in queue.entries if not _is_resolved(entry)] + beyond,
        summary=brief(session, primary, urgent=urgent),
        requirements={name: dict(given) for name, given in session.collected.items() if given},
        deadline=deadline[:DEADLINE_MAX] if deadline and deadline != UNKNOWN else None,
        routing=routing or (flow.routing if flow else ROUTING.get(intent, ROUTING_GENERAL)),
        confidence=primary["confidence"],
        qualification_level=qualified.level.value,
        qualification_reasons=list(qualified.reasons),
        lead_score=scored.points,
        lead_score_reasons=list(scored.reasons),
        opened_at=now,
        target_at=_target(now),
    )


def is_urgent(entry: Mapping[str, Any], collected: Mapping[str, str]) -> bool:
    return bool(entry.get("urgent")) or rules.is_urgent(collected.get("deadline", ""))


def asked_fields(flow: Flow) -> tuple[Field, ...]:
    """Without those that only complete the answer of another."""
    return tuple(field for field in flow.fields if not field.completes)


def _needed(flow: Flow) -> tuple[Field, ...]:
    """What a person needs to know; of a flow without critical questions all that is asked."""
    return flow.critical or asked_fields(flow)


def _untold(flow: Flow, collected: Mapping[str, str]) -> tuple[Field, ...]:
    return tuple(field for field in _needed(flow) if collected.get(field.name, UNKNOWN) == UNKNOWN)


def answered_share(flow: Flow | None, collected: Mapping[str, str]) -> float:
    """How much of what a person needs was told."""
    return 1 - len(_untold(flow, collected)) / len(_needed(flow)) if flow else 0.0


def _target(now: datetime) -> datetime:
    """When somebody should have answered: in working time; where the knowledge base cannot be read, by the clock."""
    working = timedelta(minutes=settings.HANDOFF_TARGET_MINUTES)
    try:
        return knowledge.hours().after(now, working)
    except Exception:  # noqa: BLE001  (a broken file must not keep a customer from a person)
        return now + working


def _is_resolved(entry: Mapping[str, Any]) -> bool:
    """Answered, routed or declined: nothing that the agent must still do."""
    if entry["status"] == IntentStatus.DECLINED:
        return True
    return bool(entry["status"] == IntentStatus.DONE and entry.get("outcome") != Outcome.HANDOFF_HUMAN)


# --- summaries --------------------------------------------------------------------------------------------------------
def brief(session: Session, primary: Mapping[str, Any], *, urgent: bool) -> str:
    """What a person reads in ten seconds: what is wanted, what was told of it, what is missing, what else."""
    intent = primary["intent"]
    if intent == Intent.ENTRY_UNKNOWN:
        return NOTHING_SAID
    flow, given = find_flow(intent), session.collected.get(intent, {})
    lines = [f"Quer {_wish(intent)}{', com urgência' if urgent else ''}."]
    if flow:
        lines += [
            f"• {f.label}: {_shortened(given[f.name])}" for f in flow.fields if given.get(f.name, UNKNOWN) != UNKNOWN
        ]
        refused = [f.label.lower() for f in flow.fields if given.get(f.name) == UNKNOWN]
        missing = [f.label.lower() for f in asked_fields(flow) if f.name not in given]
        lines += _sentence("Não quis ou não soube dizer", refused)
        lines += _sentence("Ainda não disse", missing)
    lines += [f"{_said_of(entry)}: {_wish(entry['intent'])}." for entry in session.intents if entry["intent"] != intent]
    lines += [f"Também quer (só anotado): {_wish(noted['intent'])}." for noted in session.noted]
    return "\n".join(lines)


def _wish(intent: str) -> str:
    return WISHES.get(intent) or label_of(Intent, intent)


def _said_of(entry: Mapping[str, Any]) -> str:
    if entry["status"] == IntentStatus.DECLINED:
        return "Deixou de lado"
    if _is_resolved(entry):
        return "Já atendido"
    return "Também quer" if entry["status"] == IntentStatus.DONE else "Também quer (ainda sem detalhes)"


def _shortened(answer: str) -> str:
    text = " ".join(answer.split())
    return text if len(text) <= BRIEF_ANSWER_MAX else f"{text[: BRIEF_ANSWER_MAX - 1].rstrip()}…"


def _sentence(about: str, labels: Sequence[str]) -> list[str]:
    if not labels:
        return []
    *head, last = labels
    return [f"{about}: {' e '.join(filter(None, [', '.join(head), last]))}."]


def summarise(session: Session) -> str:
    """What the session was about, in Portuguese, a line for each intent and each answer. What is done is frozen."""
    parts = [entry.get("summary") or summarise_intent(entry, session.collected) for entry in session.intents]
    parts += [f"{label_of(Intent, noted['intent'])} (só anotado)" for noted in session.noted]
    return "\n".join(parts) or NOTHING_SAID


def summarise_intent(entry: Mapping[str, Any], collected: Mapping[str, Mapping[str, str]]) -> str:
    status = "" if entry["status"] != IntentStatus.DECLINED else " (deixado de lado pelo cliente)"
    flow, given = find_flow(entry["intent"]), collected.get(entry["intent"], {})
    known = [field for field in flow.fields if field.name in given] if flow else []
    answers = [f"• {field.label}: {shown_answer(given[field.name])}" for field in known]
    return "\n".join([f"{label_of(Intent, entry['intent'])}{status}", *answers])


def shown_answer(answer: str) -> str:
    return "não informado" if answer == UNKNOWN else answer
