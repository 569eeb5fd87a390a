"""The installation that is broken: real processes, a proxy before each server, and the means to break and to look."""

import hashlib
import hmac
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
import urllib3
from django.conf import settings
from django.utils import timezone

from conversations.models import Conversation, Message
from conversations.simulator.customers import Customer, Inventor
from conversations.simulator.webhooks import Item, contact, echo, envelope, message
from conversations.stores import ConversationStore
from conversations.whatsapp.split import provider_key
from pyloto import failpoints
from pyloto.celery import app
from pyloto.documents import NotFound, Query, Unavailable, get_store
from pyloto.embedded_valkey import find_binary
from pyloto.processes import Runner
from pyloto.stack import HOST, Stack, answers, child_environment, pong
from tests.lab.emulator import free_port
from tests.lab.phones import Phones
from tests.lab.proxy import Mode, TcpProxy

from .faults import Unexpected
from .witness import Witness

WAIT_SECONDS = 90  # for anything that must come; a quiet machine needs a small part of it
SUPERVISE_SECONDS = 0.2
POLL_SECONDS = 0.05
NUMBERS = ("106540352242922", "106540352242923")  # the second one is for what bars a whole number


@dataclass(frozen=True)
class Person:
    """A customer who has been answered at least once."""

    customer: Customer
    user_key: str

    @property
    def customer_id(self) -> str:
        return self.customer.customer_id


@dataclass(frozen=True)
class Answer:
    """What the webhook said; status 0 is no answer at all."""

    status: int
    seconds: float
    headers: Mapping[str, str]


class Lab:
    """Everything a fault needs. Made by `start_lab`."""

    def __init__(self, *, seed: int, backend: str, folder: Path, runner: Runner, stack: Stack) -> None:
        self.seed, self.backend, self.folder = seed, backend, folder
        self.unknown_seconds = settings.OUTBOX_UNKNOWN_SECONDS.total_seconds()
        self.status_delay_seconds = 0.0
        self.dedupe: str = settings.DEDUPE_BACKEND
        self.random = random.Random(f"faults {seed}")
        self.runner, self.stack = runner, stack
        self.phones = Phones(stack.simulator_url)
        self.orders = folder / "failpoints"
        self.posted: dict[str, dict[str, Any]] = {}  # by wamid: what the driver itself brought and was answered 200
        self.told: list[dict[str, Any]] = []  # the statuses among it: {"wamid", "tried_at", "delivered_at"}
        self.witnesses: list[Witness] = []
        self.excused: set[str] = set()  # the user_keys of whom a reply is expected to fail for good
        self.flushes = 0  # how often Valkey has forgotten everything
        self.notes: list[str] = []
        self.at_end: list[tuple[str, Callable[[], None]]] = []  # what can be looked at only when all is quiet, by row
        self._people: list[Person] = []
        self.broker: TcpProxy
        self.graph: TcpProxy
        self.documents: TcpProxy | None = None
        self.valkey_url = ""
        self._inventor = Inventor(f"driver {seed}")
        self._http = urllib3.PoolManager(retries=False, maxsize=32)
        self._kept_down: set[str] = set()
        self._kept_orders: set[str] = set()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self.restarts: Counter[str] = Counter()

    # --- processes ----------------------------------------------------------------------------------------------------
    def supervise(self) -> None:
        """Starts again what died, as whatever runs the product in production does."""
        while not self._ended.wait(SUPERVISE_SECONDS):
            with self._lock:
                for name, child in list(self.runner.children.items()):
                    if child.process.poll() is not None and name not in self._kept_down:
                        self.runner.restart(name)
                        self.restarts[name] += 1

    @contextmanager
    def supervised(self) -> Iterator[None]:
        thread = threading.Thread(target=self.supervise, name="supervisor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def kill(self, name: str) -> None:
        """SIGKILL to all of it; the supervisor brings it back."""
        with self._lock:
            self.runner.kill(name)

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Killed, and not started again until the block ends."""
        with self._lock:
            self._kept_down.add(name)
            self.runner.kill(name)
        try:
            yield
        finally:
            with self._lock:
                self._kept_down.discard(name)

    def terminate(self, name: str) -> None:
        """SIGTERM to the leader alone, as a deployment does; the supervisor starts the next one when it has ended."""
        with self._lock:
            self.runner.children[name].process.terminate()

    def freeze(self, name: str, *, seconds: float) -> None:
        """SIGSTOP to all of it for a while."""
        leader = self.runner.pid(name)
        os.killpg(leader, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.killpg(leader, signal.SIGCONT)

    def start_extra(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        with self._lock:
            self.runner.start(name, command, env=env, grace_seconds=5)

    def stop_extra(self, name: str) -> None:
        with self._lock:
            if name in self.runner.children:
                self._kept_down.discard(name)
                self.runner.stop_one(name)

    def wait_for_web(self) -> None:
        self.wait(lambda: answers(self.stack.web_port, "/readyz"), "the web process answers")

    # --- breaking -----------------------------------------------------------------------------------------------------
    def arm(self, name: str, action: failpoints.Action, **how: Any) -> None:
        failpoints.arm(self.orders, name, action, **how)

    def arm_to_the_end(self, name: str, action: failpoints.Action, **how: Any) -> None:
        """An order that outlives its fault."""
        self.arm(name, action, **how)
        self._kept_orders.add(failpoints.order_path(self.orders, name, how.get("subject", "")).name)

    def disarm(self, name: str, subject: str = "") -> None:
        failpoints.disarm(self.orders, name, subject)

    def was_hit(self, name: str, subject: str = "") -> bool:
        return failpoints.was_hit(self.orders, name, subject)

    def wait_for_hit(self, name: str, subject: str = "") -> None:
        self.wait(lambda: self.was_hit(name, subject), f"the failpoint {name} is reached")

    def ring(self, user_key: str) -> None:
        """As the webhook does."""
        app.send_task("conversations.tasks.process_conversation", args=(user_key,))

    def fail_next(self, customer_id: str, mode: str, **how: Any) -> None:
        """What the next sends to one customer meet at the fake Graph."""
        with self._lock:
            waiting = self.phones.get("misbehave")["fail_next"]
            self.phones.post("misbehave", fail_next=[*waiting, {"mode": mode, "customer_id": customer_id, **how}])

    def failures_left(self, customer_id: str) -> int:
        waiting = self.phones.get("misbehave")["fail_next"]
        return sum(int(f.get("count", 1)) for f in waiting if f.get("customer_id") == customer_id)

    def mend(self) -> None:
        """End whatever a fault may have left broken."""
        for proxy in (self.broker, self.graph, self.documents):
            if proxy is not None and proxy.mode is not Mode.OK:
                proxy.set_mode(Mode.OK)
        for path in self.orders.iterdir():
            order = path.name.removesuffix(".held")
            if path.suffix not in (".done", ".new") and order not in {"lock", *self._kept_orders}:
                self.disarm(*order.split("@"))

    def valkey(self) -> "redis.Redis":
        """The server itself, past the proxy."""
        return redis.Redis.from_url(self.valkey_url, decode_responses=True)

    # --- writing ------------------------------------------------------------------------------------------------------
    def customer(self, **how: Any) -> Customer:
        """A new one, who has not written yet."""
        return Customer(**self.phones.post("customers", **how))

    def gather(self, count: int) -> None:
        """So many customers for `person`: each has written once, and been answered."""
        customers = [self.customer() for _ in range(count)]
        wamids = self.phones.post("deliver", customers=[c.customer_id for c in customers], text="Oi")["wamids"]

        def are_answered() -> bool:
            answered = {record["customer_id"] for record in self.phones.get("accepted")}
            return answered >= {customer.customer_id for customer in customers}

        self.wait(are_answered, "the first customers are answered", pause=0.3)
        self._people = [Person(c, self.user_key(wamid)) for c, wamid in zip(customers, wamids, strict=True)]
        self.random.shuffle(self._people)

    def person(self) -> Person:
        """One with whom no other fault has to do."""
        if not self._people:
            self.gather(4)
        return self._people.pop()

    def says(self, person: Person, text: str = "Onde fica a empresa?", **how: Any) -> str:
        """They write, in words that are always answered; returns Meta's id."""
        return self.phones.send(person.customer_id, type="text", text=text, **how)

    def expire_marks(self, seconds: float = 2.0) -> None:
        """What a dead process has reserved is free after a minute; here after this."""
        with self.valkey() as valkey:
            for name in valkey.scan_iter("dedupe:*"):
                if str(valkey.get(name)).startswith("inflight:"):
                    valkey.pexpire(name, int(seconds * 1000))
        soon = timezone.now() + timedelta(seconds=seconds)
        for mark in get_store().query(Query("dedupe", where=(("state", "==", "IN_FLIGHT"),))):
            get_store().update(mark.path, {"expires_at": soon})

    def compose(self, customer: Customer, text: str = "Oi", *, kind: str = "text", **body: Any) -> Item:
        """A message of theirs that the driver itself brings to the webhook, with `post_items`."""
        wamid = self._inventor.wamid(customer, from_customer=True)
        at = body.pop("at", None) or time.time()
        content = body or {"text": {"body": text}}
        payload = message(customer, wamid, at, {"type": kind, **content})
        return Item("messages", payload, NUMBERS[0], contact(customer))

    def echo(self, customer: Customer, text: str = "Aqui é o dono") -> Item:
        wamid = self._inventor.wamid(customer, from_customer=False)
        return Item("message_echoes", echo(customer, wamid, time.time(), text, "554233330000"), NUMBERS[0])

    def post_items(self, items: Sequence[Item], *, timeout: float = 30.0) -> Answer:
        """One signed delivery. What is answered 200 is expected to be kept and answered from here on."""
        began = datetime.now(UTC).isoformat()
        answer = self.post(json.dumps(envelope(items, {NUMBERS[0]: "554233330000"})).encode(), timeout=timeout)
        if answer.status == 200:
            for item in items:
                if item.kind == "messages":
                    self.posted[item.wamid] = {"wamid": item.wamid, "type": item.payload["type"]}
                if item.kind == "statuses":
                    told = {"wamid": item.wamid, "tried_at": began, "delivered_at": datetime.now(UTC).isoformat()}
                    self.told.append(told)
        return answer

    def post_until_kept(self, items: Sequence[Item]) -> None:
        """Again and again, as Meta does."""
        self.wait(lambda: self.post_items(items).status == 200, "a delivery is answered 200", pause=0.5)

    def post(
        self, body: bytes, *, headers: Mapping[str, str] | None = None, secret: str = "", timeout: float = 30.0
    ) -> Answer:
        given = headers if headers is not None else signed(body, secret or settings.WHATSAPP_APP_SECRET)
        started_at = time.monotonic()
        try:
            response = self._http.request(
                "POST",
                f"{self.stack.web_url}/webhooks/whatsapp",
                body=body,
                headers={"Content-Type": "application/json", **given},
                timeout=urllib3.Timeout(connect=3, read=timeout),
            )
        except urllib3.exceptions.HTTPError:
            return Answer(0, time.monotonic() - started_at, {})
        return Answer(response.status, time.monotonic() - started_at, response.headers)

    # --- looking ------------------------------------------------------------------------------------------------------
    def wait(
        self, condition: Callable[[], Any], what: str, *, seconds: float = WAIT_SECONDS, pause: float = POLL_SECONDS
    ) -> None:
        """Raises `Unexpected` where it does not come."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(Unavailable):  # a busy emulator; it is asked again
                if condition():
                    return
            if time.monotonic() > deadline:
                raise Unexpected(f"waited {seconds:.0f} s in vain until {what}")
            time.sleep(pause)

    def expect(self, holds: Any, otherwise: str) -> None:
        if not holds:
            raise Unexpected(otherwise)

    def find(self, wamid: str) -> Message | None:
        """The stored message with this id of Meta's."""
        key = provider_key(wamid)
        path = ConversationStore().find_by_provider_keys([key]).get(key)
        return Message.from_snapshot(get_store().get(path)) if path else None

    def copies(self, wamid: str) -> int:
        """In how many places it is stored."""
        return len(
            get_store().query(
                Query("messages", group=True, where=(("provider_message_key", "==", provider_key(wamid)),))
            )
        )

    def user_key(self, wamid: str) -> str:
        """Whose message it is; waits until it is stored."""
        self.wait(lambda: self.find(wamid), "a message is stored")
        found = self.find(wamid)
        assert found is not None
        return found.path.split("/")[1]

    def messages(self, user_key: str) -> list[Message]:
        snapshots = get_store().query(ConversationStore().messages_query(user_key))
        return sorted(map(Message.from_snapshot, snapshots), key=lambda message: message.seq)

    def header(self, user_key: str) -> Conversation | None:
        try:
            return ConversationStore().get_header(user_key)
        except NotFound:
            return None

    def replies_to(self, wamid: str) -> list[Message]:
        """The outbound messages of its turn; empty while there is none."""
        found = self.find(wamid)
        if found is None or not found.turn_id:
            return []
        return [
            m for m in self.messages(found.path.split("/")[1]) if m.direction == "out" and m.turn_id == found.turn_id
        ]

    def times_accepted(self, user_key: str, message: Message) -> int:
        callback = f"{user_key}.{message.pk}"
        return sum(record["callback_data"] == callback for record in self.phones.get("accepted"))

    def is_answered(self, wamid: str) -> bool:
        """Whether its turn is done, and all that it says was accepted."""
        replies = self.replies_to(wamid)
        accepted = {record["callback_data"] for record in self.phones.get("accepted")}
        return bool(replies) and all(f"{reply.path.split('/')[1]}.{reply.pk}" in accepted for reply in replies)

    def wait_answered(self, wamid: str, *, seconds: float = WAIT_SECONDS) -> None:
        self.wait(lambda: self.is_answered(wamid), "a message is answered", seconds=seconds)

    def wait_handled(self, wamid: str) -> None:
        def is_handled() -> bool:
            found = self.find(wamid)
            return found is not None and found.state == "HANDLED"

        self.wait(is_handled, "a message is handled")

    def witness(self, user_key: str) -> Witness:
        """To be made right after a takeover; closed at the release, else at the end of the run."""
        witness = Witness(user_key)
        self.witnesses.append(witness)
        return witness

    def later(self, row: str, check: Callable[[], None]) -> None:
        """Look at something when all is quiet; `check` raises `Unexpected`."""
        self.at_end.append((row, check))

    def note(self, line: str) -> None:
        self.notes.append(line)


def signed(body: bytes, secret: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@contextmanager
def start_lab(*, seed: int, backend: str, folder: Path, runner: Runner, valkey_port: int) -> Iterator[Lab]:
    """Everything up and answering. The environment and Django are set up."""
    stack = Stack(runner, web_port=free_port(), simulator_port=free_port())
    lab = Lab(seed=seed, backend=backend, folder=folder, runner=runner, stack=stack)
    lab.orders.mkdir()
    lab.valkey_url = settings.REDIS_URL
    with ExitStack() as proxies:
        lab.broker = proxies.enter_context(TcpProxy(f"{HOST}:{valkey_port}"))
        lab.graph = proxies.enter_context(TcpProxy(f"{HOST}:{stack.simulator_port}"))
        env = {
            **child_environment(stack.web_port, stack.simulator_port),
            "REDIS_URL": f"redis://{lab.broker.address}/0",
            "WHATSAPP_GRAPH_URL": f"http://{lab.graph.address}",
            "FAILPOINTS": str(lab.orders),
        }
        if backend == "firestore":
            lab.documents = proxies.enter_context(TcpProxy(os.environ["FIRESTORE_EMULATOR_HOST"]))
            env["FIRESTORE_EMULATOR_HOST"] = lab.documents.address
        runner.env = {**os.environ, **env}
        start_valkey(runner, folder, valkey_port)
        stack.start()
        with lab.supervised():
            yield lab


def start_valkey(runner: Runner, folder: Path, port: int) -> None:
    """On TCP, so that a proxy can stand before it. Its log of commands tells afterwards what went through it."""
    data = folder / "valkey"
    data.mkdir()
    command = [
        find_binary(),
        "--port",
        str(port),
        "--bind",
        HOST,
        "--dir",
        str(data),
        "--save",
        "",
        "--appendonly",
        "yes",
    ]
    runner.start("valkey", command)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        runner.wait_until("valkey", lambda: pong(client))
