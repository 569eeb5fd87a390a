"""What a file that came with a message may be, how large, and when it is tried again. Pure.

`Message.media` holds what the webhook told ({"id", "mime_type", "sha256", "filename", "voice", "animated"}) and what became
of the file: {"status", "tries"} and, by status,
PENDING: "draft", the name under which a run is about to store it; "asked_at", since when staff want it tried again.
STORED: "file", its name in the storage; "content_type", as its first bytes say; "size_bytes"; "stored_at".
UNAVAILABLE, REFUSED: "reason".
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models

from .models import Message


class MediaStatus(models.TextChoices):
    PENDING = "PENDING", "Sendo baixado"
    STORED = "STORED", "Guardado"
    UNAVAILABLE = "UNAVAILABLE", "Indisponível"
    REFUSED = "REFUSED", "Recusado"


class MediaReason(models.TextChoices):
    """Why there is no file, in words for staff."""

    GONE = "gone", "O WhatsApp não tem mais este arquivo."
    GAVE_UP = "gave_up", "Não foi possível baixar o arquivo do WhatsApp."
    NO_ID = "no_id", "O WhatsApp não disse onde está o arquivo."
    TOO_LARGE = "too_large", "O arquivo é maior do que o WhatsApp permite para este tipo."
    TYPE_NOT_ALLOWED = "type_not_allowed", "Não guardamos arquivos deste tipo."
    WRONG_CONTENT = "wrong_content", "O conteúdo não é do tipo que o arquivo diz ser."
    WRONG_DIGEST = "wrong_digest", "O arquivo chegou diferente do que o cliente enviou."


MEDIA_TYPES = ("image", "video", "audio", "document", "sticker")  # types of messages that bring a file
MB = 1024 * 1024
MAX_BYTES = {  # Meta: media page; 16 MB of audio and video, 100 MB of documents, 500 KB of an animated sticker
    "image": 5 * MB,
    "video": 16 * MB,
    "audio": 16 * MB,
    "document": 100 * MB,
    "sticker": 512 * 1024,
}
GIVE_UP_AFTER = timedelta(days=6)  # Meta: the id of a file in a webhook ends after seven days
ASKED_AGAIN_FOR = timedelta(hours=1)  # so long is tried for what staff asked for after that
LEASE = timedelta(minutes=3)  # a run has ended, or was killed, after this: see the time limit of its task
WAITS = [timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 900, 3600, 7200, 14_400)]  # after each failed try
LONGEST_WAIT = timedelta(hours=6)
WRONG_DIGESTS_MAX = 3  # a transfer may be damaged; one that is damaged at every try was never what was sent
HEAD_BYTES = 1024  # enough to tell what a file is
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)  # Meta's are digits


def is_fetchable(media: Mapping[str, Any]) -> bool:
    return bool(_ID.fullmatch(str(media.get("id", ""))))


def first_state(media: Mapping[str, Any]) -> dict[str, Any]:
    """What a new message's `media` becomes: the file is to be fetched, or nobody knows from where."""
    if is_fetchable(media):
        return {**media, "status": MediaStatus.PENDING.value, "tries": 0}
    return {**media, "status": MediaStatus.UNAVAILABLE.value, "reason": MediaReason.NO_ID.value}


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries, the last of which failed."""
    return WAITS[tries - 1] if tries <= len(WAITS) else LONGEST_WAIT


def gives_up_at(message: Message) -> datetime:
    """When nothing more is tried: Meta has forgotten the file by then. Staff get some tries more."""
    asked_at = message.media.get("asked_at")
    end: datetime = message.received_at + GIVE_UP_AFTER
    return max(end, asked_at + ASKED_AGAIN_FOR) if asked_at else end


def next_try_at(message: Message, tries: int, now: datetime) -> datetime | None:
    """When to try again after so many tries; None where it would be too late."""
    at = now + wait_after(tries)
    return at if at < gives_up_at(message) else None


def can_try_again(message: Message) -> bool:
    """Whether staff may ask for another try: there is something to fetch, and nobody is about to."""
    return message.media.get("status") in (MediaStatus.UNAVAILABLE, MediaStatus.REFUSED) and is_fetchable(message.media)


def status_text(message: Message) -> str:
    """What became of the file, for staff; empty where it is there, or there is none."""
    match message.media.get("status"):
        case MediaStatus.PENDING:
            return "O arquivo ainda está sendo baixado do WhatsApp."
        case MediaStatus.UNAVAILABLE | MediaStatus.REFUSED:
            reason = str(message.media.get("reason", ""))
            return str(MediaReason(reason).label) if reason in MediaReason.values else "O arquivo não está disponível."
    return ""


# --- digests ----------------------------------------------------------------------------------------------------------
def same_digest(told: str, digest: bytes) -> bool:
    """Whether a SHA-256 that Meta told is this one. Webhooks have it in base64, the Graph API in hexadecimal."""
    return digest in (_from_hex(told), _from_base64(told))


def _from_hex(told: str) -> bytes | None:
    try:
        return bytes.fromhex(told)
    except ValueError:
        return None


def _from_base64(told: str) -> bytes | None:
    try:
        return base64.b64decode(told.replace("-", "+").replace("_", "/") + "=" * (-len(told) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


# --- what a file may be -----------------------------------------------------------------------------------------------
def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _is_riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _is_iso_media(head: bytes) -> bool:
    return head[4:8] == b"ftyp"


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc")


def _is_mpeg_audio(head: bytes) -> bool:
    return head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


def _is_aac(head: bytes) -> bool:
    return (len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0) or head.startswith((b"ADIF", b"ID3"))


def _is_pdf(head: bytes) -> bool:
    return b"%PDF-" in head  # readers accept it within the first 1024 bytes


def _is_text(head: bytes) -> bool:
    """No program and no other known form calls itself a text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 has zero bytes
        return True
    return b"\0" not in head and not head.startswith((b"MZ", b"%PDF-", b"PK\x03\x04", b"\x7fELF", b"#!"))


_is_zip = _starts(b"PK\x03\x04", b"PK\x05\x06")
# Office before 2007, and what phones and old programs also save under these names.
_is_office = _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04", b"{\\rtf")


@dataclass(frozen=True)
class FileType:
    """`extension` of the name under which staff save it. `inline`: no browser runs anything that stands in it."""

    extension: str
    matches: Callable[[bytes], bool]
    inline: bool = False


_IMAGES = {
    "image/jpeg": FileType("jpg", _starts(b"\xff\xd8\xff"), inline=True),
    "image/png": FileType("png", _starts(b"\x89PNG\r\n\x1a\n"), inline=True),
    "image/webp": FileType("webp", _is_riff(b"WEBP"), inline=True),
}
_AUDIOS = {
    "audio/ogg": FileType("ogg", _starts(b"OggS"), inline=True),
    "audio/mpeg": FileType("mp3", _is_mpeg_audio, inline=True),
    "audio/mp4": FileType("m4a", _is_iso_media, inline=True),
    "audio/aac": FileType("aac", _is_aac, inline=True),
    "audio/amr": FileType("amr", _starts(b"#!AMR"), inline=True),
    "audio/webm": FileType("webm", _starts(b"\x1aE\xdf\xa3"), inline=True),  # what browsers record in the simulator
}
_VIDEOS = {
    "video/mp4": FileType("mp4", _is_iso_media, inline=True),
    "video/3gpp": FileType("3gp", _is_iso_media, inline=True),
}
_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
_DOCUMENTS = {
    "application/pdf": FileType("pdf", _is_pdf),
    "text/plain": FileType("txt", _is_text),
    "text/csv": FileType("csv", _is_text),
    "application/rtf": FileType("rtf", _starts(b"{\\rtf")),
    "text/rtf": FileType("rtf", _starts(b"{\\rtf")),
    "application/msword": FileType("doc", _is_office),
    "application/vnd.ms-excel": FileType("xls", _is_office),
    "application/vnd.ms-powerpoint": FileType("ppt", _is_office),
    f"{_OPEN_XML}.wordprocessingml.document": FileType("docx", _is_zip),
    f"{_OPEN_XML}.spreadsheetml.sheet": FileType("xlsx", _is_zip),
    f"{_OPEN_XML}.presentationml.presentation": FileType("pptx", _is_zip),
    f"{_OPEN_DOCUMENT}.text": FileType("odt", _is_zip),
    f"{_OPEN_DOCUMENT}.spreadsheet": FileType("ods", _is_zip),
    f"{_OPEN_DOCUMENT}.presentation": FileType("odp", _is_zip),
    "application/zip": FileType("zip", _is_zip),
    "application/x-zip-compressed": FileType("zip", _is_zip),
    "application/vnd.rar": FileType("rar", _starts(b"Rar!\x1a\x07")),
    "application/x-7z-compressed": FileType("7z", _starts(b"7z\xbc\xaf\x27\x1c")),
    "image/gif": FileType("gif", _starts(b"GIF87a", b"GIF89a")),
    "image/heic": FileType("heic", _is_heif),
    "image/heif": FileType("heif", _is_heif),
    "video/quicktime": FileType("mov", _is_iso_media),
    "audio/wav": FileType("wav", _is_riff(b"WAVE")),
}
_ALIASES = {  # other names of the same forms
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/opus": "audio/ogg",
    "application/ogg": "audio/ogg",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "video/3gp": "video/3gpp",
    "application/x-rar-compressed": "application/vnd.rar",
}
# What may come under each type of message. Nothing that a browser or a computer runs: no HTML, SVG, script or program.
ALLOWED: dict[str, dict[str, FileType]] = {
    "image": _IMAGES,
    "sticker": {"image/webp": _IMAGES["image/webp"]},
    "audio": _AUDIOS,
    "video": _VIDEOS,
    "document": {**_IMAGES, **_AUDIOS, **_VIDEOS, **_DOCUMENTS},
}
FILE_TYPES: dict[str, FileType] = ALLOWED["document"]


def plain_type(mime_type: str) -> str:
    """The type without its parameters, by the name that we use: "audio/ogg; codecs=opus" is "audio/ogg"."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def refusal_before(message_type: str, mime_type: str, size_bytes: int = 0) -> MediaReason | None:
    """Why a file is not even fetched, by what Meta tells of it."""
    if plain_type(mime_type) not in ALLOWED.get(message_type, {}):
        return MediaReason.TYPE_NOT_ALLOWED
    return MediaReason.TOO_LARGE if size_bytes > MAX_BYTES[message_type] else None


def refusal_of_content(mime_type: str, head: bytes) -> MediaReason | None:
    """Why a file is not kept, by its first bytes."""
    known = FILE_TYPES.get(plain_type(mime_type))
    return None if known and known.matches(head) else MediaReason.WRONG_CONTENT


def download_name(message: Message) -> str:
    """A name of our own, safe in any header: what the customer called it is theirs to choose."""
    known = FILE_TYPES.get(str(message.media.get("content_type", "")))
    return f"pyloto-{message.pk[:12]}.{known.extension if known else 'bin'}"
