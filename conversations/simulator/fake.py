"""A fake of Meta: customers who write, the Graph API that answers, the webhooks in between.

It is the simulator's engine and the double of the tests. `FakeMeta` may be used in process, or over HTTP through the
control API of `server.py`; every public method is safe to call from any thread.
"""

import itertools
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import webhooks
from .courier import Courier
from .customers import Customer, Inventor, drop_ninth_digit, invented_phone
from .events import Broadcaster
from .graph import FAILURE_MODES, MEDIA_DOWNLOAD_MODES, MEDIA_GRAPH_MODES, GraphError, check_body
from .phones import MAX_BYTES, MIME_TYPES, BadRequest, Phones
from .rates import Rates
from .samples import sample_png, sample_voice_note
from .screens import apply_change, choices, own_entry, shown
from .server import Server
from .webhooks import Item

WINDOW_SECONDS = 24 * 3600  # after the customer's last message only templates pass
TYPING_SECONDS = 25
SAVE_SECONDS = 0.5
STATUS_SECONDS = {"sent": 0.05, "delivered": 0.2, "read": 0.7}
SAMPLES = {"image": "image/png", "audio": "audio/ogg"}


@dataclass
class Misbehaviour:
    """What goes wrong on request; the defaults are Meta on a good day."""

    duplicate: int = 0
    reorder: bool = False
    batch: bool = False
    status_delay_seconds: float = 0
    drop_statuses: bool = False
    customers_read: bool = True
    messages_per_second: int = 80  # of one number of ours; 0 is unlimited
    pair_limit: bool = True
    # [{"mode", "count", "code"?, "status"?, "seconds"?, "customer_id"?: of sends to them alone, "silent"?: no statuses}]
    fail_next: list[dict[str, Any]] = field(default_factory=list)
    media_next: list[dict[str, Any]] = field(default_factory=list)  # [{"mode", "count", "url"?, "seconds"?}]


class FakeMeta:
    def __init__(
        self,
        *,
        webhook_url: str,
        app_secret: str,
        access_token: str,
        phone_number_ids: Sequence[str],
        host: str = "127.0.0.1",
        port: int = 0,
        state_path: Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.misbehaviour = Misbehaviour()
        self.events = Broadcaster()
        self.access_token = access_token
        self._lock = threading.RLock()
        self._phones = Phones(state_path)
        self._phones.starts += 1
        # A second start from the same state must not invent the same ids again.
        self._inventor = Inventor(seed if seed is None or self._phones.starts == 1 else f"{seed}/{self._phones.starts}")
        self._numbers = {number: f"5542333300{index:02d}" for index, number in enumerate(phone_number_ids)}
        self._inbound: dict[str, dict[str, Any]] = {}
        self._accepted: list[dict[str, Any]] = []
        self._statuses: list[dict[str, Any]] = []
        self._statuses_tried: dict[tuple[str, str], str] = {}  # (wamid, status): when the first try began
        self._rates = Rates()
        self._media_tokens: dict[str, tuple[str, float]] = {}  # token to (media_id, monotonic end)
        self._dirty = threading.Event()
        self._stopped = threading.Event()
        self._courier = Courier(
            webhook_url=webhook_url, app_secret=app_secret, display_numbers=self._numbers, on_result=self._on_result
        )
        self._server = Server(self, host, port)
        self._saver = threading.Thread(target=self._save_now_and_then, name="fake-meta-saver", daemon=True)

    # --- life ---------------------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        return self._server.url

    @property
    def webhook_url(self) -> str:
        return self._courier.webhook_url

    @webhook_url.setter
    def webhook_url(self, url: str) -> None:
        self._courier.webhook_url = url

    def start(self) -> "FakeMeta":
        self._courier.start()
        for item in self._phones.undelivered.values():
            self._courier.hand_over([item], item.wamid)
        self._server.start()
        self._saver.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self.events.close()
        self._server.stop()
        self._courier.stop()
        self._dirty.set()
        self._saver.join()

    def __enter__(self) -> "FakeMeta":
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    # --- customers ----------------------------------------------------------------------------------------------------
    def add_customer(self, name: str = "", *, phone: bool | str = True, username: str = "") -> Customer:
        """A new customer. `phone`: True invents a number, False is a customer known by username only."""
        with self._lock:
            number = len(self._phones.customers)
            if phone is True:
                free = (invented_phone(n) for n in itertools.count(number))
                phone = next(written for written in free if self._phones.find_customer(written) is None)
                wa_id = drop_ninth_digit(phone)
            else:  # a number that was asked for stays as it is written
                phone = f"+{''.join(filter(str.isdigit, phone))}" if phone else ""
                wa_id = phone.lstrip("+")
            if phone and self._phones.find_customer(phone):
                raise BadRequest("Já existe um cliente com esse número.")
            customer = self._inventor.customer(number, name=name, phone=phone, wa_id=wa_id, username=username)
            self._phones.add_customer(customer)
            self._changed("customer", customer.to_dict())
            return customer

    def customers(self) -> list[Customer]:
        with self._lock:
            return list(self._phones.customers.values())

    def chat(self, customer_id: str) -> list[dict[str, Any]]:
        """What the customer's phone shows, oldest first."""
        with self._lock:
            self._customer(customer_id)
            return [dict(entry) for entry in self._phones.chats[customer_id]]

    def write(self, customer_id: str, content: Mapping[str, Any]) -> str:
        """The customer sends `content` ({"type", …, "quote"?, "age_seconds"?}); returns the message's id."""
        with self._lock:
            item = self._compose(customer_id, content)
            self._courier.hand_over([item], customer_id)
            return item.wamid

    def deliver(self, customer_ids: Sequence[str], text: str) -> list[str]:
        """One webhook body with a text of each customer; returns the ids of the messages."""
        with self._lock:
            items = [self._compose(customer_id, {"type": "text", "text": text}) for customer_id in customer_ids]
            self._courier.hand_over(items, "batch")
            return [item.wamid for item in items]

    def retry(self, wamid: str) -> bool:
        """Try at once a webhook that was refused; False when none waits for this message."""
        return self._courier.hurry(wamid)

    def add_media(self, data: bytes, mime_type: str) -> str:
        """Keep a file that a customer will send; returns its id."""
        plain = mime_type.partition(";")[0].strip().lower().replace("audio/x-m4a", "audio/mp4")
        kind = next((kind for kind, types in MIME_TYPES.items() if plain in types), None)
        if kind is None:
            raise BadRequest("O WhatsApp não aceita este tipo de arquivo.")
        if len(data) > MAX_BYTES[kind] * 1024 * 1024:
            raise BadRequest("Arquivo grande demais para o WhatsApp.")
        with self._lock:
            media_id = self._inventor.media_id()
            self._phones.add_media(media_id, data, plain)
            return media_id

    def find_media(self, media_id: str) -> tuple[bytes, str] | None:
        """`(data, mime_type)`"""
        with self._lock:
            return self._phones.find_media(media_id)

    # --- what happened ------------------------------------------------------------------------------------------------
    def inbound(self) -> list[dict[str, Any]]:
        """Every message whose webhook was answered 200, once."""
        with self._lock:
            return list(self._inbound.values())

    def accepted(self) -> list[dict[str, Any]]:
        """Every send that was accepted, in order."""
        with self._lock:
            return list(self._accepted)

    def statuses(self) -> list[dict[str, Any]]:
        """Every status whose webhook was answered 200, in order; a body that was sent twice counts twice."""
        with self._lock:
            return list(self._statuses)

    def pending(self) -> dict[str, int]:
        return self._courier.pending()

    # --- misbehaviour -------------------------------------------------------------------------------------------------
    def misbehave(self, changes: Mapping[str, Any]) -> None:
        """Change what is named, keep the rest. Raises BadRequest for what does not exist."""
        known = {entry.name: type(getattr(Misbehaviour(), entry.name)) for entry in fields(Misbehaviour)}
        for name, value in changes.items():
            expected = (int, float) if known.get(name) is float else known.get(name)
            if expected is None or not isinstance(value, expected) or (known[name] is not bool and value is True):
                raise BadRequest(f"misbehave: {name} does not exist or takes another type")
        failures = [dict(failure) for failure in changes.get("fail_next", ())]
        if any(failure.get("mode") not in FAILURE_MODES for failure in failures):
            raise BadRequest(f"misbehave: mode is one of {', '.join(sorted(FAILURE_MODES))}")
        fetches = [dict(failure) for failure in changes.get("media_next", ())]
        if any(failure.get("mode") not in MEDIA_GRAPH_MODES | MEDIA_DOWNLOAD_MODES for failure in fetches):
            raise BadRequest(
                f"misbehave: media_next knows {', '.join(sorted(MEDIA_GRAPH_MODES | MEDIA_DOWNLOAD_MODES))}"
            )
        with self._lock:
            for name, value in changes.items():
                setattr(self.misbehaviour, name, value)
            self.misbehaviour.media_next = fetches if "media_next" in changes else self.misbehaviour.media_next
            if "fail_next" in changes:
                self.misbehaviour.fail_next = [failure for failure in failures if failure["mode"] != "refuse"]
            manners = self._courier.manners
            manners.duplicate, manners.reorder = self.misbehaviour.duplicate, self.misbehaviour.reorder
            manners.batch = self.misbehaviour.batch
            self.events.publish("misbehaviour", self.describe_misbehaviour())
        for failure in failures:
            if failure["mode"] == "refuse":
                self._server.refuse(float(failure.get("seconds", 2)))

    def describe_misbehaviour(self) -> dict[str, Any]:
        with self._lock:
            return {entry.name: getattr(self.misbehaviour, entry.name) for entry in fields(Misbehaviour)}

    def take_failure(self, recipient: str) -> dict[str, Any] | None:
        """The failure that the next send to this recipient meets, counted off."""
        with self._lock:
            customer = self._phones.find_customer(recipient)
            wanted = {None, customer.customer_id if customer else ""}
            waiting = self.misbehaviour.fail_next
            failure = next((failure for failure in waiting if failure.get("customer_id") in wanted), None)
            if failure is None:
                return None
            failure["count"] = failure.get("count", 1) - 1
            if failure["count"] <= 0:
                waiting.remove(failure)
            self.events.publish("misbehaviour", self.describe_misbehaviour())
            return failure

    def take_media_failure(self, modes: Collection[str]) -> dict[str, Any]:
        """The failure among these that the next fetch of a file meets, counted off; empty for none."""
        with self._lock:
            waiting = self.misbehaviour.media_next
            failure = next((failure for failure in waiting if failure["mode"] in modes), None)
            if failure is None:
                return {}
            failure["count"] = failure.get("count", 1) - 1
            if failure["count"] <= 0:
                waiting.remove(failure)
            self.events.publish("misbehaviour", self.describe_misbehaviour())
            return failure

    # --- Graph API ----------------------------------------------------------------------------------------------------
    def check_request(self, phone_number_id: str, authorization: str, body: Any) -> None:
        """Raise the GraphError that the request earns before anything is done."""
        self.check_token(authorization)
        if phone_number_id not in self._numbers:
            message = f"Unsupported post request. Object with ID '{phone_number_id}' does not exist"
            raise GraphError(100, message, subcode=33)
        check_body(body)

    def check_token(self, authorization: str) -> None:
        if authorization != f"Bearer {self.access_token}":
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)

    def mark_read(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Mark a customer's message, and all before it, as read; show "digitando…" where asked."""
        with self._lock:
            found = self._phones.find_entry(body["message_id"])
            if found is None or found[1]["from"] != "customer":
                raise GraphError(131009, "Parameter value is not valid", "Message ID is invalid or not found")
            customer_id, last = found
            for entry in self._phones.chats[customer_id]:
                if entry["from"] == "customer" and entry["status"] != "read" and entry["at"] <= last["at"]:
                    entry["status"] = "read"
                    self._changed_entry(customer_id, entry)
            if "typing_indicator" in body:
                self.events.publish("typing", {"customer_id": customer_id, "seconds": TYPING_SECONDS})
            return {"success": True}

    def send(self, phone_number_id: str, body: Mapping[str, Any], *, silent: bool = False) -> dict[str, Any]:
        """Accept a message that `check_request` let pass; raises GraphError for limits of rate and references.

        A silent one gets no statuses.
        """
        recipient = body.get("to") or body["recipient"]
        with self._lock:
            customer = self._phones.find_customer(recipient)
            quoted = (body.get("context") or {}).get("message_id", "")
            target = body["reaction"]["message_id"] if body.get("type") == "reaction" else ""
            for wamid in filter(None, (quoted, target)):
                if self._phones.find_entry(wamid) is None:
                    raise GraphError(131009, "Parameter value is not valid", "Message ID is invalid or not found")
            self._rates.count(
                phone_number_id,
                recipient,
                per_second=self.misbehaviour.messages_per_second,
                pair_limit=self.misbehaviour.pair_limit,
            )
            # Someone whom we do not know may exist, as far as the real one says at this point: the status tells.
            known = customer or Customer("", "", "", str(body.get("to", "")).lstrip("+"), body.get("recipient", ""))
            wamid = self._inventor.wamid(known, from_customer=False)
            error = self._undeliverable(customer, body)
            self._accepted.append(_accepted_record(wamid, recipient, known.customer_id, phone_number_id, quoted, body))
            if customer is not None and error is None:
                self._show(customer, wamid, quoted, body)
            if not silent:
                self._schedule_statuses(known, wamid, phone_number_id, body.get("biz_opaque_callback_data", ""), error)
            reached = {"input": recipient} | ({"wa_id": known.wa_id} if body.get("to") else {"user_id": recipient})
            return {"messaging_product": "whatsapp", "contacts": [reached], "messages": [{"id": wamid}]}

    def open_media_link(self, media_id: str) -> str:
        """A token under which the file can be fetched for five minutes."""
        with self._lock:
            token = self._inventor.token()
            self._media_tokens[token] = media_id, time.monotonic() + 300
            return token

    def media_behind(self, token: str) -> str | None:
        """The file's id, None for a link that does not exist or is too old."""
        with self._lock:
            media_id, ends_at = self._media_tokens.get(token, ("", 0.0))
            return media_id if time.monotonic() < ends_at else None

    # --- inside -------------------------------------------------------------------------------------------------------
    def _customer(self, customer_id: str) -> Customer:
        customer = self._phones.customers.get(customer_id)
        if customer is None:
            raise BadRequest("Este cliente não existe.")
        return customer

    def _compose(self, customer_id: str, content: Mapping[str, Any]) -> Item:
        """Put the message into the customer's chat and give back its way to the webhook."""
        customer = self._customer(customer_id)
        at = time.time() - float(content.get("age_seconds", 0))
        phone_number_id = content.get("phone_number_id") or next(iter(self._numbers))
        if content.get("type") == "echo":
            return self._compose_echo(customer, at, phone_number_id, str(content.get("text", "")))
        content = dict(content)
        if content.get("type") in SAMPLES and not content.get("media_id"):
            content["media_id"] = self._sample(content["type"])
        wamid = self._inventor.wamid(customer, from_customer=True)
        try:
            media = self._phones.media_reference(content["media_id"]) if content.get("media_id") else {}
            body = webhooks.message_body(content, media)
        except KeyError as exc:
            raise BadRequest(f"Mensagem incompleta ou desconhecida: {exc.args[0]}") from exc
        quote = content.get("quote") or self._tapped(customer_id, content)
        if quote:
            body["context"] = self._context(quote)
        payload = webhooks.message(customer, wamid, at, body)
        # Meta leaves the contacts out where a number changes.
        contact = None if body.get("type") == "system" else webhooks.contact(customer)
        item = Item("messages", payload, phone_number_id, contact)
        customer.last_wrote_at = max(customer.last_wrote_at, at)
        self._phones.undelivered[wamid] = item
        self._show_own(customer_id, wamid, at, content, quote)
        return item

    def _compose_echo(self, customer: Customer, at: float, phone_number_id: str, text: str) -> Item:
        wamid = self._inventor.wamid(customer, from_customer=False)
        payload = webhooks.echo(customer, wamid, at, text, self._numbers.get(phone_number_id, ""))
        item = Item("message_echoes", payload, phone_number_id)
        self._phones.undelivered[wamid] = item
        entry = {"wamid": wamid, "from": "business", "type": "text", "at": int(at * 1000), "text": text, "echo": True}
        self._phones.add_entry(customer.customer_id, entry)
        self._changed_entry(customer.customer_id, entry)
        return item

    def _sample(self, kind: str) -> str:
        return self.add_media(sample_png() if kind == "image" else sample_voice_note(), SAMPLES[kind])

    def _tapped(self, customer_id: str, content: Mapping[str, Any]) -> str:
        """The message whose button or row was tapped: a tap always quotes it."""
        if content.get("type") not in {"list_reply", "button_reply"}:
            return ""
        for entry in reversed(self._phones.chats[customer_id]):
            if any(choice["id"] == content.get("id") for choice in choices(entry)):
                return str(entry["wamid"])
        return ""

    def _context(self, wamid: str) -> dict[str, str]:
        found = self._phones.find_entry(wamid)
        if found is None:
            raise BadRequest("A mensagem citada não existe.")
        customer_id, entry = found
        customer = self._phones.customers[customer_id]
        author = customer.wa_id if entry["from"] == "customer" else next(iter(self._numbers.values()))
        return {"from": author, "id": wamid} if author else {"id": wamid}

    def _show_own(self, customer_id: str, wamid: str, at: float, content: Mapping[str, Any], quote: str) -> None:
        """The customer's own message on the phone; a reaction, an edit or a removal changes the message it is about."""
        about = self._phones.find_entry(content.get("wamid", ""))
        if about is not None:
            apply_change(about[1], content)
            self._changed_entry(*about)
        entry = own_entry(wamid, at, content, quote)
        self._phones.add_entry(customer_id, entry)
        self._changed_entry(customer_id, entry)

    def _show(self, customer: Customer, wamid: str, quoted: str, body: Mapping[str, Any]) -> None:
        """A message of ours on the customer's phone."""
        if body.get("type") == "reaction":
            about = self._phones.find_entry(body["reaction"]["message_id"])
            assert about is not None  # looked up before the send was accepted
            about[1].setdefault("reactions", {})["business"] = body["reaction"]["emoji"]
            self._changed_entry(*about)
            return
        entry = {"wamid": wamid, "from": "business", "at": int(time.time() * 1000), **shown(body)}
        if quoted:
            entry["quote"] = quoted
        self._phones.add_entry(customer.customer_id, entry)
        self._changed_entry(customer.customer_id, entry)

    def _undeliverable(self, customer: Customer | None, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The error of a message that Meta accepts and then reports as failed."""
        if customer is None:
            return _status_error(131026, "Message undeliverable", "The recipient is not a WhatsApp user.")
        if body.get("type") != "template" and time.time() - customer.last_wrote_at > WINDOW_SECONDS:
            details = "More than 24 hours have passed since the customer last replied to this number."
            return _status_error(131047, "Re-engagement message", details)
        return None

    def _schedule_statuses(
        self, customer: Customer, wamid: str, phone_number_id: str, callback_data: str, error: dict[str, Any] | None
    ) -> None:
        if self.misbehaviour.drop_statuses:
            return
        names = ["sent", "delivered"] + (["read"] if self.misbehaviour.customers_read else [])
        accepted_at, delay = time.time(), self.misbehaviour.status_delay_seconds
        for name in ["failed"] if error else names:
            after = STATUS_SECONDS.get(name, 0.2)
            payload = webhooks.status(customer, wamid, name, accepted_at + after, callback_data, error)
            self._courier.schedule(
                Item("statuses", payload, phone_number_id, webhooks.contact(customer)), delay + after
            )

    def _on_result(self, items: Sequence[Item], status: int, began: datetime) -> None:
        """The webhook answered; called by the courier's threads."""
        with self._lock:
            for item in items:
                if item.kind == "statuses":
                    name = item.payload["status"]
                    tried_at = self._statuses_tried.setdefault((item.wamid, name), began.isoformat())
                    if status == 200:
                        told = {"status": name, "at": item.payload["timestamp"], "tried_at": tried_at}
                        self._statuses.append({"wamid": item.wamid, **told, "delivered_at": _now()})
                    continue
                if status == 200:
                    self._delivered(item)
                elif item.wamid in self._phones.undelivered:
                    self._set_status(item.wamid, "refused", f"HTTP {status}" if status else "sem resposta")

    def _delivered(self, item: Item) -> None:
        if self._phones.undelivered.pop(item.wamid, None) is None:
            return
        found = self._phones.find_entry(item.wamid)
        if item.kind == "messages" and found is not None:
            customer_id, entry = found
            self._inbound[item.wamid] = {
                "wamid": item.wamid,
                "customer_id": customer_id,
                "type": item.payload["type"],
                "text": entry["text"],
                "delivered_at": _now(),
            }
        self._set_status(item.wamid, "delivered")

    def _set_status(self, wamid: str, status: str, error: str = "") -> None:
        found = self._phones.find_entry(wamid)
        if found is None or found[1]["from"] != "customer" or found[1]["status"] == "read":
            return
        customer_id, entry = found
        entry["status"] = status
        entry.pop("error", None)
        if error:
            entry["error"] = error
        self._changed_entry(customer_id, entry)

    def _changed_entry(self, customer_id: str, entry: Mapping[str, Any]) -> None:
        self._changed("message", {"customer_id": customer_id, "message": entry})

    def _changed(self, event: str, data: Any) -> None:
        self.events.publish(event, data)
        self._dirty.set()

    def _save_now_and_then(self) -> None:
        while not self._stopped.is_set():
            self._dirty.wait()
            self._dirty.clear()
            with self._lock:
                self._phones.save()
            self._stopped.wait(SAVE_SECONDS)
        with self._lock:
            self._phones.save()


def _accepted_record(
    wamid: str, recipient: str, customer_id: str, phone_number_id: str, quoted: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    kind = body.get("type", "text")
    return {
        "wamid": wamid,
        "to": recipient,
        "customer_id": customer_id,
        "phone_number_id": phone_number_id,
        "type": kind,
        "body": shown(body)["text"] if kind != "reaction" else body["reaction"]["emoji"],
        "content": body[kind],
        "callback_data": body.get("biz_opaque_callback_data", ""),
        "quoted": quoted,
        "accepted_at": _now(),
    }


def _status_error(code: int, title: str, details: str) -> dict[str, Any]:
    return {"code": code, "title": title, "message": title, "error_data": {"details": details}}


def _now() -> str:
    return datetime.now(UTC).isoformat()
