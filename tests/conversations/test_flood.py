"""Too many messages from one customer, and machines that answer ours for ever. Source: product.md §6."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import EventType
from conversations.flood import Judged, Verdict, judge
from conversations.models import Conversation, Direction, Message, Mode
from conversations.pipeline import needs_classification
from conversations.replies import Reply

from .customer import Customer
from .talk import Talk, text_of

NOON = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
on_one_store = pytest.mark.parametrize("store", ["embedded"], indirect=True)  # the emulator takes four times as long


@pytest.fixture(autouse=True)
def as_in_production(settings: Any, fresh_process: None) -> None:
    settings.FLOOD_MESSAGES_MAX, settings.LOOP_TURNS_MAX = 10, 40


class Writer:
    """Somebody whose messages are judged, one turn after the other."""

    def __init__(self, *, loop_max: int = 40) -> None:
        self.loop_max = loop_max
        self.header = Conversation(id="u", owner_epoch=3)
        self.at = NOON

    def sends(
        self,
        *texts: str,
        every: timedelta = SECOND,
        judged_after: timedelta = SECOND,
        tap: bool = False,
        kind: str = "text",
        asked: str = "",
    ) -> Any:
        """One turn with these messages."""
        messages = []
        for text in texts:
            self.at += every
            payload = {"kind": "list_reply"} if tap else {}
            messages.append(Message(direction=Direction.IN, type=kind, text=text, payload=payload, timestamp=self.at))
        judged = judge(
            self.header, messages, now=self.at + judged_after, flood_max=10, loop_max=self.loop_max, asked=asked
        )
        for name, value in judged.changes.items():
            setattr(self.header, name, value)
        return judged

    def floods(self, *, judged_after: timedelta = SECOND) -> Judged:
        return self.sends(*(f"mensagem {number}" for number in range(11)), judged_after=judged_after)  # type: ignore[no-any-return]


# --- the rule of floods -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "every", "verdict"),
    [
        (10, SECOND, Verdict.FINE),
        (11, SECOND, Verdict.FLOOD),
        (11, 0 * SECOND, Verdict.FLOOD),
        (11, 5.9 * SECOND, Verdict.FLOOD),
        (11, 6 * SECOND, Verdict.FINE),  # the eleventh is a minute after the first
        (100, 6 * SECOND, Verdict.FINE),
    ],
)
def test_more_than_ten_messages_within_sixty_seconds_are_a_flood(
    count: int, every: timedelta, verdict: Verdict
) -> None:
    assert Writer().sends(*map(str, range(count)), every=every).verdict is verdict


def test_messages_of_several_turns_are_counted_together() -> None:
    writer = Writer(loop_max=0)
    verdicts = [writer.sends(f"linha {number}", every=4 * SECOND).verdict for number in range(11)]
    assert verdicts == [Verdict.FINE] * 10 + [Verdict.FLOOD]


def test_an_album_is_one_message() -> None:
    writer = Writer()
    assert writer.sends(*[""] * 30, every=SECOND / 2, kind="image").verdict is Verdict.FINE
    assert writer.sends(*map(str, range(9))).verdict is Verdict.FINE
    assert writer.sends("o décimo primeiro").verdict is Verdict.FLOOD


@pytest.mark.parametrize(("kind", "text"), [("audio", ""), ("sticker", ""), ("image", "com legenda")])
def test_what_nobody_sends_as_an_album_counts_one_by_one(kind: str, text: str) -> None:
    assert Writer().sends(*[text] * 11, kind=kind).verdict is Verdict.FLOOD


def test_repeated_floods_within_a_day_make_the_silence_longer() -> None:
    writer = Writer()
    pauses = []
    for _ in range(4):
        pauses.append(writer.floods().pause)
        writer.at += 2 * HOUR
    writer.at += 24 * HOUR
    pauses.append(writer.floods().pause)
    assert pauses == [5 * MINUTE, 15 * MINUTE, HOUR, HOUR, 5 * MINUTE]


def test_silence_lasts_until_the_cool_down_is_over_and_not_longer() -> None:
    writer = Writer()
    writer.floods()
    writer.at += 5 * MINUTE - 2 * SECOND
    assert writer.sends("quero falar com uma pessoa").verdict is Verdict.COOLING
    assert writer.sends("quero falar com uma pessoa", every=2 * SECOND).verdict is Verdict.FINE


def test_who_goes_on_and_on_gets_the_longer_silence_right_after_the_first() -> None:
    writer = Writer(loop_max=0)
    verdicts = [writer.sends(f"mais uma {number}", every=2 * SECOND).verdict for number in range(200)]
    assert verdicts.count(Verdict.FLOOD) == 2
    assert set(verdicts[10:160]) == {Verdict.FLOOD, Verdict.COOLING}


def test_a_backlog_after_an_outage_of_ours_is_no_flood() -> None:
    """All of it is received at once; the customer wrote it over hours."""
    texts = [f"mensagem {number}" for number in range(60)]
    assert Writer().sends(*texts, every=MINUTE, judged_after=3 * HOUR).verdict is Verdict.FINE


def test_a_flood_that_we_learn_of_when_its_cool_down_is_over_is_answered() -> None:
    assert Writer().floods(judged_after=2 * HOUR).verdict is Verdict.FINE


def test_a_conversation_that_a_person_had_since_begins_anew() -> None:
    writer = Writer()
    writer.floods()
    writer.header.owner_epoch += 2
    assert writer.sends("oi").verdict is Verdict.FINE


def test_after_an_erasure_or_with_what_nobody_noted_nothing_is_counted() -> None:
    header = Conversation(id="u", flood={}, cooldown_until=None)
    message = Message(direction=Direction.IN, type="text", text="oi", timestamp=NOON)
    assert judge(header, [message], now=NOON, flood_max=10, loop_max=40).verdict is Verdict.FINE


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.integers(0, 15), min_size=1, max_size=40), turns=st.lists(st.integers(1, 12), min_size=40))
def test_however_the_messages_fall_into_turns_the_first_flood_is_found_and_no_other(
    gaps: list[int], turns: list[int]
) -> None:
    """Against the plainest form of the rule: is there a minute with more than ten messages?"""
    at, times = NOON, []
    for gap in gaps:
        at += gap * SECOND
        times.append(at)
    writer, seen = Writer(loop_max=0), 0
    for size in turns:
        messages = [Message(direction=Direction.IN, type="text", text="x", timestamp=at) for at in times[seen:][:size]]
        if not messages:
            break
        seen += len(messages)
        judged = judge(writer.header, messages, now=messages[-1].timestamp, flood_max=10, loop_max=0)
        minutes = (sum(start <= time < start + MINUTE for time in times[:seen]) for start in times[:seen])
        is_flood = any(count > 10 for count in minutes)
        assert judged.verdict is (Verdict.FLOOD if is_flood else Verdict.FINE)
        if is_flood:
            break
        for name, value in judged.changes.items():
            setattr(writer.header, name, value)


# --- the rule of loops ------------------------------------------------------------------------------------------------
def turns_until_loop(writer: Writer, *texts: str, every: timedelta = 20 * SECOND, most: int = 120) -> int | None:
    """How many turns with these texts, over and over, pass as fine; None where all do."""
    for number in range(most):
        if writer.sends(texts[number % len(texts)].format(number), every=every).verdict is Verdict.LOOP:
            return number
    return None


@pytest.mark.parametrize(
    ("texts", "fine"),
    [
        (["Olá! Nosso horário de atendimento é de 8h às 18h."], 4),
        (["Protocolo {}: recebemos sua mensagem. Aguarde, por favor."], 4),  # numbers make no difference
        (["Digite 1 para vendas", "Opção inválida"], 11),
        (["Digite 1 para vendas", "Opção inválida", "Posso ajudar?", "Até logo!"], 11),
    ],
)
def test_a_machine_that_repeats_itself_is_stopped_soon(texts: list[str], fine: int) -> None:
    assert turns_until_loop(Writer(), *texts) == fine


def test_a_machine_that_never_repeats_itself_is_stopped_by_the_number_of_answers() -> None:
    texts = [f"frase {'abcdefghij'[n // 10]}{'abcdefghij'[n % 10]}" for n in range(100)]
    assert turns_until_loop(Writer(), *texts) == 40


def test_a_machine_that_takes_its_time_is_stopped_too() -> None:
    assert turns_until_loop(Writer(), "Estamos fechados.", every=HOUR) == 4


@pytest.mark.parametrize(
    "texts",
    [
        ["oi", "oi", "oi"],
        ["oi", "oi", "oi", "oi"],
        ["oi", "tudo bem?", "oi", "quero um sistema", "sim", "sim", "não", "não sei", "sim", "uns 10", "ok", "urgente"],
        ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"],
    ],
)
def test_people_who_repeat_themselves_a_little_are_answered(texts: list[str]) -> None:
    writer = Writer()
    assert {writer.sends(text, every=10 * SECOND).verdict for text in texts} == {Verdict.FINE}


def test_a_short_answer_to_many_questions_is_no_machine() -> None:
    writer = Writer()
    texts = ["quero um sistema", *["não sei"] * 9, "obrigado pela ajuda"]
    assert {writer.sends(text, every=10 * SECOND).verdict for text in texts} == {Verdict.FINE}


def test_the_same_answer_to_another_question_is_no_repetition() -> None:
    writer = Writer()
    for asked in ("client_type", "problem", "features", "users", "city", "deadline", "budget", ""):
        assert writer.sends("prefiro não dizer", asked=asked).verdict is Verdict.FINE


def test_the_same_answer_to_the_same_question_is() -> None:
    writer = Writer()
    writer.sends("Aguarde, por favor.", asked="problem")
    verdicts = [writer.sends("Aguarde, por favor.", asked="users").verdict for _ in range(5)]
    assert verdicts == [Verdict.FINE] * 4 + [Verdict.LOOP]


@pytest.mark.parametrize("kind", ["image", "audio", "location"])
def test_files_in_turns_of_their_own_count_by_their_number_alone(kind: str) -> None:
    writer = Writer()
    verdicts = [writer.sends("", every=20 * SECOND, kind=kind).verdict for _ in range(41)]
    assert verdicts == [Verdict.FINE] * 40 + [Verdict.LOOP]


def test_a_greeting_a_day_is_no_loop() -> None:
    assert turns_until_loop(Writer(), "oi", every=12 * HOUR, most=60) is None


def test_who_taps_is_a_person() -> None:
    writer = Writer()
    for _ in range(30):
        assert [writer.sends(t, every=20 * SECOND).verdict for t in ("oi", "oi")] == [Verdict.FINE] * 2
        assert writer.sends("Sistemas", every=20 * SECOND, tap=True).verdict is Verdict.FINE


# --- in the conversation ----------------------------------------------------------------------------------------------
def flooding(talk: Talk) -> Reply | None:
    return talk.say(*(f"mensagem {number}" for number in range(11)))


def test_a_flood_ends_the_session_as_spam_with_one_notice() -> None:
    talk = Talk()
    talk.say("Preciso de um sistema sob medida")
    notice = text_of(flooding(talk))
    assert "5 minutos" in notice
    assert talk.outcomes == ["DUPLICATE_OR_SPAM"]
    assert [talk.say("?", after=SECOND) for _ in range(5)] == [None] * 5
    assert talk.last.outcome == "DUPLICATE_OR_SPAM"
    assert (talk.handoffs, len(talk.sessions)) == ([], 1)


def test_a_flood_as_the_very_first_thing_is_a_session_of_its_own() -> None:
    talk = Talk()
    assert flooding(talk) is not None
    assert talk.outcomes == ["DUPLICATE_OR_SPAM"]
    assert talk.event_types() == ["USER_CONTACT", "SESSION_OPENED", "SESSION_CLOSED"]


def test_a_wish_for_a_person_during_the_cool_down_is_granted_without_a_word() -> None:
    talk = Talk()
    flooding(talk)
    assert talk.say("quero falar com uma pessoa") is None
    assert (talk.handoff.status, talk.conversation.mode) == ("OPEN", Mode.WAITING_HUMAN)
    assert talk.outcomes == ["DUPLICATE_OR_SPAM", "HANDOFF_HUMAN"]
    assert [talk.say("quero uma pessoa", after=SECOND) for _ in range(20)] == [None] * 20  # one handoff, and silence
    assert "equipe" in text_of(talk.say("alguém aí?", after=5 * MINUTE))
    assert len(talk.handoffs) == 1


def test_a_wish_for_a_person_within_the_flood_itself_is_granted() -> None:
    talk = Talk()
    answer = talk.say(*(f"mensagem {number}" for number in range(11)), "quero falar com um atendente")
    assert "Uma pessoa vai continuar" in text_of(answer)
    assert (talk.handoff.status, talk.outcomes) == ("OPEN", ["HANDOFF_HUMAN"])
    assert talk.say("e aí?", after=MINUTE) is None


def test_after_the_cool_down_a_wish_for_a_person_is_granted_with_words() -> None:
    talk = Talk()
    flooding(talk)
    assert talk.say("quero falar com uma pessoa", after=5 * MINUTE + SECOND) is not None
    assert talk.handoff.status == "OPEN"


def test_a_flood_loses_no_complete_lead() -> None:
    talk = Talk()
    for text in (
        "quero um sistema e também quero ser entregador",
        "empresa",
        "preciso controlar a oficina",
        "ordens de serviço e estoque, 5 usuários, em Castro/PR, até março",
        "prefiro não dizer",
    ):
        talk.say(text)
    assert "uma pessoa vai continuar" in text_of(flooding(talk))
    assert (talk.handoff.intent_primary, talk.outcomes) == ("CUSTOM_SOFTWARE", ["HANDOFF_HUMAN"])
    assert talk.last.alert == ""
    assert [talk.say("?", after=SECOND) for _ in range(5)] == [None] * 5
    talk.release()
    talk.conversation.owner_epoch += 1
    assert talk.say("bom dia", after=SECOND) is not None  # the silence was that of this handoff


def test_while_a_person_has_the_conversation_nothing_is_a_flood() -> None:
    talk = Talk()
    talk.say("oi")
    talk.conversation.mode = Mode.HUMAN.value
    assert flooding(talk) is None
    assert talk.last.outcome == "HANDOFF_HUMAN"
    assert talk.conversation.cooldown_until is None


def test_reactions_never_count() -> None:
    talk = Talk()
    talk.say("oi")
    talk.send(*["reaction"] * 30, after=SECOND)
    assert talk.say("Onde fica a empresa?", after=SECOND) is not None


def test_nobody_reads_what_is_written_during_the_cool_down() -> None:
    talk = Talk()
    flooding(talk)
    known = {"conversation": talk.conversation, "session": None, "paused": False}
    assert not needs_classification(messages=[talk.message(text="oi")], **known)  # type: ignore[arg-type]


def test_two_machines_end_with_one_handoff_and_silence() -> None:
    talk = Talk()
    answers = [talk.say("Olá! Você ligou para a Padaria Central. Em que posso ajudar?") for _ in range(100)]
    assert sum(answer is not None for answer in answers) == 5
    assert "pessoa" in text_of(answers[4])
    assert talk.handoff.summary.startswith("As mensagens deste contato se repetem")
    assert talk.plans[4].alert == "bot_loop_stopped"
    assert talk.say("Olá! Em que posso ajudar?", after=3 * HOUR) is None  # no acknowledgement either


@pytest.mark.parametrize("text", ["prefiro não dizer", "prefiro não informar isso", "não sei dizer agora"])
def test_who_refuses_every_question_is_a_person_and_comes_to_the_end(text: str) -> None:
    talk = Talk()
    talk.say("quero um sistema sob medida")
    while not talk.handoffs:
        assert talk.say(text) is not None
        assert len(talk.plans) < 12
    assert not any(plan.alert for plan in talk.plans)
    assert not talk.handoff.summary.startswith("As mensagens deste contato se repetem")


@pytest.mark.parametrize(
    "text",
    [
        "Olá! Quero um sistema. Aguarde um momento que já vamos responder.",
        "Preciso de um sistema: prefiro não dizer",
        "Obrigado pelo contato! Quero ser entregador. Nosso horário é das 8h às 18h.",
        "Em breve retornaremos o seu contato sobre a loja",
    ],
)
def test_a_machine_whose_text_answers_questions_is_stopped_all_the_same(text: str) -> None:
    """Each question is answered once at most: then it is the same to the same one, or the questions have ended."""
    talk = Talk()
    answers = [talk.say(text) for _ in range(60)]
    assert sum(answer is not None for answer in answers) <= 9
    assert len(talk.handoffs) == 1
    assert answers[20:] == [None] * 40


def test_a_released_conversation_is_the_bots_again_after_a_loop() -> None:
    talk = Talk()
    for _ in range(6):
        talk.say("Olá! Em que posso ajudar?")
    talk.release()
    talk.conversation.owner_epoch += 1
    assert talk.say("Agora sou eu: preciso de um sistema") is not None


# --- from the signed delivery on --------------------------------------------------------------------------------------
def test_every_message_of_a_flood_is_kept_and_shown(customer: Customer) -> None:
    customer.sends(*({"text": {"body": f"mensagem {number}"}} for number in range(15))).is_served()
    customer.writes("alô?").is_served()
    assert len(customer.received) == 16
    assert {message.state for message in customer.received} == {"HANDLED"}
    assert {message.outcome for message in customer.received} == {"DUPLICATE_OR_SPAM"}
    assert (len(customer.outside.sent), customer.header.unread) == (1, 16)
    assert [event["metadata"]["outcome"] for event in customer.events(EventType.SESSION_CLOSED)] == [
        "DUPLICATE_OR_SPAM"
    ]


@on_one_store
def test_a_message_that_meta_delivers_again_and_again_counts_once(customer: Customer, valkey: Any) -> None:
    content = {"id": "wamid.same", "text": {"body": "oi"}}
    for _ in range(12):
        customer.sends(content)
        valkey.flushall()  # the marks are forgotten: the document is what counts
        customer.is_served()
    assert (len(customer.received), len(customer.outside.sent), customer.header.cooldown_until) == (1, 1, None)
