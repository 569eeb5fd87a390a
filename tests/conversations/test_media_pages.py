"""Files of customers as staff open them: decrypted, never run by a browser, and only for those who may see the chat."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from conversations.media import MediaReason, MediaStatus
from conversations.message_pages import byte_range
from conversations.models import Message
from pyloto.documents import DocumentStore, Update, get_store

from . import chat_data as data
from .conftest import run_turns
from .files import PDF, PNG, VOICE, Library, fetch, send
from .outside import Outside

pytestmark = pytest.mark.usefixtures("valkey", "no_files")


def stored(content: bytes, kind: str, mime_type: str, **more: Any) -> Message:
    """A file that a customer sent, and we keep; their conversation has a header."""
    library = Library()
    message = send(library.add(content), content, kind, mime_type, **more)
    assert fetch(message, library) == MediaStatus.STORED
    run_turns(Outside())
    return message


def base_of(message: Message) -> str:
    return f"/admin/conversations/conversation/{message.path.split('/')[1]}"


def url_of(message: Message, action: str = "file") -> str:
    return f"{base_of(message)}/messages/{message.pk}/{action}/"


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_an_image_is_shown_and_locked_in(admin_client: Client, embedded_store: DocumentStore):
    message = stored(PNG, "image", "image/png")
    response = admin_client.get(url_of(message))
    assert content_of(response) == PNG
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"].startswith("inline")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script" not in policy
    html = admin_client.get(f"{base_of(message)}/change/").content.decode()
    assert f'<img src="{url_of(message)}"' in html


def test_a_document_is_for_saving_under_a_name_of_our_own(admin_client: Client, embedded_store: DocumentStore):
    message = stored(PDF, "document", "application/pdf", filename='"><script>alert(1)</script>.html')
    response = admin_client.get(url_of(message))
    assert content_of(response) == PDF
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Disposition"].endswith('.pdf"')
    html = admin_client.get(f"{base_of(message)}/change/").content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.html" in html
    assert "Baixar o arquivo" in html


def test_a_voice_note_is_played_in_parts(admin_client: Client, embedded_store: DocumentStore):
    message = stored(VOICE, "audio", "audio/ogg; codecs=opus", voice=True)
    assert "<audio" in admin_client.get(f"{base_of(message)}/change/").content.decode()
    response = admin_client.get(url_of(message), headers={"Range": "bytes=10-99"})
    assert (response.status_code, response["Content-Range"]) == (206, f"bytes 10-99/{len(VOICE)}")
    assert content_of(response) == VOICE[10:100]
    response = admin_client.get(url_of(message), headers={"Range": "bytes=100-"})
    assert content_of(response) == VOICE[100:]
    response = admin_client.get(url_of(message), headers={"Range": "bytes=0-1,5-6"})
    assert (response.status_code, content_of(response)) == (200, VOICE)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-", (0, 99)),
        ("bytes=5-9", (5, 9)),
        ("bytes=90-500", (90, 99)),
        ("bytes=100-", None),
        ("bytes=9-5", None),
        ("bytes=-5", None),
        ("bytes=٣-", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_parts_are_those_that_are_there(asked, expected):
    assert byte_range(asked, 100) == expected


def test_only_who_may_see_the_chat_opens_its_files(client: Client, embedded_store: DocumentStore):
    message = stored(PNG, "image", "image/png")
    assert client.get(url_of(message)).status_code == 302
    user = User.objects.create_user("novo", is_staff=True)
    client.force_login(user)
    assert client.get(url_of(message)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    assert client.get(url_of(message)).status_code == 200
    assert client.post(url_of(message)).status_code == 405


def test_what_is_not_there_is_not_found(admin_client: Client, embedded_store: DocumentStore):
    message = stored(PNG, "image", "image/png")
    other = stored(PNG, "image", "image/png", wa_id="5542999990002")
    user_key = message.path.split("/")[1]
    for path in (
        url_of(other).replace(other.path.split("/")[1], user_key),
        url_of(message).replace(message.pk, "nothing"),
        url_of(message).replace(message.pk, "__x__"),
        url_of(message).replace(user_key, "%00"),
    ):
        assert admin_client.get(path).status_code == 404
    get_store().commit([Update(f"conversations/{user_key}", {"status": "ERASED"})])
    assert admin_client.get(url_of(message)).status_code == 404


def test_a_file_that_is_missing_says_why_and_may_be_asked_for_again(
    admin_client: Client, embedded_store: DocumentStore
):
    data.conversation()
    told = {"id": "123", "mime_type": "image/png"}
    data.message(n=1, type="image", text="", media={**told, "status": MediaStatus.PENDING})
    gone = {"status": MediaStatus.UNAVAILABLE, "reason": MediaReason.GONE}
    data.message(n=2, key="a2", type="image", text="", media={**told, **gone})
    large = {"status": MediaStatus.REFUSED, "reason": MediaReason.TOO_LARGE}
    data.message(n=3, type="document", text="", media={**told, **large})
    page = "/admin/conversations/conversation/ana/change/"
    html = admin_client.get(page).content.decode()
    assert "ainda está sendo baixado" in html
    assert str(MediaReason.GONE.label) in html
    assert str(MediaReason.TOO_LARGE.label) in html
    assert html.count(">Tentar de novo<") == 2
    again = "/admin/conversations/conversation/ana/messages/a2/fetch/"
    assert "sendo buscado de novo" in admin_client.post(again, follow=True).content.decode()
    html = admin_client.post(again, follow=True).content.decode()
    assert "já está sendo buscado" in html
    assert html.count(">Tentar de novo<") == 1
    assert admin_client.get(again).status_code == 405
