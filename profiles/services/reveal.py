"""Showing a customer's contact in the plain: only with a reason, and only after the trail has recorded it."""

import uuid
from dataclasses import dataclass
from datetime import datetime

import redis
from django.db.models import TextChoices

from audit import Event, EventType, event_id
from audit.trails import commit_with_events
from profiles.facts import facts_of
from profiles.stores import UserProfileStore
from pyloto.errors import PermanentError, TransientError
from pyloto.observability.alerts import alert
from pyloto.observability.correlation import current_correlation_id
from pyloto.redis_client import get_redis

REVEALS_PER_HOUR = 30  # of one user: more than a day's work at the phone, less than a customer base
profiles = UserProfileStore()


class RevealReason(TextChoices):
    CALL_BACK = "CALL_BACK", "Falar com o cliente"
    DATA_CHECK = "DATA_CHECK", "Conferir o cadastro"
    CUSTOMER_REQUEST = "CUSTOMER_REQUEST", "Pedido do próprio cliente"
    SECURITY = "SECURITY", "Suspeita de fraude ou abuso"
    AUTHORITY = "AUTHORITY", "Ordem de autoridade"


@dataclass(frozen=True)
class Contact:
    """In the plain; empty where the customer has none, None where it cannot be read any more."""

    phone: str | None
    wa_id: str | None
    bsuid: str | None
    username: str | None


class TooManyReveals(PermanentError):
    """This user has revealed as many contacts as an hour allows."""


class RevealUnavailable(TransientError):
    """Nobody could count or record it, so nothing is shown."""


def reveal_contact(*, user_key: str, reason: RevealReason, actor: str, now: datetime) -> Contact:
    """Record that `actor` sees the contact, then give it.

    Raises `NotFound`, `TooManyReveals`, `RevealUnavailable`; what `commit_with_events` raises.
    """
    profile = profiles.get(user_key)
    _count(actor, now)
    event = Event(
        event_id("contact-revealed", user_key, uuid.uuid4().hex),
        EventType.CONTACT_REVEALED,
        actor,
        now,
        metadata={"reason": RevealReason(reason).value},
        correlation_id=current_correlation_id(),
    )
    commit_with_events(user_key=user_key, events=[event])
    facts = facts_of(profile)
    return Contact(**{field: facts[field] for field in ("phone", "wa_id", "bsuid", "username")})


def _count(actor: str, now: datetime) -> None:
    """By the hour of the clock. A Redis that forgets allows more; the trail tells of each one all the same."""
    key = f"reveals:{actor}:{now:%Y%m%d%H}"
    try:
        pipeline = get_redis().pipeline()
        pipeline.incr(key)
        pipeline.expire(key, 3600)
        count, _ = pipeline.execute()
    except redis.RedisError as exc:
        raise RevealUnavailable("the reveals of this hour cannot be counted") from exc
    if count > REVEALS_PER_HOUR:
        alert("reveals_exceeded", actor=actor)
        raise TooManyReveals(f"More than {REVEALS_PER_HOUR} reveals in an hour")
