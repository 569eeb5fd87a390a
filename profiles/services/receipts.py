"""The receipt of an erasure: what was removed, what stays and why. For the person who asked, in Portuguese."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from profiles.models import Erasure
from pyloto.privacy.registry import erasure_steps

_STAYS = (
    (
        "Trilha de auditoria das conversas",
        "Só códigos, contagens e identificadores aleatórios: cumpre obrigação legal e prova o que foi feito (LGPD, art. 16, I).",
    ),
    (
        "Registro deste apagamento",
        "O identificador aleatório do cliente, o motivo e as datas, para apagar de novo se um backup antigo for restaurado.",
    ),
    (
        "Marcas contra mensagens repetidas",
        "Resumos criptográficos dos identificadores de mensagens, sem conteúdo. Expiram sozinhas em até {dedupe_days} dias.",
    ),
    (
        "Registros técnicos do sistema (logs)",
        "Eventos, códigos e identificadores aleatórios, sem nome, contato nem texto. Expiram no prazo da política de logs.",
    ),
    (
        "Mensagens no WhatsApp",
        "A Meta, a operadora e o aparelho do próprio cliente têm suas cópias, que não estão sob nosso controle.",
    ),
    (
        "O que outras pessoas escreveram",
        "Menções ao cliente nas conversas de outras pessoas pertencem a elas.",
    ),
    (
        "Cópias de segurança",
        "Expiram no prazo da política de backup. Se uma for restaurada antes disso, este apagamento é refeito.",
    ),
)


def what_stays() -> tuple[tuple[str, str], ...]:
    """(what, why)"""
    return tuple((what, why.format(dedupe_days=settings.DEDUPE_TTL_DAYS)) for what, why in _STAYS)


HELD = (
    "Guarda legal",
    "O cliente estava sob guarda legal; o apagamento foi feito por ordem de autoridade.",
)
NEXT = {
    Erasure.Step.STARTED: "Em andamento: o cliente já está desligado e os dados estão sendo removidos.",
    Erasure.Step.REMOVED: "Dados removidos; falta a varredura final.",
    Erasure.Step.COMPLETED: "Concluído.",
}


@dataclass(frozen=True)
class Receipt:
    """`removed`: (name of the step, its label, how many). Holds no personal data."""

    user_key: str
    merged_keys: tuple[str, ...]
    conversation_ids: tuple[str, ...]
    step: Erasure.Step
    reason: Erasure.Reason
    requested_by: str
    requested_at: datetime
    scan_at: datetime | None
    completed_at: datetime | None
    removed: tuple[tuple[str, str, int], ...]
    stays: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, journal: Erasure) -> "Receipt":
        return cls(
            user_key=journal.pk,
            merged_keys=tuple(journal.user_keys[1:]),
            conversation_ids=tuple(journal.conversation_ids),
            step=Erasure.Step(journal.step),
            reason=Erasure.Reason(journal.reason),
            requested_by=journal.requested_by,
            requested_at=journal.requested_at,
            scan_at=journal.scan_at,
            completed_at=journal.completed_at,
            removed=_removed(journal.counts),
            stays=(HELD, *what_stays()) if journal.on_hold else what_stays(),
        )

    @property
    def is_complete(self) -> bool:
        return self.step == Erasure.Step.COMPLETED

    @property
    def status(self) -> str:
        """In Portuguese, for screens."""
        return NEXT[self.step]

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "cliente": self.user_key,
            "clientes_unidos": list(self.merged_keys),
            "conversas": list(self.conversation_ids),
            "situacao": self.step.value,
            "situacao_texto": self.status,
            "motivo": self.reason.value,
            "motivo_texto": self.reason.label,
            "pedido_por": self.requested_by,
            "pedido_em": self.requested_at.isoformat(),
            "varredura_final_em": self.scan_at.isoformat() if self.scan_at else None,
            "concluido_em": self.completed_at.isoformat() if self.completed_at else None,
            "removido": [
                {"passo": name, "descricao": label, "quantidade": count} for name, label, count in self.removed
            ],
            "permanece": [{"o_que": what, "por_que": why} for what, why in self.stays],
        }

    def to_text(self) -> str:
        lines = [
            "Recibo de apagamento de dados pessoais",
            "",
            f"Cliente: {self.user_key}",
            *(f"  unido a ele: {user_key}" for user_key in self.merged_keys),
            f"Situação: {self.status}",
            f"Motivo: {self.reason.label}",
            f"Pedido: {_local(self.requested_at)}, por {self.requested_by}",
        ]
        if self.scan_at:
            lines.append(f"Varredura final: a partir de {_local(self.scan_at)}")
        if self.completed_at:
            lines.append(f"Conclusão: {_local(self.completed_at)}")
        lines += ["", "O que foi removido" if self.is_complete else "O que é removido"]
        lines += [f"  {count:>7}  {label}" for _, label, count in self.removed if count] or ["  nada foi encontrado"]
        lines += ["", "O que permanece, e por quê"]
        lines += [f"  {what}: {why}" for what, why in self.stays]
        return "\n".join(lines) + "\n"


def _removed(counts: Mapping[str, int]) -> tuple[tuple[str, str, int], ...]:
    """All that is looked for; a step of another release has only its name."""
    steps = erasure_steps()
    known = [(step.name, step.label, counts.get(step.key, 0)) for step in steps]
    others = sorted(counts.keys() - {step.key for step in steps})
    return (*known, *((key, key, counts[key]) for key in others))


def _local(at: datetime) -> str:
    return timezone.localtime(at).strftime("%d/%m/%Y %H:%M:%S")
