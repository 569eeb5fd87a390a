"""The trail and its checkpoints in the admin: looked at, taken away as reports, never touched."""

import json
import re
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audit import EventType, admin
from audit.checkpoints import make_checkpoint
from audit.privacy import events_of
from audit.signing import verifier_key
from audit.stores import SYSTEM_CHAIN, AuditLogStore
from pyloto import write_once
from pyloto.documents import Delete, Set, Unavailable, Update, get_store
from pyloto.errors import StorageUnavailable
from pyloto.privacy.registry import Subject
from tests.conversations.test_admin_pages import ENGLISH, visible_words

NOW = datetime.now(UTC)  # the times of checkpoint files are the system's own
EVENTS = "/admin/audit/auditevent/"
REPORT = f"{EVENTS}report/"
CHECKPOINTS = "/admin/audit/checkpoint/"
PAGES = (EVENTS, f"{EVENTS}?conversation_id=ana", CHECKPOINTS, f"{CHECKPOINTS}00000001/change/")


@pytest.fixture
def trail(embedded_store, files, happen):
    """Three events of Ana's and one of Rui's under a checkpoint."""
    happen("ana", "rui", "ana", "ana")
    make_checkpoint(now=NOW)
    return files


def staff(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("novo", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def html_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def recorded() -> list[dict]:
    return [event.metadata for event in AuditLogStore().trail(SYSTEM_CHAIN)]


def edit(seq: int, **fields) -> None:
    get_store().commit([Update(f"audit_logs/ana-{seq:012d}", fields)])


# --- the pages --------------------------------------------------------------------------------------------------------


def test_every_page_is_in_portuguese(trail, admin_client):
    for page in PAGES:
        assert not re.findall(rf"(?<![\w-])({ENGLISH})(?![\w-])", visible_words(html_of(admin_client.get(page))))


def test_the_menu_leads_to_the_checkpoints(trail, admin_client):
    assert f'href="{CHECKPOINTS}"' in html_of(admin_client.get("/admin/"))


def test_a_trail_without_changes_says_how_much_was_checked(trail, admin_client):
    assert "3 eventos conferidos, sem alterações" in html_of(admin_client.get(PAGES[1]))


def test_a_trail_of_several_pages_is_checked_as_a_whole(embedded_store, files, happen, admin_client):
    happen(*["ana"] * 60)
    first = admin_client.get(PAGES[1])
    assert "60 eventos conferidos" in html_of(first)
    edit(2, actor="HUMAN")
    following = EVENTS + first.context["cl"].paginator.next_url
    assert "Cadeia com problemas: nº 2 alterado" in html_of(admin_client.get(PAGES[1]))
    assert "Cadeia com problemas: nº 2 alterado" in html_of(admin_client.get(following))


def test_of_a_very_long_trail_a_part_is_checked_and_it_says_so(trail, admin_client, monkeypatch):
    monkeypatch.setattr(admin, "CHECKED_MAX", 2)
    html = html_of(admin_client.get(PAGES[1]))
    assert "Parte conferida: os primeiros 2 eventos" in html
    assert "eventos conferidos, sem" not in html


def test_many_problems_are_counted(trail, admin_client, monkeypatch):
    monkeypatch.setattr(admin, "PROBLEMS_SHOWN", 1)
    edit(1, actor="HUMAN")
    edit(2, actor="HUMAN")
    assert "nº 1 alterado; e mais 1" in html_of(admin_client.get(PAGES[1]))


def test_no_id_of_ours_has_no_trail(trail, admin_client):
    html = html_of(admin_client.get(f"{EVENTS}?conversation_id=%3Cscript%3E"))
    assert "conferido" not in html
    assert "<script>" not in html.replace("<script ", "")


def test_checkpoints_are_listed_with_their_signatures(trail, happen, admin_client):
    happen("ana")
    make_checkpoint(now=NOW + timedelta(hours=1))
    html = html_of(admin_client.get(CHECKPOINTS))
    assert html.count("Confere") == 2
    assert html.index("00000002") < html.index("00000001")
    assert str(verifier_key()) in html


def test_a_checkpoint_that_was_changed_shows(trail, admin_client):
    stored = get_store().get("audit_checkpoints/00000001").data
    for forged in ({"root": "0" * 64}, {"size": 7}, {"note": "nada"}):
        get_store().commit([Update("audit_checkpoints/00000001", {**stored, **forged})])
        for page in PAGES[2:]:
            html = html_of(admin_client.get(page))
            assert "Não confere" in html
            assert " Confere<" not in html


def test_a_checkpoint_shows_its_note_and_gives_out_its_files(trail, admin_client):
    html = html_of(admin_client.get(PAGES[3]))
    note = write_once.read(trail, "checkpoints/00000001.note")
    assert note.decode().splitlines()[0] in html
    for kind in ("note", "leaves"):
        url = f"{CHECKPOINTS}file/1/{kind}/"
        assert url in html
        response = admin_client.get(url)
        assert response.content == write_once.read(trail, f"checkpoints/00000001.{kind}")
        assert response["Content-Disposition"] == f'attachment; filename="00000001.{kind}"'
        assert "no-store" in response["Cache-Control"]


def test_other_files_of_the_storage_are_out_of_reach(trail, admin_client):
    write_once.save_once(trail, "checkpoints/00000001.key", b"secret")
    for address in ("file/2/note/", "file/1/key/", "file/1/../note/", "file/x/note/"):
        assert admin_client.get(CHECKPOINTS + address).status_code in {302, 404}


# --- nobody touches it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["auditevent/ana-000000000002", "checkpoint/00000001"])
def test_not_even_a_superuser_adds_edits_or_deletes(trail, admin_client, model):
    name, _, key = model.partition("/")
    collection = {"auditevent": "audit_logs", "checkpoint": "audit_checkpoints"}[name]
    before = get_store().get(f"{collection}/{key}")
    base = f"/admin/audit/{name}/"
    fields = {"actor": "x", "root": "x", "note": "x", "number": 9, "seq": 9}
    assert admin_client.get(f"{base}add/").status_code == 403
    assert admin_client.post(f"{base}add/", fields).status_code == 403
    assert admin_client.post(f"{base}{key}/change/", fields).status_code in {403, 405}
    assert admin_client.get(f"{base}{key}/delete/").status_code == 403
    assert admin_client.post(f"{base}{key}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(base, {"action": "delete_selected", "_selected_action": key, "post": "yes"})
    admin_client.post(base, {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": key, "_save": 1, **fields})
    assert get_store().get(f"{collection}/{key}") == before
    assert len(AuditLogStore().trail("ana")) == 3


def test_neither_model_saves_or_deletes(trail):
    event = AuditLogStore().trail("ana")[0]
    for refused in (event.save, event.delete):
        with pytest.raises(TypeError):
            refused()


def test_without_the_permission_nothing_is_seen_or_taken(trail, client):
    staff(client, "view_conversation")
    for page in (*PAGES, f"{CHECKPOINTS}file/1/note/"):
        assert client.get(page).status_code == 403
    assert client.post(REPORT, {"conversation_id": "ana", "format": "json"}).status_code == 403
    assert recorded() == []


def test_strangers_are_led_to_the_login(trail, client):
    for response in (client.get(f"{CHECKPOINTS}file/1/note/"), client.post(REPORT, {"conversation_id": "ana"})):
        assert response["Location"].startswith("/admin/login/")


# --- reports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "kind"), [("json", "application/json"), ("pdf", "application/pdf")])
def test_a_conversations_report_is_downloaded(trail, client, form, kind):
    response = staff(client, "view_auditevent").post(REPORT, {"conversation_id": "ana", "format": form})
    content = body_of(response)
    assert response["Content-Type"] == kind
    assert re.fullmatch(rf'attachment; filename="auditoria-[0-9a-f]{{8}}\.{form}"', response["Content-Disposition"])
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    if form == "json":
        assert json.loads(content)["verification"]["ok"] is True
    else:
        assert content.startswith(b"%PDF")


def test_a_download_stands_in_the_trail(trail, admin_client, admin_user):
    admin_client.post(REPORT, {"conversation_id": "ana", "format": "pdf"})
    (event,) = AuditLogStore().trail(SYSTEM_CHAIN)
    assert (event.event_type, event.actor) == (EventType.EXPORT_DOWNLOADED, f"user:{admin_user.pk}")
    assert event.metadata == {"report": "audit", "format": "pdf", "events": 3, "conversation_id": "ana"}


def test_a_periods_report_is_downloaded_and_recorded(trail, admin_client):
    today = f"{timezone.localdate():%Y-%m-%d}"
    response = admin_client.post(REPORT, {"first": today, "last": today, "format": "json"})
    document = json.loads(body_of(response))
    assert [trail["conversation_id"] for trail in document["trails"]] == ["ana", "rui"]
    assert recorded() == [{"report": "audit", "format": "json", "events": 4, "from": today, "to": today}]


def test_looking_changes_nothing(trail, admin_client):
    assert admin_client.get(REPORT).status_code == 405
    for page in PAGES:
        admin_client.get(page)
    assert recorded() == []


def test_a_report_needs_the_token_of_the_page(trail, admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(REPORT, {"conversation_id": "ana"}).status_code == 403
    assert recorded() == []


def test_a_report_of_nothing_is_refused_with_a_reason(trail, admin_client):
    for conversation_id in ("nobody", "../x"):
        response = admin_client.post(REPORT, {"conversation_id": conversation_id, "format": "json"}, follow=True)
        assert messages_of(response) == ["Não há eventos desta conversa."]
    days = (("", ""), ("ontem", "hoje"), ("2026-11-02", "2026-11-01"), ("9999-12-31",) * 2, ("0001-01-01",) * 2)
    for first, last in days:
        response = admin_client.post(REPORT, {"first": first, "last": last, "format": "json"}, follow=True)
        assert messages_of(response) == ["Escolha o primeiro e o último dia do período, nesta ordem."]
    assert recorded() == []


def test_more_than_a_browser_waits_for_is_left_to_the_command(trail, admin_client, monkeypatch):
    monkeypatch.setattr(admin, "REPORTED_MAX", 2)
    for given in ({"conversation_id": "ana"}, {"first": "2020-01-01", "last": "2090-01-01"}):
        response = admin_client.post(REPORT, {**given, "format": "pdf"}, follow=True)
        assert "audit_report" in messages_of(response)[0]


def test_what_cannot_be_recorded_is_not_given_out(trail, admin_client, monkeypatch):
    for error in (Unavailable("gone"), StorageUnavailable("gone")):
        monkeypatch.setattr(AuditLogStore, "record_event", Mock(side_effect=error))
        response = admin_client.post(REPORT, {"conversation_id": "ana", "format": "json"}, follow=True)
        assert "nada foi baixado" in messages_of(response)[0]
        assert response["Content-Type"].startswith("text/html")


def test_damage_shows_in_the_download(trail, admin_client):
    get_store().commit([Delete("audit_logs/ana-000000000003")])
    response = admin_client.post(REPORT, {"conversation_id": "ana", "format": "json"})
    problems = json.loads(body_of(response))["verification"]["problems"]
    assert [problem["kind"] for problem in problems] == ["TRUNCATED"]


# --- damage -----------------------------------------------------------------------------------------------------------
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
BROKEN = {
    "a time before all calendars": {"timestamp": LONG_AGO},
    "a time after all calendars": {"timestamp": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
    "a text for a time": {"timestamp": "2026"},
    "no number": {"seq": None},
    "a text for a number": {"seq": "dois"},
    "other types": {"actor": None, "changes": "x", "metadata": None, "current_hash": 5, "event_type": {"a": 1}},
    "what JSON has not": {"changes": {"a": b"x", "at": LONG_AGO}, "metadata": {"x": float("inf")}, "canonical": 7},
    "no fields": None,
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_broken_event_shows_on_every_page_and_in_every_report(trail, admin_client, tmp_path, damage):
    path = "audit_logs/ana-000000000002"
    stored = get_store().get(path).data
    if damage is None:
        get_store().commit([Set(path, {"conversation_id": "ana"})])
    elif damage == {"seq": None}:
        get_store().commit([Set(path, {name: value for name, value in stored.items() if name != "seq"})])
    else:
        get_store().commit([Set(path, {**stored, **damage})])

    assert "ana" in html_of(admin_client.get(EVENTS))
    assert "Cadeia com problemas: nº" in html_of(admin_client.get(PAGES[1]))
    assert "forma canônica" in html_of(admin_client.get(f"{EVENTS}ana-000000000002/change/")).lower()
    today = f"{timezone.localdate():%Y-%m-%d}"
    for asked in ({"conversation_id": "ana"}, {"first": today, "last": today}):
        for form in ("pdf", "json"):
            assert body_of(admin_client.post(REPORT, {**asked, "format": form}))[:1] in {b"%", b"{"}
    with pytest.raises(SystemExit) as ended:
        call_command("audit_report", "--conversation", "ana", "--output", str(tmp_path / "report.pdf"))
    assert ended.value.code >= 11
    subject = Subject(user_keys=("k",), conversation_ids=("ana",))
    assert len(json.dumps(list(events_of(subject)))) > 100
