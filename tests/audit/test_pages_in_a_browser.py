"""An auditor looks at a trail and at the checkpoints, and takes reports away: as people do it, in a browser."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from audit.checkpoints import make_checkpoint
from pyloto.documents import Update, get_store
from tests.conversations import chat_data
from tests.lab.browser import WAIT_MS, browser

__all__ = ["browser"]
PICTURES = os.environ.get("PICTURES")  # a folder: where to put a picture of each page


@pytest.fixture
def page(browser: Browser, live_server: Any, embedded_store: Any, files: Any) -> Iterator[Page]:
    """Signed in; a test fails when a page reports an error, or has what the content security policy forbids."""
    User.objects.create_superuser("chefe", password="uma-senha-longa")
    context = browser.new_context(viewport={"width": 1366, "height": 900}, locale="pt-BR")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("[name=username]", "chefe")
    page.fill("[name=password]", "uma-senha-longa")
    page.click("button[type=submit]")
    yield page
    context.close()
    assert problems == []


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(400)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def taken(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_bytes()


def test_from_the_trail_to_the_report(page: Page) -> None:
    chat_data.audit_events(count=5, changes={"mode": ["WAITING_HUMAN", "BOT"]}, metadata={"reason": "DONE"})
    make_checkpoint(now=datetime.now(UTC))

    page.get_by_role("link", name="Auditoria").first.click()
    picture(page, "1-eventos")
    assert taken(page, "PDF").startswith(b"%PDF")
    page.get_by_role("link", name="ana-conv").first.click()
    expect(page.get_by_text("5 eventos conferidos, sem alterações")).to_be_visible()
    picture(page, "2-trilha")
    assert json.loads(taken(page, "JSON"))["verification"]["ok"]

    get_store().commit([Update("audit_logs/ana-conversation-000000000002", {"actor": "HUMAN"})])
    page.reload()
    expect(page.get_by_text("Cadeia com problemas: nº 2 alterado")).to_be_visible()
    picture(page, "3-alterada")

    page.get_by_role("link", name="Pontos de verificação").first.click()
    expect(page.get_by_role("cell", name="Confere")).to_be_visible()
    picture(page, "4-pontos")
    page.locator("#result_list a").first.click()
    expect(page.get_by_text("— pyloto/audit")).to_be_visible()
    picture(page, "5-ponto")
    with page.expect_download() as download:
        page.get_by_role("link", name="00000001.note").click()
    assert Path(download.value.path()).read_text().startswith("pyloto/audit\n1\n")
