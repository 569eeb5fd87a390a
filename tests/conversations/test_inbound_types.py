"""Every kind of item that Meta delivers is recognised and kept with its content, or quarantined whole."""

import json
from typing import Any

import pytest

from conversations.models import MessageState
from conversations.whatsapp.split import provider_key
from pyloto.documents import DocumentStore
from pyloto.observability.metrics import ALERTS

from .deliveries import post
from .kept import (
    SAMPLES,
    documents,
    first_message,
    quarantined,
    revealed,
    run_turns,
    sample,
    stored_messages,
    user_keys,
    value_of,
)
from .outside import Outside

pytestmark = pytest.mark.usefixtures("embedded_store", "valkey")

SHA = "zLm9oXcKpTqvEwN3yW1uQh7sRfB0aGdJ5kMx2VtC8eY="
INTERACTIVE = "interactive"


def media(number: int, mime_type: str, **more: Any) -> dict[str, Any]:
    told = {"id": str(1284750912800000 + number), "mime_type": mime_type, "sha256": SHA, **more}
    return {"media": told | {"status": "PENDING", "tries": 0}}


def payload(**fields: Any) -> dict[str, Any]:
    return {"payload": fields}


MESSAGES: dict[str, tuple[str, str, dict[str, Any]]] = {  # kind: (type, text, other fields); payload without its `raw`
    "text": ("text", "Oi, vocês fazem sistema sob medida?", {}),
    "image": ("image", "Vitrine da loja", media(1, "image/jpeg")),
    "video": ("video", "Como está hoje", media(2, "video/mp4")),
    "document": ("document", "Segue o escopo", media(3, "application/pdf", filename="escopo.pdf")),
    "audio": ("audio", "", media(4, "audio/ogg; codecs=opus", voice=True)),
    "sticker": ("sticker", "", media(5, "image/webp", animated=False)),
    "location": (
        "location",
        "",
        payload(
            latitude=-25.0945,
            longitude=-50.1633,
            name="Praça Inventada",
            address="Rua Imaginária, 10, Ponta Grossa - PR",
            url="https://praca.exemplo.invalid",
        ),
    ),
    "contacts": ("contacts", "", payload(count=2)),
    "button_reply": (
        INTERACTIVE,
        "Sim, empresa",
        payload(kind="button_reply", id="business:yes", title="Sim, empresa"),
    ),
    "list_reply": (
        INTERACTIVE,
        "Sistema sob medida",
        payload(
            kind="list_reply",
            id="intent:CUSTOM_SOFTWARE",
            title="Sistema sob medida",
            description="Software feito para a sua empresa",
        ),
    ),
    "nfm_reply": (INTERACTIVE, "Sent", payload(kind="nfm_reply", name="flow")),
    "call_permission_reply": (INTERACTIVE, "", payload(kind="call_permission_reply")),
    "interactive_without_object": (
        INTERACTIVE,
        "",
        payload(kind="", errors=[{"code": 131000, "title": "Something went wrong"}]),
    ),
    "button": (
        "button",
        "Quero um orçamento",
        payload(kind="template_button", id="ORCAMENTO", title="Quero um orçamento"),
    ),
    "button_without_context": (
        "button",
        "Parar promoções",
        payload(kind="template_button", id="PARAR", title="Parar promoções"),
    ),
    "reaction": ("reaction", "", {}),
    "reaction_removed": ("reaction", "", {}),
    "order": ("order", "Para sábado, por favor", payload(catalog_id="194836987003835")),
    "system_user_changed_number": ("system", "", payload(kind="user_changed_number")),
    "system_user_changed_user_id": ("system", "", payload(kind="user_changed_user_id")),
    "system_customer_changed_number": ("system", "", payload(kind="customer_changed_number")),
    "system_customer_identity_changed": ("system", "", payload(kind="customer_identity_changed")),
    "edit": ("edit", "Corrigindo: são 12 pessoas", {}),
    "revoke": ("revoke", "", {}),
    "unsupported": ("unsupported", "", payload(errors=[{"code": 131051, "title": "Message type unknown"}])),
    "unknown_type": ("hologram", "", payload()),
    "group_message": ("text", "Oi, grupo", {}),
    "referral": ("text", "Vi o anúncio de vocês", {}),
    "quoted": ("text", "Sobre isso aqui", {}),
    "forwarded": ("text", "Olhem o que me mandaram", {"context": {"forwarded": True, "frequently_forwarded": True}}),
    "bsuid_only": ("text", "Oi, sou eu, sem telefone", {}),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_is_kept_with_its_content(kind: str) -> None:
    assert post(sample(kind)).status_code == 200
    [message] = stored_messages()
    kept_type, text, fields = MESSAGES[kind]
    message.payload.pop("raw", None)
    assert (message.type, message.text) == (kept_type, text)
    assert {name: getattr(message, name) for name in fields} == fields
    assert quarantined() == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("contacts", ("contacts",)),
        ("nfm_reply", ("interactive", "nfm_reply")),
        ("call_permission_reply", ("interactive",)),
        ("order", ("order",)),
        ("system_user_changed_number", ("system",)),
        ("system_customer_changed_number", ("system",)),
        ("edit", ("edit", "message")),
        ("unsupported", ("unsupported",)),
        ("unknown_type", ("hologram",)),
    ],
)
def test_what_has_no_field_of_its_own_is_kept_encrypted(kind: str, path: tuple[str, ...]) -> None:
    post(sample(kind))
    [message] = stored_messages()
    sent: Any = first_message(sample(kind))
    for key in path:
        sent = sent[key]
    assert json.loads(revealed(message, "payload.raw")) == sent


@pytest.mark.parametrize(
    ("kind", "own", "field", "emoji"),
    [
        ("reaction", "reaction", "message_id", "👍🏽"),
        ("reaction_removed", "reaction", "message_id", ""),
        ("edit", "edit", "original_message_id", None),
        ("revoke", "revoke", "original_message_id", None),
    ],
)
def test_another_message_is_named_by_its_digest(kind: str, own: str, field: str, emoji: str | None) -> None:
    post(sample(kind))
    [message] = stored_messages()
    assert message.payload["message_key"] == provider_key(first_message(sample(kind))[own][field])
    assert message.payload.get("emoji") == emoji


def test_a_quote_is_named_by_its_digest() -> None:
    post(sample("quoted"))
    [message] = stored_messages()
    assert message.context == {"message_key": provider_key(first_message(sample("quoted"))["context"]["id"])}


def test_the_advertisement_that_a_message_came_from_is_kept() -> None:
    post(sample("referral"))
    [message] = stored_messages()
    sent = first_message(sample("referral"))["referral"]
    kept = ("source_id", "source_type", "source_url", "ctwa_clid", "headline", "body")
    assert message.context == {"referral": {key: sent[key] for key in kept}}


def test_ids_of_customer_and_message_are_kept_encrypted() -> None:
    post(sample("text"))
    [message] = stored_messages()
    sent = first_message(sample("text"))
    assert revealed(message, "provider_message_id") == sent["id"]
    sender = json.loads(revealed(message, "sender"))
    assert (sender["wa_id"], sender["bsuid"], sender["name"]) == (sent["from"], sent["from_user_id"], "Marina Exemplo")
    assert sent["from"] not in str(documents("messages", group=True))


def test_a_sender_without_phone_is_known_by_id_and_username() -> None:
    post(sample("bsuid_only"))
    [message] = stored_messages()
    sender = json.loads(revealed(message, "sender"))
    assert (sender["wa_id"], sender["bsuid"], sender["username"]) == ("", "BR.6120487795311", "marina.exemplo")


def test_a_delivery_of_several_customers_is_split() -> None:
    post(sample("two_customers"))
    assert [message.text for message in stored_messages()] == ["Primeira", "Segunda", "Sou outra pessoa"]
    assert len(user_keys()) == 2


def test_a_text_that_is_too_long_is_cut_with_a_mark() -> None:
    delivery = sample("text")
    first_message(delivery)["text"]["body"] = "á" * 20_000
    post(delivery)
    [message] = stored_messages()
    assert len(message.text) == 16_384
    assert message.text.endswith("á […]")


@pytest.mark.parametrize("kind", ["group_message", "echo"])
def test_what_nobody_asked_us_is_kept_and_not_answered(outside: Outside, kind: str) -> None:
    post(sample(kind))
    run_turns(outside)
    [message] = stored_messages()
    assert message.due is None
    assert outside.sent == []


def test_what_the_owner_writes_on_the_phone_is_an_outbound_message_of_a_human(outside: Outside) -> None:
    post(sample("echo"))
    assert stored_messages()[0].state == MessageState.RECEIVED
    run_turns(outside)
    [message] = stored_messages()
    assert (message.direction, message.actor, message.state) == ("out", "HUMAN", MessageState.SENT)
    assert (message.text, set(message.status_at)) == ("Aqui é o dono, já te respondo", {"sent"})


def test_an_echo_and_a_message_meet_in_one_conversation() -> None:
    post(sample("echo"))
    post(sample("text"))
    assert len(user_keys()) == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("calls", "unknown_field"),
        ("account_update", "unknown_field"),
        ("unknown_object", "unknown_object"),
        ("unknown_phone_number_id", "unknown_phone_number_id"),
    ],
)
def test_what_is_not_ours_to_answer_is_quarantined_whole(kind: str, reason: str) -> None:
    assert post(sample(kind)).status_code == 200
    [kept] = quarantined()
    assert kept.reason == reason
    sent = sample(kind)
    value = sent if kind == "unknown_object" else value_of(sent)
    assert json.loads(revealed(kept, "body")) == value
    assert stored_messages() == []


def test_an_error_of_the_number_itself_is_an_alert() -> None:
    counter = ALERTS.labels(event="whatsapp_provider_error")
    before = counter._value.get()
    assert post(sample("value_errors")).status_code == 200
    assert counter._value.get() == before + 1
    assert quarantined() == []


@pytest.mark.parametrize("kind", ["statuses", "status_failed", "status_without_callback"])
def test_statuses_of_messages_that_nobody_knows_are_only_counted(kind: str) -> None:
    assert post(sample(kind)).status_code == 200
    assert (stored_messages(), quarantined()) == ([], [])


def test_every_sample_is_tested() -> None:
    here = {
        "two_customers", "echo", "calls", "account_update", "unknown_object", "unknown_phone_number_id", "value_errors",
        "statuses", "status_failed", "status_without_callback",
    }  # fmt: skip
    assert {path.stem for path in SAMPLES.glob("*.json")} == here | MESSAGES.keys()


def test_samples_are_kept_on_both_stores(store: DocumentStore, valkey: object) -> None:
    for path in SAMPLES.glob("*.json"):
        assert post(path.read_bytes()).status_code == 200
    assert len(stored_messages()) == len(MESSAGES) + 4  # two_customers holds three, and the echo
    assert len(quarantined()) == 4
