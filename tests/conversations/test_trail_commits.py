"""What other apps change about a customer is committed with its audit events, under the header's version."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from audit import Event, EventType, verify
from audit.errors import CustomerErased, CustomerMerged, TrailContended
from audit.stores import AuditLogStore
from audit.trails import commit_with_events
from conversations.models import Conversation
from conversations.services.trail import TRIES
from pyloto.documents import Create, DocumentStore, PreconditionFailed, Unavailable, Update, Write, get_store, use_store
from tests.conversations import chat_data as data
from tests.lab.faulty_store import Fault, FaultyStore

PROFILE = "user_profiles/ana"


def event(name: str = "edit") -> Event:
    return Event(name, EventType.PROFILE_UPDATED, "user:7", timezone.now(), metadata={"fields": ["city"]})


def commit(**fields: Any) -> None:
    commit_with_events(user_key="ana", events=[event()], writes=[Update(PROFILE, fields or {"city": "Irati"})])


def chain(name: str = "ana-conversation") -> list[dict[str, Any]]:
    return [found.to_document() | {"id": found.pk} for found in AuditLogStore().trail(name)]


def test_the_write_its_event_and_the_header_go_together(store: DocumentStore):
    data.conversation()
    commit()
    (only,) = chain()
    header = store.get("conversations/ana").data
    assert store.get(PROFILE).data["city"] == "Irati"
    assert only["event_type"] == "PROFILE_UPDATED"
    assert header["audit_head"] == {"seq": 1, "hash": only["current_hash"]}


def test_a_lost_race_is_run_again_and_the_chain_verifies(embedded_store: DocumentStore):
    data.conversation()
    faulty = FaultyStore(embedded_store)
    faulty.before_commits.append(lambda: embedded_store.update("conversations/ana", {"unread": 3}))
    with use_store(faulty):
        commit()
    assert len(chain()) == 1
    assert verify("ana-conversation", chain()) == []
    assert get_store().get("conversations/ana").data["unread"] == 3


def test_an_answer_that_was_lost_applies_nothing_twice(embedded_store: DocumentStore):
    data.conversation()
    faulty = FaultyStore(embedded_store)
    faulty.lose_commit_answer()
    with use_store(faulty):
        commit()
    assert len(chain()) == 1


class BusyStore(FaultyStore):
    """Loses the answer of its first commit; another commit to the conversation follows that one at once."""

    commits = 0

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        update_times = super().commit(writes)
        self.commits += 1
        if self.commits == 1:
            with use_store(self.inner):
                commit_with_events(user_key="ana", events=[event("of another")])
            raise Unavailable("no answer")
        return update_times


def test_a_lost_answer_is_recognised_behind_the_commits_of_others(store: DocumentStore):
    data.conversation()
    with use_store(BusyStore(store)):
        commit()
    assert [found["event_id"] for found in chain()] == ["edit", "of another"]


def test_the_callers_precondition_is_not_refused_by_their_own_commit(embedded_store: DocumentStore):
    data.conversation()
    shown = embedded_store.get(PROFILE).update_time
    with use_store(BusyStore(embedded_store)):
        commit_with_events(user_key="ana", events=[event()], writes=[Update(PROFILE, {"city": "Irati"}, shown)])
    assert embedded_store.get(PROFILE).data["city"] == "Irati"


def test_a_lost_answer_at_the_last_try_is_recognised_too(
    embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conversations.services.trail.TRIES", 1)
    data.conversation()
    with use_store(BusyStore(embedded_store)):
        commit()
    assert [found["event_id"] for found in chain()] == ["edit", "of another"]


def test_a_customer_who_was_merged_is_refused_where_the_caller_asks_for_it(embedded_store: DocumentStore):
    data.conversation(merged_into="rui")
    with pytest.raises(CustomerMerged):
        commit_with_events(
            user_key="ana", events=[event()], writes=[Update(PROFILE, {"city": "Irati"})], refuse_merged=True
        )
    assert (chain(), get_store().get(PROFILE).data["city"]) == ([], "")
    commit()
    assert len(chain()) == 1


def test_the_callers_own_precondition_fails_as_such_and_nothing_is_written(store: DocumentStore):
    data.conversation()
    stale = store.get(PROFILE).update_time
    store.update(PROFILE, {"city": "Castro"})
    with pytest.raises(PreconditionFailed):
        commit_with_events(user_key="ana", events=[event()], writes=[Update(PROFILE, {"city": "Irati"}, stale)])
    assert store.get(PROFILE).data["city"] == "Castro"
    assert chain() == []


def test_a_header_behind_its_chain_is_no_obstacle(embedded_store: DocumentStore):
    data.conversation()
    AuditLogStore().append("ana-conversation", event("from elsewhere"))
    commit()
    assert [found["event_id"] for found in chain()] == ["from elsewhere", "edit"]
    assert verify("ana-conversation", chain()) == []


def test_nothing_of_an_erased_customer_is_changed(embedded_store: DocumentStore):
    data.conversation(status=Conversation.Status.ERASED)
    with pytest.raises(CustomerErased):
        commit()
    assert not get_store().get(PROFILE).data["city"]


def test_nothing_is_told_of_somebody_of_whom_only_the_journal_is_left(embedded_store: DocumentStore):
    get_store().create("erasures/ana", {"requested_at": timezone.now()})
    with pytest.raises(CustomerErased):
        commit_with_events(user_key="ana", events=[event()])
    assert chain("system") == []


def test_a_store_that_never_answers_gives_up(embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    data.conversation()
    faulty = FaultyStore(embedded_store)
    faulty.commit_faults += [Fault(Unavailable("no answer")) for _ in range(TRIES)]
    with use_store(faulty), pytest.raises(TrailContended):
        commit()
    assert chain() == []


def test_a_customer_without_conversation_has_their_events_on_the_system_chain(store: DocumentStore):
    commit_with_events(user_key="ana", events=[event()], writes=[Create(PROFILE, {"city": "Irati"})])
    (only,) = chain("system")
    assert only["metadata"] == {"fields": ["city"], "user_key": "ana"}
    assert store.get(PROFILE).data["city"] == "Irati"


def test_two_writers_of_the_system_chain_both_get_in(embedded_store: DocumentStore):
    faulty = FaultyStore(embedded_store)
    faulty.before_commits.append(lambda: AuditLogStore(embedded_store).append("system", event("other")))
    with use_store(faulty):
        commit_with_events(user_key="ana", events=[event()], writes=[Create(PROFILE, {"city": "Irati"})])
    assert [found["event_id"] for found in chain("system")] == ["other", "edit"]
    assert verify("system", chain("system")) == []


def test_a_lost_answer_of_the_system_chain_applies_nothing_twice(embedded_store: DocumentStore):
    faulty = FaultyStore(embedded_store)
    faulty.lose_commit_answer()
    with use_store(faulty):
        commit_with_events(user_key="ana", events=[event()], writes=[Create(PROFILE, {"city": "Irati"})])
    assert len(chain("system")) == 1
