"""§1.C: the documents."""

import threading
import time
from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from conversations.dedupe import FirestoreDedupeStore
from conversations.simulator.webhooks import Item
from conversations.stores import ConversationStore
from conversations.whatsapp.split import provider_key
from pyloto.documents import NotFound, PreconditionFailed, Unavailable, Update, get_store
from tests.lab.proxy import Mode, TcpProxy

from .faults import fault
from .lab import Lab

WEBHOOK_SECONDS = 10  # Meta waits no longer


def documents(lab: Lab) -> TcpProxy:
    assert lab.documents is not None
    return lab.documents


@fault("C1", "the documents do not answer at ingest", only_with="firestore")
def down_at_ingest(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    documents(lab).set_mode(lab.random.choice([Mode.BLACKHOLE, Mode.REFUSE]))
    answer = lab.post_items([item])
    documents(lab).set_mode(Mode.OK)
    lab.expect(answer.status == 503, f"it was answered {answer.status}")
    lab.expect(answer.headers.get("Retry-After"), "nobody told when to try again")
    lab.expect(answer.seconds < WEBHOOK_SECONDS, f"the answer took {answer.seconds:.1f} s")
    lab.post_until_kept([item])


@fault("C2", "the documents are cut off while a worker is at its turn", lasts=20, only_with="firestore")
def down_in_worker(lab: Lab) -> None:
    person = lab.person()
    point = lab.random.choice(["turn.after_lock", "turn.after_classification", "turn.before_commit"])
    lab.arm(point, "hold", subject=person.user_key)
    lab.says(person)
    lab.wait_for_hit(point, person.user_key)
    documents(lab).set_mode(Mode.REFUSE)
    lab.disarm(point, person.user_key)
    time.sleep(lab.random.uniform(0.5, 1.5))
    documents(lab).set_mode(Mode.OK)


@fault("C3", "the documents are slow", only_with="firestore")
def slow_documents(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    documents(lab).set_mode(Mode.DELAY, delay_seconds=lab.random.uniform(0.3, 0.8))
    answer = lab.post_items([item])
    documents(lab).set_mode(Mode.OK)
    lab.expect(answer.status in (200, 503), f"it was answered {answer.status}")
    lab.expect(answer.seconds < WEBHOOK_SECONDS, f"the answer took {answer.seconds:.1f} s")
    lab.post_until_kept([item])


@fault("C4", "many writers at one conversation")
def contention(lab: Lab) -> None:
    """Each of them moves the header, which is what every commit of the conversation depends on."""
    person = lab.person()
    path = ConversationStore.path(person.user_key)
    ended = threading.Event()

    def write(number: int) -> None:
        while not ended.wait(0.03):
            with suppress(PreconditionFailed, Unavailable, NotFound):
                found = get_store().get(path)
                get_store().commit([Update(path, {"attempt": f"{number}"}, last_update_time=found.update_time)])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        wamid = lab.says(person)
        time.sleep(1.5)
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    lab.later("C4", lambda: lab.expect(lab.is_answered(wamid), "the customer was not answered"))


@fault("C5", "a commit is applied, and its answer is lost", only_with="firestore")
def answers_lost(lab: Lab) -> None:
    person = lab.person()
    lab.arm("turn.before_commit", "hold", subject=person.user_key)
    wamid = lab.says(person)
    lab.wait_for_hit("turn.before_commit", person.user_key)
    documents(lab).lose_next_reply()
    lab.disarm("turn.before_commit", person.user_key)
    lab.wait_handled(wamid)


@fault("C5+", "a message is stored, and the answer of the documents is lost", only_with="firestore")
def answers_lost_at_ingest(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    key = provider_key(item.wamid)
    lab.arm("ingest.before_commit", "hold", subject=key)
    poster = threading.Thread(target=lab.post_items, args=([item],))
    poster.start()
    lab.wait_for_hit("ingest.before_commit", key)
    documents(lab).lose_next_reply()
    lab.disarm("ingest.before_commit", key)
    poster.join()
    lab.post_until_kept([item])
    lab.expect(lab.copies(item.wamid) == 1, "it is stored twice")


@fault("C5++", "a message is claimed, and the answer of the documents is lost", only_with="firestore")
def answers_lost_at_claim(lab: Lab) -> None:
    person = lab.person()
    lab.fail_next(person.customer_id, "429")  # so that its second send is claimed in a commit of its own
    lab.arm("outbox.before_claim", "hold", subject=person.user_key)
    lab.says(person)
    lab.wait_for_hit("outbox.before_claim", person.user_key)
    documents(lab).lose_next_reply()
    lab.disarm("outbox.before_claim", person.user_key)


@fault("C6", "the documents refuse for now")
def exhausted(lab: Lab) -> None:
    item: Item = lab.compose(lab.person().customer)
    lab.arm("ingest.before_commit", "raise", subject=provider_key(item.wamid))
    answer = lab.post_items([item])
    lab.expect(answer.status == 503, f"it was answered {answer.status}")
    lab.expect(answer.headers.get("Retry-After"), "nobody told when to try again")
    lab.post_until_kept([item])


@fault("C9", "marks that have expired, and were not removed yet")
def expired_marks(lab: Lab) -> None:
    item = lab.compose(lab.person().customer)
    key = provider_key(item.wamid)
    FirestoreDedupeStore().mark_as_processed(key, ttl_seconds=-60)
    lab.expect(not FirestoreDedupeStore().is_processed(key), "an expired mark counts")
    lab.expect(get_store().get(f"dedupe/{key}").data["expires_at"] < timezone.now() - timedelta(seconds=30), "no mark")
    lab.post_until_kept([item])
    lab.expect(lab.find(item.wamid), "a message was taken for a duplicate")
