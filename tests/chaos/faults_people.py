"""§1.H: people."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

from django.utils import timezone

from conversations.models import Actor, Mode
from conversations.services import agents
from conversations.services.release import release_to_bot

from .faults import fault
from .lab import Lab, Person

AGENTS = ANNA, BERTO = "user:1", "user:2"


def take(lab: Lab, person: Person, agent: str = ANNA) -> None:
    agents.take(user_key=person.user_key, agent=agent, now=timezone.now())


def mode_of(lab: Lab, person: Person) -> str:
    header = lab.header(person.user_key)
    return str(header.mode) if header else ""


@fault("H1", "two agents take the same conversation")
def two_agents(lab: Lab) -> None:
    person = lab.person()

    def try_to_take(agent: str) -> str:
        try:
            take(lab, person, agent)
        except agents.TakenByOther as exc:
            return exc.agent
        return agent

    with ThreadPoolExecutor(2) as pool:
        owners = set(pool.map(try_to_take, (ANNA, BERTO)))
    lab.expect(len(owners) == 1, "both believe that they have it")
    header = lab.header(person.user_key)
    lab.expect(header is not None and {header.assigned_to} == owners, "the header names another one")
    lab.witness(person.user_key)


@fault("H2", "an agent takes over while the bot is about to answer")
def takes_over_a_turn(lab: Lab) -> None:
    person = lab.person()
    point = lab.random.choice(["turn.after_lock", "turn.after_classification", "turn.before_commit"])
    lab.arm(point, "hold", subject=person.user_key)
    wamid = lab.says(person)
    lab.wait_for_hit(point, person.user_key)
    take(lab, person)
    lab.witness(person.user_key)
    lab.disarm(point, person.user_key)
    lab.wait_handled(wamid)
    lab.expect(not lab.replies_to(wamid), "the bot's draft was not thrown away")


@fault("H2+", "the owner answers from the phone app while the bot is about to claim")
def echo_takes_over(lab: Lab) -> None:
    person = lab.person()
    lab.fail_next(person.customer_id, "429")  # its second send is claimed in a commit of its own
    lab.arm("outbox.before_claim", "hold", subject=person.user_key)
    wamid = lab.says(person)
    lab.wait_for_hit("outbox.before_claim", person.user_key)
    lab.post_until_kept([lab.echo(person.customer)])
    with lab.valkey() as valkey:
        valkey.delete(f"lock:{person.user_key}")  # another worker is to look at the echo
    lab.ring(person.user_key)
    lab.wait(lambda: mode_of(lab, person) == Mode.HUMAN, "the conversation is the owner's")
    witness = lab.witness(person.user_key)
    lab.disarm("outbox.before_claim", person.user_key)
    second = lab.says(person)
    lab.wait_handled(second)
    lab.expect(not lab.replies_to(second), "the bot answered beside the owner")
    lab.expect(all(reply.state != "SENT" for reply in lab.replies_to(wamid)), "the bot's reply left after the takeover")
    witness.close()
    release_to_bot(user_key=person.user_key, agent=ANNA, now=timezone.now())
    lab.wait_answered(lab.says(person))


@fault("H3", "an agent takes over while a message of the bot is on its way")
def takes_over_a_send(lab: Lab) -> None:
    person = lab.person()
    lab.arm("outbox.before_post", "hold", seconds=3, subject=person.user_key)
    wamid = lab.says(person)
    lab.wait_for_hit("outbox.before_post", person.user_key)
    take(lab, person)
    lab.witness(person.user_key)
    ours = agents.reply(
        user_key=person.user_key, agent=ANNA, text="Aqui é a Ana", key=secrets.token_hex(16), now=timezone.now()
    )
    lab.disarm("outbox.before_post", person.user_key)

    def check() -> None:
        lab.expect(lab.times_accepted(person.user_key, ours) == 1, "the agent's reply was not sent once")
        [bots] = lab.replies_to(wamid)
        lab.expect(lab.times_accepted(person.user_key, bots) <= 1, "the bot's message was sent again")

    lab.later("H3", check)


@fault("H4", "an agent clicks twice")
def double_click(lab: Lab) -> None:
    person = lab.person()
    take(lab, person)
    lab.witness(person.user_key)
    key = secrets.token_hex(16)

    def click(_: int) -> str:
        made = agents.reply(user_key=person.user_key, agent=ANNA, text="Bom dia!", key=key, now=timezone.now())
        return str(made.pk)

    with ThreadPoolExecutor(4) as pool:
        lab.expect(len(set(pool.map(click, range(4)))) == 1, "one click became several messages")
    said = [m for m in lab.messages(person.user_key) if m.direction == "out" and m.actor == Actor.HUMAN]
    lab.expect(len(said) == 1, f"{len(said)} messages are stored")
    lab.later(
        "H4", lambda: lab.expect(lab.times_accepted(person.user_key, said[0]) == 1, "the customer did not get it once")
    )


@fault("H5", "an agent gives the conversation back while the customer writes")
def gives_back(lab: Lab) -> None:
    person = lab.person()
    take(lab, person)
    witness = lab.witness(person.user_key)
    first = lab.says(person)
    lab.wait_handled(first)
    writer = threading.Thread(target=lab.says, args=(person, "Qual o horário de atendimento?"))
    writer.start()
    witness.close()
    release_to_bot(user_key=person.user_key, agent=ANNA, now=timezone.now())
    writer.join()
    lab.wait_answered(lab.says(person))


@fault("H6", "an agent is deactivated in the middle of a chat")
def agent_deactivated(lab: Lab) -> None:
    agent = f"user:{lab.random.randrange(1000, 10_000)}"
    people = [lab.person(), lab.person()]
    for person in people:
        take(lab, person, agent)
        lab.witness(person.user_key)
    agents.put_back_all(agent, now=timezone.now())
    for person in people:
        lab.expect(mode_of(lab, person) == Mode.WAITING_HUMAN, f"a conversation is {mode_of(lab, person)}")
