"""The Portuguese labels of the codes that documents hold."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import TextChoices
from django.utils import timezone

from .intents import Intent

MONTHS = (
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
)


def label_of(choices: type[TextChoices], code: str | None) -> str:
    """A code that we do not know stands for itself."""
    return str(dict(choices.choices).get(code or "", code) or "-")


def intent_labels(intents: Iterable[str | Mapping[str, Any]]) -> str:
    """Entries are codes, or {"intent": code, …}."""
    codes = [entry.get("intent") if isinstance(entry, Mapping) else entry for entry in intents]
    return ", ".join(label_of(Intent, code) for code in codes) or "-"


def day_name(day: date, today: date) -> str:
    match (today - day).days:
        case 0:
            return "Hoje"
        case 1:
            return "Ontem"
    return f"{day.day} de {MONTHS[day.month - 1]} de {day.year}"


def moment(at: datetime) -> str:
    """Local time, with the day where it is not today's."""
    local, today = timezone.localtime(at), timezone.localdate()
    if local.date() == today:
        return f"{local:%H:%M}"
    if abs((local.date() - today).days) == 1:
        return f"{'ontem' if local.date() < today else 'amanhã'}, {local:%H:%M}"
    return f"{local:%d/%m/%Y %H:%M}"


def duration_label(duration: timedelta) -> str:
    """In the largest unit that tells it: "menos de 1 min", "12 min", "3 h 20 min", "2 dias"."""
    minutes = int(duration.total_seconds() // 60)
    if minutes < 1:
        return "menos de 1 min"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    days = minutes // (24 * 60)
    return "1 dia" if days == 1 else f"{days} dias"
