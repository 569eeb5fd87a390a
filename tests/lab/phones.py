"""The control API of the fake Meta, and customers who write through it."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pyloto.documents import Query, get_store

POLL_SECONDS = 0.1

WRITE_AGAIN_SECONDS = 3  # while a send is in doubt
WAITING = Query("messages", group=True, where=(("due.shard", ">=", 0),), order_by=(("due.shard", "asc"),))
GREETINGS = ("Oi", "Bom dia!", "Olá, tudo bem?", "opa", "Boa tarde", "Oi, pode me ajudar?")
QUESTIONS = (
    "Onde fica a empresa?",
    "Qual o horário de atendimento?",
    "Qual o site de vocês?",
    "Qual o e-mail de vocês?",
)
DELIVERIES = ("Preciso de uma entrega agora", "Quero mandar um pacote de moto para o centro", "Tem motoboy para hoje?")
LEAD = (
    "Olá! Preciso de um sistema sob medida",
    "Empresa",
    "Controlamos o estoque em planilhas e perdemos vendas toda semana",
    "Cadastro de produtos, relatórios e um aplicativo para os vendedores",
    "Umas 20 pessoas",
    "Ponta Grossa - PR",
    "Em três meses",
    "Prefiro não dizer",
)


@dataclass
class Phones:
    """The control API of the fake Meta."""

    url: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/{path}", timeout=30) as response:
            return json.load(response)

    def post(self, path: str, **data: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/{path}", json.dumps(data).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def add(self, count: int, *, phone: bool = True) -> list[str]:
        return [self.post("customers", phone=phone)["customer_id"] for _ in range(count)]

    def write(self, customer_id: str, text: str) -> str:
        """Returns Meta's id of the message."""
        return self.send(customer_id, type="text", text=text)

    def send(self, customer_id: str, **content: Any) -> str:
        """Returns Meta's id of the message."""
        return str(self.post(f"customers/{customer_id}/messages", **content)["wamid"])

    def deliver_everything(self) -> None:
        """Wait until no message waits for its webhook to be answered."""
        wait_until(
            lambda: not any(self.get("pending")[kind] for kind in ("messages", "under_way")),
            "the fake Meta could not deliver its messages",
        )


@dataclass
class Lead:
    """A customer who wants software, and answers until a human is promised."""

    customer_id: str
    answers: Iterator[str] = field(default_factory=lambda: iter(LEAD))
    sent: int = 0
    done: bool = False
    user_key: str = ""

    def go_on(self, phones: Phones, replies: list[dict[str, Any]]) -> None:
        """Send the next answer where the last one got its reply."""
        if self.done or len(replies) < self.sent:
            return
        if replies:
            self.user_key = replies[0]["callback_data"].partition(".")[0]
            self.done = bool(get_store().query(Query("handoffs", where=(("user_key", "==", self.user_key),))))
        if not self.done and (answer := next(self.answers, None)):
            self.sent += 1
            phones.write(self.customer_id, answer)


def nothing_is_due(phones: Phones) -> bool:
    """Whether every message was delivered and nothing stored is due any more."""
    if any(phones.get("pending").values()):
        return False
    return not get_store().query(replace(WAITING, limit=1))


def is_anything_in_doubt() -> bool:
    """Then somebody must go on writing: only what is sent later shows whether statuses come at all."""
    return any(snapshot.data["state"] == "UNKNOWN" for snapshot in get_store().query(WAITING))


def wait_until(condition: Callable[[], bool], complaint: str, seconds: float = 20) -> None:
    """Raises `TimeoutError` with the complaint."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(POLL_SECONDS)
