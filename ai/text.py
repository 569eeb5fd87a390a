"""Portuguese text as people type it, brought to a form that rules can compare."""

import re
import unicodedata
from collections.abc import Collection


def fold(text: str) -> str:
    """Lower case without accents, emoji or stretched letters; of the punctuation only what rules look at stays."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    plain = re.sub(r"([a-z])\1{2,}", r"\1", plain)  # "oiiii", "queroooo"
    return " ".join(re.sub(r"[^\w\s/.,:;$?!%+@&-]", " ", plain).split())


def mend_typos(folded: str, vocabulary: Collection[str]) -> str:
    """Replace each word that is one slip away from exactly one word of the vocabulary ("sitema", "entergador").

    Words shorter than six letters and words of the vocabulary itself stay. One slip: a letter missing, added,
    changed, or two neighbours swapped.
    """
    return re.sub(r"[a-z]{6,}", lambda m: _mend(m[0], vocabulary), folded)


def _mend(word: str, vocabulary: Collection[str]) -> str:
    if word in vocabulary:
        return word
    close = [known for known in vocabulary if known[0] == word[0] and _one_slip(word, known)]
    return close[0] if len(close) == 1 else word


def _one_slip(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    if len(a) != len(b):
        longer, shorter = (rest_a, rest_b) if len(a) > len(b) else (rest_b, rest_a)
        return longer[1:] == shorter
    return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
