"""Whatever a customer writes is read in a time that grows with its length only: a regular expression can take hours."""

from collections.abc import Callable
from datetime import date

import pytest

from ai import knowledge, rules
from conversations import answers, collecting, corrections, flows, unasked
from conversations.hearing import TEXT_MAX
from tests.conversations.talk import Talk
from tests.lab import hostile

TODAY = date(2026, 11, 23)
READERS: list[Callable[[str], object]] = [
    answers.is_yes, answers.is_no, answers.is_refusal, answers.read_count, answers.find_people, answers.read_per_month,
    answers.read_city, answers.read_state, answers.read_deadline, answers.read_money, answers.read_text, answers.read_name,
    answers.read_company, answers.read_thing, answers.find_city, answers.find_deadline, answers.find_money, answers.find_role,
    rules.classify, rules.is_question, rules.is_small_talk, knowledge.find_answer,
]  # fmt: skip


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_reader_is_done_with_a_hostile_text_at_once(read: Callable[[str], object]) -> None:
    for text in hostile.texts():
        with hostile.fuse():
            read(text)


@pytest.mark.parametrize("flow", flows.FLOWS.values(), ids=flows.FLOWS)
def test_a_flow_looks_for_its_answers_in_a_hostile_text_at_once(flow: flows.Flow) -> None:
    for text in hostile.texts(TEXT_MAX):
        with hostile.fuse():
            collecting.absorb(flow, text, {}, flow.fields[0].name, today=TODAY)


@pytest.mark.parametrize("flow", flows.FLOWS.values(), ids=flows.FLOWS)
def test_a_flow_looks_for_what_nobody_asked_in_a_hostile_text_at_once(flow: flows.Flow) -> None:
    for text in hostile.texts(TEXT_MAX):
        with hostile.fuse():
            unasked.volunteered(flow, f"oi\n{text}", {}, today=TODAY)
            for field in flow.fields:
                if field.lone:
                    field.lone(text)


@pytest.mark.parametrize("flow", flows.FLOWS.values(), ids=flows.FLOWS)
def test_a_flow_looks_for_a_correction_in_a_hostile_text_at_once(flow: flows.Flow) -> None:
    collected = {field.name: "10" for field in flow.fields}
    for text in hostile.texts(TEXT_MAX):
        with hostile.fuse():
            begin = "não, na verdade muda o prazo, a cidade e as entregas "
            said = (begin + text)[: corrections.CORRECTION_MAX]
            corrections.correction(flow, said, collected, flow.fields[-1].name, today=TODAY)


@pytest.mark.parametrize("part", ["1", "1\n", "A", "a "])
def test_a_turn_of_hostile_messages_is_planned_at_once(part: str) -> None:
    talk = Talk()
    for begin in ("quero um chatbot ", "na verdade ", "quero um sistema "):
        with hostile.fuse():
            assert talk.say(begin + part * TEXT_MAX)
