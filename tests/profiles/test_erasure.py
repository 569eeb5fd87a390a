"""The right to be forgotten: what goes, what stays, and what happens to whoever writes meanwhile."""

import functools
import json
import logging
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.utils import timezone

from audit import Event, EventType, trails
from audit.errors import CustomerErased
from conversations import stores
from conversations.privacy import quarantine
from conversations.services import ingest
from conversations.services.merging import merge
from conversations.services.turns import process
from conversations.whatsapp.client import Accepted
from profiles import tasks
from profiles.models import Erasure, UserProfile
from profiles.services import erasure, retention
from profiles.services.resolution import CACHE_SECONDS
from pyloto import write_once
from pyloto.documents import Create, DocumentStore, Query, use_store
from pyloto.privacy.fields import encrypt
from pyloto.privacy.identifying import names_person
from pyloto.privacy.registry import Subject, erasure_steps
from tests.conversations.outside import Outside
from tests.lab.canaries import PHONE, PHONE_SPELLINGS, WA_ID, WAMID, find_canaries
from tests.lab.faulty_store import FaultyStore

from .erasures import (
    TEXT,
    World,
    canaries_in,
    check_gone,
    check_trails,
    everything_kept,
    finished,
    inner,
    message_paths,
    trail_of,
)
from .people import written_down

REQUEST = Erasure.Reason.REQUEST
SCAN = timedelta(minutes=2, seconds=1)


@pytest.fixture(autouse=True)
def _own_files(file_folders: None) -> None:
    pass


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quarantined bodies go to files from this size on."""
    monkeypatch.setattr(ingest, "QUARANTINE_INLINE_MAX", 2_000)


@pytest.fixture
def world(embedded_store: DocumentStore, valkey: redis.Redis, outside: Outside) -> World:
    return World(outside).plant()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """All that was logged since the last call, the most talkative level included."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    yield lambda: capsys.readouterr().out
    root.setLevel(level)


def erase(user_key: str, reason: Erasure.Reason = REQUEST) -> Any:
    return erasure.erase(user_key=user_key, reason=reason, actor="user:7", now=timezone.now())


def begin(user_key: str) -> Any:
    return erasure.begin(user_key=user_key, reason=REQUEST, actor="user:7", now=timezone.now())


# --- what goes and what stays -----------------------------------------------------------------------------------------
def test_nothing_is_left_and_nothing_is_told(world: World, valkey: redis.Redis, lines: Any) -> None:
    assert canaries_in(everything_kept(valkey))
    begun = erase(world.user_key)
    assert not begun.is_complete
    receipt = erasure.resume(world.user_key, timezone.now() + SCAN)
    check_gone(world, valkey)
    assert receipt is not None
    assert receipt.is_complete
    for text in (lines(), json.dumps(receipt.to_document()), receipt.to_text()):
        assert find_canaries(text) == []


def test_the_receipt_tells_what_was_removed_what_stays_and_why(world: World, settings: Any) -> None:
    settings.DEDUPE_TTL_DAYS = 30
    erase(world.user_key)
    receipt = erasure.resume(world.user_key, timezone.now() + SCAN)
    assert receipt is not None
    told = receipt.to_document()
    removed = {row["passo"]: row["quantidade"] for row in told["removido"]}
    assert removed["conversations.messages"] == 7  # three answered ones, their answers, and one that waited
    assert removed["conversations.outbox"] == 1
    assert removed["conversations.media"] == 2
    assert removed["conversations.quarantine"] == 3
    assert removed["profiles.merges"] == 1
    assert removed["profiles.profile"] == removed["conversations.handoffs"] * 2 == 2
    assert all(row["por_que"] for row in told["permanece"])
    assert "até 30 dias" in json.dumps(told, ensure_ascii=False)
    assert "logs" in json.dumps(told, ensure_ascii=False)
    assert told["clientes_unidos"] == [world.merged]
    text = receipt.to_text()
    assert "Pedido do titular" in text
    assert "Trilha de auditoria" in text
    assert "      7  Mensagens" in text


def test_counts_stand_in_the_trail_and_it_verifies(world: World) -> None:
    erase(world.user_key)
    erasure.resume(world.user_key, timezone.now() + SCAN)
    for user_key in (world.user_key, world.merged):
        assert trail_of(user_key)[-2:] == ["ERASURE_REQUESTED", "ERASURE_COMPLETED"]
    events = [s.data for s in inner().query(Query("audit_logs")) if s.data["event_type"] == "ERASURE_COMPLETED"]
    counts = next(event["metadata"]["removed"] for event in events if "removed" in event["metadata"])
    assert counts["conversations_messages"] == 7
    assert {event["actor"] for event in events} == {"user:7"}


def test_whichever_key_is_given_the_whole_person_goes(world: World, valkey: redis.Redis) -> None:
    assert erase(world.merged).user_key == world.user_key
    finished(world.merged)
    check_gone(world, valkey)


def test_the_files_of_the_embedded_store_hold_nothing_either(world: World) -> None:
    database = Path(connections["documents"].settings_dict["NAME"])
    files = [database, database.with_name(f"{database.name}-wal")]

    def held() -> list[str]:
        return find_canaries("".join(file.read_bytes().decode("latin-1") for file in files if file.exists()))

    assert "e-mail" in held()
    erase(world.user_key)
    finished(world.user_key)
    assert held() == []


def test_a_long_conversation_goes_page_by_page(world: World, valkey: redis.Redis) -> None:
    found = inner().query(Query(f"conversations/{world.user_key}/messages", limit=1))[0]
    paths = [f"conversations/{world.user_key}/messages/{number:040x}" for number in range(600)]
    for start in range(0, len(paths), 400):
        inner().commit([Create(path, found.data) for path in paths[start : start + 400]])
    receipt = erase(world.user_key)
    assert {name: count for name, _, count in receipt.removed}["conversations.messages"] == 607
    finished(world.user_key)
    check_gone(world, valkey)


def test_who_is_not_there_cannot_be_erased(world: World) -> None:
    with pytest.raises(erasure.UnknownCustomer):
        erase("0" * 32)


def test_who_was_erased_is_not_erased_again(world: World) -> None:
    erase(world.user_key)
    finished(world.user_key)
    before = check_trails()
    assert erase(world.user_key).is_complete
    assert check_trails() == before


def test_a_number_that_was_given_up_is_found_in_quarantine_too(world: World, valkey: redis.Redis) -> None:
    inner().update(f"user_profiles/{world.user_key}", {"phone": None, "wa_id": None, "bsuid": None})
    path = f"user_profiles/{world.user_key}/history/{'c' * 40}"
    told = encrypt(json.dumps({"phone": [PHONE, None]}), path=path, field="changes")
    change = {"at": timezone.now(), "actor": "USER", "fields": ["phone"], "changes": told}
    inner().create(path, change)
    erase(world.user_key)
    finished(world.user_key)
    check_gone(world, valkey)


def test_a_file_that_no_document_names_goes_too(world: World, valkey: redis.Redis) -> None:
    [name] = default_storage.listdir("quarantine")[1]
    with default_storage.open(f"quarantine/{name}") as file:
        default_storage.save(f"quarantine/{name}.{'0' * 16}", ContentFile(file.read()))
    erase(world.user_key)
    finished(world.user_key)
    assert default_storage.listdir("quarantine")[1] == []
    check_gone(world, valkey)


# --- legal hold -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("held", ["user_key", "merged"])
def test_a_legal_hold_forbids_it(world: World, valkey: redis.Redis, held: str) -> None:
    hold = {"reason": "processo", "by": "user:1", "at": timezone.now()}
    inner().update(f"user_profiles/{getattr(world, held)}", {"legal_hold": hold})
    before = everything_kept(valkey)
    with pytest.raises(erasure.OnLegalHold):
        erase(world.user_key)
    assert everything_kept(valkey) == before
    receipt = erase(world.user_key, Erasure.Reason.AUTHORITY)
    assert "guarda legal" in receipt.to_text()
    finished(world.user_key)
    check_gone(world, valkey)


@pytest.mark.parametrize("has_written", [True, False])
def test_a_hold_that_is_put_while_it_begins_wins(world: World, has_written: bool) -> None:
    user_key = world.user_key if has_written else written_down(phone="+5541988880001").pk
    faulty = FaultyStore(inner())
    reason = next(iter(UserProfile.HoldReason))
    put = functools.partial(retention.hold, user_key=user_key, reason=reason, actor="user:1", now=timezone.now())
    faulty.before_commits = [put]
    with use_store(faulty), pytest.raises(erasure.OnLegalHold):
        erase(user_key)
    assert erasure.receipt(user_key) is None
    assert inner().get(f"user_profiles/{user_key}").data["legal_hold"]


def test_who_is_merged_into_somebody_on_hold_while_it_begins_is_not_erased(world: World, monkeypatch: Any) -> None:
    held = world.hears("quem tem guarda legal", wa_id="5542966665555")
    looked_up = erasure.subject_of

    def raced(user_key: str) -> Any:
        found = looked_up(user_key)
        monkeypatch.setattr(erasure, "subject_of", looked_up)
        put_on_hold(held)
        merge(source=world.bystander, target=held, actor="user:7", now=timezone.now())
        return found

    monkeypatch.setattr(erasure, "subject_of", raced)
    with pytest.raises(erasure.OnLegalHold):
        erase(world.bystander)
    assert [erasure.receipt(key) for key in (world.bystander, held)] == [None, None]


def test_somebody_on_hold_who_is_merged_in_while_it_begins_stops_it(world: World) -> None:
    held = world.hears("quem tem guarda legal", wa_id="5542966665555")
    put_on_hold(held)
    faulty = FaultyStore(inner())
    faulty.before_commits = [lambda: merge(source=held, target=world.user_key, actor="user:7", now=timezone.now())]
    with use_store(faulty), pytest.raises(erasure.OnLegalHold):
        erase(world.user_key)
    assert [erasure.receipt(key) for key in (world.user_key, held)] == [None, None]


def test_a_hold_on_a_part_that_is_not_detached_yet_stops_it_until_an_authority_orders_it(
    world: World, valkey: redis.Redis
) -> None:
    faulty = FaultyStore(inner())
    faulty.before_commits = [lambda: None, functools.partial(put_on_hold_itself, world.merged)]
    with use_store(faulty), pytest.raises(erasure.OnLegalHold):
        erase(world.user_key)
    assert inner().get_many([f"erasures/{world.merged}"]) == {}
    for _ in range(erasure.ALERT_TRIES):
        assert tasks.continue_erasure(world.user_key) == "Postponed"
    assert inner().get(f"user_profiles/{world.user_key}")
    receipt = erase(world.user_key, Erasure.Reason.AUTHORITY)
    assert "guarda legal" in receipt.to_text()
    finished(world.user_key)
    check_gone(world, valkey)


def put_on_hold(user_key: str) -> None:
    reason = next(iter(UserProfile.HoldReason))
    retention.hold(user_key=user_key, reason=reason, actor="user:1", now=timezone.now())


def put_on_hold_itself(user_key: str) -> None:
    hold = {"reason": "LAWSUIT", "by": "user:1", "at": timezone.now()}
    inner().update(f"user_profiles/{user_key}", {"legal_hold": hold})


def test_the_trail_says_that_a_hold_was_overridden(world: World) -> None:
    put_on_hold_itself(world.merged)
    erase(world.user_key, Erasure.Reason.AUTHORITY)
    asked = [s.data for s in inner().query(Query("audit_logs")) if s.data["event_type"] == "ERASURE_REQUESTED"]
    assert [event["metadata"]["hold_overridden"] for event in asked] == [True, True]


def test_whom_staff_wrote_down_and_who_never_wrote_is_erased_too(world: World) -> None:
    user_key = written_down(phone="+5541988880001").pk
    erase(user_key)
    finished(user_key)
    assert trail_of(user_key) == ["ERASURE_REQUESTED", "ERASURE_COMPLETED"]
    assert inner().get_many([f"user_profiles/{user_key}", f"conversations/{user_key}"]) == {}
    event = Event("one", EventType.PROFILE_UPDATED, "user:1", timezone.now())
    with pytest.raises(CustomerErased):
        trails.commit_with_events(user_key=user_key, events=[event])


# --- who writes meanwhile ---------------------------------------------------------------------------------------------
def test_a_message_after_the_request_starts_a_new_person_and_is_answered_once(
    world: World, valkey: redis.Redis, outside: Outside
) -> None:
    begin(world.user_key)
    outside.sent.clear()
    newcomer = world.hears("Bom dia", name="Nova Pessoa", wamid="new.1")
    assert newcomer not in (world.user_key, world.merged)
    assert len(outside.sent) == 1
    finished(world.user_key)
    profile = inner().get(f"user_profiles/{newcomer}").data
    assert profile["name"] == "Nova Pessoa"
    assert len(inner().query(Query(f"conversations/{newcomer}/messages"))) == 2


@pytest.mark.parametrize("moved", ["before the removal", "before the scan", "after the end"])
def test_a_message_through_a_process_that_did_not_know_is_moved_and_answered_once(
    world: World, valkey: redis.Redis, outside: Outside, moved: str
) -> None:
    world.post_message("oi", name="Alguém")  # the cache knows them now
    stale = dict(cache._cache)  # type: ignore[attr-defined]
    expiry = dict(cache._expire_info)  # type: ignore[attr-defined]
    begin(world.user_key)
    cache._cache.update(stale)  # type: ignore[attr-defined]  # this process is another one, that was not told
    cache._expire_info.update(expiry)  # type: ignore[attr-defined]
    before = set(message_paths())
    world.post_message("Bom dia", name="Nova Pessoa", wamid="new.1")
    (path,) = set(message_paths()) - before
    assert world.user_key in path  # it came in under the erased key
    outside.sent.clear()

    def work() -> None:
        for user_key in (world.user_key, *{p.split("/")[1] for p in message_paths()}):
            if user_key != world.bystander:
                process(user_key=user_key, client=outside)  # type: ignore[arg-type]
        for user_key in {p.split("/")[1] for p in message_paths()} - {world.bystander}:
            process(user_key=user_key, client=outside)  # type: ignore[arg-type]

    if moved == "before the removal":
        work()
    erasure.resume(world.user_key, timezone.now())
    if moved == "before the scan":
        work()
    finished(world.user_key)
    work()
    assert len(outside.sent) == 1
    newcomers = {p.split("/")[1] for p in message_paths()} - {world.bystander}
    assert len(newcomers) == 1
    assert not newcomers & {world.user_key, world.merged}
    assert CACHE_SECONDS < erasure.SCAN_AFTER.total_seconds()


@pytest.mark.parametrize("tried", [True, False])
def test_a_message_after_the_request_that_nobody_can_read_goes_with_the_last_scan(
    world: World, valkey: redis.Redis, outside: Outside, lines: Any, tried: bool
) -> None:
    begin(world.user_key)
    erasure.resume(world.user_key, timezone.now())
    path = f"conversations/{world.user_key}/messages/{'f' * 40}"
    at = timezone.now()
    late = {
        "provider": "whatsapp",
        "direction": "in",
        "actor": "USER",
        "type": "text",
        "text": TEXT,
        "seq": 1,
        "payload": {},
    }
    when = {"received_at": at, "timestamp": at, "due": {"shard": 15, "at": at}}
    inner().create(path, {**late, **when, "state": "RECEIVED", "sender": "9.AAAA"})
    if tried:  # by a worker
        process(user_key=world.user_key, client=outside)  # type: ignore[arg-type]
    finished(world.user_key)
    assert '"message_not_moved"' in lines()
    check_gone(world, valkey)


def test_what_waited_before_the_request_is_neither_answered_nor_sent(
    world: World, valkey: redis.Redis, outside: Outside
) -> None:
    begin(world.user_key)
    outside.sent.clear()
    process(user_key=world.user_key, client=outside)  # type: ignore[arg-type]
    process(user_key=world.merged, client=outside)  # type: ignore[arg-type]
    assert outside.sent == []
    finished(world.user_key)
    check_gone(world, valkey)


def test_an_erasure_in_the_middle_of_a_send_ends_complete(
    embedded_store: DocumentStore, valkey: redis.Redis, outside: Outside
) -> None:
    class Interrupted(Outside):
        def send_response(self, **about: Any) -> Any:
            begun.append(erase(about["callback_data"].partition(".")[0]))
            return Accepted("wamid.late")

    begun: list[Any] = []
    world = World(Interrupted())
    user_key = world.hears(f"oi! {TEXT}")
    assert len(begun) == 1
    finished(user_key)
    kept = everything_kept(valkey)
    assert canaries_in(kept) == {}
    assert not [path for path in kept if user_key in path and "erasures/" not in path]
    assert trail_of(user_key)[-2:] == ["ERASURE_REQUESTED", "ERASURE_COMPLETED"]


def test_nobody_is_merged_into_an_erased_customer(world: World) -> None:
    begin(world.user_key)
    with pytest.raises(CustomerErased):
        merge(source=world.bystander, target=world.user_key, actor="user:7", now=timezone.now())


# --- two at once ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("commits_before", [0, 1, 5])
def test_two_at_once_do_what_one_does(world: World, valkey: redis.Redis, commits_before: int) -> None:
    faulty = FaultyStore(inner())
    faulty.before_commits = [lambda: None] * commits_before + [lambda: erase(world.user_key)]
    with use_store(faulty):
        erase(world.user_key)
    finished(world.user_key)
    check_gone(world, valkey)
    assert trail_of(world.user_key).count("ERASURE_REQUESTED") == 1
    assert trail_of(world.user_key).count("ERASURE_COMPLETED") == 1


def test_somebody_who_is_merged_while_it_begins_goes_too(world: World, valkey: redis.Redis) -> None:
    third = world.hears(f"terceiro número. {TEXT}", wa_id="5542966665555")
    faulty = FaultyStore(inner())
    faulty.before_commits = [lambda: merge(source=third, target=world.user_key, actor="user:7", now=timezone.now())]
    with use_store(faulty):
        erase(world.user_key)
    finished(world.user_key)
    check_gone(world, valkey, user_keys=(world.user_key, world.merged, third))


# --- jobs and outages -------------------------------------------------------------------------------------------------
def test_the_job_of_the_minute_ends_what_was_begun(world: World, valkey: redis.Redis, clock: Any) -> None:
    begin(world.user_key)
    assert tasks.continue_erasures() == "Rang for 0 erasures"
    clock.shift(SCAN)
    assert tasks.continue_erasures() == "Rang for 1 erasures"
    assert tasks.continue_erasure(world.user_key) == "REMOVED"
    clock.shift(SCAN)
    assert tasks.continue_erasure(world.user_key) == "COMPLETED"
    assert tasks.continue_erasures() == "Rang for 0 erasures"
    check_gone(world, valkey)


def test_a_storage_that_is_away_keeps_nothing_from_going_on_later(
    world: World, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Any:
        raise write_once.StorageUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(write_once, "save_once", refuse)
        with pytest.raises(write_once.StorageUnavailable):
            begin(world.user_key)
        assert tasks.continue_erasure(world.user_key) == "Postponed"
    finished(world.user_key)
    check_gone(world, valkey)


def test_a_redis_that_is_away_postpones_the_end(world: World, valkey: redis.Redis, settings: Any) -> None:
    with_redis = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    begin(world.user_key)
    assert tasks.continue_erasure(world.user_key) == "Postponed"
    settings.REDIS_URL = with_redis
    finished(world.user_key)
    check_gone(world, valkey)


def test_a_reader_of_the_embedded_file_postpones_the_end(world: World, valkey: redis.Redis) -> None:
    now = timezone.now()
    erase(world.user_key)
    database = connections["documents"].settings_dict["NAME"]
    reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM documents_document").fetchone()
    for minute in range(2, 4):
        receipt = erasure.resume(world.user_key, now + minute * SCAN)
        assert receipt is not None
        assert not receipt.is_complete
    reader.close()
    assert inner().get(f"erasures/{world.user_key}").data["tries"] == 2
    finished(world.user_key, now=now + 4 * SCAN)
    check_gone(world, valkey)


def test_a_quarantine_too_long_for_one_slice_is_gone_through_in_several(
    world: World, valkey: redis.Redis, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stores, quarantine):
        monkeypatch.setattr(module, "QUARANTINE_PAGE", 1)
    read, rung = quarantine.names_person, []

    def slow(*args: Any) -> bool:
        bodies.append(1)
        if len(bodies) > 2:
            raise SoftTimeLimitExceeded
        return read(*args)

    monkeypatch.setattr(quarantine, "names_person", slow)
    monkeypatch.setattr(tasks.continue_erasure, "apply_async", lambda **about: rung.append(about["countdown"]))
    begin(world.user_key)
    for _ in range(10):
        bodies: list[int] = []
        told = tasks.continue_erasure(world.user_key)
        clock.shift(SCAN)
        if told == "COMPLETED":
            break
    assert told == "COMPLETED"
    assert rung[0] == 2
    receipt = erasure.receipt(world.user_key)
    assert receipt is not None
    assert {name: count for name, _, count in receipt.removed}["conversations.quarantine"] == 3
    check_gone(world, valkey)


def test_one_that_never_gets_on_is_rung_for_ever_less_often_and_alerted(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    def slow(*args: Any) -> bool:
        raise SoftTimeLimitExceeded

    rung: list[float] = []
    monkeypatch.setattr(quarantine, "names_person", slow)
    monkeypatch.setattr(tasks.continue_erasure, "apply_async", lambda **about: rung.append(about["countdown"]))
    begin(world.user_key)
    for _ in range(12):
        tasks.continue_erasure(world.user_key)
    assert rung[:4] == [2, 4, 8, 16]
    assert rung[-1] == erasure.WAIT_MAX.total_seconds()
    assert lines().count('"erasure_stands_still"') == 2


def test_without_identifiers_no_quarantine_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "body_of", lambda entry: pytest.fail("read"))
    nobody = Subject(user_keys=("0" * 32,))
    for step in erasure_steps():
        step.count(nobody)
        if step.walk:
            assert step.walk(nobody, "") == (0, None)


def test_the_tombstones_hold_no_personal_data(world: World) -> None:
    begin(world.user_key)
    folder = Path(settings.STORAGES["exports"]["OPTIONS"]["location"]) / "erasures"
    names = {file.name for file in folder.iterdir()}
    assert names == {f"{world.user_key}.json", f"{world.merged}.json"}
    assert all(find_canaries(file.read_text()) == [] for file in folder.iterdir())


def test_a_phone_is_recognised_in_any_spelling() -> None:
    person = [("PHONE", PHONE), ("USERNAME", "quixa")]
    with_area = [spelling for spelling in PHONE_SPELLINGS if "42" in spelling.partition("9")[0]]
    assert len(with_area) == 7
    for text in (*with_area, WAMID, WAMID.rstrip("="), f"say {WA_ID}", "@Quixa!"):
        assert names_person(text, person), text
    for text in ("4299876 and 1235", "quixabeira", "quixa.b", "wamid.xyz", "", "99876-1234"):
        assert not names_person(text, person), text


@pytest.mark.parametrize(
    "text",
    [
        "42\u00a099999-0001", r"42\u00a099999-0001", "42 99999\u20110001", r"42 99999\u20110001", "42 99999\u20130001",
        r"42\/99999-0001", "(42)9.9999.0001", "42_99999_0001", r"42\n999990001", "42 9 9999 · 0001", "４２９９９９９０００１",
        r"\uff14\uff12 99999-0001", r'"{\"phone\": \"+55 42 9999\\u2011 0001\"}"', "٤٢٩٩٩٩٩٠٠٠١", r"\ud835\udfd22 99999 0001",
        r"oi\nquixa", r"oi\u0020quixa",
    ],
)  # fmt: skip
def test_however_it_was_typed_or_encoded(text: str) -> None:
    person = [("PHONE", "+5542999990001"), ("USERNAME", "quixa")]
    assert names_person(text, person)


@pytest.mark.parametrize(
    "text",
    [
        '{"timestamp": "1742", "id": "999990001"}', '["42","999990001"]', '{"a":42},{"b":999990001}', "42 e 99999-0001",
        "42 ------- 99999-0001", r"42\u0061999990001", "0" * 50, r"oi\u0061quixa",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert not names_person(text, [("PHONE", "+5542999990001"), ("USERNAME", "quixa")])
