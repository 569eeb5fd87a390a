"""What the classifier keeps about people: readings of what they wrote, masked."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pyloto.documents import Query, get_store, read_all
from pyloto.documents.removal import owned_by
from pyloto.privacy import registry
from pyloto.privacy.access import row_of
from pyloto.privacy.registry import AccessSection, Aged, Place, RetentionRule, Subject
from pyloto.privacy.removal import owned_step

from .models import Classification

registry.register(owned_step("ai.classifications", "Classificações de mensagens", Classification.collection))


def _rows(subject: Subject) -> Iterator[dict[str, Any]]:
    for user_key in subject.user_keys:
        found = [
            Classification.from_snapshot(s) for s in get_store().query(owned_by(Classification.collection, user_key))
        ]
        for classification in sorted(found, key=lambda classification: classification.created_at):
            yield row_of(classification, leave_out=("user_key", "conversation_id", "context_digest"))


def _old(cutoff: datetime, place: Place | None) -> Iterator[Aged]:
    query = Query(Classification.collection, where=(("created_at", "<=", cutoff),), start_after=place)
    for snapshot in read_all(query):
        yield Aged((snapshot.path,), snapshot.data["created_at"], snapshot.data.get("user_key", ""))


registry.register(
    AccessSection(
        "ai.classifications",
        "Classificações",
        _rows,
        note="O que o assistente entendeu de cada mensagem, com a versão das regras (LGPD, art. 20). O texto é mascarado.",
        columns=("criada em", "texto mascarado", "intenção", "confiança", "origem", "versão do prompt"),
    ),
    RetentionRule("ai.classifications", "Classificações de mensagens", "RETENTION_CLASSIFICATIONS_DAYS", _old),
)
