"""What a customer's messages change in a profile, and what staff wrote there and stays."""

from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from conversations.services.merging import merge
from conversations.services.turns import process
from profiles.services.editing import edit_profile, version_of
from profiles.services.history import history
from profiles.services.search import Found, search
from profiles.stores import UserProfileStore
from pyloto.documents import DocumentStore, use_store
from tests.conversations.deliveries import envelope, post, text_message
from tests.conversations.kept import documents
from tests.conversations.outside import Outside
from tests.lab.faulty_store import FaultyStore

from .people import NOW, PHONE, STAFF_USER, WA_ID, events, writes, written_down

pytestmark = [pytest.mark.usefixtures("valkey")]
profiles = UserProfileStore()
SECOND_WA_ID, SECOND = "5542999990002", "+5542999990002"
BY_STAFF = "+5542988880000"
BSUID = "BR.100200300"


def edit(user_key: str, **changes: Any) -> None:
    version = version_of(profiles.get(user_key))
    edit_profile(user_key=user_key, changes=changes, expected_version=version, actor=STAFF_USER, now=timezone.now())


def contact(user_key: str) -> tuple[str, str]:
    profile = profiles.get(user_key)
    return profile.reveal("phone"), profile.reveal("wa_id")


@pytest.fixture
def ana(embedded_store: DocumentStore) -> str:
    """She writes from two numbers: those of two customers who were merged."""
    ana, second = writes("wamid.1"), writes("wamid.2", wa_id=SECOND_WA_ID)
    merge(source=second, target=ana, actor=STAFF_USER, now=timezone.now())
    return ana


def test_two_numbers_in_turn_are_answered_and_leave_the_history_in_peace(ana: str) -> None:
    before = len(history(ana).changes)
    for number in range(3):
        assert writes(f"wamid.second.{number}", wa_id=SECOND_WA_ID) == ana
        assert contact(ana) == (PHONE, SECOND_WA_ID)
        assert writes(f"wamid.first.{number}") == ana
        assert contact(ana) == (PHONE, WA_ID)
    assert len(history(ana).changes) == before


def test_a_phone_of_staff_stays_whichever_number_the_customer_writes_from(ana: str) -> None:
    edit(ana, phone=BY_STAFF)
    for number, wa_id in enumerate((SECOND_WA_ID, WA_ID, SECOND_WA_ID)):
        writes(f"wamid.later.{number}", wa_id=wa_id)
        assert contact(ana) == (BY_STAFF, wa_id)


def test_a_phone_of_staff_stays_where_whatsapp_names_one_later_and_is_nobodys_once_it_is_corrected(
    embedded_store: DocumentStore,
) -> None:
    key = writes("wamid.1", wa_id="", bsuid=BSUID)
    edit(key, phone=BY_STAFF)
    assert writes("wamid.2", bsuid=BSUID) == key
    assert contact(key) == (BY_STAFF, WA_ID)
    edit(key, phone=PHONE)
    assert search(BY_STAFF) == Found([])
    assert writes("wamid.3", wa_id=BY_STAFF.removeprefix("+"), name="Rui") != key
    assert writes("wamid.4") == key


def test_a_phone_of_staff_that_the_customer_wrote_from_stays_theirs(embedded_store: DocumentStore) -> None:
    ana = written_down().pk
    assert writes("wamid.1", bsuid=BSUID) == ana
    rui = writes("wamid.2", wa_id=SECOND_WA_ID)
    merge(source=rui, target=ana, actor=STAFF_USER, now=timezone.now())
    writes("wamid.3", wa_id=SECOND_WA_ID)
    edit(ana, phone=BY_STAFF)
    assert writes("wamid.4") == ana


def test_a_new_number_of_who_is_known_by_another_id_becomes_their_phone(embedded_store: DocumentStore) -> None:
    key = writes("wamid.1", bsuid=BSUID)
    assert writes("wamid.2", bsuid=BSUID, wa_id=SECOND_WA_ID) == key
    assert contact(key) == (SECOND, SECOND_WA_ID)
    assert set(history(key).changes[0].fields) == {"phone", "wa_id"}


def test_what_staff_edit_while_the_first_turn_runs_is_kept(store: DocumentStore) -> None:
    ana = written_down(name="").pk
    cache.clear()
    assert post(envelope(text_message("wamid.1", "oi", wa_id=WA_ID), name="Zap")).status_code == 200
    faulty = FaultyStore(store)

    def rival() -> None:
        with use_store(store):
            edit(ana, name="Ana Lúcia", city="Irati")

    faulty.before_commits = [rival]
    with use_store(faulty):
        process(user_key=ana, client=Outside())  # type: ignore[arg-type]
    profile = profiles.get(ana)
    assert (profile.name, profile.city) == ("Ana Lúcia", "Irati")
    assert contact(ana) == (PHONE, WA_ID)
    assert [message.data["state"] for message in documents("messages", group=True)].count("HANDLED") == 1


def test_whom_staff_write_down_while_their_first_turn_runs_is_one_customer(store: DocumentStore) -> None:
    """The turn looked for a profile, and there was none."""
    assert post(envelope(text_message("wamid.1", "oi", wa_id=WA_ID, bsuid=BSUID), name="Zap")).status_code == 200
    (message,) = documents("messages", group=True)
    key = message.path.split("/")[1]
    faulty = FaultyStore(store)
    blank = {"name": "Ana Lúcia", "created_at": NOW, "updated_at": NOW, "last_interaction": NOW}
    faulty.before_commits = [lambda: store.create(profiles.path(key), blank)]
    with use_store(faulty):
        process(user_key=key, client=Outside())  # type: ignore[arg-type]
    assert (profiles.get(key).name, profiles.get(key).reveal("bsuid")) == ("Ana Lúcia", BSUID)


def test_a_number_with_another_id_is_told_to_people_and_noted(
    embedded_store: DocumentStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A new phone makes a new id: the customer has one, or the number has another owner."""
    key = writes("wamid.1", bsuid=BSUID)
    assert events("PROFILE_UPDATED") == []
    for number in range(2):
        assert writes(f"wamid.other.{number}", bsuid="BR.999", name="Bruno") == key
    (event,) = events("PROFILE_UPDATED")
    assert event.metadata == {"fields": ["bsuid"], "bsuid_replaced": True}
    assert caplog.text.count("'event': 'bsuid_replaced'") == 1
    assert "BR.999" not in caplog.text
    assert writes("wamid.back", bsuid=BSUID) == key
    assert len(events("PROFILE_UPDATED")) == 1
