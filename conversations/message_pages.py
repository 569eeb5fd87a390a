"""What staff do with single messages: open the file of one, have it fetched again, decide about one in doubt."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_POST

from pyloto.documents import is_document_id

from .agent_pages import EXPLAINED, RELEASE, REPLY, VIEW, AgentPages, explain
from .doorbell import doorbell
from .services import media, uncertain
from .services.agents import agent_of
from .services.chat import is_there

# A file runs nothing and loads nothing, whatever stands in it.
FILE_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
)
RANGE = re.compile(r"bytes=(\d{1,12})-(\d{0,12})", re.ASCII)  # what players ask for; anything else gets the whole file


class MessagePages(AgentPages):
    def message_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        one = "<str:user_key>/messages/<str:message_key>"
        name = "conversations_message"
        return [
            path(f"{one}/file/", wrap(require_GET(self.file_view)), name=f"{name}_file"),
            path(f"{one}/fetch/", wrap(require_POST(self.fetch_view)), name=f"{name}_fetch"),
            path(f"{one}/resend/", wrap(require_POST(self.resend_view)), name=f"{name}_resend"),
            path(f"{one}/leave/", wrap(require_POST(self.leave_view)), name=f"{name}_leave"),
        ]

    def file_view(self, request: HttpRequest, user_key: str, message_key: str) -> HttpResponseBase:
        """The file, decrypted while it is sent. Not audited: it shows no more than the chat that it stands in. No page of the admin is
        cached: a file neither."""
        self.check_message(request, user_key, message_key, VIEW)
        if not is_there(user_key):
            raise Http404
        try:
            file = media.open_media(user_key=user_key, message_key=message_key)
        except media.MediaMissing as exc:
            raise Http404 from exc
        response = _ranged(file, request.headers.get("Range", ""))
        response["Content-Disposition"] = content_disposition_header(not file.inline, file.filename) or "attachment"
        response["Content-Security-Policy"] = FILE_POLICY
        response["X-Content-Type-Options"] = "nosniff"
        response["Accept-Ranges"] = "bytes"
        return response

    def fetch_view(self, request: HttpRequest, user_key: str, message_key: str) -> HttpResponse:
        self.check_message(request, user_key, message_key, REPLY)
        try:
            media.try_again(
                user_key=user_key, message_key=message_key, agent=agent_of(request.user.pk), now=timezone.now()
            )
        except media.CannotTryAgain:
            messages.warning(request, "Não há o que buscar: o arquivo já está aqui, ou já está sendo buscado.")
        except media.MediaContended:
            messages.error(request, "Não foi possível pedir o arquivo agora. Tente de novo em instantes.")
        else:
            doorbell.ring_media([(user_key, message_key)])
            messages.success(request, "O arquivo está sendo buscado de novo. Recarregue a página em instantes.")
        return self.back_to_chat(request, user_key)

    def resend_view(self, request: HttpRequest, user_key: str, message_key: str) -> HttpResponse:
        return self._decide(request, user_key, message_key, uncertain.resend, "A mensagem foi para a fila de envio.")

    def leave_view(self, request: HttpRequest, user_key: str, message_key: str) -> HttpResponse:
        return self._decide(request, user_key, message_key, uncertain.dismiss, "Anotado: a mensagem fica como está.")

    def _decide(
        self, request: HttpRequest, user_key: str, message_key: str, decide: Callable[..., Any], done: str
    ) -> HttpResponse:
        self.check_message(request, user_key, message_key, REPLY)
        agent, overrules = agent_of(request.user.pk), request.user.has_perm(RELEASE)
        try:
            decide(user_key=user_key, message_key=message_key, agent=agent, now=timezone.now(), overrules=overrules)
        except uncertain.NotInDoubt:
            messages.warning(request, "Não há o que decidir: a mensagem chegou, ou alguém já decidiu.")
        except EXPLAINED as exc:
            messages.warning(request, explain(exc))
        else:
            messages.success(request, done)
        return self.back_to_chat(request, user_key)

    def check_message(self, request: HttpRequest, user_key: str, message_key: str, permission: str) -> None:
        self.require(request, user_key, permission)
        if not is_document_id(message_key):
            raise Http404


def _ranged(file: media.Media, asked: str) -> StreamingHttpResponse:
    """The whole file, or the part that a player asks for: some play nothing from a server that sends no parts."""
    part = byte_range(asked, file.size_bytes) if file.inline else None
    if part is None:
        return StreamingHttpResponse(
            file.chunks, content_type=file.content_type, headers={"Content-Length": str(file.size_bytes)}
        )
    first, last = part
    headers = {
        "Content-Length": str(last - first + 1),
        "Content-Range": f"bytes {first}-{last}/{file.size_bytes}",
    }
    return StreamingHttpResponse(
        _cut(file.chunks, first, last), status=206, content_type=file.content_type, headers=headers
    )


def byte_range(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """(first, last) of the bytes that a Range header asks for; None where it asks for nothing that is there."""
    match = RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    first = int(match[1])
    last = min(int(match[2]) if match[2] else size_bytes - 1, size_bytes - 1)
    return (first, last) if first <= last else None


def _cut(chunks: Iterator[bytes], first: int, last: int) -> Iterator[bytes]:
    """The bytes from `first` to `last`; what is before them is decrypted too, and all of a bucket's object fetched, each time."""
    at = 0
    for chunk in chunks:
        part = chunk[max(first - at, 0) : last - at + 1]
        at += len(chunk)
        if part:
            yield part
        if at > last:
            return
