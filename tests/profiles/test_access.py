"""What a person gets to read about themselves: everything, in the plain, and never without a trace in their trail."""

import json
import re
import stat
import time
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from django.core.management import CommandError, call_command

from ai.models import Classification
from audit import EventType, trails
from audit.errors import TrailContended
from audit.stores import AuditLogStore
from conversations.models import Conversation, Handoff, Message, Session
from profiles.models import Identity, Merge, UserProfile
from profiles.services.access import access_json, access_pdf, access_report
from profiles.services.erasure import UnknownCustomer
from pyloto.documents import DocumentStore, Update, get_store
from pyloto.documents.document_model import DocumentModel
from tests.conversations.deliveries import envelope, post
from tests.conversations.kept import documents
from tests.lab.canaries import BSUID, CPF, EMAIL, NAME, PHONE, WA_ID, find_canaries, planted_wamid

from .people import events, writes, written_down

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
ENVELOPE = re.compile(r"\d+\.[\w-]{40,}={0,2}")
embedded = pytest.mark.parametrize("store", ["embedded"], indirect=True)


def canary_writes() -> str:
    """Somebody who says all that identifies them, asks for a person, and writes once more while nobody serves them."""
    user_key = writes(planted_wamid(1), name=NAME, wa_id=WA_ID, from_user_id=BSUID, body=f"Sou {NAME}, {EMAIL}, {CPF}")
    writes(planted_wamid(2), name=NAME, wa_id=WA_ID, body="quero falar com uma pessoa")
    contact = {"id": planted_wamid(3), "from": WA_ID, "timestamp": str(int(time.time())), "type": "contacts"}
    card = {"name": {"formatted_name": "Primo Canário"}, "phones": [{"phone": PHONE}]}
    assert post(envelope({**contact, "contacts": [card]}, name=NAME)).status_code == 200
    return user_key


def report_about(user_key: str) -> dict[str, Any]:
    return access_report(user_key=user_key, actor="user:7", now=NOW)


def records(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (section,) = [section for section in report["secoes"] if section["nome"] == name]
    found: list[dict[str, Any]] = section["registros"]
    return found


def test_a_person_reads_everything_they_gave(faulty: DocumentStore, valkey: object) -> None:
    report = report_about(canary_writes())
    text = json.dumps(report, ensure_ascii=False)
    assert set(find_canaries(text)) == {
        "phone",
        "name",
        "e-mail",
        "wamid",
        "business-scoped id",
        "cpf",
        "phone in base64",
    }
    (profile,) = records(report, "profiles.profile")
    assert (profile["telefone"], profile["nome"], profile["id do WhatsApp"]) == (PHONE, NAME, BSUID)
    assert {record["tipo"] for record in records(report, "profiles.identities")} == {"Telefone", "Id do WhatsApp"}
    messages = records(report, "conversations.messages")
    assert messages[0]["texto"] == f"Sou {NAME}, {EMAIL}, {CPF}"
    assert messages[-1]["conteúdo"]["raw"][0]["name"] == {"formatted_name": "Primo Canário"}
    assert messages[-1]["remetente"]["wa_id"] == WA_ID
    assert {message["autor"] for message in messages} == {"Cliente", "Bot"}
    assert len(records(report, "conversations.handoffs")) == 1
    assert records(report, "conversations.sessions")
    assert {event["tipo"] for event in records(report, "audit.events")} >= {"Sessão aberta", "Exportação pedida"}


@embedded
def test_unreadable_deliveries_are_given_out_without_what_others_sent(faulty: DocumentStore, valkey: object) -> None:
    user_key = writes("wamid.1", wa_id="5542999990001")
    own = {"id": "wamid.q1", "from": "5542999990001", "text": {"body": "da pessoa"}}
    other = {"id": "wamid.q2", "from": "5541977776666", "text": {"body": "ligue para 42 99999-0001"}}
    for body in (envelope(own, other), b"{ 5542999990001 entre outros", envelope(other | {"text": {}})):
        assert post(body).status_code == 200
    found = records(report_about(user_key), "conversations.quarantine")
    assert len(found) == 3
    assert all(row["motivo"] and row["recebido em"] for row in found)
    given = [row["conteúdo"] for row in found if isinstance(row["conteúdo"], dict)]
    assert given == [own]
    assert sum(str(row["conteúdo"]).startswith("Não reproduzido aqui") for row in found) == 2


def test_of_the_trail_of_the_system_only_what_names_the_person_is_read(
    faulty: DocumentStore, valkey: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells of people without a conversation, and of everything else that belongs to none."""
    known, other = (written_down(phone=f"+554299999000{number}") for number in (1, 2))
    report_about(other.pk)
    monkeypatch.setattr(AuditLogStore, "iterate", None)
    told = records(report_about(known.pk), "audit.events")
    own = [event for event in events(EventType.EXPORT_REQUESTED) if event.metadata["user_key"] == known.pk]
    assert len(own) == 1
    assert "Exportação pedida" in {event["tipo"] for event in told}
    assert other.pk not in json.dumps(told)


@embedded
def test_nothing_in_the_report_is_still_encrypted(faulty: DocumentStore, valkey: object) -> None:
    assert not ENVELOPE.findall(json.dumps(report_about(canary_writes())))


@embedded
def test_the_report_says_what_the_data_are_for_and_who_answers(
    faulty: DocumentStore, valkey: object, settings: Any
) -> None:
    settings.RETENTION_MESSAGES_DAYS, settings.RETENTION_SESSIONS_DAYS = 90, 0
    report = report_about(canary_writes())
    assert report["encarregado"] == settings.PRIVACY_CONTACT
    assert [entry["operador"] for entry in report["compartilhamento"]] == ["Meta Platforms (WhatsApp)"]
    terms = {entry["dados"]: entry["prazo"] for entry in report["prazos_de_guarda"]}
    assert terms["Mensagens"] == "90 dias"
    assert terms["Sessões, dados coletados e atendimentos"].startswith("sem prazo")


@embedded
def test_the_google_cloud_is_named_where_it_holds_the_documents(
    faulty: DocumentStore, valkey: object, settings: Any
) -> None:
    settings.EXPORTS_BUCKET = "bucket"
    report = report_about(canary_writes())
    assert "Google Cloud" in [entry["operador"] for entry in report["compartilhamento"]]


@embedded
@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("profiles.profile", UserProfile),
        ("profiles.identities", Identity),
        ("conversations.conversations", Conversation),
        ("conversations.messages", Message),
        ("conversations.sessions", Session),
        ("conversations.handoffs", Handoff),
    ],
)
def test_a_field_is_given_out_unless_it_is_left_out_by_name(
    faulty: DocumentStore, valkey: object, section: str, model: type[DocumentModel]
) -> None:
    from conversations.privacy import access as conversations
    from profiles import privacy as profiles

    left_out = {
        *profiles.NOT_GIVEN_OUT, *conversations.HEADER_WORKINGS, *conversations.MESSAGE_WORKINGS,
        "pepper_version", "merge_ids", "user_key", "conversation_id",
    }  # fmt: skip
    record = records(report_about(canary_writes()), section)[0]
    for field in model._meta.concrete_fields:
        label = str(field.verbose_name).removesuffix(" (cifrado)")
        assert field.primary_key or label in record or field.attname in left_out


@embedded
def test_decisions_of_the_computer_are_told_with_their_version(faulty: DocumentStore, valkey: object) -> None:
    user_key = canary_writes()
    decision = Classification(
        id="t1", user_key=user_key, conversation_id="c1", masked_text="Sou [telefone]", prompt_version="v3",
        intent="INSTITUTIONAL", source="RULES", created_at=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    get_store().create("classifications/t1", decision.to_document())
    told = records(report_about(user_key), "ai.classifications")[-1]
    assert (told["versão do prompt"], told["intenção"]) == (
        "v3",
        dict(Classification._meta.get_field("intent").flatchoices)["INSTITUTIONAL"],
    )


@embedded
def test_what_was_collected_has_portuguese_names(faulty: DocumentStore, valkey: object) -> None:
    user_key = canary_writes()
    session = Session(
        id="s1", user_key=user_key, conversation_id="c1", status="CLOSED", started_at=NOW, last_user_at=NOW,
        intents=[{"intent": "CUSTOM_SOFTWARE", "confidence": 1.0}],
        collected={"CUSTOM_SOFTWARE": {"problem": "CUSTOM_SOFTWARE é caro"}},
        noted=[{"intent": "CUSTOM_SOFTWARE", "confidence": 0.5}], asked={"field": "problem", "misses": 1},
    )  # fmt: skip
    get_store().create("sessions/s1", session.to_document())
    told = records(report_about(user_key), "conversations.sessions")[0]
    assert told["intenções"] == [{"intenção": "Sistemas sob medida", "confiança": 1.0}]
    assert told["coletado"] == {"Sistemas sob medida": {"problema a resolver": "CUSTOM_SOFTWARE é caro"}}
    assert told["anotadas"] == [{"intenção": "Sistemas sob medida", "confiança": 0.5}]
    assert told["perguntado"] == {"pergunta": "problema a resolver", "não entendidas": 1}


@embedded
def test_what_was_counted_of_a_flood_has_portuguese_names(faulty: DocumentStore, valkey: object) -> None:
    user_key = canary_writes()
    get_store().commit(
        [Update(f"conversations/{user_key}", {"flood": {"count": 2, "turns": [{"at": NOW, "text": "d"}]}})]
    )
    told = records(report_about(user_key), "conversations.conversations")[0]["contadores de excesso"]
    assert told["vezes"] == 2
    assert told["mensagens respondidas"][0].keys() == {"quando", "resumo criptográfico do texto"}


def text_of_pdf(content: bytes) -> str:
    with pypdfium2.PdfDocument(content) as pdf:
        return " ".join(" ".join(page.get_textpage().get_text_bounded() for page in pdf).split())


def merged(source: str, target: str, *, undone: bool = False) -> None:
    merge = Merge(source=source, target=target, merged_by="user:7", merged_at=NOW, undone_at=NOW if undone else None)
    get_store().create(f"merges/{source}", merge.to_document())


def test_merged_customers_are_one_person_whichever_key_is_given(faulty: DocumentStore, valkey: object) -> None:
    first = writes("wamid.1", name="Ana", wa_id="5542999990001", body="do primeiro")
    second = writes("wamid.2", name="Ana", wa_id="5542999990002", body="do segundo")
    third = writes("wamid.3", name="Bia", wa_id="5542999990003", body="de outra")
    merged(first, second)
    merged(third, second, undone=True)
    for user_key in (first, second):
        report = report_about(user_key)
        assert report["titular"]["cliente"] == second
        assert report["titular"]["cadastros_unidos"] == [first]
        texts = {message["texto"] for message in records(report, "conversations.messages")}
        assert {"do primeiro", "do segundo"} <= texts
        assert "de outra" not in texts
        assert third not in json.dumps(report)


def test_each_report_stands_in_the_trail_without_personal_data(faulty: DocumentStore, valkey: object) -> None:
    user_key = canary_writes()
    report = access_report(user_key=user_key, actor="user:7", now=NOW, format="pdf")
    (requested,), (generated,) = events(EventType.EXPORT_REQUESTED), events(EventType.EXPORT_GENERATED)
    for event in (requested, generated):
        assert (event.actor, event.metadata["kind"], event.metadata["format"]) == ("user:7", "access_request", "pdf")
        assert event.metadata["request_id"] == report["protocolo"]
        assert find_canaries(event.canonical) == []
    assert generated.metadata["records"] == sum(len(section["registros"]) for section in report["secoes"])


@embedded
@pytest.mark.parametrize("fails", [EventType.EXPORT_REQUESTED, EventType.EXPORT_GENERATED])
def test_without_its_event_there_is_no_report(
    faulty: DocumentStore, valkey: object, monkeypatch: pytest.MonkeyPatch, fails: EventType
) -> None:
    user_key, commit = canary_writes(), trails.commit_with_events

    def contended(*, events: Any, **arguments: Any) -> None:
        if events[0].event_type == fails:
            raise TrailContended("others were faster")
        commit(events=events, **arguments)

    monkeypatch.setattr(trails, "commit_with_events", contended)
    with pytest.raises(TrailContended):
        report_about(user_key)


@embedded
def test_a_customer_before_their_first_turn_has_a_report_too(faulty: DocumentStore, valkey: object) -> None:
    message = {
        "id": planted_wamid(),
        "from": WA_ID,
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": "oi"},
    }
    assert post(envelope(message, name=NAME)).status_code == 200
    (user_key,) = {snapshot.path.split("/")[1] for snapshot in documents("messages", group=True)}
    report = report_about(user_key)
    assert records(report, "conversations.messages")[0]["remetente"]["name"] == NAME
    assert [event.conversation_id for event in events(EventType.EXPORT_REQUESTED)] == ["system"]
    assert records(report, "audit.events")[0]["tipo"] == "Exportação pedida"


@embedded
def test_nobody_has_no_report(faulty: DocumentStore, valkey: object) -> None:
    with pytest.raises(UnknownCustomer):
        report_about("0" * 32)
    assert documents("audit_logs") == []


@embedded
def test_what_cannot_be_decrypted_any_more_is_said_and_the_rest_is_given(
    faulty: DocumentStore, valkey: object, capsys: pytest.CaptureFixture[str]
) -> None:
    user_key = canary_writes()
    get_store().update(f"user_profiles/{user_key}", {"phone": "9.AAAA"})
    (profile,) = records(report_about(user_key), "profiles.profile")
    assert (profile["telefone"], profile["nome"]) == ("(não foi possível decifrar)", NAME)
    assert "field_unreadable" in capsys.readouterr().out


@embedded
def test_the_pdf_says_what_the_json_says(faulty: DocumentStore, valkey: object) -> None:
    report = report_about(canary_writes())
    text = text_of_pdf(access_pdf(report))
    assert set(find_canaries(text)) >= {"phone", "name", "e-mail", "cpf"}
    for section in report["secoes"]:
        assert section["titulo"] in text
    for words in ("Para que usamos os dados", report["encarregado"], report["protocolo"], "Primo Canário"):
        assert words in text


@embedded
def test_the_command_writes_files_that_only_their_owner_reads(
    faulty: DocumentStore, valkey: object, tmp_path: Path
) -> None:
    user_key, out = canary_writes(), StringIO()
    for kind, first in (("json", b"{"), ("pdf", b"%PDF")):
        path = tmp_path / f"relatorio.{kind}"
        call_command("access_report", user_key=user_key, format=kind, output=path, stdout=out)
        assert path.read_bytes().startswith(first)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    report = json.loads((tmp_path / "relatorio.json").read_text())
    assert report["protocolo"] in out.getvalue()
    assert find_canaries(out.getvalue()) == []
    assert "".join(access_json(report)) == (tmp_path / "relatorio.json").read_text()


@embedded
def test_the_command_replaces_no_file_unless_told_so(faulty: DocumentStore, valkey: object, tmp_path: Path) -> None:
    user_key, path = canary_writes(), tmp_path / "r.json"
    path.write_text("older")
    with pytest.raises(CommandError, match="--force"):
        call_command("access_report", user_key=user_key, output=path)
    assert path.read_text() == "older"
    assert events(EventType.EXPORT_REQUESTED) == []
    call_command("access_report", user_key=user_key, output=path, force=True, stdout=StringIO())
    assert json.loads(path.read_text())["titulo"] == "Relatório de dados pessoais"


@embedded
def test_a_report_that_fails_leaves_no_file(
    faulty: DocumentStore, valkey: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_key = canary_writes()
    with pytest.raises(CommandError, match="nothing is kept"):
        call_command("access_report", user_key="0" * 32, output=tmp_path / "r.json")

    def fail(*args: Any) -> bytes:
        raise RuntimeError("no PDF")

    monkeypatch.setattr("profiles.management.commands.access_report.access_pdf", fail)
    with pytest.raises(RuntimeError):
        call_command("access_report", user_key=user_key, format="pdf", output=tmp_path / "r.pdf")
    assert list(tmp_path.iterdir()) == []
