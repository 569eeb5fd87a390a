"""Commits: all writes or none; and `write_many`: each on its own. On both adapters."""

import pytest

from pyloto.documents import (
    SERVER_TIMESTAMP,
    AlreadyExists,
    ArrayUnion,
    Create,
    Delete,
    DocumentStore,
    InvalidDocument,
    NotFound,
    PreconditionFailed,
    Query,
    Set,
    Update,
)


def test_all_writes_of_a_commit_are_applied(store: DocumentStore) -> None:
    store.create("things/old", {"n": 1})
    store.create("things/gone", {})
    store.commit(
        [
            Create("things/new", {"at": SERVER_TIMESTAMP}),
            Set("things/set", {"n": 2}),
            Set("things/old", {"m": {"k": 1}}, merge=True),
            Delete("things/gone"),
        ]
    )
    read = store.get_many(["things/new", "things/set", "things/old", "things/gone"])
    assert {snapshot.id: snapshot.data for snapshot in read.values() if snapshot.id != "new"} == {
        "set": {"n": 2},
        "old": {"n": 1, "m": {"k": 1}},
    }
    assert len({snapshot.update_time for snapshot in read.values()}) == 1  # one commit, one time
    assert store.commit([]) == {}


def test_a_commit_tells_the_update_times_that_a_read_would(store: DocumentStore) -> None:
    for name in ("old", "same", "gone"):
        store.create(f"things/{name}", {"n": 1})
    given = store.commit(
        [
            Create("things/new", {"at": SERVER_TIMESTAMP}),
            Update("things/old", {"n": 2}),
            Update("things/same", {"n": 1}),
            Delete("things/gone"),
        ]
    )
    read = store.get_many(["things/new", "things/old", "things/same"])
    assert given == {path: snapshot.update_time for path, snapshot in read.items()}
    store.update("things/old", {"n": 3}, last_update_time=given["things/old"])


@pytest.mark.parametrize(
    ("offender", "error"),
    [
        (Create("things/there", {}), AlreadyExists),
        (Update("things/none", {"n": 1}), NotFound),
        (Update("things/there", {"n": 1}, last_update_time=SERVER_TIMESTAMP), PreconditionFailed),  # type: ignore[arg-type]
    ],
    ids=["exists", "missing", "changed"],
)
def test_one_offending_write_undoes_the_others(
    store: DocumentStore, offender: Create | Update, error: type[Exception]
) -> None:
    store.create("things/there", {"n": 0})
    if isinstance(offender, Update) and offender.last_update_time:
        offender = Update(offender.path, offender.fields, store.get("things/there").update_time)
        store.update("things/there", {"n": 0.5})
    with pytest.raises(error):
        store.commit([Create("things/a", {}), offender, Create("things/b", {})])
    assert [snapshot.id for snapshot in store.query(Query("things"))] == ["there"]


def test_the_first_offending_write_names_the_error(store: DocumentStore) -> None:
    store.create("things/there", {"n": 0})
    exists, missing = Create("things/there", {}), Update("things/none", {"n": 1})
    with pytest.raises(AlreadyExists):
        store.commit([exists, missing])
    with pytest.raises(NotFound):
        store.commit([missing, exists])


def test_the_loser_of_a_race_on_the_header_changes_nothing(store: DocumentStore) -> None:
    """Two runs read the same header; both commit with its update time."""
    store.create("conversations/u", {"attempt": "", "out_seq": 0})
    first = second = store.get("conversations/u").update_time
    header = {"attempt": "one", "out_seq": 1}
    store.commit([Update("conversations/u", header, first), Create("conversations/u/messages/r1", {"by": "one"})])
    with pytest.raises(PreconditionFailed):
        store.commit(
            [
                Update("conversations/u", {"attempt": "two", "out_seq": 1}, second),
                Create("conversations/u/messages/r2", {"by": "two"}),
            ]
        )
    assert store.get("conversations/u").data["attempt"] == "one"
    assert [snapshot.id for snapshot in store.query(Query("conversations/u/messages"))] == ["r1"]


def test_a_commit_takes_500_writes_and_no_more(store: DocumentStore) -> None:
    store.commit([Create(f"things/{n:03}", {"n": n}) for n in range(500)])
    assert store.count(Query("things")) == 500
    with pytest.raises(InvalidDocument):
        store.commit([Create(f"others/{n:03}", {"n": n}) for n in range(501)])
    assert store.count(Query("others")) == 0


@pytest.mark.parametrize("call", ["commit", "write_many"])
def test_two_writes_for_one_document_are_refused(store: DocumentStore, call: str) -> None:
    with pytest.raises(InvalidDocument):
        getattr(store, call)([Create("things/a", {}), Create("things/b", {}), Update("things/a", {"n": 1})])
    assert store.count(Query("things")) == 0


def test_write_many_tells_what_became_of_each_write(store: DocumentStore) -> None:
    store.create("things/there", {"n": 1, "status_at": {"sent": 1}})
    stale = store.get("things/there").update_time
    store.create("things/changed", {"n": 1})
    results = store.write_many(
        [
            Create("things/new", {"n": 1, "list": ArrayUnion((1, 1))}),
            Create("things/changed", {"n": 2}),
            Update("things/none", {"n": 1}),
            Update("things/there", {"status_at.read": 2, "errors": ArrayUnion(({"code": 1},))}),
            Update("things/new2", {"n": 1}, last_update_time=stale),
        ]
    )
    assert [result.path for result in results] == [
        "things/new", "things/changed", "things/none", "things/there", "things/new2"
    ]  # fmt: skip
    assert [type(result.error) for result in results] == [
        type(None), AlreadyExists, NotFound, type(None), PreconditionFailed
    ]  # fmt: skip
    assert store.get("things/new").data == {"n": 1, "list": [1]}
    assert store.get("things/changed").data == {"n": 1}
    assert store.get("things/there").data == {
        "n": 1, "status_at": {"sent": 1, "read": 2}, "errors": [{"code": 1}]
    }  # fmt: skip
    assert store.write_many([]) == []


def test_write_many_may_be_applied_twice(store: DocumentStore) -> None:
    store.create("things/old", {"n": 1})
    writes = [Create("things/new", {"n": 1}), Update("things/old", {"n": 2, "list": ArrayUnion((1,))})]
    store.write_many(writes)
    once = store.get_many(["things/new", "things/old"])
    assert [type(result.error) for result in store.write_many(writes)] == [AlreadyExists, type(None)]
    assert store.get_many(["things/new", "things/old"]) == once


def test_write_many_takes_any_number_of_writes(store: DocumentStore) -> None:
    store.create("things/0777", {"mine": False})
    results = store.write_many([Create(f"things/{n:04}", {"n": n}) for n in range(1_201)])
    assert [result.path for result in results if result.error] == ["things/0777"]
    assert isinstance(results[777].error, AlreadyExists)
    assert store.count(Query("things")) == 1_201


def test_write_many_takes_any_amount_of_bytes(store: DocumentStore) -> None:
    results = store.write_many([Create(f"things/{n:02}", {"text": "x" * 1_000_000}) for n in range(12)])
    assert [result.error for result in results] == [None] * 12
    assert store.count(Query("things")) == 12


@pytest.mark.parametrize("write", [Set("things/a", {}), Delete("things/a"), Create("things/a", {"v": float("nan")})])
def test_write_many_refuses_all_where_one_is_no_write_for_it(store: DocumentStore, write: Set) -> None:
    with pytest.raises(InvalidDocument):
        store.write_many([Create("things/b", {}), write])  # type: ignore[list-item]
    assert store.count(Query("things")) == 0
