"""§1.D: the Graph API."""

import time

from conversations.models import MessageState
from tests.lab.proxy import Mode

from .faults import fault
from .lab import NUMBERS, Lab, Person

LOST = ("accept_then_reset", "accept_then_truncate")
NEVER_SENT = ("reset", "502")
REFUSED_FOR_NOW = ((130429, 429), (131056, 400), (80007, 400), (131016, 503), (4, 400))
REFUSED_FOR_GOOD = (131026, 131008, 131009, 100)


def state_of_reply(lab: Lab, wamid: str) -> str:
    replies = lab.replies_to(wamid)
    return replies[0].state if replies else ""


def sends_of(lab: Lab, person: Person, wamid: str) -> int:
    replies = lab.replies_to(wamid)
    return sum(lab.times_accepted(person.user_key, reply) for reply in replies)


@fault("D1", "nobody listens at Meta's")
def refused_connections(lab: Lab) -> None:
    person = lab.person()
    lab.graph.set_mode(Mode.REFUSE)
    wamid = lab.says(person)
    lab.wait_handled(wamid)
    time.sleep(lab.random.uniform(0.3, 1.5))
    lab.graph.set_mode(Mode.OK)
    lab.later("D1", lambda: lab.expect(lab.is_answered(wamid), "it was not sent again"))


@fault("D2", "the connection breaks before and after Meta has accepted, and gateways answer")
def broken_sends(lab: Lab) -> None:
    for mode in (*LOST, *NEVER_SENT):
        person = lab.person()
        lab.fail_next(person.customer_id, mode)
        wamid = lab.says(person)
        lab.later("D2", lambda wamid=wamid, mode=mode: was_settled(lab, wamid, mode))  # type: ignore[misc]


def was_settled(lab: Lab, wamid: str, mode: str) -> None:
    state = state_of_reply(lab, wamid)
    lab.expect(state == MessageState.SENT, f"a send that met {mode!r} ended as {state}")


@fault("D2+", "Meta accepts, and does not answer", lasts=25)
def silent_sends(lab: Lab) -> None:
    person = lab.person()
    lab.fail_next(person.customer_id, "accept_then_timeout")
    wamid = lab.says(person)
    lab.later("D2+", lambda: was_settled(lab, wamid, "accept_then_timeout"))


@fault("D3", "refused for now: 130429, 131056, 80007, 131016, 4")
def refused_for_now(lab: Lab) -> None:
    code, status = lab.random.choice(REFUSED_FOR_NOW)
    for mode, how in (("429", {}), ("error", {"code": code, "status": status})):
        person = lab.person()
        lab.fail_next(person.customer_id, mode, **how)
        wamid = lab.says(person)

        def check(wamid: str = wamid, person: Person = person) -> None:
            lab.expect(sends_of(lab, person, wamid) == 1, "it was not sent exactly once")

        lab.later("D3", check)


@fault("D4", "refused for good")
def refused_for_good(lab: Lab) -> None:
    person = lab.person()
    lab.excused.add(person.user_key)
    lab.fail_next(person.customer_id, "error", code=lab.random.choice(REFUSED_FOR_GOOD), status=400)
    wamid = lab.says(person)
    lab.wait(lambda: state_of_reply(lab, wamid) == MessageState.FAILED, "the reply is given up")
    lab.expect(lab.replies_to(wamid)[0].errors, "staff see no reason")


@fault("D5", "Meta stumbles: 131000, 1 and 2 with HTTP 500")
def server_errors(lab: Lab) -> None:
    for how in ({"code": 131000}, {"code": lab.random.choice([1, 2])}):
        person = lab.person()
        lab.fail_next(person.customer_id, "error", status=500, **how)
        wamid = lab.says(person)

        def check(wamid: str = wamid, person: Person = person) -> None:
            lab.expect(sends_of(lab, person, wamid) == 1, "it was not sent exactly once")

        lab.later("D5", check)


@fault("D6", "accepted, the answer is lost, its status comes")
def status_settles(lab: Lab) -> None:
    person = lab.person()
    lab.fail_next(person.customer_id, lab.random.choice(LOST))
    wamid = lab.says(person)
    lab.wait(lambda: lab.is_answered(wamid), "a send is accepted")  # or the next fault takes its status away

    def check() -> None:
        in_time = lab.status_delay_seconds < lab.unknown_seconds
        lab.expect(
            sends_of(lab, person, wamid) <= (1 if in_time else 2), "it was sent again, though its status had come"
        )
        lab.expect(state_of_reply(lab, wamid) == MessageState.SENT, "its status did not settle it")

    lab.later("D6", check)


@fault("D7", "accepted, the answer is lost, its status never comes; others' do", lasts=20)
def documented_window(lab: Lab) -> None:
    person = lab.person()
    lab.fail_next(person.customer_id, lab.random.choice(LOST), silent=True)
    wamid = lab.says(person)

    def check() -> None:
        [reply] = lab.replies_to(wamid)
        lab.expect((reply.state, reply.resends) == (MessageState.SENT, 1), f"it ended as {reply.state}")
        lab.expect(sends_of(lab, person, wamid) == 2, "it was not sent again")

    lab.later("D7", check)


@fault("D8", "the status channel is dead", lasts=20)
def no_statuses(lab: Lab) -> None:
    lab.phones.post("misbehave", drop_statuses=True)
    try:
        time.sleep(2.0)  # what was accepted until now may still be told of, with times up to its being read
        person = lab.person()
        lab.fail_next(person.customer_id, lab.random.choice(LOST))
        wamid = lab.says(person)
        lab.wait(lambda: state_of_reply(lab, wamid) == MessageState.UNKNOWN, "the send is in doubt")
        time.sleep(lab.unknown_seconds + 1.5)
        lab.expect(sends_of(lab, person, wamid) == 1, "it was sent again without any sign of life")
        lab.expect(state_of_reply(lab, wamid) == MessageState.UNKNOWN, "it does not wait any more")
    finally:
        lab.phones.post("misbehave", drop_statuses=False)


@fault("D9", "the token has expired", lasts=75)
def token_expired(lab: Lab) -> None:
    """With the second number: what it refuses bars all of it for a minute."""
    first, second = lab.person(), lab.person()
    lab.fail_next(first.customer_id, "error", code=190, status=401)
    wamids = [lab.says(first, phone_number_id=NUMBERS[1])]
    lab.wait(lambda: lab.failures_left(first.customer_id) == 0, "a send is refused")
    lab.wait(lambda: is_barred(lab), "the number is left alone")
    wamids.append(lab.says(second, phone_number_id=NUMBERS[1]))
    lab.wait_handled(wamids[1])
    lab.expect(not lab.is_answered(wamids[1]), "a barred number was used")

    def check() -> None:
        lab.expect(all(map(lab.is_answered, wamids)), "the backlog was not sent")

    lab.later("D9", check)


def is_barred(lab: Lab) -> bool:
    with lab.valkey() as valkey:
        return bool(valkey.exists(f"barred:{NUMBERS[1]}"))


@fault("D10", "the link of a file has ended")
def media_link_ended(lab: Lab) -> None:
    person = lab.person()
    lab.phones.post("misbehave", media_next=[{"mode": "link_ended", "count": 1}])
    lab.phones.send(person.customer_id, type="image")
    lab.wait(lambda: not lab.phones.get("misbehave")["media_next"], "a file is asked for")
