"""Whatever fails, nobody waits in silence: the rules answer, or a person does, and an alert tells why. Component by failure."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.utils import timezone

from ai import knowledge
from conversations import pipeline, stores
from conversations.fallbacks import NEUTRAL
from conversations.models import MessageState, Mode
from conversations.replies import Reply
from conversations.services import agents, commits, context, planning, takeover, turns
from conversations.services.turns import TooManyRaces
from conversations.tasks import sweep
from pyloto.documents import AlreadyExists, InvalidDocument, Unavailable, Update
from tests.lab.faulty_store import Fault

from .customer import Customer
from .outside import Outside, WorkerDied

# Nothing here depends on the adapter; the emulator takes four times as long.
pytestmark = pytest.mark.parametrize("store", ["embedded"], indirect=True)

RUNS = 8  # of the sweeper's rings: more than any turn needs
Break = Callable[[Customer, pytest.MonkeyPatch], None]


class Broken(RuntimeError):
    pass


def raising(error: BaseException = Broken()) -> Callable[..., Any]:  # noqa: B008
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def served_until_quiet(customer: Customer) -> list[str]:
    """Run as often as the sweeper would ring; return the names of the alerts."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(RUNS):
            with suppress(Exception, WorkerDied):
                customer.is_served()
    return [line["event"] for line in logs if line.get("alert")]


def path_of_profile(customer: Customer) -> str:
    return f"user_profiles/{customer.user_key}"


# --- what breaks ------------------------------------------------------------------------------------------------------
def rules(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "hear", raising())


def dialogue(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.dialogue, "reply", raising(LookupError("field")))


def renderer(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that Meta's limits forbid; InvalidMessage is raised when it is rendered."""
    content_of = commits.content_of

    def render(reply: Reply) -> Any:
        return content_of(reply if NEUTRAL in reply.text else Reply("x" * 5000))

    monkeypatch.setattr(commits, "content_of", render)


def knowledge_file(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "load", raising(ValueError("line 3")))


def plan_failure(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "plan_turn", raising())
    monkeypatch.setattr(planning, "plan_failure", raising())


def learning(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "learn_from_senders", raising())


def worker_dies(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "plan_turn", raising(WorkerDied()))


def worker_dies_giving_up(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "plan_turn", raising(WorkerDied()))
    monkeypatch.setattr(planning, "plan_failure", raising(WorkerDied()))


def sender(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is missing."""
    newest = next(message for message in customer.received if message.state == MessageState.RECEIVED)
    customer.store.inner.commit([Update(newest.path, {"sender": "v9.unreadable"})])


def session(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release wrote it."""
    garbage = {"intents": "none", "collected": 7, "asked": [], "last_user_at": "yesterday"}
    customer.store.inner.commit([Update(f"sessions/{customer.header.session_id}", garbage)])


def profile(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    customer.store.inner.commit([Update(path_of_profile(customer), {"wa_id": "v9.unreadable", "metadata": "none"})])


def reading_the_session(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_again(messages: Any, others: Any = ()) -> Any:
        if others:
            raise TypeError("session")
        return stores.read_again(messages)

    monkeypatch.setattr(context, "read_again", read_again)


def document_refused(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database takes no such document, e.g. a session that has grown beyond its limit."""
    customer.store.commit_faults = [Fault(InvalidDocument("too large"))] * 4


def conflict_with_nobody(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same commit meets the same document each time."""
    monkeypatch.setattr(turns, "jitter", lambda race: 0)
    customer.store.commit_faults = [Fault(AlreadyExists("handoffs/1"))] * turns.RACES_MAX * 3


TO_A_PERSON: list[Break] = [
    rules,
    dialogue,
    renderer,
    knowledge_file,
    plan_failure,
    learning,
    worker_dies,
    worker_dies_giving_up,
    sender,
    session,
    reading_the_session,
    document_refused,
    conflict_with_nobody,
]


@pytest.mark.parametrize("breaks", TO_A_PERSON, ids=lambda breaks: breaks.__name__)
def test_what_fails_for_good_ends_with_a_person_a_neutral_word_and_an_alert(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, breaks: Break
) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    customer.writes("Onde fica a empresa?")
    said = len(customer.outside.sent)
    breaks(customer, monkeypatch)
    alerts = served_until_quiet(customer)
    assert {message.state for message in customer.received} == {MessageState.HANDLED}
    assert [handoff.routing for handoff in customer.handoffs] == ["failure"]
    assert customer.header.mode == Mode.WAITING_HUMAN
    [neutral] = customer.outside.texts[said:]
    assert neutral.startswith(NEUTRAL)
    assert alerts.count("turn_given_up") >= 1
    monkeypatch.undo()
    customer.writes("alguém aí?")
    served_until_quiet(customer)
    assert {message.state for message in customer.received} == {MessageState.HANDLED}


def test_what_kills_even_who_gives_it_up_is_left_alone_with_an_alert(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, valkey: Any
) -> None:
    """Workers would else be killed for ever, and others wait for them. What an agent writes leaves all the same."""
    customer.writes("oi").is_served()
    customer.writes("mata quem lê")
    monkeypatch.setattr(turns, "take_turn", raising(WorkerDied()))
    for _ in range(turns.TRIES_MAX):
        with pytest.raises(WorkerDied):
            customer.is_served()
    agents.take(user_key=customer.user_key, agent="user:7", now=timezone.now())
    agents.reply(user_key=customer.user_key, agent="user:7", text="Oi!", key="a1", now=timezone.now())
    with structlog.testing.capture_logs() as logs:
        customer.is_served()
        customer.is_served()
    assert [line["event"] for line in logs if line.get("alert")] == ["turn_set_aside"]
    assert sorted(message.state for message in customer.received) == ["HANDLED", "RECEIVED"]  # and lost it is not
    assert customer.outside.texts[-1] == "Oi!"
    monkeypatch.undo()  # what killed them is mended, and then the hour is over
    tries = f"attempts:{customer.user_key}"
    valkey.expire(tries, 100)
    customer.is_served()  # the sweeper goes on ringing
    assert 0 < valkey.ttl(tries) <= 100
    valkey.delete(tries)
    customer.is_served()
    assert {message.state for message in customer.received} == {"HANDLED"}


def test_a_classifier_that_raises_is_no_failure(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning.orchestrator, "classify", raising())
    with structlog.testing.capture_logs() as logs:
        customer.writes("Onde fica a empresa?").is_served()
    assert "Vicente Machado" in customer.outside.texts[0]
    assert [line["event"] for line in logs if line.get("alert")] == ["classifier_failed"]
    assert not customer.handoffs


def test_blue_ticks_that_fail_hold_up_no_answer(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outside, "mark_read", raising())
    customer.writes("oi").is_served()
    assert customer.states == ["SENT"]


def test_a_client_that_raises_leaves_a_doubt_that_a_person_settles(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    customer.outside.answers = [Broken()]
    customer.writes("oi")
    with pytest.raises(Broken):
        customer.is_served()
    for _ in range(RUNS):
        customer.is_served_after(clock, timedelta(seconds=125))
    assert (customer.states, len(customer.outside.sent)) == (["NEEDS_HUMAN"], 1)
    assert [handoff.routing for handoff in customer.handoffs] == ["failure"]


def test_a_profile_that_cannot_be_read_hides_no_failure(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the customer is reached is unknown then; the message itself still names them."""
    customer.writes("oi").is_served()
    profile(customer, monkeypatch)
    customer.writes("Onde fica a empresa?")
    served_until_quiet(customer)
    assert {message.state for message in customer.received} == {MessageState.HANDLED}
    assert len(customer.outside.sent) == 2 or customer.handoffs


def test_an_echo_that_cannot_be_read_keeps_nobody_waiting(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    customer.writes("oi").is_served()
    customer.is_answered_on_the_phone()
    customer.store.inner.commit([Update(customer.echoes[0].path, {"sender": "v9.unreadable"})])
    customer.writes("obrigado")
    served_until_quiet(customer)
    assert {message.state for message in customer.received} == {MessageState.HANDLED}
    assert customer.header.mode == Mode.HUMAN


def test_an_echo_that_cannot_be_recorded_whole_gives_the_owner_the_conversation_all_the_same(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer.writes("Preciso de um sistema sob medida").is_served()
    customer.is_answered_on_the_phone()
    customer.writes("obrigado")
    monkeypatch.setattr(takeover, "learn_from_senders", raising())
    served_until_quiet(customer)
    assert (customer.echoes[0].state, customer.header.mode) == ("SENT", Mode.HUMAN)
    assert {message.state for message in customer.received} == {MessageState.HANDLED}
    assert len(customer.outside.sent) == 1


def test_a_store_that_is_away_for_long_hands_nobody_over_and_all_are_answered_when_it_is_back(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "jitter", lambda race: 0)
    customer.writes("oi")
    customer.store.commit_faults = [Fault(Unavailable("no answer"))] * turns.RACES_MAX * 5
    for _ in range(5):
        with pytest.raises(TooManyRaces):
            customer.is_served()
    customer.is_served()
    assert (customer.states, customer.handoffs) == (["SENT"], [])


def test_a_sweeper_that_cannot_read_the_store_calls_somebody(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(customer.store), "query", raising(Unavailable("no answer")))
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
        sweep()
    assert [line["event"] for line in logs if line.get("alert")] == ["documents_unreachable"]
