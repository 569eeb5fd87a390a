"""Reading what customers answer: the lines of `answers.toml`, and what holds of any text."""

import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import answers, collecting, flows
from conversations.answers import UNKNOWN
from conversations.intents import Intent

TODAY = date(2026, 11, 23)  # the day on which the lines were written
LINES: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("answers.toml").read_text(encoding="utf-8"))
SOFTWARE, SAAS = Intent.CUSTOM_SOFTWARE, Intent.SAAS_COMMUNICATION
DRIVER, MERCHANT = Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP, Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP
Read = Callable[[str], str | None]


def asked(intent: Intent, name: str) -> Read:
    """What the field of a flow makes of a text that answers its question."""
    field = flows.FLOWS[intent.value].field(name)
    assert field is not None
    return lambda text: collecting.read_answer(field, text, TODAY)


def yes_or_no(text: str) -> str | None:
    yes, no = answers.is_yes(text), answers.is_no(text)
    assert not (yes and no)
    return "yes" if yes else "no" if no else None


READ: dict[str, Read] = {
    "count": asked(SOFTWARE, "users"),
    "per_month": asked(SAAS, "volume"),
    "deadline": asked(SOFTWARE, "deadline"),
    "city": asked(SOFTWARE, "city"),
    "state": asked(SOFTWARE, "state"),
    "money": asked(SOFTWARE, "budget"),
    "name": asked(DRIVER, "name"),
    "company": asked(MERCHANT, "company"),
    "vehicle": asked(DRIVER, "vehicle"),
    "availability": asked(DRIVER, "availability"),
    "channels": asked(SAAS, "channels"),
    "client_type": asked(SOFTWARE, "client_type"),
    "business_type": asked(SAAS, "business_type"),
    "segment": asked(MERCHANT, "segment"),
    "problem": asked(SOFTWARE, "problem"),
    "pain": asked(SAAS, "pain"),
    "yes_no": yes_or_no,
    "refusal": lambda text: "yes" if answers.is_refusal(text) else None,
}
SETTLED = ("count", "per_month", "deadline", "city", "state", "money", "name", "company", "vehicle", "channels")


def test_every_table_of_lines_is_read() -> None:
    assert READ.keys() == LINES.keys()
    assert sum(map(len, LINES.values())) > 1500


@pytest.mark.parametrize("table", LINES)
def test_every_line_is_read_as_it_is_meant(table: str) -> None:
    """Empty in the table: it must not be taken for an answer; that it refuses one (`unknown`) is allowed."""
    read, wrong = READ[table], {}
    for text, meant in LINES[table].items():
        value = read(text) or ""
        if value != meant and not (not meant and value == UNKNOWN):
            wrong[text] = value
    assert wrong == {}


@pytest.mark.parametrize("table", SETTLED)
def test_what_was_read_is_read_again_as_the_same(table: str) -> None:
    """An agent reads it, a customer repeats it: "10 a 15", "Castro/PR", "até março (03/2027)"."""
    meant = {value for value in LINES[table].values() if value not in ("", "0", UNKNOWN)}
    again = {value: READ[table](value) or "" for value in meant}
    assert {value: text for value, text in again.items() if text.lower() != value.lower()} == {}


@pytest.mark.parametrize("table", LINES)
def test_capitals_spaces_and_a_full_stop_change_nothing(table: str) -> None:
    same = {
        "business_type",
        "segment",
        "problem",
        "pain",
        "availability",
        "money",
        "deadline",
        "name",
        "company",
        "refusal",
    }
    read = READ[table]
    for text in LINES[table]:
        value = read(text)
        assert read(f"  {text}  ") == value, text
        if table not in same:
            assert (read(text.upper()) or "").lower() == (read(text.lower()) or "").lower(), text


@pytest.mark.parametrize(
    ("find", "text", "value"),
    [
        (answers.find_people, "somos uns 10 funcionários", "10"),
        (answers.find_people, "quero falar com uma pessoa", None),
        (answers.find_people, "preciso controlar o ponto de 200 funcionários", None),
        (answers.find_people, "um sistema que atenda 500 clientes", None),
        (answers.find_people, "um app para 30 vendedores e 2 gerentes", "32"),
        (answers.find_people, "meu telefone é 42 99999-1234, pessoa física", None),
        (answers.find_city, "uma padaria em Irati/PR, com 3 lojas", "Irati/PR"),
        (answers.find_city, "feliz natal e boa vista do mar", None),
        (answers.find_city, "moro em Jaguariaíva e tenho moto", "Jaguariaíva/PR"),
        (answers.find_city, "um sistema para santos de madeira", None),
        (answers.find_city, "uma loja de cascavel", "Cascavel/PR"),
        (answers.find_city, "entrega para o cliente e para o motoboy", None),
        (answers.find_deadline, "quero para dezembro, se der", "para dezembro"),
        (answers.find_deadline, "funciona 24 horas e de segunda a sexta", None),
        (answers.find_deadline, "temos 3 anos de empresa", None),
        (answers.find_deadline, "hoje é tudo no caderno", None),
        (answers.find_deadline, "relatório de vendas por mês", None),
        (answers.find_money, "tenho uns R$ 8.000 para isso", "uns R$ 8.000"),
        (answers.find_money, "uns 10 usuários", None),
        (answers.find_per_month, "atendo umas 50 pessoas por dia no whats", "50 por dia"),
        (answers.find_per_month, "trabalho 8 horas por dia", None),
        (answers.find_vehicle, "quero entregar com minha moto", "Moto"),
        (answers.find_vehicle, "minha moto estragou e preciso de trabalho", None),
        (answers.find_vehicle, "minha moto quebrou", None),
        (answers.find_vehicle, "to sem moto", None),
        (answers.find_vehicle, "gostaria de fazer entregas", None),
        (answers.find_vehicle, "quero comprar uma moto", None),
        (answers.find_availability, "moto, mas não consigo trabalhar de manhã", None),
        (answers.find_availability, "não posso trabalhar nos fins de semana", None),
        (answers.find_availability, "não tenho disponibilidade à tarde", None),
        (answers.find_availability, "tenho moto, posso trabalhar à noite, menos sexta", "à noite, menos sexta"),
        (answers.find_availability, "não tenho moto, posso trabalhar à noite", "Só à noite"),
        (answers.find_deadline, "ninguém tem pressa aqui, nem tenho pressa", None),
        (answers.find_deadline, "abri minha loja em março", None),
        (answers.find_money, "hoje pago 300 reais por mês num sistema ruim", None),
        (answers.find_money, "gastei 10 mil reais num que não funciona", None),
        (answers.find_money, "gastei 10 mil reais num ruim, agora pago até R$ 5.000", "até R$ 5.000"),
    ],
)
def test_an_answer_is_found_inside_of_a_sentence(find: answers.Finder, text: str, value: str | None) -> None:
    found = find(text)
    assert (found.value if found else None) == value


# --- any text ---------------------------------------------------------------------------------------------------------
WORDS = sorted({word for table in LINES.values() for text in table for word in text.split()})
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
    st.lists(st.sampled_from([text for table in LINES.values() for text in table]), max_size=3).map(" ".join),
)
STRANGE = [
    "",
    " ",
    "🙂",
    "\u0000",
    "ﬀ ½ ①",
    "9" * 500,
    "9" * 5000,
    "\n\n",
    "İ" * 40,
    "٣ ４ Ⅳ",
    "\ud83d",
    "1,",
    "R$",
    "31/2/0000",
    "²³ pessoas",
]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_text_is_read_without_an_error(text: str) -> None:
    for read in READ.values():
        read(text)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.dates(date(2024, 1, 1), date(2060, 12, 31)))
def test_any_text_on_any_day_is_read_without_an_error_and_within_the_limits(text: str, today: date) -> None:
    for flow in flows.FLOWS.values():
        for field in flow.fields:
            value = collecting.read_answer(field, text, today)
            assert value is None or 0 < len(value) <= answers.TEXT_MAX
            found = field.find(text) if field.find else None
            assert found is None or (found.value and 0 <= found.start <= found.end <= len(text))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([value for value in LINES["deadline"].values() if "(" in value]),
    st.dates(date(2024, 1, 1), date(2060, 12, 31)),
)
def test_no_settled_deadline_is_past(words: str, today: date) -> None:
    """What the words mean on another day than the lines were written on."""
    settled = answers.settled(words.rpartition(" (")[0], today)
    if settled is None or not settled.endswith(")"):
        return
    *day, month, year = (int(part) for part in settled.rpartition("(")[2].rstrip(")").rjust(7, "0").split("/")) if "/" in settled.rpartition("(")[2] else (12, int(settled[-5:-1]))  # fmt: skip
    first_after = date(year + month // 12, month % 12 + 1, 1)
    last = date(year, month, *day) if day else first_after - timedelta(days=1)
    assert last >= today
