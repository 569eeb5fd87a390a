"""Finding customers by what staff know of them: phone, name, company, city, what WhatsApp calls them."""

from dataclasses import dataclass

from profiles.facts import clean_text, fold, words_of
from profiles.models import Identity
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.privacy.hashing import identity_keys
from pyloto.privacy.phones import InvalidPhone, canonical_phone, canonical_wa_id

TERM_MAX = 100  # characters
RESULTS_MAX = 50
WORD_HITS_MAX = 2000  # looked at for one word, to find those who have the others too
profiles = UserProfileStore()
identities = IdentityStore()


@dataclass(frozen=True)
class Found:
    """Those who are known by the term first, then those whose name, company or city fits. `more`: not all are named."""

    user_keys: list[str]
    more: bool = False


def search(term: str, *, limit: int = RESULTS_MAX) -> Found:
    """A phone in any spelling, a business-scoped id, "@username", the beginning of a name or of a city, whole words.

    Who was merged is found by their identifiers as the customer that they belong to now, by name as themselves.
    """
    term = clean_text(term)[:TERM_MAX]
    if not fold(term):
        return Found([])
    keys, cut = _by_identifier(term), False
    if not term.startswith("@"):
        by_text, cut = _by_text(fold(term), limit=limit + 1)
        keys += by_text
    keys = list(dict.fromkeys(keys))
    return Found(keys[:limit], more=cut or len(keys) > limit)


def _by_identifier(term: str) -> list[str]:
    username = term.removeprefix("@").lower()
    values = [(Identity.Kind.BSUID, term), (Identity.Kind.USERNAME, username)]
    values += [(Identity.Kind.PHONE, phone) for phone in phones_in(term)]
    ids = [key for kind, value in values for key in identity_keys(kind.value, value)]
    found = identities.find_many(ids)
    owners = dict.fromkeys(found[key].user_key for key in ids if key in found)
    keys = list(profiles.find_many(owners))  # before the first turn there is nothing to be shown
    if username and " " not in username:
        by_username = identity_keys(Identity.Kind.USERNAME.value, username)
        keys += profiles.find_by_username_keys(by_username, limit=RESULTS_MAX)
    return keys


def phones_in(term: str) -> list[str]:
    """The canonical phones that the term may stand for: a Brazilian number without country code, an international one."""
    digits = "".join(char for char in term if char in "0123456789")
    if digits.startswith("00"):  # as it is dialled
        digits = digits.removeprefix("00")
        term = f"+{digits}"
    found = []
    for read, text in ((canonical_phone, term), (canonical_wa_id, digits)):
        try:
            found.append(read(text))
        except InvalidPhone:
            continue
    return list(dict.fromkeys(found))


def _by_text(folded: str, *, limit: int) -> tuple[list[str], bool]:
    """The keys, and whether there may be more that were not looked at."""
    keys, cut = profiles.find_by_prefix("name_search", folded, limit=limit), False
    words = words_of(folded)
    if words:
        with_words, cut = _with_words(words, limit)
        keys += with_words
    return keys + profiles.find_by_prefix("city_search", folded, limit=limit), cut


def _with_words(words: list[str], limit: int) -> tuple[list[str], bool]:
    """One word is asked for, the longest: it fits the fewest. The others are looked for among what it finds."""
    longest = max(words, key=len)
    keys: list[str] = []
    for number, profile in enumerate(profiles.with_word(longest)):
        if len(keys) == limit or number == WORD_HITS_MAX:
            return keys, True
        if set(words) <= set(profile.search_words):
            keys.append(profile.pk)
    return keys, False
