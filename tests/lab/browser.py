"""A headless Chromium for the tests that look at pages as people do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.models import User
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
def signed_in(
    browser: Browser, url: str, *, username: str = "chefe", width: int = 1366, height: int = 900, **names: str
) -> Iterator[tuple[Page, list[str]]]:
    """The page of a superuser of this name, made here, and the addresses that it goes through.

    Fails at its end where a page reported an error, opened a dialog, or had what the content security policy forbids.
    """
    User.objects.create_superuser(username, password="uma-senha-longa", **names)
    context = browser.new_context(viewport={"width": width, "height": height}, locale="pt-BR")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    visited: list[str] = []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    page.goto(f"{url}/admin/login/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", "uma-senha-longa")
    page.click("button[type=submit]")
    yield page, visited
    context.close()
    assert problems == []


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(400)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
