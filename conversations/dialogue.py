"""An active session and what was just said in it: which intent is served, what is collected, what is asked next. Pure."""

import re
from dataclasses import replace
from datetime import timedelta

from django.conf import settings

from ai import knowledge, rules
from ai.responses import Detected
from audit import EventType

from . import answers, collecting, flows, qualification, replies
from .corrections import correction
from .flows import Field, Flow
from .hearing import Heard
from .intents import Intent, IntentQueue, Outcome
from .models import Session
from .plans import Turn, TurnPlan
from .profile_facts import from_profile, to_profile
from .replies import Reply
from .whatsapp.messages import Row

MISSES_MAX = 2  # product.md §2: after two answers that can't be understood, offer the human
SWITCH_CONFIDENCE = 0.9  # so sure must be who reads before an answer counts as another wish
DESCRIPTION_WORDS_MIN = 5
_INSTEAD = r"\b(na verdade|mudei de ideia|em vez disso|no lugar disso|nao (e|era) (bem )?(isso|nada disso)|melhor (um|uma|fazer|ser))\b"
_SWITCH = rf"{_INSTEAD}|\b(tambem|tbm|tb|alem disso|outra coisa|outro assunto)\b"
_KEPT = ("last", "unsupported_said", "unanswered", "refused", "fact")  # of the open question, when another one is asked
_MENU = r"^(menu|opcoes|ver opcoes|inicio|voltar|comecar de novo|recomecar|ver o menu|mostrar? (o )?menu)[.! ]*$"
_CANCEL = (
    r"^(cancela\w*( tudo| isso| por favor| ai)?|desisto|desisti|esquece( tudo| isso)?|parar?|sair|(para|pare|chega)( com isso| disso| de perguntas?| de perguntar)"
    r"|nao quero mais( nada| isso| continuar| conversar| saber( disso)?| (responder|falar)( (nada|isso|mais|com (voce|vc)|(essas |suas )?perguntas))?)?)[.! ]*$"
    r"|(^|[,.!;] ?)(e?h? ?melhor )?(deixa|deixe) (pra la|para la|quieto)[.! ]*$"
)
_PICKS_ROW = r"(?:opcao |numero |a |o )*([1-9])[.)! ]*"  # what some type instead of tapping
_WISHES = ("problem", "features", "goal")  # "dá pra colocar login?" is a wish as well as a question
_GO_ON = r"\b(continu\w+|tent\w+ de novo|vamos tentar|segu(e|ir) (ai|aqui|com voce|com vc))\b"
FACT_MAX = 40  # characters by which an answer is recognised
INTRODUCED_FOR = timedelta(hours=12)  # who heard from Otto in this time knows who he is


class Dialogue:
    """Serves one turn of a session.

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
        self.dropped = False  # the active one was, in this turn
        self.leaves = False  # for now
        self.upset = ""  # why a human is offered to a customer who is
        self.gave = False  # an answer of this turn was more than a refusal
        self.introduces = is_new and not self._has_met()

    def recall(self, intent: Intent) -> None:
        """An intent that was served a short while ago is what this session is about as well."""
        self._add(intent.value, confidence=1.0)

    def run(self) -> TurnPlan:
        if row := self._typed_row():
            self.heard = replace(self.heard, text="", taps=((row.id, row.title),))
        heard, asked = self.heard, self.session.asked
        if heard.reading.prompt_version:
            self.session.prompt_version = heard.reading.prompt_version
        if heard.wants_human or (asked.get("offered") and self._accepts(heard.text)):
            self._add_detected(handing_over=True)
            self._absorb(answering=False)
            self._record_reading()
            return self._hand_over()
        if not heard.text and not heard.taps:
            return self._receive_file()
        for tap_id, title in heard.taps:
            self._apply_tap(tap_id, title)
        if heard.text:
            self._apply_text(heard.text)
        if self.leaves:
            self._record_reading()
            self.turn.intent = asked.get("intent")
            return self.turn.plan(self.session, Reply(replies.GOODBYE), Outcome.AWAITING_USER)
        return self._serve()

    def _typed_row(self) -> Row | None:
        """The row of the open menu whose number was typed."""
        asked, typed = self.session.asked, re.fullmatch(_PICKS_ROW, answers.plain(self.heard.text).strip())
        if typed is None or self.heard.taps or not asked.get("menu") or asked.get("offered"):
            return None
        return dict(enumerate(replies.MENU_ROWS, start=1)).get(int(typed[1]))

    def _has_met(self) -> bool:
        """Whether the customer heard from us a short while ago, in another session."""
        conversation = self.turn.conversation
        last = conversation.last_message_at
        return conversation.out_seq > 0 and last is not None and self.heard.first_at - last < INTRODUCED_FOR

    def _accepts(self, text: str) -> bool:
        """Whether the human that was offered is wanted: "sim", but not "quero continuar"."""
        return bool(text) and answers.is_yes(text) and not re.search(_GO_ON, answers.plain(text))

    # --- what was said ------------------------------------------------------------------------------------------------
    def _receive_file(self) -> TurnPlan:
        """A turn without words: what came is named, and the open question stays open."""
        if self.heard.media:
            self.turn.lead.append(replies.media_received(self.heard.media))
        elif self.session.asked.get("unsupported_said"):
            return self.turn.plan(self.session, None, Outcome.AWAITING_USER)
        else:
            self.turn.lead.append(replies.UNSUPPORTED_TYPE)
            self.session.asked["unsupported_said"] = True
        return self._ask_again()

    def _apply_tap(self, tap_id: str, title: str) -> None:
        """A button or a row, of this session or of an old message: both count."""
        intent = tap_id.removeprefix(replies.INTENT_PREFIX)
        if tap_id == replies.MENU:
            self.wants_menu = True
        elif tap_id in (replies.NEXT_YES, replies.NEXT_NO):
            self._answer_next(yes=tap_id == replies.NEXT_YES)
        elif tap_id == replies.RETRY:
            self.try_again = True
        elif intent != tap_id and intent in replies.INTENT_TITLES:
            self._pick(intent)
        elif tap_id.startswith(replies.FIELD_PREFIX) and self._choose_answer(tap_id):
            self.understood = True
        else:
            self._apply_text(title)

    def _pick(self, intent: str) -> None:
        self._add(intent, confidence=1.0, explicit=True)
        self.queue.pick(intent)
        self.picked = intent
        self.understood = True

    def _answer_next(self, *, yes: bool) -> None:
        """Whether to go on with what waits. Where that was not asked (an old button), the open question comes again."""
        self.understood = True
        if not self.session.asked.get("next"):
            return
        if yes:
            self.queue.choose()
        else:
            self.queue.decline_open()
            self.turn.lead.append(replies.DECLINED)

    def _choose_answer(self, tap_id: str) -> bool:
        """A tapped answer of the active flow: it also corrects an earlier one."""
        _, intent, name, number = [*tap_id.split(":"), "", "", ""][:4]
        flow, active = flows.find_flow(intent), self.queue.active
        field = flow.field(name) if flow else None
        if flow is None or field is None or active is None or active["intent"] != intent or not number.isdecimal():
            return False
        if int(number) >= len(field.choices):
            return False
        value = (
            collecting.read_answer(field, field.choices[int(number)], self.heard.said_on) or field.choices[int(number)]
        )
        before = self.session.collected.get(intent, {}).get(name)
        self._keep(flow, {name: value})
        if before not in (None, value):
            self._confirm(flow, {name: value})
        return True

    def _apply_text(self, text: str) -> None:
        folded = answers.plain(text).strip()
        asked = self.session.asked
        flow = self._active_flow()
        if re.match(_MENU, folded):
            self.wants_menu = True
        elif re.search(_CANCEL, folded) and asked.get("next"):
            self._answer_next(yes=False)
        elif re.search(_CANCEL, folded) and self.queue.open:
            self.turn.lead.append(replies.CANCELLED)
            self._cancel()
        elif self._is_insult(text):
            self.upset = replies.INSULTED
        elif flow and rules.declines_human(text):
            self.turn.lead.append(replies.GO_ON)
            self.try_again = True
        elif flow and not asked.get("next") and rules.is_goodbye(text):
            self.leaves = not self.heard.taps
        elif flow and rules.is_grievance(text):
            self.upset = replies.GRIEVANCE
        elif rules.is_insult(text) and not flow:
            self.turn.lead.append(replies.SORRY)
            self._add_detected()
        elif asked.get("offered") and not asked.get("next") and (answers.is_no(text) or re.search(_GO_ON, folded)):
            self.try_again = True
        elif asked.get("next") and not self.understood and (answers.is_no(text) or answers.is_yes(text)):
            self._answer_next(yes=answers.is_yes(text))
        elif rules.is_small_talk(text) and (flow or not self.heard.reading.intents):
            self._greet(text)
        elif flow and self.picked is None:
            self._answer(flow, text)
        else:
            self._add_detected()

    def _is_insult(self, text: str) -> bool:
        """An insult that asks for nothing; where something is asked for, that is what counts."""
        return rules.is_insult(text) and not any(_is_wish(found.intent) for found in self.heard.reading.intents)

    def _greet(self, text: str) -> None:
        self.understood = True
        if rules.is_thanks(text):
            self.turn.lead.append(replies.WELCOME)
        elif not self.is_new:
            self.turn.lead.append(replies.GO_ON if self.heard.reading.intents else replies.GREETED)

    def _confirm(self, flow: Flow, changed: dict[str, str]) -> None:
        """Say what was corrected; what is new besides is only acknowledged."""
        labels = {field.name: field.label for field in flow.fields}
        self.turn.lead.append(
            replies.corrected({labels[name]: qualification.shown_answer(changed[name]) for name in changed})
        )
        self.answered = 0

    def _answer(self, flow: Flow, text: str) -> None:
        """A message while a flow asks: an answer, a correction, a question of the customer's own, or another wish."""
        collected = self.session.collected.setdefault(flow.intent.value, {})
        asked = self.session.asked
        field = flow.field(asked.get("field"))
        today = self.heard.said_on
        if changed := correction(flow, text, collected, asked.get("last"), today=today, asked=asked.get("field")):
            corrected = {name: value for name, value in changed.items() if name in collected}
            self._keep(flow, changed)
            if corrected:
                self._confirm(flow, corrected)
            return
        free = field is not None and field.free
        aside = self._aside(free)
        answering = not aside
        if field and not aside and (aside := self._unanswerable(field)):
            answering = field.name == "budget" or (field.name in _WISHES and rules.asks_for(text))
        switches = self._switches(free)
        if not switches and not rules.tampers(text):
            taken = collecting.absorb(flow, text, collected, asked.get("field"), today=today, answering=answering)
            self._keep(
                flow, {name: value for name, value in taken.items() if not (aside and self._is_asked(flow, name))}
            )
        if not aside and not switches and not self.understood and "?" in text and rules.is_question(text):
            aside = self._no_answer_yet()
        if aside:
            self.turn.lead.append(aside)
            self.understood = True
        if switches or not self.understood:
            self._add_detected(during_flow=True)

    def _unanswerable(self, field: Field) -> str:
        """What is said to a question of the customer's own where any words would be taken for the answer."""
        if not (field.free or field.name in ("city", "budget")) or not rules.asks(self.heard.text):
            return ""
        return self._no_answer_yet()

    def _is_asked(self, flow: Flow, name: str) -> bool:
        """Whether the customer asks about it ("fica pronto em 10 dias?", "vocês têm CNPJ?"), and tells nothing."""
        return _is_of_time(flow, name) or rules.is_about_us(self.heard.text)

    def _aside(self, free: bool) -> str:
        """What is said to a customer who asks something instead of answering; empty where it is an answer."""
        text = self.heard.text
        if answers.is_refusal(text) and "?" not in text:
            return ""
        return self._remark() if not free or rules.is_question(text) or rules.tampers(text) else ""

    def _remark(self) -> str:
        """What is said at once to a question about the company and to talk about anything else; else empty."""
        detected = {d.intent for d in self.heard.reading.intents}
        if Intent.INSTITUTIONAL in detected:
            return self._fact() or self._no_answer_yet()
        return self._not_ours() if Intent.UNSUPPORTED in detected else ""

    def _not_ours(self) -> str:
        """A polite refusal; the next one in other words."""
        asked = self.session.asked
        asked["refused"] = asked.get("refused", 0) + 1
        return replies.NOT_OURS if asked["refused"] % 2 else replies.NOT_OURS_AGAIN

    def _fact(self) -> str | None:
        """What the knowledge base says; to one who insists on a price, in other words."""
        answer, asked = knowledge.find_answer(self.heard.text), self.session.asked
        if answer is None:
            return None
        insists = asked.get("fact") == answer[:FACT_MAX] and knowledge.asks_back(self.heard.text)
        asked["fact"] = answer[:FACT_MAX]
        return replies.AS_SAID if insists else answer

    def _no_answer_yet(self) -> str:
        asked = self.session.asked
        asked["unanswered"] = asked.get("unanswered", 0) + 1
        return replies.NO_ANSWER_YET[(asked["unanswered"] - 1) % len(replies.NO_ANSWER_YET)]

    def _switches(self, free: bool) -> bool:
        """Whether the message is about something else. A free answer may mention anything: there it must say so."""
        active = (self.queue.active or {}).get("intent")
        for detected in self.heard.reading.intents:
            if detected.intent == active or detected.confidence < SWITCH_CONFIDENCE or not _is_wish(detected.intent):
                continue
            urgent = detected.intent == Intent.PYLOTO_ENTREGA_REQUEST and self.heard.reading.urgent
            if not free or urgent or re.search(_SWITCH, answers.plain(self.heard.text)):
                return True
        return False

    def _add_detected(self, *, during_flow: bool = False, handing_over: bool = False) -> None:
        """Queue the wishes that were recognised, and answer what is none."""
        reading = self.heard.reading
        detected = [d for d in reading.intents if d.intent != Intent.ENTRY_UNKNOWN]
        served = (self.queue.active or {}).get("intent")
        wishes = [d for d in detected if _is_wish(d.intent) and d.intent != served]
        for found in wishes:
            urgent = reading.urgent and (len(wishes) == 1 or found.intent == Intent.PYLOTO_ENTREGA_REQUEST)
            self._add(found.intent.value, confidence=found.confidence, urgent=urgent)
        if during_flow:
            if served and wishes and re.search(_INSTEAD, answers.plain(self.heard.text)):
                self._change_to(wishes[0].intent)
                return
            waits = any(entry["intent"] in {wish.intent for wish in wishes} for entry in self.queue.queued)
            if waits and served == (self.queue.active or {}).get("intent"):
                self.turn.lead.append(replies.NOTED_ALSO)
            return
        asides = {d.intent: d for d in detected if not _is_wish(d.intent)}
        if wishes:
            asides.pop(Intent.UNSUPPORTED, None)
        if asides and (wishes or not handing_over):
            self._answer_or_add(asides.get(Intent.INSTITUTIONAL) or asides[Intent.UNSUPPORTED])

    def _change_to(self, intent: Intent) -> None:
        """What was served is given up for another wish."""
        self.queue.decline_active()
        if self.queue.activate(intent.value):
            self.turn.lead.append(replies.CHANGED)

    def _answer_or_add(self, found: Detected) -> None:
        """Serve as an intent what stands alone. Where something else is open it waits for nothing: it is said at once."""
        alone = all(entry["intent"] == found.intent for entry in self.queue.open)
        if alone and found.intent == Intent.INSTITUTIONAL and knowledge.asks_back(self.heard.text):
            self.turn.lead.append(self._remark())
            self.understood = self.wants_menu = True  # "quanto custa?": what is asked about comes first
        elif alone and not self.wants_menu:
            self._add(found.intent.value, confidence=found.confidence)
        else:
            self.turn.lead.append(self._remark())
            self.try_again = True

    def _add(self, intent: str, *, confidence: float, explicit: bool = False, urgent: bool = False) -> None:
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
            known = self.session.collected.get(intent, {})
            self._keep(flow, collecting.absorb(flow, self.heard.text, known, None, today=self.heard.said_on))
        if intent == Intent.PYLOTO_ENTREGA_REQUEST and entry.get("urgent") and self.queue.active:
            self.queue.choose()  # a delivery now goes first, unless the other one was picked explicitly

    # --- what is collected --------------------------------------------------------------------------------------------
    def _active_flow(self) -> Flow | None:
        active = self.queue.active
        return flows.find_flow(active["intent"]) if active else None

    def _absorb(self, *, answering: bool) -> None:
        """Take from the text what the active flow can use."""
        if (flow := self._active_flow() or self._chosen_flow()) and self.heard.text:
            collected = self.session.collected.setdefault(flow.intent.value, {})
            asked = next((f.name for f in flow.fields if f.free), None) if answering else None
            today = self.heard.said_on
            self._keep(
                flow, collecting.absorb(flow, self.heard.text, collected, asked, today=today, answering=answering)
            )

    def _chosen_flow(self) -> Flow | None:
        entry = self.queue.choose()
        return flows.find_flow(entry["intent"]) if entry else None

    def _keep(self, flow: Flow, taken: dict[str, str]) -> None:
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
        if flow == self._active_flow():
            self.answered += len(taken)
        self.understood = True

    def _note_signals(self) -> None:
        """Urgency and who decides belong to the intent that is served; the role to the profile."""
        active, reading = self.queue.active, self.heard.reading
        if active:
            told = {"urgent": reading.urgent, "decision_maker": reading.decision_maker}
            active |= {name: True for name, holds in told.items() if holds}
        if role := answers.find_role(self.heard.text):
            self.turn.learn({"role": role.value})

    # --- what is said -------------------------------------------------------------------------------------------------
    def _serve(self) -> TurnPlan:
        """Serve the active intent, and the next ones as far as they need no answer of the customer's."""
        self._record_reading()
        if self.upset and not self.understood:
            return self._offer_human(self.upset)
        if self.wants_menu:
            return self._menu()
        if self.try_again and not self.understood:
            self.session.asked["misses"] = 0
            return self._ask_again()
        if self.session.asked.get("next") and not self.understood:
            return self._miss()
        if self.dropped and self.queue.queued and not self.queue.active:
            return self._ask_next()
        while entry := self.queue.active or self.queue.choose():
            self.turn.intent = entry["intent"]
            self._note_signals()
            flow = flows.find_flow(entry["intent"])
            if flow:
                if self._start(flow):
                    return self._ask_field(flow)
                outcome = Outcome.HANDOFF_HUMAN
            else:
                outcome = self._serve_at_once(Intent(entry["intent"]))
            self.queue.finish(outcome, summary=qualification.summarise_intent(entry, self.session.collected))
            if self.queue.queued:
                self.turn.lead += [replies.done(entry["intent"])] * (flow is not None)
                return self._ask_next()
        if self.queue.strongest_outcome():
            return self._close()
        return self._miss() if self.session.asked.get("menu") and not self.understood else self._menu()

    def _start(self, flow: Flow) -> bool:
        """Begin or go on with a flow; whether it has a question left."""
        entry = self.queue.active
        if entry and not entry.get("opened"):
            entry["opened"] = True
            if self.introduces:
                self.turn.lead.insert(0, replies.introduction())
            before = len(self.turn.lead)
            # Picked and described in one breath: the description is the answer to the first free question.
            self._absorb(answering=self.picked is not None and len(self.heard.text.split()) >= DESCRIPTION_WORDS_MIN)
            told = bool(self.session.collected.get(flow.intent.value))
            collected = from_profile(flow, self.turn.facts) | self.session.collected.get(flow.intent.value, {})
            self.session.collected[flow.intent.value] = collected
            asks = flow.next_field(collected) is not None
            noted = self.noted.pop(flow.intent.value, {})
            said = replies.noted(noted) if noted else replies.NOTED_FIRST
            self.turn.lead[before:before] = [flow.opening] * asks + [said] * (asks and told)
            self.answered = 0
        return flow.next_field(self.session.collected[flow.intent.value]) is not None

    def _serve_at_once(self, intent: Intent) -> Outcome:
        lead = self.turn.lead
        if intent == Intent.PYLOTO_ENTREGA_REQUEST:
            desk = settings.DELIVERY_DESK_WHATSAPP
            if self.introduces:
                lead.insert(0, replies.introduction())
            lead.append(replies.route(desk) if desk else replies.NO_DESK)
            return Outcome.ROUTE_EXTERNAL if desk else Outcome.HANDOFF_HUMAN
        if intent == Intent.INSTITUTIONAL:
            asks = any(detected.intent == intent for detected in self.heard.reading.intents)
            answer = knowledge.find_answer(self.heard.text) if asks else knowledge.about()
            if self.introduces and answer and "Otto" not in answer:
                lead.insert(0, replies.introduction())
            lead.append(answer or replies.NO_ANSWER)
            return Outcome.SELF_SERVE_INFO if answer else Outcome.HANDOFF_HUMAN
        lead.append(replies.NOT_OURS_AGAIN if self._has_met() else replies.NOT_OURS_END)
        return Outcome.UNSUPPORTED

    def _record_reading(self) -> None:
        detected = [d.intent.value for d in self.heard.reading.intents]
        if self.picked or self.heard.text:
            self.turn.record(
                EventType.INTENT_CLASSIFIED,
                intents=[self.picked] if self.picked else detected or [Intent.ENTRY_UNKNOWN.value],
                confidence_percent=100 if self.picked else round(self.heard.reading.primary.confidence * 100),
                source="TAP" if self.picked else str(self.heard.reading.source),
                wants_human=self.heard.wants_human,
            )

    # --- questions ----------------------------------------------------------------------------------------------------
    def _ask(self, question: dict[str, object], reply: Reply) -> TurnPlan:
        kept = {name: value for name, value in self.session.asked.items() if name in _KEPT}
        intent = (self.queue.active or {}).get("intent") or Intent.ENTRY_UNKNOWN.value
        self.session.asked = {**kept, **question, "intent": intent}
        self.turn.intent = self.turn.intent or intent
        return self.turn.plan(self.session, reply, Outcome.AWAITING_USER)

    def _ask_field(self, flow: Flow) -> TurnPlan:
        field = self._next_field(flow)
        asked = self.session.asked
        if asked.get("field") == field.name and not self.understood:
            return self._miss()
        if self.answered:
            noted = self.noted.get(flow.intent.value)
            count = len(self.session.collected[flow.intent.value])
            acknowledged = replies.acknowledged(count) if self.gave else replies.refused(count)
            self.turn.lead.append(replies.noted(noted) if noted else acknowledged)
        same = asked.get("field") == field.name
        return self._ask(
            {"field": field.name} | ({"misses": asked.get("misses", 0)} if same else {}), replies.question(flow, field)
        )

    def _next_field(self, flow: Flow) -> Field:
        field = flow.next_field(self.session.collected[flow.intent.value])
        assert field is not None, "a flow without open questions is finished"
        return field

    def _ask_next(self) -> TurnPlan:
        following = self.queue.queued[0]["intent"]
        return self._ask({"next": True}, replies.ask_next(following))

    def _menu(self) -> TurnPlan:
        self.queue.park()
        if self.heard.stale:
            return self._ask({"menu": True}, replies.ask_openly())
        if not self.is_new:
            return self._ask({"menu": True}, replies.menu_again())
        if not self.introduces:
            return self._ask({"menu": True}, replies.menu_after() if self.turn.lead else self._welcome_back())
        if not self.turn.lead:
            return self._ask({"menu": True}, replies.menu())
        self.turn.lead.insert(0, replies.introduction())
        return self._ask({"menu": True}, replies.menu_after())

    def _welcome_back(self) -> Reply:
        kept = any(given for session in self.turn.sessions for given in session.collected.values())
        return replies.menu_back(kept=kept)

    def _ask_again(self, *, missed: bool = False) -> TurnPlan:
        """The open question once more, as it was, or in other words after a miss; without one, the menu."""
        asked, flow = self.session.asked, self._active_flow()
        if asked.get("next") and self.queue.queued:
            return self._ask(
                {"next": True, "misses": asked.get("misses", 0)}, replies.ask_next(self.queue.queued[0]["intent"])
            )
        if flow and flow.field(asked.get("field")):
            field = self._next_field(flow)
            question = replies.question(flow, field, missed=missed)
            return self._ask({"field": field.name, "misses": asked.get("misses", 0)}, question)
        return self._menu()

    def _miss(self) -> TurnPlan:
        """An answer that was not understood: ask again, then offer a human."""
        asked = self.session.asked
        asked["misses"] = asked.get("misses", 0) + 1
        if asked["misses"] < MISSES_MAX:
            self.turn.lead.append(self._doubt() or replies.MISSED)
            misses = asked["misses"]
            plan = self._ask_again(missed=True)
            self.session.asked["misses"] = misses
            return plan
        return self._offer_human()

    def _offer_human(self, *why: str) -> TurnPlan:
        """Offer a human; what was asked stays open."""
        asked = self.session.asked
        open_question = {name: asked[name] for name in ("menu", "field", "next") if name in asked} or {"menu": True}
        return self._ask(open_question | {"misses": 0, "offered": True}, replies.offer_human(*why))

    def _doubt(self) -> str:
        """What is said of an answer that can't be meant, such as a day that is past."""
        flow = self._active_flow()
        field = flow.field(self.session.asked.get("field")) if flow else None
        return collecting.doubt(field, self.heard.text, self.heard.said_on) if field else ""

    # --- the end ------------------------------------------------------------------------------------------------------
    def _cancel(self) -> None:
        """The active intent is dropped; what waits is asked about, else the menu is open again.

        While the menu is open none is active: then all are dropped, and the customer chooses anew.
        """
        if self.queue.active:
            self.queue.decline_active()
        else:
            self.queue.decline_open()
        self.dropped = True
        self.understood = True

    def _close(self) -> TurnPlan:
        outcome = self.queue.strongest_outcome() or Outcome.SELF_SERVE_INFO
        if outcome == Outcome.HANDOFF_HUMAN:
            return self._hand_over()
        self.turn.close(self.session, outcome)
        *lead, last = [part for part in self.turn.lead if part] or [replies.DECLINED]
        self.turn.lead = lead
        return self.turn.plan(self.session, Reply(last), outcome)

    def _hand_over(self) -> TurnPlan:
        self._note_signals()
        self.turn.hand_over(self.session)
        handoff = self.turn.handoff
        assert handoff is not None, "hand_over opens one"
        self.turn.lead = [replies.AGREED if part == replies.DECLINED else part for part in self.turn.lead]
        knows = any(value != answers.UNKNOWN for given in handoff.requirements.values() for value in given.values())
        text = replies.handed_over(str(self.turn.facts.get("name") or ""), self.turn.now, collected=knows)
        return self.turn.plan(self.session, Reply(text), Outcome.HANDOFF_HUMAN)


def _is_of_time(flow: Flow, name: str) -> bool:
    """Whether the field is a deadline; "fica pronto em 10 dias?" names none."""
    field = flow.field(name)
    return field is not None and field.settle is not None


def _is_wish(intent: Intent) -> bool:
    """Something that a customer wants done, unlike a question about the company or talk about anything else."""
    return intent not in (Intent.INSTITUTIONAL, Intent.UNSUPPORTED, Intent.ENTRY_UNKNOWN)
