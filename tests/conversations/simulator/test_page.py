"""The page in a real browser: what a person sees and taps."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from conversations.simulator.fake import FakeMeta
from tests.conversations.simulator.receiver import NUMBER, Receiver, new_fake, wait_for
from tests.lab.browser import WAIT_MS, browser

__all__ = ["browser"]


@pytest.fixture
def page(browser: Browser, fake: FakeMeta) -> Iterator[Page]:
    """The open page; a test fails when the page reports an error or asks another host for something."""
    context = browser.new_context(viewport={"width": 1366, "height": 900}, locale="pt-BR")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: is_own(request.url, fake) or problems.append(request.url))
    page.goto(fake.url)
    yield page
    context.close()
    assert problems == []


def is_own(url: str, fake: FakeMeta) -> bool:
    return url.startswith((fake.url, "blob:", "data:"))


def new_customer(page: Page, name: str = "") -> None:
    page.get_by_role("button", name="Novo cliente").click()
    page.get_by_label("Nome", exact=True).fill(name)
    page.get_by_role("button", name="Criar", exact=True).click()
    expect(page.locator("#composer")).to_be_visible()


def write(page: Page, text: str) -> None:
    page.get_by_label("Mensagem", exact=True).fill(text)
    page.keyboard.press("Enter")


def reply(fake: FakeMeta, kind: str, content: dict[str, Any], **more: Any) -> str:
    """Pyloto answers the customer who came first."""
    body = {"to": fake.customers()[0].wa_id, "type": kind, kind: content} | more
    return fake.send(NUMBER, body)["messages"][0]["id"]


def test_newcomer_creates_a_customer_and_gets_an_answer(page: Page, fake: FakeMeta) -> None:
    page.get_by_role("button", name="Criar um cliente").click()
    page.get_by_role("button", name="Criar", exact=True).click()
    page.get_by_role("button", name="Oi", exact=True).click()
    wait_for(fake.inbound)
    expect(page.locator(".message.mine .ticks.delivered")).to_be_visible()
    fake.mark_read({"message_id": fake.inbound()[0]["wamid"], "typing_indicator": {"type": "text"}})
    expect(page.locator(".message.mine .ticks.read")).to_be_visible()
    expect(page.locator("#presence")).to_have_text("digitando…")
    reply(fake, "text", {"body": "Olá! Eu sou o *Otto*, da _Pyloto_."})
    answer = page.locator(".message.theirs .text")
    expect(answer).to_have_text("Olá! Eu sou o Otto, da Pyloto.")
    expect(answer.locator("strong")).to_have_text("Otto")
    expect(page.locator("#presence")).to_have_text("online")
    expect(page.locator(".typing")).to_have_count(0)


def test_texts_and_names_are_never_markup(page: Page, fake: FakeMeta) -> None:
    new_customer(page, "<img src=x onerror=alert(1)>")
    write(page, "<script>alert(1)</script> *<b>negrito</b>*")
    expect(page.locator(".message.mine .text")).to_have_text("<script>alert(1)</script> <b>negrito</b>")
    expect(page.locator(".person strong")).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator(".messages img, .messages script, .messages b, #customer-list img").count() == 0


def test_row_of_a_list_is_tapped_in_the_sheet(page: Page, fake: FakeMeta, receiver: Receiver) -> None:
    new_customer(page)
    write(page, "Oi")
    wait_for(fake.inbound)
    rows = [{"id": "software", "title": "Sistemas sob medida", "description": "Feito para você"}]
    action = {"button": "Ver assuntos", "sections": [{"title": "Negócios", "rows": rows}]}
    asked = reply(fake, "interactive", {"type": "list", "body": {"text": "Escolha"}, "action": action})
    page.get_by_role("button", name="Ver assuntos").click()
    expect(page.locator("#sheet")).to_contain_text("Feito para você")
    page.get_by_role("button", name="Sistemas sob medida").click()
    tap = wait_for(lambda: len(receiver.all()) == 2 and receiver.all())[1]
    assert tap["interactive"]["list_reply"] == {
        "id": "software",
        "title": "Sistemas sob medida",
        "description": "Feito para você",
    }
    assert tap["context"]["id"] == asked
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.locator(".message.mine .quote")).to_contain_text("Escolha")


def test_reply_button_is_tapped_once(page: Page, fake: FakeMeta, receiver: Receiver) -> None:
    new_customer(page)
    write(page, "Oi")
    wait_for(fake.inbound)
    buttons = [{"type": "reply", "reply": {"id": key, "title": key}} for key in ("Sim", "Não")]
    reply(fake, "interactive", {"type": "button", "body": {"text": "Certo?"}, "action": {"buttons": buttons}})
    page.get_by_role("button", name="Sim", exact=True).click()
    tap = wait_for(lambda: len(receiver.all()) == 2 and receiver.all())[1]
    assert tap["interactive"]["button_reply"] == {"id": "Sim", "title": "Sim"}
    expect(page.get_by_role("button", name="Não", exact=True)).to_be_disabled()


def test_message_is_quoted_and_reacted_to(page: Page, fake: FakeMeta, receiver: Receiver) -> None:
    new_customer(page)
    write(page, "Oi")
    wait_for(fake.inbound)
    answered = reply(fake, "text", {"body": "Olá!"})
    open_menu(page)
    page.get_by_role("button", name="Responder").click()
    write(page, "Sobre isso")
    expect(page.locator(".message.mine .quote")).to_contain_text("Olá!")
    open_menu(page)
    page.get_by_role("button", name="Reagir com 👍").click()
    expect(page.locator(".message.theirs .reactions")).to_have_text("👍")
    _, quoting, reaction = wait_for(lambda: len(receiver.all()) == 3 and receiver.all())
    assert quoting["context"]["id"] == reaction["reaction"]["message_id"] == answered


def open_menu(page: Page) -> None:
    page.locator(".message.theirs .bubble").hover()
    page.locator(".message.theirs .more").click()


def test_photo_and_voice_note_are_sent_as_files(page: Page, fake: FakeMeta, receiver: Receiver) -> None:
    new_customer(page)
    data = b"\x89PNG\r\n\x1a\n" + bytes(64)
    page.get_by_label("Mensagem", exact=True).fill("Nossa loja")
    page.locator("#photo-file").set_input_files({"name": "loja.png", "mimeType": "image/png", "buffer": data})
    wait_for(fake.inbound)
    page.get_by_role("button", name="Gravar mensagem de voz").click()
    expect(page.locator("#recording-time")).to_have_text("0:01")
    page.locator("#send-recording").click()
    photo, voice = wait_for(lambda: len(receiver.all()) == 2 and receiver.all())
    assert photo["image"]["caption"] == "Nossa loja"
    found = fake.find_media(photo["image"]["id"])
    assert found == (data, "image/png")
    assert voice["audio"]["voice"]
    assert voice["audio"]["mime_type"].startswith("audio/")
    expect(page.locator(".message audio")).to_have_count(1)


def test_refused_webhook_shows_on_the_bubble_until_it_passes(page: Page, fake: FakeMeta, receiver: Receiver) -> None:
    receiver.answers = [403] * 4
    new_customer(page)
    write(page, "Alguém aí?")
    refused = page.locator(".refused")
    expect(refused).to_contain_text("O Pyloto não recebeu (HTTP 403)")
    receiver.answers.clear()
    refused.get_by_role("button", name="tentar de novo").click()
    expect(page.locator(".message.mine .ticks.delivered")).to_be_visible()
    expect(refused).to_have_count(0)


def test_chat_and_choice_of_customer_survive_a_reload(page: Page, fake: FakeMeta) -> None:
    new_customer(page, "Bruna")
    write(page, "Primeira")
    new_customer(page, "Caio")
    page.locator(".person", has_text="Bruna").click()
    page.reload()
    expect(page.locator("#who")).to_have_text("Bruna")
    expect(page.locator(".message.mine .text")).to_have_text("Primeira")
    expect(page.locator(".day")).to_have_text("Hoje")


def test_answer_to_another_customer_counts_as_unread(page: Page, fake: FakeMeta) -> None:
    new_customer(page, "Bruna")
    write(page, "Oi")
    wait_for(fake.inbound)
    new_customer(page, "Caio")
    reply(fake, "text", {"body": "Olá, Bruna"})
    person = page.locator(".person", has_text="Bruna")
    expect(person.locator(".badge")).to_have_text("1")
    person.click()
    expect(person.locator(".badge")).to_have_count(0)
    expect(page.locator(".message.theirs .text")).to_have_text("Olá, Bruna")


def test_mess_is_prepared_and_ended_in_the_panel(page: Page, fake: FakeMeta) -> None:
    page.get_by_label("em dobro").check()
    page.get_by_label("Falha").select_option("accept_then_timeout")
    page.get_by_role("button", name="Preparar").click()
    expect(page.locator(".armed")).to_contain_text("é aceito, mas sem resposta (1 vez)")
    state = fake.describe_misbehaviour()
    assert (state["duplicate"], state["fail_next"]) == (1, [{"mode": "accept_then_timeout", "count": 1}])
    page.get_by_role("button", name="Voltar ao normal").click()
    expect(page.locator(".armed")).to_be_hidden()
    expect(page.get_by_label("em dobro")).not_to_be_checked()
    assert fake.describe_misbehaviour()["duplicate"] == 0


def test_crowd_writes_in_one_delivery(page: Page, fake: FakeMeta, receiver: Receiver) -> None:
    page.get_by_role("spinbutton", name="clientes").fill("30")
    page.get_by_role("button", name="Escrever juntos").click()
    wait_for(lambda: len(fake.inbound()) == 30)
    assert [len(value) for value in receiver.values()] == [30]
    expect(page.locator(".person", has_text="Oi")).to_have_count(30)


def test_phone_is_usable_at_mobile_width(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    page.get_by_role("button", name="Clientes").click()
    new_customer(page, "Bruna")
    write(page, "Oi")
    expect(page.locator(".message.mine .text")).to_have_text("Oi")
    expect(page.locator("#people")).not_to_be_in_viewport()
    page.get_by_role("button", name="Fazer bagunça").click()
    expect(page.get_by_role("button", name="Preparar")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_page_reconnects_after_a_restart(browser: Browser, receiver: Receiver, tmp_path) -> None:
    state = tmp_path / "simulator.json"
    with new_fake(receiver.url, state_path=state) as fake:
        page = browser.new_page()
        page.goto(fake.url)
        new_customer(page, "Bruna")
        write(page, "Oi")
        port = int(re.findall(r":(\d+)", fake.url)[0])
        wait_for(fake.inbound)
    expect(page.locator("#offline")).to_be_visible()
    with new_fake(receiver.url, state_path=state, port=port) as fake:
        expect(page.locator("#offline")).to_be_hidden()
        fake.send(NUMBER, {"to": fake.customers()[0].wa_id, "type": "text", "text": {"body": "Voltei"}})
        expect(page.locator(".message.theirs .text")).to_have_text("Voltei")
        page.close()
