import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyloto.privacy.phones import InvalidPhone, canonical_phone, canonical_wa_id


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("+55 (42) 9 9999-8888", "+5542999998888"),
        ("5542999998888", "+5542999998888"),
        ("554299998888", "+5542999998888"),  # an old account's wa_id
        ("+554299998888", "+5542999998888"),
        ("42 99999-8888", "+5542999998888"),
        ("4299998888", "+5542999998888"),
        ("042 99999-8888", "+5542999998888"),
        ("554232221234", "+554232221234"),  # a landline has no ninth digit
        ("(42) 3222-1234", "+554232221234"),
        ("+1 212 555 0123", "+12125550123"),
        ("12125550123", "+12125550123"),
        ("+351 912 345 678", "+351912345678"),
    ],
)
def test_one_canonical_form_for_every_spelling(raw, canonical):
    assert canonical_phone(raw) == canonical


@pytest.mark.parametrize("raw", ["", "abc", "12", "+55 42", "+5500999998888", "9" * 30])
def test_what_is_no_phone_is_refused_without_quoting_it(raw):
    with pytest.raises(InvalidPhone) as error:
        canonical_phone(raw)

    assert raw not in str(error.value) or not raw


@pytest.mark.parametrize(
    ("wa_id", "canonical"),
    [
        ("554299998888", "+5542999998888"),
        ("+5542999998888", "+5542999998888"),
        ("554232221234", "+554232221234"),
        ("15551234567", "+15551234567"),  # no table calls this valid; the customer exists all the same
        ("5500999998888", "+5500999998888"),
    ],
)
def test_a_wa_id_is_never_refused_for_a_table_of_numbers(wa_id, canonical):
    assert canonical_wa_id(wa_id) == canonical


@pytest.mark.parametrize("wa_id", ["", "1234567", "1" * 16, "55429999x888", "٥٥٤٢٩٩٩٩٨٨٨٨"])
def test_a_wa_id_has_8_to_15_digits(wa_id):
    with pytest.raises(InvalidPhone):
        canonical_wa_id(wa_id)


@given(st.from_regex(r"55[1-9][1-9]9?[6-9][0-9]{7}", fullmatch=True))
def test_with_and_without_the_ninth_digit_are_one_person(wa_id):
    canonical = canonical_wa_id(wa_id)

    assert canonical_wa_id(canonical) == canonical
    assert len(canonical) == len("+5542999998888")
