"""The facts that the bot may state."""

from datetime import UTC, datetime

import pytest

from ai import knowledge


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("qual o horário de vocês?", "das 9h às 17h"),
        ("vcs abrem sábado?", "segunda a sexta"),
        ("onde vocês ficam?", "Dr. Vicente Machado, 1472"),
        ("qual o e-mail?", "contato@pyloto.com.br"),
        ("tem site?", "pyloto.com.br"),
        ("vcs são um robô?", "inteligência artificial"),
        ("estou falando com uma pessoa?", "inteligência artificial"),
        ("o que é a Moto Ponta?", "Moto Ponta Brasil"),
        ("o que vocês fazem?", "sistemas sob medida"),
        ("quanto custa?", "nossa equipe"),
    ],
)
def test_a_question_gets_its_fact(question: str, fact: str) -> None:
    assert fact in (knowledge.find_answer(question) or "")


@pytest.mark.parametrize("question", ["vocês têm CNPJ?", "aceitam cartão?", "quero um app", "sistema", ""])
def test_what_the_base_does_not_know_has_no_answer(question: str) -> None:
    assert knowledge.find_answer(question) is None


def test_two_questions_in_one_message_get_both_facts() -> None:
    answer = knowledge.find_answer("qual o horário e o endereço?") or ""
    assert "9h" in answer
    assert "Ponta Grossa" in answer


def test_thanks_are_answered_only_where_they_are_the_message() -> None:
    assert "Por nada" in (knowledge.find_answer("muito obrigado!") or "")
    assert knowledge.find_answer("obrigado pela atenção, mas o sistema que vocês fizeram parou de funcionar") is None


def test_no_answer_promises_a_price_or_a_deadline() -> None:
    answers = " ".join(entry.answer for entry in knowledge.load().entries)
    assert "R$" not in answers
    assert "dias" not in answers


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (datetime(2026, 11, 23, 12, 0, tzinfo=UTC), True),  # Monday 9:00 in São Paulo
        (datetime(2026, 11, 23, 11, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 20, 0, tzinfo=UTC), False),  # 17:00
        (datetime(2026, 11, 21, 15, 0, tzinfo=UTC), False),  # Saturday
    ],
)
def test_humans_answer_from_nine_to_five_in_sao_paulo(now: datetime, is_open: bool) -> None:
    assert knowledge.hours().is_open(now) is is_open


def test_after_friday_evening_humans_are_back_on_monday_morning() -> None:
    opening = knowledge.hours().next_opening(datetime(2026, 11, 20, 21, 0, tzinfo=UTC))
    assert opening == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
