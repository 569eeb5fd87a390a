"""Takes the pictures of the README: `python -m docs.screenshots`, from the repository's root.

It starts the whole product in a temporary directory, fills it with invented customers, talks to it through the simulator
as one more, and photographs the simulator, that conversation in the admin, the customer and the audit trail, with
headless Chromium.
"""

import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from pyloto.stack import Stack
from tests.lab.installation import set_environment, start_stores
from tests.lab.phones import Phones, wait_until
from tests.smoke import SETTINGS, start_installation

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1360, 860
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
DEMO_CUSTOMERS = 30
SECONDS_TO_READ = 1.3
NAME = "Mariana Kowalski"
OPENING = "Oi, boa tarde! Quero um sistema para a minha padaria"
ANSWERS = {  # by the field that is asked for
    "client_type": "Empresa",
    "problem": "Os pedidos de encomenda ficam em papel e alguns se perdem",
    "features": "Anotar as encomendas, avisar a cozinha e mandar lembrete para o cliente",
    "users": "Umas 8 pessoas",
    "city": "Ponta Grossa - PR",
    "deadline": "Em até 3 meses",
    "budget": "Prefiro não dizer",
}


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("No Chromium found: install Debian's package `chromium`.\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pyloto-pictures-") as folder:
        set_environment(Path(folder), backend="embedded", settings={**SETTINGS, "TURN_QUIET_SECONDS": "0.5"})
        with start_stores(Path(folder), "embedded") as runner:
            installation = start_installation(runner)
            password = prepare_admin()
            customer_id = talk(Phones(installation.simulator_url))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
                photograph(browser, installation, customer_id, password)
                browser.close()
    return 0


def prepare_admin() -> str:
    """A superuser's random password, and customers who wrote in the days before."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("admin", password=password)
    call_command("seed_demo", customers=DEMO_CUSTOMERS)
    return password


def talk(phones: Phones) -> str:
    """One lead from the first message to the handoff; returns the customer's id in the simulator."""
    from conversations.flows import FLOWS

    customer_id = str(phones.post("customers", name=NAME, phone=True)["customer_id"])
    phones.write(customer_id, OPENING)
    for said in range(1, len(ANSWERS) + 2):
        wait_until(lambda count=said: len(replies(phones, customer_id)) >= count, "the bot did not answer")
        last = replies(phones, customer_id)[-1]
        asked = next((f.name for f in FLOWS["CUSTOM_SOFTWARE"].fields if f.question in last["text"]), None)
        if asked is None:
            return customer_id
        time.sleep(
            SECONDS_TO_READ
        )  # WhatsApp's times are whole seconds: who answers at once would stand before the question
        button = next((b for b in last.get("buttons", ()) if b["title"] == ANSWERS[asked]), None)
        if button:
            phones.post(f"customers/{customer_id}/messages", type="button_reply", **button)
        else:
            phones.write(customer_id, ANSWERS[asked])
    raise RuntimeError("the conversation did not come to its end")


def chat(phones: Phones, customer_id: str) -> list[dict]:
    found = phones.get(f"customers/{customer_id}/messages")
    return found["messages"] if isinstance(found, dict) else found


def replies(phones: Phones, customer_id: str) -> list[dict]:
    return [entry for entry in chat(phones, customer_id) if entry["from"] == "business"]


def photograph(browser: Browser, installation: Stack, customer_id: str, password: str) -> None:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale="pt-BR", color_scheme="light")
    page = context.new_page()
    page.goto(f"{installation.simulator_url}/#{customer_id}")
    page.get_by_text("Anotei tudo").first.wait_for()
    take(page, "simulador")
    page.goto(f"{installation.web_url}/admin/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.click("button[type=submit]")
    page.get_by_role("link", name=NAME).first.click()
    page.get_by_text("Trilha de auditoria").wait_for()
    take(page, "conversa")
    page.get_by_text("Ver o cliente").click()
    page.get_by_role("button", name="Revelar contato").wait_for()
    take(page, "cliente")
    page.get_by_text("Trilha de auditoria").click()
    page.get_by_text("sem alterações").wait_for()
    take(page, "auditoria")


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(500)  # fonts and transitions
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    raise SystemExit(main())
