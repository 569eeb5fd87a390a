import json
import socket
from datetime import timedelta
from types import SimpleNamespace

import pytest
import time_machine
from django.utils import timezone

from conversations.dedupe import (
    DedupeUnavailable,
    FirestoreDedupeStore,
    RedisDedupeStore,
    Reservation,
    create_dedupe_store,
)
from pyloto.documents import Unavailable, WriteResult, get_store
from pyloto.documents.recorder import RecordingStore
from pyloto.observability.metrics import DEDUPE_LOOKUPS
from pyloto.privacy.hashing import digest
from tests.lab.canaries import WAMID, find_canaries

A, B = digest("whatsapp", "a"), digest("whatsapp", "b")
EIGHT_DAYS = 8 * 86_400

# For the embedded store, which `dedupe` asks for by its name.
pytestmark = pytest.mark.django_db(databases=["default", "documents"], transaction=True)


@pytest.fixture(params=["redis", "embedded", "firestore"])
def dedupe(request):
    """Each backend; the one on the documents on both adapters."""
    if request.param == "redis":
        request.getfixturevalue("valkey")
        return RedisDedupeStore()
    request.getfixturevalue(f"{request.param}_store")
    return FirestoreDedupeStore()


@pytest.fixture
def lines(capsys):
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def answers(dedupe, keys, token):
    return [str(answer) for answer in dedupe.reserve(keys, token).values()]


def make_settings(backend):
    return SimpleNamespace(DEDUPE_BACKEND=backend, DEDUPE_TTL_DAYS=8)


@pytest.mark.parametrize(("backend", "kind"), [("redis", RedisDedupeStore), ("firestore", FirestoreDedupeStore)])
def test_the_setting_names_the_backend_and_the_log_says_so(lines, backend, kind):
    assert isinstance(create_dedupe_store(make_settings(backend)), kind)
    assert [(line["event"], line["backend"]) for line in lines()] == [("dedupe_backend", backend)]


@pytest.mark.parametrize("backend", ["", "memory", "Redis"])
def test_an_unknown_backend_is_refused(backend):
    with pytest.raises(ValueError, match="DEDUPE_BACKEND"):
        create_dedupe_store(make_settings(backend))


def test_a_key_is_processed_once_marked(dedupe):
    assert not dedupe.is_processed(A)

    dedupe.mark_as_processed(A)

    assert dedupe.is_processed(A)
    assert not dedupe.is_processed(B)


def test_a_reserved_key_is_in_flight_for_others_until_it_is_done(dedupe):
    assert answers(dedupe, [A], "one") == ["NEW"]
    assert answers(dedupe, [A, B], "two") == ["IN_FLIGHT", "NEW"]
    assert not dedupe.is_processed(A)

    dedupe.mark_many([A])

    assert answers(dedupe, [A, B], "three") == ["DONE", "IN_FLIGHT"]


def test_the_same_token_gets_the_same_answer_again(dedupe):
    dedupe.reserve([A], "one")

    assert answers(dedupe, [A], "one") == ["NEW"]


def test_release_gives_back_own_marks_only(dedupe):
    dedupe.reserve([A], "one")
    dedupe.reserve([B], "two")

    dedupe.release([A, B], "one")

    assert answers(dedupe, [A, B], "three") == ["NEW", "IN_FLIGHT"]


def test_release_leaves_what_is_done(dedupe):
    dedupe.reserve([A], "one")
    dedupe.mark_many([A])

    dedupe.release([A], "one")

    assert dedupe.is_processed(A)


def test_no_keys_are_no_question(dedupe):
    assert dedupe.reserve([], "one") == {}
    dedupe.release([], "one")
    dedupe.mark_many([])


def test_a_batch_with_doubles_gets_an_answer_for_each_key(dedupe):
    keys = [digest("whatsapp", str(number)) for number in range(600)]

    assert dedupe.reserve([*keys, keys[0]], "one") == dict.fromkeys(keys, Reservation.NEW)
    dedupe.mark_many([*keys, keys[0]])
    assert set(dedupe.reserve(keys, "two").values()) == {Reservation.DONE}


def test_a_raw_message_id_is_digested_before_it_becomes_a_key(dedupe, lines):
    dedupe.mark_as_processed(WAMID)

    assert dedupe.is_processed(WAMID)
    assert find_canaries(json.dumps(lines())) == []


def test_hits_and_misses_are_logged_and_counted(dedupe, lines):
    dedupe.mark_many([A])
    backend = "redis" if isinstance(dedupe, RedisDedupeStore) else "firestore"
    counts = [DEDUPE_LOOKUPS.labels(backend=backend, result=result) for result in ("hit", "miss")]
    before = [count._value.get() for count in counts]
    lines()

    dedupe.reserve([A, B], "one")

    assert [(line["event"], line["keys"], line["backend"]) for line in lines()] == [
        ("dedupe_hit", [A], backend),
        ("dedupe_miss", [B], backend),
    ]
    assert [count._value.get() for count in counts] == [number + 1 for number in before]


def test_of_a_large_batch_the_log_holds_the_count_and_the_first_keys(valkey, lines):
    keys = [digest("whatsapp", str(number)) for number in range(21)]

    RedisDedupeStore().reserve(keys, "one")

    assert [(line["count"], line["keys"]) for line in lines()] == [(21, keys[:20])]


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_redis_keeps_marks_in_flight_for_a_minute_and_done_ones_for_eight_days(valkey):
    dedupe = create_dedupe_store(make_settings("redis"))

    dedupe.reserve([A], "one")
    assert (valkey.get(f"dedupe:{A}"), valkey.ttl(f"dedupe:{A}")) == ("inflight:one", 60)

    dedupe.mark_many([A])
    assert (valkey.get(f"dedupe:{A}"), valkey.ttl(f"dedupe:{A}")) == ("done", EIGHT_DAYS)

    dedupe.mark_as_processed(B)
    assert valkey.ttl(f"dedupe:{B}") == 3600


def test_no_key_in_redis_holds_a_message_id(valkey):
    RedisDedupeStore().reserve([WAMID], "one")

    assert find_canaries(" ".join(valkey.keys())) == []


@pytest.mark.parametrize("call", ["is_processed", "mark_as_processed", "mark_many", "reserve", "release"])
@pytest.mark.parametrize("silent", [False, True])
def test_redis_that_does_not_answer_is_reported_within_a_second(settings, call, silent):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if silent:
            server.listen()
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        arguments = {"is_processed": [A], "mark_as_processed": [A], "mark_many": [[A]]}.get(call, [[A], "one"])

        started = timezone.now()
        with pytest.raises(DedupeUnavailable):
            getattr(RedisDedupeStore(), call)(*arguments)

        assert timezone.now() - started < timedelta(seconds=1.5)


# --- Documents --------------------------------------------------------------------------------------------------------


def test_a_mark_of_a_process_that_died_is_taken_over_after_a_minute(store):
    dedupe = FirestoreDedupeStore()
    dedupe.reserve([A], "died")

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert answers(dedupe, [A], "two") == ["NEW"]
        assert answers(dedupe, [A], "three") == ["IN_FLIGHT"]


def test_a_mark_that_expired_counts_no_more_although_it_is_still_stored(store):
    dedupe = FirestoreDedupeStore()
    dedupe.mark_as_processed(A, ttl_seconds=10)

    with time_machine.travel(timezone.now() + timedelta(seconds=11), tick=False):
        assert not dedupe.is_processed(A)
        assert answers(dedupe, [A], "two") == ["NEW"]
    assert store.get(f"dedupe/{A}").data["token"] == "two"


def test_of_two_that_take_over_one_mark_only_one_gets_it(store):
    FirestoreDedupeStore().reserve([A], "died")

    class Racing:
        """The other one takes the mark between our read and our write."""

        def __getattr__(self, name):
            return getattr(store, name)

        def get_many(self, paths):
            found = store.get_many(paths)
            assert answers(FirestoreDedupeStore(), [A], "faster") == ["NEW"]
            return found

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert answers(FirestoreDedupeStore(Racing()), [A], "slower") == ["IN_FLIGHT"]
    assert store.get(f"dedupe/{A}").data["token"] == "faster"


def test_new_keys_cost_one_round_trip_and_marking_them_another(store):
    recorder = RecordingStore(get_store())
    dedupe = FirestoreDedupeStore(recorder)
    keys = [digest("whatsapp", str(number)) for number in range(500)]

    dedupe.reserve(keys, "one")
    dedupe.mark_many(keys)

    assert recorder.round_trips == 2


@pytest.mark.parametrize("call", ["is_processed", "mark_as_processed", "mark_many", "reserve", "release"])
def test_documents_that_do_not_answer_are_reported(call):
    class Down:
        def get_many(self, paths):
            raise Unavailable("down")

        commit = get_many

        def write_many(self, writes):
            return [WriteResult(write.path, Unavailable("down")) for write in writes]

    arguments = {"is_processed": [A], "mark_as_processed": [A], "mark_many": [[A]]}.get(call, [[A], "one"])
    with pytest.raises(DedupeUnavailable):
        getattr(FirestoreDedupeStore(Down()), call)(*arguments)
