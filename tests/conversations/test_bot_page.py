"""The page "Bot": who may silence it, for whom, and what the pages then say."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from conversations.services import controls
from pyloto.documents import DocumentStore, Query, get_store
from pyloto.documents.recorder import RecordingStore
from tests.conversations import chat_data as data

pytestmark = pytest.mark.usefixtures("valkey")

URL = "/admin/conversations/conversation/bot/"
EVERYWHERE = ("/admin/", "/admin/conversations/conversation/", "/admin/conversations/handoff/")
CHAT = "/admin/conversations/conversation/ana/change/"
HANDOFF = "/admin/conversations/handoff/ana-session/change/"


def switch(client: Client, number: str = "", *, paused: bool = True) -> str:
    values = {"number": number, "paused": "1" if paused else "0"}
    return client.post(URL, values, follow=True).content.decode()


def events() -> list[dict[str, Any]]:
    store = get_store()
    inner = store.inner if isinstance(store, RecordingStore) else store
    return [snapshot.data for snapshot in inner.query(Query("audit_logs"))]


def test_the_switch_for_everybody(admin_client: Client, admin_user: User, store: DocumentStore):
    data.conversation()
    data.handoff()
    assert "Ninguém pausou o bot até hoje." in admin_client.get(URL).content.decode()
    html = switch(admin_client)
    assert "O bot está em pausa." in html
    assert "Pausou o bot para todos" in html
    assert f"<small>{admin_user.username}," in html
    assert controls.bot_controls().paused
    for page in (*EVERYWHERE, CHAT, HANDOFF):
        assert "O bot está em pausa para todos os clientes" in admin_client.get(page).content.decode()
    assert "O bot volta a responder." in switch(admin_client, paused=False)
    for page in (*EVERYWHERE, CHAT):
        assert "em pausa" not in admin_client.get(page).content.decode()
    assert [(event["event_type"], event["actor"]) for event in events()] == [
        ("CONTROL_CHANGED", f"user:{admin_user.pk}")
    ] * 2


def test_a_switch_for_one_number(admin_client: Client, embedded_store: DocumentStore, settings: Any):
    settings.WHATSAPP_PHONE_NUMBER_IDS = ["111", "222"]
    data.conversation(phone_number_id="111")
    data.conversation("rui", phone_number_id="222")
    assert "Pausou o bot no número 111" in switch(admin_client, "111")
    assert controls.bot_controls().paused_numbers == {"111"}
    assert "no número pelo qual este cliente escreve" in admin_client.get(CHAT).content.decode()
    assert "em pausa" not in admin_client.get(CHAT.replace("ana", "rui")).content.decode()
    assert "em 1 dos números da empresa" in admin_client.get("/admin/").content.decode()
    settings.WHATSAPP_PHONE_NUMBER_IDS = ["222"]  # a number that is ours no more can still be switched on
    assert "Ligou o bot no número 111" in switch(admin_client, "111", paused=False)


def test_nobody_is_told_that_the_bot_answers_while_another_switch_silences_it(
    admin_client: Client, embedded_store: DocumentStore, settings: Any
):
    settings.WHATSAPP_PHONE_NUMBER_IDS = ["111", "222"]
    switch(admin_client)
    assert "O bot está em pausa no número 111." in switch(admin_client, "111")
    html = switch(admin_client, paused=False)
    assert "A pausa para todos terminou. O bot está em pausa em 1 dos números da empresa." in html
    switch(admin_client)
    html = switch(admin_client, "111", paused=False)
    assert "A pausa do número 111 terminou. O bot está em pausa para todos os clientes" in html
    assert "volta a responder." not in html


def test_a_number_that_is_not_ours_and_other_nonsense_change_nothing(
    admin_client: Client, embedded_store: DocumentStore
):
    for values in ({"number": "5542999990001", "paused": "1"}, {"number": "", "paused": "x"}, {}):
        assert "Este número não é da empresa." in admin_client.post(URL, values, follow=True).content.decode()
    assert admin_client.put(URL).status_code == 405
    assert controls.bot_controls() == controls.BotControls()
    assert events() == []


def test_a_switch_that_could_not_be_stored_says_so(
    admin_client: Client, embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
):
    def contended(**_: object) -> None:
        raise controls.Contended("others")

    monkeypatch.setattr(controls, "set_bot_paused", contended)
    html = switch(admin_client)
    assert "Nada mudou" in html
    assert "O bot está em pausa" not in html


def test_a_switch_of_which_nobody_knows_is_not_called_unchanged(
    admin_client: Client, embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
):
    def unsure(**_: object) -> None:
        raise controls.Unsure("the store does not answer")

    monkeypatch.setattr(controls, "set_bot_paused", unsure)
    html = switch(admin_client)
    assert "Não sabemos se a mudança foi gravada" in html
    assert "Nada mudou" not in html


def test_only_who_may_pause_the_bot_sees_and_uses_the_switches(client: Client, embedded_store: DocumentStore):
    user = User.objects.create_user("agente", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    client.force_login(user)
    assert client.get(URL).status_code == 403
    assert client.post(URL, {"number": "", "paused": "1"}).status_code == 403
    assert URL not in client.get("/admin/").content.decode()
    user.user_permissions.add(Permission.objects.get(codename="pause_bot"))
    assert URL in client.get("/admin/").content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(URL, {"number": "", "paused": "1"}).status_code == 403
    assert not controls.bot_controls().paused
    assert "O bot está em pausa." in switch(client)
