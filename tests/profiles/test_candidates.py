"""Who may be the same person: proposed to staff on every page alike, until they merge them or say no."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.chain import verify
from conversations.services.merging import merge
from profiles.models import Erasure
from profiles.services import erasure
from profiles.services.candidates import candidates_of, dismiss
from profiles.services.editing import ProfileContended
from profiles.stores import UserProfileStore
from pyloto.documents import DocumentStore, NotFound, PreconditionFailed, Unavailable, Update, get_store, use_store
from tests.conversations.kept import documents
from tests.lab import canaries
from tests.lab.faulty_store import Fault, FaultyStore

from .people import STAFF_USER, events, writes, written_down
from .test_admin import read, staff, url

pytestmark = pytest.mark.usefixtures("embedded_store", "valkey")
profiles = UserProfileStore()
CONVERSATION = "/admin/conversations/conversation"


@pytest.fixture
def three() -> list[str]:
    """Customers of whom the second is noted by the first."""
    keys = [writes(f"wamid.{n}", name=f"Pessoa {n}", wa_id=f"554299999000{n}", bsuid=f"BR.{n}") for n in (1, 2, 3)]
    note(keys[0], keys[1])
    return keys


def note(user_key: str, *others: str) -> None:
    get_store().commit([Update(profiles.path(user_key), {"merge_candidates": list(others)})])


def merged(source: str, target: str) -> None:
    merge(source=source, target=target, actor=STAFF_USER, now=timezone.now())


def dismissed(user_key: str, other: str) -> None:
    dismiss(user_key=user_key, other=other, actor=STAFF_USER, now=timezone.now())


def test_both_are_proposed_to_each_other(three: list[str]) -> None:
    a, b, _ = three
    assert [candidates_of(key) for key in three] == [[b], [a], []]


def test_who_was_merged_is_proposed_as_who_they_are_now(three: list[str]) -> None:
    a, b, c = three
    merged(b, c)
    assert (candidates_of(a), candidates_of(c)) == ([c], [a])
    page = read(staff("view", "merge").get(url(c)))
    assert url(a) in page
    merged(a, c)
    assert candidates_of(c) == []


def test_whom_staff_dismissed_is_not_proposed_nor_noted_again(three: list[str]) -> None:
    a, b, _ = three
    dismissed(b, a)
    assert candidates_of(a) == candidates_of(b) == []
    writes("wamid.both", wa_id="5542999990001", bsuid="BR.2")  # what made them candidates, again
    assert [snapshot.data["merge_candidates"] for snapshot in documents("user_profiles")] == [[], [], []]
    [event] = [event for event in events("PROFILE_UPDATED") if event.metadata["fields"] == "dismissed_candidates"]
    assert (event.actor, event.metadata["other"]) == (STAFF_USER, a)
    dismissed(a, b)
    assert len(events("PROFILE_UPDATED")) == 1
    chain = sorted((s.data for s in documents("audit_logs")), key=lambda e: e["seq"])
    conversation_id = get_store().get(f"conversations/{b}").data["conversation_id"]
    assert not verify(conversation_id, [e for e in chain if e["conversation_id"] == conversation_id])


def test_a_dismissal_covers_whom_was_merged_into_either(three: list[str]) -> None:
    a, b, c = three
    merged(b, c)
    dismissed(a, c)
    writes("wamid.both", wa_id="5542999990001", bsuid="BR.3")
    assert candidates_of(a) == candidates_of(c) == []


@pytest.mark.parametrize("fault", [Fault(PreconditionFailed("profile")), Fault(Unavailable("no answer"), applied=True)])
def test_a_dismissal_is_made_once_however_its_commit_ends(three: list[str], fault: Fault) -> None:
    a, b, _ = three
    store = FaultyStore(get_store())
    store.commit_faults.append(fault)
    with use_store(store):
        dismissed(a, b)
    assert candidates_of(a) == []
    assert len(events("PROFILE_UPDATED")) == 1


def test_nobody_is_dismissed_who_is_not_there_or_is_the_same(three: list[str]) -> None:
    a, b, _ = three
    with pytest.raises(NotFound):
        dismissed(a, "f" * 32)
    merged(b, a)
    dismissed(a, b)
    assert profiles.get(a).dismissed_candidates == []


def test_an_erasure_leaves_no_key_of_the_person_in_what_others_dismissed(three: list[str]) -> None:
    a, b, _ = three
    dismissed(a, b)
    erasure.erase(user_key=b, reason=Erasure.Reason.REQUEST, actor=STAFF_USER, now=timezone.now())
    assert profiles.get(a).dismissed_candidates == []


# --- pages ------------------------------------------------------------------------------------------------------------
def test_staff_dismiss_on_the_page_of_a_customer(three: list[str]) -> None:
    a, b, _ = three
    client = staff("view", "merge")
    assert "Não é a mesma pessoa" in read(client.get(url(a)))
    answer = client.post(url(a, "dismiss"), {"other": b}, follow=True)
    assert "Anotado: não são a mesma pessoa" in read(answer)
    assert "Nenhuma possível duplicata" in read(answer)
    assert staff("view").post(url(a, "dismiss"), {"other": b}).status_code == 403
    assert client.post(url(a, "dismiss"), {"other": "a/b"})["Location"] == url(a)
    assert "não existe mais" in read(client.post(url(a, "dismiss"), {"other": "nobody"}, follow=True))


def test_staff_choose_anybody_to_merge_with(three: list[str]) -> None:
    a, b, c = three
    client = staff("view", "merge")
    page = f"{CONVERSATION}/{c}/merge/"
    assert page in read(client.get(url(c)))
    rui = written_down(name=canaries.NAME, phone=canaries.PHONE).pk
    for term in (canaries.NAME, *canaries.PHONE_SPELLINGS[:2]):
        answer = client.post(f"{page}search/", {"term": term})
        assert canaries.find_canaries(answer["Location"]) == []
        found = read(client.get(answer["Location"]))
        assert f'name="other" value="{rui}"' in found
        assert f'name="other" value="{a}"' not in found
    other = staff("view", "merge")
    assert "Esta busca expirou" in read(other.get(answer["Location"], follow=True))
    assert staff("view").post(f"{page}search/", {"term": "x"}).status_code == 403
    assert "Nenhum outro cliente encontrado" in read(client.post(f"{page}search/", {"term": "Pessoa 3"}, follow=True))
    merged(b, a)
    found = read(client.post(f"{page}search/", {"term": "Pessoa 2"}, follow=True))
    assert f'name="other" value="{a}"' in found  # whom they are now


def test_the_errors_of_an_undo_lead_where_who_merges_may_look(three: list[str], admin_client: Client) -> None:
    a, b, _ = three
    client = staff("view", "merge")
    merged(b, a)
    [done] = documents("merges")
    address = f"{CONVERSATION}/unmerge/{done.id}/"
    told = read(client.post(address, follow=True))
    assert "2 contatos voltaram a este cadastro, 2 ficam com o outro" in told
    again: Any = client.post(address, follow=True)
    assert (again.redirect_chain, again.status_code) == ([(url(a), 302)], 200)
    assert "já foi desfeita" in read(again)
    nowhere: Any = client.post(f"{CONVERSATION}/unmerge/nothing/", follow=True)
    assert nowhere.status_code == 200
    assert "não existe" in read(nowhere)


def test_a_dismissal_that_always_loses_says_so(embedded_store: DocumentStore, three: list[str]) -> None:
    store = FaultyStore(embedded_store)
    store.commit_faults += [Fault(PreconditionFailed("profile"))] * 50
    with use_store(store), pytest.raises(ProfileContended):
        dismissed(three[0], three[1])
