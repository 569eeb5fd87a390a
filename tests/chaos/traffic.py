"""Customers who keep writing while everything breaks."""

import random
import threading
from collections import defaultdict
from contextlib import suppress
from typing import Any

from conversations.simulator.screens import choices
from pyloto.documents import Unavailable
from tests.lab.phones import DELIVERIES, GREETINGS, QUESTIONS, Lead, Phones

CUSTOMERS_MAX = 24
PAUSE_SECONDS = (0.15, 0.9)
FRAGMENTS = ("Oi", "preciso de um site", "para minha loja", "quanto fica?")


class Crowd:
    """A thread that plays them, until `stop`. What they do follows from the seed; when, from the machine."""

    def __init__(self, phones: Phones, *, seed: int) -> None:
        self.phones = phones
        self.leads: list[Lead] = []
        self.problems: list[str] = []
        self._random = random.Random(f"crowd {seed}")
        self._customers: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._play, name="crowd", daemon=True)

    def start(self, first: list[str]) -> None:
        """`first`: customers who are there already, and write too."""
        self._customers += first
        self.leads = [Lead(customer_id) for customer_id in self.phones.add(3)]
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _play(self) -> None:
        while not self._stopped.wait(self._random.uniform(*PAUSE_SECONDS)):
            with suppress(Unavailable):
                self._lead_on()
            try:
                self._act()
            except Exception as exc:  # noqa: BLE001 - the outermost loop of a thread: told at the end
                self.problems.append(f"the crowd stumbled: {type(exc).__name__}: {exc}")

    def _lead_on(self) -> None:
        if all(lead.done for lead in self.leads):
            return
        replies: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in self.phones.get("accepted"):
            replies[record["customer_id"]].append(record)
        for lead in self.leads:
            lead.go_on(self.phones, replies[lead.customer_id])

    def _act(self) -> None:
        choose = self._random.choice
        if len(self._customers) < CUSTOMERS_MAX and self._random.random() < 0.3:
            customer_id = self.phones.add(1, phone=self._random.random() < 0.8)[0]
            self._customers.append(customer_id)
            self.phones.write(customer_id, choose(GREETINGS))
            return
        customer_id = choose(self._customers)
        match choose(("greets", "asks", "asks", "wants a delivery", "taps", "reacts", "media", "fragments")):
            case "greets":
                self.phones.write(customer_id, choose(GREETINGS))
            case "asks":
                self.phones.write(customer_id, choose(QUESTIONS))
            case "wants a delivery":
                self.phones.write(customer_id, choose(DELIVERIES))
            case "taps":
                self._tap(customer_id)
            case "reacts":
                self._react(customer_id)
            case "media":
                self.phones.send(customer_id, type=choose(("image", "audio")))
            case "fragments":
                for fragment in FRAGMENTS[: self._random.randint(2, 4)]:
                    self.phones.write(customer_id, fragment)

    def _tap(self, customer_id: str) -> None:
        offered = [entry for entry in self.phones.get(f"customers/{customer_id}/messages") if choices(entry)]
        if not offered:
            return
        kind = "list_reply" if offered[-1]["type"] == "list" else "button_reply"
        choice = self._random.choice(choices(offered[-1]))
        self.phones.send(customer_id, type=kind, id=choice["id"], title=choice["title"])

    def _react(self, customer_id: str) -> None:
        ours = [e for e in self.phones.get(f"customers/{customer_id}/messages") if e["from"] == "business"]
        if ours:
            self.phones.send(customer_id, type="reaction", wamid=ours[-1]["wamid"], emoji="👍")
