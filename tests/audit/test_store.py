import threading

import pytest
from structlog.contextvars import bound_contextvars

from audit import Event, EventType, Head, link, stores, verify
from audit.errors import TrailDamaged
from audit.stores import AuditConflict, AuditLogStore
from pyloto.documents import Unavailable

from .test_chain import AT, CHAIN, make_events


@pytest.fixture
def audit(store):
    return AuditLogStore()


class LosingReplies:
    """A store whose `create` does its work, or does not, and then loses the reply."""

    def __init__(self, inner, *, applied):
        self.inner, self.applied = inner, applied

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def create(self, path, data):
        if self.applied:
            self.inner.create(path, data)
        raise Unavailable(path)


def stored(audit, chain=CHAIN):
    return [{**snapshot.data, "id": snapshot.id} for snapshot in audit.iterate(chain)]


def test_appended_events_form_a_chain_that_verifies(audit):
    for event in make_events(3, changes={"mode": ["BOT", "HUMAN"]}, metadata={"confidence": 1.0, "none": None}):
        audit.append(CHAIN, event)

    assert [event.seq for event in audit.trail(CHAIN)] == [1, 2, 3]
    assert verify(CHAIN, stored(audit)) == []


def test_the_tail_is_the_head_that_link_computed(audit, store):
    writes, head = link(Head.genesis(CHAIN), make_events(3))
    store.commit(writes)

    assert audit.tail(CHAIN) == head
    assert audit.tail("empty") == Head.genesis("empty")


@pytest.mark.parametrize(
    "change", [{"seq": "9"}, {"seq": 8}, {"seq": 9.5}, {"seq": 10**12}, {"seq": 9, "current_hash": None}]
)
def test_what_is_no_event_at_the_end_of_a_chain_is_refused_and_reported(embedded_store, monkeypatch, change):
    raised = []
    monkeypatch.setattr(stores, "alert", lambda event, **ids: raised.append((event, ids)))
    audit, (first, second) = AuditLogStore(), make_events(2)
    audit.append(CHAIN, first)
    event = embedded_store.get(f"audit_logs/{CHAIN}-000000000001").data
    embedded_store.create(f"audit_logs/{CHAIN}-000000000009", event | change)

    with pytest.raises(TrailDamaged, match=CHAIN):
        audit.append(CHAIN, second)

    assert raised == [("audit_chain_damaged", {"chain": CHAIN})]


def test_an_event_delivered_again_is_appended_once(audit):
    first, second = make_events(2)
    original = audit.append(CHAIN, first)
    audit.append(CHAIN, second)

    again = audit.append(CHAIN, first)

    assert (again.seq, again.current_hash) == (1, original.current_hash)
    assert audit.tail(CHAIN).seq == 2


def test_an_append_behind_another_head_than_expected_is_a_conflict(audit):
    first, second, third = make_events(3)
    head = audit.append(CHAIN, first, expected_prev_hash=Head.genesis(CHAIN).hash).current_hash
    audit.append(CHAIN, second, expected_prev_hash=head)

    with pytest.raises(AuditConflict):
        audit.append(CHAIN, third, expected_prev_hash=head)

    assert audit.tail(CHAIN).seq == 2


def test_a_lost_reply_appends_once(audit, store):
    losing = AuditLogStore(LosingReplies(store, applied=True))

    event = losing.append(CHAIN, make_events(1)[0])

    assert event.seq == 1
    assert len(stored(audit)) == 1


def test_a_write_that_did_not_arrive_is_reported_and_can_be_tried_again(audit, store):
    (event,) = make_events(1)
    with pytest.raises(Unavailable):
        AuditLogStore(LosingReplies(store, applied=False)).append(CHAIN, event)

    audit.append(CHAIN, event)

    assert len(stored(audit)) == 1


def test_somebody_elses_event_at_our_number_is_a_conflict(audit, store):
    theirs, ours = make_events(2)

    class Racing(LosingReplies):
        def create(self, path, data):
            audit.append(CHAIN, theirs)
            self.inner.create(path, data)

    with pytest.raises(AuditConflict):
        AuditLogStore(Racing(store, applied=True)).append(CHAIN, ours)

    assert [event.event_id for event in audit.trail(CHAIN)] == [theirs.event_id]


def test_the_same_event_delivered_twice_at_once_is_recognised_at_the_number_it_wanted(audit, store):
    (event,) = make_events(1)

    class Racing(LosingReplies):
        def create(self, path, data):
            audit.append(CHAIN, event)
            self.inner.create(path, data)

    assert AuditLogStore(Racing(store, applied=True)).append(CHAIN, event).seq == 1
    assert len(stored(audit)) == 1


def test_writers_at_the_same_time_lose_no_event(audit):
    def write(name):
        for number in range(3):
            audit.record_event(event_type=EventType.CONTROL_CHANGED, actor=name, event_id=f"{name}-{number}")

    threads = [threading.Thread(target=write, args=[name]) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(stored(audit, "system")) == 6
    assert verify("system", stored(audit, "system")) == []


def test_a_recorded_event_carries_time_and_correlation(audit):
    with bound_contextvars(correlation_id="corr"):
        event = audit.record_event(event_type=EventType.CONTROL_CHANGED, actor="agent:7", timestamp=AT)

    assert (event.conversation_id, event.correlation_id, event.timestamp) == ("system", "corr", AT)


def test_the_trail_is_read_in_pages(audit, store):
    writes, _ = link(Head.genesis(CHAIN), make_events(5))
    other, _ = link(Head.genesis(CHAIN + "-2"), make_events(1))
    store.commit([*writes, *other])

    assert [event.seq for event in audit.trail(CHAIN, limit=2)] == [1, 2]
    assert [event.seq for event in audit.trail(CHAIN, after_seq=4)] == [5]


def test_events_are_models_that_refuse_to_be_saved(audit):
    event = audit.append(CHAIN, Event("e1", EventType.NOTE_ADDED, "agent:7", AT))

    with pytest.raises(TypeError, match="AuditLogStore"):
        event.save()
