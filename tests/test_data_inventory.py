"""docs/privacy.md lists everything that is stored: each field, key, folder and table, and nothing that is gone."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.core.files.storage import default_storage, storages
from django.utils import timezone

from audit.checkpoints import make_checkpoint
from conversations import dedupe
from conversations.services import merging
from conversations.services.controls import set_bot_paused
from conversations.services.release import release_to_bot
from profiles.models import Erasure, UserProfile
from profiles.services import erasure, peppers
from profiles.services.access import access_report
from profiles.services.retention import hold, release_hold
from profiles.services.reveal import RevealReason, reveal_contact
from pyloto.documents import Delete, DocumentStore, Update, Write, WriteResult, use_store
from pyloto.documents.document_model import DocumentModel
from pyloto.documents.embedded import EmbeddedStore
from pyloto.privacy import walk
from pyloto.privacy.registry import encrypted_fields
from pyloto.privacy.rotation import rotate_keys
from tests.conversations.conftest import outside
from tests.conversations.customer import Customer
from tests.conversations.deliveries import post
from tests.conversations.kept import SAMPLES
from tests.conversations.outside import Outside
from tests.lab.faulty_store import FaultyStore
from tests.profiles.people import writes

ROOT = Path(__file__).parents[1]
INVENTORY = (ROOT / "docs" / "privacy.md").read_text()
CATEGORIES = {"identifier", "contact", "content", "behaviour", "technical"}
WITHOUT_MODEL = {"dedupe", "controls"}


def sections() -> dict[str, str]:
    """{collection: its part of the inventory}"""
    documents = INVENTORY.split("## Documents")[1].split("\n## ")[0]
    parts = re.split(r"^### `(\w+)`$", documents, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows(section: str) -> Iterator[list[str]]:
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def listed() -> dict[tuple[str, str], list[str]]:
    """{(collection, field): the cells of its row}"""
    found: dict[tuple[str, str], list[str]] = {}
    for collection, section in sections().items():
        for row in rows(section):
            for field in re.findall(r"`(\w+)`", row[0]):
                assert (collection, field) not in found, f"{collection}.{field} is listed twice"
                found[collection, field] = row
    return found


def names(heading: str) -> set[str]:
    """What the first column of the table below the heading names."""
    part = INVENTORY.split(heading)[1]
    return {name for row in rows(part.split("\n\n**")[0]) for name in re.findall(r"`([^`]+)`", row[0])}


def models() -> dict[str, type[DocumentModel]]:
    return {model.collection: model for model in apps.get_models() if issubclass(model, DocumentModel)}


# --- the list and the models ------------------------------------------------------------------------------------------
def test_every_field_of_every_document_is_listed_and_exists() -> None:
    stored = {(collection, field) for collection, model in models().items() for field in model.field_names()}
    inventoried = {entry for entry in listed() if entry[0] not in WITHOUT_MODEL}
    assert stored - inventoried == set(), "describe these in docs/privacy.md"
    assert inventoried - stored == set(), "these are stored no longer"
    assert sections().keys() - models().keys() == WITHOUT_MODEL


def test_each_row_says_what_kind_of_data_it_is() -> None:
    for (collection, field), row in listed().items():
        _, category, personal, encrypted, what = row
        assert category in CATEGORIES, f"{collection}.{field}"
        assert personal in {"yes", "no"}
        assert encrypted in {"yes", "no", "in part"}
        assert what


def test_what_is_called_encrypted_is_registered_for_the_rotation_of_keys() -> None:
    registered = {
        (entry.collection, entry.field.partition(".")[0], "in part" if "." in entry.field else "yes")
        for entry in encrypted_fields()
    }
    assert {(*name, row[3]) for name, row in listed().items() if row[3] != "no"} == registered


def test_each_section_says_how_long_and_what_erasure_does() -> None:
    for collection, section in sections().items():
        introduction = section.split("|")[0]
        assert re.search(r"[Kk]ept", introduction), collection
        if collection not in WITHOUT_MODEL | {"erasures", "audit_checkpoints"}:
            assert re.search(r"Basis [PIL]\.", introduction), collection
            assert re.search(r"\b[Ee]rased\b", introduction), collection
    for setting in re.findall(r"\bRETENTION_\w+_DAYS\b", INVENTORY):
        assert hasattr(settings, setting)


def test_every_table_of_django_is_listed() -> None:
    part = INVENTORY.split("**Tables of Django**")[1].split("\n\n")[0]
    patterns = [name.replace("*", ".*") for name in re.findall(r"`(\w+\*?)`", part)]
    tables = {model._meta.db_table for model in apps.get_models() if not issubclass(model, DocumentModel)}
    assert {table for table in tables if not any(re.fullmatch(pattern, table) for pattern in patterns)} == set()


def test_every_redis_key_in_the_code_is_listed() -> None:
    """Those that a name and a colon begin, in whatever file speaks with Redis or its cache."""
    prefixes = set()
    for file in (
        f for app in ("audit", "profiles", "ai", "conversations", "pyloto") for f in (ROOT / app).rglob("*.py")
    ):
        code = file.read_text()
        if "get_redis" in code and "simulator" not in file.parts:
            prefixes |= set(re.findall(r"\bf\"((?:[a-z_]+:)+)\{", code))
    not_keys = {"user:", "inflight:"}  # an actor's name, the value of a mark
    assert {"lock:", "pace:pair:", "dedupe:", "reveals:"} <= prefixes
    assert prefixes - not_keys == {name for name in names("**Redis.**") if name.endswith(":")}


# --- the list and what is written -------------------------------------------------------------------------------------
class NotingStore(FaultyStore):
    """Notes the collection and the fields of every write, whatever is deleted later."""

    def __init__(self, inner: DocumentStore) -> None:
        super().__init__(inner)
        self.written: set[tuple[str, str]] = set()

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        self._note(writes)
        return super().commit(writes)

    def write_many(self, writes: Sequence[Any]) -> list[WriteResult]:
        self._note(writes)
        return super().write_many(writes)

    def create(self, path: str, data: dict[str, Any]) -> None:
        self._note_fields(path, data)
        super().create(path, data)

    def set(self, path: str, data: dict[str, Any], *, merge: bool = False) -> None:
        self._note_fields(path, data)
        super().set(path, data, merge=merge)

    def update(self, path: str, fields: dict[str, Any], **precondition: Any) -> None:
        self._note_fields(path, fields)
        super().update(path, fields, **precondition)

    def _note(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if not isinstance(write, Delete):
                self._note_fields(write.path, write.fields if isinstance(write, Update) else write.data)

    def _note_fields(self, path: str, data: dict[str, Any]) -> None:
        self.written |= {(path.split("/")[-2], name.partition(".")[0]) for name in data}


@pytest.fixture
def noting(embedded_store: DocumentStore) -> Iterator[NotingStore]:
    with use_store(NotingStore(EmbeddedStore())) as store:
        yield store


def test_everything_written_while_customers_are_served_is_listed(
    noting: NotingStore, valkey: redis.Redis, outside: Outside, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TURN_QUIET_SECONDS = timedelta(0)
    monkeypatch.setattr(walk, "PAGE", 5)  # then a walk over few documents keeps its place too
    play_conversations(noting, outside)
    look_after_them(timezone.now())
    set_bot_paused(paused=True, agent="user:7", now=timezone.now())
    assert noting.written - listed().keys() == set(), "describe these in docs/privacy.md"
    assert listed().keys() - noting.written == set(), "nothing writes these"
    keys = names("**Redis.**")
    assert [key for key in valkey.scan_iter() if not any(key.startswith(name) for name in keys)] == []
    folders = names("**Files.**")
    for storage in (default_storage, storages["exports"], storages["media"]):
        top = Path(storage.path(""))
        files = [file.relative_to(top) for file in top.rglob("*") if file.is_file()]
        assert {f"{file.parts[0]}/" for file in files} <= folders


def play_conversations(store: NotingStore, outside: Outside) -> None:
    """All kinds of messages, a lead with its handoff, echo, statuses, flood, and what cannot be read."""
    for path in sorted(SAMPLES.glob("*.json")):
        assert post(path.read_bytes()).status_code == 200
    assert post(b'["' + b"x" * 800_000).status_code == 200
    dedupe.FirestoreDedupeStore().reserve(["a" * 40], "token")
    someone = Customer(store, outside)
    someone.writes("oi").is_served()
    someone.gets("delivered", someone.replies[0])
    someone.writes("quero um sistema sob medida para minha padaria em Ponta Grossa, falar com uma pessoa").is_served()
    release_to_bot(user_key=someone.user_key, agent="user:7", now=timezone.now())
    someone.is_answered_on_the_phone().is_served()


def look_after_them(now: datetime) -> None:
    """What staff and operators do with customers, up to their erasure."""
    first, second = writes("wamid.a", wa_id="5542999990008"), writes("wamid.b", wa_id="5542999990009")
    merged = merging.merge(source=first, target=second, actor="user:7", now=now)
    merging.undo(merge_id=merged.pk, actor="user:7", now=now)
    merging.merge(source=first, target=second, actor="user:7", now=now)
    hold(user_key=second, reason=UserProfile.HoldReason.LAWSUIT, actor="user:7", now=now)
    release_hold(user_key=second, actor="user:7", now=now)
    reveal_contact(user_key=second, reason=RevealReason.values[0], actor="user:7", now=now)
    access_report(user_key=second, actor="user:7", now=now)
    rotate_keys()
    peppers.rotate_peppers()
    make_checkpoint(now=now)
    erasure.erase(user_key=second, reason=Erasure.Reason.REQUEST, actor="user:7", now=now)
    for minutes in (5, 10):
        erasure.resume(second, now + timedelta(minutes=minutes))


__all__ = ["outside"]
