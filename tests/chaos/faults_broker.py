"""§1.B: Valkey and the workers."""

import sys
import time

from pyloto.canary import STALE_SECONDS, comes_through
from pyloto.celery import app
from tests.lab.proxy import Mode

from .faults import Unexpected, fault
from .lab import Lab, Person

TASK = "conversations.tasks.process_conversation"
CANARY_SECONDS = 60.0  # faults.md B10
GRACE_SECONDS = 30  # after SIGTERM, before SIGKILL
INTAKE_SECONDS = 8  # without Valkey: its own limit is half a second, twice; the rest is a loaded machine's

# Where a worker dies. The claims and all behind them stand in the second row: those need a reply that has to be sent again.
TURN_POINTS = (
    "turn.before_lock",
    "turn.after_lock",
    "turn.after_classification",
    "turn.before_commit",
    "turn.after_commit",
    "outbox.before_post",
    "outbox.after_post",
)
CLAIM_POINTS = ("outbox.before_claim", "outbox.after_claim")
DEATHS = 4


@fault("B1", "a worker dies at some of its steps", lasts=40)
def worker_dies(lab: Lab) -> None:
    """At a part of them in each seed: each death costs the start of a process."""
    points = lab.random.sample([*TURN_POINTS, *CLAIM_POINTS], DEATHS)
    victims: dict[str, str] = {}
    for number, point in enumerate(points):
        person = lab.person()
        victims[point] = person.user_key
        # The first takes all processes with it, the others only the one that does the work.
        lab.arm(point, "kill9" if number else "kill_group", subject=person.user_key)
        if point in CLAIM_POINTS:
            lab.fail_next(person.customer_id, "429")  # sent at once by its turn, refused, and claimed a second later
        lab.says(person)
    for point, user_key in victims.items():
        lab.wait_for_hit(point, user_key)


@fault("B1+", "a worker dies while it waits for Meta's answer", lasts=25)
def worker_dies_waiting(lab: Lab) -> None:
    person = lab.person()
    lab.fail_next(person.customer_id, "accept_then_timeout")
    wamid = lab.says(person)
    lab.wait(lambda: lab.is_answered(wamid), "a send is accepted")
    lab.kill("worker")

    def check() -> None:
        [reply] = lab.replies_to(wamid)
        lab.expect(lab.times_accepted(person.user_key, reply) == 1, "it was sent again, though its status had come")

    lab.later("B1+", check)


@fault("B2", "Valkey is down")
def valkey_down(lab: Lab) -> None:
    without_valkey(lab, Mode.REFUSE)


@fault("B3", "Valkey does not say a word")
def valkey_silent(lab: Lab) -> None:
    without_valkey(lab, Mode.BLACKHOLE)


def without_valkey(lab: Lab, mode: Mode) -> None:
    """With marks in Valkey intake stops, at once; with marks in the documents it goes on, and the sweeper rings later."""
    item = lab.compose(lab.person().customer)
    lab.broker.set_mode(mode)
    answer = lab.post_items([item])
    lab.broker.set_mode(Mode.OK)
    expected = 503 if lab.dedupe == "redis" else 200
    lab.expect(answer.status == expected, f"it was answered {answer.status}")
    lab.expect(answer.seconds < INTAKE_SECONDS, f"the answer took {answer.seconds:.1f} s")
    lab.post_until_kept([item])


@fault("B4", "Valkey forgets everything")
def valkey_flushed(lab: Lab) -> None:
    lab.says(lab.person())
    time.sleep(lab.random.uniform(0, 0.3))
    with lab.valkey() as valkey:
        valkey.flushall()
    lab.flushes += 1
    lab.says(lab.person())


@fault("B5", "answers of Valkey get lost")
def valkey_answers_lost(lab: Lab) -> None:
    for _ in range(4):
        lab.says(lab.person())
        lab.broker.lose_next_reply()
        time.sleep(lab.random.uniform(0.1, 0.5))


@fault("B6", "a task is delivered again while it runs, and its lock is gone", lasts=20)
def redelivered(lab: Lab) -> None:
    person = lab.person()
    lab.arm("turn.before_commit", "hold", subject=person.user_key)
    wamid = lab.says(person)
    lab.wait_for_hit("turn.before_commit", person.user_key)
    with lab.valkey() as valkey:
        valkey.delete(f"lock:{person.user_key}")
    app.send_task(TASK, args=(person.user_key,))
    lab.wait_answered(wamid)
    lab.disarm("turn.before_commit", person.user_key)
    lab.expect(len(lab.replies_to(wamid)) >= 1, "nobody answered")


@fault("B7", "the whole worker is killed", lasts=25)
def worker_killed(lab: Lab) -> None:
    for _ in range(3):
        lab.says(lab.person())
    time.sleep(lab.random.uniform(0, 0.4))
    lab.kill("worker")


@fault("B8", "a message that kills its worker each time", lasts=55)
def poison(lab: Lab) -> None:
    person = lab.person()
    flushes = lab.flushes
    lab.arm_to_the_end("turn.after_lock", "kill9", times=3, subject=person.user_key)
    wamid = lab.says(person)

    def check() -> None:
        header = lab.header(person.user_key)
        lab.expect(lab.was_hit("turn.after_lock", person.user_key), "it was given up before its third try")
        lab.expect(lab.is_answered(wamid), "nobody told the customer")
        if lab.flushes == flushes:  # a Valkey that forgets costs tries
            given_up = header is not None and header.mode == "WAITING_HUMAN"
            lab.expect(given_up, "the conversation was not given to a person")

    lab.later("B8", check)


@fault("B9", "a task runs into its time limit, and is gone", lasts=35)
def time_limit(lab: Lab) -> None:
    person = lab.person()
    with lab.valkey() as valkey:
        valkey.set(f"lock:{person.user_key}", "somebody", px=8_000)  # the webhook's own ring finds it taken
    wamid = lab.says(person)
    lab.wait(lambda: lab.find(wamid), "it is stored")
    time.sleep(0.5)
    lab.arm("turn.after_lock", "sleep", seconds=20, subject=person.user_key)
    with lab.valkey() as valkey:
        valkey.delete(f"lock:{person.user_key}")
    app.send_task(TASK, args=(person.user_key,), time_limit=2)
    lab.wait_for_hit("turn.after_lock", person.user_key)


@fault("B10", "the connections to Valkey break again and again", lasts=25)
def broken_connections(lab: Lab) -> None:
    for _ in range(10):
        lab.broker.reset_connections()
        time.sleep(lab.random.uniform(0.05, 0.25))
    lab.wait_answered(write_until_taken(lab, lab.person()))
    for queue in STALE_SECONDS:
        lab.expect(comes_through(queue, queue, within_seconds=CANARY_SECONDS), f"no task of {queue} is done")


def write_until_taken(lab: Lab, person: Person) -> str:
    item = lab.compose(person.customer, "Onde fica a empresa?")
    lab.post_until_kept([item])
    return item.wamid


@fault("B11", "beat is down", lasts=25)
def beat_down(lab: Lab) -> None:
    with lab.down("beat"):
        lab.wait_answered(lab.says(lab.person()))


@fault("B12", "two beats")
def two_beats(lab: Lab) -> None:
    """To the end: all that follows is done with both."""
    lab.start_extra("beat2", [sys.executable, "-m", "celery", "-A", "pyloto", "beat", "--pidfile=", "-l", "INFO"])


@fault("B13", "many sweepers at once")
def many_sweepers(lab: Lab) -> None:
    lab.says(lab.person())
    for _ in range(5):
        app.send_task("conversations.tasks.sweep", queue="sweep")


@fault("B14", "a deployment: SIGTERM to workers and web under load", lasts=25)
def deployment(lab: Lab) -> None:
    before = lab.restarts["web"]
    for _ in range(3):
        lab.says(lab.person())
    for name in lab.random.sample(["worker", "web"], 2):
        lab.terminate(name)
    try:
        lab.wait(lambda: lab.restarts["web"] > before, "the web process has ended", seconds=GRACE_SECONDS)
    except Unexpected as exc:  # seen once: granian's leader, just started, did not hear its signal
        lab.note(f"B14: {exc}; killed, as whatever runs it in production does")
        lab.kill("web")
