"""Corrections of what was said before."""

from datetime import date

import pytest

from conversations.collecting import absorb
from conversations.corrections import correction
from conversations.flows import FLOWS
from tests.conversations.talk import Talk, asked_for_users, text_of, told_of_software

TODAY = date(2026, 11, 23)
SOFTWARE = FLOWS["CUSTOM_SOFTWARE"]


@pytest.mark.parametrize(
    ("known", "text", "changed"),
    [
        (4, "na verdade são 15", {"users": "15"}),
        (4, "não, 20", {"users": "20"}),
        (4, "não, são 20", {"users": "20"}),
        (4, "não são 10, são 15", {"users": "15"}),
        (4, "são 15, não 10", {"users": "15"}),
        (4, "ops, 15", {"users": "15"}),
        (4, "*15", {"users": "15"}),
        (4, "15*", {"users": "15"}),
        (4, "errei, são 15 usuários", {"users": "15"}),
        (4, "digitei errado, é 100", {"users": "100"}),
        (4, "quer dizer, 12", {"users": "12"}),
        (4, "desculpa, uns 12", {"users": "12"}),
        (4, "na verdade são 15 e ficamos em Londrina", {"users": "15", "city": "Londrina/PR"}),
        (5, "errei, é Curitiba", {"city": "Curitiba/PR"}),
        (5, "não, é Curitiba", {"city": "Curitiba/PR"}),
        (5, "na verdade é Irati, SC", {"city": "Irati/SC"}),
        (5, "na verdade somos 20 pessoas", {"users": "20"}),
        (5, "na verdade são 20", {"users": "20"}),
        (6, "muda o prazo pra junho", {"deadline": "junho (06/2027)"}),
        (6, "pode mudar o prazo para 15/12?", {"deadline": "15/12 (15/12/2026)"}),
        (6, "o prazo é junho", {"deadline": "junho (06/2027)"}),
        (6, "troca a cidade pra Londrina", {"city": "Londrina/PR"}),
        (6, "a cidade é Tibagi", {"city": "Tibagi/PR"}),
        (6, "corrige a quantidade de usuários: 25", {"users": "25"}),
        (6, "o número de usuários na verdade é 25", {"users": "25"}),
        (6, "na verdade é pessoa física", {"client_type": "Pessoa física"}),
        (6, "muda a cidade para Irati/SC e o prazo para junho", {"city": "Irati/SC", "deadline": "junho (06/2027)"}),
        (6, "na verdade o problema é controlar as vendas", {"problem": "controlar as vendas"}),
        (6, "não, sem pressa", {"deadline": "sem pressa"}),
        (6, "agora estamos em Curitiba na verdade", {"city": "Curitiba/PR"}),
        (6, "na vdd quero pra janeiro", {"deadline": "pra janeiro (01/2027)"}),
        (6, "aliás é maio", {"deadline": "maio (05/2027)"}),
        (6, "março não, abril", {"deadline": "abril (04/2027)"}),
        (5, "Castro não, Tibagi", {"city": "Tibagi/PR"}),
        (5, "a cidade tá errada, é Tibagi", {"city": "Tibagi/PR"}),
        (5, "foi mal, Tibagi", {"city": "Tibagi/PR"}),
        # Within the answer to the open question, or with mere courtesy before it.
        (6, "5 mil na verdade 8 mil", {"budget": "8 mil"}),
        (6, "5 mil, quer dizer, 8 mil", {"budget": "8 mil"}),
        (5, "desculpa, março", {"deadline": "março (03/2027)"}),
        # No corrections: an answer, a refusal, the same once more, talk.
        (4, "não", {}),
        (4, "não sei", {}),
        (4, "na verdade não sei", {}),
        (4, "na verdade são 10", {}),
        (4, "Castro", {}),
        (5, "não tenho pressa", {}),
        (5, "não, obrigado", {}),
        (6, "não", {}),
        (6, "não quero dizer", {}),
        (6, "na verdade prefiro não dizer", {}),
        (6, "muda o prazo pra 31/02", {}),
        (6, "o prazo é importante pra gente", {}),
        (6, "uns 5 mil", {}),
        (6, "não tenho orçamento", {}),
        (6, "meu telefone é 42 99999-1234, desculpa", {}),
        (2, "cadastro de usuários, na verdade só isso", {}),
        (6, "na verdade 8 mil", {}),
        (5, "opa março", {}),
        (5, "opa 2 mil", {}),
        (5, "opa, desculpa, é que eu não entendi", {}),
        (5, "na verdade eu queria era fazer entrega com minha moto", {}),
        (5, "desculpa, o pessoal aqui tá corrido", {}),
    ],
)  # fmt: skip
def test_a_correction_changes_the_answer_that_it_is_about(known: int, text: str, changed: dict[str, str]) -> None:
    collected = told_of_software(known)
    last, field = list(collected)[-1], SOFTWARE.next_field(collected)
    assert field is not None
    assert correction(SOFTWARE, text, collected, last, today=TODAY, asked=field.name) == changed


def test_a_correction_in_the_talk_is_confirmed_and_the_open_question_comes_again() -> None:
    talk = asked_for_users()
    talk.say("10")
    talk.say("castro")
    reply = talk.say("errei, são 15 usuários")
    assert talk.collected("CUSTOM_SOFTWARE")["users"] == "15"
    assert "corrigi" in text_of(reply)
    assert "Para quando" in text_of(reply)


def test_an_answer_out_of_the_profile_can_be_corrected() -> None:
    talk = Talk(city="Castro/PR", is_business=True)
    talk.say("quero um app")
    talk.say("organizar os pedidos da loja")
    talk.say("não, agora a cidade é Londrina")
    assert talk.collected("CUSTOM_SOFTWARE")["city"] == "Londrina/PR"
    assert talk.last.profile == {"city": "Londrina/PR"}


def test_a_budget_that_was_refused_can_be_given_later() -> None:
    collected = {**told_of_software(6), "budget": "unknown"}
    assert absorb(SOFTWARE, "tá bom, tenho uns R$ 5.000", collected, None, today=TODAY) == {"budget": "uns R$ 5.000"}
