"""The admin's pages: what staff see, what they cannot do, in Portuguese and safe from what customers write."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from audit import EventType
from conversations.models import Mode
from conversations.services.controls import set_bot_paused
from pyloto.documents import DocumentStore, Update, get_store
from pyloto.documents.document_model import DocumentModel
from tests.conversations import chat_data as data

LISTS = {
    "conversations/conversation": "ana",
    "conversations/session": "ana-session",
    "conversations/handoff": "ana-session",
    "conversations/quarantined": "q1",
    "audit/auditevent": "ana-conversation-000000000001",
    "profiles/userprofile": "ana",
}
COLLECTIONS = ("conversations", "sessions", "handoffs", "webhook_quarantine", "audit_logs", "user_profiles")
DETAILS = {f"/admin/{model}/{key}/change/" for model, key in LISTS.items()}
PAGES = {"/admin/", "/admin/auth/user/", "/admin/auth/user/add/", "/admin/auth/group/", "/admin/password_change/"}
PAGES |= {f"/admin/{model}/" for model in LISTS} | DETAILS
PAGES |= {
    "/admin/audit/auditevent/?conversation_id=ana-conversation",
    "/admin/conversations/conversation/?mostrar=com-o-bot",
    "/admin/conversations/conversation/bot/",
}

ENGLISH = (
    "Filters|Filter|Search|Select|Run|Save|Delete|Add|Change|History|Log out|Password|Username|Home|Show all|Next|Previous|"
    "Welcome|Results?|Found|Reset|Close|Cancel|Back|Light|Dark|System|Yes|No|None|True|False|All|By|Apply|Actions?|View|"
    "Groups?|Users?|Site|Type|Loading|Recent"
)
XSS = (
    """<script>alert('x')</script><img src=x onerror=alert(1)>"><svg/onload=alert(1)>{{ 7|add:7 }}javascript:alert(1)"""
)


@pytest.fixture
def filled(embedded_store: DocumentStore) -> None:
    data.conversation(mode=Mode.WAITING_HUMAN)
    data.message()
    data.session()
    data.handoff(requirements={"CUSTOM_SOFTWARE": {"problem": "Pedidos se perdem", "budget": "unknown"}})
    data.quarantined()
    data.audit_events()


def visible_words(html: str) -> str:
    html = re.sub(r"<(script|style)\b.*?</\1>|<svg.*?</svg>", " ", html, flags=re.S)
    html = re.sub(r'<span[^>]*class="[^"]*material-symbols[^"]*".*?</span>', " ", html, flags=re.S)  # names of symbols
    attributes = re.findall(r'(?:placeholder|title|aria-label|alt)="([^"]*)"', html)
    return " ".join([re.sub(r"<[^>]+>", " ", html), *attributes])


@pytest.mark.usefixtures("filled")
def test_every_page_is_in_portuguese(admin_client: Client):
    found = {}
    for page in PAGES:
        response = admin_client.get(page)
        assert response.status_code == 200
        found[page] = re.findall(rf"(?<![\w-])({ENGLISH})(?![\w-])", visible_words(response.content.decode()))
    assert found == {page: [] for page in PAGES}


@pytest.mark.django_db
def test_the_login_page_is_in_portuguese_and_leads_to_the_first_page(client: Client, embedded_store: DocumentStore):
    assert not re.findall(rf"\b({ENGLISH})\b", visible_words(client.get("/admin/login/").content.decode()))
    User.objects.create_superuser("chefe", password="uma-senha-longa")
    response = client.post("/admin/login/", {"username": "chefe", "password": "uma-senha-longa"})
    assert response["Location"] == "/admin/"


def test_empty_lists_say_so(admin_client: Client, embedded_store: DocumentStore):
    for model in LISTS:
        assert "Nada por aqui" in admin_client.get(f"/admin/{model}/").content.decode()


@pytest.mark.usefixtures("filled")
def test_not_even_a_superuser_adds_changes_or_deletes(admin_client: Client):
    stored = [f"{collection}/{key}" for collection in COLLECTIONS for key in LISTS.values()]
    before = get_store().get_many(stored)
    for model, key in LISTS.items():
        assert admin_client.post(f"/admin/{model}/add/", {}).status_code == 403
        assert admin_client.post(f"/admin/{model}/{key}/delete/", {"post": "yes"}).status_code == 403
        assert admin_client.post(f"/admin/{model}/{key}/change/", {"actor": "x"}).status_code in {403, 405}
        admin_client.post(f"/admin/{model}/", {"action": "delete_selected", "_selected_action": key})
    assert len(before) == len(LISTS)
    assert get_store().get_many(stored) == before


@pytest.mark.usefixtures("filled")
def test_staff_without_permissions_see_nothing(client: Client):
    client.force_login(User.objects.create_user("novo", is_staff=True))
    for model, key in LISTS.items():
        assert client.get(f"/admin/{model}/").status_code == 403
        assert client.get(f"/admin/{model}/{key}/change/").status_code == 403
    assert "Ana Souza" not in client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_groups_are_offered_no_permission_that_does_nothing():
    models = [model for model in apps.get_models() if issubclass(model, DocumentModel)]
    offered = Permission.objects.filter(content_type__in=ContentType.objects.get_for_models(*models).values())
    expected = {f"view_{model._meta.model_name}" for model in models} | {"pause_bot"}
    expected |= {f"{verb}_conversation" for verb in ("take", "reply", "release", "pause")}
    expected |= {f"{verb}_userprofile" for verb in ("change", "reveal", "merge", "erase", "access", "hold")}
    assert {permission.codename for permission in offered} == expected


LIST = "/admin/conversations/conversation/"
QUEUE = "/admin/conversations/handoff/"
SHOWN = {  # by view: who is listed, in this order
    "": ["Rui", "Ana", "Eva", "Léo"],
    "?mostrar=minhas": ["Rui"],
    "?mostrar=sem-resposta": ["Léo", "Rui"],
    "?mostrar=aguardando": ["Eva"],
    "?mostrar=com-pessoas": ["Rui", "Léo"],
    "?mostrar=com-o-bot": ["Ana"],
    "?mostrar=em-pausa": ["Eva"],
    "?mostrar=invented": ["Rui", "Ana", "Eva", "Léo"],
}


TAB = '<a href="?mostrar=em-pausa">Em pausa</a>'


def shows_unread(client: Client, count: int) -> bool:
    return re.search(rf">\s*{count}\s*<", client.get(LIST).content.decode()) is not None


def order_of(html: str, *names: str) -> list[str]:
    """Those of the names that are texts of a page, in the order in which they stand there."""
    found = {name: re.search(rf">\s*{name}\s*<", html) for name in names}
    return sorted((name for name in names if found[name]), key=lambda name: found[name].start())


def test_conversations_are_listed_by_their_last_message_in_several_views(
    admin_client: Client, admin_user: User, store: DocumentStore
):
    me = f"user:{admin_user.pk}"
    at = data.NOON
    data.conversation("ana", name="Ana", unread=9, last_message_at=at)
    data.conversation(
        "rui", name="Rui", mode=Mode.HUMAN, assigned_to=me, unread=1, last_message_at=at + timedelta(hours=1)
    )
    data.conversation("eva", name="Eva", mode=Mode.WAITING_HUMAN, paused=True, last_message_at=at - timedelta(hours=1))
    data.conversation(
        "leo",
        name="Léo",
        mode=Mode.HUMAN,
        assigned_to="whatsapp_app",
        unread=3,
        last_message_at=at - timedelta(hours=2),
    )
    shown = {
        query: order_of(admin_client.get(LIST + query).content.decode(), "Rui", "Ana", "Eva", "Léo") for query in SHOWN
    }
    assert shown == SHOWN


def test_a_conversation_in_which_the_bot_is_paused_says_so_with_what_waits(
    admin_client: Client, embedded_store: DocumentStore
):
    data.conversation(unread=7)
    for page in (LIST, "/admin/"):
        assert "Em pausa" not in admin_client.get(page).content.decode().replace(TAB, "")
    assert not shows_unread(admin_client, 7)
    get_store().commit([Update("conversations/ana", {"paused": True})])
    for page in (LIST, "/admin/"):
        assert "Em pausa" in admin_client.get(page).content.decode().replace(TAB, "")
    assert shows_unread(admin_client, 7)


def test_the_next_page_of_a_view_is_one_of_the_same_view(admin_client: Client, embedded_store: DocumentStore):
    for number in range(60):
        mode = Mode.HUMAN if number < 55 else Mode.BOT
        data.conversation(f"k{number}", mode=mode, last_message_at=data.NOON + timedelta(minutes=number))
    first = admin_client.get(f"{LIST}?mostrar=com-pessoas").context["cl"]
    second = admin_client.get(LIST + first.paginator.next_url).context["cl"]
    assert [row.pk for row in (*first.result_list, *second.result_list)] == [f"k{n}" for n in range(54, -1, -1)]


def test_a_last_message_without_text_is_named(admin_client: Client, embedded_store: DocumentStore):
    data.conversation(last_message_preview="[reaction]")
    data.conversation("rui", last_message_preview="[invented]")
    html = admin_client.get("/admin/conversations/conversation/").content.decode()
    assert "Reação" in html
    assert "Tipo de mensagem sem suporte" in html


def test_long_lists_come_in_pages(admin_client: Client, embedded_store: DocumentStore):
    data.audit_events(count=60)
    first = admin_client.get("/admin/audit/auditevent/?conversation_id=ana-conversation")
    cl = first.context["cl"]
    second = admin_client.get("/admin/audit/auditevent/" + cl.paginator.next_url).context["cl"]
    assert [event.seq for event in [*cl.result_list, *second.result_list]] == list(range(60, 0, -1))
    assert second.paginator.next_url is None


@pytest.mark.usefixtures("filled")
def test_questions_that_make_no_sense_lead_back_to_the_list(admin_client: Client):
    for query in ("?bogus=1", "?cursor=invented", "?mostrar=minhas&cursor=invented"):
        response = admin_client.get("/admin/conversations/conversation/" + query)
        assert response["Location"] == "/admin/conversations/conversation/?e=1"
    response = admin_client.get("/admin/audit/auditevent/?conversation_id=" + "x" * 1501)
    assert response["Location"] == "/admin/audit/auditevent/?e=1"


@pytest.mark.usefixtures("filled")
def test_filters_without_an_index_are_refused(admin_client: Client):
    for query in ("?unread=0", "?mode__exact=BOT", "?mode__bogus=1"):
        assert admin_client.get("/admin/conversations/conversation/" + query).status_code == 400


@pytest.mark.usefixtures("filled")
def test_the_trail_of_a_conversation_is_verified_on_the_spot(admin_client: Client):
    url = "/admin/audit/auditevent/?conversation_id=ana-conversation"
    assert "3 eventos conferidos, sem alterações" in admin_client.get(url).content.decode()
    get_store().commit([Update("audit_logs/ana-conversation-000000000002", {"actor": "HUMAN"})])
    html = admin_client.get(url).content.decode()
    assert "Cadeia com problemas: nº 2 alterado" in html
    assert "sem alterações" not in html


@pytest.mark.usefixtures("filled")
def test_a_trail_whose_end_was_cut_off_is_not_called_whole(admin_client: Client):
    get_store().delete("audit_logs/ana-conversation-000000000003")
    html = admin_client.get("/admin/audit/auditevent/?conversation_id=ana-conversation").content.decode()
    assert "2 eventos conferidos, sem alterações" in html
    assert "íntegra" not in html


def test_what_customers_write_is_never_markup(admin_client: Client, embedded_store: DocumentStore, valkey: object):
    colleague = User.objects.create_user("colega", first_name=XSS)
    data.conversation(name=XSS, last_message_preview=XSS, mode=Mode.HUMAN, assigned_to=f"user:{colleague.pk}")
    data.conversation("rui", name=XSS, last_message_preview=XSS, assigned_to=XSS)
    set_bot_paused(paused=True, agent=f"user:{colleague.pk}", now=data.NOON)
    set_bot_paused(paused=True, phone_number_id=XSS, agent=XSS, now=data.NOON)
    data.session(
        summary=XSS, intents=[{"intent": XSS}], collected={XSS: {XSS: XSS}, "CUSTOM_SOFTWARE": {"problem": XSS}}
    )
    data.handoff(
        summary=XSS,
        lead={"name": XSS, "business_name": XSS},
        requirements={"CUSTOM_SOFTWARE": {XSS: XSS}},
        agent_id=XSS,
        qualification_level=XSS,
        status=XSS,
        intent_primary=XSS,
        routing=XSS,
        qualification_reasons=[XSS],
        deadline=XSS,
    )
    data.audit_events(changes={XSS: [XSS, XSS]}, metadata={XSS: XSS}, actor=XSS, event_type=EventType.NOTE_ADDED)
    data.quarantined(reason=XSS)
    choice = {"id": XSS, "title": XSS, "description": XSS}
    for number, fields in enumerate(
        [
            {"text": XSS},
            {"text": f"*{XSS}*"},
            {"type": XSS, "text": ""},
            {"type": "reaction", "text": "", "payload": {"emoji": XSS, "message_key": "m0000"}},
            {"type": "reaction", "text": "", "payload": {"emoji": XSS, "message_key": "elsewhere"}},
            {"type": "document", "text": XSS, "media": {"filename": XSS}},
            {"type": "location", "text": "", "payload": {"name": XSS, "address": XSS}},
            {"outbound": True, "type": "interactive", "text": XSS, "payload": {"kind": "buttons", "buttons": [choice]}},
            {
                "outbound": True,
                "type": "interactive",
                "text": XSS,
                "payload": {"kind": "list", "button": XSS, "rows": [choice], "header": XSS, "footer": XSS},
            },
            {"outbound": True, "type": "template", "text": "", "payload": {"name": XSS}},
            {"outbound": True, "state": "FAILED", "errors": [{"code": XSS, "title": XSS}]},
            {"text": "cita", "context": {"message_key": "m0000"}},
            {"outbound": True, "state": "NEEDS_HUMAN", "text": XSS},
            {"type": "document", "media": {"filename": XSS, "status": "REFUSED", "reason": XSS, "id": "1"}},
            {"type": "image", "media": {"filename": XSS, "status": "STORED", "content_type": XSS, "file": XSS}},
        ]
    ):
        data.message(n=number, **fields)
    for page in (
        DETAILS
        | {"/admin/", "/admin/audit/auditevent/?conversation_id=ana-conversation"}
        | {f"/admin/{model}/" for model in LISTS}
        | {f"{LIST}bot/", f"{QUEUE}?mostrar=todos", f"/admin/conversations/conversation/?mostrar={XSS}"}
    ):
        response = admin_client.get(page)
        html = response.content.decode()
        assert response.status_code == 200
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "<svg/onload" not in html


@pytest.mark.usefixtures("filled")
def test_every_page_forbids_inline_and_foreign_scripts(admin_client: Client):
    for page in PAGES | {"/admin/login/"}:
        policy = admin_client.get(page)["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-eval';" in policy
        assert "object-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


@pytest.mark.usefixtures("filled")
def test_no_page_shows_a_whole_phone(admin_client: Client):
    pages = "".join(admin_client.get(page).content.decode() for page in PAGES)
    assert "99999" not in pages
    assert "+55 42 9••••-••34" in pages


def test_who_may_view_conversations_is_given_the_first_page(client: Client, embedded_store: DocumentStore):
    data.conversation(name="Ana Souza", mode=Mode.WAITING_HUMAN)
    user = User.objects.create_user("agente", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    client.force_login(user)
    html = client.get("/admin/").content.decode()
    assert html.count("Ana Souza") == 2  # waiting, and among the latest
    assert "Auditoria" not in html
    assert "Com você" not in html
    get_store().commit([Update("conversations/ana", {"mode": Mode.HUMAN, "assigned_to": f"user:{user.pk}"})])
    html = client.get("/admin/").content.decode()
    assert html.count("Ana Souza") == 2  # theirs, and among the latest
    assert "Com você" in html
