"""What is left when all is mended and quiet: nothing lost, doubled, out of order, or said over a person's head.

It looks at the documents and at what the fake Meta delivered and accepted; the rules of the product have no part in it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit import EventType, event_id
from conversations.intents import Outcome
from conversations.models import Actor, Direction, Message, MessageState, Mode
from conversations.whatsapp.split import provider_key
from pyloto.documents import Query, get_store
from pyloto.privacy.hashing import digest
from tests.lab.trail import problems_of_chains, read_chains

from .witness import Witness

# Nobody owes an answer to these.
SILENT_TYPES = {"reaction", "system", "revoke", "edit"}
UNSENT = {MessageState.FAILED, MessageState.CANCELLED, MessageState.NEEDS_HUMAN}
OPEN = {MessageState.QUEUED, MessageState.SENDING, MessageState.UNKNOWN, MessageState.RECEIVED}
EXCUSES = {"owner_changed", "uncertain"}  # reasons of SEND_FAILED that nobody has to be expected for


@dataclass
class Verdict:
    received: int = 0
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    disordered: set[str] = field(default_factory=set)
    bot_after_human: int = 0
    chains_ok: bool = True
    windows: int = 0  # doubled within the documented window
    unanswered: int = 0  # handled in silence, while a person had the conversation
    needs_human: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def counts(self) -> str:
        return (
            f"in={self.received} lost={len(self.lost)} doubled={len(self.doubled)} disordered={len(self.disordered)} "
            f"bot_after_human={self.bot_after_human} chains_ok={str(self.chains_ok).lower()}"
        )

    @property
    def passed(self) -> bool:
        return self.received > 0 and not self.problems


@dataclass
class Evidence:
    """What the fake Meta saw, and what whoever broke things knows.

    `inbound`: messages that were answered 200: {"wamid", "type"}. `accepted`: sends in their order. `statuses`: those whose
    webhook was answered 200 at last (`delivered_at`), tried for the first time at `tried_at`. `excused`: the user_keys of
    whom a reply was made to fail for good. `unknown`: how long a doubtful send waits for its status.
    """

    inbound: Sequence[dict[str, Any]]
    accepted: Sequence[dict[str, Any]]
    statuses: Sequence[dict[str, Any]] = ()
    witnesses: Sequence[Witness] = ()
    excused: Collection[str] = ()
    unknown: timedelta = timedelta(0)


class Stored:
    """The documents, read once."""

    def __init__(self) -> None:
        self.inbound: dict[str, list[Message]] = defaultdict(list)  # by provider key
        self.outbound: dict[str, Message] = {}  # by callback data
        for snapshot in get_store().query(Query("messages", group=True)):
            message = Message.from_snapshot(snapshot)
            if message.direction == Direction.IN:
                self.inbound[str(message.provider_message_key)].append(message)
            else:
                self.outbound[callback_of(message)] = message
        self.chains = read_chains()
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)  # of one message, by its key
        for event in (event for chain in self.chains.values() for event in chain):
            if message_key := event["metadata"].get("message_key"):
                self.events[message_key].append(event)
        self.conversation_ids: dict[str, str] = {
            header.id: header.data["conversation_id"] for header in get_store().query(Query("conversations"))
        }
        self.mode_before = dict(_modes_before(self.chains.values()))
        self.place: dict[str, int] = {event["event_id"]: event["seq"] for c in self.chains.values() for event in c}
        self.replies: dict[str, list[str]] = defaultdict(list)  # by turn: the callback data of what it says
        for callback, message in self.outbound.items():
            if message.turn_id:
                self.replies[message.turn_id].append(callback)
        self.turns = set(self._turns())

    def _turns(self) -> Iterator[str]:
        """Whatever the bot may speak about: messages, sessions that ran out, replies that failed."""
        for found in self.inbound.values():
            yield from (message.turn_id for message in found if message.turn_id)
        for session in get_store().query(Query("sessions")):
            yield digest("timeout", session.id)
        for message in self.outbound.values():
            yield digest("undelivered", user_key_of(message), message.pk, str(message.tries))

    def failure(self, message: Message) -> str:
        """Why it was not sent, as the trail tells; empty where it tells nothing."""
        told = [e for e in self.events[message.pk] if e["event_type"] == EventType.SEND_FAILED]
        return str(told[0]["metadata"]["reason"]) if len(told) == 1 else ""

    def says_more_after(self, reply: Message) -> bool:
        """Whether a later turn, or a person, had something to say."""
        ours = (message for message in self.outbound.values() if user_key_of(message) == user_key_of(reply))
        return any(message.seq > reply.seq and message.turn_id != reply.turn_id for message in ours)

    def may_be_silent(self, message: Message) -> bool:
        """A person has the conversation, a flood is cut off, or the customer was sent to another channel before."""
        if message.outcome == Outcome.ROUTE_EXTERNAL:  # by the order of the commits: clocks may be wrong
            place = self.place.get(first_event(message.turn_id), 0)
            said = (r for r in self.outbound.values() if r.outcome == message.outcome)
            ours = (r for r in said if user_key_of(r) == user_key_of(message))
            return any(event["seq"] < place for reply in ours for event in self.events[reply.pk])
        if message.outcome == Outcome.DUPLICATE_OR_SPAM:
            return True
        return self.mode_before.get(first_event(message.turn_id), Mode.BOT.value) != Mode.BOT


def first_event(turn_id: str | None) -> str:
    """The id of the first event of a turn: that its customer wrote."""
    return event_id(turn_id or "", "0")


def _modes_before(chains: Iterable[Sequence[dict[str, Any]]]) -> Iterator[tuple[str, str]]:
    """Who had the conversation just before each event, in the order of the commits: no clock has a part in it."""
    for events in chains:
        mode = str(Mode.BOT.value)
        for event in events:
            yield event["event_id"], mode
            if event["event_type"] == EventType.MODE_CHANGED:
                mode = event["changes"]["mode"][1]


def callback_of(message: Message) -> str:
    return f"{user_key_of(message)}.{message.pk}"


def user_key_of(message: Message) -> str:
    return message.path.split("/")[1]


def judge(evidence: Evidence) -> Verdict:
    stored = Stored()
    verdict = Verdict(received=len(evidence.inbound))
    times = Counter(record["callback_data"] for record in evidence.accepted)
    for wamid, kind in {m["wamid"]: m["type"] for m in evidence.inbound}.items():
        _judge_inbound(verdict, stored, evidence, times, provider_key(wamid), kind)
    _judge_accepted(verdict, stored, evidence, times)
    _judge_order(verdict, stored, evidence)
    _judge_witnesses(verdict, stored, evidence)
    _judge_trail(verdict, stored)
    return verdict


def _judge_inbound(
    verdict: Verdict, stored: Stored, evidence: Evidence, times: Counter[str], key: str, kind: str
) -> None:
    found = stored.inbound[key]
    if len(found) > 1:
        verdict.doubled.add(key)
        verdict.problems.append(f"doubled: message {key[:12]} stands in {len(found)} conversations")
    trouble = _trouble_with(verdict, stored, evidence, times, found[0], kind) if found else "is not stored"
    if trouble:
        verdict.lost.add(key)
        verdict.problems.append(f"lost: {kind} {key[:12]} {trouble}")


def _trouble_with(
    verdict: Verdict, stored: Stored, evidence: Evidence, times: Counter[str], message: Message, kind: str
) -> str:
    """Why a message that is stored does not count as answered; empty where it does."""
    if message.state != MessageState.HANDLED:
        return f"is {message.state}"
    if not message.turn_id:
        return "belongs to no turn"
    replies = stored.replies[message.turn_id]
    if not replies:
        if kind in SILENT_TYPES:
            return ""
        if stored.may_be_silent(message):
            verdict.unanswered += 1
            return ""
        return f"was handled without a reply, its outcome is {message.outcome}: {message.text[:40]!r} of {message.timestamp}"
    return "; ".join(filter(None, (_unsent(verdict, stored, evidence, times, callback) for callback in replies)))


def _unsent(verdict: Verdict, stored: Stored, evidence: Evidence, times: Counter[str], callback: str) -> str:
    """Why a reply counts as lost; empty where it does not."""
    reply = stored.outbound[callback]
    if reply.state == MessageState.SENT:
        return "" if times[callback] else "has a reply that is SENT and was never accepted"
    if reply.state in OPEN:
        return f"has a reply that is still {reply.state}"
    reason = stored.failure(reply)
    verdict.needs_human += reply.state == MessageState.NEEDS_HUMAN
    if reason in EXCUSES or user_key_of(reply) in evidence.excused:
        return ""
    if reason == "superseded" and stored.says_more_after(reply):
        return ""
    return f"has a reply that is {reply.state} ({reason or 'the trail does not tell why'})"


def _judge_accepted(verdict: Verdict, stored: Stored, evidence: Evidence, times: Counter[str]) -> None:
    for callback, count in times.items():
        message = stored.outbound.get(callback)
        if message is None:
            _doubled(verdict, callback, "is not stored")
        elif message.actor == Actor.PYLOTO and message.turn_id not in stored.turns:
            _doubled(verdict, callback, "belongs to no turn of a message")
        elif not message.tries:
            _doubled(verdict, callback, "was never claimed")
        elif count > 1:
            if count == 2 and message.actor == Actor.PYLOTO and _within_window(evidence, callback):
                verdict.windows += 1
            else:
                _doubled(verdict, callback, f"was accepted {count} times{_timing(evidence, callback)}")


def _doubled(verdict: Verdict, callback: str, why: str) -> None:
    verdict.doubled.add(callback)
    verdict.problems.append(f"doubled: what was sent as …{callback[-12:]} {why}")


def _within_window(evidence: Evidence, callback: str) -> bool:
    """Whether the second send was allowed: faults.md §3.4, and nothing of the product is asked.

    No status of the first had come within the wait, while one of another message, sent later from the same number, had.
    """
    first, second = (record for record in evidence.accepted if record["callback_data"] == callback)
    again_at, accepted_at = _time(second["accepted_at"]), _time(first["accepted_at"])
    if again_at - accepted_at < evidence.unknown:
        return False
    came = {told["wamid"] for told in evidence.statuses if _time(told["delivered_at"]) < again_at}
    tried = {told["wamid"] for told in evidence.statuses if _time(told["tried_at"]) < again_at}
    later = {
        record["wamid"]
        for record in evidence.accepted
        if _time(record["accepted_at"]) > accepted_at and record["phone_number_id"] == first["phone_number_id"]
    }
    return first["wamid"] not in came and bool(tried & (later - {second["wamid"]}))


def _timing(evidence: Evidence, callback: str) -> str:
    """When the same was accepted, and told of, in seconds after the first time."""
    ours = [record for record in evidence.accepted if record["callback_data"] == callback and "accepted_at" in record]
    if len(ours) < 2:
        return ""
    began = _time(ours[0]["accepted_at"])
    told = [_time(t["delivered_at"]) - began for t in evidence.statuses if t["wamid"] == ours[0]["wamid"]]
    again = [_time(record["accepted_at"]) - began for record in ours[1:]]
    seconds = ", ".join(f"{after.total_seconds():.1f}" for after in again)
    return (
        f"; again after {seconds} s, told of after {min(told).total_seconds():.1f} s"
        if told
        else f"; again after {seconds} s, never told of"
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _judge_order(verdict: Verdict, stored: Stored, evidence: Evidence) -> None:
    """What was accepted first is what stands first, in each conversation."""
    newest: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    for record in evidence.accepted:
        callback = record["callback_data"]
        message = stored.outbound.get(callback)
        if message is None or callback in seen:  # a second one is judged above
            continue
        seen.add(callback)
        user_key = user_key_of(message)
        if message.seq < newest[user_key]:
            verdict.disordered.add(callback)
            verdict.problems.append(f"disordered: …{callback[-12:]} was accepted after one that stands behind it")
        newest[user_key] = max(newest[user_key], message.seq)


def _judge_witnesses(verdict: Verdict, stored: Stored, evidence: Evidence) -> None:
    for witness in evidence.witnesses:
        witness.close()
        if witness.claims:
            verdict.bot_after_human += witness.claims
            verdict.problems.append(f"bot after human: {witness.claims} claims in conversation {witness.user_key[:8]}")
    for conversation_id, events in stored.chains.items():
        for count in _replies_over_a_person(events):
            verdict.bot_after_human += count
            verdict.problems.append(f"bot after human: {count} replies queued in chain {conversation_id[:8]}")


def _replies_over_a_person(events: Sequence[dict[str, Any]]) -> Iterator[int]:
    """How many replies the bot queued after each takeover. The chain is the order of the commits: its ids are create-only."""
    mode, count = str(Mode.BOT.value), 0
    for event in events:
        if event["event_type"] == EventType.MODE_CHANGED:
            if count:
                yield count
            mode, count = event["changes"]["mode"][1], 0
        elif event["event_type"] == EventType.REPLY_QUEUED and event["actor"] == Actor.PYLOTO and mode == Mode.HUMAN:
            count += 1
    if count:
        yield count


def _judge_trail(verdict: Verdict, stored: Stored) -> None:
    """Every chain verifies, and each decision about a message is told once."""
    problems = list(problems_of_chains())
    for events in stored.chains.values():
        told = Counter(event["event_id"] for event in events)
        problems += [f"chain: event {name[:12]} is told {count} times" for name, count in told.items() if count > 1]
    for message in stored.outbound.values():
        if message.pk == message.provider_message_key:  # the owner's own, from the phone app
            continue
        told = Counter(event["event_type"] for event in stored.events[message.pk])
        if told[EventType.REPLY_QUEUED] != 1:
            problems.append(f"trail: reply {message.pk[:12]} is queued {told[EventType.REPLY_QUEUED]} times")
        if told[EventType.SEND_FAILED] != (message.state in UNSENT):
            problems.append(
                f"trail: reply {message.pk[:12]} is {message.state}, and {told[EventType.SEND_FAILED]} events say so"
            )
    handled = {str(m.turn_id) for found in stored.inbound.values() for m in found if m.state == MessageState.HANDLED}
    untold = [turn for turn in handled if first_event(turn) not in stored.mode_before]
    problems += [f"trail: turn {turn[:12]} is not told of" for turn in untold]
    verdict.chains_ok = not problems
    verdict.problems += problems
