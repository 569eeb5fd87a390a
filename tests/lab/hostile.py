"""Texts made to keep a regular expression busy, and a fuse for what reads them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Four times what is read of a turn: what takes the square of a text's length needs far more than the fuse allows.
LENGTH = 32_768
FUSE_SECONDS = 5
REPEATED = (
    "1", "a", "A", "é", "Aa", "1a", "1.", "1 ", "a ", "um ", "mil ", "1.000", ",1", "-", "+", "@", "a@", "a.a.", " ", "\n",
    "1 a ", "entre 1 e ",
)  # fmt: skip
THEN_SPACES = ("1", "curitiba", "Irati", "ate 1", "r$ 1 a")


def texts(length: int = LENGTH) -> list[str]:
    repeated = [(part * length)[:length] for part in REPEATED]
    return repeated + [f"{word}{' ' * length}x" for word in THEN_SPACES]


@contextmanager
def fuse() -> Iterator[None]:
    """Break off what uses more than five seconds of this process's own time; waiting for a busy machine is not counted.

    No measurement: honest work needs a fifth of a second. The signal reaches into the regular expression at work.
    """
    before = signal.signal(signal.SIGVTALRM, _blow)
    signal.setitimer(signal.ITIMER_VIRTUAL, FUSE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _blow(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"Still not done after {FUSE_SECONDS} seconds of processor time")
