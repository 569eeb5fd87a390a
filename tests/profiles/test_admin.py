"""The customers' pages: who may open and do what, what they show, and what they never do."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from conversations.models import Direction
from conversations.stores import ConversationStore, due
from profiles import pages
from profiles.models import Erasure, UserProfile
from profiles.services import access, erasure
from profiles.services.history import PAGE, history
from profiles.services.reveal import REVEALS_PER_HOUR
from profiles.stores import UserProfileStore
from pyloto.documents import DocumentStore, Unavailable, Update, get_store, use_store
from pyloto.errors import StorageUnavailable
from tests.conversations.kept import documents
from tests.conversations.test_admin_pages import ENGLISH, visible_words
from tests.lab import canaries
from tests.lab.faulty_store import Fault, FaultyStore

from .people import PHONE, events, writes, written_down

pytestmark = [pytest.mark.usefixtures("embedded_store", "valkey")]
profiles = UserProfileStore()
LIST = "/admin/profiles/userprofile/"
MASKED = "+55 42 9••••-••01"


def staff(*permissions: str) -> Client:
    """Somebody with these permissions on customers, signed in; CSRF is checked as in a browser."""
    user = User.objects.create_user(f"p{User.objects.count()}", is_staff=True)
    codenames = [f"{permission}_userprofile" for permission in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def url(user_key: str, page: str = "change") -> str:
    return f"{LIST}{user_key}/{page}/"


def read(response: Any) -> str:
    text: str = response.content.decode()
    return text


@pytest.fixture
def ana() -> str:
    return writes("wamid.1", name="Ana Souza")


# --- permissions ------------------------------------------------------------------------------------------------------
ACTIONS: dict[str, tuple[str, Callable[[Client, str], Any]]] = {
    "list": ("view", lambda client, key: client.get(LIST)),
    "search": ("view", lambda client, key: client.post(f"{LIST}search/", {"term": "x"})),
    "detail": ("view", lambda client, key: client.get(url(key))),
    "edit form": ("change", lambda client, key: client.get(url(key, "edit"))),
    "edit": ("change", lambda client, key: client.post(url(key, "edit"), {"name": "x"})),
    "reveal": ("reveal", lambda client, key: client.post(url(key, "reveal"), {"reason": "CALL_BACK"})),
    "report": ("access", lambda client, key: client.post(url(key, "access/json"))),
    "hold": ("hold", lambda client, key: client.post(url(key, "hold"), {"reason": "LAWSUIT"})),
    "release": ("hold", lambda client, key: client.post(url(key, "release_hold"))),
    "erase form": ("erase", lambda client, key: client.get(url(key, "erase"))),
    "merge form": ("merge", lambda client, key: client.get(f"/admin/conversations/conversation/{key}/merge/")),
    "merge": ("merge", lambda client, key: client.post(f"/admin/conversations/conversation/{key}/merge/", {})),
    "dismiss": ("merge", lambda client, key: client.post(url(key, "dismiss"), {})),
    "merge search": (
        "merge",
        lambda client, key: client.post(f"/admin/conversations/conversation/{key}/merge/search/", {}),
    ),
    "unmerge": ("merge", lambda client, key: client.post("/admin/conversations/conversation/unmerge/m/")),
}


def test_each_page_asks_for_its_own_permission(ana: str) -> None:
    roles = ("view", "change", "reveal", "access", "hold", "erase", "merge")
    clients = {role: staff("view", role) for role in roles}
    for name, (needed, action) in ACTIONS.items():
        for role, client in clients.items():
            allowed = action(client, ana).status_code != 403
            assert allowed == (needed in ("view", role)), (name, role)
    without_view = staff(*(role for role in roles if role != "view"))
    nobody = staff()
    stranger = Client()
    for name, (_, action) in ACTIONS.items():
        assert action(without_view, ana).status_code == action(nobody, ana).status_code == 403, name
        assert action(stranger, ana)["Location"].startswith("/admin/login/"), name


def test_what_changes_something_takes_a_post_with_a_token(ana: str, admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    merge = "/admin/conversations/conversation"
    posts = [url(ana, page) for page in ("edit", "reveal", "hold", "release_hold", "erase", "access/pdf")]
    for address in (*posts, f"{LIST}search/", f"{merge}/{ana}/merge/", f"{merge}/unmerge/m1/"):
        assert client.post(address, {}).status_code == 403, address
    for page in ("reveal", "hold", "release_hold", "access/pdf"):
        assert client.get(url(ana, page)).status_code == 405
    assert client.get(f"{LIST}search/").status_code == client.get(f"{merge}/unmerge/m1/").status_code == 405


def test_a_page_offers_only_what_its_reader_may_do(ana: str) -> None:
    page = read(staff("view").get(url(ana)))
    for word in ("Revelar", "Editar", "Apagar", "Relatório em PDF", "guarda legal", "unir"):
        assert word not in page
    assert MASKED in page
    assert "Abrir a conversa" not in page  # another permission


# --- list and search --------------------------------------------------------------------------------------------------
def test_a_search_puts_nothing_personal_into_a_url(admin_client: Client) -> None:
    written_down(name=canaries.NAME, phone=canaries.PHONE)
    for term in (canaries.NAME, *canaries.PHONE_SPELLINGS[:4]):
        answer = admin_client.post(f"{LIST}search/", {"term": term})
        assert canaries.find_canaries(answer["Location"]) == []
        page = read(admin_client.get(answer["Location"]))
        assert canaries.NAME in page
        assert "1 cliente para" in page
        addresses = " ".join(re.findall(r'(?:href|action)="([^"]*)"', page))
        assert canaries.find_canaries(addresses) == []


def test_a_search_belongs_to_who_made_it(ana: str) -> None:
    client, other = staff("view"), staff("view")
    found = client.post(f"{LIST}search/", {"term": "souza"})["Location"]
    assert "Ana Souza" in read(client.get(found))
    assert other.get(found)["Location"] == LIST
    assert "Esta busca expirou" in read(other.get(LIST))
    assert client.get(f"{LIST}?busca=1.abc")["Location"] == LIST


def test_a_search_that_finds_nobody_says_so(admin_client: Client) -> None:
    answer = admin_client.post(f"{LIST}search/", {"term": "ninguém"}, follow=True)
    assert "Nenhum cliente encontrado para “ninguém”" in read(answer)
    assert admin_client.post(f"{LIST}search/", {"term": "  "})["Location"] == LIST
    assert "longa demais" in read(admin_client.post(f"{LIST}search/", {"term": "x" * 101}, follow=True))
    assert "caracteres inválidos" in read(admin_client.post(f"{LIST}search/", {"term": "\0"}, follow=True))


def test_the_list_masks_phones_and_shows_possible_doubles(admin_client: Client, ana: str) -> None:
    get_store().commit([Update(profiles.path(ana), {"merge_candidates": ["rui"]})])
    page = read(admin_client.get(LIST))
    assert MASKED in page
    assert "Possível duplicata" in page
    assert "99990001" not in page


# --- reveal -----------------------------------------------------------------------------------------------------------
def test_a_contact_is_shown_once_after_the_trail_has_recorded_it(ana: str) -> None:
    client = staff("view", "reveal")
    answer = client.post(url(ana, "reveal"), {"reason": "CALL_BACK"})
    assert PHONE in read(answer)
    assert "vazio → Ana Souza" in read(answer)
    assert "no-store" in answer["Cache-Control"]
    (event,) = events("CONTACT_REVEALED")
    assert event.actor.startswith("user:")
    assert event.metadata == {"reason": "CALL_BACK"}
    again = read(client.get(url(ana)))
    assert PHONE not in again
    assert "vazio" not in again


def test_without_a_reason_nothing_is_shown(ana: str) -> None:
    client = staff("view", "reveal")
    for data in ({}, {"reason": ""}, {"reason": "porque sim"}):
        assert PHONE not in read(client.post(url(ana, "reveal"), data, follow=True))
    assert events("CONTACT_REVEALED") == []


def test_older_changes_are_on_the_next_page_and_are_revealed_there(ana: str) -> None:
    client = staff("view", "change", "reveal")
    for n in range(PAGE):
        client.post(url(ana, "edit"), {**filled(client, ana), "city": f"Cidade {n}"})
    first = read(client.get(url(ana)))
    older = re.search(r"\?antes=([^\"]+)", first)
    assert older
    second = client.get(f"{url(ana)}?antes={older[1]}")
    assert "Telefone, Número no WhatsApp, Nome" in read(second)
    assert "Mudanças anteriores" not in read(second)
    revealed = client.post(url(ana, "reveal"), {"reason": "DATA_CHECK", "antes": second.context["here"]})
    assert "vazio → Ana Souza" in read(revealed)
    for wrong in ("x", older[1] + "x"):  # not signed by us: the newest page
        assert f"Cidade {PAGE - 1}" in read(client.post(url(ana, "reveal"), {"reason": "DATA_CHECK", "antes": wrong}))


@pytest.mark.parametrize("trouble", ["store", "valkey"])
def test_what_cannot_be_recorded_is_not_shown(
    ana: str, embedded_store: DocumentStore, trouble: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.services.trail.jitter", lambda race: 0)
    client = staff("view", "reveal")
    faulty = FaultyStore(embedded_store)
    if trouble == "store":
        faulty.commit_faults = [Fault(Unavailable("no answer")) for _ in range(20)]
    else:
        settings.REDIS_URL = "redis://127.0.0.1:1"
    with use_store(faulty):
        answer = client.post(url(ana, "reveal"), {"reason": "CALL_BACK"}, follow=True)
    assert PHONE not in read(answer)
    assert "de novo em instantes" in read(answer)
    assert events("CONTACT_REVEALED") == []


def test_nobody_reveals_a_whole_customer_base(ana: str) -> None:
    curious, other = staff("view", "reveal"), staff("view", "reveal")
    for _ in range(REVEALS_PER_HOUR):
        assert PHONE in read(curious.post(url(ana, "reveal"), {"reason": "CALL_BACK"}))
    answer = curious.post(url(ana, "reveal"), {"reason": "CALL_BACK"}, follow=True)
    assert PHONE not in read(answer)
    assert f"Você já revelou {REVEALS_PER_HOUR} contatos" in read(answer)
    assert len(events("CONTACT_REVEALED")) == REVEALS_PER_HOUR
    assert PHONE in read(other.post(url(ana, "reveal"), {"reason": "CALL_BACK"}))


# --- edit -------------------------------------------------------------------------------------------------------------
def filled(client: Client, user_key: str) -> dict[str, str]:
    """What a browser would send of the form as it is shown."""
    form = client.get(url(user_key, "edit")).context["form"]
    return {name: "" if value is None else str(value) for name, value in form.initial.items()}


def test_an_edit_is_made_by_who_made_it_and_a_stale_form_is_refused(ana: str) -> None:
    client = staff("view", "change")
    form, stale = filled(client, ana), filled(client, ana)
    assert PHONE not in read(client.get(url(ana, "edit")))
    answer = client.post(url(ana, "edit"), {**form, "city": "Irati", "is_business": "yes"}, follow=True)
    assert "Cadastro atualizado." in read(answer)
    assert (profiles.get(ana).city, profiles.get(ana).is_business) == ("Irati", True)
    assert history(ana).changes[0].actor == f"user:{User.objects.get().pk}"
    refused = client.post(url(ana, "edit"), {**stale, "city": "Castro"})
    assert refused.status_code == 409
    assert "Recarregue a página" in read(refused)
    assert profiles.get(ana).city == "Irati"


def test_a_phone_of_somebody_else_leads_to_the_merge(ana: str) -> None:
    client = staff("view", "change", "merge")
    rui = written_down(name="Rui", phone="+5542999990002").pk
    refused = read(client.post(url(rui, "edit"), {**filled(client, rui), "phone": "42 99999-0001"}))
    assert "Este telefone já é de outro cliente" in refused
    merge_page = f"/admin/conversations/conversation/{rui}/merge/?com={ana}"
    assert merge_page in refused
    compared = read(client.get(merge_page))
    assert "Ana Souza" in compared
    assert "Rui" in compared


# --- merge ------------------------------------------------------------------------------------------------------------
def test_two_customers_are_merged_and_parted_again(ana: str) -> None:
    client = staff("view", "merge")
    rui = writes("wamid.2", name="Rui", wa_id="5542999990002")
    page = f"/admin/conversations/conversation/{ana}/merge/"
    merged = client.post(page, {"other": rui, "keep": ana}, follow=True)
    assert merged.redirect_chain == [(url(ana), 302)]
    assert "Clientes unidos" in read(merged)
    assert writes("wamid.3", wa_id="5542999990002") == ana
    source = read(client.get(url(rui)))
    assert "Este cadastro foi unido a outro" in source
    assert "Unido a outro" in read(client.get(LIST))
    client.force_login(User.objects.create_superuser("chefe"))
    assert f"/admin/conversations/conversation/{ana}/change/" in read(
        client.get(f"/admin/conversations/conversation/{rui}/change/")
    )
    assert "já são do mesmo cliente" in read(client.post(page, {"other": rui, "keep": ana}, follow=True))
    (merge,) = documents("merges")
    undone = client.post(f"/admin/conversations/conversation/unmerge/{merge.id}/", follow=True)
    assert "União desfeita" in read(undone)
    assert writes("wamid.4", wa_id="5542999990002") == rui
    again = client.post(f"/admin/conversations/conversation/unmerge/{merge.id}/")
    assert again.status_code == 302
    assert {event.actor for event in events("IDENTITY_MERGED")} == {f"user:{User.objects.earliest('pk').pk}"}


def test_who_is_with_an_agent_is_not_merged_away(ana: str) -> None:
    client = staff("view", "merge")
    rui = writes("wamid.2", name="Rui", wa_id="5542999990002", body="quero falar com uma pessoa")
    answer = client.post(f"/admin/conversations/conversation/{ana}/merge/", {"other": rui, "keep": ana}, follow=True)
    assert "está com uma pessoa ou aguarda uma" in read(answer)
    assert documents("merges") == []


def test_who_is_just_being_answered_is_not_merged_away(ana: str) -> None:
    client = staff("view", "merge")
    rui = writes("wamid.2", name="Rui", wa_id="5542999990002")
    [reply] = [message for message in ConversationStore().get_messages(rui) if message.direction == Direction.OUT]
    get_store().commit([Update(reply.path, {"state": "QUEUED", "due": due(reply.pk, timezone.now())})])
    answer = client.post(f"/admin/conversations/conversation/{ana}/merge/", {"other": rui, "keep": ana}, follow=True)
    assert "ainda está a caminho" in read(answer)
    assert documents("merges") == []


def test_a_merge_without_a_choice_changes_nothing(ana: str) -> None:
    client = staff("view", "merge")
    for data in ({}, {"other": "rui"}, {"other": "rui", "keep": "eva"}, {"other": "a/b", "keep": "a/b"}):
        answer = client.post(f"/admin/conversations/conversation/{ana}/merge/", data, follow=True)
        assert "Escolha qual dos dois" in read(answer)
    assert client.get("/admin/conversations/conversation/ninguem/merge/").status_code == 404


# --- rights -----------------------------------------------------------------------------------------------------------
def test_the_report_is_a_download_and_is_audited(ana: str) -> None:
    client = staff("view", "access")
    as_json, as_pdf = (client.post(url(ana, f"access/{kind}")) for kind in ("json", "pdf"))
    body = b"".join(as_json.streaming_content).decode()  # type: ignore[attr-defined]
    assert "Ana Souza" in body
    assert as_pdf.content.startswith(b"%PDF")
    for answer in (as_json, as_pdf):
        assert re.fullmatch(r'attachment; filename="relatorio-[0-9a-f]+\.(json|pdf)"', answer["Content-Disposition"])
        assert "no-store" in answer["Cache-Control"]
    assert len(events("EXPORT_GENERATED")) == 2
    assert client.post(url(ana, "access/xml")).status_code == 404


def test_a_legal_hold_forbids_erasure_until_it_is_lifted(ana: str) -> None:
    client = staff("view", "hold", "erase")
    assert "Escolha o motivo" in read(client.post(url(ana, "hold"), {}, follow=True))
    assert "Guarda legal desde" in read(client.post(url(ana, "hold"), {"reason": "LAWSUIT"}, follow=True))
    erase = {"reason": "REQUEST", "confirmation": "APAGAR"}
    assert "Há guarda legal sobre este cliente" in read(client.post(url(ana, "erase"), erase, follow=True))
    assert "Guarda legal retirada" in read(client.post(url(ana, "release_hold"), follow=True))
    assert "Não havia guarda legal" in read(client.post(url(ana, "release_hold"), follow=True))


def test_the_order_of_an_authority_needs_the_permission_of_holds_where_one_stands(ana: str) -> None:
    order = {"reason": "AUTHORITY", "confirmation": "APAGAR"}
    staff("view", "hold").post(url(ana, "hold"), {"reason": "LAWSUIT"})
    assert "exige também a permissão" in read(staff("view", "erase").post(url(ana, "erase"), order, follow=True))
    assert erasure.receipt(ana) is None
    both = staff("view", "erase", "hold")
    assert both.post(url(ana, "erase"), order)["Location"] == f"/admin/profiles/erasure/{ana}/change/"
    assert [event.metadata["hold_overridden"] for event in events("ERASURE_REQUESTED")] == [True]


def test_without_a_hold_the_order_of_an_authority_needs_no_more_than_others(ana: str) -> None:
    staff("view", "erase").post(url(ana, "erase"), {"reason": "AUTHORITY", "confirmation": "APAGAR"})
    assert erasure.receipt(ana)


def test_an_erasure_that_broke_off_at_the_storage_goes_on_and_shows_its_receipt(
    ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> Any:
        raise StorageUnavailable("away")

    rung: list[str] = []
    monkeypatch.setattr(erasure.write_once, "save_once", refuse)
    monkeypatch.setattr(pages, "ring_for_erasure", rung.append)
    begun = staff("view", "erase").post(url(ana, "erase"), {"reason": "REQUEST", "confirmation": "APAGAR"})
    assert begun["Location"] == f"/admin/profiles/erasure/{ana}/change/"
    assert rung == [ana]


@pytest.mark.parametrize("page", ["erase", "access/json"])
def test_what_does_not_answer_is_explained(ana: str, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    def refuse(*args: Any, **about: Any) -> Any:
        raise StorageUnavailable("away")

    monkeypatch.setattr(erasure, "begin", refuse)
    monkeypatch.setattr(access, "access_report", refuse)
    form = {"reason": "REQUEST", "confirmation": "APAGAR"}
    answer = staff("view", "erase", "access").post(url(ana, page), form, follow=True)
    assert "Um dos serviços do sistema não respondeu" in read(answer)
    assert erasure.receipt(ana) is None


def test_an_erasure_asks_twice_and_ends_in_a_receipt(ana: str) -> None:
    client = staff("view", "erase")
    for data in (
        {},
        {"reason": "REQUEST"},
        {"reason": "REQUEST", "confirmation": "apagar"},
        {"confirmation": "APAGAR"},
    ):
        assert client.post(url(ana, "erase"), data).status_code == 200
    assert profiles.find(ana)
    begun = client.post(url(ana, "erase"), {"reason": "REQUEST", "confirmation": "APAGAR"})
    receipt_page = f"/admin/profiles/erasure/{ana}/change/"
    assert begun["Location"] == receipt_page
    assert "Em andamento" in read(client.get(receipt_page))
    assert client.get(url(ana))["Location"] == receipt_page  # what is left of the profile is shown no more
    now = timezone.now()
    erasure.resume(ana, now)
    erasure.resume(ana, now + timedelta(minutes=3))
    page = read(client.get(receipt_page))
    assert "Concluído." in page
    assert "Pedido do titular" in page
    assert "Ana Souza" not in page
    as_json = client.get(f"{receipt_page}?formato=json").json()
    assert as_json["situacao"] == Erasure.Step.COMPLETED
    assert client.get(url(ana))["Location"] == receipt_page  # where the customer was
    assert "Os dados deste cliente foram apagados" in read(staff("view").get(url(ana), follow=True))
    assert "Pedido do titular" in read(client.get("/admin/profiles/erasure/"))
    assert "Nada por aqui" in read(client.get(LIST))
    assert client.get("/admin/profiles/erasure/ninguem/change/").status_code == 302


def test_who_is_not_there_is_said_to_be_so(admin_client: Client) -> None:
    names = ("change", "edit", "erase")
    posts = ("reveal", "hold", "release_hold", "access/json")
    for page in names:
        assert "não existe" in read(admin_client.get(url("ninguem", page), follow=True))
    for page in posts:
        answer = admin_client.post(
            url("ninguem", page), {"reason": "LAWSUIT" if page == "hold" else "CALL_BACK"}, follow=True
        )
        assert answer.status_code == 200


def test_every_page_is_in_portuguese_and_kept_by_no_cache(admin_client: Client, ana: str) -> None:
    rui = writes("wamid.2", name="Rui", wa_id="5542999990002")
    get_store().commit([Update(profiles.path(ana), {"merge_candidates": [rui]})])
    merge = f"/admin/conversations/conversation/{ana}/merge/"
    urls = [LIST, "/admin/profiles/merge/", url(ana), url(ana, "edit"), url(ana, "erase"), merge]
    found = {}
    for page in urls:
        answer = admin_client.get(page)
        assert "no-store" in answer["Cache-Control"], page
        found[page] = re.findall(rf"(?<![\w-])({ENGLISH})(?![\w-])", visible_words(read(answer)))
    assert found == {page: [] for page in urls}


def test_empty_lists_of_merges_and_erasures_say_so(admin_client: Client) -> None:
    for model in ("merge", "erasure"):
        assert "Nada por aqui" in read(admin_client.get(f"/admin/profiles/{model}/"))
    for model in (UserProfile, Erasure):
        assert admin_client.get(f"/admin/profiles/{model._meta.model_name}/add/").status_code == 403
