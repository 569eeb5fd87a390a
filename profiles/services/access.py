"""What a person gets to read about themselves (LGPD art. 18): as a dict for JSON, and as PDF.

Each app registers its chapters with `pyloto.privacy.registry`. No report without its events in the person's trail.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.utils import timezone

from audit import Event, EventType, event_id, trails
from profiles import processing
from profiles.services.erasure import UnknownCustomer, is_there
from profiles.services.subjects import subject_of
from pyloto.pdf import Document
from pyloto.privacy import registry
from pyloto.privacy.registry import AccessSection, Subject

Format = Literal["json", "pdf"]

ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d")


def access_report(*, user_key: str, actor: str, now: datetime, format: Format = "json") -> dict[str, Any]:  # noqa: A002
    """Everything that is stored about the person, whichever of their keys is given; JSON-able, in Portuguese.

    {"titulo", "protocolo", "gerado_em", …, "secoes": [{"nome", "titulo", "observacao", "colunas", "registros"}]}.
    `format` is what the events say that it is made for. Raises `UnknownCustomer`, and what `commit_with_events` raises:
    `CustomerErased`, `TrailContended`.
    """
    subject = subject_of(user_key)
    if not is_there(subject):
        raise UnknownCustomer("nothing is kept about this customer")
    request_id = secrets.token_hex(8)
    metadata = {"kind": "access_request", "format": format, "request_id": request_id}
    _record(EventType.EXPORT_REQUESTED, subject, actor=actor, now=now, metadata=metadata)
    chapters = sorted(
        registry.access_sections(), key=lambda section: section.name.startswith("audit.")
    )  # the trail last
    sections = [_section(chapter, subject) for chapter in chapters]
    records = sum(len(section["registros"]) for section in sections)
    report = _introduction(subject, request_id=request_id, now=now) | {"secoes": sections}
    _record(EventType.EXPORT_GENERATED, subject, actor=actor, now=now, metadata={**metadata, "records": records})
    return report


def access_json(report: Mapping[str, Any]) -> Iterator[str]:
    """The report as JSON, in pieces."""
    return json.JSONEncoder(ensure_ascii=False, indent=1).iterencode(report)


def access_pdf(report: Mapping[str, Any]) -> bytes:
    made_at = datetime.fromisoformat(report["gerado_em"])
    document = Document(report["titulo"], f"Protocolo {report['protocolo']}", created_at=made_at)
    document.facts(
        [
            ("Titular", report["titular"]["cliente"]),
            ("Controlador", report["controlador"]),
            ("Encarregado", report["encarregado"]),
        ]
    )
    document.heading("Para que usamos os dados")
    document.table(
        ["Dados", "Finalidade", "Base legal"],
        [(entry["dados"], entry["finalidade"], entry["base_legal"]) for entry in report["finalidades"]],
    )
    document.heading("Com quem são compartilhados")
    document.table(
        ["Operador", "O que faz", "País"],
        [(entry["operador"], entry["finalidade"], entry["pais"]) for entry in report["compartilhamento"]],
    )
    document.heading("Por quanto tempo são guardados")
    document.table(["Dados", "Prazo"], [(entry["dados"], entry["prazo"]) for entry in report["prazos_de_guarda"]])
    document.heading("Decisões tomadas por computador")
    document.paragraph(report["decisoes_automatizadas"])
    document.heading("Os seus direitos")
    for right in report["direitos"]:
        document.paragraph(f"• {right}")
    for section in report["secoes"]:
        _write_section(document, section)
    return document.to_bytes()


def _record(event_type: EventType, subject: Subject, *, actor: str, now: datetime, metadata: Mapping[str, Any]) -> None:
    event = Event(event_id("access", metadata["request_id"], event_type), event_type, actor, now, metadata=metadata)
    trails.commit_with_events(user_key=subject.user_keys[0], events=[event])


def _section(section: AccessSection, subject: Subject) -> dict[str, Any]:
    return {
        "nome": section.name,
        "titulo": section.title,
        "observacao": section.note,
        "colunas": list(section.columns),
        "registros": list(section.collect(subject)),
    }


def _introduction(subject: Subject, *, request_id: str, now: datetime) -> dict[str, Any]:
    return {
        "titulo": "Relatório de dados pessoais",
        "protocolo": request_id,
        "gerado_em": timezone.localtime(now).isoformat(timespec="seconds"),
        "titular": {
            "cliente": subject.user_keys[0],
            "cadastros_unidos": list(subject.user_keys[1:]),
            "conversas": list(subject.conversation_ids),
        },
        "controlador": processing.CONTROLLER,
        "encarregado": settings.PRIVACY_CONTACT,
        "finalidades": [
            {"dados": data, "finalidade": purpose, "base_legal": basis} for data, purpose, basis in processing.PURPOSES
        ],
        "compartilhamento": [
            {"operador": name, "finalidade": purpose, "pais": country} for name, purpose, country in _operators()
        ],
        "prazos_de_guarda": [
            {"dados": rule.label, "prazo": _term(getattr(settings, rule.setting))}
            for rule in registry.retention_rules()
        ],
        "decisoes_automatizadas": processing.AUTOMATED_DECISIONS,
        "direitos": list(processing.RIGHTS),
    }


def _operators() -> list[tuple[str, str, str]]:
    operators = [processing.META]
    if settings.DOCUMENTS_BACKEND == "firestore" or settings.EXPORTS_BUCKET or settings.MEDIA_BUCKET:
        operators.append(processing.GOOGLE)
    if getattr(settings, "OPENAI_API_KEY", ""):
        operators.append(processing.OPENAI)
    return operators


def _term(days: int) -> str:
    return f"{days} dias" if days else "sem prazo: até o pedido de eliminação"


def _write_section(document: Document, section: Mapping[str, Any]) -> None:
    document.heading(f"{section['titulo']} ({len(section['registros'])})")
    if section["observacao"]:
        document.paragraph(section["observacao"])
    if section["colunas"]:
        rows = [_table_row(record, section["colunas"]) for record in section["registros"]]
        document.table([*map(_capitalised, section["colunas"]), "Outros dados"], rows)
        return
    for number, record in enumerate(section["registros"], start=1):
        if len(section["registros"]) > 1:
            document.paragraph(f"{number} de {len(section['registros'])}")
        document.facts((_capitalised(name), _text(value)) for name, value in record.items() if not _is_empty(value))


def _table_row(record: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """The columns, and all the rest that is not empty in one more."""
    rest = {name: value for name, value in record.items() if name not in columns}
    return [*(_text(record.get(name)) for name in columns), _text(rest)]


def _text(value: Any) -> str:
    match value:
        case bool():
            return "sim" if value else "não"
        case str() if ISO_TIME.fullmatch(value):
            return datetime.fromisoformat(value).strftime("%d/%m/%Y %H:%M:%S")
        case dict():
            return "; ".join(f"{name}: {_text(content)}" for name, content in value.items() if not _is_empty(content))
        case list():
            return ", ".join(_text(item) for item in value)
    return "" if value is None else str(value)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _capitalised(label: str) -> str:
    return label[:1].upper() + label[1:]
