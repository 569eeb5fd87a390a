"""Customers are found by what staff know of them, in whatever spelling."""

import base64
from typing import Any

import pytest

from profiles.facts import facts_of, search_fields
from profiles.identifiers import Sender
from profiles.models import UserProfile
from profiles.services.learning import learn_from_senders
from profiles.services.resolution import resolve_senders
from profiles.services.search import Found, phones_in, search
from profiles.stores import UserProfileStore
from pyloto.documents import DocumentStore, get_store
from tests.lab import hostile

from .people import NOW, PHONE, written_down

SPELLINGS = (
    "+55 (42) 9 9999-0001", "+5542999990001", "5542999990001", "554299990001", "(42) 99999-0001", "42 9999-0001",
    "42999990001", "042 99999 0001", "4299990001", " 42.99999.0001 ", "0055 42 99999-0001", "00 55 (42) 9999-0001",
)  # fmt: skip


def learn(user_key: str, **known: Any) -> None:
    facts = {key: known.pop(key) for key in ("city", "business_name") if key in known}
    sender = Sender(**known)
    get_store().commit(
        learn_from_senders(user_key=user_key, profile=None, senders=[sender], existing={}, learnt=facts, now=NOW)
    )


def test_one_customer_is_found_by_every_spelling_of_the_phone(store: DocumentStore) -> None:
    ana = written_down()
    written_down(phone="+5542999990002")
    for spelling in SPELLINGS:
        assert search(spelling) == Found([ana.pk]), spelling
    assert search("42 99999-0003") == Found([])


@pytest.mark.parametrize(
    "term", ["", "Ana", "12", "+", "00", "0055 42", "rua 42, casa 9", "1" * 40, "1-99999-0001 2345 6789"]
)
def test_what_is_no_phone_is_looked_up_as_none(term: str) -> None:
    assert phones_in(term) == []


@pytest.mark.parametrize(
    ("term", "phones"),
    [
        ("0055 42 99999-0001", [PHONE]),
        ("+351 912 345 678", ["+351912345678"]),
        ("00351 912 345 678", ["+351912345678"]),
        ("42 99999-0001", [PHONE, "+42999990001"]),  # the second as a number with the country code 42
    ],
)
def test_a_term_stands_for_these_phones_and_no_others(term: str, phones: list[str]) -> None:
    assert phones_in(term) == phones


def test_who_wrote_but_has_no_profile_yet_is_not_counted(embedded_store: DocumentStore, valkey: object) -> None:
    resolve_senders([Sender(wa_id="5542999990001")], now=NOW)
    assert search("42 99999-0001") == Found([])


def test_names_companies_and_cities_are_found_without_their_accents(store: DocumentStore) -> None:
    learn("ana", name="Ana Lúcia de Souza", city="São Paulo/SP")
    learn("rui", name="Rui Ângelo", city="Ponta Grossa/PR", business_name="Padaria São José Ltda.")
    for term in ("ana", "ANA LUC", "lúcia", "souza", "Souza Ana", "sao paulo", "São  Paulo/sp"):
        assert search(term) == Found(["ana"]), term
    for term in ("padaria", "são josé", "JOSE PADARIA", "ângelo", "ponta g"):
        assert search(term) == Found(["rui"]), term
    for term in ("uza", "ana rui", "grossa", "%", "*", "ltda souza"):
        assert search(term) == Found([]), term


def test_customers_without_phone_are_found_by_what_whatsapp_calls_them(store: DocumentStore) -> None:
    learn(
        "ana",
        bsuid="BR.1",
        username="Ana.Souza",
        name="Ana",
    )
    for term in ("@ana.souza", "@Ana.Souza", "ana.souza"):
        assert search(term) == Found(["ana"]), term


def test_a_business_scoped_id_finds_its_customer(embedded_store: DocumentStore) -> None:
    sender = Sender(bsuid="BR.100200300", name="Rui", unattached=("BSUID",))
    get_store().commit(
        learn_from_senders(user_key="rui", profile=None, senders=[sender], existing={}, learnt={}, now=NOW)
    )
    assert search("BR.100200300") == Found(["rui"])
    assert search("BR.100200301") == Found([])


def test_a_phone_is_found_under_the_previous_pepper(embedded_store: DocumentStore, settings: Any) -> None:
    ana = written_down()
    new = "2:" + base64.b64encode(b"the-pepper-of-the-next-year-32-b").decode()
    settings.PRIVACY_PEPPERS = f"{new},{settings.PRIVACY_PEPPERS}"
    assert search("42 99999-0001") == Found([ana.pk])


def test_a_search_that_fits_many_says_that_there_are_more(embedded_store: DocumentStore) -> None:
    for n in range(4):
        learn(f"u{n}", name=f"Maria {n}")
    assert search("maria", limit=3) == Found(["u0", "u1", "u2"], more=True)
    assert search("maria", limit=4) == Found(["u0", "u1", "u2", "u3"])


def test_who_has_all_the_words_is_found_among_many_who_have_one(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"a{n:03}": f"Cliente{n} Souza" for n in range(205)} | {"z": "Dona Ana Souza"}
    facts = {key: facts_of(None) | {"name": name} for key, name in names.items()}
    times = dict.fromkeys(("created_at", "updated_at", "last_interaction"), NOW)
    get_store().commit(
        [
            UserProfileStore().create(UserProfile(id=key, **times, name=known["name"], **search_fields(known)))
            for key, known in facts.items()
        ]
    )
    assert search("ana souza") == Found(["z"])
    monkeypatch.setattr("profiles.services.search.WORD_HITS_MAX", 205)
    assert search("ana souza") == Found([], more=True)


def test_a_profile_of_an_earlier_release_is_found_after_its_next_message(embedded_store: DocumentStore) -> None:
    learn("ana", name="Ana Souza", city="Irati/PR")
    profiles = UserProfileStore()
    get_store().update(profiles.path("ana"), {"search_words": [], "city_search": ""})
    assert search("souza") == search("irati") == Found([])
    get_store().commit(
        learn_from_senders(
            user_key="ana", profile=profiles.get("ana"), senders=[Sender()], existing={}, learnt={}, now=NOW
        )
    )
    assert search("souza") == search("irati") == Found(["ana"])


def test_hostile_terms_are_answered_at_once_and_find_nobody(embedded_store: DocumentStore) -> None:
    learn("zoe", name="Zoé")
    for term in (*hostile.texts(), "\0", "\ud800", "../x", "a/b", "__name__", "\uffff", "\u202eoi"):
        with hostile.fuse():
            assert search(term).user_keys == [], term[:20]
