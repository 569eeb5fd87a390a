"""Sends that Meta refuses, and sends that nobody may make."""

from datetime import timedelta
from typing import Any

import pytest
import redis
import structlog
from django.utils import timezone

from audit import EventType
from conversations.models import MessageState, Mode
from conversations.services import delivery
from conversations.whatsapp.client import NotSent, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import Update
from pyloto.privacy.fields import encrypt

from .customer import Customer

RATE_LIMIT = Rejected(130429, ErrorClass.RETRY)
MINUTE = timedelta(minutes=1)

# Nothing here depends on the adapter; the emulator takes four times as long.
pytestmark = pytest.mark.parametrize("store", ["embedded"], indirect=True)


@pytest.mark.parametrize("answer", [RATE_LIMIT, NotSent("ConnectTimeoutError")])
def test_a_retryable_refusal_is_sent_again_later(customer: Customer, clock: Any, answer: Any) -> None:
    customer.outside.answers = [answer]
    next_at = customer.writes("oi").is_served()
    assert customer.states == ["QUEUED"]
    assert next_at is not None
    assert timedelta(0) < next_at - timezone.now() <= timedelta(seconds=2)
    customer.is_served()
    assert len(customer.outside.sent) == 1  # not before its time
    assert customer.is_served_after(clock, timedelta(seconds=3)) is None
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)
    assert not customer.events(EventType.SEND_FAILED)


def test_each_refusal_makes_the_wait_longer(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Rejected(131056, ErrorClass.RETRY)] * 3
    customer.writes("oi").is_served()
    customer.is_served_after(clock, timedelta(seconds=5))
    next_at = customer.is_served_after(clock, timedelta(seconds=17))
    assert next_at is not None
    assert round((next_at - timezone.now()).total_seconds()) == 64
    assert customer.replies[0].tries == 3


def test_a_permanent_refusal_is_failed_with_its_code_and_audited(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT)]
    customer.writes("oi").is_served()
    reply = customer.replies[0]
    assert (reply.state, reply.errors) == ("FAILED", [{"code": 131026, "title": "PERMANENT"}])
    [event] = customer.events(EventType.SEND_FAILED)
    assert event["metadata"] == {"message_key": reply.pk, "reason": "PERMANENT", "codes": [131026], "try": 1}
    customer.is_served_after(clock, 5 * MINUTE)
    assert [sent.callback_data.partition(".")[2] for sent in customer.outside.sent].count(reply.pk) == 1


def test_an_answer_that_cannot_arrive_calls_a_person_and_the_customer_is_told_in_neutral_words(
    customer: Customer,
) -> None:
    customer.outside.answers = [Rejected(131009, ErrorClass.PERMANENT)]
    customer.writes("oi").is_served()
    [handoff], [session] = customer.handoffs, customer.sessions
    assert (handoff.status, handoff.routing, session.outcome) == ("OPEN", "failure", "FAILED_INTERNAL")
    assert "sem entrega" in handoff.summary
    assert "131009" in handoff.summary
    assert customer.header.mode == Mode.WAITING_HUMAN
    assert customer.states == ["FAILED", "SENT"]
    assert "pessoa da equipe" in customer.outside.texts[1]


def test_a_person_who_cannot_be_called_holds_up_nothing_and_an_alert_does(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise TypeError

    monkeypatch.setattr(delivery, "plan_undelivered", fail)
    customer.outside.answers = [Rejected(131009, ErrorClass.PERMANENT)]
    with structlog.testing.capture_logs() as logs:
        assert customer.writes("oi").is_served() is None
    assert [line["event"] for line in logs if line.get("alert")] == ["reply_not_delivered"]
    assert customer.states == ["FAILED"]


def forgets_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey has not been told yet that a status came, or does not answer."""
    monkeypatch.setattr("conversations.views.note_statuses", lambda seen: None)


@pytest.mark.parametrize("noticed", [False, True])
def test_a_failed_status_that_overtakes_the_answer_to_its_send_is_not_forgotten(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, noticed: bool
) -> None:
    """`noticed`: by another worker, which settles the message before the answer is recorded."""
    forgets_statuses(monkeypatch)
    customer.outside.before_answers = [lambda: customer.gets("failed", customer.replies[0])]
    if noticed:
        customer.outside.before_answers = [lambda: customer.gets("failed", customer.replies[0]).is_served()]
    customer.writes("oi").is_served()
    assert (customer.states, len(customer.handoffs)) == (["FAILED", "SENT"], 1)
    assert customer.replies[0].provider_message_key


def test_nor_is_one_of_a_message_out_of_the_queue(
    customer: Customer, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgets_statuses(monkeypatch)
    customer.outside.answers = [RATE_LIMIT]
    customer.writes("oi").is_served()
    customer.outside.before_answers = [lambda: customer.gets("failed", customer.replies[0])]
    customer.is_served_after(clock, timedelta(seconds=3))
    assert (customer.states, len(customer.handoffs)) == (["FAILED", "SENT"], 1)


def test_nor_is_one_where_the_answer_to_the_claim_was_lost(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    forgets_statuses(monkeypatch)
    customer.outside.before_answers = [lambda: customer.gets("failed", customer.replies[0])]
    customer.writes("oi").store.lose_commit_answer()
    customer.is_served()
    assert (customer.states, len(customer.handoffs)) == (["FAILED", "SENT"], 1)


def test_a_status_that_it_arrived_overtakes_the_answer_to_its_send(customer: Customer) -> None:
    customer.outside.before_answers = [lambda: customer.gets("delivered", customer.replies[0])]
    assert customer.writes("oi").is_served() is None
    [reply] = customer.replies
    assert (reply.state, reply.due, list(reply.status_at)) == ("SENT", None, ["delivered"])


def test_where_nothing_arrives_at_all_one_more_text_is_tried_and_no_more(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT)] * 9
    customer.writes("oi").is_served()
    customer.is_served_after(clock, 5 * MINUTE)
    assert (customer.states, len(customer.outside.sent)) == (["FAILED", "FAILED"], 2)
    assert len(customer.handoffs) == 1


def test_a_failure_while_a_person_is_awaited_opens_nothing_more(customer: Customer) -> None:
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT)]
    customer.writes("quero falar com uma pessoa").is_served()
    assert (customer.states, len(customer.handoffs)) == (["FAILED"], 1)
    assert customer.handoffs[0].routing != "failure"


def test_an_answer_of_a_session_that_has_ended_calls_a_person_all_the_same(customer: Customer) -> None:
    customer.outside.answers = [Rejected(131026, ErrorClass.PERMANENT)]
    customer.writes("Onde fica a empresa?").is_served()
    assert [session.outcome for session in customer.sessions] == ["SELF_SERVE_INFO", "FAILED_INTERNAL"]
    assert [handoff.pk for handoff in customer.handoffs] == [customer.header.session_id]


@pytest.mark.parametrize("phone", ["+5542999990001", ""])
def test_who_may_not_be_reached_by_the_business_scoped_id_is_reached_by_phone_or_not_at_all(
    customer: Customer, phone: str
) -> None:
    """Never the same request again, which Meta would refuse again."""
    customer.writes("oi").is_served()
    profile = f"user_profiles/{customer.user_key}"
    fields = {"wa_id": None, "phone": encrypt(phone, path=profile, field="phone") if phone else None}
    fields["bsuid"] = encrypt("BR.13491208655302741918", path=profile, field="bsuid")
    customer.store.inner.commit([Update(profile, fields)])
    customer.outside.answers = [RATE_LIMIT, Rejected(131062, ErrorClass.FIX_ONCE)]
    customer.writes("Onde fica a empresa?")
    [newest] = [message for message in customer.received if message.state == MessageState.RECEIVED]
    customer.store.inner.commit([Update(newest.path, {"sender": None})])
    customer.is_served()
    customer.store.inner.commit([Update(customer.replies[-1].path, {"due.at": timezone.now()})])
    customer.is_served()
    recipients = [sent.recipient.to_graph() for sent in customer.outside.sent[1:4]]
    by_bsuid = {"recipient": "BR.13491208655302741918"}
    assert recipients[:3] == [by_bsuid, by_bsuid, {"to": phone} if phone else by_bsuid]
    assert customer.states[:2] == ["SENT", "SENT" if phone else "FAILED"]


def test_replies_leave_in_their_order(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [RATE_LIMIT]
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?").is_served()
    assert (customer.states, len(customer.outside.sent)) == (["QUEUED", "QUEUED"], 1)
    customer.is_served_after(clock, timedelta(seconds=3))
    assert customer.states == ["SENT", "SENT"]
    assert [sent.callback_data.partition(".")[2] for sent in customer.outside.sent[1:]] == [
        reply.pk for reply in customer.replies
    ]


def test_a_broken_channel_calls_a_person_and_keeps_the_reply(
    customer: Customer, clock: Any, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts: list[str] = []
    monkeypatch.setattr("conversations.services.delivery.alert", lambda event, **ids: alerts.append(event))
    customer.outside.answers = [Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi").is_served()
    assert (alerts, customer.states) == (["whatsapp_channel_broken"], ["QUEUED"])
    valkey.delete(*valkey.keys("barred:*"))  # as time does
    customer.is_served_after(clock, 2 * MINUTE)
    assert customer.states == ["SENT"]


def test_a_message_that_is_a_day_old_is_answered_by_nobody(customer: Customer) -> None:
    """Meta would refuse it: free text passes only within 24 hours of the customer's own."""
    yesterday = str(int((timezone.now() - timedelta(hours=25)).timestamp()))
    customer.sends({"text": {"body": "oi"}, "timestamp": yesterday}).is_served()
    [reply] = customer.replies
    assert (reply.state, reply.errors[0]["code"], customer.outside.sent) == ("FAILED", 131047, [])
    assert customer.events(EventType.SEND_FAILED)[0]["metadata"]["reason"] == "window_closed"
    assert "24 horas" in customer.handoffs[0].summary  # but a person learns of it


def test_a_queued_reply_does_not_outlive_the_window(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [RATE_LIMIT]
    customer.writes("oi").is_served()
    customer.is_served_after(clock, timedelta(hours=25))
    assert (customer.states, len(customer.outside.sent)) == (["FAILED"], 1)


def test_a_queued_reply_waits_while_the_bot_is_paused(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [RATE_LIMIT]
    customer.writes("oi").is_served()
    customer.store.inner.set("controls/bot", {"paused": True})
    next_at = customer.is_served_after(clock, 2 * MINUTE)
    assert next_at is not None
    assert next_at - timezone.now() > timedelta(seconds=30)  # no ring a second, as long as the pause lasts
    customer.store.inner.set("controls/bot", {"paused": False})
    customer.is_served_after(clock, 2 * MINUTE)
    assert (customer.states, len(customer.outside.sent)) == (["SENT"], 2)


def test_a_queued_reply_of_an_earlier_owner_is_cancelled(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [RATE_LIMIT]
    customer.writes("oi").is_served()
    customer.store.inner.commit([Update(f"conversations/{customer.user_key}", {"owner_epoch": 7})])
    customer.is_served_after(clock, MINUTE)
    assert (customer.states, len(customer.outside.sent)) == (["CANCELLED"], 1)


def test_a_takeover_ends_a_queued_reply_before_its_time(customer: Customer) -> None:
    """A person's message would else wait behind it."""
    customer.outside.answers = [Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi").is_served()
    taken = {"mode": "HUMAN", "owner_epoch": 1, "attempt": "agent"}
    customer.store.inner.commit([Update(f"conversations/{customer.user_key}", taken)])
    assert customer.is_served() is None
    assert customer.states == ["CANCELLED"]


def test_a_reply_to_nowhere_fails_and_blocks_nothing(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [RATE_LIMIT]
    customer.writes("oi").is_served()
    customer.store.inner.commit([Update(f"user_profiles/{customer.user_key}", {"wa_id": "not ours", "bsuid": None})])
    customer.is_served_after(clock, MINUTE)
    assert (set(customer.states), len(customer.outside.sent)) == ({"FAILED"}, 1)
    assert customer.handoffs


def test_what_meta_took_and_could_not_deliver_calls_a_person(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[Any] = []
    customer.writes("oi").is_served()
    monkeypatch.setattr("conversations.views.doorbell.ring", lambda waits, files: rings.append(dict(waits)))
    customer.gets("sent", customer.replies[0]).gets("failed", customer.replies[0])
    assert rings[-1] == {customer.user_key: timedelta(0)}
    customer.is_served()
    assert customer.states == ["FAILED", "SENT"]
    assert [handoff.routing for handoff in customer.handoffs] == ["failure"]
    customer.gets("failed", customer.replies[0]).is_served()  # Meta says it twice
    assert (customer.states, len(customer.handoffs), customer.replies[0].due) == (["FAILED", "SENT"], 1, None)


@pytest.mark.parametrize(("actor", "called"), [("PYLOTO", 0), ("HUMAN", 1)])
def test_a_failure_that_is_told_in_another_session_ends_that_one_only_over_an_agents_answer(
    customer: Customer, clock: Any, actor: str, called: int
) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    [old] = customer.replies
    customer.store.inner.commit([Update(old.path, {"actor": actor})])
    clock.shift(31 * MINUTE)
    customer.writes("Preciso de um sistema para minha oficina").is_served()
    customer.gets("failed", old).is_served()
    assert (customer.replies[0].state, len(customer.handoffs)) == ("FAILED", called)
    assert [session.outcome for session in customer.sessions] == [
        "SCHEDULED_FOLLOWUP",
        "FAILED_INTERNAL" if called else None,
    ]


def test_a_failure_that_is_told_after_the_delivery_changes_nothing(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.gets("delivered", customer.replies[0]).gets("failed", customer.replies[0]).is_served()
    assert (customer.states, customer.handoffs, customer.replies[0].due) == (["SENT"], [], None)
