"""A report of the trail for people: what happened, whether it is intact, and how anyone can check that."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from pyloto.documents import Snapshot
from pyloto.pdf import Document, Tone

from .labels import actor_label, summary, text_label, type_label, when_label
from .proofs import Proof, time_of
from .reports import TrailReport, events_by_time

EVENTS_MAX = 2000  # some 70 pages: who needs more reads the JSON
PROBLEMS_MAX = 200
DAYS_MAX = 400
HASH_SHOWN = 12
ID_SHOWN = 8

HOW_TO_VERIFY = (
    "A prova está no relatório em JSON desta mesma trilha (comando audit_report --format json, ou o botão “JSON” no painel). "
    "Ele pode ser conferido sem acesso ao sistema, com Python 3.11, o arquivo audit/verify_trail.py e a chave pública:\n"
    "    python verify_trail.py RELATORIO.json --pubkey CHAVE\n"
    "Cada evento traz o hash do evento anterior: alterar, remover, inserir ou trocar eventos de lugar quebra a cadeia. Os "
    "pontos de verificação, assinados de hora em hora e guardados fora do banco de dados, mostram se o final de uma cadeia "
    "foi removido ou se ela foi reescrita; o que veio depois do último deles ainda não tem prova. Use a chave pública que a sua organização guardou: a que segue serve só para "
    "comparação."
)


def to_pdf(report: TrailReport) -> bytes:
    document = Document(_title(report), _subtitle(report), created_at=report.generated_at)
    document.notice(*_verdict(report))
    document.facts(_facts(report))
    if report.verification.problems:
        document.heading("Problemas encontrados")
        document.table(["Cadeia", "Nº", "Problema", "Detalhe"], _problems(report), widths=[30, 10, 32, 60])
        _say_what_is_left_out(document, report.verification.problem_count, PROBLEMS_MAX, "problemas")
    document.heading("Eventos por tipo")
    counted = sorted(report.by_type.items(), key=lambda item: (-item[1], item[0]))
    document.table(["Tipo", "Código", "Eventos"], [[type_label(name), name, number] for name, number in counted])
    if report.start is not None:
        document.heading("Eventos por dia")
        days = sorted(report.by_day.items())[:DAYS_MAX]
        document.table(["Dia", "Eventos"], [[_day(text), number] for text, number in days], widths=[1, 3])
        _say_what_is_left_out(document, len(report.by_day), DAYS_MAX, "dias")
    document.heading("Eventos")
    _write_events(document, report)
    document.heading("Como conferir")
    document.paragraph(HOW_TO_VERIFY)
    document.paragraph(report.public_key)
    return document.to_bytes()


def verdict(report: TrailReport) -> str:
    """One sentence, as it stands above the report and beside the trail in the admin."""
    return _verdict(report)[0]


def _verdict(report: TrailReport) -> tuple[str, Tone]:
    found = report.verification
    events = _count(report.events, "evento")
    if not found.ok:
        kinds = dict.fromkeys(problem.kind.label for problem in found.problems)
        return f"Com problemas: {_count(found.problem_count, 'achado')} ({', '.join(kinds)})", Tone.BAD
    if report.events == 0:
        return "Nenhum evento no período", Tone.NEUTRAL
    if not report.proofs:
        return (
            f"Sem alterações, e ainda sem prova: {events}. Nenhum ponto de verificação assinado os viu ainda: o próximo, em "
            "até uma hora, permite provar que nada foi trocado."
        ), Tone.NEUTRAL
    newest = report.proofs[-1]
    checkpoint = f"ponto de verificação nº {newest.number}{_when(newest, ' de')}"
    if all(part.is_covered for part in report.parts.values()):
        return f"Íntegro: {events}, cadeia verificada até o {checkpoint}", Tone.GOOD
    unproven = sum(part.proof is None for part in report.parts.values())
    rest = f"; {_count(unproven, 'cadeia')} ainda sem prova" if unproven else ""
    return f"Íntegro: {events}, cadeia verificada; o {checkpoint} ainda não cobre os últimos eventos{rest}", Tone.GOOD


def _title(report: TrailReport) -> str:
    return "Relatório de auditoria" + (" da conversa" if report.start is None else " do período")


def _subtitle(report: TrailReport) -> str:
    return f"Conversa {report.conversation_id}" if report.start is None else _period(report)


def _period(report: TrailReport) -> str:
    """Whole days as such: 01/11/2026 a 22/11/2026."""
    assert report.start is not None
    assert report.end is not None
    start, end = timezone.localtime(report.start), timezone.localtime(report.end)
    if start.time() == end.time() == datetime.min.time():
        return f"{start:%d/%m/%Y} a {end - timedelta(days=1):%d/%m/%Y}"
    return f"{start:%d/%m/%Y %H:%M} até antes de {end:%d/%m/%Y %H:%M}"


def _facts(report: TrailReport) -> Iterator[tuple[str, object]]:
    found = report.verification
    if report.start is None:
        yield "Conversa", report.conversation_id
    else:
        yield "Período", f"{_period(report)} (horário de Brasília)"
        yield "Conversas com eventos", len(report.parts)
    yield "Eventos", report.events
    yield "Conferidos", f"{_count(found.events, 'evento')} de {_count(found.chains, 'cadeia')}, do primeiro ao último"
    if not report.proofs:
        yield "Ponto de verificação", "nenhum ainda"
    elif report.start is None:
        proof = report.proofs[-1]
        yield "Ponto de verificação", f"nº {proof.number}{_when(proof, ', assinado em')}"
        yield "Coberto até", f"evento nº {proof.head.seq}, hash {proof.head.hash[:HASH_SHOWN]}…"
    else:
        first, last = report.proofs[0], report.proofs[-1]
        numbers = f"nº {last.number}" if first.number == last.number else f"nº {first.number} a {last.number}"
        yield "Pontos de verificação", f"{numbers}{_when(last, ', o último de')}"
        covered = sum(part.is_covered for part in report.parts.values())
        yield "Cobertas até o fim", f"{covered} de {_count(len(report.parts), 'cadeia')}"
    yield "Dados pessoais", "nenhum: os eventos guardam códigos, contagens e resumos criptográficos"


def _problems(report: TrailReport) -> Iterator[list[object]]:
    for problem in report.verification.problems[:PROBLEMS_MAX]:
        number = "-" if problem.seq is None else problem.seq
        yield [problem.conversation_id or "registro", number, problem.kind.label, problem.detail]


def _write_events(document: Document, report: TrailReport) -> None:
    of_period = report.start is not None
    headers = [*(["Conversa"] if of_period else []), "Nº", "Quando", "O que aconteceu", "Quem", "Detalhes", "Hash"]
    widths = [20, 10, 34, 33, 19, 37, 27] if of_period else [11, 34, 38, 20, 50, 27]  # mm of the page's 180
    shown = itertools.islice(events_by_time(report), EVENTS_MAX)
    document.table(headers, (_row(snapshot, of_period=of_period) for snapshot in shown), widths)
    _say_what_is_left_out(document, report.events, EVENTS_MAX, "eventos")
    if of_period and report.events:
        document.paragraph(f"Das conversas aparecem as primeiras {ID_SHOWN} letras; o JSON as traz por inteiro.")


def _row(snapshot: Snapshot, *, of_period: bool) -> list[object]:
    """Whatever is stored: a report of a damaged trail shows the damage."""
    event = snapshot.data
    row: list[object] = [
        text_label(event.get("seq")),
        when_label(event.get("timestamp")),
        type_label(event.get("event_type")),
        actor_label(event.get("actor")),
        summary(event.get("changes"), event.get("metadata")),
        f"{text_label(event.get('current_hash'))[:HASH_SHOWN]}…",
    ]
    return [text_label(event.get("conversation_id"))[:ID_SHOWN], *row] if of_period else row


def _say_what_is_left_out(document: Document, total: int, limit: int, what: str) -> None:
    if total > limit:
        document.paragraph(f"São mostrados os primeiros {limit} de {total} {what}. O relatório em JSON traz todos.")


def _when(proof: Proof, words: str) -> str:
    at = time_of(proof.note)
    return f"{words} {when_label(at, '%d/%m/%Y %H:%M')}" if at else ""


def _day(text: str) -> str:
    return "/".join(reversed(text.split("-")))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
