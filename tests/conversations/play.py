"""Scripted dialogues: read from `dialogues/*.toml`, played through the real webhook and the worker, then compared.

`dialogues/README.md` says how a script is written. A play goes on after a difference, so that one run shows all of them.
"""

import itertools
import json
import re
import time
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import time_machine
from django.utils import timezone

from conversations.flows import find_flow
from conversations.intents import IntentQueue, Outcome
from conversations.models import Mode, Session
from conversations.services import agents
from conversations.services.release import release_to_bot
from conversations.services.sessions import SessionManager
from conversations.whatsapp.messages import Buttons, ListMessage
from profiles.models import UserProfile
from tests.lab.canaries import NAME, WA_ID, find_canaries
from tests.lab.faulty_store import FaultyStore

from . import invariants
from .customer import Customer
from .deliveries import envelope, post, text_message
from .kept import first_message, sample
from .outside import Outside

FOLDER = Path(__file__).with_name("dialogues")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
MONDAY_NOON = "2026-11-23 12:00"
AGENT = "user:7"
CAPTIONED = ("image", "video", "document")
DESK = "(42) 99999-0000"
BETWEEN_STEPS = timedelta(seconds=25)
BEAT = timedelta(minutes=5)  # as often as the timeouts job runs
REPLY_MAX = 900  # characters: who reads more than that on a phone?
RUNS_MAX = 5
FORGOTTEN_AFTER = timedelta(hours=12)  # who is greeted anew after that does not call it a repetition

_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
_FORMS = {"easy", "messy", "hostile"}
_DIALOGUE_KEYS = {"name", "form", "at", "desk", "known_as", "steps", "ends"}
_ACTIONS = {"says", "taps", "sends", "waits", "quotes", "late", "agent", "owner", "beat"}
_EXPECTED = {"asks", "about", "reply", "never", "silent", "buttons", "again"}
_ENDS_KEYS = {"outcomes", "intents", "collected", "level", "routing", "deadline", "profile", "resolved", "reasons"}
# What no customer should ever read: names of our own, and what Otto must not say (product.md §8).
_NEVER_SAID = re.compile(r"[A-Z]{2,}_[A-Z]|\bNone\b|\bunknown\b|[{}]|R\$|\bgarant(o|imos)\b|\bprometo\b", re.ASCII)
_ids = itertools.count(1)


@dataclass
class Script:
    file: str
    name: str
    form: str
    steps: list[dict[str, Any]]
    ends: dict[str, Any]
    at: str = MONDAY_NOON
    desk: str = DESK
    known_as: str = NAME  # the name that WhatsApp shows


def scripts() -> list[Script]:
    """All scripts, in the order of their files. Raises ValueError where one is misspelt, and says where."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for number, raw in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["dialogue"], 1):
            where = f"{path.name}, dialogue {number} ({raw.get('name', 'without a name')})"
            _known(where, raw, _DIALOGUE_KEYS)
            for count, step in enumerate(raw["steps"], 1):
                _known(f"{where}, step {count}", step, _ACTIONS | _EXPECTED)
                if not _ACTIONS & set(step):
                    raise ValueError(f"{where}, step {count}: nobody does anything")
            _known(f"{where}, ends", raw["ends"], _ENDS_KEYS)
            if raw["form"] not in _FORMS:
                raise ValueError(f"{where}: form is one of {sorted(_FORMS)}")
            found.append(Script(file=path.stem, **raw))
    return found


def _known(where: str, given: dict[str, Any], allowed: set[str]) -> None:
    if unknown := set(given) - allowed:
        raise ValueError(f"{where}: nobody knows {sorted(unknown)}; there are {sorted(allowed)}")


def duration(text: str) -> timedelta:
    """ "35 min", "2 h", "1 d", "20 s" """
    number, unit = text.split()
    return timedelta(**{_UNITS[unit]: int(number)})


@dataclass
class Play:
    """One script on stage. `wrong` holds every difference, `transcript` what was said, with the differences in place."""

    script: Script
    store: FaultyStore
    outside: Outside
    clock: time_machine.Traveller
    transcript: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.customer = Customer(self.store, self.outside, wa_id=WA_ID)
        starts = datetime.strptime(self.script.at, "%Y-%m-%d %H:%M").replace(tzinfo=SAO_PAULO)
        self.clock.move_to(starts)
        self.last_text = ""
        self.session: Session | None = None  # the open one, after the last step

    def run(self) -> None:
        for step in self.script.steps:
            sent_before = len(self.outside.sent)
            self.clock.shift(BETWEEN_STEPS)
            self._act(step)
            said = [sent.content for sent in self.outside.sent[sent_before:]]
            for content in said:
                self._show("Equipe" if "agent" in step else "Otto", *_lines(content))
            self.session = next((s for s in self.customer.sessions if s.status == Session.Status.ACTIVE), None)
            self._compare_step(step, said)
        self._compare_end()
        self._check_what_always_holds()

    # --- what happens -------------------------------------------------------------------------------------------------
    def _act(self, step: dict[str, Any]) -> None:
        if "waits" in step:
            self._wait(duration(step["waits"]), beat=step.get("beat", True))
        if "agent" in step:
            self._show("Equipe", f"({step['agent']})")
            self._agent(step["agent"])
        if "owner" in step:
            self._show("Dono, pelo celular", step["owner"])
            self.customer.is_answered_on_the_phone(step["owner"])
        if messages := self._messages(step):
            # One delivery for each, as Meta does; the worker comes after the last of them.
            for message in messages:
                assert post(envelope(message, name=self.script.known_as)).status_code == 200
        if messages or "owner" in step:
            self._work()

    def _work(self) -> None:
        for _ in range(RUNS_MAX):
            at = self.customer.is_served()
            if at is None or at > timezone.now():
                return

    def _wait(self, length: timedelta, *, beat: bool) -> None:
        """Time passes; every five minutes the timeouts job looks, unless it is `beat = false`."""
        self._show("", f"… {length} …")
        if length >= FORGOTTEN_AFTER:
            self.last_text = ""
        while beat and length >= BEAT:
            length -= BEAT
            self.clock.shift(BEAT)
            SessionManager().check_timeouts(now=timezone.now())
            self._work()
        self.clock.shift(length)

    def _agent(self, does: str) -> None:
        verb, _, text = does.partition(": ")
        who: dict[str, Any] = {"user_key": self.customer.user_key, "agent": AGENT, "now": timezone.now()}
        match verb:
            case "takes":
                agents.take(**who)
            case "replies":
                agents.reply(**who, text=text, key=f"{next(_ids):032x}")
            case "closes":
                agents.close(**who)
            case "releases":
                release_to_bot(**who)
            case _:
                raise AssertionError(f"nobody knows what an agent who {verb} does")
        self._work()

    def _messages(self, step: dict[str, Any]) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = []
        says = _listed(step.get("says"))
        for kind in _listed(step.get("sends")):
            content = _media(kind)
            caption = says.pop(0) if says and kind in CAPTIONED else ""
            if kind in CAPTIONED:
                content[kind] = {**content[kind], "caption": caption}
            contents.append(content)
            self._show("Cliente", f"[{kind}] {caption}".strip())
        for title in _listed(step.get("taps")):
            contents.append(self._tap(title))
            self._show("Cliente", f"[toca em: {title}]")
        for text in says:
            contents.append({"type": "text", "text": {"body": text}} | self._quoted(step.get("quotes")))
            shown = text if len(text) < 300 else f"{text[:120]} … ({len(text)} letras)"
            self._show("Cliente", *shown.splitlines())
        sent_at = int(time.time() - duration(step.get("late", "0 s")).total_seconds())
        return [
            text_message(f"wamid.play{next(_ids)}", "", wa_id=WA_ID, timestamp=str(sent_at), **content) | content
            for content in contents
        ]

    def _tap(self, title: str) -> dict[str, Any]:
        """A tap on the newest button or row of this title that Otto has sent."""
        for number, sent in reversed(list(enumerate(self.outside.sent, 1))):
            for kind, choice in _choices(sent.content):
                if choice.title == title:
                    reply = {"type": kind, kind: {"id": choice.id, "title": title}}
                    return {"type": "interactive", "interactive": reply, "context": {"id": f"wamid.out{number}"}}
        raise AssertionError(f"Otto has sent no button or row {title!r}:\n" + "\n".join(self.transcript))

    def _quoted(self, fragment: str | None) -> dict[str, Any]:
        if fragment is None:
            return {}
        number = next(n for n, text in enumerate(self.outside.texts, 1) if fragment in text)
        return {"context": {"from": "554230000000", "id": f"wamid.out{number}"}}

    # --- what should have happened ------------------------------------------------------------------------------------
    def _compare_step(self, step: dict[str, Any], said: list[Any]) -> None:
        texts = [_body(content) for content in said]
        text = "\n".join(texts)
        speaks = bool({"says", "taps", "sends"} & set(step))
        if step.get("silent", not speaks and not step.get("reply")):
            self._expect(not said, "Otto should be silent")
            return
        self._expect(len(said) == 1, f"Otto should say one thing, and says {len(said)}")
        for fragment in _listed(step.get("reply")):
            self._expect(fragment.casefold() in text.casefold(), f"Otto should say {fragment!r}")
        for fragment in _listed(step.get("never")):
            self._expect(fragment.casefold() not in text.casefold(), f"Otto should not say {fragment!r}")
        titles = [choice.title for content in said for _, choice in _choices(content)]
        if "buttons" in step:
            self._expect(titles == step["buttons"], f"buttons should be {step['buttons']}, and are {titles}")
        self._compare_question(step, text, titles)
        if not step.get("again") and text:
            self._expect(text != self.last_text, "Otto repeats himself, word for word")
            first, before = _first_sentence(text), _first_sentence(self.last_text)
            self._expect(first != before or len(first) > 60, f"Otto begins with {first!r} twice in a row")
        self.last_text = text

    def _compare_question(self, step: dict[str, Any], text: str, titles: list[str]) -> None:
        asked = self.open_question if "asks" in step or self.session else ""
        if "asks" in step:
            self._expect(asked == step["asks"], f"Otto should ask {step['asks']}, and asks {asked}")
        if "about" in step:
            active = self.active_intent
            self._expect(active == step["about"], f"the subject should be {step['about']}, and is {active}")
        flow = find_flow(self.active_intent)
        if flow and text and (open_field := flow.field(asked)):
            wordings = {open_field.question, open_field.again} - {""}
            self._expect(
                any(words in text for words in wordings), f"the question of {asked} does not stand in the reply"
            )
            self._expect(titles == list(open_field.choices), f"the choices of {asked} are not offered")

    def _compare_end(self) -> None:
        ends, customer = self.script.ends, self.customer
        sessions = customer.sessions
        outcomes = [session.outcome or Outcome.AWAITING_USER.value for session in sessions]
        self._equal("outcomes", outcomes, ends["outcomes"])
        intents = [entry["intent"] for session in sessions for entry in session.intents]
        self._equal("intents", intents, ends["intents"])
        collected: dict[str, dict[str, str]] = {}
        for session in sessions:
            collected |= {intent: dict(given) for intent, given in session.collected.items() if given}
        self._compare_collected(collected, ends.get("collected", {}))
        handoff = max(customer.handoffs, key=lambda handoff: handoff.opened_at, default=None)
        for name, of in (("level", "qualification_level"), ("routing", "routing"), ("deadline", "deadline")):
            if name in ends or (handoff is not None and name != "deadline"):
                value, wanted = getattr(handoff, of, None), ends.get(name)
                fits = value == wanted or (value and wanted and _fits(value, wanted))
                self._expect(fits, f"{name} should be {wanted!r}, and is {value!r}")
        if "resolved" in ends:
            self._equal("resolved", handoff and handoff.resolved_intents, ends["resolved"])
        for reason in ends.get("reasons", []):
            self._expect(handoff is not None and reason in handoff.qualification_reasons, f"no reason {reason!r}")
        for name, value in ends.get("profile", {}).items():
            self._equal(f"profile.{name}", getattr(self.profile, name), value)

    def _compare_collected(self, found: dict[str, dict[str, str]], expected: dict[str, dict[str, str]]) -> None:
        self._equal("collected", sorted(found), sorted(expected))
        for intent in found.keys() & expected.keys():
            for name in sorted(found[intent].keys() | expected[intent].keys()):
                value, wanted = found[intent].get(name), expected[intent].get(name)
                if value is None or wanted is None or not _fits(value, wanted):
                    self._expect(False, f"{intent}.{name} should be {wanted!r}, and is {value!r}")

    def _check_what_always_holds(self) -> None:
        try:
            invariants.check(self.customer)
        except AssertionError as exc:
            self._expect(False, f"an invariant does not hold: {exc}")
        sent = [sent.callback_data for sent in self.outside.sent]
        self._expect(len(sent) == len(set(sent)) == len(self.customer.replies), "each reply is sent once")
        leaks = find_canaries(json.dumps(self.customer.trail(), default=str))
        self._expect(not leaks, f"the trail holds {leaks}")
        for text in self.outside.texts:
            self._expect(len(text) <= REPLY_MAX, f"{len(text)} characters are too many: {text[:60]!r}")
            self._expect(not (match := _NEVER_SAID.search(text)), f"nobody should read {match and match[0]!r}")

    # --- reading the documents ----------------------------------------------------------------------------------------
    @property
    def open_question(self) -> str:
        """The field asked for, "menu", "next", "human" (offered), or "nothing"; "person" where one is awaited."""
        if self.session is None:
            return "nothing" if self.customer.header.mode == Mode.BOT else "person"
        asked = self.session.asked
        if asked.get("offered"):
            return "human"
        return str(asked.get("field") or next((name for name in ("menu", "next") if asked.get(name)), "nothing"))

    @property
    def active_intent(self) -> str | None:
        active = IntentQueue(self.session.intents).active if self.session else None
        return active["intent"] if active else None

    @property
    def profile(self) -> UserProfile:
        return UserProfile.from_snapshot(self.store.inner.get(f"user_profiles/{self.customer.user_key}"))

    @property
    def told(self) -> str:
        return "\n".join([f"{self.script.name} ({self.script.file}.toml)", *self.transcript])

    # --- the transcript -----------------------------------------------------------------------------------------------
    def _show(self, who: str, *lines: str) -> None:
        first, *rest = lines or ("",)
        self.transcript += [f"{who:>8}  {first}", *(f"{'':>8}  {line}" for line in rest)]

    def _equal(self, what: str, found: Any, expected: Any) -> None:
        self._expect(found == expected, f"{what} should be {expected}, and is {found}")

    def _expect(self, holds: object, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)
            self.transcript.append(f"     ✗    {otherwise}")


def _listed(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _media(kind: str) -> dict[str, Any]:
    """A message of this kind out of the samples, without what says who sent it."""
    message = first_message(sample(kind))
    return {name: value for name, value in message.items() if name not in ("id", "from", "from_user_id", "timestamp")}


def _choices(content: Any) -> list[tuple[str, Any]]:
    if isinstance(content, Buttons):
        return [("button_reply", button) for button in content.buttons]
    return [("list_reply", row) for row in content.rows] if isinstance(content, ListMessage) else []


def _body(content: Any) -> str:
    return str(getattr(content, "body", ""))


def _lines(content: Any) -> list[str]:
    titles = [choice.title for _, choice in _choices(content)]
    return [*_body(content).splitlines(), *([f"[ {' | '.join(titles)} ]"] if titles else [])]


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def _fits(value: str, wanted: str) -> bool:
    """Equal, or alike where `wanted` leaves something out with "…"."""
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("…")), value, re.S) is not None
