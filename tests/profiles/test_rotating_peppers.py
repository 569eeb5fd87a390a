"""A new pepper while customers write: nobody becomes a second person, nobody is missed, and the command may die anywhere."""

import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from conversations.services import merging
from profiles.identifiers import Sender
from profiles.models import Erasure
from profiles.services import erasure, peppers
from profiles.services.peppers import prune, rotate_peppers
from profiles.services.resolution import resolve_senders
from profiles.services.search import search
from pyloto.documents import DocumentStore, use_store
from pyloto.privacy import hashing, keyring, walk
from pyloto.privacy.hashing import identity_keys
from tests.conversations.deliveries import envelope, post, text_message
from tests.conversations.kept import documents, run_turns, user_keys
from tests.conversations.outside import Outside
from tests.lab.canaries import PHONE as CANARY

from .erasures import Copy, Fuse, inner
from .people import writes
from .rotating import dies, ring

_numbers = itertools.count(1)
ANA, BIA, CAIO, DORA = "5542999990001", "5542999990002", "5542999990003", "5542999990004"
RINGS = ((1,), (1, 2), (2, 1))  # the first step of the rotation, and the second
BSUID, OTHER_BSUID, USERNAME = "BR.100200300", "BR.400500600", "fulana.de.tal"


@pytest.fixture(autouse=True)
def _small(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE", 3)
    use(settings, 1)


def use(settings: Any, *versions: int) -> None:
    settings.PRIVACY_PEPPERS = ring("PRIVACY_PEPPERS", *versions)
    cache.clear()  # as another process would


def hears(**sender: Any) -> str:
    return writes(f"wamid.p{next(_numbers)}", **{"wa_id": "", **sender})


def play() -> dict[Sender, str]:
    """People known by all that WhatsApp may name them by. {what they are known by: whose it is}."""
    known = {
        Sender(wa_id=ANA): hears(wa_id=ANA, bsuid=BSUID),
        Sender(wa_id=BIA): hears(wa_id=BIA),
        Sender(bsuid=OTHER_BSUID): hears(bsuid=OTHER_BSUID, username=USERNAME),
    }
    known[Sender(bsuid=BSUID)] = known[Sender(wa_id=ANA)]
    change = {"type": "system", "system": {"type": "user_changed_number", "wa_id": CAIO, "body": "mudou"}}
    assert hears(wa_id=BIA, **change) == known[Sender(wa_id=BIA)]
    known[Sender(wa_id=CAIO)] = known[Sender(wa_id=BIA)]  # the old number stands in the history alone
    assert post(envelope(text_message("wamid.waits", "oi", wa_id=DORA))).status_code == 200
    [known[Sender(wa_id=DORA)]] = set(user_keys()) - set(known.values())
    cache.clear()
    return known


def owners(known: dict[Sender, str]) -> dict[Sender, str]:
    """Who each of them is for a process with the ring of now."""
    cache.clear()
    found = resolve_senders(list(known), now=timezone.now())
    return {sender: resolved.user_key for sender, resolved in zip(known, found, strict=True)}


def entries(version: int) -> int:
    return sum(snapshot.data["pepper_version"] == version for snapshot in documents("identities"))


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    out = StringIO()
    try:
        call_command("rotate_peppers", "--json", *arguments, stdout=out)
    except SystemExit as exc:
        return int(str(exc.code)), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


# --- The command ------------------------------------------------------------------------------------------------------
def test_afterwards_everybody_is_known_under_the_new_pepper_alone(
    store: DocumentStore, valkey: object, settings: Any
) -> None:
    known = play()
    total = entries(1)
    use(settings, 2, 1)
    status, counted = run("--dry-run")
    assert (status, counted["unpaired"], entries(2)) == (1, {"1": total}, 0)
    status, report = run()
    assert (status, report["paired"], report["unpaired"]) == (0, total, {"1": 0})
    assert report["entries"] == {"2": total, "1": total}
    assert run()[1]["paired"] == 0
    use(settings, 2)
    assert owners(known) == known
    assert search(f"@{USERNAME}").user_keys == [known[Sender(bsuid=OTHER_BSUID)]]
    status, report = run("--prune")
    assert (status, report["deleted"], report["entries"]) == (0, total, {"2": total})
    assert owners(known) == known
    assert documents("controls") == []


def test_it_tells_operators_when_the_old_pepper_may_go(
    embedded_store: DocumentStore, valkey: object, settings: Any, capsys: Any
) -> None:
    play()
    use(settings, 2, 1)
    with pytest.raises(SystemExit):
        call_command("rotate_peppers", "--dry-run")
    assert "Pepper 1 must stay." in capsys.readouterr().out
    call_command("rotate_peppers")
    told = capsys.readouterr().out
    assert "got a twin under pepper 2" in told
    assert "Pepper 1 may be removed." in told
    use(settings, 2)
    call_command("rotate_peppers")
    assert "--prune deletes its entries" in capsys.readouterr().out


def test_who_cannot_be_read_anywhere_keeps_the_old_pepper_until_they_write(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    known = play()
    ana = known[Sender(wa_id=ANA)]
    embedded_store.update(f"user_profiles/{ana}", {"phone": None, "wa_id": None})
    for change in documents(f"user_profiles/{ana}/history"):
        embedded_store.delete(change.path)
    use(settings, 2, 1)
    status, report = run()
    assert (status, report["unpaired"]) == (1, {"1": 1})
    use(settings, 2)
    status, report = run("--prune")
    assert (status, report["deleted"], report["dropped"]) == (1, 0, [1])
    use(settings, 2, 1)
    assert hears(wa_id=ANA) == ana  # the turn gives the entry its twin
    assert run()[0] == 0
    use(settings, 2)
    assert owners(known) == known


def test_given_up_for_good_only_on_demand(embedded_store: DocumentStore, valkey: object, settings: Any) -> None:
    play()
    total = entries(1)
    use(settings, 2)
    assert prune() == 0
    assert prune(unpaired=True) == total
    assert entries(1) == 0


def test_what_cannot_be_decrypted_is_reported_without_its_value(
    embedded_store: DocumentStore, valkey: object, settings: Any, caplog: Any
) -> None:
    known = play()
    embedded_store.update(f"user_profiles/{known[Sender(wa_id=ANA)]}", {"phone": "1." + "A" * 60})
    use(settings, 2, 1)
    status, report = run()
    assert (status, report["unreadable"], report["unpaired"]) == (0, 1, {"1": 0})  # the history tells the phone too
    assert "pepper_rotation_unreadable" in caplog.text
    assert not any(value in caplog.text for value in (ANA[-8:], CANARY, "AAAAAA"))


# --- Killed, and customers who write ----------------------------------------------------------------------------------
def test_killed_at_any_call_it_goes_on_and_everybody_is_known_throughout(
    embedded_store: DocumentStore,
    valkey: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    known = play()
    total = entries(1)
    copy = Copy(valkey, tmp_path / "copy")
    number = 0
    use(settings, 2, 1)
    while dies(Fuse(number), monkeypatch, rotate_peppers):
        assert owners(known) == known
        use(settings, 1)
        assert owners(known) == known
        use(settings, 2, 1)
        assert rotate_peppers().done
        use(settings, 2)
        assert owners(known) == known
        assert (entries(1), entries(2)) == (total, total)
        copy.restore()
        use(settings, 2, 1)
        number += 1
    assert number > 5


def test_nobody_becomes_two_while_customers_meet_processes_with_either_ring(
    store: DocumentStore, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    known = play()
    number, step = 0, 1 if type(store).__name__ == "EmbeddedStore" else 6
    use(settings, 2, 1)
    while dies(Fuse(number), monkeypatch, rotate_peppers):
        for versions, phone in zip(((1, 2), (2, 1)), (f"55429777{number:05}", f"55429666{number:05}"), strict=True):
            use(settings, *versions)
            known[Sender(wa_id=phone)] = hears(wa_id=phone)
            for sender in (Sender(wa_id=ANA), Sender(bsuid=BSUID)):
                assert hears(wa_id=sender.wa_id, bsuid=sender.bsuid) == known[sender]
        assert owners(known) == known
        number += step
    assert number >= 2 * step
    assert rotate_peppers().done
    use(settings, 2)
    assert owners(known) == known
    assert set(user_keys()) == set(known.values())


def test_the_first_messages_of_new_people_race_over_processes_with_either_ring(
    embedded_store: DocumentStore, valkey: object, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has its own ring and no memory of the others; the rotation runs all the while."""
    known = play()
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    own = threading.local()
    read = keyring.read_ring
    rings = {
        versions: keyring._parse("PRIVACY_PEPPERS", ring("PRIVACY_PEPPERS", *versions)) for versions in (*RINGS, (2,))
    }

    def read_own(setting: str) -> dict[int, bytes]:
        return rings[own.versions] if setting == "PRIVACY_PEPPERS" else read(setting)

    for module in (hashing, peppers):
        monkeypatch.setattr(module, "read_ring", read_own)
    phones = [f"55429555{number:05}" for number in range(12)]
    together = threading.Barrier(4, timeout=30)

    def process(versions: tuple[int, ...], work: Callable[[], Any]) -> Any:
        own.versions = versions
        together.wait()
        try:
            return work()
        finally:
            connections.close_all()

    def receive() -> None:
        for phone in (*phones, ANA):
            message = text_message(f"wamid.{phone}.{own.versions}", "oi", wa_id=phone)
            assert post(envelope(message)).status_code == 200

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(process, versions, receive) for versions in RINGS]
        running.append(pool.submit(process, (2, 1), rotate_peppers))
        for done in running:
            done.result()
    assert len(user_keys()) == len(set(known.values())) + len(phones)
    own.versions = (2, 1)
    assert rotate_peppers().done
    own.versions = (2,)
    new = {Sender(wa_id=phone): "" for phone in phones}
    assert set(owners(new).values()) == set(user_keys()) - set(known.values())
    assert owners(known) == known


# --- Others at the same time ------------------------------------------------------------------------------------------
class Meanwhile:
    """Passes everything on; before the first commit of the rotation somebody else does something."""

    def __init__(self, inner: DocumentStore, act: Any) -> None:
        self.inner, self.act = inner, act

    def __getattr__(self, name: str) -> Any:
        if name == "commit" and self.act:
            act, self.act = self.act, None
            with use_store(self.inner):
                act()
        return getattr(self.inner, name)


def test_a_merge_at_the_same_time_wins_and_can_be_undone(store: DocumentStore, valkey: object, settings: Any) -> None:
    known = play()
    ana, bia = known[Sender(wa_id=ANA)], known[Sender(wa_id=BIA)]
    use(settings, 2, 1)
    merges = []

    def merge() -> None:
        merges.append(merging.merge(source=bia, target=ana, actor="user:7", now=timezone.now()))

    with use_store(Meanwhile(store, merge)):  # type: ignore[arg-type]
        assert rotate_peppers().done
    use(settings, 2)
    together = {sender: ana if owner == bia else owner for sender, owner in known.items()}
    assert owners(together) == together
    use(settings, 2, 1)
    merging.undo(merge_id=merges[0].pk, actor="user:7", now=timezone.now())
    for versions in ((2,), (1,)):
        use(settings, *versions)
        assert owners(known) == known


def test_an_erasure_at_the_same_time_leaves_no_entry(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    known = play()
    ana = known[Sender(wa_id=ANA)]
    use(settings, 2, 1)

    def erase() -> None:
        erasure.erase(user_key=ana, reason=Erasure.Reason.REQUEST, actor="SYSTEM", now=timezone.now())

    with use_store(Meanwhile(embedded_store, erase)):  # type: ignore[arg-type]
        assert rotate_peppers().done
    assert ana not in {snapshot.data["user_key"] for snapshot in documents("identities")}


def test_two_at_once_make_one_twin_each(embedded_store: DocumentStore, valkey: object, settings: Any) -> None:
    known = play()
    total = entries(1)
    use(settings, 2, 1)
    with use_store(Meanwhile(embedded_store, rotate_peppers)):  # type: ignore[arg-type]
        assert rotate_peppers().done
    assert (entries(1), entries(2)) == (total, total)
    assert owners(known) == known


def test_an_identifier_that_leads_to_two_people_is_left_to_staff(
    embedded_store: DocumentStore, valkey: object, settings: Any
) -> None:
    known = play()
    use(settings, 2)
    twice = hears(wa_id=ANA)  # the old pepper was taken away too early
    use(settings, 2, 1)
    status, report = run()
    assert (status, report["contradictions"] > 0) == (1, True)
    new, old = identity_keys("PHONE", f"+{ANA}")
    assert inner().get(f"identities/{new}").data["user_key"] == twice
    assert inner().get(f"identities/{old}").data["user_key"] == known[Sender(wa_id=ANA)]


def test_with_one_pepper_there_is_nothing_to_do(embedded_store: DocumentStore, valkey: object, settings: Any) -> None:
    play()
    status, report = run()
    assert (status, report["paired"], report["unpaired"]) == (0, 0, {})
    run_turns(Outside())
    assert peppers.count_entries().entries == {1: entries(1)}
