"""What a person finds waiting (product.md §4): every field filled by code, and one handoff for each session."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings

from ai import knowledge
from audit import EventType
from conversations.services.sessions import SessionManager
from conversations.tasks import check_session_timeouts
from pyloto.documents import AlreadyExists, PreconditionFailed, Unavailable
from tests.lab.faulty_store import Fault

from .customer import Customer
from .talk import MONDAY_NOON, Talk

LEAD = "Preciso de um sistema para controlar o estoque da empresa em Castro/PR, 10 usuários, até março, precisa ter relatórios"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery", "sessions"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


# --- its content ------------------------------------------------------------------------------------------------------
def test_every_field_is_filled_by_code() -> None:
    talk = Talk(name="Ana Souza", business_name="Padaria Sol", role="Sócio(a)")
    talk.say(LEAD)
    talk.say("quero falar com uma pessoa")
    handoff = talk.handoff
    assert handoff.lead == {
        "name": "Ana Souza",
        "city": "Castro/PR",
        "is_business": True,
        "business_name": "Padaria Sol",
        "role": "Sócio(a)",
    }
    assert (handoff.intent_primary, handoff.routing, handoff.confidence) == ("CUSTOM_SOFTWARE", "software", 0.93)
    assert (handoff.intents_detected, handoff.resolved_intents) == (["CUSTOM_SOFTWARE"], [])
    assert handoff.open_intents == ["CUSTOM_SOFTWARE"]
    assert handoff.deadline == "até março (03/2027)"
    assert (handoff.qualification_level, handoff.lead_score) == ("high", 80)
    assert "Fala com quem decide" in handoff.qualification_reasons
    assert "Fala com quem decide (+15)" in handoff.lead_score_reasons
    assert handoff.requirements["CUSTOM_SOFTWARE"]["users"] == "10"
    assert talk.last.profile["lead_score"] == 80
    empty = [name for name, value in handoff.to_document().items() if value in (None, "", [], {})]
    assert set(empty) <= {"resolved_intents", "agent_id", "taken_at", "first_reply_at", "resolved_at"}


def test_the_summary_is_read_in_ten_seconds() -> None:
    talk = Talk()
    talk.say("quero um sistema e também quero ser entregador")
    talk.say("empresa")
    talk.say("controlar a oficina, " + "que tem muitas coisas " * 40)
    talk.say("é urgente, quero falar com uma pessoa")
    lines = talk.handoff.summary.splitlines()
    assert lines[0] == "Quer um sistema sob medida, com urgência."
    assert lines[1] == "• Tipo de cliente: Empresa"
    assert lines[2].startswith("• Problema a resolver: controlar a oficina")
    assert lines[3] == "• Prazo: urgente"
    assert lines[4].startswith("Ainda não disse: funcionalidades, quantidade de usuários")
    assert lines[5] == "Também quer (ainda sem detalhes): ser entregador(a)."
    assert all(len(line) <= 160 for line in lines)
    assert len(talk.handoff.requirements["CUSTOM_SOFTWARE"]["problem"]) > 160  # all of it stands there


def test_who_said_nothing_yet_is_told_so() -> None:
    talk = Talk()
    talk.say("quero falar com uma pessoa")
    assert talk.handoff.summary == "O cliente ainda não disse sobre o que quer falar."
    assert (talk.handoff.intent_primary, talk.handoff.qualification_level) == ("ENTRY_UNKNOWN", "low")
    assert (talk.handoff.lead_score, talk.handoff.routing) == (0, "general")


@pytest.mark.parametrize("ending", ["quero falar com uma pessoa", None])
def test_a_finished_lead_leads_the_handoff_whatever_is_begun_after_it(ending: str | None) -> None:
    talk = Talk()
    talk.say(f"{LEAD}, é urgente, e também quero um chatbot")
    talk.say("3 mil")
    talk.say("sim")
    talk.say("padaria")
    if ending:
        talk.say(ending)
    else:
        talk.time_out(after=HOUR)
    handoff = talk.handoff
    assert (handoff.intent_primary, handoff.routing) == ("CUSTOM_SOFTWARE", "software")
    assert handoff.qualification_level == "high"
    assert handoff.deadline
    assert "Também quer (ainda sem detalhes): o Pyloto no atendimento da empresa." in handoff.summary


@pytest.mark.parametrize(
    ("told", "level"),
    [((), "low"), (("Carlos Silva", "Castro"), "low"), (("Carlos Silva", "Castro", "moto"), "medium")],
)
def test_a_driver_is_qualified_by_what_was_told(told: tuple[str, ...], level: str) -> None:
    talk = Talk()
    for text in ("quero ser entregador", *told, "quero falar com uma pessoa"):
        talk.say(text)
    assert talk.handoff.qualification_level == level


def test_who_wants_a_person_after_a_route_is_known_to_have_asked_for_a_delivery(settings: Any) -> None:
    settings.DELIVERY_DESK_WHATSAPP = "(42) 99999-0000"
    talk = Talk()
    talk.say("preciso de um motoboy")
    talk.say("quero falar com uma pessoa sobre um sistema")
    assert talk.handoff.intent_primary == "CUSTOM_SOFTWARE"
    assert set(talk.handoff.intents_detected) == {"CUSTOM_SOFTWARE", "PYLOTO_ENTREGA_REQUEST"}
    assert "uma entrega" in talk.handoff.summary


@pytest.mark.parametrize(
    ("now", "minutes", "until"),
    [  # UTC; São Paulo is three hours behind, and people answer from Monday to Friday, 9:00 to 17:00
        ("2026-11-23 15:00", 60, "2026-11-23 16:00"),
        ("2026-11-23 19:30", 60, "2026-11-24 12:30"),  # half an hour before the end
        ("2026-11-23 23:00", 60, "2026-11-24 13:00"),
        ("2026-11-23 11:59", 60, "2026-11-23 13:00"),
        ("2026-11-27 19:30", 60, "2026-11-30 12:30"),  # Friday evening
        ("2026-11-28 15:00", 60, "2026-11-30 13:00"),  # Saturday
        ("2026-11-23 15:00", 24 * 60, "2026-11-26 15:00"),  # three days of eight hours
        ("2026-11-23 20:00", 60, "2026-11-24 13:00"),  # they close in this very moment
        ("2026-11-23 12:00", 480, "2026-11-23 20:00"),
    ],
)
def test_the_target_counts_opening_hours_alone(now: str, minutes: int, until: str) -> None:
    at = knowledge.hours().after(datetime.fromisoformat(now).replace(tzinfo=UTC), timedelta(minutes=minutes))
    assert at.astimezone(UTC) == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize(("minutes", "hours"), [(60, 1), (180, 3)])
def test_the_target_is_a_setting(minutes: int, hours: int) -> None:
    with override_settings(HANDOFF_TARGET_MINUTES=minutes):
        talk = Talk(now=MONDAY_NOON)
        talk.say("quero falar com uma pessoa")
    assert talk.handoff.target_at == talk.now + hours * HOUR


# --- once for each session --------------------------------------------------------------------------------------------
FAULTS = {
    "refused": Fault(PreconditionFailed("header")),
    "someone was first": Fault(AlreadyExists("audit_logs")),
    "lost answer": Fault(Unavailable("commit"), applied=True),
    "not reached": Fault(Unavailable("commit")),
}


def assert_one(customer: Customer) -> None:
    assert len(customer.handoffs) == len(customer.events(EventType.HANDOFF_OPENED)) == 1
    assert [session.outcome for session in customer.sessions] == ["HANDOFF_HUMAN"]
    assert len(customer.events(EventType.MODE_CHANGED)) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_turn_opens_one_whatever_becomes_of_its_commit(customer: Customer, fault: str) -> None:
    customer.writes("quero falar com uma pessoa")
    customer.store.commit_faults = [FAULTS[fault]] * 2
    customer.is_served()
    customer.is_served()
    assert_one(customer)
    assert len(customer.outside.sent) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_the_timeouts_job_opens_one_whatever_becomes_of_its_commit(customer: Customer, clock: Any, fault: str) -> None:
    customer.writes(LEAD).is_served()
    clock.shift(timedelta(minutes=32))
    customer.store.commit_faults = [FAULTS[fault]]
    for _ in range(2):
        check_session_timeouts()
    customer.is_served()
    assert_one(customer)
    assert len(customer.outside.sent) == 2
    assert customer.handoffs[0].lead_score == 65


def test_two_who_close_the_same_session_open_one(customer: Customer, clock: Any) -> None:
    """A worker, the job and a person who asks for the end of it, each between the reading and the commit of another."""
    customer.writes(LEAD).is_served()
    clock.shift(timedelta(minutes=32))
    manager = SessionManager()
    customer.store.before_commits = [
        lambda: manager.check_timeouts(now=customer.session.started_at + timedelta(minutes=33)),
        lambda: customer.writes("oi, ainda estão aí?").is_served(),
    ]
    check_session_timeouts()
    customer.is_served()
    assert_one(customer)


def test_the_profile_keeps_the_score_and_says_who_gave_it(customer: Customer, clock: Any) -> None:
    customer.writes(LEAD).is_served()
    clock.shift(timedelta(minutes=32))
    check_session_timeouts()
    profile = customer.store.inner.get(f"user_profiles/{customer.user_key}").data
    assert (profile["lead_score"], profile["qualification_level"]) == (65, "medium")
    told = customer.events(EventType.PROFILE_UPDATED)[-1]
    assert (told["actor"], told["metadata"]["fields"]) == ("PYLOTO", ["lead_score", "qualification_level"])
