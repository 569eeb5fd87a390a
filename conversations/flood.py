"""Too much from one customer: a flood, or a machine that answers ours for ever. Pure.

What counts is when the customer wrote, by Meta's clock, never when it reached us: after an outage of ours a day's messages
come at once, and nobody has flooded anything. Source: product.md §6.

A loop is recognised by its texts: the same ones come back, whatever the bot says. The same text in answer to another question
is another one ("prefiro não dizer"): who repeats it comes to the end of the questions. Numbers in them do not count, since
machines put times and ticket numbers in; neither do photos and audios, nor, by themselves, the short answers of people
("não sei"). A tap proves a person: only people see buttons. The last net is a number: so many answers of the bot in a day
and no person, and a person looks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from pyloto.privacy.hashing import digest

from .models import TAP_KINDS, Conversation, Message

FLOOD_WITHIN = timedelta(seconds=60)  # product.md §6
COOL_DOWNS = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=60))  # product.md §6
REMEMBERED = timedelta(hours=24)
LOOP_SILENCE = timedelta(days=7)  # to a machine, at most; the person who takes the conversation ends it
SAME_MAX, SAME_AMONG = 5, 8  # the same text this often among the last ones ...
SAME_LETTERS_MIN = 12  # ... if it has this many letters: "não sei" may well be the answer to five questions
FEW_TEXTS, FEW_AMONG = 4, 12  # two machines that go round in a circle of a few texts

ALBUM_TYPES = ("image", "video", "document")  # chosen together, sent as one message each

LOOP_SUMMARY = "As mensagens deste contato se repetem sem parar: talvez seja outro robô. O bot parou de responder."


class Verdict(Enum):
    FINE = auto()
    FLOOD = auto()  # from now on the bot is silent for a while
    COOLING = auto()  # it still is
    LOOP = auto()  # a person should look


@dataclass(frozen=True)
class Judged:
    """`changes` are the header's. `pause` is how long the bot will be silent from when the flood was."""

    verdict: Verdict
    changes: dict[str, Any]
    pause: timedelta = timedelta(0)


def judge(
    conversation: Conversation,
    messages: Sequence[Message],
    *,
    now: datetime,
    flood_max: int,
    loop_max: int,
    asked: str = "",
) -> Judged:
    """What the messages of a turn (oldest first; all of them are to be answered) say about their sender.

    `flood_max`: more messages than this within 60 seconds are a flood. `loop_max`: more answered turns than this within
    a day are a loop. 0 turns either off. `asked`: the question of a flow that they answer. A conversation that changed
    hands since begins anew.
    """
    known = conversation.flood if _is_current(conversation) else {}
    newest = max(message.timestamp for message in messages)
    times = sorted([*known.get("times", ()), *_times(messages)])
    floods = {name: conversation.flood[name] for name in ("count", "flooded_at") if name in conversation.flood}
    state = {**floods, "epoch": conversation.owner_epoch, "times": times[-flood_max:] if flood_max else []}
    if is_cooling(conversation, messages):
        return Judged(Verdict.COOLING, {"flood": state})
    if flooded_at := _flooded_at(times, flood_max):
        count = floods.get("count", 0) if _is_remembered(floods.get("flooded_at"), flooded_at) else 0
        pause = COOL_DOWNS[min(count, len(COOL_DOWNS) - 1)]
        if flooded_at + pause > now:  # else it is over: it was in a backlog
            state |= {"count": count + 1, "flooded_at": flooded_at}
            return Judged(Verdict.FLOOD, {"flood": state, "cooldown_until": flooded_at + pause}, pause)
    said = _gist(messages)
    turns = _turns(known, messages, f"{asked}:{said}" if asked and said else said, newest)
    if loop_max and _goes_round(turns, loop_max, is_long=len(said) >= SAME_LETTERS_MIN):
        return Judged(Verdict.LOOP, {"flood": state | {"times": []}, "cooldown_until": newest + LOOP_SILENCE})
    return Judged(Verdict.FINE, {"flood": state | {"turns": turns[-loop_max:] if loop_max else []}})


def is_cooling(conversation: Conversation, messages: Sequence[Message]) -> bool:
    """Whether all of this was written while the bot keeps silent."""
    until = conversation.cooldown_until
    return until is not None and _is_current(conversation) and all(message.timestamp < until for message in messages)


def _is_current(conversation: Conversation) -> bool:
    """Whether what is noted is of this owner: once a person has had the conversation, it counts no more."""
    return bool(conversation.flood.get("epoch", conversation.owner_epoch) == conversation.owner_epoch)


def _is_remembered(then: datetime | None, at: datetime) -> bool:
    return then is not None and at - then < REMEMBERED


def _flooded_at(times: Sequence[datetime], flood_max: int) -> datetime | None:
    """When the last message of a flood was written."""
    if not flood_max:
        return None
    pairs = zip(times, times[flood_max:], strict=False)  # each message, and the one that many later
    return max((late for early, late in pairs if late - early < FLOOD_WITHIN), default=None)


def _times(messages: Sequence[Message]) -> list[datetime]:
    """When they were written; the files without a word in one turn are an album, and count once."""
    album = [message.timestamp for message in messages if message.type in ALBUM_TYPES and not message.text.strip()]
    others = [message.timestamp for message in messages if message.type not in ALBUM_TYPES or message.text.strip()]
    return [*others, *album[:1]]


def _turns(known: Mapping[str, Any], messages: Sequence[Message], said: str, newest: datetime) -> list[dict[str, Any]]:
    """The turns of the last day with this one, each with a digest of what was written, empty where nothing was."""
    if any(message.payload.get("kind") in TAP_KINDS for message in messages):
        return []
    recent = [turn for turn in known.get("turns", ()) if newest - turn["at"] < REMEMBERED]
    return [*recent, {"at": newest, "text": digest("gist", said)[:12] if said else ""}]


def _gist(messages: Sequence[Message]) -> str:
    """The letters of what was written; of a text without letters all of it."""
    texts = (message.text.casefold() for message in messages)
    return " ".join(filter(None, ("".join(filter(str.isalpha, text)) or text.strip() for text in texts)))


def _goes_round(turns: Sequence[Mapping[str, Any]], loop_max: int, *, is_long: bool) -> bool:
    """`is_long`: the newest text is one that people do not say again and again."""
    texts = [turn["text"] for turn in turns if turn["text"]]
    same = Counter(texts[-SAME_AMONG:])
    few = set(texts[-FEW_AMONG:])
    return bool(
        (texts and is_long and same[texts[-1]] >= SAME_MAX)
        or (len(texts) >= FEW_AMONG and len(few) <= FEW_TEXTS)
        or len(turns) > loop_max
    )
