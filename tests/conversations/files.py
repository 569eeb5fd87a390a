"""Customers who send files, and what becomes of these."""

import base64
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.utils import timezone

from conversations.models import Message
from conversations.services import media
from conversations.simulator.fake import FakeMeta
from conversations.simulator.samples import sample_png, sample_voice_note
from conversations.whatsapp.media import MediaClient, MediaGone, MediaInfo
from pyloto.privacy.encrypted_files import list_folder

from .deliveries import envelope, post, text_message
from .kept import stored_messages

PNG, VOICE = sample_png(), sample_voice_note()
PDF = b"%PDF-1.7\n" + b"planta da loja\n" * 200
_numbers = itertools.count(1)


def a_fake() -> FakeMeta:
    """The fake Meta, whose Graph API and files are asked over HTTP."""
    return FakeMeta(
        webhook_url="http://127.0.0.1:9",  # nobody listens: the tests deliver by themselves
        app_secret=settings.WHATSAPP_APP_SECRET,
        access_token=settings.WHATSAPP_ACCESS_TOKEN,
        phone_number_ids=settings.WHATSAPP_PHONE_NUMBER_IDS,
        seed=7,
    )


def client_of(fake: FakeMeta, **options: Any) -> MediaClient:
    values = {"version": "v26.0", "access_token": fake.access_token, "hosts": ["lookaside.fbsbx.com"]}
    return MediaClient(graph_url=fake.url, **values | options)


class Library:
    """A double of the client: files by their ids."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.errors: list[BaseException] = []

    def add(self, data: bytes) -> str:
        media_id = str(1_284_750_000_000 + next(_numbers))
        self.files[media_id] = data
        return media_id

    def describe(self, media_id: str) -> MediaInfo:
        if self.errors:
            raise self.errors.pop(0)
        if media_id not in self.files:
            raise MediaGone("no such id")
        return MediaInfo(media_id, size_bytes=len(self.files[media_id]))

    @contextmanager
    def open(self, url: str, *, max_bytes: int) -> Iterator[Iterator[bytes]]:
        data = self.files[url]
        yield (data[start : start + 10_000] for start in range(0, len(data), 10_000))


def reference(media_id: str, data: bytes, mime_type: str, **more: Any) -> dict[str, Any]:
    """What a webhook tells of a file."""
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {"id": media_id, "mime_type": mime_type, "sha256": digest, **more}


def send(
    media_id: str, data: bytes = PNG, kind: str = "image", mime_type: str = "image/png", *, wa_id: str = "", **more: Any
) -> Message:
    """A customer sends a file; the message, as the webhook stored it."""
    fields = {"wa_id": wa_id} if wa_id else {}
    message = text_message(f"wamid.file{next(_numbers)}", "", **fields, type=kind)
    message |= {kind: reference(media_id, data, mime_type, **more)}
    assert post(envelope(message)).status_code == 200
    return newest()


def newest() -> Message:
    return stored_messages()[-1]


def again(message: Message) -> Message:
    """The message as it is now."""
    return next(found for found in stored_messages() if found.pk == message.pk)


def fetch(message: Message, client: Any, now: datetime | None = None) -> media.MediaStatus | None:
    """What the task does."""
    user_key = message.path.split("/")[1]
    return media.fetch(user_key=user_key, message_key=message.pk, client=client, now=now or timezone.now())


def later(message: Message) -> datetime:
    """When its file is due."""
    found = again(message).media_due
    assert found
    at: datetime = found["at"]
    return at + timedelta(milliseconds=1)


def opened(message: Message) -> bytes:
    """What staff get to read."""
    found = media.open_media(user_key=message.path.split("/")[1], message_key=message.pk)
    return b"".join(found.chunks)


def storage() -> Storage:
    return storages["media"]


def stored_files() -> list[str]:
    """Everything that lies in the storage."""
    folders = list_folder(storage(), "media")[0]
    return [f"media/{name}/{file}" for name in folders for file in list_folder(storage(), f"media/{name}")[1]]
