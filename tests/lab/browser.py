"""A headless Chromium for the tests that look at pages as people do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

WAIT_MS = 30_000  # for what a busy machine does late; what comes in time ends the wait
expect.set_options(timeout=WAIT_MS)
PICTURES = os.environ.get("PICTURES")  # a folder: where to put a picture of each page
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        missing = "no chromium: the pages are not tested (apt-get install chromium)"
        if os.environ.get("REQUIRE_EMULATORS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop runs in the thread of the tests
        browser = launch(playwright, path)
        yield browser
        browser.close()


def launch(playwright: Playwright, path: str) -> Browser:
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


@contextmanager
def signed_in(browser: Browser, url: str) -> Iterator[tuple[Page, list[str]]]:
    """A superuser's page, and the addresses that it goes through. See `watched_page`."""
    User.objects.create_superuser("chefe", password="uma-senha-longa")
    with watched_page(browser) as (page, visited):
        page.goto(f"{url}/admin/login/")
        page.fill("[name=username]", "chefe")
        page.fill("[name=password]", "uma-senha-longa")
        page.click("button[type=submit]")
        yield page, visited


@contextmanager
def page_of(browser: Browser, url: str, user: User, *, width: int = 1366, height: int = 900) -> Iterator[Page]:
    """The page of somebody who has signed in already; addresses may begin with "/". See `watched_page`."""
    client = Client()
    client.force_login(user)
    with watched_page(browser, base_url=url, viewport={"width": width, "height": height}) as (page, _):
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])
        yield page


@contextmanager
def watched_page(browser: Browser, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page, and the addresses that it goes through.

    Fails at its end where the page reported an error, opened a dialog, or had what the content security policy forbids.
    """
    context = browser.new_context(**{"viewport": {"width": 1366, "height": 900}, "locale": "pt-BR", **options})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    visited: list[str] = []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    yield page, visited
    context.close()
    assert problems == []


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(400)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
