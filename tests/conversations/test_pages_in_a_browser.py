"""Two agents at work: the queue, who takes a customer, what they write, and the switches of the bot. In a browser."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from conversations.models import Mode
from conversations.whatsapp.client import Rejected
from conversations.whatsapp.errors import ErrorClass
from pyloto.documents import DocumentStore, Update, get_store, use_store
from tests.lab.browser import browser, page_of, picture
from tests.lab.faulty_store import FaultyStore

from . import chat_data as data
from . import invariants
from .customer import Customer
from .files import PDF, PNG, VOICE, Library, fetch, send, storage, stored_files
from .outside import Outside

__all__ = ["browser"]

CHAT = "/admin/conversations/conversation/{}/change/"


@pytest.fixture
def customer(embedded_store: DocumentStore, valkey: object) -> Iterator[Customer]:
    with use_store(FaultyStore(embedded_store)) as faulty:
        yield (customer := Customer(faulty, Outside()))
        invariants.check(customer)
    for file in stored_files():
        storage().delete(file)


@pytest.fixture
def pages(browser: Browser, live_server: Any, customer: Customer) -> Iterator[tuple[Page, Page]]:
    """Ana's at a desk, Rui's on a phone."""
    visited: list[str] = []
    with ExitStack() as stack:
        users = [User.objects.create_superuser(name, first_name=name.title()) for name in ("ana", "rui")]
        ana = stack.enter_context(page_of(browser, live_server.url, users[0]))
        rui = stack.enter_context(page_of(browser, live_server.url, users[1], width=390, height=844))
        for page in (ana, rui):
            page.on("framenavigated", lambda frame: visited.append(frame.url))
        yield ana, rui
    assert not [url for url in visited if re.search(r"9999|0001|[Ee]xemplo", url)]


def says(page: Page, text: str) -> None:
    expect(page.get_by_text(text).first).to_be_visible()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def fits(page: Page) -> bool:
    """Whether nothing makes the page wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_from_the_queue_to_the_end_of_the_conversation(pages: tuple[Page, Page], customer: Customer) -> None:
    ana, rui = pages
    customer.writes("quero falar com uma pessoa").is_served()
    for page, size in ((ana, "desktop"), (rui, "phone")):
        page.goto("/admin/conversations/handoff/")
        says(page, "Cliente Exemplo")
        picture(page, f"1-queue-{size}")
    rui.get_by_role("link", name="Cliente Exemplo").click()
    says(rui, "O que o cliente pediu")
    picture(rui, "2-handoff-phone")
    assert fits(rui)
    ana.goto(CHAT.format(customer.user_key))
    says(ana, "Aguardando uma pessoa desde")
    picture(ana, "3-waiting-desktop")

    ana.goto("/admin/conversations/handoff/")
    press(ana, "Assumir")
    says(ana, "A conversa é sua")
    says(ana, "Com você desde")
    press(rui, "Assumir conversa")  # he still sees it as it was
    says(rui, "Ana assumiu primeiro: esta conversa não está com você.")
    says(rui, "Com Ana desde")
    picture(rui, "4-taken-phone")
    assert fits(rui)
    expect(rui.get_by_label("Resposta ao cliente")).to_have_count(0)
    rui.get_by_text("Devolver à fila").first.click()
    says(rui, "A conversa deixa de estar com Ana")
    picture(rui, "15-requeue-phone")
    assert fits(rui)

    reply = ana.get_by_label("Resposta ao cliente")
    reply.fill("Olá! Sou a Ana.\nComo posso ajudar?")
    says(ana, "34 de 4096 caracteres")
    reply.evaluate("box => { box.form.requestSubmit(); box.form.requestSubmit() }")
    says(ana, "Como posso ajudar?")
    expect(ana.get_by_label("Resposta ao cliente")).to_have_value("")
    ana.reload()
    customer.is_served()
    assert customer.outside.texts[1:] == ["Olá! Sou a Ana.\nComo posso ajudar?"]
    customer.gets("delivered", customer.replies[-1]).gets("read", customer.replies[-1])
    customer.writes("quanto custa um site?").is_served()
    ana.reload()
    says(ana, "quanto custa um site?")
    expect(ana.get_by_label("Lida")).to_have_count(1)
    picture(ana, "5-mine-desktop")

    ana.get_by_text("Concluir atendimento").click()
    picture(ana, "6-confirm-desktop")
    press(ana, "Sim, concluir")
    says(ana, "Atendimento concluído")
    says(ana, "O bot responde a este cliente")
    assert customer.header.mode == Mode.BOT


def test_files_and_refused_messages_in_the_chat(pages: tuple[Page, Page], customer: Customer) -> None:
    ana, rui = pages
    library = Library()
    customer.writes("quero falar com uma pessoa").is_served()
    for content, kind, mime_type in ((PNG, "image", "image/png"), (PDF, "document", "application/pdf")):
        message = send(library.add(content), content, kind, mime_type, filename="<b>planta</b>.pdf")
        fetch(message, library)
    voice = send(library.add(VOICE), VOICE, "audio", "audio/ogg; codecs=opus", voice=True)
    send("1284750000000", PNG)  # nobody has fetched it yet
    customer.is_served()
    fetch(voice, library)
    ana.goto(CHAT.format(customer.user_key))
    press(ana, "Assumir conversa")
    image = ana.locator(".bubble-file img")
    assert image.evaluate("async image => { await image.decode(); return image.naturalWidth > 0 }")
    assert ana.locator("audio").evaluate(
        "audio => new Promise(done => { audio.onloadedmetadata = () => done(true); audio.onerror = () => done(false);"
        " audio.preload = 'metadata'; audio.load() })"
    )
    with ana.expect_download() as download:
        ana.get_by_role("link", name="Baixar o arquivo").click()
    assert download.value.path().read_bytes() == PDF
    assert "planta" not in download.value.suggested_filename
    says(ana, "<b>planta</b>.pdf")
    says(ana, "O arquivo ainda está sendo baixado")

    customer.outside.answers.append(Rejected(131026, ErrorClass.PERMANENT))
    ana.get_by_label("Resposta ao cliente").fill("Recebi, obrigada!")
    press(ana, "Enviar")
    expect(ana.get_by_label("Resposta ao cliente")).to_have_value("")
    customer.is_served()
    rui.goto(CHAT.format(customer.user_key))
    says(rui, "Não entregue: o número não pode receber mensagens.")
    picture(rui, "11-files-phone")
    assert fits(rui)
    picture(ana, "12-files-desktop")
    press(rui, "Reenviar")
    says(rui, "A mensagem foi para a fila de envio.")
    expect(rui.get_by_role("button", name="Reenviar")).to_have_count(0)
    customer.is_served()
    assert customer.outside.texts[-2:] == ["Recebi, obrigada!"] * 2


def test_news_come_without_a_reload_and_leave_the_draft_alone(pages: tuple[Page, Page], customer: Customer) -> None:
    ana, _ = pages
    customer.writes("quero falar com uma pessoa").is_served()
    ana.goto(CHAT.format(customer.user_key))
    press(ana, "Assumir conversa")
    reply = ana.get_by_label("Resposta ao cliente")
    reply.fill("Estou escre")
    customer.writes("ainda estou aqui").is_served()
    ana.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    says(ana, "ainda estou aqui")
    expect(reply).to_have_value("Estou escre")
    reply.fill("x" * 4097)
    expect(ana.get_by_role("button", name="Enviar")).to_be_disabled()


def test_a_reply_outlives_a_lost_connection_a_refusal_and_a_session(
    pages: tuple[Page, Page], customer: Customer, browser: Browser, live_server: Any
) -> None:
    customer.writes("quero falar com uma pessoa").is_served()
    state = pages[0].context.storage_state()
    context = browser.new_context(storage_state=state, base_url=live_server.url)  # here errors are expected
    page = context.new_page()
    page.goto(CHAT.format(customer.user_key))
    press(page, "Assumir conversa")
    reply = page.get_by_label("Resposta ao cliente")
    reply.fill("Um texto que custou")

    page.route("**/reply/", lambda route: route.abort())
    press(page, "Enviar")
    says(page, "Sem conexão")
    page.unroute("**/reply/")
    page.route("**/reply/", lambda route: (route.fetch(), route.abort()))  # it arrives, and nobody learns of it
    press(page, "Enviar")
    expect(page.get_by_role("button", name="Enviar")).to_be_enabled()
    expect(reply).to_have_value("Um texto que custou")
    page.unroute("**/reply/")
    page.evaluate(
        "() => { kept = Response.prototype.text; Response.prototype.text = () => Promise.reject(TypeError()) }"
    )
    press(page, "Enviar")  # the answer begins, and breaks off
    expect(page.get_by_role("button", name="Enviar")).to_be_enabled()
    expect(reply).to_have_value("Um texto que custou")
    page.evaluate("() => { Response.prototype.text = kept }")
    press(page, "Enviar")
    expect(reply).to_have_value("")
    customer.is_served()
    assert customer.outside.texts.count("Um texto que custou") == 1

    reply.fill("Outro texto")
    header = customer.header
    customer.store.commit([Update(header.path, {"last_user_at": header.last_user_at - timedelta(hours=25)})])
    press(page, "Enviar")
    says(page, "A mensagem não foi enviada: passaram mais de 24 horas")
    expect(reply).to_have_value("Outro texto")
    customer.store.commit([Update(header.path, {"last_user_at": header.last_user_at})])
    context.clear_cookies(name="sessionid")
    press(page, "Enviar")
    says(page, "a sua sessão terminou")
    expect(reply).to_have_value("Outro texto")
    assert len(customer.replies) == 2
    context.close()


def test_the_bot_is_paused_for_everybody_and_for_one_customer(pages: tuple[Page, Page], customer: Customer) -> None:
    ana, rui = pages
    customer.writes("oi").is_served()
    rui.goto("/admin/conversations/conversation/bot/")
    picture(rui, "7-bot-phone")
    rui.get_by_text("Pausar o bot").first.click()
    press(rui, "Sim, pausar o bot")
    says(rui, "O bot está em pausa.")
    says(rui, "Pausou o bot para todos")
    picture(rui, "8-bot-paused-phone")
    assert fits(rui)
    for path in ("/admin/", "/admin/conversations/conversation/", "/admin/conversations/handoff/"):
        ana.goto(path)
        says(ana, "O bot está em pausa para todos os clientes")
    ana.goto(CHAT.format(customer.user_key))
    says(ana, "O bot está em pausa para todos os clientes")
    picture(ana, "9-paused-desktop")
    customer.writes("vocês fazem sites?").is_served()
    assert len(customer.outside.sent) == 1

    rui.get_by_text("Ligar o bot").first.click()
    press(rui, "Sim, ligar o bot")
    says(rui, "O bot volta a responder.")
    press(ana, "Pausar o bot nesta conversa")
    says(ana, "O bot está em pausa nesta conversa: este cliente")
    customer.writes("alguém?").is_served()
    assert len(customer.outside.sent) == 1
    rui.goto("/admin/conversations/conversation/?mostrar=em-pausa")
    says(rui, "Cliente Exemplo")
    picture(rui, "13-paused-list-phone")
    ana.goto("/admin/conversations/conversation/")
    picture(ana, "14-list-desktop")
    ana.goto(CHAT.format(customer.user_key))
    press(ana, "Retomar o bot nesta conversa")
    expect(ana.locator(".bot-paused")).to_have_count(0)
    rui.goto(CHAT.format(customer.user_key))
    picture(rui, "10-chat-phone")
    assert fits(rui)


HOSTILE = (
    """<script>alert('x')</script><img src=x onerror=alert(1)>"><svg/onload=alert(1)>{{ 7|add:7 }}""",
    """javascript:alert(1)//'-alert(1)-'`${alert(1)}`</title></textarea><style onload=alert(1)>""",
)


def test_hostile_texts_are_text(browser: Browser, live_server: Any, embedded_store: DocumentStore) -> None:
    text, other = HOSTILE
    user = User.objects.create_superuser("ana", first_name=text)
    owned = {"mode": Mode.HUMAN, "assigned_to": f"user:{user.pk}", "last_user_at": timezone.now()}
    data.conversation(name=text, last_message_preview=other, **owned)
    lead = {"name": text, "city": other, "business_name": text, "role": other}
    data.handoff(
        lead=lead,
        summary=text,
        requirements={other: {text: other}},
        deadline=other,
        qualification_reasons=[text, other],
    )
    data.message(n=1, text=text)
    data.message(n=2, type="document", text=other, media={"status": "STORED", "filename": text, "content_type": other})
    data.message(n=3, type="image", text="", media={"status": "REFUSED", "reason": text, "id": "1", "filename": other})
    data.message(n=4, outbound=True, text=text, state="NEEDS_HUMAN", errors=[{"code": 7, "title": other}])
    with page_of(browser, live_server.url, user) as page:
        chat = CHAT.format("ana")
        for path in ("/admin/", "/admin/conversations/conversation/", "/admin/conversations/handoff/", chat):
            page.goto(path)
            says(page, text)
        page.get_by_label("Resposta ao cliente").fill(other)
        data.message(n=5, text=f"novidade {other}")
        get_store().commit([Update("conversations/ana", {"attempt": "another"})])
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        says(page, f"novidade {other}")
        expect(page.get_by_label("Resposta ao cliente")).to_have_value(other)
        page.goto("/admin/conversations/handoff/ana-session/change/")
        says(page, other)
