"""Identity keys, digests and encrypted fields."""

import base64

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from pyloto.privacy.checks import check_key_rings
from pyloto.privacy.fields import DecryptionFailed, decrypt, encrypt
from pyloto.privacy.hashing import digest, identity_keys

OLD = "1:" + base64.b64encode(b"o" * 32).decode()
NEW = "2:" + base64.b64encode(b"n" * 32).decode()
PLACE = {"path": "user_profiles/u1", "field": "phone"}


def test_an_identity_key_depends_on_kind_value_and_pepper_and_shows_none(settings):
    settings.PRIVACY_PEPPERS = OLD
    keys = {*identity_keys("PHONE", "+5542999998888"), *identity_keys("BSUID", "+5542999998888")}
    settings.PRIVACY_PEPPERS = NEW

    keys |= {*identity_keys("PHONE", "+5542999998888")}
    assert len(keys) == 3
    assert not any("5542" in key or "/" in key for key in keys)


def test_during_rotation_the_new_pepper_comes_first_and_the_old_one_is_still_looked_up(settings):
    settings.PRIVACY_PEPPERS = OLD
    before = identity_keys("PHONE", "+5542999998888")
    settings.PRIVACY_PEPPERS = f"{NEW},{OLD}"

    now = identity_keys("PHONE", "+5542999998888")

    assert [key.partition("-")[0] for key in now] == ["v2", "v1"]
    assert now[1:] == before


def test_a_digest_tells_where_one_part_ends():
    assert digest("a", "bc") != digest("ab", "c") != digest("abc")
    assert len(digest("whatsapp", "wamid.X\ud83d")) == 40


@given(st.text())
def test_an_encrypted_field_comes_back_as_it_was(value):
    assert decrypt(encrypt(value, **PLACE), **PLACE) == value


def test_the_same_value_never_looks_the_same():
    assert encrypt("+5542999998888", **PLACE) != encrypt("+5542999998888", **PLACE)


@pytest.mark.parametrize("elsewhere", [{"path": "user_profiles/u2"}, {"field": "wa_id"}])
def test_a_ciphertext_moved_to_another_document_or_field_is_refused(elsewhere):
    envelope = encrypt("+5542999998888", **PLACE)

    with pytest.raises(DecryptionFailed):
        decrypt(envelope, **PLACE | elsewhere)


@pytest.mark.parametrize("envelope", ["", "1", "1.", "1.AAAA", "9.AAAA", "x.AAAA", "1.não é base64", "²." + "A" * 60])
def test_what_is_no_envelope_is_refused(envelope):
    with pytest.raises(DecryptionFailed):
        decrypt(envelope, **PLACE)


def test_a_changed_ciphertext_is_refused():
    version, _, encoded = encrypt("olá", **PLACE).partition(".")
    sealed = bytearray(base64.urlsafe_b64decode(encoded))
    sealed[-1] ^= 1

    with pytest.raises(DecryptionFailed):
        decrypt(f"{version}.{base64.urlsafe_b64encode(sealed).decode()}", **PLACE)


def test_after_a_key_rotation_new_values_use_the_new_key_and_old_ones_stay_readable(settings):
    settings.PRIVACY_KEYS = OLD
    old = encrypt("olá", **PLACE)
    settings.PRIVACY_KEYS = f"{NEW},{OLD}"

    assert encrypt("olá", **PLACE).startswith("2.")
    assert decrypt(old, **PLACE) == "olá"


@pytest.mark.parametrize(
    "ring", ["", "1", "1:c2hvcnQ=", "one:" + OLD[2:], f"{OLD},{OLD}", "1:%%%", "1:" + OLD[2:] + "AAAA"]
)
def test_a_bad_key_ring_is_refused_without_showing_it(settings, ring):
    settings.PRIVACY_KEYS = ring

    with pytest.raises(ImproperlyConfigured) as error:
        encrypt("olá", **PLACE)

    assert "PRIVACY_KEYS" in str(error.value)
    assert OLD[2:] not in str(error.value)
    assert [problem.id for problem in check_key_rings()] == ["pyloto.E001"]
