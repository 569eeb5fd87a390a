"""§1.A: the webhook."""

import json
import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from conversations.simulator.customers import drop_ninth_digit
from conversations.simulator.webhooks import Item, envelope, status
from conversations.whatsapp.split import provider_key
from pyloto.documents import Query, get_store

from .faults import fault
from .lab import NUMBERS, Answer, Lab, signed

MB = 1024 * 1024
WEB_RSS_MAX = 1024 * MB


@fault("A1", "the same delivery many times at once")
def duplicates_at_once(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    with ThreadPoolExecutor(20) as pool:
        answers = [answer.status for answer in pool.map(lambda _: lab.post_items([item]), range(20))]
    lab.expect(set(answers) <= {200, 503}, f"the webhook answered {sorted(set(answers))}")
    lab.post_until_kept([item])
    lab.expect(lab.copies(item.wamid) == 1, "the message is stored more than once")


@fault("A2", "the web process dies before the commit", lasts=20)
def dies_before_commit(lab: Lab) -> None:
    person = lab.person()
    item = lab.compose(person.customer)
    lab.arm("ingest.before_commit", "kill9", subject=provider_key(item.wamid))
    lab.expect(lab.post_items([item]).status == 0, "a dead process answered")
    lab.expect(lab.was_hit("ingest.before_commit", provider_key(item.wamid)), "it did not die where it should")
    lab.expect(lab.find(item.wamid) is None, "it is stored before the commit")
    lab.wait_for_web()
    lab.expire_marks()
    lab.post_until_kept([item])


@fault("A3", "the web process dies after the commit, before it rings", lasts=20)
def dies_before_ring(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    lab.arm("ingest.after_commit", "kill9", subject=provider_key(item.wamid))
    lab.expect(lab.post_items([item]).status == 0, "a dead process answered")
    lab.expect(lab.was_hit("ingest.after_commit", provider_key(item.wamid)), "it did not die where it should")
    # Nobody sends it again: stored is stored. The sweeper finds it, and the judge wants it answered.
    lab.posted[item.wamid] = {"wamid": item.wamid, "type": "text"}
    lab.wait_for_web()
    lab.expire_marks()


@fault("A4", "the web process dies after it rang, before the 200", lasts=16)
def dies_before_200(lab: Lab) -> None:
    person = lab.person()
    item = lab.compose(person.customer)
    lab.arm("ingest.after_enqueue", "kill9", subject=person.user_key)
    lab.expect(lab.post_items([item]).status == 0, "a dead process answered")
    lab.expect(lab.was_hit("ingest.after_enqueue", person.user_key), "it did not die where it should")
    lab.wait_for_web()
    lab.expire_marks()
    lab.post_until_kept([item])
    lab.expect(lab.copies(item.wamid) == 1, "the message is stored more than once")


@fault("A5", "a duplicate while the first is in flight")
def duplicate_in_flight(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    lab.arm("ingest.before_commit", "hold", subject=provider_key(item.wamid))
    first = threading.Thread(target=lab.post_items, args=([item],))
    first.start()
    lab.wait_for_hit("ingest.before_commit", provider_key(item.wamid))
    second = lab.post_items([item])
    lab.disarm("ingest.before_commit", provider_key(item.wamid))
    first.join()
    lab.expect(second.status == 503, f"the duplicate was answered {second.status}")
    lab.expect(second.headers.get("Retry-After"), "nobody told when to try again")
    lab.post_until_kept([item])


@fault("A6", "a large batch with duplicates and poison")
def large_batch(lab: Lab) -> None:
    people = [lab.person() for _ in range(3)]
    count = lab.random.randint(150, 300)
    good = [lab.compose(people[n % 3].customer, f"Oi {n}") for n in range(count)]
    poison = [replace(good[0], payload={"id": f"wamid.poison{secrets.token_hex(8)}", "type": "text"}) for _ in range(5)]
    answer = lab.post_items([*good, *good[:30]])
    lab.expect(answer.status == 200, f"the batch was answered {answer.status}")
    before = len(quarantined())
    body = json.dumps(envelope(poison, {})).encode()
    lab.expect(lab.post(body).status == 200, "poison was not answered 200")
    lab.expect(len(quarantined()) >= before + 5, "poison is not kept in quarantine")
    lab.expect(all(lab.copies(item.wamid) == 1 for item in lab.random.sample(good, 10)), "not each is stored once")


@fault("A7", "the documents are cut off in the middle of a batch", only_with="firestore")
def cut_batch(lab: Lab) -> None:
    person = lab.person()
    items = [lab.compose(person.customer, f"parte {n}") for n in range(520)]  # more than one chunk of 500
    lab.arm("store.chunk", "raise", nth=2)
    answers: list[Answer] = []
    poster = threading.Thread(target=lambda: answers.append(lab.post_items(items)))
    poster.start()
    poster.join()
    if lab.was_hit("store.chunk") and answers[0].status == 200:
        lab.disarm("store.chunk")  # another delivery's chunk was hit: that one is asked for again
    else:
        lab.expect(answers[0].status == 503, f"half a batch was answered {answers[0].status}")
    lab.post_until_kept(items)
    lab.expect(all(lab.copies(item.wamid) == 1 for item in lab.random.sample(items, 5)), "not each is stored once")


@fault("A8", "deliveries of 2.9, 3.0 and 4.1 MB")
def large_bodies(lab: Lab) -> None:
    for size, expected in ((2.9, 200), (3.0, 200), (4.1, 413)):
        empty = {"object": "whatsapp_business_account", "entry": [], "pad": "x" * int(size * MB)}
        answer = lab.post(json.dumps(empty).encode())
        lab.expect(answer.status == expected, f"{size} MB were answered {answer.status}")


@fault("A9", "signatures that are bad, missing, or not ASCII")
def bad_signatures(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    body = json.dumps(envelope([item], {})).encode()
    good = signed(body, "another secret")["X-Hub-Signature-256"]
    for given in (good, "", "sha256=", "sha1=abc", "sha256=ção", good[:-1]):
        headers = {"X-Hub-Signature-256": given.encode().decode("latin-1")} if given else {}
        answer = lab.post(body, headers=headers)
        lab.expect(answer.status == 403, f"{given[:12]!r} was answered {answer.status}")
    lab.expect(lab.find(item.wamid) is None, "an unsigned message is stored")


@fault("A10", "signed bytes that are no JSON")
def unreadable_bytes(lab: Lab) -> None:
    whole = json.dumps(envelope([lab.compose(lab.person().customer)], {}))
    corpus = [b"\xff\xfe\x00", whole.encode()[:-7], whole.encode("utf-16"), b"", b"[]", b"null", b'{"object": "\xe9"}']
    before = len(quarantined())
    for body in corpus:
        answer = lab.post(body)
        lab.expect(answer.status == 200, f"{body[:12]!r} was answered {answer.status}")
    lab.expect(len(quarantined()) > before, "nothing is kept in quarantine")


@fault("A11", "JSON that is nested, huge, or no JSON but in name")
def hostile_json(lab: Lab) -> None:
    nested = "[" * 100_000 + "]" * 100_000
    for body in (nested, '{"a":' + nested + "}", '{"n": ' + "9" * 5000 + "}", '{"n": NaN}', '{"n": Infinity}'):
        answer = lab.post(body.encode())
        lab.expect(answer.status == 200, f"{body[:10]!r} was answered {answer.status}")
    twice = json.dumps(envelope([lab.compose(lab.person().customer)], {}))
    lab.expect(
        lab.post(twice.replace('{"object"', '{"object": "x", "object"', 1).encode()).status == 200, "a key twice"
    )


@fault("A12", "what no document can hold as it is")
def awkward_values(lab: Lab) -> None:
    person = lab.person()
    deep: Any = "fim"
    for _ in range(30):
        deep = {"a": deep}
    bodies: list[dict[str, Any]] = [
        {"text": {"body": "meio \ud83d emoji"}},
        {"text": {"body": "nulo \x00 dentro"}},
        {"text": {"body": "oi"}, "": {"": 1}, "__x__": {"__y__": [[1, [2]]]}},
        {"text": {"body": "fundo", "deep": deep}},
        {"text": {"body": "muito " * 60_000}},
    ]
    for body in bodies:
        item = lab.compose(person.customer, **body)
        answer = lab.post_items([item])
        lab.expect(answer.status == 200, f"{str(body)[:30]} was answered {answer.status}")
        lab.expect(lab.copies(item.wamid) == 1, f"{str(body)[:30]} is not stored")


@fault("A13", "3 MB of tiny objects")
def tiny_objects(lab: Lab) -> None:
    body = b'{"object":"whatsapp_business_account","entry":[' + b",".join([b"{}"] * (MB - 100)) + b"]}"
    answer = lab.post(body)
    lab.expect(answer.status == 200, f"they were answered {answer.status}")
    lab.expect(rss_of_group(lab.runner.pid("web")) < WEB_RSS_MAX, "the web process has grown without bounds")


@fault("A14", "an unknown type of message, and a new field")
def unknown_type(lab: Lab) -> None:
    item = lab.compose(lab.person().customer, kind="hologram", hologram={"id": 1}, novidade={"a": [1]})
    lab.expect(lab.post_items([item]).status == 200, "it was not answered 200")
    lab.wait_answered(item.wamid)


@fault("A15", "statuses before the reply of the send")
def early_statuses(lab: Lab) -> None:
    person = lab.person()
    lab.arm("outbox.after_post", "sleep", seconds=1.5, subject=person.user_key)
    wamid = lab.says(person)
    lab.wait_for_hit("outbox.after_post", person.user_key)

    def check() -> None:
        replies = lab.replies_to(wamid)
        lab.expect(all(reply.state == "SENT" and reply.status_at for reply in replies), "a status was forgotten")

    lab.later("A15", check)


@fault("A16", "statuses in any order, and twice")
def shuffled_statuses(lab: Lab) -> None:
    person = lab.person()
    wamid = lab.says(person)
    lab.wait_answered(wamid)
    reply = lab.replies_to(wamid)[0]
    names = ["sent", "delivered", "read", "failed", "delivered"]
    lab.random.shuffle(names)
    callback = f"{person.user_key}.{reply.pk}"
    sent = next(record for record in lab.phones.get("accepted") if record["callback_data"] == callback)
    sent_at = datetime.fromisoformat(sent["accepted_at"]).timestamp()
    lab.excused.add(person.user_key)
    for name in names:
        told = status(person.customer, sent["wamid"], name, sent_at, callback)
        lab.wait(
            lambda told=told: lab.post_items([Item("statuses", told, NUMBERS[0])]).status == 200,  # type: ignore[misc]
            "a status is taken",
        )

    def check() -> None:
        stored = next(m for m in lab.messages(person.user_key) if m.pk == reply.pk)
        lab.expect({"sent", "delivered", "read", "failed"} <= set(stored.status_at), "a status was forgotten")
        # The first that a worker looked at counts, where that was `failed`: then a person is called.
        lab.expect(stored.state in ("SENT", "FAILED"), f"statuses made it {stored.state}")

    lab.later("A16", check)


@fault("A17", "messages that come late and in the wrong order")
def late_messages(lab: Lab) -> None:
    person = lab.person()
    for age in (30, 3600, 2 * 86_400):
        item = lab.compose(person.customer, "Onde fica a empresa?", at=time.time() - age)
        lab.post_until_kept([item])


@fault("A18", "a customer without a number, later with one")
def number_comes_later(lab: Lab) -> None:
    customer = lab.customer()
    first = lab.compose(replace(customer, wa_id="", phone=""))
    lab.post_until_kept([first])
    lab.wait_handled(first.wamid)
    second = lab.compose(customer)
    lab.post_until_kept([second])
    lab.expect(lab.user_key(first.wamid) == lab.user_key(second.wamid), "one customer became two")
    lab.excused.add(lab.user_key(first.wamid))  # the fake Meta never heard of what they wrote: its window is closed


@fault("A19", "a Brazilian number with and without the ninth digit")
def ninth_digit(lab: Lab) -> None:
    person = lab.person()
    keys = set()
    for wa_id in (person.customer.phone.lstrip("+"), drop_ninth_digit(person.customer.phone)):
        item = lab.compose(replace(person.customer, wa_id=wa_id))
        payload = {name: value for name, value in item.payload.items() if name != "from_user_id"}
        known = {"profile": {"name": person.customer.name}, "wa_id": wa_id, "user_id": person.customer.user_id}
        item = replace(item, payload=payload, contact=known)
        lab.post_until_kept([item])
        keys.add(lab.user_key(item.wamid))
    lab.expect(keys == {person.user_key}, "one number became several customers")


@fault("A20", "an old delivery again, after Valkey forgot it")
def replayed(lab: Lab) -> None:
    person = lab.person()
    item = lab.compose(person.customer, "Onde fica a empresa?")
    lab.post_until_kept([item])
    lab.wait_handled(item.wamid)
    key = provider_key(item.wamid)
    with lab.valkey() as valkey:
        valkey.delete(f"dedupe:{key}")
    get_store().delete(f"dedupe/{key}")
    lab.post_until_kept([item])
    lab.expect(lab.copies(item.wamid) == 1, "it is stored twice")


def quarantined() -> list[str]:
    return [snapshot.id for snapshot in get_store().query(Query("webhook_quarantine"))]


def rss_of_group(leader: int) -> int:
    """The memory of the largest process of a group, in bytes; 0 where the system does not tell."""
    largest = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[2]) == leader:
                found = re.search(r"VmRSS:\s+(\d+) kB", (path / "status").read_text())
                largest = max(largest, int(found[1]) * 1024 if found else 0)
        except OSError:
            continue
    return largest
