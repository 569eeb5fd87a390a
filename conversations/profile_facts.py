"""What the profile answers before it is asked, and what answers teach the profile. Pure."""

from collections.abc import Mapping
from typing import Any

from profiles.models import UserProfile

from . import answers
from .answers import COMPANY, PERSON, UNKNOWN
from .flows import Flow
from .intents import Intent


def from_profile(flow: Flow, profile: Mapping[str, Any]) -> dict[str, str]:
    """The answers that the profile holds already."""
    known: dict[str, str] = {}
    for field in flow.fields:
        value = profile.get(field.profile) if field.profile else None
        if field.profile == "is_business":
            value = None if value is None else COMPANY if value else PERSON
        if field.profile == "name" and not answers.is_name(str(value or "")):
            continue  # what WhatsApp shows may be an emoji
        if value:
            known[field.name] = str(value)
    return known


def to_profile(flow: Flow, collected: Mapping[str, str]) -> dict[str, Any]:
    """What the answers say about the customer, as fields of the profile."""
    learnt: dict[str, Any] = {}
    for field in flow.fields:
        value = collected.get(field.name)
        if not field.profile or value in (None, UNKNOWN):
            continue
        if field.profile == "city" and "/" not in str(value):
            continue  # no town that is known: good for this talk, and not for all that follow
        learnt[field.profile] = value != PERSON if field.profile == "is_business" else value
    if flow.intent == Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP:
        learnt["is_business"] = True
    return learnt


def known_facts(profile: UserProfile | None, learnt: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that questions can be saved by: the profile's, and those of this turn on top."""
    names = ("name", "city", "is_business", "business_name", "role")
    return {name: getattr(profile, name) for name in names if profile is not None} | dict(learnt)
