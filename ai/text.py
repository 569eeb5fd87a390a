"""Portuguese text as people type it, brought to a form that rules can compare. Pure."""

import re
import unicodedata
from functools import lru_cache

# Words whose typos are mended. Ordinary words that stand one slip away from one of these are listed too: they stay.
_VOCABULARY = frozenset(re.findall(r"\w+", """
    aplicativo aplicativos atendente atendimento atendentes automatizar cadastrar chatbot desenvolver encomenda endereco
    entrega entregador entregadora entregadores entregar entregas gostaria horario horarios humana humano humanos lojista
    motoboy motoboys motoqueiro orcamento pedido perdido pessoa pessoal pessoas plataforma precisamos preciso programa
    restaurante sistema sistemas sisteminha sistematico software telefone trabalhar urgente whatsapp
"""))  # fmt: skip
# As they are typed on a phone; what stands for two words is here too.
_TYPED = {
    **dict.fromkeys(("kero", "qero", "qro", "qru", "keru"), "quero"), **dict.fromkeys(("kria", "qria", "keria", "qeria"), "queria"),
    "q": "que", "n": "nao", "oq": "o que", "cm": "com", "kd": "cade", "vdd": "verdade", "hrs": "horas", "dum": "de um", "duma": "de uma",
    "ces": "voces", "ceis": "voces", "ocs": "voces", "faze": "fazer",
}  # fmt: skip
_NO_R = (  # infinitives whose last letter nobody hears: "quero trabalha", "pra fala"
    r"\b(quero|queria|preciso|precisava|precisando|posso|podem?|gostaria de|vou|pra|para|como)"
    r" (fala|cadastra|trabalha|entra|manda|busca|leva|pega|contrata|roda|automatiza|organiza|solicita|retira|vira|chama|ganha)\b"
)
_WITH = r"\bc/? ?(?!(?:e|eh|ta|tem|faz|pode|sabe|vai|quer|acha|esta)\b)(?<=[ /])(?=[a-z])"  # "falar c alguem", "c/ vcs"; "c" may also be "cê"
LENGTH_MAX = 4096  # what a customer can write in one message; of more, the beginning is read


def fold(text: str) -> str:
    """Lower case without accents, emoji or stretched letters; of the punctuation only what rules look at stays."""
    letters = unicodedata.normalize("NFKD", text[:LENGTH_MAX].lower())
    # Invisible characters (category Cf) inside of a word part nothing.
    plain = "".join(c for c in letters if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    plain = re.sub(r"([a-z])\1{2,}", r"\1", plain)  # "oiiii", "queroooo"
    return " ".join(re.sub(r"[^\w\s/.,:;$?!%+@&-]", " ", plain).split())


def normalise(text: str) -> str:
    """Folded, in whole words, and each long word that is one slip away from exactly one word that rules know is that word.

    One slip: a letter missing, added or changed, or two neighbours swapped ("sitema", "motoboi", "etnregador").
    """
    mended = re.sub(r"[a-z]{6,}", lambda match: _mend(match[0]), fold(text))
    typed = re.sub(r"\b[a-z]{1,5}\b", lambda match: _TYPED.get(match[0], match[0]), mended)
    return re.sub(_NO_R, r"\1 \2r", re.sub(_WITH, "com ", typed))


@lru_cache(maxsize=4096)
def _mend(word: str) -> str:
    if word in _VOCABULARY:
        return word
    close = [known for known in _VOCABULARY if known[0] == word[0] and one_slip(word, known)]
    return close[0] if len(close) == 1 else word


def one_slip(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    if len(a) != len(b):
        longer, shorter = (rest_a, rest_b) if len(a) > len(b) else (rest_b, rest_a)
        return longer[1:] == shorter
    return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
