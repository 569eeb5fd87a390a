"""What is said beside the conversation's course: facts about the company, and a refusal of what is not ours. Pure.

`asked` is the open question of the session; how often something was said is noted in it.
"""

from typing import Any

from ai import knowledge, rules

from . import answers, replies
from .flows import Field
from .hearing import Heard
from .intents import Intent

FACT_MAX = 40  # characters by which an answer is recognised


def instead_of_answer(heard: Heard, asked: dict[str, Any], *, free: bool) -> str:
    """What is said to a customer who asks something instead of answering; empty where it is an answer.

    `free`: any sentence would be an answer.
    """
    if answers.is_refusal(heard.text) and "?" not in heard.text:
        return ""
    is_aside = not free or rules.is_question(heard.text) or rules.tampers(heard.text)
    return remark(heard, asked) if is_aside else ""


def unanswerable(heard: Heard, asked: dict[str, Any], field: Field) -> str:
    """What is said to a question of the customer's own where any words would be taken for the answer."""
    if not (field.free or field.name in ("city", "budget")) or not rules.asks(heard.text):
        return ""
    return no_answer_yet(asked)


def remark(heard: Heard, asked: dict[str, Any]) -> str:
    """What is said at once to a question about the company and to talk about anything else; else empty."""
    detected = {d.intent for d in heard.reading.intents}
    if Intent.INSTITUTIONAL in detected:
        return _fact(heard, asked) or no_answer_yet(asked)
    return _not_ours(asked) if Intent.UNSUPPORTED in detected else ""


def no_answer_yet(asked: dict[str, Any]) -> str:
    asked["unanswered"] = asked.get("unanswered", 0) + 1
    return replies.NO_ANSWER_YET[(asked["unanswered"] - 1) % len(replies.NO_ANSWER_YET)]


def _not_ours(asked: dict[str, Any]) -> str:
    """A polite refusal; the next one in other words."""
    asked["refused"] = asked.get("refused", 0) + 1
    return replies.NOT_OURS if asked["refused"] % 2 else replies.NOT_OURS_AGAIN


def _fact(heard: Heard, asked: dict[str, Any]) -> str | None:
    """What the knowledge base says; to one who insists on a price, in other words."""
    answer = knowledge.find_answer(heard.text)
    if answer is None:
        return None
    insists = asked.get("fact") == answer[:FACT_MAX] and knowledge.asks_back(heard.text)
    asked["fact"] = answer[:FACT_MAX]
    return replies.AS_SAID if insists else answer
