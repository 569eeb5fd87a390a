#!/usr/bin/env python3
"""Verification of Pyloto's audit trail. One file that an auditor can take away: no Django, nothing else of Pyloto.

It needs Python 3.11 and `cryptography`; `orjson`, where it is installed, makes it faster. Pyloto itself verifies with
these very functions: there is no second implementation.

    python verify_trail.py TRAIL.json --pubkey KEY [--checkpoints DIRECTORY] [--json]

checks the JSON report of a conversation or of a period, with the public key alone. The report:

    {"conversation_id": "...",
     "events": [{"seq": 1, "timestamp": "2026-01-02T03:04:05.000678+00:00", ..., all fields as they are stored}],
     "checkpoints": [{"note": "the signed text", "leaf_index": 17, "proof": ["hash in hex", ...],
                      "leaf": {"conversation_id": "...", "seq": 1, "hash": "..."}}]}

A part of a chain has `"after": {"seq": 7, "hash": "..."}`, the head before its first event. Several chains stand in
`{"trails": [{the above}, ...]}`. Other keys are for people, and are not looked at.

A trail is proven up to the highest signed head among its events, by a checkpoint that it brings or one of the directory.
What comes behind it follows, and could be invented by whoever wrote the file: the verdict tells both.

Exit statuses: 0 intact, 2 could not be verified, else that of the gravest problem: see `ProblemKind`. 3 is no damage:
nothing of a trail is proven.
"""

import argparse
import base64
import binascii
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from itertools import chain, islice, repeat
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    import orjson
except ImportError:  # slower, and no less strict
    HAS_ORJSON = False
else:
    HAS_ORJSON = True
    LINE_ENDS = repeat(orjson.Fragment(b"\n"))

PROBLEMS_MAX = 1000  # kept for the report


class ProblemKind(StrEnum):
    """What can be wrong, with the exit status that it ends in: the higher, the graver."""

    status: int
    label: str

    def __new__(cls, name: str, status: int, label: str) -> Self:
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.status = status
        kind.label = label
        return kind

    # Seen in a report that stands alone
    UNPROVEN = "UNPROVEN", 3, "sem prova"
    # Seen in the chain itself
    BROKEN_LINK = "BROKEN_LINK", 10, "elo quebrado"
    MALFORMED = "MALFORMED", 11, "malformado"
    EDITED = "EDITED", 12, "alterado"
    GAP = "GAP", 13, "lacuna"
    OUT_OF_ORDER = "OUT_OF_ORDER", 14, "fora de ordem ou repetido"
    FOREIGN = "FOREIGN", 15, "de outra cadeia"
    MISSING = "MISSING", 20, "cadeia inexistente"
    # Seen with the heads that the signed log observed
    TRUNCATED = "TRUNCATED", 21, "final da cadeia removido"
    DELETED = "DELETED", 22, "cadeia removida"
    REWRITTEN = "REWRITTEN", 23, "cadeia reescrita"
    # Seen in the log
    LOG_DAMAGED = "LOG_DAMAGED", 30, "registro de verificação danificado"
    LOG_FORGED = "LOG_FORGED", 31, "ponto de verificação sem assinatura válida"
    LOG_ROLLED_BACK = "LOG_ROLLED_BACK", 32, "registro de verificação encurtado ou reescrito"


@dataclass(frozen=True)
class Problem:
    """Something that a trail as we write it never shows. `detail` names fields and numbers, never values.

    A problem of the log has no conversation and no number.
    """

    conversation_id: str | None
    seq: int | None
    kind: ProblemKind
    detail: str


@dataclass(frozen=True)
class Coverage:
    """How far signed heads prove a report's events, of which `first` to `last` are there; None: not at all.

    `observed_until` is the highest number that is known to be signed, `before` are those of proofs that the report brings
    although its events begin behind them.
    """

    conversation_id: str
    first: int
    last: int
    proven_until: int | None
    observed_until: int | None
    before: tuple[int, ...] = ()

    def described(self) -> Iterator[str]:
        """What people must know beside the problems."""
        name = self.conversation_id
        if self.proven_until is not None and self.proven_until < self.last:
            yield f"{name}: provado até o nº {self.proven_until}; {_span(self.proven_until + 1, self.last)} sem prova"
        if self.observed_until is not None and self.observed_until > self.last:
            yield f"{name}: o registro viu até o nº {self.observed_until}; o relatório acaba no nº {self.last}"
        for seq in self.before:
            yield f"{name}: o ponto assinado do nº {seq} é de antes do nº {self.first}, o primeiro: não prova nada dele em diante"


@dataclass
class Report:
    """What a verification found. Only a report that stands alone has a coverage, for each trail."""

    chains: int = 0
    events: int = 0
    problem_count: int = 0
    status: int = 0
    problems: list[Problem] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.problem_count == 0

    def add(self, problems: Iterable[Problem]) -> None:
        """Of very many problems the first ones are kept, and each that is graver than all before."""
        for problem in problems:
            if len(self.problems) < PROBLEMS_MAX or problem.kind.status > self.status:
                self.problems.append(problem)
            self.problem_count += 1
            self.status = max(self.status, problem.kind.status)

    def to_json(self) -> str:
        found: dict[str, Any] = {
            "ok": self.ok,
            "chains": self.chains,
            "events": self.events,
            "problems": [
                {"conversation_id": p.conversation_id, "seq": p.seq, "kind": p.kind.value, "detail": p.detail}
                for p in self.problems
            ],
        }
        if self.coverage:
            found["trails"] = list(map(asdict, self.coverage))
        return json.dumps(found)

    def to_text(self) -> str:
        lines = [_described(problem) for problem in self.problems]
        if hidden := self.problem_count - len(self.problems):
            lines.append(f"... e mais {hidden} problemas")
        lines += chain.from_iterable(each.described() for each in self.coverage)
        verdict = "sem alterações" if self.ok else f"{self.problem_count} problemas"
        if self.status == ProblemKind.UNPROVEN.status:
            verdict = f"sem alterações à vista, mas {self.problem_count} sem prova"
        return "\n".join([*lines, f"{self.chains} cadeias, {self.events} eventos: {verdict}"])


def _span(first: int, last: int) -> str:
    return f"nº {last}" if first == last else f"nº {first} a {last}"


def _described(problem: Problem) -> str:
    place = "registro" if problem.conversation_id is None else f"{problem.conversation_id}, nº {problem.seq}"
    return f"{place}: {problem.kind.value} ({problem.kind.label}): {problem.detail}"


# --- The chain --------------------------------------------------------------------------------------------------------
#
#     current_hash = SHA-256(domain tag ‖ previous_hash ‖ canonical)
#
# `canonical` is the JSON that was hashed, stored byte for byte: a later change of how Python writes JSON breaks nothing.

EVENT_TAG = b"pyloto.audit.event.v1\0"
GENESIS_TAG = b"pyloto.audit.genesis.v1\0"

HASH = re.compile(r"[0-9a-f]{64}")
CHAIN_ID = re.compile(r"(?!.*-0)[A-Za-z0-9_-]{1,64}")
HASHED_FIELDS = {
    "conversation_id": str,
    "seq": int,
    "event_id": str,
    "event_type": str,
    "actor": str,
    "timestamp": datetime,
    "changes": dict,
    "metadata": dict,
    "correlation_id": str,
}
CHAIN_FIELDS = {"canonical", "previous_hash", "current_hash"}
STORED = (*HASHED_FIELDS, *sorted(CHAIN_FIELDS), "id")
ALL_STORED = itemgetter(*STORED)
TAGGED = sha256(EVENT_TAG)  # copied for each event, which is faster than beginning anew
SEPARATOR = '","'
LAST_DIGITS = [f"{number:03d}" for number in range(1000)]
TIME_LENGTH = len('"2026-01-02T03:04:05.000678+00:00",')
BATCH = 250  # events that are checked together; what is held in memory


@dataclass(frozen=True)
class Head:
    """The end of a chain: the number and the hash of its last event."""

    conversation_id: str
    seq: int
    hash: str

    @classmethod
    def genesis(cls, conversation_id: str) -> Self:
        """The head of a chain without events. Raises `ValueError` for an id that could not stand in a document id."""
        if not CHAIN_ID.fullmatch(conversation_id):
            raise ValueError("A chain's id has 1 to 64 letters, digits, '-' or '_', and no '-0'")
        return cls(conversation_id, 0, sha256(GENESIS_TAG + conversation_id.encode()).hexdigest())

    @classmethod
    def from_document(cls, conversation_id: str, document: Mapping[str, Any]) -> Self:
        """Out of a header's `audit_head` {"seq", "hash"}; an empty one is a chain without events."""
        if not document:
            return cls.genesis(conversation_id)
        return cls(conversation_id, document["seq"], document["hash"])

    def to_document(self) -> dict[str, Any]:
        return {"seq": self.seq, "hash": self.hash}


def document_id(conversation_id: str, seq: int) -> str:
    """The ids of one chain sort as its events do, and no other chain's stand between them: none has "-0" in its name.

    So much for the first 10^11 events of a chain.
    """
    return f"{conversation_id}-{seq:012d}"


def canonical_json(fields: Mapping[str, Any]) -> str:
    """Sorted keys, no spaces, times in UTC with microseconds. Raises `TypeError`, `ValueError` for what is not JSON."""
    plain = {**fields, "timestamp": fields["timestamp"].astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # lone surrogates raise UnicodeEncodeError, a ValueError
    return text


def chain_hash(previous_hash: str, canonical: str) -> str:
    return sha256(EVENT_TAG + bytes.fromhex(previous_hash) + canonical.encode()).hexdigest()


def verify(
    conversation_id: str,
    events: Iterable[Mapping[str, Any]],
    *,
    after: Head | None = None,
    observed: Iterable[tuple[int, str]] = (),
) -> list[Problem]:
    """Everything that `find_problems` finds."""
    return list(find_problems(conversation_id, events, after=after, observed=observed))


def find_problems(
    conversation_id: str,
    events: Iterable[Mapping[str, Any]],
    *,
    after: Head | None = None,
    observed: Iterable[tuple[int, str]] = (),
) -> Iterator[Problem]:
    """What is wrong with a chain, read once from its first event on; memory does not grow with its length.

    After a problem the check goes on from what the event itself claims, so that one edit is not reported for all that
    follows. An event may carry its document's id as "id"; then that is checked too.

    `after` is the head before the first event, where only a part of the chain is given. `observed` are the (seq, hash)
    of this chain that the signed log holds, by seq.
    """
    if not CHAIN_ID.fullmatch(conversation_id):
        yield Problem(conversation_id, None, ProblemKind.MALFORMED, "não é o nome de uma cadeia")
        return
    start = head = after or Head.genesis(conversation_id)
    heads = _ObservedOfChain(observed)
    yield from heads.compare(head)
    stream = iter(events)
    while batch := list(islice(stream, BATCH)):
        if hashes := _hashes_if_sound(head, batch):
            head = Head(conversation_id, head.seq + len(hashes), hashes[-1])
            yield from heads.compare(head, hashes)
            continue
        for event in batch:
            found, head = _check(head, event)
            for kind, detail in found:
                yield Problem(conversation_id, _seq_of(event), kind, detail)
            yield from heads.compare(head)
    if (last := heads.last()) is not None:
        kind = ProblemKind.DELETED if head is start else ProblemKind.TRUNCATED
        yield Problem(conversation_id, last, kind, f"o registro viu até o nº {last}; a cadeia acaba no nº {head.seq}")


class _ObservedOfChain:
    """The heads of one chain that the log observed, as they are reached."""

    def __init__(self, observed: Iterable[tuple[int, str]]) -> None:
        self._rest = iter(observed)
        self._next = next(self._rest, None)

    def compare(self, head: Head, hashes: Sequence[str] = ()) -> Iterator[Problem]:
        """What does not fit the last events, whose hashes these are; by itself the head's.

        A number that was passed over is a problem of the chain's own, which has been told.
        """
        hashes = hashes or (head.hash,)
        while self._next is not None and self._next[0] <= head.seq:
            seq, expected = self._next
            if head.seq - seq < len(hashes) and hashes[seq - head.seq - 1] != expected:
                detail = "o registro viu outro hash neste número"
                yield Problem(head.conversation_id, seq, ProblemKind.REWRITTEN, detail)
            self._next = next(self._rest, None)

    def last(self) -> int | None:
        """The highest number that was not reached."""
        last = None
        while self._next is not None:
            last = self._next[0]
            self._next = next(self._rest, None)
        return last


def _hashes_if_sound(head: Head, batch: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
    """The hashes of events that follow the head exactly as they should; None where anything looks different.

    Says nothing that `_check` would not say of each event, only faster. What it cannot judge (an integer of more than
    64 bits, a time without microseconds, an event without its document's id) it leaves to `_check`.
    """
    if not HAS_ORJSON or set(map(len, batch)) != {len(STORED)}:
        return None
    try:
        # Field by field: each event is taken apart once.
        columns = dict(zip(STORED, zip(*map(ALL_STORED, batch), strict=True), strict=True))
        return columns["current_hash"] if _is_sound(head, columns) else None
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):  # a field is missing, or of another type
        return None


def _is_sound(head: Head, columns: Mapping[str, tuple[Any, ...]]) -> bool:
    """`columns` holds the values of each field, event by event."""
    conversation_id = head.conversation_id
    hashes, changes, metadata = columns["current_hash"], columns["changes"], columns["metadata"]
    numbers = range(head.seq + 1, head.seq + 1 + len(hashes))
    if set(map(type, columns["timestamp"])) != {datetime} or set(map(type, chain(changes, metadata))) != {dict}:
        return False
    if columns["previous_hash"] != (head.hash, *hashes[:-1]) or set(columns["conversation_id"]) != {conversation_id}:
        return False
    seqs = orjson.dumps(columns["seq"])
    if seqs != orjson.dumps(tuple(numbers)) or columns["id"] != _document_ids(conversation_id, numbers):
        return False
    times = orjson.dumps(columns["timestamp"]).decode()
    if len(times) != TIME_LENGTH * len(hashes) + 1 or times.count('+00:00"') != len(hashes):
        return False  # one without microseconds, or of another zone: written otherwise
    texts = [columns[name] for name in ("actor", "correlation_id", "event_id", "event_type")]
    if any(orjson.dumps(column) != f'["{SEPARATOR.join(column)}"]'.encode() for column in texts):
        return False  # what is no text, or JSON would not write as it stands
    # All at once, with a line end after each, as none stands within. Times are refused: JSON has none.
    lined = list(chain.from_iterable(zip(changes, LINE_ENDS, metadata, LINE_ENDS, strict=False)))
    contents = orjson.dumps(lined, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)
    if b"null" in contents:  # orjson writes NaN like this too
        json.dumps((changes, metadata), allow_nan=False)
    parts = contents.decode()[1:-3].split(",\n,")
    actors, correlation_ids, event_ids, event_types = texts
    about = repeat(f',"conversation_id":"{conversation_id}","correlation_id":"')
    pieces = zip(
        *(repeat('{"actor":"'), actors),
        *(repeat('","changes":'), parts[::2]),
        *(about, correlation_ids),
        *(repeat('","event_id":"'), event_ids),
        *(repeat('","event_type":"'), event_types),
        *(repeat('","metadata":'), parts[1::2]),
        *(repeat(',"seq":'), seqs.decode()[1:-1].split(",")),
        *(repeat(',"timestamp":"'), times[2:-2].split(SEPARATOR)),
        repeat('"}'),
        strict=False,
    )
    canonical = tuple(map("".join, pieces))
    if canonical != columns["canonical"]:
        return False
    digest = bytes.fromhex(head.hash)
    digests = []
    for text in canonical:
        hasher = TAGGED.copy()
        hasher.update(digest + text.encode())
        digest = hasher.digest()
        digests.append(digest)
    return "\n".join(hashes) == b"".join(digests).hex("\n", HASH_BYTES)


def _document_ids(conversation_id: str, numbers: range) -> tuple[str, ...]:
    """As `document_id` writes each; the last three digits are taken from a list, which is faster."""
    starts = {n // 1000: f"{conversation_id}-{n // 1000:09d}" for n in (numbers[0], numbers[-1])}
    return tuple([starts[n // 1000] + LAST_DIGITS[n % 1000] for n in numbers])


def _check(head: Head, event: Mapping[str, Any]) -> tuple[list[tuple[ProblemKind, str]], Head]:
    malformed = _malformed(event)
    if malformed:  # nothing else can be said about it; the next event is expected as if this one had been right
        claimed = event.get("current_hash")
        known = isinstance(claimed, str) and HASH.fullmatch(claimed)
        return [(ProblemKind.MALFORMED, malformed)], Head(
            head.conversation_id, head.seq + 1, str(claimed) if known else head.hash
        )
    seq = event["seq"]
    found = []
    if event["conversation_id"] != head.conversation_id:
        found.append((ProblemKind.FOREIGN, "conversation_id é o de outra cadeia"))
    elif "id" in event and event["id"] != document_id(head.conversation_id, seq):
        found.append((ProblemKind.OUT_OF_ORDER, "o id do documento não é o do número"))
    if seq > head.seq + 1:
        found.append((ProblemKind.GAP, f"faltam {seq - head.seq - 1} eventos antes dele"))
    elif seq < head.seq + 1:
        found.append((ProblemKind.OUT_OF_ORDER, f"esperado era o nº {head.seq + 1}"))
    if event["previous_hash"] != head.hash:
        found.append((ProblemKind.BROKEN_LINK, "previous_hash não é o hash do evento anterior"))
    if event["current_hash"] != chain_hash(event["previous_hash"], event["canonical"]):
        found.append((ProblemKind.EDITED, "current_hash não é o hash do que está gravado"))
    if canonical_json({name: event[name] for name in HASHED_FIELDS}) != event["canonical"]:
        found.append((ProblemKind.EDITED, "os campos não são os que entraram no hash"))
    return found, Head(head.conversation_id, max(seq, head.seq), event["current_hash"])


def _malformed(event: Mapping[str, Any]) -> str:
    """Why the event cannot be an event at all; empty when it can."""
    for name, kind in (HASHED_FIELDS | dict.fromkeys(CHAIN_FIELDS, str)).items():
        if not isinstance(event.get(name), kind) or isinstance(event.get(name), bool):
            return f"{name} falta ou é de outro tipo"
    if unknown := event.keys() - HASHED_FIELDS.keys() - CHAIN_FIELDS - {"id"}:
        return f"{len(unknown)} campos que um evento não tem"
    if not (HASH.fullmatch(event["previous_hash"]) and HASH.fullmatch(event["current_hash"])):
        return "um hash não tem 64 dígitos hexadecimais"
    try:
        canonical_json({name: event[name] for name in HASHED_FIELDS})
        event["canonical"].encode()
    except (OverflowError, TypeError, ValueError):  # the first for a time at the end of the calendar
        return "um campo tem o que não cabe em JSON"
    return ""


def _seq_of(event: Mapping[str, Any]) -> int | None:
    seq = event.get("seq")
    return seq if isinstance(seq, int) else None


# --- The Merkle tree of RFC 6962 --------------------------------------------------------------------------------------

HASH_BYTES = 32


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that is needed to append leaves and to tell the root.

    `hashes` are the roots of its perfect subtrees in hex, the largest first: what `to_list` gave back for that size.
    Raises `ValueError` where they cannot be those of a tree with `size` leaves.
    """

    def __init__(self, size: int = 0, hashes: Sequence[str] = ()) -> None:
        self.size = size
        self._subtrees = [bytes.fromhex(text) for text in hashes]
        if size < 0 or len(hashes) != size.bit_count() or any(len(h) != HASH_BYTES for h in self._subtrees):
            raise ValueError(f"Not the hashes of a tree with {size} leaves")

    def append(self, leaf_hash: bytes) -> None:
        self._subtrees.append(leaf_hash)
        size = self.size
        while size & 1:  # as many perfect subtrees of the same height meet as the old size ends in ones
            right = self._subtrees.pop()
            self._subtrees.append(node_hash(self._subtrees.pop(), right))
            size >>= 1
        self.size += 1

    def root(self) -> bytes:
        if not self._subtrees:
            return sha256().digest()
        *others, root = self._subtrees
        for subtree in reversed(others):
            root = node_hash(subtree, root)
        return root

    def to_list(self) -> list[str]:
        return [subtree.hex() for subtree in self._subtrees]


def _sibling_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaves (from, to) below each hash of an inclusion proof, in the proof's order. RFC 6962, 2.1.1."""
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} among {size}")
    ranges = []
    first, end = 0, size
    while end - first > 1:
        middle = first + (1 << (end - first - 1).bit_length() - 1)  # the largest power of two below their number
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf at `index` to the root of a tree with `size` leaves."""
    try:
        ranges = _sibling_ranges(index, size)
    except ValueError:
        return False
    if len(ranges) != len(proof):
        return False
    for (first, _), sibling in zip(ranges, proof, strict=True):
        leaf_hash = node_hash(leaf_hash, sibling) if first > index else node_hash(sibling, leaf_hash)
    return leaf_hash == root


# --- Signed checkpoints: c2sp.org/tlog-checkpoint, c2sp.org/signed-note -----------------------------------------------

ED25519 = b"\1"  # the kind of key, in front of its 32 bytes
SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
NAME = re.compile(r"[^\s+]+")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """The note is not a checkpoint, or not one that the key signed."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key that goes by a name. As text, its vkey: `name+hash+key`."""

    name: str
    public_key: bytes

    @property
    def key_hash(self) -> bytes:
        """Four bytes by which a signature tells whose it is."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"


@dataclass(frozen=True)
class Signature:
    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A checkpoint: `root` is that of the log's first `size` leaves. `text` is what was signed, of `full_text`."""

    full_text: str
    text: str
    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...]
    signatures: tuple[Signature, ...]


def parse_vkey(text: str) -> VerifierKey:
    """Raises `NoteError` for what is not the vkey of an Ed25519 key."""
    name, _, rest = text.strip().partition("+")
    key_hash, _, encoded = rest.partition("+")
    key = _base64(encoded)
    if not NAME.fullmatch(name) or key[:1] != ED25519 or len(key) != 1 + HASH_BYTES:
        raise NoteError("não é uma chave pública Ed25519")
    found = VerifierKey(name, key[1:])
    if key_hash != found.key_hash.hex():
        raise NoteError("a chave pública não confere com o próprio hash")
    return found


def parse_note(text: str) -> Note:
    """Read a signed checkpoint without verifying it. Raises `NoteError` for anything that is not exactly one."""
    if CONTROL.search(text):
        raise NoteError("uma nota não tem caracteres de controle")
    signed, separator, signature_lines = text.rpartition("\n\n")
    if not separator or not signature_lines.endswith("\n"):
        raise NoteError("uma nota tem texto, linha vazia e assinaturas")
    lines = signed.split("\n")
    if len(lines) < 3 or "" in lines or not SIZE.fullmatch(lines[1]):
        raise NoteError("um ponto de verificação tem origem, tamanho e raiz")
    origin, size, root, *extensions = lines
    if len(_base64(root)) != HASH_BYTES:
        raise NoteError("a raiz não é um hash SHA-256")
    return Note(
        full_text=text,
        text=signed + "\n",
        origin=origin,
        size=int(size),
        root=_base64(root),
        extensions=tuple(extensions),
        signatures=tuple(map(_parse_signature, signature_lines[:-1].split("\n"))),
    )


def verify_note(text: str, vkey: str | VerifierKey) -> Note:
    """The checkpoint that the key signed. Raises `NoteError` where there is none, or where its log is another one.

    Signatures of other keys (witnesses) are not looked at.
    """
    key = parse_vkey(vkey) if isinstance(vkey, str) else vkey
    note = parse_note(text)
    if note.origin != key.name:
        raise NoteError("o ponto de verificação é de outro registro")
    ours = [s for s in note.signatures if (s.name, s.key_hash) == (key.name, key.key_hash)]
    if not ours:
        raise NoteError("o ponto de verificação não foi assinado por esta chave")
    try:
        for each in ours:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(each.signature, note.text.encode())
    except (InvalidSignature, ValueError) as exc:
        raise NoteError("a assinatura do ponto de verificação é falsa") from exc
    return note


def verify_by_one_of(text: str, keys: Sequence[VerifierKey]) -> Note:
    """The checkpoint that one of the keys signed: after a change of the key the older ones remain. Raises `NoteError`."""
    signers = {signature.key_hash for signature in parse_note(text).signatures}
    return verify_note(text, next((key for key in keys if key.key_hash in signers), keys[0]))


def parse_keys(text: str) -> list[VerifierKey]:
    """The keys of a file, one a line. Raises `NoteError`."""
    keys = [parse_vkey(line) for line in text.splitlines() if line.strip()]
    if not keys:
        raise NoteError("não há chave pública no arquivo")
    return keys


def _parse_signature(line: str) -> Signature:
    match = SIGNATURE_LINE.fullmatch(line)
    decoded = _base64(match[2]) if match else b""
    if match is None or len(decoded) <= 4:
        raise NoteError("não é uma linha de assinatura")
    return Signature(match[1], decoded[:4], decoded[4:])


def _base64(text: str) -> bytes:
    """Strict: one text for the same bytes. Raises `NoteError`."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise NoteError("não é base64") from exc
    if base64.b64encode(decoded).decode() != text:
        raise NoteError("não é base64 canônico")
    return decoded


# --- The log of observed heads: numbered checkpoints, each two files ----------------------------------------------------
#
#     00000007.leaves   the heads that were new, one leaf a line
#     00000007.note     the signed root over the leaves of 1 to 7

LEAF = re.compile(rb'{"conversation_id":"([A-Za-z0-9_-]{1,64})","hash":"([0-9a-f]{64})","seq":([1-9][0-9]{0,11})}')
SEQ_MAX = 10**12 - 1
LOG_FILE = re.compile(r"([0-9]{8})\.(leaves|note)")


@dataclass(frozen=True)
class CheckpointFiles:
    """What is there of one checkpoint; None for a file that is missing. `leaves` are lines, each with its line end."""

    number: int
    leaves: Iterable[bytes] | None
    note: str | None


class ObservedHeads:
    """The heads that a log holds, in a temporary database on disk: memory does not grow with them."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(
            "CREATE TABLE heads (chain TEXT, seq INTEGER, hash TEXT, leaf INTEGER, PRIMARY KEY (chain, seq, hash))"
            " WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE found (chain TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, leaf: int, head: Head) -> None:
        row = (head.conversation_id, head.seq, head.hash, leaf)
        self._db.execute("INSERT OR IGNORE INTO heads VALUES (?, ?, ?, ?)", row)

    def keep(self, size: int) -> None:
        """Forget what stands behind the log's first `size` leaves: nothing that was signed confirms it."""
        self._db.execute("DELETE FROM heads WHERE leaf >= ?", (size,))

    def of(self, conversation_id: str) -> Iterator[tuple[int, str]]:
        """The (seq, hash) of a chain, by seq. It counts as found."""
        self._db.execute("INSERT OR IGNORE INTO found VALUES (?)", (conversation_id,))
        return self._db.execute("SELECT seq, hash FROM heads WHERE chain = ? ORDER BY seq", (conversation_id,))

    def of_report(self, conversation_id: str, last: int, size: int) -> Iterator[tuple[int, str]]:
        """Those that a report up to the event `last` must agree with, which knows of the log's first `size` leaves."""
        wanted = "SELECT seq, hash FROM heads WHERE chain = ? AND (seq <= ? OR leaf < ?)"
        return self._db.execute(wanted, (conversation_id, min(last, SEQ_MAX), size))

    def highest(self, conversation_id: str) -> int | None:
        (seq,) = self._db.execute("SELECT MAX(seq) FROM heads WHERE chain = ?", (conversation_id,)).fetchone()
        return None if seq is None else int(seq)

    def not_found(self) -> Iterator[str]:
        """The chains that nobody has asked for."""
        rows = self._db.execute("SELECT DISTINCT chain FROM heads WHERE chain NOT IN (SELECT chain FROM found)")
        return (chain for (chain,) in rows)

    def close(self) -> None:
        self._db.close()


def parse_leaf(line: bytes) -> Head | None:
    """The head that a leaf names; None for anything but the exact bytes of a leaf."""
    match = LEAF.fullmatch(line)
    return Head(match[1].decode(), int(match[3]), match[2].decode()) if match else None


def leaf_bytes(head: Head) -> bytes:
    """The exact bytes of a leaf, as they are hashed and stored."""
    fields = {"conversation_id": head.conversation_id, "hash": head.hash, "seq": head.seq}
    return json.dumps(fields, separators=(",", ":")).encode()


def verify_log(
    checkpoints: Iterable[CheckpointFiles],
    keys: Sequence[VerifierKey],
    observed: ObservedHeads,
    remembered: Sequence[Note] = (),
) -> tuple[list[Problem], Note | None]:
    """What is wrong with a log, and its newest sound checkpoint. Its heads go to `observed`, as far as they are signed.

    The checkpoints are numbered from 1 on. The last one may lack its note, which is written after its leaves.
    `remembered` are notes that were seen before: the log must be a continuation of each.
    """
    frontier, newest, problems = Frontier(), None, []
    roots = {0: Frontier().root()}  # at the sizes of the remembered notes
    wanted = {note.size for note in remembered}
    expected, unsigned = 1, ""
    for files in checkpoints:
        name = f"ponto {files.number:08d}"
        if files.number != expected:
            problems.append(_damaged(f"falta o ponto {expected:08d}"))
        if unsigned:
            problems.append(_damaged(f"{unsigned}: falta a nota"))
        expected = files.number + 1
        if files.leaves is None:
            problems.append(_damaged(f"{name}: faltam as folhas"))
        malformed = 0
        for line in files.leaves or ():
            head = parse_leaf(line.removesuffix(b"\n")) if line.endswith(b"\n") else None
            if head:
                observed.add(frontier.size, head)
            malformed += head is None
            frontier.append(leaf_hash(line.removesuffix(b"\n")))
            if frontier.size in wanted:
                roots[frontier.size] = frontier.root()
        if malformed:
            problems.append(_damaged(f"{name}: {malformed} folhas malformadas"))
        unsigned = "" if files.note else name
        if not files.note:
            continue
        try:
            note = verify_by_one_of(files.note, keys)
        except NoteError as exc:
            problems.append(Problem(None, None, ProblemKind.LOG_FORGED, f"{name}: {exc}"))
            continue
        if (note.size, note.root) != (frontier.size, frontier.root()):
            problems.append(_damaged(f"{name}: as folhas não dão a raiz assinada"))
        elif note.size <= (newest.size if newest else 0):
            problems.append(_damaged(f"{name}: não tem folhas novas"))
        else:
            newest = note
    observed.keep(newest.size if newest else 0)
    if not problems:  # of a log that is damaged anyway nothing more can be said
        size = newest.size if newest else 0
        problems += [
            _rolled_back(note, size) for note in remembered if note.size > size or roots[note.size] != note.root
        ]
    return problems, newest


def _damaged(detail: str) -> Problem:
    return Problem(None, None, ProblemKind.LOG_DAMAGED, detail)


def _rolled_back(note: Note, size: int) -> Problem:
    change = f"tem só {size}" if note.size > size else "tem outras no lugar delas"
    detail = f"o registro já teve {note.size} folhas e {change}"
    return Problem(None, None, ProblemKind.LOG_ROLLED_BACK, detail)


def checkpoint_files(names: Iterable[str], lines: Callable[[str], Iterable[bytes]]) -> Iterator[CheckpointFiles]:
    """The checkpoints among the files of these names, in their order; `lines` reads one. Other files are passed over."""
    there = {match[0] for name in names if (match := LOG_FILE.fullmatch(name))}
    for stem in sorted({name.partition(".")[0] for name in there}):
        leaves, note = f"{stem}.leaves", f"{stem}.note"
        yield CheckpointFiles(
            number=int(stem),
            leaves=lines(leaves) if leaves in there else None,
            note=b"".join(lines(note)).decode(errors="replace") if note in there else None,
        )


def checkpoints_in(directory: Path) -> Iterator[CheckpointFiles]:
    """The checkpoints of a directory. Raises `OSError`."""

    def lines(name: str) -> Iterator[bytes]:
        with (directory / name).open("rb") as file:
            yield from file

    return checkpoint_files([path.name for path in directory.iterdir()], lines)


# --- The report of a conversation, alone --------------------------------------------------------------------------------


class UnreadableReport(ValueError):
    """The file is not a report as it is described above."""


def verify_report(document: Any, keys: Sequence[VerifierKey], observed: ObservedHeads, report: Report) -> None:
    """Verify an exported report: its chains, the checkpoints that prove them, and the heads of a log where it is given.

    Raises `UnreadableReport`.
    """
    trails = document.get("trails", [document]) if isinstance(document, dict) else None
    if not isinstance(trails, list) or not trails:
        raise UnreadableReport("não há trilhas no arquivo")
    if "trails" in document and document.keys() & {"events", "checkpoints", "after"}:
        raise UnreadableReport("há uma trilha ao lado de trails: não se sabe qual vale")
    for trail in trails:
        _verify_trail(trail, keys, observed, report)


def _verify_trail(trail: Any, keys: Sequence[VerifierKey], observed: ObservedHeads, report: Report) -> None:
    try:
        conversation_id, events = _text(trail["conversation_id"]), [_with_time(event) for event in trail["events"]]
        after = _head_of({**trail["after"], "conversation_id": conversation_id}) if "after" in trail else None
        proofs = [_Proof.read(each) for each in trail["checkpoints"]]
    except (TypeError, KeyError, ValueError) as exc:
        raise UnreadableReport("uma trilha não tem os campos que deve ter") from exc
    report.chains += 1
    report.events += len(events)
    count = report.problem_count
    brought, size = set(), 0  # how much of the log the report knows of
    for proof in proofs:
        if problem := proof.problem(conversation_id, keys):
            report.add([problem])
        else:
            brought.add((proof.head.seq, proof.head.hash))
            size = max(size, parse_note(proof.note).size)
    start = after.seq if after else 0
    last = max([start, *(seq for event in events if (seq := _seq_of(event)) is not None)])
    heads = brought.union(observed.of_report(conversation_id, last, size))
    report.add(find_problems(conversation_id, events, after=after, observed=sorted(heads)))
    proven = []
    if report.problem_count == count:  # of a damaged trail nothing is proven
        proven = [event["seq"] for event in events if (event["seq"], event["current_hash"]) in heads]
        if not proven:
            detail = (
                f"nenhum ponto de verificação prova os eventos, {_span(start + 1, last)}" if events else "sem eventos"
            )
            if after and (after.seq, after.hash) in heads:
                detail += f"; só o nº {after.seq}, antes deles, está no registro"
            report.add([Problem(conversation_id, last, ProblemKind.UNPROVEN, detail)])
    signed = [seq for seq, _ in brought] + [seq for seq in [observed.highest(conversation_id)] if seq is not None]
    before = tuple(sorted(seq for seq, _ in brought if seq < start))
    report.coverage.append(
        Coverage(conversation_id, start + 1, last, max(proven, default=None), max(signed, default=None), before)
    )


@dataclass(frozen=True)
class _Proof:
    """That a head stands in the signed log: the way from its leaf to the root of a checkpoint."""

    head: Head
    index: int
    hashes: list[bytes]
    note: str

    @classmethod
    def read(cls, fields: Any) -> Self:
        hashes, index = [bytes.fromhex(each) for each in fields["proof"]], fields["leaf_index"]
        if type(index) is not int:
            raise TypeError("Not the place of a leaf")
        return cls(_head_of(fields["leaf"]), index, hashes, _text(fields["note"]))

    def problem(self, conversation_id: str, keys: Sequence[VerifierKey]) -> Problem | None:
        try:
            note = verify_by_one_of(self.note, keys)
        except NoteError as exc:
            return Problem(conversation_id, self.head.seq, ProblemKind.LOG_FORGED, str(exc))
        leaf = leaf_hash(leaf_bytes(self.head))
        fits = verify_inclusion(leaf, self.index, note.size, self.hashes, note.root)
        if not fits or self.head.conversation_id != conversation_id:
            detail = "a prova não leva deste evento à raiz assinada"
            return Problem(conversation_id, self.head.seq, ProblemKind.LOG_DAMAGED, detail)
        return None


def _head_of(fields: Any) -> Head:
    """Raises `KeyError`, `TypeError` or `ValueError` for what could not be a leaf."""
    head = parse_leaf(leaf_bytes(Head(fields["conversation_id"], fields["seq"], fields["hash"])))
    if head is None:
        raise ValueError("Not a head")
    return head


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("Not a text")
    return value


def _with_time(event: Any) -> dict[str, Any]:
    """The event as it is stored: JSON has no times. One that is written otherwise stays a text, which is malformed."""
    try:
        text = event["timestamp"]
        at = datetime.fromisoformat(text)
    except (KeyError, TypeError, ValueError):
        return {**event}
    is_ours = text.endswith("+00:00") and at.isoformat(timespec="microseconds") == text
    return {**event, "timestamp": at} if is_ours else {**event}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that stands twice means one thing to one reader and another to the next."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableReport("um nome aparece duas vezes no mesmo objeto")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Verifica uma trilha de auditoria exportada, só com a chave pública.",
        epilog="status de saída:\n  0   sem alterações\n  2   não foi possível verificar\nsenão, o mais grave:\n"
        + "\n".join(f"  {kind.status:<3} {kind.value}: {kind.label}" for kind in ProblemKind),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trail", type=Path, metavar="TRAIL.json", help="o relatório exportado, em JSON")
    parser.add_argument(
        "--pubkey", type=Path, required=True, metavar="FILE", help="a chave pública: uma linha por chave"
    )
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="cópia dos pontos de verificação: todos eles")
    parser.add_argument("--json", action="store_true", help="um objeto JSON em vez de texto")
    options = parser.parse_args(arguments)
    try:
        keys = parse_keys(options.pubkey.read_text())
        document = json.loads(options.trail.read_bytes(), object_pairs_hook=_object)
        with closing(ObservedHeads()) as observed:
            report = Report()
            if options.checkpoints:
                problems, newest = verify_log(checkpoints_in(options.checkpoints), keys, observed)
                report.add(problems)
                if newest is None and not problems:
                    raise UnreadableReport(f"não há pontos de verificação em {options.checkpoints}")
            verify_report(document, keys, observed, report)
    except (OSError, ValueError, RecursionError) as exc:
        print(f"Não foi possível verificar: {exc}", file=sys.stderr)
        return 2
    print(report.to_json() if options.json else report.to_text())
    return report.status


if __name__ == "__main__":
    sys.exit(main())
