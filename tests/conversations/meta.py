"""The way to Meta in any weather: what arrived there, in which order, and what the worker is told of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from conversations.whatsapp.client import Accepted, Ambiguous, NotSent, Rejected, SendResult
from conversations.whatsapp.errors import ErrorClass

from .outside import WorkerDied

REFUSED = {
    "429": Rejected(130429, ErrorClass.RETRY),
    "pair limit": Rejected(131056, ErrorClass.RETRY),
    "permanent": Rejected(131026, ErrorClass.PERMANENT),
    "no connection": NotSent("ConnectTimeoutError"),
}
WEATHER = (*REFUSED, "dies before", "dies after", "lost request", "lost answer")


class Meta:
    """Stands where the client does. `weather` holds what happens to the next sends; `during` what else does then."""

    def __init__(self) -> None:
        self.weather: list[str] = []
        self.during: list[Callable[[str], object]] = []
        self.arrived: Counter[str] = Counter()
        self.order: list[str] = []
        self.reported: set[str] = set()

    def send_response(self, *, callback_data: str, **_: Any) -> SendResult:
        weather = self.weather.pop(0) if self.weather else "fine"
        if weather == "dies before":
            raise WorkerDied
        if weather in REFUSED:
            return REFUSED[weather]
        if weather == "lost request":
            return Ambiguous("ReadTimeoutError")
        self.arrived[callback_data.partition(".")[2]] += 1
        self.order.append(callback_data.partition(".")[2])
        if self.during:
            self.during.pop(0)(callback_data)
        if weather == "dies after":
            raise WorkerDied
        return Ambiguous("ReadTimeoutError") if weather == "lost answer" else Accepted(f"wamid.{len(self.order)}")

    def mark_read(self, **_: Any) -> bool:
        return True
