"""Agents take conversations, reply, close them and put them back; whatever the bot was doing, and whoever was faster."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from audit import EventType
from conversations.failure_texts import failure_text
from conversations.models import Conversation, Message
from conversations.services import agents
from conversations.services.agents import (
    Contended,
    InvalidMessage,
    NoConversation,
    NotTaken,
    TakenByOther,
    WindowClosed,
    put_back_all,
)
from conversations.services.ownership import TRIES
from conversations.services.release import release_to_bot
from conversations.tasks import check_session_timeouts, put_back_left_conversations
from conversations.whatsapp.client import Accepted, Ambiguous, Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import DocumentStore, Unavailable, Update
from tests.lab.faulty_store import Fault

from .customer import Customer

ANA, BIA = "user:7", "user:8"
KEY = "0" * 32
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(embedded_store: DocumentStore) -> DocumentStore:
    """One adapter is enough for the rules; `test_agents_commits` has what depends on the store."""
    return embedded_store


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery", "ownership"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


def take(customer: Customer, agent: str = ANA) -> Conversation:
    return agents.take(user_key=customer.user_key, agent=agent, now=timezone.now())


def reply(customer: Customer, text: str = "Oi, aqui é a Ana", *, key: str = KEY, agent: str = ANA) -> Message:
    return agents.reply(user_key=customer.user_key, agent=agent, text=text, key=key, now=timezone.now())


def close(customer: Customer, agent: str = ANA) -> Conversation:
    return agents.close(user_key=customer.user_key, agent=agent, now=timezone.now())


def put_back(customer: Customer, agent: str = ANA) -> Conversation:
    return agents.put_back(user_key=customer.user_key, agent=agent, now=timezone.now())


# --- take -------------------------------------------------------------------------------------------------------------
def test_what_the_bot_has_answered_is_not_waiting_for_a_person(customer: Customer) -> None:
    for text in ("oi", "qual o horário?", "onde ficam?"):
        customer.writes(text).is_served()
        assert customer.header.unread == 0
    customer.writes("quero falar com uma pessoa").is_served()
    assert (customer.header.mode, customer.header.unread) == ("WAITING_HUMAN", 1)
    customer.writes("alô?").is_served()
    assert customer.header.unread == 2


def test_why_a_message_was_put_off_is_not_said_of_one_that_a_takeover_cancelled(customer: Customer) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.writes("oi").is_served()
    assert "limitou os envios" in failure_text(customer.replies[0])
    take(customer)
    customer.is_served()
    assert "a conversa seguiu sem ela" in failure_text(customer.replies[0])


def test_taken_from_the_bot_the_session_ends_with_a_handoff_that_is_taken_already(customer: Customer) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    take(customer)
    [handoff], session = customer.handoffs, customer.session
    assert (session.status, session.outcome, session.pk) == ("CLOSED", "HANDOFF_HUMAN", handoff.pk)
    assert (handoff.status, handoff.agent_id, handoff.routing) == ("TAKEN", ANA, "software")
    customer.writes("oi?").is_served()
    assert len(customer.outside.sent) == 1
    assert customer.received[-1].session_id == handoff.pk
    assert check_session_timeouts() == "Closed 0 sessions"


def test_taken_between_two_sessions_there_is_a_handoff_all_the_same(customer: Customer) -> None:
    customer.writes("qual o horário?").is_served()
    take(customer)
    [handoff] = customer.handoffs
    assert (handoff.status, customer.header.session_id) == ("TAKEN", handoff.pk)
    assert [session.outcome for session in customer.sessions] == ["SELF_SERVE_INFO", "HANDOFF_HUMAN"]


def test_a_session_that_nobody_can_read_is_taken_over_by_its_ids(customer: Customer) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    customer.store.inner.update(customer.session.path, {"intents": [None], "collected": []})
    take(customer)
    assert (customer.handoffs[0].status, customer.session.outcome) == ("TAKEN", "HANDOFF_HUMAN")


def test_taking_twice_changes_nothing(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    length = len(customer.trail())
    assert take(customer).assigned_to == ANA
    assert (len(customer.trail()), customer.header.owner_epoch) == (length, 2)


def test_the_other_one_is_told_who_has_it(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    with pytest.raises(TakenByOther) as told:
        take(customer, BIA)
    assert told.value.agent == ANA
    for action in (reply, close, put_back):
        with pytest.raises(TakenByOther):
            action(customer, agent=BIA)


def test_an_agent_takes_over_from_the_phone_app(customer: Customer, clock: Any) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    customer.is_answered_on_the_phone().is_served()
    take(customer)
    [handoff] = customer.handoffs
    assert (customer.header.assigned_to, customer.header.app_until) == (ANA, None)
    assert (handoff.status, handoff.agent_id) == ("TAKEN", ANA)
    clock.shift(31 * MINUTE)
    customer.writes("oi?").is_served()
    assert (customer.header.mode, len(customer.outside.sent)) == ("HUMAN", 1)


def test_there_must_be_a_conversation(customer: Customer) -> None:
    customer.writes("oi")
    for user_key in (customer.user_key, "nobody"):
        with pytest.raises(NoConversation):
            agents.take(user_key=user_key, agent=ANA, now=timezone.now())
    customer.is_served()
    customer.store.inner.update(f"conversations/{customer.user_key}", {"merged_into": "somebody"})
    with pytest.raises(NoConversation):
        take(customer)
    customer.store.inner.update(f"conversations/{customer.user_key}", {"merged_into": None})


def test_a_turn_that_is_computed_while_an_agent_takes_over_is_discarded(customer: Customer) -> None:
    customer.writes("oi").is_served()
    customer.writes("Onde fica a empresa?")
    customer.store.before_commits.append(lambda: take(customer))
    customer.is_served()
    assert len(customer.outside.sent) == 1
    assert [message.state for message in customer.received] == ["HANDLED", "HANDLED"]


def test_what_the_bot_has_queued_is_cancelled_at_once(customer: Customer) -> None:
    customer.outside.answers = [Rejected(190, ErrorClass.CHANNEL_BROKEN)]
    customer.writes("oi").is_served()
    take(customer)
    assert customer.is_served() is None
    assert (customer.states, len(customer.outside.sent)) == (["CANCELLED"], 1)


def test_a_text_of_the_bot_that_nobody_knows_about_is_not_sent_again(customer: Customer, clock: Any) -> None:
    customer.outside.answers = [Ambiguous("ReadTimeoutError")]
    customer.writes("oi").is_served()
    assert customer.states == ["UNKNOWN"]
    take(customer)
    assert customer.is_served() is None
    assert (customer.states, len(customer.outside.sent)) == (["CANCELLED"], 1)


def test_a_lost_answer_is_recognised_although_the_bot_went_on_meanwhile(customer: Customer) -> None:
    """The header no longer tells whose commit it was: the trail does."""
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    inner = customer.store.inner

    def lose(writes: Any) -> None:
        inner.commit(writes)
        customer.store.commit = commit  # type: ignore[method-assign]
        customer.writes("oi?").is_served()
        raise Unavailable("the answer was lost")

    commit = customer.store.commit
    customer.store.commit = lose  # type: ignore[method-assign]
    assert close(customer).mode == "BOT"
    assert len(customer.events(EventType.HANDOFF_RESOLVED)) == 1


# --- reply ------------------------------------------------------------------------------------------------------------
def test_only_the_first_reply_counts_as_the_first(customer: Customer, clock: Any) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    first = reply(customer)
    clock.shift(5)
    reply(customer, "E então?", key="1" * 32)
    assert customer.handoffs[0].first_reply_at == first.received_at


def test_the_same_key_twice_is_one_message(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    first = reply(customer)
    customer.is_served()
    close(customer)
    assert reply(customer).pk == first.pk  # nothing is asked of who has it by now: it was done
    customer.is_served()
    assert customer.outside.texts.count("Oi, aqui é a Ana") == 1
    assert len(customer.events(EventType.REPLY_QUEUED)) == 2


def test_a_double_click_is_one_message(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    customer.store.before_commits.append(lambda: reply(customer))
    assert reply(customer).text == "Oi, aqui é a Ana"
    customer.is_served()
    assert customer.outside.texts.count("Oi, aqui é a Ana") == 1


def test_a_reply_waits_behind_a_message_of_the_bot_that_is_on_its_way(customer: Customer) -> None:
    """Meta takes its time over the bot's message: the agent has taken over and answered meanwhile."""
    seen: list[list[str]] = []

    def hang(**arguments: Any) -> Any:
        outside.send_response = send  # type: ignore[method-assign]
        take(customer)
        reply(customer)
        customer.is_served()
        seen.append(customer.states)
        return send(**arguments)

    outside = customer.outside
    send = outside.send_response
    outside.send_response = hang  # type: ignore[method-assign]
    customer.writes("oi").is_served()
    assert seen == [["SENDING", "QUEUED"]]
    customer.is_served()
    assert customer.states == ["SENT", "SENT"]
    assert customer.outside.texts[-1] == "Oi, aqui é a Ana"


def test_a_reply_goes_out_although_nobody_knows_about_the_bots_before_it(customer: Customer) -> None:
    customer.outside.answers = [Ambiguous("ReadTimeoutError")]
    customer.writes("oi").is_served()
    take(customer)
    reply(customer)
    customer.is_served()
    assert customer.states == ["CANCELLED", "SENT"]


def test_what_an_agent_has_queued_outlives_the_release(customer: Customer, clock: Any) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY), Accepted("wamid.ana"), Accepted("wamid.bot")]
    reply(customer)
    customer.is_served()
    close(customer)
    customer.writes("Onde vocês ficam?").is_served()
    customer.is_served_after(clock, MINUTE)
    assert customer.states == ["SENT", "SENT", "SENT"]
    assert customer.outside.texts[-2] == "Oi, aqui é a Ana"
    assert "Ponta Grossa" in customer.outside.texts[-1]


def test_a_day_after_the_customer_wrote_a_reply_is_refused(customer: Customer, clock: Any) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    clock.shift(timedelta(hours=25))
    with pytest.raises(WindowClosed):
        reply(customer)
    assert len(customer.replies) == 1


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4097, "\ud83d"])
def test_what_meta_would_not_carry_is_refused(customer: Customer, text: str) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    with pytest.raises(InvalidMessage):
        reply(customer, text)
    assert len(customer.replies) == 1


def test_who_has_not_taken_it_does_not_reply_close_or_put_back(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    for action in (reply, close, put_back):
        with pytest.raises(NotTaken):
            action(customer)


# --- close, release, put back -----------------------------------------------------------------------------------------
def test_taken_closed_and_taken_again_it_has_two_handoffs(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    close(customer)
    take(customer, BIA)
    assert sorted((handoff.status, handoff.agent_id) for handoff in customer.handoffs) == [
        ("RESOLVED", ANA),
        ("TAKEN", BIA),
    ]


def test_a_message_that_comes_while_the_agent_releases_is_answered_by_one_of_them(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    take(customer)
    customer.writes("Onde vocês ficam?")
    release = {"user_key": customer.user_key, "agent": ANA}
    customer.store.before_commits.append(lambda: release_to_bot(**release, now=timezone.now()))
    customer.is_served()
    assert len(customer.outside.sent) == 2
    assert "Ponta Grossa" in customer.outside.texts[-1]


# --- an agent who is no more ------------------------------------------------------------------------------------------
@pytest.fixture
def ana(customer: Customer) -> User:
    customer.writes("quero falar com uma pessoa").is_served()
    user = User.objects.create_user("ana", is_staff=True)
    take(customer, agents.agent_of(user.pk))
    return user


def test_all_that_an_agent_had_waits_again(customer: Customer, ana: User) -> None:
    assert put_back_all(agents.agent_of(ana.pk), now=timezone.now()) == 1
    assert (customer.header.mode, customer.handoffs[0].status) == ("WAITING_HUMAN", "OPEN")
    assert customer.trail()[-1]["actor"] == "SYSTEM"
    assert put_back_all(agents.agent_of(ana.pk), now=timezone.now()) == 0


def test_what_cannot_be_put_back_now_is_told_and_done_by_the_next_run(customer: Customer, ana: User) -> None:
    customer.store.commit_faults = [Fault(Unavailable("commit"))] * TRIES
    with pytest.raises(Contended):
        put_back_all(agents.agent_of(ana.pk), now=timezone.now())
    assert put_back_all(agents.agent_of(ana.pk), now=timezone.now()) == 1


def test_who_was_locked_out_behind_our_back_leaves_nothing_for_long(customer: Customer, ana: User) -> None:
    """Or took one right then: a job looks again every five minutes."""
    assert put_back_left_conversations() == "Put back 0 conversations"
    User.objects.filter(pk=ana.pk).update(is_active=False)
    assert put_back_left_conversations() == "Put back 1 conversations"
    assert customer.header.mode == "WAITING_HUMAN"


def test_a_header_behind_its_chain_keeps_nobody_from_taking(customer: Customer) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    behind = customer.header.audit_head
    customer.writes("oi?").is_served()
    customer.store.inner.commit([Update(f"conversations/{customer.user_key}", {"audit_head": behind})])
    assert take(customer).assigned_to == ANA
    customer.trail()
