"""What a text changes of answers that were given: "na verdade são 15", "não, 20", "muda o prazo pra junho". Pure."""

import re
from collections.abc import Mapping
from datetime import date

from . import answers
from .answers import UNKNOWN
from .collecting import absorb, named, read_answer
from .flows import Field, Flow

CORRECTION_MAX = 1000  # characters of one
LONG_WORDS_MIN = 12  # so long a message says more than a correction

_CORRECTS = re.compile(
    r"\b(?:na verdade|na vdd|na real|alias|corrig\w+|correcao|quer dizer|quis dizer|errei|erro meu|digo|digitei errado|escrevi errado|falei errado"
    r"|me enganei|me confundi|enganei|ops|ou melhor|pensando melhor|retificando|desculp\w+|perdao|foi mal)\b[\s,.:;!]*|^\s*\*\s*|\*\s*$"
)
_CHANGES = r"(?:mud\w+|troc\w+|alter\w+|corrig\w+|corrij\w+|atualiz\w+|coloc\w+|bot[ae]\w*|ajust\w+|poe|pode (?:mudar|trocar|colocar|por)|arrum\w+)"
_DENIES = re.compile(r"\s*nao\s*(?:[,.!;]\s*|(?=(?:e|eh|sao|somos|era|eram)\b))(?:(?:e|eh|sao|somos|sou|era|eram)\s+)?")
_POLITE = re.compile(r"ops|desculp|perdao|foi mal")  # beside an answer as often as before a correction
_THE_OLD_NOT = re.compile(r"\s{0,5}(?P<old>[^\s,.;!?][^,.;!?]{0,40}?)\s{1,3}nao\s{0,3}[,.;!]\s{0,3}(?=\S)")
_NOT_THE_OLD = re.compile(
    r"(?<![\s,.;])[\s,.;]+(?:e\s+)?nao\s+(?:(?:e|sao|em|de|os|as|o|a)\s+){0,2}[\w./]{1,20}(?:\s[\w./]{1,20})?[\s.!]*$"
)


def correction(
    flow: Flow, text: str, collected: Mapping[str, str], last: str | None, *, today: date, asked: str | None = None
) -> dict[str, str]:
    """What "na verdade são 15", "não, 20" and "muda o prazo pra junho" change; and what else is told with it.

    The answer that is named is changed, else the ones recognised in the text, else the one given last.
    """
    if len(text) > CORRECTION_MAX:
        return {}
    folded = answers.plain(text)
    if named := _renamed(flow, text, folded, collected, asked, today):
        return named
    marker, denial = _CORRECTS.search(folded), _DENIES.match(folded)
    said = folded if not (denial or marker) else ""
    last_field = flow.field(last)
    if marker:
        said = f"{text[: marker.start()]} {text[marker.end() :]}"
    elif denial:
        said = text[denial.end() :]
    elif cut := _NOT_THE_OLD.search(folded):  # "são 15, não 10"
        said = text[: cut.start()]
        if (
            not last_field
            or last_field.free
            or _read_last(last_field, text[cut.start() :], today) != collected.get(last or "")
        ):
            return {}
    elif (old := _THE_OLD_NOT.match(folded)) and last_field and not last_field.free:  # "março não, abril"
        if not _means(_read_last(last_field, text[: old.end("old")], today), collected.get(last or "", "")):
            return {}
        said = text[old.end() :]
    else:
        return {}
    if not said.strip():
        return {}
    if marker and (answer := _answered_now(flow, text, marker, asked, collected, today)):
        return answer
    changed = _changed(absorb(flow, said, {}, None, today=today), collected) if marker else {}
    if not changed and len(said.split()) <= LONG_WORDS_MIN:
        changed = _changed_last(flow, said, collected, last_field, flow.field(asked), today, any_other=bool(marker))
    if not changed:
        return {}
    told = absorb(flow, said, {**collected, **changed}, None, today=today)
    field = flow.field(asked)
    if field and field.free and field.name not in collected and len(said.split()) > LONG_WORDS_MIN:
        told |= absorb(flow, said, collected, asked, today=today)
    return {**told, **changed}


def _answered_now(
    flow: Flow, text: str, marker: re.Match[str], asked: str | None, collected: Mapping[str, str], today: date
) -> dict[str, str]:
    """The answer to the open question, where the correction is within it ("5 mil, quer dizer, 8 mil") or mere courtesy."""
    field = flow.field(asked)
    if field is None or field.free or field.name in collected:
        return {}
    before = text[: marker.start()]
    answered = bool(before.strip()) and read_answer(field, before, today) not in (None, UNKNOWN)
    if not answered and not _POLITE.match(marker[0].strip()):
        return {}
    value = _read_last(field, text[marker.end() :], today)
    return named(field, value, collected) if value and not flow.is_partial(field, value) else {}


def _changed_last(
    flow: Flow,
    said: str,
    collected: Mapping[str, str],
    last: Field | None,
    asked: Field | None,
    today: date,
    *,
    any_other: bool,
) -> dict[str, str]:
    """The answer given last, changed; or where it can't be that one, an earlier one, the latest first.

    What answers the open question changes no earlier answer: "na verdade 8 mil" after the question for the budget.
    """
    earlier = (
        [f for name in reversed(list(collected)) if (f := flow.field(name)) and f.find and f != last]
        if any_other
        else []
    )
    for field in (last, *earlier):
        if field is None or field.free or field.name not in collected:
            continue
        if (
            field != last
            and asked
            and not asked.free
            and asked.name not in collected
            and _read_last(asked, said, today)
        ):
            return {}
        value = _read_last(field, said, today, other_than=collected[field.name])
        whole = value and not flow.is_partial(field, value)
        if value and (whole or field == last):
            return {field.name: value}
        if _read_last(field, said, today):
            return {}  # the same once more
    return {}


def _means(value: str | None, kept: str) -> bool:
    """Whether both are the same answer, or the same day in other words: "março" and "até março (03/2027)"."""
    return value is not None and (
        value == kept or (value.endswith(")") and value.rpartition("(")[2] == kept.rpartition("(")[2])
    )


def _changed(taken: Mapping[str, str], collected: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in taken.items() if collected.get(name) not in (None, value)}


def _read_last(field: Field, text: str, today: date, *, other_than: str | None = None) -> str | None:
    """The value that a text gives the field; of several ("não são 10, são 15") the last that is new."""
    parts = [part for part in re.split(r"[,;]|\bsao\b|\bsão\b|\bmas\b", text) if part.strip()]
    for part in (*reversed(parts), text):
        value = read_answer(field, re.sub(r"^\s*(?:é|e|eh|não|nao)\s+", "", part, flags=re.IGNORECASE), today)
        if value and value not in (UNKNOWN, other_than):
            return value
    return None


def _renamed(
    flow: Flow, text: str, folded: str, collected: Mapping[str, str], asked: str | None, today: date
) -> dict[str, str]:
    """The answers that a text changes by their name: "muda o prazo pra junho", "a cidade é Castro"."""
    changed: dict[str, str] = {}
    for field in flow.fields:
        if not field.called or field.name not in collected:
            continue
        match = re.search(rf"\b(?:{field.called})\b", folded)
        if not match:
            continue
        before, after = folded[max(0, match.start() - 60) : match.start()], folded[match.end() :]
        asks = re.search(rf"\b{_CHANGES}\b[^.!?]{{0,40}}$", before) or _CORRECTS.search(before)
        link = re.match(
            r"(?:\s{1,3}(?:que )?(?:ta|esta|estava|ficou|foi|veio|saiu)\s{1,3}errad[oa]\b)?\s*(?:[:=]|,)?\s*(?:(?:na verdade|agora|certo|certa|correto|correta|mesmo|nao e \w+,?)\s+){0,2}"
            r"(?:(?:e|eh|sao|seria|fica|para|pra|pro|por|virou|mudou|vai ser|passou a ser|de)\b\s*){0,3}(?:pra|para)?\s*",
            after,
        )
        linked = bool(link and link[0].strip())
        if not asks and (field.free or not linked or asked == field.name or len(text.split()) > LONG_WORDS_MIN):
            continue
        rest = text[match.end() + (link.end() if link else 0) :]
        value = _value_in(field, rest, today) or (_value_in(field, text[match.end() :], today) if linked else None)
        if value and value != collected[field.name]:
            changed[field.name] = value
    return changed


def _value_in(field: Field, text: str, today: date) -> str | None:
    value = read_answer(field, text, today) if text.strip() else None
    return None if value == UNKNOWN else value
