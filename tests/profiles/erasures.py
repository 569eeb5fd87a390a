"""A customer full of planted data, everything that is kept afterwards, and a process that dies wherever a test wants."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from django.core.cache import cache
from django.core.files.storage import storages
from django.utils import timezone

from audit.chain import verify
from conversations.privacy import erasure as conversations_privacy
from conversations.privacy import quarantine
from conversations.services import ingest
from conversations.services.merging import merge
from conversations.services.turns import process
from conversations.stores import MEDIA_FILES
from conversations.whatsapp.client import Accepted
from profiles.models import Erasure, Identity
from profiles.services import erasure
from pyloto.documents import DocumentStore, Query, Snapshot, get_store, use_store
from pyloto.documents.document_model import DocumentModel
from pyloto.documents.models import Document
from pyloto.documents.recorder import RecordingStore
from pyloto.privacy import encrypted_files
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.streams import decrypt_stream
from tests.conversations.deliveries import envelope, post, text_message
from tests.conversations.outside import Outside, WorkerDied
from tests.lab.canaries import BSUID, CPF, EMAIL, NAME, PHONE, WA_ID, find_canaries, planted_wamid

ENVELOPE = re.compile(r"\d+\.[\w-]{30,}={0,2}")
BYSTANDER = "5541977776666"
TEXT = f"Sou {NAME}, {PHONE}, {EMAIL}, CPF {CPF}"
SECOND_NUMBER = "5542988887777"


# --- planting ---------------------------------------------------------------------------------------------------------
@dataclass
class World:
    """One customer with planted data in every kind of document, and a bystander who has none of it."""

    outside: Outside
    user_key: str = ""
    merged: str = ""  # the same person under another number, merged into `user_key`
    bystander: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    def plant(self) -> "World":
        self.bystander = self.hears(
            "Bom dia, quero um orçamento", wa_id=BYSTANDER, name="Otto Vizinho", wamid="bystander.1"
        )
        self.user_key = self.hears(f"oi! {TEXT}")
        self.hears(f"quero falar com uma pessoa. {TEXT}")
        self.merged = self.hears(f"este é meu outro número. {TEXT}", wa_id=SECOND_NUMBER)
        merge(source=self.merged, target=self.user_key, actor="user:7", now=timezone.now())
        self.quarantines()
        self.post_message(f"ainda aí? {TEXT}")  # nobody has looked at it yet
        self.waits_to_be_sent()
        for user_key in (self.bystander, self.user_key, self.merged):
            self.keeps_a_file(user_key)
        profile = get_store().get(f"user_profiles/{self.bystander}")
        get_store().update(profile.path, {"merge_candidates": [self.user_key, "somebody-else"]})
        return self

    def keeps_a_file(self, user_key: str) -> None:
        """One of their messages brought a file, which lies in the storage."""
        message = min(inner().query(Query(f"conversations/{user_key}/messages")), key=lambda found: found.id)
        name = f"media/{user_key}/{message.id}.0123456789abcdef"
        content = [b"%PDF-1.7 ", b"Bom dia" if user_key == self.bystander else TEXT.encode()]
        file = encrypted_files.save_stream(MEDIA_FILES, name, content, path=message.path)
        told = {"id": "1284750000000", "mime_type": "application/pdf", "filename": f"{NAME}.pdf"}
        stored = {"status": "STORED", "tries": 1, "file": file, "content_type": "application/pdf", "size_bytes": 90}
        get_store().update(message.path, {"media": (told if user_key != self.bystander else {}) | stored})

    def waits_to_be_sent(self) -> None:
        """The last answer is in the queue still."""
        messages = inner().query(Query(f"conversations/{self.user_key}/messages"))
        answer = max((m for m in messages if m.data["direction"] == "out"), key=lambda m: m.data["seq"])
        waiting = {"state": "QUEUED", "due": {"shard": int(answer.id[0], 16), "at": timezone.now()}}
        get_store().update(answer.path, waiting)

    def hears(self, text: str, **about: Any) -> str:
        """A message, and its answer; returns whose it is."""
        before = set(message_paths())
        self.post_message(text, **about)
        sent_id = "bystander.sent" if about.get("wa_id") == BYSTANDER else planted_wamid(next(self._numbers))
        self.outside.answers = [Accepted(sent_id)]
        (new,) = set(message_paths()) - before
        user_key = new.split("/")[1]
        process(user_key=user_key, client=self.outside)  # type: ignore[arg-type]
        return user_key

    def post_message(self, text: str, *, wa_id: str = WA_ID, name: str = NAME, wamid: str = "") -> None:
        bsuid = BSUID if wa_id == WA_ID else ""
        message = text_message(wamid or planted_wamid(next(self._numbers)), text, wa_id=wa_id, bsuid=bsuid)
        assert post(envelope(message, name=name)).status_code == 200

    def quarantines(self) -> None:
        """One whose phone stands only inside of Meta's id, one named by phone, a large one in a file; one of a stranger."""
        for body in (
            {"id": planted_wamid(next(self._numbers)), "text": {"body": "x"}},
            {"id": "wamid.q2", "from": WA_ID, "text": {"body": TEXT}},
            {"id": "bystander.2", "from": BYSTANDER, "text": {"body": "Bom dia"}},
            {"id": "wamid.q4", "from": WA_ID, "text": {"body": TEXT + " " * ingest.QUARANTINE_INLINE_MAX}},
        ):
            assert post(envelope(body)).status_code == 200


def message_paths() -> list[str]:
    return [snapshot.path for snapshot in inner().query(Query("messages", group=True))]


def inner() -> DocumentStore:
    """Past the recording store, whose shapes are those of the product alone."""
    store = get_store()
    while isinstance(store, RecordingStore):
        store = store.inner
    return store


# --- looking ----------------------------------------------------------------------------------------------------------
def all_documents() -> list[Snapshot]:
    collections = {model.collection for model in DocumentModel.__subclasses__()} | {"dedupe", "controls"}
    return [snapshot for name in sorted(collections) for snapshot in inner().query(Query(name, group=True))]


def opened(snapshot: Snapshot) -> str:
    """The document as text, with every envelope in it opened."""
    return f"{snapshot.path} {_opened(snapshot.data, snapshot.path, ())}"


def _opened(value: Any, path: str, names: tuple[str, ...]) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}: {_opened(item, path, (*names, str(name)))}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(_opened(item, path, names) for item in value)
    if isinstance(value, str) and ENVELOPE.fullmatch(value):
        try:
            return decrypt(value, path=path, field=".".join(names))
        except DecryptionFailed:
            return value
    return str(value)


def everything_kept(valkey: redis.Redis) -> dict[str, str]:
    """{place: what stands there}: documents opened, Valkey, files of both storages."""
    from tests.conversations.test_no_personal_data_outside import standing_in

    kept = {snapshot.path: opened(snapshot) for snapshot in all_documents()}
    kept["valkey"] = standing_in(valkey)
    for folder in folders():
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                kept[str(file)] = f"{file.relative_to(folder)} {_file_text(file, folder)}"
    return kept


def _file_text(file: Path, folder: Path) -> str:
    if file.relative_to(folder).parts[0] == "media":
        path = f"conversations/{file.parent.name}/messages/{file.name.partition('.')[0]}"
        with file.open("rb") as opened_file:
            return b"".join(decrypt_stream(opened_file, path=path, field="media.content")).decode()
    text = file.read_text(errors="replace")
    if not ENVELOPE.fullmatch(text):
        return text
    return decrypt(text, path=f"webhook_quarantine/{file.name}", field="body")


def folders() -> list[Path]:
    return [Path(storages[name].path("")) for name in ("default", "exports", "media")]


def canaries_in(kept: dict[str, str]) -> dict[str, list[str]]:
    return {place: found for place, text in kept.items() if (found := find_canaries(text))}


def is_complete(user_key: str) -> bool:
    receipt = erasure.receipt(user_key)
    return receipt is not None and receipt.is_complete


def check_gone(world: World, valkey: redis.Redis, *, user_keys: Sequence[str] = ()) -> None:
    """Nothing of the planted data is anywhere; the trails verify; the bystander is as they were."""
    keys = user_keys or (world.user_key, world.merged)
    kept = everything_kept(valkey)
    found = canaries_in(kept)
    assert not found, found
    assert all(is_complete(user_key) for user_key in keys)
    for user_key in keys:
        # The trail and the journals keep the random keys; tasks that were rung for wait in the queue.
        named = [place for place, text in kept.items() if user_key in place + text]
        strange = [n for n in named if n != "valkey" and not n.startswith("audit_logs/") and "erasures/" not in n]
        assert not strange, strange
        assert not [key for key in valkey.scan_iter() if user_key in key]
    for kind, value in (("PHONE", PHONE), ("BSUID", BSUID)):
        assert inner().get_many([f"{Identity.collection}/{key}" for key in identity_keys(kind, value)]) == {}
    check_trails()
    assert inner().get(f"user_profiles/{world.bystander}").data["merge_candidates"] == ["somebody-else"]
    assert [s for s in all_documents() if s.path.startswith(f"conversations/{world.bystander}/messages/")]
    assert [text for place, text in kept.items() if f"media/{world.bystander}" in place]
    assert any("Bom dia" in kept[s.path] for s in all_documents() if s.path.startswith("webhook_quarantine/"))


def check_trails() -> dict[str, list[str]]:
    """Every chain verifies; returns {chain: types of its events}."""
    chains: dict[str, list[dict[str, Any]]] = {}
    for snapshot in inner().query(Query("audit_logs")):
        chains.setdefault(snapshot.data["conversation_id"], []).append(snapshot.data)
    for name, events in chains.items():
        events.sort(key=lambda event: event["seq"])
        assert not list(verify(name, events))
        assert len({event["event_id"] for event in events}) == len(events)
    return {name: [event["event_type"] for event in events] for name, events in chains.items()}


def trail_of(user_key: str) -> list[str]:
    journal = inner().get(f"erasures/{user_key}").data
    return check_trails()[journal["conversation_ids"][0]]


# --- dying ------------------------------------------------------------------------------------------------------------
class Fuse:
    """Counts the calls that change something outside; raises what nothing catches in place of the one with this number.

    To die before a call that only reads is the same as to die before the next one that changes something: what the
    process had read dies with it.
    """

    def __init__(self, blows_at: int) -> None:
        self.blows_at, self.calls = blows_at, 0

    def tick(self) -> None:
        if self.calls == self.blows_at:
            raise WorkerDied
        self.calls += 1


class Mortal:
    """Anything outside of the process, behind a fuse."""

    def __init__(self, target: Any, fuse: Fuse, names: tuple[str, ...]) -> None:
        self._target, self._fuse, self._names = target, fuse, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in self._names:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.tick()
            return found(*args, **kwargs)

        return call


CHANGES = ("commit", "create", "set", "update", "delete", "write_many", "purge")


def burning(fuse: Fuse, patch: Any, work: Callable[[], Any]) -> bool:
    """Do the work with every store, Redis and storage call behind the fuse; False where the process died."""
    redis_client, save_once, storage = (
        conversations_privacy.get_redis,
        erasure.write_once.save_once,
        quarantine.default_storage,
    )

    def save(*args: Any) -> bool:
        fuse.tick()
        return save_once(*args)

    with patch.context() as patched, use_store(Mortal(get_store(), fuse, CHANGES)):
        patched.setattr(conversations_privacy, "get_redis", lambda: Mortal(redis_client(), fuse, ("delete",)))
        patched.setattr(erasure.write_once, "save_once", save)
        patched.setattr(quarantine, "default_storage", Mortal(storage, fuse, ("delete",)))
        patched.setattr(encrypted_files, "storage_of", lambda entry: Mortal(storages[entry.storage], fuse, ("delete",)))
        try:
            work()
        except WorkerDied:
            cache.clear()  # it lived in the process
            return False
    return True


def finished(user_key: str, *, now: datetime | None = None) -> None:
    """What beat and workers do for the next minutes, or whoever gave the command where they find nothing to do."""
    now = now or timezone.now()
    if erasure.receipt(user_key) is None:
        erasure.erase(user_key=user_key, reason=Erasure.Reason.REQUEST, actor="SYSTEM", now=now)
    for _ in range(6):
        now += timedelta(minutes=2, seconds=1)
        for key in erasure.find_unfinished(now):
            erasure.resume(key, now)
        if is_complete(user_key):
            return
    raise AssertionError("not completed")


# --- keeping a copy ---------------------------------------------------------------------------------------------------
class Copy:
    """Everything as it was: embedded documents, Valkey, files."""

    def __init__(self, valkey: redis.Redis, folder: Path) -> None:
        self.valkey, self.folder = valkey, folder
        self.rows = list(Document.objects.using("documents").all())
        self.keys = {key: valkey.get(key) for key in valkey.scan_iter() if valkey.type(key) == "string"}
        for number, source in enumerate(folders()):
            if source.exists():
                shutil.copytree(source, folder / str(number))

    def restore(self) -> None:
        Document.objects.using("documents").all().delete()
        Document.objects.using("documents").bulk_create(self.rows)
        self.valkey.flushall()
        for key, value in self.keys.items():
            self.valkey.set(key, value)
        for number, target in enumerate(folders()):
            shutil.rmtree(target, ignore_errors=True)
            if (self.folder / str(number)).exists():
                shutil.copytree(self.folder / str(number), target)
        cache.clear()
