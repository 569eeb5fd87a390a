"""Staff write down a customer who has not written yet, in the admin."""

import re
from typing import Any

import pytest
from django.test import Client

from profiles.services.search import search
from profiles.stores import UserProfileStore
from pyloto.documents import Unavailable, get_store, use_store
from tests.conversations.kept import documents
from tests.conversations.test_admin_pages import ENGLISH, visible_words
from tests.lab.faulty_store import Fault, FaultyStore

from .people import PHONE, WA_ID, events, writes
from .test_admin import LIST, read, staff, url

pytestmark = [pytest.mark.usefixtures("embedded_store", "valkey")]
NEW = f"{LIST}new/"
FACTS = {"name": "Ana Souza", "phone": "(42) 99999-0001", "city": "Irati", "is_business": "yes"}


def told(response: Any) -> str:
    """What the page says, which was asked for and did not lead on."""
    assert response.status_code == 200
    assert documents("user_profiles") == documents("audit_logs") == []
    return read(response)


def test_who_writes_from_the_phone_that_staff_wrote_down_is_that_customer() -> None:
    client = staff("view", "change")
    assert NEW in read(client.get(LIST))
    answer = client.post(NEW, FACTS, follow=True)
    assert "Cliente cadastrado." in read(answer)
    (user_key,) = search(PHONE).user_keys
    assert answer.redirect_chain == [(url(user_key), 302)]
    profile = UserProfileStore().get(user_key)
    assert (profile.name, profile.city, profile.is_business) == ("Ana Souza", "Irati", True)
    assert [event.metadata["user_key"] for event in events("PROFILE_UPDATED")] == [user_key]
    assert writes("wamid.1", wa_id=WA_ID) == user_key


def test_only_who_may_change_customers_may_write_one_down() -> None:
    for client in (staff("view"), staff("change")):
        assert client.get(NEW).status_code == client.post(NEW, FACTS).status_code == 403
    assert NEW not in read(staff("view").get(LIST))
    told(staff("view", "change").get(NEW))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phone": ""}, "Escreva o telefone."),
        ({"phone": "123"}, "Não é um telefone válido."),
        ({"name": "x" * 201}, "Texto longo demais."),
    ],
)
def test_what_cannot_be_stored_is_said_in_the_form(change: dict[str, str], said: str) -> None:
    page = told(staff("view", "change").post(NEW, FACTS | change))
    assert said in page
    assert "Irati" in page  # what was written is not lost


def test_a_phone_of_somebody_leads_to_them() -> None:
    ana = writes("wamid.1")
    page = read(staff("view", "change").post(NEW, FACTS))
    assert "Este telefone já é de outro cliente" in page
    assert url(ana) in page
    assert len(documents("user_profiles")) == 1


def test_a_store_that_does_not_answer_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    client = staff("view", "change")
    faulty = FaultyStore(get_store())
    faulty.commit_faults += [Fault(Unavailable("no answer")) for _ in range(20)]
    with use_store(faulty):
        page = read(client.post(NEW, FACTS))
    assert "Nada foi salvo." in page
    assert "ente de novo em instantes" in page
    told(client.get(NEW))


def test_the_page_is_in_portuguese(admin_client: Client) -> None:
    assert re.findall(rf"(?<![\w-])({ENGLISH})(?![\w-])", visible_words(read(admin_client.get(NEW)))) == []
