"""Facts and changes as staff read them."""

from typing import Any

from .facts import Changes

FIELDS = {
    "phone": "Telefone",
    "wa_id": "Número no WhatsApp",
    "bsuid": "Id do WhatsApp",
    "username": "Nome de usuário",
    "name": "Nome",
    "city": "Cidade",
    "is_business": "É empresa",
    "business_name": "Empresa",
    "role": "Função",
    "lead_score": "Pontuação",
    "qualification_level": "Qualificação",
    "dismissed_candidates": "Possíveis duplicatas",
}
LEVELS = {"low": "Baixa", "medium": "Média", "high": "Alta"}


def field_label(field: str) -> str:
    return FIELDS.get(field, field)


def value_label(field: str, value: Any) -> str:
    """Empty where nothing is known."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "Sim" if value else "Não"
    if field == "qualification_level":
        return LEVELS.get(value, str(value))
    return f"@{value}" if field == "username" else str(value)


def changes_told(changes: Changes) -> list[tuple[str, str, str]]:
    """(field, old value, new value) of each."""
    return [
        (field_label(field), value_label(field, old) or "vazio", value_label(field, new) or "vazio")
        for field, (old, new) in changes.items()
    ]
