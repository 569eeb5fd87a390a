"""The vocabulary of a conversation and the queue of intents of a session. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import TextChoices

from ai.intents import Intent

__all__ = ["COMMERCIAL", "WISHES", "Intent", "IntentQueue", "Outcome"]

INTENTS_MAX = 3  # product.md §3: at most three intents a session


class Outcome(TextChoices):
    """`AWAITING_USER` is the outcome of a turn; the others end a session."""

    AWAITING_USER = "AWAITING_USER", "Aguardando o cliente"
    HANDOFF_HUMAN = "HANDOFF_HUMAN", "Encaminhado a uma pessoa"
    SELF_SERVE_INFO = "SELF_SERVE_INFO", "Informação dada"
    ROUTE_EXTERNAL = "ROUTE_EXTERNAL", "Canal externo"
    SCHEDULED_FOLLOWUP = "SCHEDULED_FOLLOWUP", "Retorno agendado"
    DUPLICATE_OR_SPAM = "DUPLICATE_OR_SPAM", "Duplicado ou spam"
    UNSUPPORTED = "UNSUPPORTED", "Fora do escopo"
    FAILED_INTERNAL = "FAILED_INTERNAL", "Falha interna"


# The strongest outcome that a session reached is the session's (product.md §3).
STRENGTH = (
    Outcome.HANDOFF_HUMAN,
    Outcome.SCHEDULED_FOLLOWUP,
    Outcome.ROUTE_EXTERNAL,
    Outcome.SELF_SERVE_INFO,
    Outcome.UNSUPPORTED,
)

# Commercial value, the greatest first (product.md §3).
VALUE = (
    Intent.CUSTOM_SOFTWARE,
    Intent.SAAS_COMMUNICATION,
    Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP,
    Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP,
    Intent.PYLOTO_ENTREGA_REQUEST,
    Intent.INSTITUTIONAL,
    Intent.UNSUPPORTED,
)
COMMERCIAL = frozenset(VALUE[:4])
# What a customer wants done, unlike a question about the company or talk about anything else.
WISHES = frozenset(VALUE[:5])


def value_rank(intent: str) -> int:
    """The place of an intent by value, 0 the greatest; one that only another release knows comes last."""
    return VALUE.index(intent) if intent in VALUE else len(VALUE)


class IntentStatus(TextChoices):
    ACTIVE = "ACTIVE", "Ativa"
    QUEUED = "QUEUED", "Na fila"
    DONE = "DONE", "Concluída"
    DECLINED = "DECLINED", "Dispensada"


@dataclass
class IntentQueue:
    """The intents of one session, over the lists that its document holds. At most one entry is ACTIVE.

    An entry is light: {"intent", "at", "confidence", "status"}, and what is true of it: "explicit", "urgent",
    "decision_maker", "opened". One that is DONE has its "outcome" and its "summary", and is frozen. What was collected
    for an intent stands elsewhere. `noted` holds {"intent", "at", "confidence"} of wishes that found no room.
    """

    entries: list[dict[str, Any]]
    noted: list[dict[str, Any]] = field(default_factory=list)

    def add_intent(
        self, intent: str, *, at: datetime, confidence: float, explicit: bool = False, urgent: bool = False
    ) -> bool:
        """Queue an intent that is not in the session yet; False where it is, or where the session is full.

        One that is open already becomes explicit or urgent where it now is. One that was answered or declined opens
        again; one that waits for a person is frozen. A wish that finds no room is noted.
        """
        marks = {name: True for name, holds in (("explicit", explicit), ("urgent", urgent)) if holds}
        if entry := self.find(intent):
            if self.is_frozen(intent):
                return False
            entry |= marks | {"confidence": max(entry["confidence"], confidence)}
            if entry["status"] in (IntentStatus.DONE, IntentStatus.DECLINED):
                entry["status"] = IntentStatus.QUEUED.value
            return False
        wish = {"intent": str(intent), "at": at, "confidence": confidence}
        if len(self.entries) >= INTENTS_MAX and not self._drop_declined():
            if not any(noted["intent"] == intent for noted in self.noted):
                self.noted.append(wish)
            return False
        self.noted[:] = [noted for noted in self.noted if noted["intent"] != intent]
        self.entries.append(wish | {"status": IntentStatus.QUEUED.value} | marks)
        return True

    def is_frozen(self, intent: str) -> bool:
        """Whether it is done and waits for a person: nothing about it changes any more."""
        entry = self.find(intent)
        return bool(entry and entry["status"] == IntentStatus.DONE and entry.get("outcome") == Outcome.HANDOFF_HUMAN)

    def _drop_declined(self) -> bool:
        """Make room: an intent that the customer dropped gives its place up."""
        declined = next((e for e in self.entries if e["status"] == IntentStatus.DECLINED), None)
        if declined:
            self.entries.remove(declined)
        return declined is not None

    def find(self, intent: str) -> dict[str, Any] | None:
        return next((entry for entry in self.entries if entry["intent"] == intent), None)

    @property
    def active(self) -> dict[str, Any] | None:
        return next((entry for entry in self.entries if entry["status"] == IntentStatus.ACTIVE), None)

    @property
    def open(self) -> list[dict[str, Any]]:
        return [e for e in self.entries if e["status"] in (IntentStatus.ACTIVE, IntentStatus.QUEUED)]

    @property
    def queued(self) -> list[dict[str, Any]]:
        """Those that wait, the next one first."""
        return sorted((e for e in self.entries if e["status"] == IntentStatus.QUEUED), key=_priority)

    def choose(self) -> dict[str, Any] | None:
        """Make the one active that product.md §3 names, and return it; None where nothing is open."""
        if not self.open:
            return None
        return self.activate(min(self.open, key=_priority)["intent"])

    def activate(self, intent: str) -> dict[str, Any] | None:
        """Make one open intent the active one; the one that was waits in the queue."""
        for entry in self.open:
            entry["status"] = (IntentStatus.ACTIVE if entry["intent"] == intent else IntentStatus.QUEUED).value
        return self.active

    def pick(self, intent: str) -> None:
        """The customer picked it: it is active now, and earlier picks no longer count."""
        if self.find(intent) is None or self.is_frozen(intent):
            return
        for entry in self.entries:
            entry.pop("explicit", None)
            if entry["intent"] == intent:
                entry["explicit"] = True
        self.activate(intent)

    def park(self) -> None:
        """None is active: the customer chooses anew."""
        for entry in self.open:
            entry["status"] = IntentStatus.QUEUED.value

    def finish(self, outcome: Outcome, *, summary: str = "") -> None:
        """The active one is done: its context is summed up and frozen."""
        if entry := self.active:
            entry |= {"status": IntentStatus.DONE.value, "outcome": outcome.value, "summary": summary}

    def decline_active(self) -> None:
        if entry := self.active:
            entry["status"] = IntentStatus.DECLINED.value

    def decline_open(self) -> None:
        for entry in self.open:
            entry["status"] = IntentStatus.DECLINED.value

    def strongest_outcome(self) -> Outcome | None:
        """The strongest outcome that an intent of the session reached."""
        reached = {entry.get("outcome") for entry in self.entries}
        return next((outcome for outcome in STRENGTH if outcome in reached), None)


def _priority(entry: dict[str, Any]) -> tuple[int, int, datetime]:
    """(1) picked explicitly, the latest pick first, (2) urgent delivery, (3) commercial value, (4) named first."""
    if entry.get("explicit"):
        return 0, 0, entry["at"]
    if entry["intent"] == Intent.PYLOTO_ENTREGA_REQUEST and entry.get("urgent"):
        return 1, 0, entry["at"]
    return 2, value_rank(entry["intent"]), entry["at"]
