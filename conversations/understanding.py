"""What a customer's taps and words do: an answer, a correction, a wish, a question of their own, a goodbye. Pure."""

import re

from ai import knowledge, rules
from ai.responses import Detected

from . import answers, asides, collecting, flows, qualification, replies
from .corrections import correction
from .exchange import Exchange
from .flows import Field, Flow
from .intents import WISHES, Intent

SWITCH_CONFIDENCE = 0.9  # so sure must be who reads before an answer counts as another wish
_INSTEAD = r"\b(na verdade|mudei de ideia|em vez disso|no lugar disso|nao (e|era) (bem )?(isso|nada disso)|melhor (um|uma|fazer|ser))\b"
_SWITCH = rf"{_INSTEAD}|\b(tambem|tbm|tb|alem disso|outra coisa|outro assunto)\b"
_MENU = r"^(menu|opcoes|ver opcoes|inicio|voltar|comecar de novo|recomecar|ver o menu|mostrar? (o )?menu)[.! ]*$"
_CANCEL = (
    r"^(cancela\w*( tudo| isso| por favor| ai)?|desisto|desisti|esquece( tudo| isso)?|parar?|sair|(para|pare|chega)( com isso| disso| de perguntas?| de perguntar)"
    r"|nao quero mais( nada| isso| continuar| conversar| saber( disso)?| (responder|falar)( (nada|isso|mais|com (voce|vc)|(essas |suas )?perguntas))?)?)[.! ]*$"
    r"|(^|[,.!;] ?)(e?h? ?melhor )?(deixa|deixe) (pra la|para la|quieto)[.! ]*$"
)
NAME_WORDS_MAX = 4
_WISHFUL = ("problem", "features", "goal")  # "dá pra colocar login?" is a wish as well as a question
ASIDES_MAX = 2  # questions in a row that nobody could answer; with one more a human is offered
_GO_ON = r"\b(continu\w+|tent\w+ de novo|vamos tentar|segu(e|ir) (ai|aqui|com voce|com vc))\b"


def apply_tap(exchange: Exchange, tap_id: str, title: str) -> None:
    """A button or a row, of this session or of an old message: both count."""
    intent = tap_id.removeprefix(replies.INTENT_PREFIX)
    if tap_id == replies.MENU:
        exchange.wants_menu = True
    elif tap_id in (replies.NEXT_YES, replies.NEXT_NO):
        _answer_next(exchange, yes=tap_id == replies.NEXT_YES)
    elif tap_id == replies.RETRY:
        exchange.try_again = True
    elif intent != tap_id and intent in replies.INTENT_TITLES:
        exchange.pick(intent)
    elif tap_id.startswith(replies.FIELD_PREFIX) and _choose_answer(exchange, tap_id):
        exchange.understood = True
    else:
        apply_text(exchange, title)


def apply_text(exchange: Exchange, text: str) -> None:
    folded = answers.plain(text).strip()
    asked = exchange.session.asked
    flow = exchange.active_flow
    if re.match(_MENU, folded):
        exchange.wants_menu = True
    elif re.search(_CANCEL, folded) and asked.get("next"):
        _answer_next(exchange, yes=False)
    elif re.search(_CANCEL, folded) and exchange.queue.open:
        exchange.turn.lead.append(replies.CANCELLED)
        _cancel(exchange)
    elif _is_insult(exchange, text):
        exchange.upset = replies.INSULTED
    elif flow and rules.declines_human(text):
        exchange.turn.lead.append(replies.GO_ON)
        exchange.try_again = True
    elif flow and not asked.get("next") and rules.is_goodbye(text):
        exchange.leaves = not exchange.heard.taps
    elif flow and rules.is_grievance(text):
        exchange.upset = replies.GRIEVANCE
    elif rules.is_insult(text) and not flow:
        exchange.turn.lead.append(replies.SORRY)
        add_detected(exchange)
    elif asked.get("offered") and not asked.get("next") and (answers.is_no(text) or re.search(_GO_ON, folded)):
        exchange.try_again = True
    elif asked.get("next") and not exchange.understood and (answers.is_no(text) or answers.is_yes(text)):
        _answer_next(exchange, yes=answers.is_yes(text))
    elif rules.is_small_talk(text) and (flow or not exchange.heard.reading.intents):
        _greet(exchange, text)
    elif flow and exchange.picked is None:
        _answer(exchange, flow, text)
    else:
        add_detected(exchange)


def _answer_next(exchange: Exchange, *, yes: bool) -> None:
    """Whether to go on with what waits. Where that was not asked (an old button), the open question comes again."""
    exchange.understood = True
    if not exchange.session.asked.get("next"):
        return
    if yes:
        exchange.queue.choose()
    else:
        exchange.queue.decline_open()
        exchange.turn.lead.append(replies.DECLINED)


def _choose_answer(exchange: Exchange, tap_id: str) -> bool:
    """A tapped answer of the active flow: it also corrects an earlier one."""
    _, intent, name, number = [*tap_id.split(":"), "", "", ""][:4]
    flow, active = flows.find_flow(intent), exchange.queue.active
    field = flow.field(name) if flow else None
    if flow is None or field is None or active is None or active["intent"] != intent or not number.isdecimal():
        return False
    if int(number) >= len(field.choices):
        return False
    value = (
        collecting.read_answer(field, field.choices[int(number)], exchange.heard.said_on) or field.choices[int(number)]
    )
    before = exchange.session.collected.get(intent, {}).get(name)
    exchange.keep(flow, {name: value})
    if before not in (None, value):
        _confirm(exchange, flow, {name: value})
    return True


def _is_insult(exchange: Exchange, text: str) -> bool:
    """An insult that asks for nothing; where something is asked for, that is what counts."""
    return rules.is_insult(text) and not any(found.intent in WISHES for found in exchange.heard.reading.intents)


def _greet(exchange: Exchange, text: str) -> None:
    exchange.understood = True
    if rules.is_thanks(text):
        exchange.turn.lead.append(replies.WELCOME)
    elif not exchange.is_new:
        exchange.turn.lead.append(replies.GO_ON if exchange.heard.reading.intents else replies.GREETED)


def _confirm(exchange: Exchange, flow: Flow, changed: dict[str, str]) -> None:
    """Say what was corrected; what is new besides is only acknowledged."""
    labels = {field.name: field.label for field in flow.fields}
    exchange.turn.lead.append(
        replies.corrected({labels[name]: qualification.shown_answer(changed[name]) for name in changed})
    )
    exchange.answered = 0


def _answer(exchange: Exchange, flow: Flow, text: str) -> None:
    """A message while a flow asks: an answer, a correction, a question of the customer's own, or another wish."""
    collected = exchange.session.collected.setdefault(flow.intent.value, {})
    asked = exchange.session.asked
    field = flow.field(asked.get("field"))
    today = exchange.heard.said_on
    if changed := correction(flow, text, collected, asked.get("last"), today=today, asked=asked.get("field")):
        corrected = {name: value for name, value in changed.items() if name in collected}
        exchange.keep(flow, changed)
        if corrected:
            _confirm(exchange, flow, corrected)
        return
    free = field is not None and field.free
    is_name = field is not None and _is_name(field, text, exchange)
    told = asked.get("fact")
    aside = "" if is_name else asides.instead_of_answer(exchange.heard, asked, free=free)
    answering = not aside
    if field and not aside and not is_name and (aside := asides.unanswerable(exchange.heard, asked, field)):
        answering = field.name == "budget" or (field.name in _WISHFUL and rules.asks_for(text))
    switches = not is_name and _switches(exchange, free)
    if not switches and not rules.tampers(text):
        taken = collecting.absorb(flow, text, collected, asked.get("field"), today=today, answering=answering)
        exchange.keep(
            flow, {name: value for name, value in taken.items() if not (aside and _is_asked(exchange, flow, name))}
        )
    if not aside and not switches and not exchange.understood and "?" in text and rules.is_question(text):
        aside = asides.no_answer_yet(asked)
    if aside and not exchange.answered and told == asked.get("fact"):
        asked["misses"] = asked.get("misses", 0) + 1
        if asked["misses"] > ASIDES_MAX and not switches:
            exchange.turn.lead.append(aside)
            exchange.upset = replies.ASKED_IN_VAIN  # as after answers that can't be understood
            return
    if aside:
        exchange.turn.lead.append(aside)
        exchange.understood = True
    if switches or not exchange.understood:
        add_detected(exchange, during_flow=True)


def _is_name(field: Field, text: str, exchange: Exchange) -> bool:
    """Whether a name that was asked for is given, though its words speak of something else: "Desconto Total"."""
    if field.name not in ("name", "company") or "?" in text or rules.is_question(text):
        return False
    name = collecting.read_answer(field, text, exchange.heard.said_on)
    if not name or name == answers.UNKNOWN or len(name.split()) > NAME_WORDS_MAX:
        return False
    written = [word for word in name.split() if word not in ("de", "da", "do", "dos", "das", "e", "&")]
    proper = len(written) > 1 and all(word[0].isupper() and not word.isupper() for word in written)
    return (proper and name in text) or bool(re.search(r"\b(?:chamo|chama|nome)\b", answers.plain(text)))


def _switches(exchange: Exchange, free: bool) -> bool:
    """Whether the message is about something else. A free answer may mention anything: there it must say so."""
    active = (exchange.queue.active or {}).get("intent")
    for detected in exchange.heard.reading.intents:
        if detected.intent == active or detected.confidence < SWITCH_CONFIDENCE or detected.intent not in WISHES:
            continue
        urgent = detected.intent == Intent.PYLOTO_ENTREGA_REQUEST and exchange.heard.reading.urgent
        if not free or urgent or re.search(_SWITCH, answers.plain(exchange.heard.text)):
            return True
    return False


def accepts(text: str) -> bool:
    """Whether the human that was offered is wanted: "sim", but not "quero continuar"."""
    return bool(text) and answers.is_yes(text) and not re.search(_GO_ON, answers.plain(text))


def add_detected(exchange: Exchange, *, during_flow: bool = False, handing_over: bool = False) -> None:
    """Queue the wishes that were recognised, and answer what is none."""
    reading = exchange.heard.reading
    detected = [d for d in reading.intents if d.intent != Intent.ENTRY_UNKNOWN]
    served = (exchange.queue.active or {}).get("intent")
    wishes = [d for d in detected if d.intent in WISHES and d.intent != served]
    for found in wishes:
        urgent = reading.urgent and (len(wishes) == 1 or found.intent == Intent.PYLOTO_ENTREGA_REQUEST)
        exchange.add(found.intent.value, confidence=found.confidence, urgent=urgent)
    if during_flow:
        if served and wishes and re.search(_INSTEAD, answers.plain(exchange.heard.text)):
            _change_to(exchange, wishes[0].intent)
            return
        waits = any(entry["intent"] in {wish.intent for wish in wishes} for entry in exchange.queue.queued)
        if waits and served == (exchange.queue.active or {}).get("intent"):
            exchange.turn.lead.append(replies.NOTED_ALSO)
        return
    others = {d.intent: d for d in detected if d.intent not in WISHES}
    if wishes:
        others.pop(Intent.UNSUPPORTED, None)
    if others and (wishes or not handing_over):
        _answer_or_add(exchange, others.get(Intent.INSTITUTIONAL) or others[Intent.UNSUPPORTED])


def _change_to(exchange: Exchange, intent: Intent) -> None:
    """What was served is given up for another wish."""
    exchange.queue.decline_active()
    if exchange.queue.activate(intent.value):
        exchange.turn.lead.append(replies.CHANGED)


def _answer_or_add(exchange: Exchange, found: Detected) -> None:
    """Serve as an intent what stands alone. Where something else is open it waits for nothing: it is said at once."""
    alone = all(entry["intent"] == found.intent for entry in exchange.queue.open)
    if alone and found.intent == Intent.INSTITUTIONAL and knowledge.asks_back(exchange.heard.text):
        exchange.turn.lead.append(asides.remark(exchange.heard, exchange.session.asked))
        exchange.understood = exchange.wants_menu = True  # "quanto custa?": what is asked about comes first
    elif alone and not exchange.wants_menu:
        exchange.add(found.intent.value, confidence=found.confidence)
    else:
        exchange.turn.lead.append(asides.remark(exchange.heard, exchange.session.asked))
        exchange.try_again = True


def _cancel(exchange: Exchange) -> None:
    """The active intent is dropped; what waits is asked about, else the menu is open again.

    While the menu is open none is active: then all are dropped, and the customer chooses anew.
    """
    if exchange.queue.active:
        exchange.queue.decline_active()
    else:
        exchange.queue.decline_open()
    exchange.dropped = True
    exchange.understood = True


def _is_asked(exchange: Exchange, flow: Flow, name: str) -> bool:
    """Whether the customer asks about it ("fica pronto em 10 dias?", "vocês têm CNPJ?"), and tells nothing."""
    return _is_of_time(flow, name) or rules.is_about_us(exchange.heard.text)


def _is_of_time(flow: Flow, name: str) -> bool:
    """Whether the field is a deadline; "fica pronto em 10 dias?" names none."""
    field = flow.field(name)
    return field is not None and field.settle is not None
