"""What a delivery costs: round trips to the documents, however many messages it holds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache

from profiles.identifiers import Sender
from profiles.services.resolution import resolve_senders
from pyloto.documents import DocumentStore, use_store
from pyloto.documents.recorder import RecordingStore

from .deliveries import envelope, post, text_message
from .kept import stored_messages

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PEOPLE = [1, 500]
FIRESTORE_MARKS = ["write_many", "commit"]  # reserve, and mark as done


class Racing(RecordingStore):
    """As in production, but while `races` somebody else creates the identity entries that we are about to create."""

    races = False

    def write_many(self, writes: Sequence[Any]) -> list[Any]:
        if self.races and writes[0].path.startswith("identities/"):
            self.inner.write_many(writes)
        return super().write_many(writes)


@pytest.fixture
def recording(store: DocumentStore, valkey: object) -> Iterator[Racing]:
    with use_store(Racing(store)) as recording:
        yield recording


def wa_ids(people: int) -> list[str]:
    return [f"55429{90000000 + n}" for n in range(people)]


def batch(people: int) -> dict[str, Any]:
    return envelope(*(text_message(f"wamid.{wa_id}", "oi", wa_id=wa_id) for wa_id in wa_ids(people)))


def know(people: int) -> None:
    senders = [Sender(wa_id=wa_id) for wa_id in wa_ids(people)]
    resolve_senders(senders, now=NOW)


def calls_of(recording: Racing, delivery: dict[str, Any]) -> list[str]:
    recording.calls.clear()
    assert post(delivery).status_code == 200
    return recording.calls


@pytest.mark.parametrize("people", PEOPLE)
def test_customers_in_the_cache_cost_one(recording: Racing, people: int) -> None:
    know(people)
    assert calls_of(recording, batch(people)) == ["write_many"]
    assert len(stored_messages()) == people


@pytest.mark.parametrize("people", PEOPLE)
def test_a_cold_cache_costs_one_more(recording: Racing, people: int) -> None:
    know(people)
    cache.clear()
    assert calls_of(recording, batch(people)) == ["get_many", "write_many"]


@pytest.mark.parametrize("people", PEOPLE)
def test_customers_never_seen_cost_three(recording: Racing, people: int) -> None:
    assert calls_of(recording, batch(people)) == ["get_many", "write_many", "write_many"]
    assert len(stored_messages()) == people


@pytest.mark.parametrize("people", PEOPLE)
def test_a_lost_race_costs_at_most_five(recording: Racing, people: int) -> None:
    recording.races = True
    calls = calls_of(recording, batch(people))
    assert len(calls) <= 5
    assert len(stored_messages()) == people


@pytest.mark.parametrize("people", PEOPLE)
def test_marks_in_the_documents_cost_two(recording: Racing, settings: Any, people: int) -> None:
    settings.DEDUPE_BACKEND = "firestore"
    know(people)
    reserve, mark = FIRESTORE_MARKS
    assert calls_of(recording, batch(people)) == [reserve, "write_many", mark]


def test_a_known_duplicate_costs_nothing(recording: Racing) -> None:
    post(batch(500))
    assert calls_of(recording, batch(500)) == []


@pytest.mark.parametrize("number", [1, 500])
def test_statuses_with_our_own_id_cost_one(recording: Racing, number: int) -> None:
    callback_data = [f"{n:032x}.{n:040x}" for n in range(number)]
    reports = [
        {"id": "wamid.x", "status": "sent", "timestamp": "1790000000", "biz_opaque_callback_data": data}
        for data in callback_data
    ]
    assert calls_of(recording, envelope(statuses=reports)) == ["write_many"]


def test_both_identifiers_and_a_previous_pepper_cost_no_more(recording: Racing, settings: Any) -> None:
    settings.PRIVACY_PEPPERS = "2:" + "A" * 43 + "=," + settings.PRIVACY_PEPPERS
    message = text_message("wamid.1", "oi", bsuid="BR.1")
    assert len(calls_of(recording, envelope(message))) == 3
    assert calls_of(recording, envelope(message | {"id": "wamid.2"})) == ["write_many"]
