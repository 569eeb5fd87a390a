"""Two customers are one person: merged and parted again, by one commit each, both told in both trails."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from audit import EventType
from audit.errors import CustomerErased
from conversations.models import Conversation, Mode
from conversations.services import agents, merging
from conversations.services.merging import find_current, merge, undo
from conversations.services.release import release_to_bot
from conversations.services.sessions import SessionManager
from conversations.whatsapp.client import Ambiguous, Rejected, SendResult
from conversations.whatsapp.errors import ErrorClass
from profiles.identifiers import Sender
from profiles.models import Identity, Merge
from profiles.services.learning import profiles
from profiles.services.peppers import prune, rotate_peppers
from profiles.services.resolution import resolve_senders
from pyloto.documents import AlreadyExists, Create, NotFound, PreconditionFailed, Unavailable, Update
from pyloto.privacy.hashing import identity_keys
from tests.lab.canaries import find_canaries
from tests.lab.faulty_store import Fault

from . import invariants
from .customer import Customer
from .deliveries import envelope, post, text_message
from .kept import documents
from .outside import Outside

PHONE, BSUID = "5542999990001", "BR.100200300"
STAFF = "user:7"
ONE_ADAPTER = pytest.mark.parametrize("store", ["embedded"], indirect=True)  # no store could tell a difference


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("turns", "delivery", "merging"):
        monkeypatch.setattr(f"conversations.services.{module}.jitter", lambda race: 0)


class ById(Customer):
    """Somebody of whom WhatsApp gives no phone."""

    number = 0

    def writes(self, *texts: str) -> "ById":
        for text in texts:
            self.number += 1
            message = text_message(f"wamid.by-id-{self.number}", text, bsuid=BSUID)
            del message["from"]
            assert post(envelope(message)).status_code == 200
        return self


@pytest.fixture
def by_id(customer: Customer) -> ById:
    """The second customer, who has been answered; the first one is `customer`, known by phone."""
    customer.writes("oi").is_served()
    by_id = ById(customer.store, customer.outside)
    by_id.writes("oi").is_served()
    assert by_id.user_key != customer.user_key
    return by_id


def merged(source: Customer, target: Customer) -> Merge:
    return merge(source=source.user_key, target=target.user_key, actor=STAFF, now=timezone.now())


def parted(done: Merge) -> merging.Undone:
    return undo(merge_id=done.pk, actor=STAFF, now=timezone.now())


def owner_of(**sender: str) -> str:
    """As another process finds them."""
    cache.clear()
    return resolve_senders([Sender(**sender)], now=timezone.now())[0].user_key


def told(customer: Customer) -> list[str]:
    types = {EventType.IDENTITY_MERGED, EventType.IDENTITY_UNMERGED}
    return [event["event_type"] for event in customer.trail() if event["event_type"] in types]


# --- Merging ----------------------------------------------------------------------------------------------------------
def test_who_was_merged_is_the_other_one_from_then_on(customer: Customer, by_id: ById) -> None:
    done = merged(by_id, customer)
    assert owner_of(bsuid=BSUID) == owner_of(wa_id=PHONE) == find_current(by_id.user_key)[0] == customer.user_key
    assert (by_id.header.merged_into, by_id.header.owner_epoch) == (customer.user_key, 1)
    assert done.identity_ids == identity_keys("BSUID", BSUID)
    assert told(customer) == told(by_id) == ["IDENTITY_MERGED"]
    by_id.writes("Onde fica a empresa?")
    customer.is_served()
    assert [len(customer.received), len(by_id.received)] == [2, 1]
    invariants.check(by_id)


@ONE_ADAPTER
def test_the_trails_name_random_keys_only(customer: Customer, by_id: ById) -> None:
    parted(merged(by_id, customer))
    for one in (customer, by_id):
        events = one.events(EventType.IDENTITY_MERGED) + one.events(EventType.IDENTITY_UNMERGED)
        assert [event["actor"] for event in events] == [STAFF, STAFF]
        assert events[0]["metadata"]["source"] == by_id.user_key
        assert events[0]["metadata"]["target"] == customer.user_key
        assert find_canaries(str(events)) == []


def test_they_are_no_longer_noted_as_perhaps_the_same(customer: Customer, by_id: ById) -> None:
    assert post(envelope(text_message("wamid.both", "oi", wa_id=PHONE, bsuid=BSUID))).status_code == 200
    by_id.is_served()
    assert candidates(by_id) == [customer.user_key]
    assert profiles.find_by_candidate(customer.user_key) == [by_id.user_key]
    merged(by_id, customer)
    assert candidates(by_id) == candidates(customer) == []


def candidates(customer: Customer) -> list[str]:
    profile = profiles.find(customer.user_key)
    assert profile is not None
    return list(profile.merge_candidates)


def test_customers_whose_first_turn_is_not_done_can_be_merged(customer: Customer) -> None:
    assert customer.writes("oi").user_key
    by_id = ById(customer.store, customer.outside).writes("olá")
    done = merged(by_id, customer)
    by_id.is_served()
    customer.is_served()
    assert len(customer.received) == 2
    assert len(customer.outside.sent) == 1
    assert told(customer) == told(by_id) == ["IDENTITY_MERGED"]
    parted(done)
    assert owner_of(bsuid=BSUID) == by_id.user_key


@ONE_ADAPTER
def test_merges_are_followed_to_their_end(customer: Customer, by_id: ById) -> None:
    third = Customer(customer.store, Outside(), wa_id="5542999990003")
    third.writes("oi").is_served()
    merged(by_id, customer)
    merged(customer, third)
    assert find_current(by_id.user_key)[0] == third.user_key
    assert owner_of(bsuid=BSUID) == owner_of(wa_id=PHONE) == third.user_key


# --- Refusals ---------------------------------------------------------------------------------------------------------
@ONE_ADAPTER
def test_what_makes_no_sense_is_refused(customer: Customer, by_id: ById) -> None:
    third = Customer(customer.store, Outside(), wa_id="5542999990003")
    third.writes("oi").is_served()
    now, a, b, c = timezone.now(), customer.user_key, by_id.user_key, third.user_key
    merged(by_id, customer)
    for source, target, error in [
        (a, a, merging.SamePerson),
        (b, a, merging.SamePerson),
        (a, b, merging.SamePerson),  # a circle
        (b, c, merging.AlreadyMerged),
        (c, b, merging.AlreadyMerged),
        ("f" * 32, a, merging.UnknownCustomer),
        (a, "f" * 32, merging.UnknownCustomer),
    ]:
        with pytest.raises(error):
            merge(source=source, target=target, actor=STAFF, now=now)
    assert len(documents("merges")) == 1


@ONE_ADAPTER
@pytest.mark.parametrize("erased", ["source", "target"])
def test_who_was_erased_is_merged_with_nobody(customer: Customer, by_id: ById, erased: str) -> None:
    gone = by_id if erased == "source" else customer
    customer.store.inner.commit([Update(f"conversations/{gone.user_key}", {"status": Conversation.Status.ERASED})])
    with pytest.raises(CustomerErased):
        merged(by_id, customer)


@ONE_ADAPTER
def test_more_identifiers_than_a_commit_holds_are_refused(
    customer: Customer, by_id: ById, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Identity(user_key=by_id.user_key, kind="BSUID", pepper_version=1, evidence="x", created_at=timezone.now())
    customer.store.inner.commit([Create("identities/v1-other", entry.to_document())])
    monkeypatch.setattr(merging, "IDENTITIES_MAX", 1)
    with pytest.raises(merging.TooManyIdentifiers):
        merged(by_id, customer)


@ONE_ADAPTER
def test_who_is_with_a_person_stays_with_them(customer: Customer, by_id: ById) -> None:
    """The bot would answer beside the person. The other way round nobody is lost."""
    by_id.writes("quero falar com uma pessoa").is_served()
    with pytest.raises(merging.WithPerson):
        merged(by_id, customer)
    merged(customer, by_id)
    assert by_id.header.mode == Mode.WAITING_HUMAN
    customer.wa_id = PHONE
    customer.writes("alô?")
    by_id.is_served()
    assert len(by_id.received) == 3
    assert len(customer.outside.sent) == 3  # two greetings, and that a person will come
    release_to_bot(user_key=by_id.user_key, agent=STAFF, now=timezone.now())
    assert by_id.handoffs[0].status == "RESOLVED"


@ONE_ADAPTER
@pytest.mark.parametrize("minutes", [29, 31])
def test_who_was_answered_on_the_phone_is_free_when_the_bot_is(
    customer: Customer, by_id: ById, clock: Any, minutes: int
) -> None:
    customer.is_answered_on_the_phone().is_served()
    clock.shift(timedelta(minutes=minutes))
    if minutes < 30:
        with pytest.raises(merging.WithPerson):
            merged(customer, by_id)
    else:
        assert merged(customer, by_id).target == by_id.user_key


# --- What was open ----------------------------------------------------------------------------------------------------
@ONE_ADAPTER
@pytest.mark.parametrize("answer", [Rejected(130429, ErrorClass.RETRY), Ambiguous("ReadTimeoutError")])
def test_who_is_just_being_answered_is_not_merged_away(
    customer: Customer, by_id: ById, clock: Any, answer: SendResult
) -> None:
    """The merge would cancel the answer, and nobody would give another."""
    customer.outside.answers = [answer]
    by_id.writes("Onde fica a empresa?").is_served()
    with pytest.raises(merging.ReplyOnItsWay):
        merged(by_id, customer)
    if isinstance(answer, Ambiguous):
        by_id.gets("sent", by_id.replies[-1])
    by_id.is_served_after(clock, timedelta(seconds=10))
    assert by_id.states == ["SENT", "SENT"]
    assert merged(by_id, customer).target == customer.user_key


@ONE_ADAPTER
def test_an_answer_that_is_made_while_they_are_merged_is_not_lost(customer: Customer, by_id: ById, clock: Any) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    customer.store.before_commits.append(lambda: by_id.writes("Onde fica a empresa?").is_served())
    with pytest.raises(merging.ReplyOnItsWay):
        merged(by_id, customer)
    by_id.is_served_after(clock, timedelta(seconds=10))
    assert by_id.states == ["SENT", "SENT"]


@ONE_ADAPTER
def test_what_is_on_its_way_to_the_target_arrives(customer: Customer, by_id: ById, clock: Any) -> None:
    customer.outside.answers = [Rejected(130429, ErrorClass.RETRY)]
    by_id.writes("Onde fica a empresa?").is_served()
    merged(customer, by_id)
    by_id.is_served_after(clock, timedelta(seconds=10))
    assert by_id.states == ["SENT", "SENT"]


LEAD = (
    "Preciso de um sistema sob medida",
    "Empresa",
    "Controlamos o estoque em planilhas",
    "Cadastro de produtos e relatórios",
    "Umas 20 pessoas",
    "Ponta Grossa - PR",
    "Em três meses",
)


@ONE_ADAPTER
def test_whose_lead_is_complete_waits_for_a_person_and_is_not_merged_away(
    customer: Customer, by_id: ById, clock: Any
) -> None:
    for text in LEAD:
        by_id.writes(text).is_served()
    with pytest.raises(merging.WithPerson):
        merged(by_id, customer)
    clock.shift(timedelta(minutes=32))
    SessionManager().check_timeouts(now=timezone.now())
    assert agents.take(user_key=by_id.user_key, agent=STAFF, now=timezone.now()).assigned_to == STAFF


@ONE_ADAPTER
def test_the_session_runs_out_and_nobody_is_written_to(customer: Customer, by_id: ById, clock: Any) -> None:
    sent = len(customer.outside.sent)
    merged(by_id, customer)
    clock.shift(timedelta(minutes=32))
    closed = SessionManager().check_timeouts(now=timezone.now())
    assert {session.user_key for session in closed} == {customer.user_key, by_id.user_key}
    by_id.is_served()
    assert len(customer.outside.sent) == sent
    assert by_id.handoffs == []


# --- Undo -------------------------------------------------------------------------------------------------------------
def test_undo_gives_the_identifiers_back(customer: Customer, by_id: ById) -> None:
    done = merged(by_id, customer)
    undone = parted(done)
    assert (owner_of(bsuid=BSUID), owner_of(wa_id=PHONE)) == (by_id.user_key, customer.user_key)
    assert (by_id.header.merged_into, by_id.header.owner_epoch) == (None, 2)
    assert (undone.merge.undone_by, undone.merge.merged_by) == (STAFF, STAFF)
    assert (undone.given_back, undone.kept) == (1, 1)
    assert told(customer) == told(by_id) == ["IDENTITY_MERGED", "IDENTITY_UNMERGED"]
    by_id.writes("voltei").is_served()
    assert len(by_id.received) == 2
    merged(by_id, customer)  # and again
    assert owner_of(bsuid=BSUID) == customer.user_key


@ONE_ADAPTER
def test_what_was_undone_or_never_was_cannot_be_undone(customer: Customer, by_id: ById) -> None:
    done = merged(by_id, customer)
    parted(done)
    with pytest.raises(merging.AlreadyUndone):
        parted(done)
    with pytest.raises(merging.UnknownMerge):
        undo(merge_id="f" * 32, actor=STAFF, now=timezone.now())


@ONE_ADAPTER
def test_merges_are_undone_in_the_opposite_order(customer: Customer, by_id: ById) -> None:
    third = Customer(customer.store, Outside(), wa_id="5542999990003")
    third.writes("oi").is_served()
    first, second = merged(by_id, customer), merged(customer, third)
    with pytest.raises(merging.AlreadyMerged):
        parted(first)
    parted(second)
    parted(first)
    assert (owner_of(bsuid=BSUID), owner_of(wa_id=PHONE)) == (by_id.user_key, customer.user_key)


@pytest.mark.parametrize("pruned", [True, False])
def test_undo_gives_back_what_rotations_of_the_pepper_made_of_it(
    customer: Customer, by_id: ById, settings: Any, pruned: bool
) -> None:
    """Of an entry and its twin's twin nothing but the customer is the same."""
    done = merged(by_id, customer)
    ring = settings.PRIVACY_PEPPERS
    for version in (8, 9):
        new = f"{version}:{base64.b64encode(bytes([version]) * 32).decode()}"
        ring = settings.PRIVACY_PEPPERS = f"{new},{ring}"
        assert rotate_peppers().done
        if pruned:
            ring = settings.PRIVACY_PEPPERS = new
            prune()
    undone = parted(done)
    assert (undone.given_back, undone.kept) == (1, 1)
    assert (owner_of(bsuid=BSUID), owner_of(wa_id=PHONE)) == (by_id.user_key, customer.user_key)


def test_undo_gives_back_what_was_attached_through_what_it_gives_back(customer: Customer, by_id: ById) -> None:
    """Else whoever writes from there, with the id that is tried first, stays the target."""
    done = merged(customer, by_id)
    more = [{"wa_id": PHONE, "bsuid": "BR.5"}, {"wa_id": "5542999990005", "bsuid": "BR.5"}]
    cache.clear()
    sent = [text_message(f"wamid.more{number}", "oi", **known) for number, known in enumerate(more)]
    assert post(envelope(*sent)).status_code == 200
    by_id.is_served()
    undone = parted(done)
    assert (undone.given_back, undone.kept) == (3, 1)
    assert owner_of(wa_id=PHONE, bsuid="BR.5") == owner_of(wa_id="5542999990005") == customer.user_key
    assert owner_of(bsuid=BSUID) == by_id.user_key


@ONE_ADAPTER
def test_what_the_target_itself_brings_stays_with_it(customer: Customer, by_id: ById) -> None:
    done = merged(by_id, customer)
    assert post(envelope(text_message("wamid.more", "oi", wa_id=PHONE, bsuid="BR.5"))).status_code == 200
    customer.is_served()
    assert parted(done).kept == 2
    assert owner_of(bsuid="BR.5") == customer.user_key


# --- Races ------------------------------------------------------------------------------------------------------------
RACES = (PreconditionFailed("header"), AlreadyExists("audit_logs"), NotFound("identities"), Unavailable("commit"))


@pytest.mark.parametrize("fault", [*map(Fault, RACES), Fault(Unavailable("no answer"), applied=True)])
def test_a_merge_is_made_once_however_its_commit_ends(customer: Customer, by_id: ById, fault: Fault) -> None:
    customer.store.commit_faults.append(fault)
    done = merged(by_id, customer)
    customer.store.commit_faults.append(fault)
    parted(done)
    assert told(customer) == told(by_id) == ["IDENTITY_MERGED", "IDENTITY_UNMERGED"]
    assert owner_of(bsuid=BSUID) == by_id.user_key


def test_what_a_turn_attaches_meanwhile_is_merged_too(customer: Customer, by_id: ById) -> None:
    """Between our reading and our commit the source gets an identifier: the header has another version then."""
    other = "5542999990009"
    assert post(envelope(text_message("wamid.more", "oi", wa_id=other, bsuid=BSUID))).status_code == 200
    customer.store.before_commits.append(by_id.is_served)
    done = merged(by_id, customer)
    assert len(done.identity_ids) == 2
    assert owner_of(wa_id=other) == customer.user_key


def test_a_header_behind_its_chain_holds_no_merge_back(customer: Customer, by_id: ById) -> None:
    behind = by_id.header.audit_head
    by_id.writes("Onde fica a empresa?").is_served()
    customer.store.inner.commit([Update(f"conversations/{by_id.user_key}", {"audit_head": behind})])
    merged(by_id, customer)
    assert told(by_id) == ["IDENTITY_MERGED"]


def test_two_people_who_merge_at_once_merge_once(customer: Customer, by_id: ById) -> None:
    customer.store.before_commits.append(lambda: merged(by_id, customer))
    with pytest.raises(merging.SamePerson):
        merged(customer, by_id)
    assert told(customer) == told(by_id) == ["IDENTITY_MERGED"]


def test_a_merge_that_always_loses_says_so(customer: Customer, by_id: ById) -> None:
    customer.store.commit_faults = [Fault(Unavailable("commit"))] * merging.TRIES
    with pytest.raises(merging.MergeContended):
        merged(by_id, customer)
    assert owner_of(bsuid=BSUID) == by_id.user_key
