"""What agents do in the admin: the queue, taking a conversation, answering in it, and leaving it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from conversations import agent_pages, user_pages
from conversations.models import Actor, Handoff, Message, MessageState, Mode
from conversations.services import agents
from conversations.services.controls import set_bot_paused
from conversations.transcript import delivery_of
from pyloto.documents import DocumentStore, Query, Unavailable, Update, get_store
from pyloto.documents.recorder import RecordingStore
from tests.conversations import chat_data as data

pytestmark = pytest.mark.usefixtures("valkey")

BASE = "/admin/conversations/conversation/ana/"
CHAT = f"{BASE}change/"
QUEUE = "/admin/conversations/handoff/"
ALL = ("take", "reply", "release", "pause")
BUTTONS = {
    "Assumir conversa": "take",
    "Sim, concluir": "close",
    "Devolver à fila": "put-back",
    "Sim, devolver à fila": "requeue",
    "Sim, devolver ao bot": "release",
    "Pausar o bot nesta conversa": "pause",
    "Enviar": "reply",
}


def agent(username: str = "agente", may: Sequence[str] = ALL, **names: str) -> User:
    user = User.objects.create_user(username, is_staff=True, **names)
    codes = ["view_conversation", "view_handoff", *(f"{verb}_conversation" for verb in may)]
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def name_of(user: User) -> str:
    return f"user:{user.pk}"


def conversation(mode: Mode = Mode.WAITING_HUMAN, owner: User | str | None = None, **header: object) -> None:
    """With an open window; a handoff stands beside it unless the bot has it."""
    assigned_to = name_of(owner) if isinstance(owner, User) else owner
    data.conversation(mode=mode, assigned_to=assigned_to, **{"last_user_at": timezone.now(), **header})
    if mode != Mode.BOT:
        status = Handoff.Status.TAKEN if mode == Mode.HUMAN else Handoff.Status.OPEN
        data.handoff(status=status, agent_id=assigned_to, taken_at=data.NOON if assigned_to else None)


def documents(collection: str) -> list[dict]:
    store = get_store()
    inner = store.inner if isinstance(store, RecordingStore) else store
    return [snapshot.data for snapshot in inner.query(Query(collection))]


def header() -> dict:
    return get_store().get("conversations/ana").data


def replies() -> list[str]:
    return [m["text"] for m in documents("conversations/ana/messages") if m["actor"] == Actor.HUMAN]


def events() -> list[tuple[str, str]]:
    return [(event["event_type"], event["actor"]) for event in sorted(documents("audit_logs"), key=lambda e: e["seq"])]


def buttons_in(html: str) -> set[str]:
    return {name for text, name in BUTTONS.items() if f">{text}</button>" in html}


@pytest.mark.parametrize(
    ("mode", "owner", "may", "expected"),
    [
        (Mode.BOT, None, ALL, {"take", "pause"}),
        (Mode.WAITING_HUMAN, None, ALL, {"take", "release", "pause"}),
        (Mode.HUMAN, "me", ALL, {"reply", "close", "put-back", "release", "pause"}),
        (Mode.HUMAN, "other", ALL, {"requeue", "release", "pause"}),
        (Mode.HUMAN, "me", ("release",), {"requeue", "release"}),
        (Mode.HUMAN, "whatsapp_app", ALL, {"take", "release", "pause"}),
        (Mode.WAITING_HUMAN, None, (), set()),
        (Mode.HUMAN, "me", ("reply",), {"reply"}),
        (Mode.HUMAN, "me", ("take",), {"close", "put-back"}),
    ],
)
def test_the_buttons_are_those_that_make_sense_and_are_allowed(mode, owner, may, expected, embedded_store):
    me, other = agent(may=may), agent("outra", first_name="Bia")
    conversation(mode, {"me": me, "other": other}.get(owner, owner))
    html = signed_in(me).get(CHAT).content.decode()
    assert buttons_in(html) == expected
    assert ("Com você desde" in html) == (owner == "me")
    assert ("Com Bia desde" in html) == (owner == "other")


def test_a_conversation_that_goes_on_elsewhere_has_no_buttons(embedded_store: DocumentStore):
    data.conversation("rui")
    conversation(merged_into="rui")
    assert not buttons_in(signed_in(agent()).get(CHAT).content.decode())


@pytest.mark.parametrize("action", ["take", "close", "put-back", "release", "pause", "resume", "reply"])
def test_only_a_post_of_somebody_with_the_permission_counts(action: str, embedded_store: DocumentStore):
    user = agent(may=())
    conversation(Mode.WAITING_HUMAN if action == "take" else Mode.HUMAN, None if action == "take" else user)
    client, before = signed_in(user), header()
    assert client.post(f"{BASE}{action}/", {"text": "oi", "key": "k"}).status_code == 403
    user.user_permissions.add(*Permission.objects.filter(codename__endswith="_conversation"))
    assert client.get(f"{BASE}{action}/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(f"{BASE}{action}/", {"text": "oi", "key": "k"}).status_code == 403
    user.user_permissions.remove(Permission.objects.get(codename="view_conversation"))
    assert client.post(f"{BASE}{action}/", {"text": "oi", "key": "k"}).status_code == 403
    assert header() == before
    user.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    assert client.post(f"{BASE}{action}/", {"text": "oi", "key": "k"}).status_code == 302
    for user_key in ("__x__", ".", "%00"):
        assert client.post(f"{BASE.replace('ana', user_key)}{action}/").status_code == 404


def test_an_agent_takes_pauses_resumes_and_closes_and_the_trail_says_who(embedded_store: DocumentStore):
    user = agent()
    client = signed_in(user)
    conversation()
    for action, told in (
        ("take", "A conversa é sua"),
        ("pause", "O bot está em pausa nesta conversa."),
        ("resume", "A pausa desta conversa terminou."),
        ("put-back", "Conversa devolvida à fila"),
        ("take", "A conversa é sua"),
        ("close", "Atendimento concluído"),
        ("close", "Esta conversa já está com o bot."),
        ("put-back", "Esta conversa não está com você."),
    ):
        assert told in client.post(f"{BASE}{action}/", follow=True).content.decode()
    assert {actor for _, actor in events()} == {name_of(user)}
    assert [event for event, _ in events()].count("HANDOFF_TAKEN") == 2
    assert header()["mode"] == Mode.BOT


@pytest.mark.parametrize("owner", [None, "whatsapp_app"])
def test_a_conversation_is_taken_from_the_bot_and_from_the_phone_too(owner: str | None, embedded_store: DocumentStore):
    conversation(Mode.HUMAN if owner else Mode.BOT, owner, session_id="ana-session" if owner else None)
    client = signed_in(agent())
    assert "Com você desde" in client.post(f"{BASE}take/", follow=True).content.decode()
    html = client.get(f"{QUEUE}?mostrar=meus").content.decode()
    assert html.count("Em atendimento") == 2  # the name of a view, and what stands in the row


def test_who_supervises_puts_the_conversation_of_another_back_into_the_queue(embedded_store: DocumentStore):
    owner, me = agent("outra", may=(), first_name="Bia"), agent(may=("release",))
    conversation(Mode.HUMAN, owner)
    client = signed_in(me)
    html = client.get(CHAT).content.decode()
    assert f'name="owner" value="{name_of(owner)}"' in html
    assert "A conversa deixa de estar com Bia" in html
    html = client.post(f"{BASE}requeue/", {"owner": "user:0"}, follow=True).content.decode()
    assert "Bia assumiu primeiro" in html  # the page was older than that
    html = client.post(f"{BASE}requeue/", {"owner": name_of(owner)}, follow=True).content.decode()
    assert "Conversa devolvida à fila" in html
    assert (header()["mode"], header()["assigned_to"]) == (Mode.WAITING_HUMAN, None)
    assert set(events()) == {("HANDOFF_RELEASED", name_of(me)), ("MODE_CHANGED", name_of(me))}


@pytest.mark.parametrize("action", ["close", "release"])
def test_what_the_customer_wrote_meanwhile_is_read_before_the_conversation_is_given_up(
    action: str, embedded_store: DocumentStore
):
    user = agent()
    conversation(Mode.HUMAN, user, attempt="first")
    client = signed_in(user)
    assert client.get(CHAT).content.decode().count('name="seen" value="first"') == 2
    get_store().commit([Update("conversations/ana", {"attempt": "second", "unread": 1})])
    html = client.post(f"{BASE}{action}/", {"seen": "first"}, follow=True).content.decode()
    assert "Nada foi feito: o cliente escreveu enquanto isso, ou uma resposta não chegou. Leia antes." in html
    assert header()["mode"] == Mode.HUMAN
    assert 'name="seen" value="second"' in html
    client.post(f"{BASE}{action}/", {"seen": "second"})
    assert header()["mode"] == Mode.BOT


def test_who_reads_old_messages_has_not_seen_the_new_ones(embedded_store: DocumentStore):
    user = agent()
    conversation(Mode.HUMAN, user, attempt="first", unread=1)
    for number in range(60):
        data.message(n=number)
    client = signed_in(user)
    earlier = client.get(CHAT).context["chat"].earlier
    assert client.get(CHAT, {"antes": earlier}).content.decode().count('name="seen" value=""') == 2


def test_nobody_is_told_that_a_silent_bot_answers(embedded_store: DocumentStore):
    user = agent()
    client = signed_in(user)
    conversation(Mode.HUMAN, user, paused=True)
    html = client.post(f"{BASE}close/", follow=True).content.decode()
    assert "Atendimento concluído. O bot está em pausa nesta conversa" in html
    assert "será respondida pelo bot" not in html
    set_bot_paused(paused=True, agent="user:0", now=timezone.now())
    html = client.post(f"{BASE}resume/", follow=True).content.decode()
    assert "A pausa desta conversa terminou. O bot está em pausa para todos os clientes" in html
    assert "volta a responder" not in html
    set_bot_paused(paused=False, agent="user:0", now=timezone.now())
    client.post(f"{BASE}pause/")
    html = client.post(f"{BASE}resume/", follow=True).content.decode()
    assert "A pausa desta conversa terminou. O bot volta a responder." in html


def test_who_comes_second_is_told_who_was_first(embedded_store: DocumentStore):
    conversation()
    first, second = signed_in(agent("ana", first_name="Ana", last_name="Lima")), signed_in(agent("rui"))
    assert "Assumir conversa" in second.get(CHAT).content.decode()
    first.post(f"{BASE}take/")
    html = second.post(f"{BASE}take/", follow=True).content.decode()
    assert "Ana Lima assumiu primeiro: esta conversa não está com você." in html
    assert "A conversa é sua" not in html
    html = second.post(f"{BASE}reply/", {"text": "Oi, sou eu", "key": "k"}).content.decode()
    assert "Ana Lima assumiu primeiro" in html
    assert "Oi, sou eu" in html  # what was written is not lost
    assert replies() == []


# --- replies ----------------------------------------------------------------------------------------------------------
def test_the_same_form_sent_twice_is_one_message(embedded_store: DocumentStore):
    user = agent()
    conversation(Mode.HUMAN, user)
    client = signed_in(user)
    key = client.get(CHAT).context["draft"].key
    for _ in range(2):
        assert client.post(f"{BASE}reply/", {"text": "Olá!\r\nTudo bem?", "key": key})["Location"] == CHAT
    assert replies() == ["Olá!\nTudo bem?"]
    client.post(f"{BASE}reply/", {"text": "Outra coisa", "key": key})  # from a page that the browser had kept
    assert sorted(replies()) == ["Olá!\nTudo bem?", "Outra coisa"]
    assert client.get(CHAT).context["draft"].key != key


def test_what_was_refused_stays_in_the_box_with_the_reason(embedded_store: DocumentStore):
    user = agent()
    conversation(Mode.HUMAN, user)
    client = signed_in(user)
    long = "x" * 4097
    for text in (long, "   "):
        response = client.post(f"{BASE}reply/", {"text": text, "key": "abc"})
        assert response.status_code == 409
        html = response.content.decode()
        assert "A mensagem não foi enviada: escreva de 1 a 4096 caracteres." in html
        assert 'name="key" value="abc"' in html
    assert long in client.post(f"{BASE}reply/", {"text": long, "key": "abc"}).content.decode()
    assert client.post(f"{BASE}reply/", {"text": "y" * 4096, "key": "abc"}).status_code == 302
    assert replies() == ["y" * 4096]


def test_a_contended_conversation_keeps_the_text(embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch):
    user = agent()
    conversation(Mode.HUMAN, user)

    def contended(**_: object) -> None:
        raise agents.Contended("others")

    monkeypatch.setattr(agents, "reply", contended)
    html = signed_in(user).post(f"{BASE}reply/", {"text": "Um texto & tanto", "key": "abc"}).content.decode()
    assert "Tente de novo em instantes" in html
    assert "Um texto &amp; tanto</textarea>" in html


@pytest.mark.parametrize(("action", "status"), [("reply", 409), ("take", 302), ("pause", 302)])
def test_what_may_have_been_stored_is_not_called_undone(
    action: str, status: int, embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
):
    user = agent()
    conversation(Mode.HUMAN, user)

    def unsure(**_: object) -> None:
        raise agents.Unsure("the store does not answer")

    monkeypatch.setattr(agents, "reply", unsure)
    monkeypatch.setitem(agent_pages.ACTIONS, "take", replace(agent_pages.ACTIONS["take"], do=unsure))
    monkeypatch.setitem(agent_pages.ACTIONS, "pause", replace(agent_pages.ACTIONS["pause"], do=unsure))
    response = signed_in(user).post(f"{BASE}{action}/", {"text": "Oi", "key": "abc"})
    assert response.status_code == status
    html = signed_in(user).post(f"{BASE}{action}/", {"text": "Oi", "key": "abc"}, follow=True).content.decode()
    assert "Não sabemos se foi gravado: recarregue a conversa antes de tentar de novo." in html
    assert "nada foi feito" not in html.lower()


def test_after_24_hours_the_page_says_why_nothing_can_be_written(embedded_store: DocumentStore):
    user = agent()
    conversation(Mode.HUMAN, user, last_user_at=timezone.now() - timedelta(hours=25))
    client = signed_in(user)
    html = client.get(CHAT).content.decode()
    assert "passaram mais de 24 horas da última mensagem do cliente" in html
    assert "<textarea" not in html
    response = client.post(f"{BASE}reply/", {"text": "atrasada", "key": "k"})  # the page was open since before
    assert response.status_code == 409
    assert "atrasada</textarea>" in response.content.decode()
    assert replies() == []


def test_who_may_only_read_cannot_decide_about_messages(embedded_store: DocumentStore):
    user = agent(may=())
    conversation()
    data.message(outbound=True, state=MessageState.NEEDS_HUMAN)
    client = signed_in(user)
    assert "Deixar assim" not in client.get(CHAT).content.decode()
    for action in ("resend", "leave", "fetch"):
        assert client.post(f"{BASE}messages/m0001/{action}/").status_code == 403


# --- messages in doubt ------------------------------------------------------------------------------------------------
def test_a_message_in_doubt_is_sent_again_once_or_left(embedded_store: DocumentStore):
    user = agent(may=("reply",))
    conversation()
    data.message(n=1, outbound=True, state=MessageState.NEEDS_HUMAN, text="Primeira")
    data.message(n=2, outbound=True, state=MessageState.FAILED, text="Segunda", errors=[{"code": 131026}])
    client = signed_in(user)
    html = client.get(CHAT).content.decode()
    assert "Entrega incerta: reenviar?" in html
    assert "o número não pode receber mensagens" in html
    assert html.count(">Deixar assim<") == 2
    for _ in range(2):
        client.post(f"{BASE}messages/m0001/resend/")
    assert replies() == ["Primeira"]
    assert "Anotado" in client.post(f"{BASE}messages/m0002/leave/", follow=True).content.decode()
    html = client.post(f"{BASE}messages/m0002/leave/", follow=True).content.decode()
    assert "Não há o que decidir" in html
    assert ">Deixar assim<" not in html
    assert replies() == ["Primeira"]
    assert "Não há o que decidir" in client.post(f"{BASE}messages/nothing/resend/", follow=True).content.decode()


def test_a_message_in_doubt_that_is_left_is_not_called_undelivered(embedded_store: DocumentStore):
    conversation()
    data.message(outbound=True, state=MessageState.NEEDS_HUMAN, errors=[{"code": 130429}])  # of an earlier try
    client = signed_in(agent())
    client.post(f"{BASE}messages/m0001/leave/")
    html = client.get(CHAT).content.decode()
    assert "Não foi enviada, ou não há certeza de que chegou" in html
    assert "limitou os envios" not in html


@pytest.mark.parametrize(("may", "decides"), [(("reply",), False), (("reply", "release"), True)])
def test_about_a_message_of_another_agent_only_who_supervises_decides(
    may: Sequence[str], decides: bool, embedded_store: DocumentStore
):
    conversation(Mode.HUMAN, agent("outra", first_name="Bia"))
    data.message(n=1, outbound=True, state=MessageState.NEEDS_HUMAN)
    data.message(n=2, type="image", media={"status": "UNAVAILABLE", "id": "1", "reason": "expired"})
    client = signed_in(agent(may=may))
    html = client.get(CHAT).content.decode()
    assert (">Deixar assim<" in html) == decides
    assert ">Tentar de novo<" in html
    html = client.post(f"{BASE}messages/m0001/leave/", follow=True).content.decode()
    assert ("Bia assumiu primeiro" in html) != decides


def test_after_24_hours_a_message_in_doubt_can_only_be_left(embedded_store: DocumentStore):
    conversation(last_user_at=timezone.now() - timedelta(hours=25))
    data.message(outbound=True, state=MessageState.NEEDS_HUMAN)
    client = signed_in(agent())
    html = client.get(CHAT).content.decode()
    assert ">Reenviar<" not in html
    assert ">Deixar assim<" in html
    assert "passaram mais de 24 horas" in client.post(f"{BASE}messages/m0001/resend/", follow=True).content.decode()
    assert replies() == []


@pytest.mark.parametrize(
    ("actor", "state", "mode", "told"),
    [
        (Actor.PYLOTO, MessageState.SENDING, Mode.HUMAN, True),
        (Actor.PYLOTO, MessageState.UNKNOWN, Mode.HUMAN, True),
        (Actor.PYLOTO, MessageState.SENDING, Mode.WAITING_HUMAN, False),
        (Actor.PYLOTO, MessageState.SENT, Mode.HUMAN, False),
        (Actor.HUMAN, MessageState.SENDING, Mode.HUMAN, False),
    ],
)
def test_a_message_of_the_bots_on_its_way_at_a_takeover_is_shown_as_such(actor, state, mode, told):
    message = Message(direction="out", actor=actor, state=state)
    assert ("bot em envio" in delivery_of(message, taken=mode == Mode.HUMAN).label) == told


# --- the queue --------------------------------------------------------------------------------------------------------
def test_the_queue_shows_who_is_due_first_and_the_better_qualified_before_others(store: DocumentStore):
    now = timezone.now()
    soon, later = now + timedelta(hours=1), now + timedelta(hours=2)
    level = Handoff.Qualification
    for name, fields in {
        "Depois": {"target_at": later, "qualification_level": level.HIGH},
        "Baixa": {"target_at": soon, "qualification_level": level.LOW},
        "Alta": {"target_at": soon, "qualification_level": level.HIGH},
        "Atrasada": {"target_at": now - timedelta(minutes=1), "opened_at": now - timedelta(minutes=95)},
        "Assumida": {"status": Handoff.Status.TAKEN},
        "Resolvida": {"status": Handoff.Status.RESOLVED},
    }.items():
        data.handoff(name, lead={"name": name}, **fields)
    client = signed_in(agent())
    html = client.get(QUEUE).content.decode()
    names = ("Depois", "Baixa", "Alta", "Atrasada", "Assumida", "Resolvida")
    assert sorted((name for name in names if f">{name}<" in html), key=html.index) == [
        "Atrasada",
        "Alta",
        "Baixa",
        "Depois",
    ]
    assert "1 h 35 min" in html
    assert html.count('class="is-late"') == 1
    assert html.count('class="row-take"') == 4
    assert 'class="is-late"' not in client.get(f"{QUEUE}?mostrar=em-atendimento").content.decode()
    for view, shown in {"em-atendimento": "Assumida", "resolvidos": "Resolvida"}.items():
        html = client.get(f"{QUEUE}?mostrar={view}").content.decode()
        assert f">{shown}<" in html
        assert "Depois" not in html
        assert "row-take" not in html


@pytest.mark.parametrize("answered", [False, True])
def test_what_was_taken_and_not_answered_in_time_is_late(answered: bool, embedded_store: DocumentStore):
    now = timezone.now()
    first_reply_at = now - timedelta(hours=2) if answered else None
    past = now - timedelta(hours=1)
    data.handoff(status=Handoff.Status.TAKEN, taken_at=past, target_at=past, first_reply_at=first_reply_at)
    client = signed_in(agent())
    for page in (f"{QUEUE}?mostrar=em-atendimento", f"{QUEUE}ana-session/change/"):
        assert ('class="is-late"' in client.get(page).content.decode()) != answered


def test_who_may_not_take_is_offered_no_button_in_the_queue(embedded_store: DocumentStore):
    conversation()
    html = signed_in(agent(may=())).get(QUEUE).content.decode()
    assert "row-take" not in html
    html = signed_in(agent("outra")).get(f"{QUEUE}ana-session/change/").content.decode()
    assert "Assumir conversa" in html


def test_my_handoffs_are_those_that_i_have(store: DocumentStore):
    me = agent()
    data.handoff("ana", status=Handoff.Status.TAKEN, agent_id=name_of(me), lead={"name": "Minha"})
    data.handoff("rui", status=Handoff.Status.TAKEN, agent_id="user:0", lead={"name": "Alheia"})
    html = signed_in(me).get(f"{QUEUE}?mostrar=meus").content.decode()
    assert "Minha" in html
    assert "Alheia" not in html


def test_a_handoff_reads_like_what_a_human_needs(admin_client: Client, embedded_store: DocumentStore):
    data.conversation()
    data.handoff(
        lead={"name": "Ana Souza", "city": "Castro/PR", "is_business": True},
        summary="Sistemas sob medida\n• Problema: pedidos se perdem",
        requirements={"CUSTOM_SOFTWARE": {"problem": "Pedidos se perdem", "budget": "unknown"}},
        qualification_reasons=["Pediu urgência", "Fala com quem decide"],
        deadline="até dezembro",
        lead_score=87,
        confidence=0.93,
        routing="software",
    )
    html = admin_client.get(f"{QUEUE}ana-session/change/").content.decode()
    for shown in (
        "• Problema: pedidos se perdem", "Pedidos se perdem", "Não informado", "Pediu urgência", "Fala com quem decide",
        "até dezembro", ">87<", "93%", "Sistemas sob medida", "Castro/PR", "+55 42 9••••-••34", "Alta",
    ):  # fmt: skip
        assert shown in html


# --- news -------------------------------------------------------------------------------------------------------------
def test_a_page_learns_whether_the_conversation_changed(embedded_store: DocumentStore):
    conversation(attempt="first")
    client = signed_in(agent())
    assert client.get(f"{BASE}news/").json() == {"version": "first"}
    client.post(f"{BASE}take/")
    assert client.get(f"{BASE}news/").json() != {"version": "first"}
    for user_key in ("nobody", "__x__"):
        assert client.get(f"{BASE.replace('ana', user_key)}news/").status_code == 404
    nobody = User.objects.create_user("novo", is_staff=True)
    assert signed_in(nobody).get(f"{BASE}news/").status_code == 403


# --- agents who leave -------------------------------------------------------------------------------------------------
def edit(client: Client, user: User, **changes: str) -> str:
    """Save the form of a user, as it is but for the changes; "" unticks a box."""
    joined = timezone.localtime(user.date_joined)
    form = {"username": user.username, "is_active": "on", "is_staff": "on"} | changes
    form |= {"date_joined_0": f"{joined:%d/%m/%Y}", "date_joined_1": f"{joined:%H:%M:%S}"}
    sent = {name: value for name, value in form.items() if value}
    return client.post(f"/admin/auth/user/{user.pk}/change/", sent, follow=True).content.decode()


@pytest.mark.parametrize("left", ["is_active", "is_staff"])
def test_the_conversations_of_who_leaves_go_back_to_the_queue(
    left: str, admin_client: Client, embedded_store: DocumentStore
):
    user = agent()
    conversation(Mode.HUMAN, user)
    client = signed_in(user)
    assert "à fila." not in edit(admin_client, user)
    assert header()["mode"] == Mode.HUMAN
    assert "1 conversa desta pessoa voltou à fila." in edit(admin_client, user, **{left: ""})
    assert (header()["mode"], header()["assigned_to"]) == (Mode.WAITING_HUMAN, None)
    assert get_store().get("handoffs/ana-session").data["status"] == Handoff.Status.OPEN
    assert client.get(CHAT).status_code == 302  # their session is over
    assert "login" in client.post(f"{BASE}reply/", {"text": "ainda estou", "key": "k"})["Location"]


def test_the_conversations_of_who_is_deleted_go_back_too(admin_client: Client, embedded_store: DocumentStore):
    user = agent()
    conversation(Mode.HUMAN, user)
    response = admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}, follow=True)
    assert "1 conversa desta pessoa voltou à fila." in response.content.decode()
    assert header()["mode"] == Mode.WAITING_HUMAN


def test_conversations_that_cannot_go_back_now_are_told_of_and_tried_again(
    admin_client: Client, embedded_store: DocumentStore, monkeypatch: pytest.MonkeyPatch
):
    user = agent()
    conversation(Mode.HUMAN, user)

    def unavailable(*_: object, **__: object) -> int:
        raise Unavailable("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(user_pages, "put_back_all", unavailable)
        assert "isso é tentado de novo a cada 5 minutos." in edit(admin_client, user, is_active="")
    assert not User.objects.get(pk=user.pk).is_active  # locked out in any case
    assert "1 conversa desta pessoa voltou à fila." in edit(admin_client, user, is_active="")
