"""One conversation as staff read it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from structlog.testing import capture_logs

from conversations.models import Actor, Message, MessageState
from conversations.transcript import delivery_of
from pyloto.documents import DocumentStore, Update, get_store
from pyloto.documents.recorder import RecordingStore
from pyloto.documents.registry import use_store
from tests.conversations import chat_data as data

URL = "/admin/conversations/conversation/ana/change/"
NO_IDS = ("__x__", ".", "%00", "a%1Fb", "x" * 1501)  # no document can have these


def html_of(client: Client, url: str = URL) -> str:
    return client.get(url).content.decode()


def outbound(**fields) -> Message:
    return Message(direction="out", actor=Actor.PYLOTO, **{"state": MessageState.SENT, **fields})


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"state": MessageState.QUEUED}, "Na fila"),
        ({"state": MessageState.SENDING}, "Enviando"),
        ({}, "Enviada"),
        ({"state": MessageState.UNKNOWN}, "Entrega incerta"),
        ({"state": MessageState.UNKNOWN, "status_at": {"sent": data.NOON}}, "Enviada"),
        ({"status_at": {"sent": data.NOON, "delivered": data.NOON}}, "Entregue"),
        ({"status_at": {"read": data.NOON}}, "Lida"),
        ({"status_at": {"read": data.NOON, "played": data.NOON}}, "Ouvida"),
        ({"status_at": {"sent": data.NOON, "failed": data.NOON}}, "Não entregue"),
        ({"status_at": {"delivered": data.NOON, "failed": data.NOON}}, "Entregue"),
        ({"state": MessageState.CANCELLED}, "Cancelada"),
        ({"state": MessageState.NEEDS_HUMAN}, "Entrega incerta"),
    ],
)
def test_the_highest_status_counts_else_our_own_state(fields, label):
    assert delivery_of(outbound(**fields)).label == label


def test_a_failure_is_told_in_plain_portuguese(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    data.message(outbound=True, state=MessageState.FAILED, errors=[{"code": 131047, "title": "Re-engagement message"}])
    html = html_of(admin_client)
    assert "Não entregue: passaram mais de 24 horas da última mensagem do cliente." in html
    assert "Re-engagement" not in html


def test_messages_stand_in_order_with_the_time_of_sao_paulo_and_days_between(
    admin_client: Client, embedded_store: DocumentStore
):
    data.conversation()
    data.message(n=1, text="primeira")
    data.message(n=2, text="segunda", timestamp=data.NOON + timedelta(days=1))
    html = html_of(admin_client)
    assert html.index("primeira") < html.index("11 de março de 2026") < html.index("segunda")
    assert ">12:01<" in html


def test_taps_lists_buttons_quotes_reactions_and_media_are_shown(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    rows = [{"id": "1", "title": "Sistemas sob medida", "description": "Feitos para você"}]
    payload = {"kind": "list", "button": "Ver opções", "rows": rows}
    data.message(n=1, outbound=True, type="interactive", text="Escolha", payload=payload, provider_message_key="meta")
    data.message(n=2, type="audio", text="", media={"voice": True}, context={"message_key": "meta"})
    data.message(n=3, type="document", text="", media={"filename": "planta.pdf"})
    data.message(n=4, type="reaction", text="", payload={"emoji": "👍", "message_key": "meta"})
    buttons = [{"id": "a", "title": "Empresa"}]
    data.message(n=5, outbound=True, type="interactive", text="Tipo?", payload={"kind": "buttons", "buttons": buttons})
    html = html_of(admin_client)
    for shown in ("Ver opções", "Feitos para você", "Mensagem de voz", "planta.pdf", "👍", "Empresa"):
        assert shown in html
    assert "<strong>Otto</strong><span>Escolha</span>" in html
    assert "outra mensagem" not in html  # the reaction hangs below its message


def test_bold_is_bold(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    data.message(text="Toque em *Ver opções*, 2 * 3 * 4 <b>")
    assert "Toque em <strong>Ver opções</strong>, 2 * 3 * 4 &lt;b&gt;" in html_of(admin_client)


def test_long_conversations_are_read_page_by_page(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    for number in range(60):
        data.message(n=number, text=f"texto-{number:02d}.")
    latest = html_of(admin_client)
    assert "texto-59." in latest
    assert "texto-09." not in latest
    before = latest.split(f'href="{URL}?antes=')[1].split('"')[0]  # whatever the page's own address is
    earlier = html_of(admin_client, f"{URL}?antes={before}")
    assert [n for n in range(60) if f"texto-{n:02d}." in earlier] == list(range(10))
    assert "Voltar às mensagens mais recentes" in earlier
    assert "texto-59." in html_of(admin_client, f"{URL}?antes={before}x")  # an invented place: the latest page


def test_the_handoff_is_told_beside_the_messages(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    data.session(intents=[{"intent": "CUSTOM_SOFTWARE"}])
    data.handoff(requirements={"CUSTOM_SOFTWARE": {"problem": "Pedidos se perdem", "budget": "unknown"}})
    html = html_of(admin_client)
    assert "<dt>Problema a resolver</dt><dd>Pedidos se perdem</dd>" in html
    assert "<dt>Orçamento</dt><dd>Não informado</dd>" in html
    assert "?conversation_id=ana-conversation" in html


SECTIONS = {  # permission: what only its owners read beside the messages
    "view_userprofile": {"Telefone", "+55 42 9••••-••34", "Castro/PR"},
    "view_session": {"Sessão", "dito na sessão", "/admin/conversations/session/ana-session/"},
    "view_handoff": {"Atendimento humano", "dito no atendimento"},
    "view_auditevent": {"Trilha de auditoria"},
}


@pytest.mark.parametrize("allowed", [(), *((name,) for name in SECTIONS), ("view_session", "view_handoff")])
def test_beside_the_messages_stands_what_the_reader_may_see(
    allowed: tuple[str, ...], client: Client, embedded_store: DocumentStore
):
    data.conversation()
    get_store().commit([Update("user_profiles/ana", {"city": "Castro/PR"})])
    data.session(collected={"CUSTOM_SOFTWARE": {"problem": "dito na sessão"}})
    data.handoff(requirements={"CUSTOM_SOFTWARE": {"problem": "dito no atendimento"}})
    user = User.objects.create_user("agente", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_conversation", *allowed)))
    client.force_login(user)
    html = html_of(client)
    assert "Identificador" in html
    assert "<dt>Nome</dt><dd>Ana Souza</dd>" in html  # for all who read what the customer wrote
    expected = {text for name in allowed for text in SECTIONS[name]}
    if "view_handoff" in allowed:
        expected.discard("dito na sessão")  # the handoff tells it
    assert {text for texts in SECTIONS.values() for text in texts if text in html} == expected


def test_a_phone_that_cannot_be_decrypted_is_unavailable_and_told_once(
    admin_client: Client, embedded_store: DocumentStore
):
    data.conversation()
    get_store().commit([Update("user_profiles/ana", {"phone": "9.bm90IG91cnM="})])
    for page in (URL, "/admin/profiles/userprofile/", "/admin/profiles/userprofile/ana/change/"):
        with capture_logs() as logs:
            assert "indisponível" in html_of(admin_client, page)
        alerts = [entry for entry in logs if entry.get("alert")]
        assert [(entry["event"], entry["user_key"]) for entry in alerts] == [("profile_unreadable", "ana")]


def test_a_page_costs_three_reads_however_long_the_history(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    data.session()
    for number in range(60):
        data.message(n=number)
    with use_store(RecordingStore(embedded_store)) as recording:
        html_of(admin_client)
    assert recording.round_trips == 3


def test_what_does_not_exist_leads_back(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    data.message()
    for user_key in ("nobody", "ana_2Fmessages_2Fm0001", *NO_IDS):
        response = admin_client.get(f"/admin/conversations/conversation/{user_key}/change/")
        assert response.status_code == 302
        for model in ("conversations/session", "conversations/handoff", "audit/auditevent", "profiles/userprofile"):
            assert admin_client.get(f"/admin/{model}/{user_key}/change/").status_code == 302
