"""What a turn of a session has come to so far: what was understood of it, and what is kept of what it told. Pure."""

from datetime import timedelta

from audit import EventType

from . import answers, collecting, flows, replies, unasked
from .flows import Flow
from .hearing import Heard
from .intents import Intent, IntentQueue
from .models import Session
from .plans import Turn
from .profile_facts import to_profile

INTRODUCED_FOR = timedelta(hours=12)  # who heard from Otto in this time knows who he is


class Exchange:
    """One turn of an active session, from what was said to what is answered.

    `session.asked` is the open question: {"menu": True} | {"field": name} | {"next": True}, with "misses" (answers not
    understood), "offered" (a human was), "intent", "last" (the field answered last), "unsupported_said" and "unanswered"
    (questions of the customer's that nobody could answer) "refused" (matters that are not ours) and
    "fact" (the beginning of the last answer out of the knowledge base).
    """

    def __init__(self, turn: Turn, session: Session, heard: Heard, *, is_new: bool):
        self.turn, self.session, self.heard, self.is_new = turn, session, heard, is_new
        self.queue = IntentQueue(session.intents, session.noted)
        self.understood = False  # something that was said had an effect
        self.wants_menu = False
        self.try_again = False  # the open question once more, from the start, where nothing else had an effect
        self.answered = 0  # answers taken from this turn
        self.noted: dict[str, dict[str, str]] = {}  # of them those that are said back, by intent and label
        self.picked: str | None = None  # the intent tapped in this turn
        self.read: set[Intent] = set()  # whose answers were looked for in what was said before they asked
        self.dropped = False  # the active one was, in this turn
        self.leaves = False  # for now
        self.upset = ""  # why a human is offered to a customer who is
        self.gave = False  # an answer of this turn was more than a refusal
        self.introduces = is_new and not self.has_met

    @property
    def has_met(self) -> bool:
        """Whether the customer heard from us a short while ago, in another session."""
        conversation = self.turn.conversation
        last = conversation.last_message_at
        return conversation.out_seq > 0 and last is not None and self.heard.first_at - last < INTRODUCED_FOR

    @property
    def active_flow(self) -> Flow | None:
        active = self.queue.active
        return flows.find_flow(active["intent"]) if active else None

    def add(self, intent: str, *, confidence: float, explicit: bool = False, urgent: bool = False) -> None:
        """Queue an intent, and keep what was said of it; where it can't be queued, say so."""
        if self.queue.add_intent(
            intent, at=self.heard.last_at, confidence=confidence, explicit=explicit, urgent=urgent
        ):
            self.turn.record(EventType.INTENT_ADDED, session_id=self.session.pk, intent=intent, explicit=explicit)
        entry = self.queue.find(intent)
        self.understood = True
        if entry is None:
            self.turn.lead.append(replies.no_room(intent) if intent in replies.INTENT_TITLES else replies.NOT_OURS)
            return
        if self.queue.is_frozen(intent):
            self.turn.lead.append(replies.already_noted(intent))
            return
        if (flow := flows.find_flow(intent)) and not explicit:  # while it waits, what was said of it is kept
            self._read(flow)
        if intent == Intent.PYLOTO_ENTREGA_REQUEST and entry.get("urgent") and self.queue.active:
            self.queue.choose()  # a delivery now goes first, unless the other one was picked explicitly

    def pick(self, intent: str) -> None:
        self.add(intent, confidence=1.0, explicit=True)
        self.queue.pick(intent)
        self.picked = intent
        self.understood = True

    def keep(self, flow: Flow, taken: dict[str, str]) -> None:
        if not taken or self.queue.is_frozen(flow.intent):
            return
        collected = self.session.collected.setdefault(flow.intent.value, {})
        collected |= taken
        self.gave = self.gave or any(value != answers.UNKNOWN for value in taken.values())
        if self.heard.text:
            shown = collecting.told_back(flow, taken, self.heard.text, self.session.asked.get("field"))
            self.noted[flow.intent.value] = self.noted.get(flow.intent.value, {}) | shown
        self.session.asked["last"] = next(reversed(taken))
        self.turn.learn(to_profile(flow, taken))
        if flow == self.active_flow:
            self.answered += len(taken)
        self.understood = True

    def absorb(self, *, answering: bool) -> None:
        """Take from the text what the active flow can use; `answering`: it describes what is wanted."""
        flow = self.active_flow or self._chosen_flow()
        if flow and self.heard.text:
            self.session.collected.setdefault(flow.intent.value, {})
            described = next((field.name for field in flow.fields if field.free), None) if answering else None
            self._read(flow, described)

    def _read(self, flow: Flow, described: str | None = None) -> None:
        """Take from the text what it tells of a flow that did not ask for it; `described` is the field that it answers."""
        text, today = self.heard.text, self.heard.said_on
        collected = self.session.collected.get(flow.intent.value, {})
        if described or self.session.asked.get("field"):
            self.keep(flow, collecting.absorb(flow, text, collected, described, today=today))
        elif flow.intent not in self.read:
            self.read.add(flow.intent)
            self.keep(flow, unasked.volunteered(flow, text, collected, today=today))

    def _chosen_flow(self) -> Flow | None:
        entry = self.queue.choose()
        return flows.find_flow(entry["intent"]) if entry else None

    def note_signals(self) -> None:
        """Urgency and who decides belong to the intent that is served; the role to the profile."""
        active, reading = self.queue.active, self.heard.reading
        if active:
            told = {"urgent": reading.urgent, "decision_maker": reading.decision_maker}
            active |= {name: True for name, holds in told.items() if holds}
        if role := answers.find_role(self.heard.text):
            self.turn.learn({"role": role.value})

    def record_reading(self) -> None:
        detected = [d.intent.value for d in self.heard.reading.intents]
        if self.picked or self.heard.text:
            self.turn.record(
                EventType.INTENT_CLASSIFIED,
                intents=[self.picked] if self.picked else detected or [Intent.ENTRY_UNKNOWN.value],
                confidence_percent=100 if self.picked else round(self.heard.reading.primary.confidence * 100),
                source="TAP" if self.picked else str(self.heard.reading.source),
                wants_human=self.heard.wants_human,
            )
