import pytest

from pyloto.privacy.masking import mask_phone, mask_text
from tests.lab import canaries, hostile


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+5541999998899", "+55 41 9••••-••99"),
        ("+554232221234", "+55 42 ••••-••34"),
        ("+12125550123", "+1 ••••••23"),
        ("not a phone", "••••••ne"),
    ],
)
def test_a_phone_on_a_screen_shows_its_area_and_two_digits(phone, masked):
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("me liga no (42) 99999-8888, por favor", "me liga no [telefone], por favor"),
        ("meu e-mail é ana.silva+loja@exemplo.com.br.", "meu e-mail é [e-mail]."),
        ("ana@exemplo.com, beto@exemplo.com", "[e-mail], [e-mail]"),
        ("ana@exemplo.com+beto@exemplo.com e x@ana@exemplo.com", "[e-mail] e x@[e-mail]"),
        ("a" * 200 + "@exemplo.com", "[e-mail]"),
        ("CPF 529.982.247-25", "CPF [cpf]"),
        ("CNPJ 12.ABC.345/01DE-35 e 11.222.333/0001-81", "CNPJ [cnpj] e [cnpj]"),
        ("zap 12125550123", "zap [telefone]"),
        (f"id {canaries.WAMID}", "id [mensagem]"),
        (f"user {canaries.BSUID}", "user [cliente]"),
    ],
)
def test_what_identifies_a_person_becomes_a_marker(text, masked):
    assert mask_text(text) == masked


@pytest.mark.parametrize("spelling", canaries.PHONE_SPELLINGS)
def test_no_spelling_of_a_phone_survives(spelling):
    assert canaries.find_canaries(mask_text(f"fone: {spelling}.")) == []


@pytest.mark.parametrize(
    "text",
    [
        "quero um sistema para 1000-2000 pedidos por mês, até R$ 15.000,00, em 2026-2027",
        "session_closed",
        "0f3c9e1b7a2d4c5e8f901234567890abcdef1234",
        "550e8400-e29b-41d4-a716-446655440000",
        "2026-11-22T17:24:17.961138+00:00",
        "106540352242922",  # a phone_number_id: ours, 15 digits
        "versão 1.2.3",
    ],
)
def test_ids_times_and_amounts_stay(text):
    assert mask_text(text) == text


def test_a_hostile_text_is_masked_at_once():
    for text in hostile.texts(4 * hostile.LENGTH):
        with hostile.fuse():
            mask_text(text)
