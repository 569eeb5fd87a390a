"""What a system is wanted for and must be able to do, and what an attendance lacks. Pure."""

import re

from .words import LONE_MAX, TEXT_MAX, Found, cleaned, plain, squeezed


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


_TASK = re.compile(
    r"(?:(?:e|eh|seria|era|precis(?:o|amos|ava)|quer(?:o|emos|ia)|pra|para|p) ){0,3}"
    r"(?:controlar|organizar|gerenciar|gerir|automatizar|administrar|registrar|anotar|emitir|juntar|vender(?! (?:a |o )?(?:minha |meu |nossa |nosso )?(?:loja|empresa|negocio|moto|carro|casa|ponto)\b)) (?!mais\b)\w+ ?.*"
)
_PAIN = re.compile(
    r"\bnao (?:consig\w+|damos?|da|dou) (?:conta|respond\w+|atend\w+)\b(?! (?:iss?o|ess[ae]|est[ae]|agora|a pergunta))|\b(?<!nao )(?<!nunca )(?:demor\w+|atras\w+)\b.{0,20}\b(?:respond\w+|respostas?|atend\w+)"
    r"|(?<!nao )(?<!nunca )(?<!nem )\bper[cd]\w+\b.{0,12}\b(?:vendas?|clientes?|mensage\w+|pedidos?)\b"
)
_GOAL = re.compile(
    r"(?:(?:quer(?:o|emos|ia)|gostaria de|pra|para|e) ){0,3}(?:vender mais|agendar mais|ganhar tempo|nao perder \w+"
    r"|(?:responder|atender) (?:mais )?(?:rapido|melhor|todos|todo mundo|a noite))\b.*"
)
_US = re.compile(r"\b(?:voces?|vcs?|pyloto)\b")


def lone_problem(text: str) -> str | None:
    """ "controlar o estoque da loja": what a system does, and nothing that is asked of us."""
    return cleaned(text) if _TASK.fullmatch(_said(text)) else None


def lone_pain(text: str) -> str | None:
    return cleaned(text) if _PAIN.search(_said(text)) else None


def lone_goal(text: str) -> str | None:
    return cleaned(text) if _GOAL.fullmatch(_said(text)) else None


def _said(text: str) -> str:
    """Empty where the message is long, or about us."""
    said = squeezed(text) if len(text) <= LONE_MAX else ""
    return "" if _US.search(said) else said
