"""What a system is wanted for, and what it must be able to do. Pure."""

import re

from .words import TEXT_MAX, Found, plain


def find_problem(text: str) -> Found | None:
    """A first message that says what the system is for: "preciso de um app para controlar as entregas"."""
    folded = plain(text)
    match = re.search(
        r"\b(sistem\w+|app\w*|aplicativo\w*|site|software|plataforma|programa\w*|loja virtual|painel)\b( \w+)?\s+"
        r"(?:(?:para|pra|pro|que)\s+(?:\w+\s+){0,3}?(?:\w{2,}[aei]r|\w{2,}[aei]sse|por|faca|controle|organize|cuide|gerencie|ajude|mostre|avise)\b"
        r"|de\s+(?:controle|gestao|vendas?|estoque|agend\w+|delivery|pedidos?|cadastro\w*|cobranca\w*|financas|treinos?|entregas?|reservas?)\b)"
        r"|\b(meu|nosso|o) problema e\b",
        folded,
    )
    return Found(" ".join(text.split())[:TEXT_MAX], match.start(), match.end()) if match else None


def find_features(text: str) -> Found | None:
    match = re.search(
        r"\b(precisa(ria)? ter|tem que ter|deve(ria)? ter|funcionalidades?|funcoes)\b:?\s+(?P<what>.{8,})",
        plain(text),
        re.S,
    )
    if not match:
        return None
    what = " ".join(text[match.start("what") : match.end("what")].split())
    return Found(what[:TEXT_MAX], match.start(), match.end())
