"""§1.A: the webhook."""

import threading
from concurrent.futures import ThreadPoolExecutor

from .faults import fault
from .lab import Lab


@fault("A1", "the same delivery many times at once")
def duplicates_at_once(lab: Lab) -> None:
    item = lab.compose(lab.customer())
    with ThreadPoolExecutor(20) as pool:
        answers = [answer.status for answer in pool.map(lambda _: lab.post_items([item]), range(20))]
    lab.expect(set(answers) <= {200, 503}, f"the webhook answered {sorted(set(answers))}")
    lab.post_until_kept([item])
    lab.expect(lab.copies(item.wamid) == 1, "the message is stored more than once")


@fault("A2", "the web process dies before the commit", early=True)
def dies_before_commit(lab: Lab) -> None:
    item = lab.compose(lab.customer())
    lab.arm("ingest.before_commit", "kill9")
    lab.post_items([item])
    lab.wait_for_hit("ingest.before_commit")
    lab.post_until_kept([item])


@fault("A3", "the web process dies after the commit, before it rings", early=True)
def dies_before_ring(lab: Lab) -> None:
    item = lab.compose(lab.customer())
    lab.arm("ingest.after_commit", "kill9")
    lab.expect(lab.post_items([item]).status != 200, "a dead process answered 200")
    lab.wait_for_hit("ingest.after_commit")
    # Nobody sends it again: stored is stored. The sweeper finds it, and the judge wants it answered.
    lab.posted[item.wamid] = {"wamid": item.wamid, "type": "text"}


@fault("A4", "the web process dies after it rang, before the 200", early=True)
def dies_before_200(lab: Lab) -> None:
    item = lab.compose(lab.customer())
    lab.arm("ingest.after_enqueue", "kill9")
    lab.expect(lab.post_items([item]).status != 200, "a dead process answered 200")
    lab.wait_for_hit("ingest.after_enqueue")
    lab.post_until_kept([item])


@fault("A5", "a duplicate while the first is in flight")
def duplicate_in_flight(lab: Lab) -> None:
    item = lab.compose(lab.customer())
    lab.arm("ingest.before_commit", "hold")
    first = threading.Thread(target=lab.post_items, args=([item],))
    first.start()
    lab.wait_for_hit("ingest.before_commit")
    second = lab.post_items([item])
    lab.disarm("ingest.before_commit")
    first.join()
    lab.expect(second.status == 503, f"the duplicate was answered {second.status}")
    lab.expect(second.headers.get("Retry-After"), "nobody told when to try again")
    lab.post_until_kept([item])
