"""What must hold of the documents of a conversation, whatever happened to it."""

from collections import Counter

from audit import EventType
from conversations.models import Message, MessageState

from .customer import Customer

UNSENT = {MessageState.FAILED, MessageState.CANCELLED, MessageState.NEEDS_HUMAN}


def check(customer: Customer) -> None:
    """Every message belongs to one turn or waits for one, and every state change stands once in a chain that verifies."""
    with customer.at_rest():
        check_turns(customer)
        check_sends(customer)
        check_echoes(customer)


def check_turns(customer: Customer) -> None:
    events = Counter(event["event_type"] for event in customer.trail())
    contacts = sum(event["metadata"]["messages"] for event in customer.events(EventType.USER_CONTACT))
    handled = [message for message in customer.received if message.state == MessageState.HANDLED]
    assert contacts == len(handled)
    assert all(message.turn_id for message in handled)
    assert len({message.turn_id for message in handled}) == events[EventType.USER_CONTACT]
    assert events[EventType.SESSION_OPENED] == len(customer.sessions)
    assert events[EventType.SESSION_CLOSED] == sum(session.status == "CLOSED" for session in customer.sessions)
    told = [
        (event["metadata"]["session_id"], event["metadata"]["outcome"])
        for event in customer.events(EventType.SESSION_CLOSED)
    ]
    ended = [(session.pk, session.outcome) for session in customer.sessions if session.status == "CLOSED"]
    assert sorted(told) == sorted(ended)  # one outcome each, and the same in both places
    assert events[EventType.HANDOFF_OPENED] == len(customer.handoffs)
    seqs = [reply.seq for reply in customer.replies]
    assert seqs == sorted(set(seqs))
    assert customer.header.out_seq == max(seqs, default=0)


def check_sends(customer: Customer) -> None:
    told = Counter((event["event_type"], event["metadata"].get("message_key")) for event in customer.trail())
    for reply in customer.replies:
        assert told[EventType.REPLY_QUEUED, reply.pk] == 1
        assert told[EventType.SEND_FAILED, reply.pk] == int(reply.state in UNSENT)
        assert bool(reply.due) == is_open(reply) or "failed" in reply.status_at  # a worker looks at that
        assert told[EventType.SEND_UNCERTAIN, reply.pk] >= int(reply.state == MessageState.UNKNOWN)
    waiting = {message.state for message in customer.received} - {MessageState.HANDLED}
    assert waiting <= {MessageState.RECEIVED}


def check_echoes(customer: Customer) -> None:
    """Each waits for a worker, or stands in the timeline and holds no more than that takes."""
    for echo in customer.echoes:
        assert echo.state in {MessageState.RECEIVED, MessageState.SENT}
        assert bool(echo.due) == bool(echo.sender) == (echo.state == MessageState.RECEIVED)


def is_open(message: Message) -> bool:
    return message.state in {MessageState.QUEUED, MessageState.SENDING, MessageState.UNKNOWN}
