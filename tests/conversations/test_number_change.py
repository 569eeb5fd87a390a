"""WhatsApp says that a customer has another number or id from now on: they stay the same person, and nobody is robbed."""

import json
from typing import Any

import pytest

from audit import EventType
from profiles.identifiers import Sender
from profiles.models import Identity
from profiles.services.learning import profiles, revealed
from profiles.services.resolution import resolve_senders
from pyloto.documents import DocumentStore
from tests.lab.canaries import BSUID, WA_ID, find_canaries

from .customer import Customer
from .deliveries import envelope, post, text_message
from .kept import documents, sample, user_keys
from .kept import revealed as plain
from .outside import Outside

OLD, OLD_ID = "5542999990101", "BR.6120487795311"  # as in the samples
NEW, NEW_ID = "5542999990102", "BR.9920111405577"
NOTICES = ["user_changed_number", "customer_changed_number", "user_changed_user_id"]


@pytest.fixture
def store(embedded_store: DocumentStore) -> DocumentStore:
    """What is written differs from what other turns write in no way that adapters could tell."""
    return embedded_store


@pytest.fixture
def known(customer: Customer) -> Customer:
    """Somebody who wrote before, by phone and id."""
    customer.wa_id = OLD
    assert post(envelope(text_message("wamid.first", "oi", wa_id=OLD, bsuid=OLD_ID))).status_code == 200
    customer.is_served()
    return customer


def notice(customer: Customer, kind: str) -> dict[str, Any]:
    """The profile after the notice, in the plain."""
    assert post(sample(f"system_{kind}")).status_code == 200
    customer.is_served()
    return identifiers(customer.user_key)


def identifiers(user_key: str) -> dict[str, Any]:
    profile = profiles.find(user_key)
    return {name: revealed(profile, name) for name in ("phone", "wa_id", "bsuid")}


def entries() -> list[Identity]:
    return [Identity.from_snapshot(snapshot) for snapshot in documents("identities")]


def owner_of(**sender: str) -> str:
    return resolve_senders([Sender(**sender)], now=entries()[0].created_at, fresh=True)[0].user_key


@pytest.mark.parametrize("kind", ["user_changed_number", "customer_changed_number"])
def test_a_new_number_is_the_same_persons(known: Customer, kind: str) -> None:
    assert notice(known, kind) == {"phone": f"+{NEW}", "wa_id": NEW, "bsuid": OLD_ID}
    assert sorted((entry.kind, entry.evidence) for entry in entries()) == [
        ("BSUID", "webhook"), ("PHONE", "number_change"), ("PHONE", "webhook"),
    ]  # fmt: skip
    assert owner_of(wa_id=NEW) == owner_of(wa_id=OLD) == known.user_key
    assert known.events(EventType.PROFILE_UPDATED)[-1]["metadata"]["fields"] == ["phone", "wa_id"]


def test_a_new_id_is_the_same_persons(known: Customer) -> None:
    assert notice(known, "user_changed_user_id") == {"phone": f"+{OLD}", "wa_id": OLD, "bsuid": NEW_ID}
    assert owner_of(bsuid=NEW_ID) == owner_of(bsuid=OLD_ID) == known.user_key
    assert known.events(EventType.PROFILE_UPDATED)[-1]["metadata"]["fields"] == ["bsuid"]


@pytest.mark.parametrize("kind", [*NOTICES, "customer_identity_changed"])
def test_a_notice_is_answered_by_nothing_and_opens_nothing(customer: Customer, kind: str) -> None:
    assert post(sample(f"system_{kind}")).status_code == 200
    assert customer.is_served() is None
    assert (customer.outside.sent, customer.sessions, customer.handoffs) == ([], [], [])
    assert [message.state for message in customer.received] == ["HANDLED"]
    assert customer.header.last_user_at is None  # WhatsApp's own words open no window for replies
    assert all(message.sender is None for message in customer.received)


def test_a_new_security_code_changes_nothing(known: Customer) -> None:
    before = identifiers(known.user_key)
    assert notice(known, "customer_identity_changed") == before
    assert known.events(EventType.PROFILE_UPDATED) == []
    assert len(entries()) == 2


def test_who_writes_from_the_new_number_goes_on_and_is_answered_there(known: Customer) -> None:
    notice(known, "user_changed_number")
    known.wa_id = NEW
    known.writes("Onde fica a empresa?").is_served()
    assert user_keys() == [known.user_key]
    assert known.outside.sent[-1].recipient.wa_id == NEW


def test_the_notice_and_the_first_message_from_the_new_number_may_come_together(known: Customer) -> None:
    delivery = sample("system_user_changed_number")
    message = text_message("wamid.new", "Onde fica a empresa?", wa_id=NEW)
    delivery["entry"][0]["changes"][0]["value"]["messages"].append(message)
    assert post(delivery).status_code == 200
    known.is_served()
    assert user_keys() == [known.user_key]
    assert known.outside.sent[-1].recipient.wa_id == NEW
    assert len(known.outside.sent) == 2


@pytest.mark.parametrize(
    ("kind", "theirs"), [("user_changed_number", {"wa_id": NEW}), ("user_changed_user_id", {"bsuid": NEW_ID})]
)
def test_what_belongs_to_somebody_else_is_noted_and_not_taken(
    known: Customer, kind: str, theirs: dict[str, str]
) -> None:
    before = identifiers(known.user_key)
    other = owner_of(**theirs)
    assert notice(known, kind) == before
    assert owner_of(**theirs) == other != known.user_key
    profile = profiles.find(known.user_key)
    assert profile is not None
    assert profile.merge_candidates == [other]
    assert known.events(EventType.PROFILE_UPDATED) == []


def test_a_reply_does_not_go_to_a_number_that_belongs_to_somebody_else(known: Customer) -> None:
    """The notice names it, but whoever has it wrote to us before."""
    owner_of(wa_id=NEW)
    delivery = sample("system_user_changed_number")
    message = text_message("wamid.again", "Onde fica a empresa?", wa_id=OLD)
    delivery["entry"][0]["changes"][0]["value"]["messages"].insert(0, message)
    assert post(delivery).status_code == 200
    known.is_served()
    assert len(known.outside.sent) == 2
    assert {sent.recipient.wa_id for sent in known.outside.sent} == {OLD}


def test_the_new_identifiers_stand_nowhere_in_the_open(known: Customer, outside: Outside) -> None:
    for kind in NOTICES:
        text = json.dumps(sample(f"system_{kind}")).replace(NEW, WA_ID).replace(NEW_ID, BSUID)
        assert post(json.loads(text)).status_code == 200
    waiting = [snapshot.data for snapshot in documents("messages", group=True)]
    senders = [json.loads(plain(message, "sender")) for message in known.received if message.sender]
    assert {"phone", "business-scoped id"} <= set(find_canaries(str(senders)))
    known.is_served()
    for place in (waiting, known.trail(), [snapshot.path for snapshot in documents("identities")]):
        assert find_canaries(str(place)) == []


def test_the_change_that_was_told_twice_is_made_once(known: Customer) -> None:
    notice(known, "user_changed_number")
    delivery = sample("system_customer_changed_number")  # the same news in the older form, under an id of its own
    assert post(delivery).status_code == 200
    known.is_served()
    assert len(entries()) == 3
    assert len({entry.user_key for entry in entries()}) == 1
    assert len(known.events(EventType.PROFILE_UPDATED)) == 1
