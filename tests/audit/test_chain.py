"""The pure chain: linking and verification, with every attack on a stored chain that it must see."""

import hashlib
import json
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from unittest import mock

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import Event, EventType, Head, ProblemKind, event_id, link, verify, verify_trail
from audit.verify_trail import HASHED_FIELDS, chain_hash

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
CHAIN = "c0ffee"


def make_events(count, **fields):
    return [Event(event_id("turn", str(n)), EventType.REPLY_QUEUED, "PYLOTO", AT, **fields) for n in range(count)]


def make_chain(count=5, **fields):
    writes, _ = link(Head.genesis(CHAIN), make_events(count, **fields))
    return [{**write.data, "id": write.path.rpartition("/")[2]} for write in writes]


def kinds(documents):
    return [(problem.seq, problem.kind) for problem in verify(CHAIN, documents)]


def test_linked_events_verify_and_are_numbered_from_one():
    documents = make_chain(3, changes={"mode": ["BOT", "HUMAN"]}, metadata={"confidence": 0.85, "n": 1.0})

    assert [document["id"] for document in documents] == [f"c0ffee-{seq:012d}" for seq in (1, 2, 3)]
    assert verify(CHAIN, iter(documents)) == []


def test_the_head_goes_on_through_a_document():
    first, head = link(Head.genesis(CHAIN), make_events(2))
    second, _ = link(Head.from_document(CHAIN, head.to_document()), make_events(2))

    assert Head.from_document(CHAIN, {}) == Head.genesis(CHAIN)
    assert verify(CHAIN, [write.data for write in first + second]) == []


def test_the_exact_bytes_that_were_hashed_are_stored():
    (document,) = make_chain(1, metadata={"é": "ção"})

    assert document["canonical"].startswith(
        '{"actor":"PYLOTO","changes":{},"conversation_id":"c0ffee","correlation_id":""'
    )
    assert '"metadata":{"é":"ção"},"seq":1,"timestamp":"2026-01-02T03:04:05.000678+00:00"}' in document["canonical"]
    assert json.loads(document["canonical"])["event_type"] == "REPLY_QUEUED"


def test_the_hash_is_one_that_anybody_can_compute_again():
    (document,) = make_chain(1)
    genesis = hashlib.sha256(b"pyloto.audit.genesis.v1\0" + b"c0ffee").digest()

    computed = hashlib.sha256(b"pyloto.audit.event.v1\0" + genesis + document["canonical"].encode()).hexdigest()
    assert (document["previous_hash"], document["current_hash"]) == (genesis.hex(), computed)


def test_the_same_instant_in_another_zone_is_the_same_event():
    documents = make_chain(1)
    documents[0]["timestamp"] = AT.astimezone(timezone(timedelta(hours=-3)))

    assert verify(CHAIN, documents) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actor", "agent:7"),
        ("event_type", "HANDOFF_TAKEN"),
        ("timestamp", AT + timedelta(microseconds=1)),
        ("metadata", {"count": 2}),
        ("changes", {"a": 1}),
        ("event_id", "0" * 40),
        ("correlation_id", "x"),
        ("canonical", "{}"),
    ],
)
def test_an_edited_event_is_found(field, value):
    documents = make_chain()
    documents[2][field] = value

    assert (3, ProblemKind.EDITED) in kinds(documents)
    assert {seq for seq, _ in kinds(documents)} == {3}


def test_an_edit_hashed_anew_breaks_the_link_to_the_next_event():
    documents = make_chain()
    forged, _ = link(Head(CHAIN, 2, documents[1]["current_hash"]), make_events(1, metadata={"forged": True}))
    documents[2] = {**forged[0].data, "id": documents[2]["id"]}

    assert kinds(documents) == [(4, ProblemKind.BROKEN_LINK)]


def test_a_removed_event_is_a_gap():
    documents = make_chain()
    del documents[2]

    assert kinds(documents) == [(4, ProblemKind.GAP), (4, ProblemKind.BROKEN_LINK)]


def test_a_chain_whose_beginning_is_gone_has_a_gap():
    assert (2, ProblemKind.GAP) in kinds(make_chain()[1:])


def test_a_repeated_event_is_out_of_order():
    documents = make_chain()
    documents.insert(2, deepcopy(documents[1]))

    assert (2, ProblemKind.OUT_OF_ORDER) in kinds(documents)


def test_swapped_events_are_found():
    documents = make_chain()
    documents[1], documents[2] = documents[2], documents[1]

    assert {ProblemKind.GAP, ProblemKind.OUT_OF_ORDER, ProblemKind.BROKEN_LINK} <= {
        kind for _, kind in kinds(documents)
    }


def test_swapped_contents_under_the_right_ids_are_found():
    documents = make_chain()
    documents[1]["metadata"], documents[2]["metadata"] = {"x": 1}, {"x": 2}

    assert {(2, ProblemKind.EDITED), (3, ProblemKind.EDITED)} == set(kinds(documents))


def test_an_inserted_event_is_found():
    documents = make_chain()
    inserted, _ = link(Head(CHAIN, 2, documents[1]["current_hash"]), make_events(1))
    documents.insert(2, inserted[0].data)

    assert kinds(documents) == [(3, ProblemKind.OUT_OF_ORDER), (3, ProblemKind.BROKEN_LINK)]


def test_an_event_of_another_chain_is_found():
    documents = make_chain()
    foreign, _ = link(Head("badcafe", 2, documents[1]["current_hash"]), make_events(1))
    documents[2] = foreign[0].data

    assert (3, ProblemKind.FOREIGN) in kinds(documents)


def test_an_event_under_another_id_is_found():
    documents = make_chain(1)
    documents[0]["id"] = "c0ffee-000000000002"

    assert kinds(documents) == [(1, ProblemKind.OUT_OF_ORDER)]


@pytest.mark.parametrize(
    "damage",
    [
        {"seq": None},
        {"seq": "3"},
        {"seq": True},
        {"canonical": None},
        {"canonical": b"{}"},
        {"previous_hash": "xyz"},
        {"previous_hash": "A" * 64},
        {"current_hash": ""},
        {"timestamp": "2026-01-02"},
        {"timestamp": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))},
        {"changes": []},
        {"metadata": {"at": AT}},
        {"metadata": {"x": float("nan")}},
        {"smuggled": "value"},
        {"signature": "anybody's"},
    ],
)
def test_a_malformed_event_is_a_failure_and_those_after_it_are_still_checked(damage):
    documents = make_chain()
    documents[2] |= damage
    documents[4]["actor"] = "someone"

    found = verify(CHAIN, documents)

    assert found[0].kind is ProblemKind.MALFORMED
    assert (5, ProblemKind.EDITED) in kinds(documents)


@pytest.mark.parametrize("field", ["seq", "canonical", "current_hash", "timestamp", "metadata"])
def test_a_missing_field_is_malformed(field):
    documents = make_chain()
    del documents[2][field]

    assert ProblemKind.MALFORMED in {kind for _, kind in kinds(documents)}


def test_an_id_that_could_not_be_a_chain_is_malformed():
    assert [problem.kind for problem in verify("", make_chain(1))] == [ProblemKind.MALFORMED]
    for name in ("a/b", "", "c0ffee-000000000001", "c-0"):
        with pytest.raises(ValueError):
            Head.genesis(name)


@pytest.mark.parametrize("metadata", [{"x": float("nan")}, {"x": object()}, {"x": AT}, {"x": "\ud83d"}])
def test_what_json_cannot_hold_is_refused_before_it_is_linked(metadata):
    with pytest.raises((TypeError, ValueError)):
        link(Head.genesis(CHAIN), make_events(1, metadata=metadata))


def test_verification_reads_once_and_keeps_nothing():
    _, head = link(Head.genesis(CHAIN), [])
    read = 0

    def stream():
        nonlocal head, read
        for event in make_events(2000):
            (write,), head = link(head, [event])
            read += 1
            yield write.data

    assert verify(CHAIN, stream()) == []
    assert read == 2000


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
            max_size=3,
        ),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_any_chain_verifies_and_any_one_change_is_seen(contents, data):
    encodable = [{k: v for k, v in c.items() if _encodes(k) and _encodes(v)} for c in contents]
    events = [
        Event(event_id(str(n)), EventType.INTENT_ADDED, "PYLOTO", AT, metadata=c) for n, c in enumerate(encodable)
    ]
    writes, _ = link(Head.genesis(CHAIN), events)
    documents = [write.data for write in writes]
    assert verify(CHAIN, documents) == []

    victim = data.draw(st.sampled_from(documents))
    field = data.draw(st.sampled_from(sorted(victim)))
    victim[field] = {**victim[field], "extra": 1} if isinstance(victim[field], dict) else "changed"
    assert verify(CHAIN, documents)


def rehashed(documents):
    """Each hash made anew over what stands in `canonical`, whatever that is."""
    previous = Head.genesis(CHAIN).hash
    for document in documents:
        hashed = chain_hash(previous, document["canonical"])
        document |= {"previous_hash": previous, "current_hash": hashed}
        previous = hashed
    return documents


FORGED_VALUES = [
    None, True, 1, 1.0, -0.0, 2**70, 1e16, float("nan"), float("inf"), "1", "", "a\nb", "\u2028", "\ud83d", AT, AT.date(),
    [], {}, [1, "x"], {"b": 1, "a": [None, float("nan")]}, {"at": AT}, {"list": [{}, {"actor": "x"}]}, {1: 2},
    AT.replace(microsecond=0), AT.astimezone(timezone(timedelta(hours=-3))), AT.replace(tzinfo=None),
    AT.isoformat(timespec="microseconds"), b"x", ("a",),
]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([*HASHED_FIELDS, "id", "extra"]), st.sampled_from(FORGED_VALUES)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["stored", "hashed anew", "split elsewhere"]),
    st.booleans(),
)
def test_the_fast_way_finds_exactly_what_the_strict_way_finds(forgeries, canonical, with_id):
    documents = make_chain(5, metadata={"n": 1, "at": AT.isoformat(timespec="microseconds"), "none": None})
    for place, field, value in forgeries:
        documents[place][field] = value
    for document in documents if canonical == "hashed anew" else []:
        with suppress(TypeError, ValueError, AttributeError):
            document["canonical"] = orjson.dumps(
                {name: document[name] for name in HASHED_FIELDS}, option=orjson.OPT_SORT_KEYS
            ).decode()
    if canonical == "split elsewhere":
        first, second = documents[1]["canonical"].split(",", 1)
        documents[1]["canonical"], documents[2]["canonical"] = first, f"{second},{documents[2]['canonical']}"
    rehashed(documents)
    for document in documents if not with_id else []:
        document.pop("id", None)

    fast = verify(CHAIN, documents)
    with mock.patch.object(verify_trail, "HAS_ORJSON", new=False):
        assert fast == verify(CHAIN, documents)


@pytest.mark.parametrize("field", ["current_hash", "canonical"])
def test_texts_whose_ends_were_moved_are_found(field):
    documents = make_chain(3)
    moved = documents[1][field][-1] if field == "current_hash" else ""
    documents[1][field] = documents[1][field].removesuffix(moved)
    documents[2][field] = moved + documents[2][field]
    if field == "canonical":
        whole = f"{documents[1][field]},{documents[2][field]}"
        documents[1][field], documents[2][field] = whole[:9], whole[10:]
        rehashed(documents)
    else:
        documents[2]["previous_hash"] = documents[1]["current_hash"]

    assert verify(CHAIN, documents)


def test_sound_events_take_the_fast_way(monkeypatch):
    """Otherwise it would be no faster, and nobody would see it."""
    monkeypatch.delattr(verify_trail, "_check")

    assert verify(CHAIN, make_chain(250, metadata={"é": "ção", "none": None, "n": [1, 2.5]})) == []


def _encodes(value):
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True
