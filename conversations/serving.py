"""What is asked and said next: the active intent is served, a question put, the session brought to its end. Pure."""

from django.conf import settings

from ai import knowledge

from . import answers, collecting, flows, qualification, replies
from .exchange import Exchange
from .flows import Field, Flow
from .intents import Intent, Outcome
from .plans import TurnPlan
from .profile_facts import from_profile
from .replies import Reply

MISSES_MAX = 2  # product.md §2: after two answers that can't be understood, offer the human
DESCRIPTION_WORDS_MIN = 5
_KEPT = ("last", "unsupported_said", "unanswered", "refused", "fact")  # of the open question, when another one is asked


def serve(exchange: Exchange) -> TurnPlan:
    """Serve the active intent, and the next ones as far as they need no answer of the customer's."""
    exchange.record_reading()
    if exchange.upset and not exchange.understood:
        return _offer_human(exchange, exchange.upset)
    if exchange.wants_menu:
        return _menu(exchange)
    if exchange.try_again and not exchange.understood:
        exchange.session.asked["misses"] = 0
        return ask_again(exchange)
    if exchange.session.asked.get("next") and not exchange.understood:
        return _miss(exchange)
    if exchange.dropped and exchange.queue.queued and not exchange.queue.active:
        return _ask_next(exchange)
    while entry := exchange.queue.active or exchange.queue.choose():
        exchange.turn.intent = entry["intent"]
        exchange.note_signals()
        flow = flows.find_flow(entry["intent"])
        if flow:
            if _start(exchange, flow):
                return _ask_field(exchange, flow)
            outcome = Outcome.HANDOFF_HUMAN
        else:
            outcome = _serve_at_once(exchange, Intent(entry["intent"]))
        exchange.queue.finish(outcome, summary=qualification.summarise_intent(entry, exchange.session.collected))
        if exchange.queue.queued:
            exchange.turn.lead += [replies.done(entry["intent"])] * (flow is not None)
            return _ask_next(exchange)
    if exchange.queue.strongest_outcome():
        return _close(exchange)
    return _miss(exchange) if exchange.session.asked.get("menu") and not exchange.understood else _menu(exchange)


def _start(exchange: Exchange, flow: Flow) -> bool:
    """Begin or go on with a flow; whether it has a question left."""
    entry = exchange.queue.active
    if entry and not entry.get("opened"):
        entry["opened"] = True
        if exchange.introduces:
            exchange.turn.lead.insert(0, replies.introduction())
        before = len(exchange.turn.lead)
        # Picked and described in one breath: the description is the answer to the first free question.
        exchange.absorb(
            answering=exchange.picked is not None and len(exchange.heard.text.split()) >= DESCRIPTION_WORDS_MIN
        )
        told = bool(exchange.session.collected.get(flow.intent.value))
        collected = from_profile(flow, exchange.turn.facts) | exchange.session.collected.get(flow.intent.value, {})
        exchange.session.collected[flow.intent.value] = collected
        asks = flow.next_field(collected) is not None
        noted = exchange.noted.pop(flow.intent.value, {})
        said = replies.noted(noted) if noted else replies.NOTED_FIRST
        exchange.turn.lead[before:before] = [flow.opening] * asks + [said] * (asks and told)
        exchange.answered = 0
    return flow.next_field(exchange.session.collected[flow.intent.value]) is not None


def _serve_at_once(exchange: Exchange, intent: Intent) -> Outcome:
    lead = exchange.turn.lead
    if intent == Intent.PYLOTO_ENTREGA_REQUEST:
        desk = settings.DELIVERY_DESK_WHATSAPP
        if exchange.introduces:
            lead.insert(0, replies.introduction())
        lead.append(replies.route(desk) if desk else replies.NO_DESK)
        return Outcome.ROUTE_EXTERNAL if desk else Outcome.HANDOFF_HUMAN
    if intent == Intent.INSTITUTIONAL:
        asks = any(detected.intent == intent for detected in exchange.heard.reading.intents)
        answer = knowledge.find_answer(exchange.heard.text) if asks else knowledge.about()
        if exchange.introduces and answer and "Otto" not in answer:
            lead.insert(0, replies.introduction())
        lead.append(answer or replies.NO_ANSWER)
        return Outcome.SELF_SERVE_INFO if answer else Outcome.HANDOFF_HUMAN
    lead.append(replies.NOT_OURS_AGAIN if exchange.has_met else replies.NOT_OURS_END)
    return Outcome.UNSUPPORTED


def _ask(exchange: Exchange, question: dict[str, object], reply: Reply) -> TurnPlan:
    kept = {name: value for name, value in exchange.session.asked.items() if name in _KEPT}
    intent = (exchange.queue.active or {}).get("intent") or Intent.ENTRY_UNKNOWN.value
    exchange.session.asked = {**kept, **question, "intent": intent}
    exchange.turn.intent = exchange.turn.intent or intent
    return exchange.turn.plan(exchange.session, reply, Outcome.AWAITING_USER)


def _ask_field(exchange: Exchange, flow: Flow) -> TurnPlan:
    field = _next_field(exchange, flow)
    asked = exchange.session.asked
    if asked.get("field") == field.name and not exchange.understood:
        return _miss(exchange)
    if exchange.answered:
        noted = exchange.noted.get(flow.intent.value)
        count = len(exchange.session.collected[flow.intent.value])
        acknowledged = replies.acknowledged(count) if exchange.gave else replies.refused(count)
        exchange.turn.lead.append(replies.noted(noted) if noted else acknowledged)
    same = asked.get("field") == field.name
    return _ask(
        exchange,
        {"field": field.name} | ({"misses": asked.get("misses", 0)} if same else {}),
        replies.question(flow, field),
    )


def _next_field(exchange: Exchange, flow: Flow) -> Field:
    field = flow.next_field(exchange.session.collected[flow.intent.value])
    assert field is not None, "a flow without open questions is finished"
    return field


def _ask_next(exchange: Exchange) -> TurnPlan:
    following = exchange.queue.queued[0]["intent"]
    return _ask(exchange, {"next": True}, replies.ask_next(following))


def _menu(exchange: Exchange) -> TurnPlan:
    exchange.queue.park()
    if exchange.heard.stale:
        return _ask(exchange, {"menu": True}, replies.ask_openly())
    if not exchange.is_new:
        return _ask(exchange, {"menu": True}, replies.menu_again())
    if not exchange.introduces:
        return _ask(exchange, {"menu": True}, replies.menu_after() if exchange.turn.lead else _welcome_back(exchange))
    if not exchange.turn.lead:
        return _ask(exchange, {"menu": True}, replies.menu())
    exchange.turn.lead.insert(0, replies.introduction())
    return _ask(exchange, {"menu": True}, replies.menu_after())


def _welcome_back(exchange: Exchange) -> Reply:
    kept = any(given for session in exchange.turn.sessions for given in session.collected.values())
    return replies.menu_back(kept=kept)


def ask_again(exchange: Exchange, *, missed: bool = False) -> TurnPlan:
    """The open question once more, as it was, or in other words after a miss; without one, the menu."""
    asked, flow = exchange.session.asked, exchange.active_flow
    if asked.get("next") and exchange.queue.queued:
        return _ask(
            exchange,
            {"next": True, "misses": asked.get("misses", 0)},
            replies.ask_next(exchange.queue.queued[0]["intent"]),
        )
    if flow and flow.field(asked.get("field")):
        field = _next_field(exchange, flow)
        question = replies.question(flow, field, missed=missed)
        return _ask(exchange, {"field": field.name, "misses": asked.get("misses", 0)}, question)
    return _menu(exchange)


def _miss(exchange: Exchange) -> TurnPlan:
    """An answer that was not understood: ask again, then offer a human."""
    asked = exchange.session.asked
    asked["misses"] = asked.get("misses", 0) + 1
    if asked["misses"] < MISSES_MAX:
        exchange.turn.lead.append(_doubt(exchange) or replies.MISSED)
        misses = asked["misses"]
        plan = ask_again(exchange, missed=True)
        exchange.session.asked["misses"] = misses
        return plan
    return _offer_human(exchange)


def _offer_human(exchange: Exchange, *why: str) -> TurnPlan:
    """Offer a human; what was asked stays open."""
    asked = exchange.session.asked
    open_question = {name: asked[name] for name in ("menu", "field", "next") if name in asked} or {"menu": True}
    return _ask(exchange, open_question | {"misses": 0, "offered": True}, replies.offer_human(*why))


def _doubt(exchange: Exchange) -> str:
    """What is said of an answer that can't be meant, such as a day that is past."""
    flow = exchange.active_flow
    field = flow.field(exchange.session.asked.get("field")) if flow else None
    return collecting.doubt(field, exchange.heard.text, exchange.heard.said_on) if field else ""


def _close(exchange: Exchange) -> TurnPlan:
    outcome = exchange.queue.strongest_outcome() or Outcome.SELF_SERVE_INFO
    if outcome == Outcome.HANDOFF_HUMAN:
        return hand_over(exchange)
    exchange.turn.close(exchange.session, outcome)
    *lead, last = [part for part in exchange.turn.lead if part] or [replies.DECLINED]
    exchange.turn.lead = lead
    return exchange.turn.plan(exchange.session, Reply(last), outcome)


def hand_over(exchange: Exchange) -> TurnPlan:
    exchange.note_signals()
    exchange.turn.hand_over(exchange.session)
    handoff = exchange.turn.handoff
    assert handoff is not None, "hand_over opens one"
    exchange.turn.lead = [replies.AGREED if part == replies.DECLINED else part for part in exchange.turn.lead]
    knows = any(value != answers.UNKNOWN for given in handoff.requirements.values() for value in given.values())
    text = replies.handed_over(str(exchange.turn.facts.get("name") or ""), exchange.turn.now, collected=knows)
    return exchange.turn.plan(exchange.session, Reply(text), Outcome.HANDOFF_HUMAN)
