"""Reading answers as Brazilians type them: a module for each kind of answer. Pure."""

from .choices import chosen
from .deadlines import find_deadline, read_deadline, settled
from .money import find_money, read_money
from .names import find_company, is_amount, is_name, read_company, read_name, read_text, read_thing
from .numbers import find_people, find_per_month, read_count, read_per_month
from .places import STATES, find_city, lacks_state, lacks_town, other_town, read_city, read_state, read_town, town_in
from .words import SHORT_MAX, TEXT_MAX, UNKNOWN, Finder, Found, Reader, cleaned, found, one_of, plain, reader, squeezed
from .yes_no import is_no, is_only_refusal, is_refusal, is_yes

__all__ = [
    "SHORT_MAX", "STATES", "TEXT_MAX", "UNKNOWN", "Finder", "Found", "Reader", "chosen", "cleaned", "find_city", "find_company", "find_deadline",
    "find_money", "find_people", "find_per_month", "found", "is_amount", "is_name", "is_no", "is_only_refusal", "is_refusal", "is_yes", "lacks_state", "lacks_town", "one_of", "other_town", "plain", "read_city", "read_company",
    "read_count", "read_deadline", "read_money", "read_name", "read_per_month", "read_state", "read_text", "read_thing", "read_town", "reader",
    "settled", "squeezed", "town_in",
]  # fmt: skip
