"""Staff find a customer, look at them, correct them, merge, undo and erase them: as people do it, in a browser."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from profiles.services import erasure
from pyloto.documents import DocumentStore, Update, get_store
from tests.conversations import chat_data
from tests.lab.browser import browser, picture, signed_in

from .people import writes, written_down

__all__ = ["browser"]


@pytest.fixture
def page(browser: Browser, live_server: Any, embedded_store: DocumentStore, valkey: object) -> Iterator[Page]:
    with signed_in(browser, live_server.url) as (page, visited):
        yield page
    assert not [url for url in visited if re.search(r"9999|0001|[Ss]ouza|[Aa]na\b", url)]


def menu(page: Page, model: str) -> None:
    page.locator(f"a[href='/admin/profiles/{model}/']").first.click()


def open_customer(page: Page, term: str, name: str) -> None:
    menu(page, "userprofile")
    page.get_by_label("Buscar cliente").fill(term)
    page.get_by_role("button", name="Buscar", exact=True).click()
    picture(page, "1-busca")
    page.get_by_role("link", name=name).click()


def test_a_customer_from_search_to_erasure(page: Page) -> None:
    ana = writes("wamid.1", name="Ana Souza", wa_id="554299990001")
    other = writes("wamid.2", name="Aninha", wa_id="", bsuid="BR.100200300")
    get_store().commit([Update(f"user_profiles/{ana}", {"merge_candidates": [other]})])

    open_customer(page, "+55 (42) 9 9999-0001", "Ana Souza")
    expect(page.get_by_text("+55 42 9••••-••01")).to_be_visible()
    picture(page, "2-cliente")
    page.get_by_label("Motivo").first.select_option(label="Falar com o cliente")
    page.get_by_role("button", name="Revelar contato").click()
    expect(page.locator("dd", has_text="+5542999990001")).to_be_visible()
    picture(page, "3-revelado")

    page.get_by_role("link", name="Editar").click()
    page.get_by_label("Cidade").fill("Irati/PR")
    page.get_by_label("Novo telefone").fill("12")
    page.get_by_role("button", name="Salvar").click()
    expect(page.get_by_text("Não é um telefone válido")).to_be_visible()
    picture(page, "4-editar")
    page.get_by_label("Novo telefone").fill("")
    page.get_by_role("button", name="Salvar").click()
    expect(page.get_by_text("Cadastro atualizado.")).to_be_visible()
    expect(page.locator(".customer-history > li").first).to_contain_text("Cidade")
    expect(page.get_by_text("+5542999990001")).to_have_count(0)

    page.get_by_role("link", name="Comparar e unir").click()
    picture(page, "5-unir")
    page.get_by_role("button", name="Unir e manter este cadastro").first.click()
    expect(page.get_by_text("Clientes unidos.")).to_be_visible()
    picture(page, "6-unido")
    page.get_by_role("button", name="Desfazer a união").click()
    expect(page.get_by_text("União desfeita")).to_be_visible()
    menu(page, "merge")
    expect(page.get_by_text("Desfeita em")).to_be_visible()
    picture(page, "7-unioes")

    open_customer(page, "souza", "Ana Souza")
    with page.expect_download() as download:
        page.get_by_role("button", name="Relatório em PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")
    page.get_by_role("link", name="Apagar os dados").click()
    page.get_by_label("Motivo").select_option(label="Pedido do titular")
    page.get_by_label("Para confirmar").fill("apagar")
    page.get_by_role("button", name="Apagar os dados").click()
    expect(page.get_by_text("Escreva APAGAR, em maiúsculas.")).to_be_visible()
    picture(page, "8-apagar")
    page.get_by_label("Para confirmar").fill("APAGAR")
    page.get_by_role("button", name="Apagar os dados").click()
    expect(page.get_by_text("o cliente já está desligado").first).to_be_visible()
    for wait in (timedelta(0), timedelta(minutes=3)):
        erasure.resume(ana, timezone.now() + wait)
    page.get_by_role("link", name="Atualizar").click()
    expect(page.get_by_text("Concluído.")).to_be_visible()
    picture(page, "9-recibo")
    menu(page, "userprofile")
    expect(page.get_by_role("link", name="Aninha")).to_be_visible()
    expect(page.get_by_text("Ana Souza")).to_have_count(0)
    picture(page, "10-lista")


HOSTILE = (
    """<script>alert('x')</script><img src=x onerror=alert(1)>"><svg/onload=alert(1)>{{ 7|add:7 }}""",
    """javascript:alert(1)//'-alert(1)-'`${alert(1)}`</title></textarea><style onload=alert(1)>""",
)


def test_hostile_texts_in_a_profile_are_text(page: Page) -> None:
    text, other = HOSTILE
    key = written_down(name=text, city=other, business_name=other, role=text).pk
    chat_data.conversation("rui", name=other)
    get_store().commit([Update(f"user_profiles/{key}", {"merge_candidates": ["rui"]})])
    base = page.url.partition("/admin/")[0] + "/admin"
    for address in (
        "/profiles/userprofile/",
        f"/profiles/userprofile/{key}/change/",
        f"/profiles/userprofile/{key}/edit/",
        f"/profiles/userprofile/{key}/erase/",
        f"/conversations/conversation/{key}/merge/",
    ):
        page.goto(base + address)
        expect(page.get_by_text(text).first).to_be_visible()
