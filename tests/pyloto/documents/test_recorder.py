from pyloto.documents import Create, DocumentStore, Query
from pyloto.documents.indexes import Shape
from pyloto.documents.recorder import RecordingStore


def test_counts_one_round_trip_for_each_request(embedded_store: DocumentStore) -> None:
    recording = RecordingStore(embedded_store)
    recording.create("things/a", {"n": 1})
    recording.get("things/a")
    recording.get_many(["things/a", "things/b"])
    recording.commit([Create("things/b", {}), Create("things/c", {})])
    recording.query(Query("things"))
    recording.count(Query("things"))
    recording.set("things/a", {"n": 1})
    recording.update("things/a", {"n": 2})
    recording.delete("things/a")
    assert recording.calls == ["create", "get", "get_many", "commit", "query", "count", "set", "update", "delete"]
    assert recording.round_trips == 9


def test_counts_each_chunk_of_many_writes_and_nothing_for_none(embedded_store: DocumentStore) -> None:
    recording = RecordingStore(embedded_store)
    recording.write_many([Create(f"things/{n}", {}) for n in range(501)])
    assert recording.calls == ["write_many", "write_many"]
    recording.write_many([])
    recording.get_many([])
    recording.commit([])
    assert recording.round_trips == 2


def test_notes_the_shape_of_queries_and_not_their_values(embedded_store: DocumentStore) -> None:
    recording = RecordingStore(embedded_store)
    for name in "ab":
        where = (("state", "==", name), ("kind", "in", (name,)))
        recording.query(Query(f"users/{name}/things", where, (("n", "desc"), ("__name__", "desc")), limit=3))
    assert recording.shapes == {Shape("things", (("kind", "in"), ("state", "==")), (("n", "desc"),))}
