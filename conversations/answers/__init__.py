"""Reading answers as Brazilians type them: a module for each kind of answer. Pure."""

from .availability import find_availability, lone_availability, read_availability
from .channels import CHANNEL_CHOICES, find_channels, read_channels
from .choices import chosen
from .clients import (
    COMPANY,
    PERSON,
    SELF_EMPLOYED,
    find_business,
    find_client_type,
    find_role,
    lone_business,
    lone_client_type,
    lone_segment,
    read_client_type,
)
from .deadlines import find_deadline, read_deadline, settled
from .money import find_money, lone_budget, lone_monthly_budget, read_money
from .names import find_company, is_name, lone_company, lone_name, read_company, read_name, read_text, read_thing
from .numbers import find_people, find_per_month, lone_people, read_count, read_per_month
from .places import find_city, lacks_state, lacks_town, lone_town, other_town, read_city, read_state, read_town, town_in
from .vehicles import find_vehicle, lone_vehicle, read_vehicle
from .wishes import find_features, find_problem, lone_goal, lone_pain, lone_problem
from .words import SENTENCE_WORDS_MIN, TEXT_MAX, UNKNOWN, Finder, Found, Reader, cleaned, plain, squeezed
from .yes_no import is_no, is_only_refusal, is_refusal, is_yes

__all__ = [
    "CHANNEL_CHOICES", "COMPANY", "PERSON", "SELF_EMPLOYED", "SENTENCE_WORDS_MIN", "TEXT_MAX", "UNKNOWN", "Finder",
    "Found", "Reader", "chosen", "cleaned", "find_availability", "find_business", "find_channels", "find_city",
    "find_client_type", "find_company", "find_deadline", "find_features", "find_money", "find_people",
    "find_per_month", "find_problem", "find_role", "find_vehicle", "is_name", "is_no", "is_only_refusal",
    "is_refusal", "is_yes", "lacks_state", "lacks_town", "lone_availability", "lone_budget", "lone_business",
    "lone_client_type", "lone_company", "lone_goal", "lone_monthly_budget", "lone_name", "lone_pain", "lone_people",
    "lone_problem", "lone_segment", "lone_town", "lone_vehicle", "other_town", "plain", "read_availability",
    "read_channels", "read_city", "read_client_type", "read_company", "read_count", "read_deadline", "read_money",
    "read_name", "read_per_month", "read_state", "read_text", "read_thing", "read_town", "read_vehicle", "settled",
    "squeezed", "town_in",
]  # fmt: skip
