"""The facts that the bot may state, out of `knowledge.json`, which the company edits."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from .text import normalise

PATH = Path(__file__).with_name("knowledge.json")
ALONE_MAX_WORDS = 5  # "muito obrigado pela ajuda, Otto": thanks; in a longer message they are not the point
ANSWERS_MAX = 2


@dataclass(frozen=True)
class Entry:
    """One fact. It answers a text that holds one of its phrases; `alone`: only where the text says little else.

    `asks_back`: it depends on what the customer is after, so whoever asks is asked about that.
    """

    id: str
    phrases: tuple[re.Pattern[str], ...]
    answer: str
    alone: bool = False
    asks_back: bool = False


@dataclass(frozen=True)
class Hours:
    """When humans answer, in their own time zone. `weekdays`: Monday is 0."""

    timezone: ZoneInfo
    weekdays: frozenset[int]
    opens: time
    closes: time
    text: str

    def is_open(self, now: datetime) -> bool:
        local = now.astimezone(self.timezone)
        return local.weekday() in self.weekdays and self.opens <= local.time() < self.closes

    def after(self, now: datetime, working: timedelta) -> datetime:
        """When people will have worked that long, counted from `now`; in local time."""
        at = now.astimezone(self.timezone) if self.is_open(now) else self.next_opening(now)
        while (left := datetime.combine(at.date(), self.closes, self.timezone) - at) < working:
            working -= left
            at = self.next_opening(at)
        return at + working

    def next_opening(self, now: datetime) -> datetime:
        """The first opening after `now`, in local time."""
        day = now.astimezone(self.timezone)
        opening = datetime.combine(day.date(), self.opens, self.timezone)
        while opening <= day or opening.weekday() not in self.weekdays:
            opening = datetime.combine(opening.date() + timedelta(days=1), self.opens, self.timezone)
        return opening


@dataclass(frozen=True)
class Knowledge:
    hours: Hours
    entries: tuple[Entry, ...]
    about: str


@cache
def load() -> Knowledge:
    """The knowledge file, read once by each process."""
    return parse(json.loads(PATH.read_text(encoding="utf-8")))


def parse(data: dict[str, Any]) -> Knowledge:
    hours = data["hours"]
    entries = tuple(
        Entry(
            id=entry["id"],
            phrases=tuple(re.compile(rf"(?<!\w){re.escape(normalise(phrase))}(?!\w)") for phrase in entry["phrases"]),
            answer=entry["answer"],
            alone=entry.get("alone", False),
            asks_back=entry.get("asks_back", False),
        )
        for entry in data["answers"]
    )
    return Knowledge(
        hours=Hours(
            timezone=ZoneInfo(hours["timezone"]),
            weekdays=frozenset(hours["weekdays"]),
            opens=time.fromisoformat(hours["opens"]),
            closes=time.fromisoformat(hours["closes"]),
            text=hours["text"],
        ),
        entries=entries,
        about=next(entry.answer for entry in entries if entry.id == data["about"]),
    )


def find_answer(text: str, *, alone: bool = True) -> str | None:
    """What the base says to `text`, at most two facts, or None. `alone=False`: without small talk ("valeu")."""
    return "\n\n".join(entry.answer for entry in _find(text, alone=alone)) or None


def asks_back(text: str) -> bool:
    """Whether the answer to `text` depends on what the customer is after: what they ask about is the next question."""
    found = _find(text)
    return bool(found) and all(entry.asks_back for entry in found)


def _find(text: str, *, alone: bool = True) -> list[Entry]:
    said = normalise(text)
    short = len(said.split()) <= ALONE_MAX_WORDS
    found = [
        entry
        for entry in load().entries
        if any(phrase.search(said) for phrase in entry.phrases) and (not entry.alone or (alone and short))
    ]
    if len(found) > 1:
        found = [entry for entry in found if not entry.alone] or found
    return found[:ANSWERS_MAX]


def about() -> str:
    return load().about


def hours() -> Hours:
    return load().hours
