"""When a session ends by itself: 30 idle minutes, two hours in all."""

from datetime import timedelta

import pytest

from tests.conversations.talk import Talk, text_of

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("idle", "sessions"), [(29 * MINUTE, 1), (30 * MINUTE, 2)])
def test_a_session_ends_after_thirty_idle_minutes(idle: timedelta, sessions: int) -> None:
    talk = Talk()
    talk.say("oi")
    talk.say("quero um app", after=idle)
    assert len(talk.sessions) == sessions


def test_a_session_ends_after_two_hours_however_busy() -> None:
    talk = Talk()
    talk.say("quero um app")
    for _ in range(5):
        talk.say("oi", after=20 * MINUTE)
    first = talk.sessions["s0"]
    assert first.expires_at == first.started_at + timedelta(hours=2)
    talk.say("oi", after=20 * MINUTE)
    assert len(talk.sessions) == 2


def test_the_message_on_an_expired_session_closes_it_and_starts_another() -> None:
    talk = Talk()
    talk.say("quero um app pra minha empresa")
    reply = talk.say("oi", after=45 * MINUTE)
    assert talk.outcomes == ["SCHEDULED_FOLLOWUP", None]
    assert talk.event_types()[:4] == ["USER_CONTACT", "SESSION_ABANDONED", "SESSION_CLOSED", "SESSION_OPENED"]
    assert talk.session is not None
    assert talk.session.pk == "s1"
    assert "Otto" in text_of(reply)


def test_the_job_closes_what_nobody_answered_and_names_the_fields_without_their_values() -> None:
    talk = Talk()
    talk.say("preciso de um sistema para controlar o estoque da minha loja")
    assert talk.time_out(after=31 * MINUTE) is None
    abandoned = talk.last.events[0]
    assert abandoned.event_type.value == "SESSION_ABANDONED"
    assert abandoned.metadata["collected"] == {"CUSTOM_SOFTWARE": ["client_type", "problem"]}
    assert "estoque" not in str(talk.last.events)
    assert talk.outcomes == ["SCHEDULED_FOLLOWUP"]
    assert talk.conversation.session_id is None


def test_the_job_leaves_a_session_alone_whose_time_is_not_over() -> None:
    talk = Talk()
    talk.say("oi")
    talk.time_out(after=29 * MINUTE)
    assert not talk.last.sessions
    assert talk.session is not None


def test_a_complete_lead_goes_to_a_human_on_timeout() -> None:
    talk = Talk()
    talk.say("preciso de um sistema para controlar estoque em Castro/PR, 10 usuários, até março")
    talk.say("empresa")
    talk.say("cadastro de produtos e relatórios")  # what is left is the budget, which is optional
    reply = talk.time_out(after=31 * MINUTE)
    assert "equipe" in text_of(reply)
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert talk.conversation.mode == "WAITING_HUMAN"
    assert talk.handoff.qualification_level == "medium"


def test_a_complete_lead_on_an_expired_session_goes_to_a_human_with_the_next_message() -> None:
    talk = Talk()
    talk.say("preciso de um sistema para controlar estoque em Castro/PR, 10 usuários, até março")
    talk.say("empresa")
    talk.say("cadastro de produtos e relatórios")
    reply = talk.say("oi, ainda estão aí?", after=50 * MINUTE)
    assert "uma pessoa vai continuar" in text_of(reply)
    assert talk.outcomes == ["HANDOFF_HUMAN"]
    assert talk.last.session_id == talk.handoff.pk


def test_a_closed_session_stands_in_no_timeout_query() -> None:
    talk = Talk()
    talk.say("qual o horário?")
    (closed,) = talk.sessions.values()
    assert closed.expires_at is None
    assert closed.closed_at == talk.now


def test_a_backlog_closes_no_session() -> None:
    talk = Talk()
    talk.say("quero um app")
    first = talk.message(text="empresa")
    talk.now += timedelta(hours=3)  # the worker was away, the message was not
    talk.turn([first])
    assert len(talk.sessions) == 1


def test_sessions_share_nothing_but_the_profile() -> None:
    talk = Talk()
    talk.say("preciso de um app para organizar pedidos, sou de Castro/PR")
    talk.say("quero um app", after=40 * MINUTE)
    assert talk.collected("CUSTOM_SOFTWARE") == {"city": "Castro/PR"}
