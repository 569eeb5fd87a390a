"""The list of all faults, by their rows in docs/chaos.md. Each module `faults_*.py` adds those of its letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lab import Lab

Inject = Callable[["Lab"], None]
SHORT = 12  # seconds: with a reply that waits for its doubt to end


@dataclass(frozen=True)
class Fault:
    """`inject` breaks something, waits for what it must lead to, and raises `Unexpected` where that does not come.

    What is still broken when it returns is mended for it. `lasts`: seconds from its beginning until all that it leaves
    behind is settled, on a quiet machine. `only_with`: the backend of the documents without which it makes no sense.
    """

    row: str
    title: str
    inject: Inject
    lasts: int = SHORT
    only_with: str = ""


FAULTS: dict[str, Fault] = {}


class Unexpected(AssertionError):
    """The product did something else than the row says."""


def fault(row: str, title: str, *, lasts: int = SHORT, only_with: str = "") -> Callable[[Inject], Inject]:
    """Adds the function to the list."""

    def add(inject: Inject) -> Inject:
        assert row not in FAULTS, row
        FAULTS[row] = Fault(row, title, inject, lasts, only_with)
        return inject

    return add
