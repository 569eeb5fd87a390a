"""The files that customers send: fetched from Meta, kept encrypted, read by staff. The rules are in `conversations.media`.

A run claims a file in the message before it fetches: it counts the try, says under which name it will store, and puts the next
try behind its own end. What it stored counts once the message names it, in a commit on the version of the message
that still has the claim. So of two runs one wins, whoever is killed is followed by another, and the message names what may
lie in the storage. What could not be deleted when its time came is found by its folder, once a day (`remove_leftovers`). The
header has no part in this: nothing that anybody answers to depends on it.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from redis.exceptions import RedisError

from conversations import media as rules
from conversations.media import MediaReason, MediaStatus
from conversations.models import Message
from conversations.services.commits import jitter
from conversations.stores import MEDIA_FILES, ConversationStore, due, load
from conversations.whatsapp.errors import ErrorClass
from conversations.whatsapp.media import (
    AddressRefused,
    GraphRefused,
    LinkEnded,
    MediaClient,
    MediaGone,
    MediaInfo,
    MediaTooLarge,
)
from pyloto.documents import DELETE_FIELD, NotFound, PreconditionFailed, Update, get_store
from pyloto.errors import PermanentError, StorageUnavailable, TransientError
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import bind_correlation_id
from pyloto.privacy.encrypted_files import delete_file, read_stream, save_stream, walk_leftovers
from pyloto.privacy.fields import DecryptionFailed
from pyloto.redis_client import get_redis

log = structlog.get_logger(__name__)
conversations = ConversationStore()

TRIES = 5  # of a commit that others keep getting before
RING_AGAIN_SECONDS = 60  # each file is rung for at most this often by the sweeper
QUEUE = "media"  # of the broker, which is the same Redis; see CELERY_TASK_ROUTES
RINGS_MAX = 1000  # of half a kilobyte; with as many in the queue nobody needs another one


class MediaMissing(PermanentError):
    """There is no file to show: the message has none, it is not stored, or it cannot be read (any more)."""


class CannotTryAgain(PermanentError):
    """There is nothing to fetch, it is there already, or it is being fetched."""


class MediaContended(TransientError):
    """Others kept changing the message."""


class Refused(Exception):
    """No failure: the file is one that we do not keep."""

    def __init__(self, reason: MediaReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Media:
    """A stored file, decrypted while it is read. `filename` and `content_type` are ours and safe in headers.

    Only what is `inline` may be shown by a browser, with `content_type`; the rest is for saving, as
    application/octet-stream.
    """

    content_type: str
    filename: str
    inline: bool
    size_bytes: int
    chunks: Iterator[bytes]


# --- for staff --------------------------------------------------------------------------------------------------------
def open_media(*, user_key: str, message_key: str) -> Media:
    """The file of a message. Raises `MediaMissing`; the chunks raise `DecryptionFailed` where it was tampered with."""
    message = _find(user_key, message_key)
    if message is None or message.media.get("status") != MediaStatus.STORED:
        raise MediaMissing("this message has no stored file")
    chunks = read_stream(MEDIA_FILES, message.media["file"], path=message.path)
    try:
        first = next(chunks)
    except (FileNotFoundError, DecryptionFailed, StorageUnavailable) as exc:
        alert("media_unreadable", message_key=message_key, error=type(exc).__name__)
        raise MediaMissing("the file cannot be read") from exc
    content_type = str(message.media.get("content_type", ""))
    known = rules.FILE_TYPES.get(content_type)
    return Media(
        content_type=content_type if known and known.inline else "application/octet-stream",
        filename=rules.download_name(message),
        inline=bool(known and known.inline),
        size_bytes=int(message.media.get("size_bytes", 0)),
        chunks=_with_first(first, chunks),
    )


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def try_again(*, user_key: str, message_key: str, agent: str, now: datetime) -> Message:
    """Have an unavailable or refused file fetched once more. The caller rings (`doorbell.ring_media`).

    Raises `CannotTryAgain`, `MediaContended`. Nothing of the conversation changes: no audit event tells of it.
    """

    def change(message: Message) -> dict[str, Any] | None:
        if not rules.can_try_again(message):
            raise CannotTryAgain("there is nothing to fetch, or it is being fetched")
        return {
            "media.status": MediaStatus.PENDING.value,
            "media.tries": 0,
            "media.asked_at": now,
            "media.reason": DELETE_FIELD,
            "media_due": due(message.pk, now),
        }

    message = _change(user_key, message_key, change)
    if message is None:
        raise CannotTryAgain("there is no such message")
    log.info("media_asked_again", message_key=message_key, agent=agent)
    return message


# --- for workers ------------------------------------------------------------------------------------------------------
def fetch(*, user_key: str, message_key: str, client: MediaClient, now: datetime) -> MediaStatus | None:
    """Fetch the file of a message where that is due; returns what became of it, None where there was nothing to do.

    A failure that may pass leaves it pending: the sweeper comes back to it.
    """
    message = _claim(user_key, message_key, now)
    if message is None:
        return None
    bind_correlation_id(message.correlation_id)
    if message.media["tries"] > 1 and now >= rules.gives_up_at(message):  # the runs before were killed
        return _end(message, MediaStatus.UNAVAILABLE, MediaReason.GAVE_UP)
    try:
        found = _fetch_into(message, client)
    except Refused as exc:
        return _end(message, MediaStatus.REFUSED, exc.reason)
    except MediaGone as exc:
        if now >= message.timestamp + rules.GIVE_UP_AFTER:
            return _end(message, MediaStatus.UNAVAILABLE, MediaReason.GONE)
        alert("media_gone_early", message_key=message_key)  # Meta keeps them for longer: perhaps we lack a permission
        return _failed(message, exc, now)
    except TransientError as exc:
        return _failed(message, exc, now)
    return _keep(message, found, now)


@dataclass(frozen=True)
class Found:
    file: str
    content_type: str
    size_bytes: int


def _claim(user_key: str, message_key: str, now: datetime) -> Message | None:
    """Take the file for this run; None where it is not due, or its customer is no more.

    What waits below an erased customer is either about to be deleted, or moved by the turn to somebody new.
    """
    gone = load(user_key, ()).is_erased
    abandoned = ""

    def change(message: Message) -> dict[str, Any] | None:
        nonlocal abandoned
        due_at = (message.media_due or {}).get("at")
        if message.media.get("status") != MediaStatus.PENDING or due_at is None or due_at > now:
            return None
        if gone:
            return {"media_due": due(message_key, now + rules.LEASE)}
        abandoned = message.media.get("draft", "")
        tries = int(message.media.get("tries", 0)) + 1
        return {
            "media.tries": tries,
            "media.draft": _new_name(user_key, message_key),
            "media_due": due(message_key, now + max(rules.LEASE, rules.wait_after(tries))),
        }

    message = _change(user_key, message_key, change)
    if message is None or gone:
        return None
    _discard(abandoned)  # of a run that was killed or that could not store; one that still lives has lost its claim
    return message


def _fetch_into(message: Message, client: MediaClient) -> Found:
    """Fetch the file and store it, encrypted, under the name of the claim. Raises `Refused`, and what the client raises."""
    media = message.media
    if reason := rules.refusal_before(message.type, media.get("mime_type", "")):
        raise Refused(reason)
    try:
        return _download(message, client, client.describe(media["id"]))
    except LinkEnded:  # between two requests, or the clock of somebody is wrong: once more, with a new one
        return _download(message, client, client.describe(media["id"]))


def _download(message: Message, client: MediaClient, info: MediaInfo) -> Found:
    mime_type, limit = message.media["mime_type"], rules.MAX_BYTES[message.type]
    if reason := rules.refusal_before(message.type, mime_type, info.size_bytes):
        raise Refused(reason)
    digest = hashlib.sha256()
    size_bytes = 0

    def checked(parts: Iterable[bytes]) -> Iterator[bytes]:
        """The digest first: a wrong page in the file's place is no reason to refuse the file for good."""
        nonlocal size_bytes
        head = b""
        for part in parts:
            head += part[: rules.HEAD_BYTES - len(head)]
            digest.update(part)
            size_bytes += len(part)
            yield part
        told = message.media.get("sha256") or info.sha256
        if told and not rules.same_digest(told, digest.digest()):
            raise WrongDigest("not the bytes that were announced")
        if not told and info.size_bytes and size_bytes != info.size_bytes:
            raise WrongDigest("not as many bytes as were announced")
        if reason := rules.refusal_of_content(mime_type, head):
            raise Refused(reason)

    try:
        with client.open(info.url, max_bytes=limit) as parts:
            file = save_stream(MEDIA_FILES, message.media["draft"], checked(parts), path=message.path)
    except MediaTooLarge as exc:
        raise Refused(MediaReason.TOO_LARGE) from exc
    return Found(file, rules.plain_type(mime_type), size_bytes)


class WrongDigest(TransientError):
    """What came is not what was sent. A transfer may be damaged, so it is tried again."""


def _keep(message: Message, found: Found, now: datetime) -> MediaStatus | None:
    """Make the message name the file. Where that cannot be, nothing of it stays.

    The journal is asked after the file was stored: an erasure that began later finds the file by its folder.
    """
    user_key = message.path.split("/")[1]
    fields = {
        "media.status": MediaStatus.STORED.value,
        "media.file": found.file,
        "media.content_type": found.content_type,
        "media.size_bytes": found.size_bytes,
        "media.stored_at": now,
        **_WITHOUT_WORK,
    }
    kept = not load(user_key, ()).is_erased and _settle(message, fields)
    if not kept:
        _discard(found.file)
        return None
    log.info("media_stored", message_key=message.pk, type=message.type, size_bytes=found.size_bytes)
    return MediaStatus.STORED


def _failed(message: Message, exc: TransientError | MediaGone, now: datetime) -> MediaStatus | None:
    """Note when to try again, or that it is over. What a failed store may have left is deleted by the next claim."""
    tries = int(message.media["tries"])
    log.warning("media_not_fetched", message_key=message.pk, tries=tries, error=type(exc).__name__, **_codes(exc))
    if isinstance(exc, AddressRefused):
        alert("media_address_refused", reason=exc.reason, host=exc.host)
    elif isinstance(exc, GraphRefused) and exc.error_class is ErrorClass.CHANNEL_BROKEN:
        alert("media_graph_refused", code=exc.code)
    if isinstance(exc, WrongDigest) and tries >= rules.WRONG_DIGESTS_MAX:
        return _end(message, MediaStatus.REFUSED, MediaReason.WRONG_DIGEST)
    again_at = rules.next_try_at(message, tries, now)
    if again_at is None:
        _discard(message.media["draft"])
        return _end(message, MediaStatus.UNAVAILABLE, MediaReason.GAVE_UP)
    left: dict[str, Any] = {} if isinstance(exc, StorageUnavailable) else {"media.draft": DELETE_FIELD}
    settled = _settle(message, {**left, "media_due": due(message.pk, again_at)})
    return MediaStatus.PENDING if settled else None


def _codes(exc: Exception) -> dict[str, Any]:
    """What of an exception may stand in a log."""
    return {name: getattr(exc, name) for name in ("reason", "code") if hasattr(exc, name)}


_WITHOUT_WORK = {
    "media.draft": DELETE_FIELD,
    "media.asked_at": DELETE_FIELD,
    "media_due": DELETE_FIELD,
}


def _end(message: Message, status: MediaStatus, reason: MediaReason) -> MediaStatus | None:
    settled = _settle(message, {"media.status": status.value, "media.reason": reason.value, **_WITHOUT_WORK})
    if settled:
        log.info("media_ended", message_key=message.pk, status=status.value, reason=reason.value)
    return status if settled else None


def _settle(claimed: Message, fields: dict[str, Any]) -> bool:
    """Write the end of a claim, as long as the message still has it."""

    def change(message: Message) -> dict[str, Any] | None:
        return fields if message.media.get("draft") == claimed.media["draft"] else None

    _, user_key, _, message_key = claimed.path.split("/")
    return _change(user_key, message_key, change) is not None


def _change(user_key: str, message_key: str, change: Callable[[Message], dict[str, Any] | None]) -> Message | None:
    """Change the message as `change` says of what it is now; None where it is gone, or nothing is to be changed.

    Raises `MediaContended`, and what the store raises: then nobody knows whether it was applied, and the claim tells later.
    """
    for race in range(TRIES):
        message = _find(user_key, message_key)
        fields = change(message) if message else None
        if message is None or fields is None:
            return None
        with suppress(PreconditionFailed, NotFound):
            get_store().commit([Update(message.path, fields, last_update_time=message.update_time)])
            return _with(message, fields)
        time.sleep(jitter(race))
    raise MediaContended("the message changed at every try")


def _with(message: Message, fields: dict[str, Any]) -> Message:
    """The message as the change has left it."""
    media = dict(message.media)
    for name, value in fields.items():
        if not name.startswith("media."):
            continue
        media.pop(name.removeprefix("media."), None)
        if value is not DELETE_FIELD:
            media[name.removeprefix("media.")] = value
    message.media = media
    return message


def _find(user_key: str, message_key: str) -> Message | None:
    path = conversations.message_path(user_key, message_key)
    found = get_store().get_many([path]).get(path)
    return Message.from_snapshot(found) if found else None


def media_folder(user_key: str) -> str:
    """Where the files of one customer's messages lie."""
    return f"{MEDIA_FILES.folder}/{user_key}"


def _new_name(user_key: str, message_key: str) -> str:
    return f"{media_folder(user_key)}/{message_key}.{secrets.token_hex(8)}"


def _delete(file: str) -> None:
    if file:
        delete_file(MEDIA_FILES, file)


def _discard(file: str) -> None:
    """Delete what no message names, or leave it to `remove_leftovers`."""
    try:
        _delete(file)
    except StorageUnavailable as exc:
        log.warning("media_file_left", error=type(exc).__name__)


# --- for who moves and removes messages -------------------------------------------------------------------------------
def moved_media(message: Message, path: str, *, now: datetime) -> dict[str, Any]:
    """The fields of a message that goes to this path: its file is bound to the old one, and fetched once more.

    Where the bot was paused for days Meta may have forgotten it: then it is copied. Raises `StorageUnavailable`.
    """
    if message.media.get("status") not in (MediaStatus.STORED, MediaStatus.PENDING):
        return {}
    if message.media["status"] == MediaStatus.STORED and now >= message.received_at + rules.GIVE_UP_AFTER:
        with suppress(FileNotFoundError, DecryptionFailed):
            return {"media": {**message.media, "file": _copied(message, path)}}
    told = {name: value for name, value in message.media.items() if name not in _OWN}
    return {"media": rules.first_state(told), "media_due": due(message.pk, now)}


_OWN = ("status", "tries", "draft", "asked_at", "file", "content_type", "size_bytes", "stored_at", "reason")


def _copied(message: Message, path: str) -> str:
    _, user_key, _, message_key = path.split("/")
    content = read_stream(MEDIA_FILES, message.media["file"], path=message.path)
    return save_stream(MEDIA_FILES, _new_name(user_key, message_key), content, path=path)


def discard_files(message: Message) -> None:
    """What may lie in the storage of a message that is gone already; what cannot be deleted now goes within a day."""
    for name in ("file", "draft"):
        _discard(message.media.get(name, ""))


def delete_files(message: Message) -> None:
    """What may lie in the storage of this message, before or after it goes."""
    for name in ("file", "draft"):
        _delete(message.media.get(name, ""))


def remove_leftovers(*, after: str = "", at_most: timedelta) -> str | None:
    """Delete the files that no message names, folder by folder, from the one behind `after` on.

    Returns the folder where the time was up; None at the end. Raises `StorageUnavailable`, and what the store raises.
    """
    ends_at, removed = time.monotonic() + at_most.total_seconds(), 0
    try:
        for user_key, count in walk_leftovers(MEDIA_FILES, after=after):
            removed += count
            if time.monotonic() > ends_at:
                return user_key
        return None
    finally:
        log.info("media_leftovers_removed", files=removed)


# --- for the sweeper --------------------------------------------------------------------------------------------------
def find_due(*, now: datetime) -> Iterator[tuple[str, str]]:
    """(user_key, message_key) of each file that is due and was not rung for lately; none where many rings wait.

    Without a worker they would fill Redis.
    """
    if _rings_waiting() >= RINGS_MAX:
        return
    for user_key, message_key in conversations.find_media_due(now):
        if _may_ring(message_key):
            yield user_key, message_key


def _rings_waiting() -> int:
    try:
        return int(get_redis().llen(QUEUE))
    except RedisError:
        return 0


def _may_ring(message_key: str) -> bool:
    try:
        return bool(get_redis().set(f"ring:media:{message_key}", 1, ex=RING_AGAIN_SECONDS, nx=True))
    except RedisError:
        return True


def oldest_due_seconds(*, now: datetime) -> int:
    """For how long the file that waits longest has been due; 0 where none is."""
    oldest = conversations.oldest_media_due(now)
    return int((now - oldest).total_seconds()) if oldest else 0
