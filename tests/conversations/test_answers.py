"""Reading what customers answer."""

from collections.abc import Callable

import pytest

from conversations import answers


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("10", "10"),
        ("uns 10", "10"),
        ("umas dez pessoas", "10"),
        ("entre 10 e 20", "10 a 20"),
        ("de 5 a 8", "5 a 8"),
        ("10-20", "10 a 20"),
        ("mais de 100", "mais de 100"),
        ("até 5", "até 5"),
        ("2 mil", "2000"),
        ("1.500", "1500"),
        ("cinco ou seis", "5 a 6"),
        ("só eu", "1"),
        ("eu e mais 3 veterinárias", "4"),
        ("somos em 8", "8"),
        ("muitos", None),
    ],
)
def test_a_number_is_read(text: str, count: str | None) -> None:
    assert answers.read_count(text) == count


@pytest.mark.parametrize(
    ("text", "city"),
    [
        ("Ponta Grossa/PR", "Ponta Grossa/PR"),
        ("ponta grossa pr", "Ponta Grossa/PR"),
        ("Ponta Grossa", "Ponta Grossa/PR"),
        ("sou de irati, paraná", "Irati/PR"),
        ("a gente fica em castro", "Castro/PR"),
        ("Chapecó - SC", "Chapecó/SC"),
        ("são josé dos campos sp", "São José dos Campos/SP"),
        ("aqui em Curitiba", "Curitiba/PR"),
        ("PG", "Ponta Grossa/PR"),
        ("floripa", "Florianópolis/SC"),
        ("xanxerê", "Xanxerê"),
        ("bom dia", None),
        ("123", None),
        ("não sei", None),
    ],
)
def test_a_city_is_read_with_its_state(text: str, city: str | None) -> None:
    assert answers.read_city(text) == city


@pytest.mark.parametrize(
    ("text", "deadline"),
    [
        ("até março", "até março"),
        ("em 2 meses", "em 2 meses"),
        ("preciso disso até 15/12", "até 15/12"),
        ("uns 30 dias", "uns 30 dias"),
        ("pro mês que vem", "pro mês que vem"),
        ("fim do ano", "fim do ano"),
        ("o quanto antes", "o quanto antes"),
        ("urgente!!", "urgente"),
        ("tanto faz", "sem pressa"),
        ("não tenho pressa", "sem pressa"),
        ("amanhã", "amanhã"),
        ("azul", None),
    ],
)
def test_a_deadline_is_read(text: str, deadline: str | None) -> None:
    assert answers.read_deadline(text) == deadline


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("R$ 5.000", "R$ 5.000"),
        ("uns 5 mil reais", "uns 5 mil reais"),
        ("entre 5 e 10 mil", "entre 5 e 10 mil"),
        ("até R$ 300 por mês", "até R$ 300 por mês"),
        ("10k", "10k"),
        ("não", answers.UNKNOWN),
        ("caro", None),
    ],
)
def test_a_budget_is_read(text: str, money: str | None) -> None:
    assert answers.read_money(text) == money


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("umas 300 por mês", "300 por mês"),
        ("50 conversas por dia", "50 por dia"),
        ("1000 mensais", "1000 por mês"),
        ("200", "200"),
    ],
)
def test_a_volume_is_read(text: str, volume: str) -> None:
    assert answers.read_per_month(text) == volume


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("me chamo Ana Souza", "Ana Souza"),
        ("Zé da Silva", "Zé da Silva"),
        ("a empresa se chama Doce Mel", "Doce Mel"),
        ("oi", None),
    ],
)
def test_a_name_is_read(text: str, name: str | None) -> None:
    assert answers.read_name(text) == name


@pytest.mark.parametrize(
    "text", ["prefiro não dizer", "não sei", "sei lá", "ainda não defini", "não faço ideia", "pular"]
)
def test_a_refusal_is_recognised(text: str) -> None:
    assert answers.is_refusal(text)


@pytest.mark.parametrize(("text", "yes", "no"), [("sim", True, False), ("Pode ser", True, False), ("agora não", False, True),
                                                 ("não, obrigado", False, True), ("quero um app", False, False)])  # fmt: skip
def test_yes_and_no_are_told_apart(text: str, yes: bool, no: bool) -> None:
    assert (answers.is_yes(text), answers.is_no(text)) == (yes, no)


@pytest.mark.parametrize(
    ("find", "text", "value"),
    [
        (answers.find_people, "somos uns 10 funcionários", "10"),
        (answers.find_people, "quero falar com uma pessoa", None),
        (answers.find_city, "uma padaria em Irati/PR, com 3 lojas", "Irati/PR"),
        (answers.find_city, "feliz natal e boa vista do mar", None),
        (answers.find_deadline, "quero para dezembro, se der", "para dezembro"),
        (answers.find_money, "tenho uns R$ 8.000 para isso", "uns R$ 8.000"),
        (answers.find_money, "uns 10 usuários", None),
    ],
)
def test_an_answer_is_found_inside_of_a_sentence(find: answers.Finder, text: str, value: str | None) -> None:
    found = find(text)
    assert (found.value if found else None) == value


READERS: list[Callable[[str], object]] = [
    answers.read_count, answers.read_city, answers.read_deadline, answers.read_money, answers.read_per_month,
    answers.read_name, answers.read_text, answers.is_refusal, answers.find_people,
]  # fmt: skip


@pytest.mark.parametrize("text", ["", " ", "🙂", "\u0000", "ﬀ ½ ①", "9" * 500, "9" * 5000, "\n\n", "İ" * 40])
def test_strange_text_is_read_without_an_error(text: str) -> None:
    for read in READERS:
        read(text)
