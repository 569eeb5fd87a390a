"""The verdict of the chaos test sees what it is there to see: each kind of failure is planted, and found."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit import Event, EventType, Head, event_id, link
from pyloto.documents import DocumentStore, Query, Update
from pyloto.privacy.hashing import digest
from tests.chaos.__main__ import summary, without
from tests.chaos.judge import Evidence, Verdict, judge
from tests.chaos.leaks import find_leaks
from tests.chaos.witness import Witness
from tests.lab.canaries import NAME, WA_ID, planted_wamid

pytestmark = pytest.mark.usefixtures("embedded_store")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USER = "a" * 32
KEY = digest("whatsapp", "wamid.invented")
INBOUND = [{"wamid": "wamid.invented", "type": "text"}]


class World:
    """One conversation in the store, with its chain."""

    def __init__(self, store: DocumentStore) -> None:
        self.store = store
        self.head = Head.from_document("c1", {})
        self.told = 0
        store.create(f"conversations/{USER}", header())

    def receives(self, *, state: str = "HANDLED", turn: str | None = "t1", user: str = USER, **more: Any) -> None:
        fields = {"direction": "in", "actor": "USER", "type": "text", "state": state, "turn_id": turn}
        fields |= {"provider_message_key": KEY, "received_at": NOW, "timestamp": NOW, "seq": 1} | more
        self.store.create(f"conversations/{user}/messages/{KEY}", fields)
        if user == USER and turn:
            self.tells(EventType.USER_CONTACT, event_id=event_id(turn, "0"))

    def replies(self, key: str = "r1", *, state: str = "SENT", turn: str = "t1", seq: int = 2, **more: Any) -> None:
        fields = {"direction": "out", "actor": "PYLOTO", "type": "text", "state": state, "turn_id": turn, "tries": 1}
        fields |= {"received_at": NOW, "timestamp": NOW, "seq": seq} | more
        self.store.create(f"conversations/{USER}/messages/{key}", fields)
        self.tells(EventType.REPLY_QUEUED, message_key=key)

    def tells(
        self, event_type: EventType, changes: dict[str, Any] | None = None, *, event_id: str = "", **metadata: Any
    ) -> None:
        self.told += 1
        event = Event(event_id or f"e{self.told}", event_type, "PYLOTO", NOW, changes=changes or {}, metadata=metadata)
        writes, self.head = link(self.head, [event])
        self.store.commit([*writes, Update(f"conversations/{USER}", {"audit_head": self.head.to_document()})])

    def is_taken_over(self) -> None:
        self.tells(EventType.MODE_CHANGED, {"mode": ["BOT", "HUMAN"]})

    def is_judged(self, *accepted: str, **more: Any) -> Verdict:
        records = [{"callback_data": f"{USER}.{key}", "wamid": f"w{n}"} for n, key in enumerate(accepted)]
        return judge(Evidence(inbound=INBOUND, accepted=records, **more))


def header() -> dict[str, Any]:
    return {"conversation_id": "c1", "mode": "BOT", "audit_head": {}, "created_at": NOW, "updated_at": NOW}


@pytest.fixture
def world(embedded_store: DocumentStore) -> World:
    return World(embedded_store)


def test_a_message_whose_reply_was_accepted_once_is_fine(world: World) -> None:
    world.receives()
    world.replies()
    verdict = world.is_judged("r1")
    assert verdict.counts == "in=1 lost=0 doubled=0 disordered=0 bot_after_human=0 chains_ok=true"
    assert verdict.passed, verdict.problems


# --- lost -------------------------------------------------------------------------------------------------------------
def test_a_message_that_is_not_stored_is_lost(world: World) -> None:
    world.tells(EventType.USER_CONTACT)
    assert world.is_judged().lost == {KEY}


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ({"state": "RECEIVED", "turn": None}, None),
        ({}, None),
        ({}, {"state": "SENT"}),
        ({}, {"state": "UNKNOWN"}),
        ({}, {"state": "FAILED"}),
        ({}, {"state": "CANCELLED"}),
    ],
)
def test_a_message_without_an_answer_is_lost(world: World, message: dict[str, Any], reply: dict[str, Any]) -> None:
    world.receives(**message)
    if reply:
        world.replies(**reply)
    assert world.is_judged().lost == {KEY}


def test_a_reply_that_a_takeover_cancelled_is_not_lost(world: World) -> None:
    world.receives()
    world.replies(state="CANCELLED", tries=0)
    world.is_taken_over()
    world.tells(EventType.SEND_FAILED, message_key="r1", reason="owner_changed")
    assert world.is_judged().passed


def test_a_reply_in_doubt_gives_way_to_a_newer_one_alone(world: World) -> None:
    world.receives()
    world.replies(state="CANCELLED")
    world.tells(EventType.SEND_FAILED, message_key="r1", reason="superseded")
    assert world.is_judged().lost == {KEY}
    world.replies("r2", turn="t2", seq=3)
    assert world.is_judged().lost == set()


def test_silence_beside_a_person_is_no_loss(world: World) -> None:
    world.is_taken_over()
    world.receives()
    assert world.is_judged().passed


def test_silence_before_a_person_has_it_is_a_loss(world: World) -> None:
    world.receives()
    world.is_taken_over()
    assert world.is_judged().lost == {KEY}


def test_a_reply_that_failed_is_lost_unless_that_was_expected(world: World) -> None:
    world.receives()
    world.replies(state="FAILED")
    world.tells(EventType.SEND_FAILED, message_key="r1", reason="PERMANENT")
    assert world.is_judged().lost == {KEY}
    assert world.is_judged(excused={USER}).passed


# --- doubled ----------------------------------------------------------------------------------------------------------
def test_a_reply_that_was_accepted_twice_is_doubled(world: World) -> None:
    world.receives()
    world.replies()
    accepted = [accepted_at(0), accepted_at(1)]
    assert judge(Evidence(inbound=INBOUND, accepted=accepted)).doubled == {f"{USER}.r1"}


@pytest.mark.parametrize(
    ("second_after", "another_at", "status_of", "tried_after", "is_fine"),
    [
        (10, 1, "another", 8, True),  # nothing came of the first, and something of a later one
        (10, 0, "another", 8, False),  # of one that was sent at the same time
        (10, -1, "another", 8, False),  # before
        (10, 1, "from another number", 8, False),
        (3, 1, "another", 2, False),  # not waited for long enough
        (10, 1, "another", 12, False),  # the channel had shown no sign of life
        (10, 1, "w0", 8, False),  # the first one's status had come
    ],
)
def test_a_second_send_is_fine_only_in_the_documented_window(
    world: World, second_after: int, another_at: int, status_of: str, tried_after: int, is_fine: bool
) -> None:
    world.receives()
    world.replies()
    world.replies("r2", seq=3)
    world.replies("r3", seq=4)
    later = accepted_at(another_at) | {"callback_data": f"{USER}.r2", "wamid": "another"}
    elsewhere = later | {"callback_data": f"{USER}.r3", "wamid": "from another number", "phone_number_id": "2"}
    told = [{"wamid": status_of, "tried_at": at(tried_after), "delivered_at": at(tried_after + 1)}]
    accepted = [accepted_at(0), later, elsewhere, accepted_at(second_after)]
    verdict = judge(Evidence(inbound=INBOUND, accepted=accepted, statuses=told, unknown=timedelta(seconds=5)))
    assert (verdict.windows, verdict.passed) == ((1, True) if is_fine else (0, False))


def test_a_third_send_is_doubled_whatever_was_known(world: World) -> None:
    world.receives()
    world.replies()
    accepted = [accepted_at(seconds) for seconds in (0, 10, 20)]
    assert judge(Evidence(inbound=INBOUND, accepted=accepted)).doubled


def test_a_message_in_two_conversations_is_doubled(world: World, embedded_store: DocumentStore) -> None:
    world.receives()
    world.replies()
    world.receives(user="b" * 32)
    assert world.is_judged("r1").doubled == {KEY}


@pytest.mark.parametrize("reply", [{"turn": "another"}, {"turn": "t1", "tries": 0}])
def test_a_reply_of_no_turn_or_without_a_claim_is_doubled(world: World, reply: dict[str, Any]) -> None:
    world.receives()
    world.replies()
    world.replies("r2", seq=3, **reply)
    assert world.is_judged("r1", "r2").doubled == {f"{USER}.r2"}


def test_a_send_that_nobody_stored_is_doubled(world: World) -> None:
    world.receives()
    world.replies()
    assert world.is_judged("r1", "r9").doubled == {f"{USER}.r9"}


# --- disordered -------------------------------------------------------------------------------------------------------
def test_replies_in_another_order_are_found(world: World) -> None:
    world.receives()
    world.replies("r1", seq=2)
    world.replies("r2", seq=3)
    assert not world.is_judged("r1", "r2").disordered
    assert world.is_judged("r2", "r1").disordered == {f"{USER}.r1"}


# --- a person has the conversation ------------------------------------------------------------------------------------
def test_a_reply_queued_after_a_takeover_is_found_in_the_chain(world: World) -> None:
    world.receives()
    world.is_taken_over()
    world.replies()
    verdict = world.is_judged("r1")
    assert (verdict.bot_after_human, verdict.passed) == (1, False)


def test_a_claim_after_a_takeover_is_seen_by_its_witness(world: World) -> None:
    world.receives()
    world.replies("r1", tries=1)
    world.replies("r2", seq=3, state="QUEUED", tries=0)
    world.is_taken_over()
    witness = Witness(USER)
    world.store.update(f"conversations/{USER}/messages/r2", {"tries": 1, "state": "SENT"})
    assert world.is_judged("r1", "r2", witnesses=[witness]).bot_after_human == 1


def test_what_was_claimed_before_the_takeover_or_after_the_release_is_fine(world: World) -> None:
    world.receives()
    world.replies("r1", tries=1)
    witness = Witness(USER)
    witness.close()
    world.replies("r2", seq=3)
    assert world.is_judged("r1", "r2", witnesses=[witness]).bot_after_human == 0


# --- the trail --------------------------------------------------------------------------------------------------------
def test_a_broken_chain_is_found(world: World) -> None:
    world.receives()
    world.replies()
    event = next(iter(world.store.query(audit_logs())))
    world.store.update(event.path, {"canonical": event.data["canonical"].replace("PYLOTO", "NOBODY")})
    assert not world.is_judged("r1").chains_ok


def test_a_chain_that_lacks_its_end_is_found(world: World) -> None:
    world.receives()
    world.replies()
    world.tells(EventType.SESSION_CLOSED)
    last = max(world.store.query(audit_logs()), key=lambda snapshot: int(snapshot.data["seq"]))
    world.store.delete(last.path)
    assert not world.is_judged("r1").chains_ok


def test_a_turn_that_the_trail_does_not_tell_of_is_found(world: World) -> None:
    world.receives(turn="t2")
    world.store.update(f"conversations/{USER}/messages/{KEY}", {"turn_id": "t1"})
    world.replies()
    assert not world.is_judged("r1").chains_ok


def test_a_reply_that_the_trail_does_not_tell_of_is_found(world: World) -> None:
    world.receives()
    world.replies()
    world.store.create(
        f"conversations/{USER}/messages/r2",
        {"direction": "out", "actor": "PYLOTO", "state": "SENT", "turn_id": "t1", "tries": 1, "seq": 3}
        | {"received_at": NOW, "timestamp": NOW, "type": "text"},
    )
    assert not world.is_judged("r1", "r2").chains_ok


# --- personal data ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [NAME, WA_ID, planted_wamid()])
def test_personal_data_in_a_log_is_found(tmp_path: Any, text: str) -> None:
    (tmp_path / "run" / "logs").mkdir(parents=True)
    (tmp_path / "run" / "logs" / "worker.log").write_text(f'{{"event": "oops", "text": "{text}"}}\n')
    assert find_leaks(tmp_path)


def test_personal_data_in_the_arguments_of_a_task_is_found(tmp_path: Any) -> None:

    (tmp_path / "run" / "logs").mkdir(parents=True)
    (tmp_path / "valkey").mkdir()
    body = base64.b64encode(f'[["{NAME}"], {{}}]'.encode()).decode()
    (tmp_path / "valkey" / "a.aof").write_text(f'LPUSH turns {{"body": "{body}"}}')
    assert [leak for leak in find_leaks(tmp_path) if "arguments of tasks" in leak]


# --- adding up --------------------------------------------------------------------------------------------------------
def test_the_last_line_adds_up_all_seeds() -> None:
    one = {"faults": 3, "in": 10, "lost": 0, "doubled": 1, "disordered": 0, "bot_after_human": 0, "chains_ok": True}
    expected = "chaos: seeds=2 faults=6 in=20 lost=0 doubled=2 disordered=0 bot_after_human=0 chains_ok=false"
    assert summary([one, one | {"chains_ok": False}]) == expected


def test_a_seeds_own_process_gets_the_other_arguments() -> None:
    for given in (["--seeds", "3"], ["--seeds=3"], ["--seed", "5"], []):
        assert without([*given, "--only", "A1"], "--seed", "--seeds") == ["--only", "A1"]


def audit_logs() -> Any:

    return Query("audit_logs")


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def accepted_at(seconds: float) -> dict[str, Any]:
    return {
        "callback_data": f"{USER}.r1",
        "wamid": f"w{seconds}",
        "phone_number_id": "1",
        "accepted_at": at(seconds),
    }
