"""The facts that a profile holds: how they are cleaned, compared and found again."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, encrypt
from pyloto.privacy.hashing import identity_keys

from .models import Identity, UserProfile

ENCRYPTED = ("phone", "wa_id", "bsuid", "username")
PLAIN = ("name", "city", "is_business", "business_name", "role", "lead_score", "qualification_level")
FACTS = (*ENCRYPTED, *PLAIN)  # what the history of a profile tells of
TEXT_MAX = {"name": 200, "business_name": 200, "city": 120, "role": 120}  # characters

Changes = dict[str, list[Any]]  # {field: [old, new]}


def facts_of(profile: UserProfile | None) -> dict[str, Any]:
    """All facts in the plain; those of an empty profile where there is none.

    One that cannot be decrypted is None, with an alert: whatever is learnt next takes its place.
    """
    profile = profile or UserProfile()
    facts: dict[str, Any] = {field: getattr(profile, field) for field in PLAIN}
    for field in ENCRYPTED:
        try:
            facts[field] = profile.reveal(field)
        except DecryptionFailed:
            alert("profile_unreadable", user_key=profile.pk, field=field)
            facts[field] = None
    return facts


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """The facts named in `after` whose values are others than in `before`; both hold them in the plain."""
    return {field: [before[field], after[field]] for field in FACTS if field in after and after[field] != before[field]}


def stored(user_key: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as the document holds them."""
    path = f"{UserProfile.collection}/{user_key}"
    return {
        field: (encrypt(value, path=path, field=field) if value else None) if field in ENCRYPTED else value
        for field, value in facts.items()
    }


def search_fields(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a profile with these facts is found by, besides the identity index."""
    username = facts["username"]
    return {
        "name_search": fold(facts["name"]),
        "city_search": fold(facts["city"]),
        "search_words": sorted({*words_of(facts["name"]), *words_of(facts["business_name"])}),
        # A username counts as an identity only where nothing else is known, so it may be missing in that index.
        "username_key": identity_keys(Identity.Kind.USERNAME.value, username.lower())[0] if username else "",
    }


def fold(text: str) -> str:
    """A text as it is searched: lower case, without accents, words parted by single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(char for char in decomposed if not unicodedata.combining(char)).split())[:200]


def words_of(text: str) -> list[str]:
    """The folded words: runs of letters and digits."""
    return "".join(char if char.isalnum() else " " for char in fold(text)).split()


def clean_text(text: str) -> str:
    """One line, without control and format characters: invisible ones, and those that turn the writing's direction."""
    kept = (" " if char.isspace() else char for char in text if char.isspace() or unicodedata.category(char)[0] != "C")
    return " ".join("".join(kept).split())
