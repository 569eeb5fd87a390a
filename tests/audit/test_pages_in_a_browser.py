"""An auditor looks at a trail and at the checkpoints, and takes reports away: as people do it, in a browser."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from audit.checkpoints import make_checkpoint
from pyloto.documents import Update, get_store
from tests.conversations import chat_data
from tests.lab.browser import browser, picture, signed_in

__all__ = ["browser"]


@pytest.fixture
def page(browser: Browser, live_server: Any, embedded_store: Any, files: Any) -> Iterator[Page]:
    with signed_in(browser, live_server.url) as (page, _):
        yield page


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
