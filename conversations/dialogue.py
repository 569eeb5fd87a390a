"""An active session and what was just said in it: it is understood, then what comes next is served. Pure."""

import re
from dataclasses import replace

from . import answers, replies, serving, understanding
from .exchange import Exchange
from .hearing import Heard
from .intents import Intent, Outcome
from .models import Session
from .plans import Turn, TurnPlan
from .replies import Reply
from .whatsapp.messages import Row

_PICKS_ROW = r"(?:opcao |numero |a |o )*([1-9])[.)! ]*"  # what some type instead of tapping


def reply(turn: Turn, session: Session, heard: Heard, *, is_new: bool, recalled: Intent | None = None) -> TurnPlan:
    """What a turn of a session leads to.

    `recalled`: an intent that was served a short while ago is what this session is about as well.
    """
    if row := _typed_row(session, heard):
        heard = replace(heard, text="", taps=((row.id, row.title),))
    exchange = Exchange(turn, session, heard, is_new=is_new)
    if recalled:
        exchange.add(recalled.value, confidence=1.0)
    if heard.reading.prompt_version:
        session.prompt_version = heard.reading.prompt_version
    if heard.wants_human or (session.asked.get("offered") and understanding.accepts(heard.text)):
        understanding.add_detected(exchange, handing_over=True)
        exchange.absorb(answering=False)
        exchange.record_reading()
        return serving.hand_over(exchange)
    if not heard.text and not heard.taps:
        return _receive_file(exchange)
    for tap_id, title in heard.taps:
        understanding.apply_tap(exchange, tap_id, title)
    if heard.text:
        understanding.apply_text(exchange, heard.text)
    if exchange.leaves:
        exchange.record_reading()
        turn.intent = session.asked.get("intent")
        return turn.plan(session, Reply(replies.GOODBYE), Outcome.AWAITING_USER)
    return serving.serve(exchange)


def _typed_row(session: Session, heard: Heard) -> Row | None:
    """The row of the open menu whose number was typed."""
    asked, typed = session.asked, re.fullmatch(_PICKS_ROW, answers.plain(heard.text).strip())
    if typed is None or heard.taps or not asked.get("menu") or asked.get("offered"):
        return None
    return dict(enumerate(replies.MENU_ROWS, start=1)).get(int(typed[1]))


def _receive_file(exchange: Exchange) -> TurnPlan:
    """A turn without words: what came is named, and the open question stays open."""
    turn, session = exchange.turn, exchange.session
    if exchange.heard.media:
        turn.lead.append(replies.media_received(exchange.heard.media))
    elif session.asked.get("unsupported_said"):
        return turn.plan(session, None, Outcome.AWAITING_USER)
    else:
        turn.lead.append(replies.UNSUPPORTED_TYPE)
        session.asked["unsupported_said"] = True
    return serving.ask_again(exchange)
