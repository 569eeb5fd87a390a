"""Every row of the fault matrix is broken by the chaos test, or names the test that shows it."""

import re
from pathlib import Path

from django.conf import settings

from tests.chaos import run  # noqa: F401 - it imports all faults
from tests.chaos.faults import FAULTS

LAST = {"A": 20, "B": 14, "C": 9, "D": 10, "G": 4, "H": 6}
ROWS = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]


def table() -> dict[str, str]:
    """The last column of docs/chaos.md, by row."""
    text = (settings.BASE_DIR / "docs" / "chaos.md").read_text()
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| [A-H]\d", line)]
    return {cells[0]: cells[-1] for cells in lines}


def test_the_table_has_every_row_and_each_is_broken_or_shown_elsewhere() -> None:
    found = table()
    assert [row for row in ROWS if row not in found] == []
    broken = {fault.rstrip("+") for fault in FAULTS}
    assert [row for row, where in found.items() if where == "chaos" and row.rstrip("+") not in broken] == []
    assert {row for row, where in found.items() if where != "chaos"} == {"C7", "C8", "G4"}


def test_every_fault_stands_in_the_table() -> None:
    text = (settings.BASE_DIR / "docs" / "chaos.md").read_text()
    assert [fault for fault in FAULTS if fault not in text] == []


def test_the_tests_that_the_table_names_exist() -> None:
    text = (settings.BASE_DIR / "docs" / "chaos.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert named
    assert [name for name in named if not Path(settings.BASE_DIR / name).exists()] == []
