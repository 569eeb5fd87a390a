"""Every change of a profile is told: who made it, when, and what was there before."""

from datetime import timedelta

import pytest

from profiles.services.editing import edit_profile, version_of
from profiles.services.history import history, values_of
from profiles.stores import UserProfileStore
from pyloto.documents import DocumentStore, Update, get_store
from tests.conversations.customer import Customer
from tests.conversations.kept import documents
from tests.lab import canaries

from .people import NOW, STAFF_USER, writes, written_down

profiles = UserProfileStore()


@pytest.mark.usefixtures("valkey")
def test_what_a_message_brings_is_told_once_and_in_cipher(store: DocumentStore) -> None:
    key = writes("wamid.1", name=canaries.NAME, wa_id=canaries.WA_ID)
    writes("wamid.2", name=canaries.NAME, wa_id=canaries.WA_ID)
    (change,) = history(key).changes
    assert change.actor == "USER"
    assert values_of(change) == {
        "phone": ["", canaries.PHONE],
        "wa_id": ["", canaries.WA_ID],
        "name": ["", canaries.NAME],
    }
    assert canaries.find_canaries(repr([s.data for s in documents("history", group=True)])) == []


@pytest.mark.usefixtures("valkey")
def test_what_the_bot_asked_is_told_as_its_doing(embedded_store: DocumentStore) -> None:
    key = writes("wamid.1")
    for n, body in enumerate(("quero ser entregador", "Irati/PR"), start=2):
        writes(f"wamid.{n}", body=body)
    told = [(change.actor, values_of(change)) for change in history(key).changes]
    assert ("PYLOTO", {"city": ["", "Irati/PR"]}) in told
    assert [actor for actor, _ in told].count("USER") == 1


@pytest.mark.usefixtures("valkey")
def test_what_is_learnt_of_somebody_later_is_told_with_what_was_there_before(embedded_store: DocumentStore) -> None:
    key = writes("wamid.1", bsuid="BR.1")
    assert writes("wamid.2", bsuid="BR.1", wa_id="", username="ana.s") == key
    assert values_of(history(key).changes[0]) == {"username": ["", "ana.s"]}


@pytest.mark.usefixtures("valkey")
def test_a_turn_that_is_made_again_tells_of_a_change_once(customer: Customer) -> None:
    """The answer of the commit is lost, or somebody else was faster."""
    customer.writes("oi")
    customer.store.lose_commit_answer()
    customer.is_served()
    assert len(documents("history", group=True)) == 1


def test_the_history_comes_in_pages_newest_first(store: DocumentStore) -> None:
    profile = written_down()
    for n in range(4):
        edit_profile(
            user_key=profile.pk,
            changes={"city": f"Cidade {n}"},
            expected_version=version_of(profiles.get(profile.pk)),
            actor=STAFF_USER,
            now=NOW + timedelta(minutes=n + 1),
        )
    first = history(profile.pk, limit=3)
    second = history(profile.pk, limit=3, before=first.next)
    told = [values_of(change)["city"][1] for change in (*first.changes, *second.changes[:-1])]
    assert told == ["Cidade 3", "Cidade 2", "Cidade 1", "Cidade 0"]
    assert second.next is None


def test_a_change_cannot_be_read_in_another_place(embedded_store: DocumentStore) -> None:
    profile, other = written_down(), written_down(phone="+5542999990002", name="Rui")
    (mine,), (theirs,) = history(profile.pk).changes, history(other.pk).changes
    get_store().commit([Update(mine.path, {"changes": theirs.changes})])
    (moved,) = history(profile.pk).changes
    assert values_of(moved) == {}
