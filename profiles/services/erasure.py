"""Erasing a person: everything that is kept about them goes, in steps that may be killed anywhere and begun again.

A journal for each of their keys is made by the commit that ends the conversation of that key; from then on whoever
writes is somebody new. The steps are those that each app has registered (`pyloto.privacy.registry`). Two minutes later
all is looked for once more: until then other processes may have taken something in under the old key. Only then the
erasure is completed. The journals stay: they tell that the key was erased, and hold nothing else.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.files.storage import storages

from audit import Event, EventType, event_id, trails
from audit.errors import TrailContended
from profiles.models import Erasure
from profiles.services.receipts import Receipt
from profiles.services.resolution import forget
from profiles.services.subjects import subject_of
from profiles.stores import ErasureStore, IdentityStore, UserProfileStore
from pyloto import write_once
from pyloto.documents import PreconditionFailed, Write, get_store, read_all
from pyloto.errors import PermanentError
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import current_correlation_id
from pyloto.privacy.fields import DecryptionFailed, decrypt, encrypt
from pyloto.privacy.registry import ErasureStep, Subject, conversation_ids_of, erasure_steps, identifier_sources

log = structlog.get_logger(__name__)
erasures = ErasureStore()

SCAN_AFTER = timedelta(minutes=2)  # a process keeps an identity for one minute, and a request takes seconds
AGAIN_AFTER = timedelta(minutes=1)  # where the scan found what would not go
WAIT_FIRST, WAIT_MAX = timedelta(seconds=2), timedelta(minutes=10)  # after a try that broke off; doubled each time
ALERT_TRIES = 5  # so many in a row that got nothing done are told of, then every so many
MERGE_TRIES = 4

# What the journal notes as done before and between the registered steps.
DETACHED, TOMBSTONES, COUNTED = "detached", "tombstones", "counted"
END = "."  # the place of a walk that is through
ALONE = "alone"  # an erasure that a restored backup undid: of this key only, whatever merges the backup brought back


class UnknownCustomer(PermanentError):
    """Nothing is kept about this customer."""


class OnLegalHold(PermanentError):
    """A legal hold forbids it: it must be lifted first. An order of an authority goes before it."""


class MergedMeanwhile(Exception):
    """No failure: the person has other keys than those that were looked up."""


def erase(*, user_key: str, reason: Erasure.Reason, actor: str, now: datetime) -> Receipt:
    """`begin`, and everything up to the last scan: a large customer takes a while."""
    begun = begin(user_key=user_key, reason=reason, actor=actor, now=now)
    return resume(begun.user_key, now) or begun


def begin(*, user_key: str, reason: Erasure.Reason, actor: str, now: datetime) -> Receipt:
    """Detach the person, so that nothing comes in or goes out any more, and write down that they are being erased.

    Returns at once; `resume` does the rest. Any of their keys may be given. One who is being erased already is not begun
    again; the order of an authority takes the place of another reason, so that no hold stops it any more. Raises
    `UnknownCustomer`, `OnLegalHold`, and what stores and storage raise: the same call again goes on.
    """
    journal = find_journal(user_key)
    if journal is None or journal.step == Erasure.Step.COMPLETED:
        started = _start_whole(user_key, reason=reason, actor=actor, now=now)
        if started is None:
            if journal is None:
                raise UnknownCustomer("nothing is kept about this customer")
            return Receipt.of(journal)
        journal = started
    while reason == Erasure.Reason.AUTHORITY != journal.reason:
        journal = _note(journal, {"reason": reason.value, "requested_by": actor})
    return Receipt.of(_detach_all(journal, now))


def _start_whole(user_key: str, *, reason: Erasure.Reason, actor: str, now: datetime) -> Erasure | None:
    """Detach the key in use of whoever this key belongs to by now; None where nothing is kept about them."""
    for _ in range(MERGE_TRIES):
        subject = subject_of(user_key)
        if not is_there(subject):
            return None
        try:
            return start(subject, reason=reason, actor=actor, asked_at=now, now=now)
        except MergedMeanwhile:
            continue
    raise TrailContended("merges kept changing who this customer is")


def resume(user_key: str, now: datetime) -> Receipt | None:
    """Do what an erasure has left to do now; None where there never was one.

    Raises what stores and storage raise: the same call again goes on.
    """
    journal = find_journal(user_key)
    if journal is None:
        return None
    if journal.step == Erasure.Step.STARTED:
        if DETACHED in journal.done and journal.scan_at and journal.scan_at <= now:
            journal = _note(journal, {"scan_at": now + SCAN_AFTER})  # so that nobody else is rung for meanwhile
        journal = _remove(_detach_all(journal, now))
    if journal.step == Erasure.Step.REMOVED and (journal.scan_at is None or journal.scan_at <= now):
        journal = _complete(journal, now)
    return Receipt.of(journal)


def receipt(user_key: str) -> Receipt | None:
    """What became of an erasure so far; None where there never was one."""
    journal = find_journal(user_key)
    return Receipt.of(journal) if journal else None


def postpone(user_key: str, now: datetime) -> timedelta | None:
    """Note that a try broke off; returns how long to wait for the next. None where there is nothing left to do.

    The wait grows until a try gets something done. A row of those that do not is alerted.
    """
    journal = find_journal(user_key)
    if journal is None or journal.step == Erasure.Step.COMPLETED:
        return None
    wait = min(WAIT_FIRST * (1 << min(journal.tries, 16)), WAIT_MAX)
    _try_again(journal, now + wait)
    return wait


def _try_again(journal: Erasure, at: datetime) -> Erasure:
    tries = journal.tries + 1
    if tries % ALERT_TRIES == 0:
        alert("erasure_stands_still", user_key=journal.pk, tries=tries)
    return _note(journal, {"tries": tries, "scan_at": max(at, journal.scan_at or at)})


def find_unfinished(now: datetime) -> list[str]:
    """The keys of those whose next step is due, or that nobody has gone on with for two minutes."""
    return [journal.pk for journal in erasures.find_due(now)]


def find_journal(user_key: str) -> Erasure | None:
    """The person's journal, also where the key is one of those that were merged into theirs."""
    journal = erasures.find(user_key)
    return erasures.find(journal.part_of) if journal and journal.part_of else journal


def is_orphan(journal: Erasure) -> bool:
    """Whether nobody will end it: a part whose person's journal is gone, or closed. A backup may have torn them apart."""
    if journal.part_of is None or journal.step == Erasure.Step.COMPLETED:
        return False
    main = erasures.find(journal.part_of)
    return main is None or main.step == Erasure.Step.COMPLETED


def is_there(subject: Subject) -> bool:
    """Whether anything is kept about them."""
    return bool(subject.conversation_ids or subject.identifiers) or any(step.count(subject) for step in erasure_steps())


def is_on_hold(user_key: str) -> bool:
    """Whether a legal hold stands on this person, under whichever of their keys."""
    found = UserProfileStore().find_many(subject_of(user_key).user_keys)
    return any(profile.legal_hold for profile in found.values())


# --- detaching --------------------------------------------------------------------------------------------------------


def start(
    subject: Subject,
    *,
    reason: Erasure.Reason,
    actor: str,
    asked_at: datetime,
    now: datetime,
    done: Sequence[str] = (),
) -> Erasure:
    """Detach the key in use, with the person's journal."""
    user_key = subject.user_keys[0]
    journal = Erasure(
        id=user_key,
        user_keys=list(subject.user_keys),
        conversation_ids=list(subject.conversation_ids),
        identifiers=_sealed(user_key, (*subject.identifiers, *_other_identifiers(subject.user_keys))),
        reason=reason,
        requested_by=actor,
        requested_at=asked_at,
        scan_at=now + SCAN_AFTER,
        done=list(done),
    )
    _respect_hold(journal, subject.user_keys)
    _detach(journal, now)
    return _journal(user_key)


def _respect_hold(journal: Erasure, user_keys: Sequence[str]) -> None:
    """What was erased once was allowed to be, whatever a restored backup says."""
    found = UserProfileStore().find_many(user_keys)
    journal.on_hold = journal.on_hold or any(profile.legal_hold for profile in found.values())
    if journal.on_hold and journal.reason != Erasure.Reason.AUTHORITY and ALONE not in journal.done:
        raise OnLegalHold("this customer is on legal hold")


def _detach_all(journal: Erasure, now: datetime) -> Erasure:
    """Detach the keys that were merged into the one in use, until nothing more is merged into any of them.

    Merges may come until their target is erased; then none can.
    """
    while DETACHED not in journal.done:
        subject = _subject(journal)
        _respect_hold(journal, subject.user_keys)
        for user_key in subject.user_keys[1:]:
            _detach(_part(journal, user_key), now)
        found = subject if ALONE in journal.done else subject_of(journal.pk)
        new = [user_key for user_key in found.user_keys if user_key not in subject.user_keys]
        user_keys = [*subject.user_keys, *new]
        more = (*found.identifiers, *_other_identifiers(new))
        identifiers = tuple(dict.fromkeys((*subject.identifiers, *more)))
        fields: dict[str, Any] = {
            "user_keys": user_keys,
            "conversation_ids": list(conversation_ids_of(user_keys)),
            "identifiers": _sealed(journal.pk, identifiers),
            "on_hold": journal.on_hold,
        }
        if not new:
            fields |= {"done": [*journal.done, DETACHED], "scan_at": now + SCAN_AFTER}
        journal = _note(journal, fields)
    # At once: whoever is told that it has begun may rely on it even if the documents are lost.
    return _once(journal, TOMBSTONES, _write_tombstones)


def _part(journal: Erasure, user_key: str) -> Erasure:
    return Erasure(
        id=user_key,
        part_of=journal.pk,
        user_keys=[user_key],
        on_hold=journal.on_hold,
        reason=journal.reason,
        requested_by=journal.requested_by,
        requested_at=journal.requested_at,
    )


def _detach(journal: Erasure, now: datetime) -> None:
    """One commit: the conversation ends, nothing leads to this key any more, the journal begins."""
    led_here: set[str] = set()

    def changes(conversation_id: str) -> tuple[list[Event], list[Write]] | None:
        standing = erasures.find(journal.pk)
        if standing is not None and standing.step != Erasure.Step.COMPLETED and not is_orphan(standing):
            return None  # an earlier try was applied after all, or somebody else erases them too
        # The header was read before: a merge that comes later changes it, and all this is asked once more.
        if journal.part_of is None and ALONE not in journal.done:
            found = subject_of(journal.pk).user_keys
            if found[0] != journal.pk or set(found) != set(journal.user_keys):
                raise MergedMeanwhile
        _respect_hold(journal, journal.user_keys)
        unchanged: list[Write] = []
        if profile := UserProfileStore().find(journal.pk):
            # A hold that is put meanwhile wins, also over a customer without a conversation.
            same = {"legal_hold": profile.legal_hold}
            unchanged = [UserProfileStore().update(journal.pk, same, last_update_time=profile.update_time)]
        journal.conversation_ids = sorted({*journal.conversation_ids, conversation_id})
        told = {
            "reason": str(journal.reason),
            "reapplied": ALONE in journal.done,
            "hold_overridden": journal.on_hold,
        }
        event = _event(journal, EventType.ERASURE_REQUESTED, now, told)
        deletes = IdentityStore().deletes_of(journal.pk)
        led_here.update(write.path.rpartition("/")[2] for write in deletes)
        return [event], [erasures.write(journal), *deletes, *unchanged]

    trails.end_conversation(user_key=journal.pk, changes=changes)
    forget(led_here)  # other processes remember for a minute; what they take in meanwhile is moved
    log.info("erasure_started", user_key=journal.pk, part_of=journal.part_of)


def _write_tombstones(journal: Erasure) -> dict[str, Any]:
    """Outside of the documents, so that a restored backup can be told whom to erase again. No personal data."""
    for user_key in journal.user_keys:
        tombstone = {
            "user_key": user_key,
            "part_of": None if user_key == journal.pk else journal.pk,
            "conversation_ids": list(conversation_ids_of([user_key])),
            "reason": journal.reason,
            "requested_at": journal.requested_at.isoformat(),
        }
        content = json.dumps(tombstone, sort_keys=True).encode()
        write_once.save_once(storages["exports"], f"{Erasure.collection}/{user_key}.json", content)
    return {}


# --- removing ---------------------------------------------------------------------------------------------------------


def _remove(journal: Erasure) -> Erasure:
    # Before anything is deleted: killed in between, a step would count only what it finds afterwards.
    for step in erasure_steps():
        journal = _count_once(journal, step)
    journal = _once(journal, COUNTED, lambda current: {})
    for step in erasure_steps():
        if step.walk and step.name not in journal.done:
            journal = _walk(journal, step)
        journal = _once(journal, step.name, functools.partial(_remove_all, step=step))
    while journal.step == Erasure.Step.STARTED:
        journal = _note(journal, {"step": Erasure.Step.REMOVED.value, "places": {}})
        log.info("erasure_removed", user_key=journal.pk)
    return journal


def _count_once(journal: Erasure, step: ErasureStep) -> Erasure:
    """Note what a step finds, each by itself: a slice of work may be too short for all."""
    while not (step.walk or COUNTED in journal.done or step.key in journal.counts):
        found = step.count(_subject(journal))
        if not found:
            return journal
        journal = _note(journal, {"counts": {**journal.counts, step.key: found}, "tries": 0})
    return journal


def _walk(journal: Erasure, step: ErasureStep) -> Erasure:
    """Go through what is too much for one slice of work, and keep the place after every page.

    A page that two do at once, or that somebody is killed in, may be told of with too small a number.
    """
    assert step.walk
    while (place := journal.places.get(step.key, "")) != END:
        removed, following = step.walk(_subject(journal), place)
        fields: dict[str, Any] = {"places": {**journal.places, step.key: following or END}, "tries": 0}
        if removed:
            fields["counts"] = _added(journal.counts, {step.key: removed})
        journal = _note(journal, fields)
    return journal


def _remove_all(journal: Erasure, *, step: ErasureStep) -> dict[str, Any]:
    if not step.walk:
        step.erase(_subject(journal))
    return {}


def _complete(journal: Erasure, now: datetime) -> Erasure:
    """Look for leftovers, remove them, and close the journals; leave it for later where something would not go."""
    for step in erasure_steps():
        if step.walk:
            journal = _walk(journal, step)
    subject = _subject(journal)
    if late := _count(subject):
        for step in erasure_steps():
            if step.key in late:
                step.erase(subject)
        journal = _note(journal, {"counts": _added(journal.counts, late)})
        if left := _count(subject):
            alert("erasure_leftovers", user_key=journal.pk, steps=sorted(left))
            return _try_again(journal, now + AGAIN_AFTER)
    if not get_store().purge():  # a reader stands in the way, such as a backup of the file that runs
        return _try_again(journal, now + AGAIN_AFTER)
    for user_key in journal.user_keys[1:]:
        _close(user_key, journal, now)
    _close(journal.pk, journal, now)
    log.info("erasure_completed", user_key=journal.pk)
    return _journal(journal.pk)


def _close(user_key: str, main: Erasure, now: datetime) -> None:
    """One commit: the last event, the end of the journal, and nothing is left of the conversation but its trail."""
    first = erasures.find(user_key)
    if first is None or not first.conversation_ids or main.pk not in (user_key, first.part_of):
        return  # somebody else's erasure

    def changes(conversation_id: str) -> tuple[list[Event], list[Write]] | None:
        current = erasures.find(user_key)
        if current is None or current.step == Erasure.Step.COMPLETED:
            return None
        told = {"reason": str(main.reason), "removed": dict(sorted(main.counts.items()))}
        event = _event(current, EventType.ERASURE_COMPLETED, now, told if user_key == main.pk else {"part_of": main.pk})
        closed: dict[str, Any] = {
            "step": Erasure.Step.COMPLETED.value,
            "identifiers": None,
            "places": {},
            "tries": 0,
            "scan_at": None,
            "completed_at": now,
        }
        return [event], [erasures.change(current, closed)]

    own = conversation_ids_of([user_key]) or tuple(first.conversation_ids)
    trails.remove_conversation(user_key=user_key, conversation_id=own[0], changes=changes)


def _count(subject: Subject) -> dict[str, int]:
    """{key of a step: how many there are}, of those that find something; without those that are walked through."""
    return {step.key: found for step in erasure_steps() if not step.walk and (found := step.count(subject))}


def _added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) + more.get(name, 0) for name in counts.keys() | more.keys()}


# --- the journal ------------------------------------------------------------------------------------------------------


def _once(journal: Erasure, name: str, act: Callable[[Erasure], dict[str, Any]]) -> Erasure:
    """Do it unless the journal says that it was done. Whoever is killed before the note does it again."""
    while name not in journal.done:
        fields = act(journal)
        journal = _note(journal, fields | {"done": [*journal.done, name], "tries": 0})
    return journal


def _note(journal: Erasure, fields: dict[str, Any]) -> Erasure:
    """Write into the journal unless somebody else did since it was read; return it as it now is."""
    try:
        get_store().commit([erasures.change(journal, fields)])
    except PreconditionFailed:
        log.info("erasure_note_lost_race", user_key=journal.pk)
    return _journal(journal.pk)


def _journal(user_key: str) -> Erasure:
    journal = find_journal(user_key)
    if journal is None:
        raise UnknownCustomer("this erasure has no journal")
    return journal


def _subject(journal: Erasure) -> Subject:
    return Subject(
        user_keys=tuple(journal.user_keys),
        conversation_ids=tuple(journal.conversation_ids),
        identifiers=_unsealed(journal),
        asked_at=journal.requested_at,
    )


def _other_identifiers(user_keys: Sequence[str]) -> list[tuple[str, str]]:
    """What they were known by before, and what messages that wait bring: it may stand in quarantine."""
    found: list[tuple[str, str]] = []
    queries = [
        (source.read, source.query_of(user_key))
        for source in identifier_sources()
        if source.query_of
        for user_key in user_keys
    ]
    for read, query in queries:
        for snapshot in read_all(query):
            try:
                found += read(snapshot)
            except DecryptionFailed:
                alert("erasure_identifiers_unreadable", path=snapshot.path)
    return list(dict.fromkeys(found))


def _sealed(user_key: str, identifiers: Sequence[tuple[str, str]]) -> str:
    return encrypt(json.dumps(identifiers), path=erasures.path(user_key), field="identifiers")


def _unsealed(journal: Erasure) -> tuple[tuple[str, str], ...]:
    if not journal.identifiers:
        return ()
    try:
        plain = decrypt(journal.identifiers, path=erasures.path(journal.pk), field="identifiers")
    except DecryptionFailed:  # without its key the rest is erased all the same
        alert("erasure_identifiers_unreadable", user_key=journal.pk)
        return ()
    return tuple((kind, value) for kind, value in json.loads(plain))


def _event(journal: Erasure, event_type: EventType, now: datetime, metadata: dict[str, Any]) -> Event:
    return Event(
        event_id(journal.pk, event_type, now.isoformat()),
        event_type,
        journal.requested_by,
        now,
        metadata=metadata,
        correlation_id=current_correlation_id(),
    )
