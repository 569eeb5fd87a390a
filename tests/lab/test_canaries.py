import base64

import pytest

from tests.lab import canaries


@pytest.mark.parametrize("spelling", canaries.PHONE_SPELLINGS)
def test_every_spelling_of_the_phone_is_found(spelling):
    assert "phone" in canaries.find_canaries(f"sent to {spelling}, ok")


@pytest.mark.parametrize("prefix", [b"", b"a", b"ab", b"abc"])
@pytest.mark.parametrize("digits", [b"5542998761234", b"554298761234"])
def test_the_phone_inside_of_base64_is_found_at_any_alignment(prefix, digits):
    text = base64.urlsafe_b64encode(prefix + digits + b"tail").decode()

    assert "phone in base64" in canaries.find_canaries(text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Hello ZULEICA", "name"),
        ("mailto:Z.Quixa@Canario.Invalid", "e-mail"),
        (canaries.WAMID.removeprefix("wamid."), "phone in base64"),
        (canaries.WAMID, "wamid"),
        (f"/users/{canaries.BSUID}/", "business-scoped id"),
        ("cpf 52998224725", "cpf"),
        ("?phone=%2B55%2042%2099876-1234", "phone"),
    ],
)
def test_other_planted_values_are_found(text, label):
    assert label in canaries.find_canaries(text)


def test_a_clean_line_holds_no_canary():
    assert canaries.find_canaries('{"event": "session_closed", "conversation_id": "9d1f00a7", "count": 3}') == []
