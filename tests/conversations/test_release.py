"""Giving a conversation back to the bot."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from audit import verify
from audit.stores import AuditLogStore
from conversations.models import Conversation, Handoff, Mode
from conversations.services.ownership import TRIES, Contended, NoConversation
from conversations.services.release import NotWithHuman, release_to_bot
from pyloto.documents import DocumentStore, PreconditionFailed, Unavailable, Update, Write, get_store, use_store
from tests.conversations import chat_data as data
from tests.conversations.customer import Customer

LATER = data.NOON + timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("no_pauses")
URL = "/admin/conversations/conversation/ana/release/"


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.services.ownership.jitter", lambda race: 0)


def release() -> Conversation:
    return release_to_bot(user_key="ana", agent="user:7", now=LATER)


def header() -> dict[str, Any]:
    return get_store().get("conversations/ana").data


def trail() -> list[dict[str, Any]]:
    return [event.to_document() | {"id": event.pk} for event in AuditLogStore().trail("ana-conversation")]


class Interfering:
    """A store whose commits first run something: another writer, or an answer that gets lost."""

    def __init__(self, inner: DocumentStore, interfere: Callable[[DocumentStore, Sequence[Write]], None]) -> None:
        self.inner, self.interfere = inner, interfere

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        self.interfere(self.inner, writes)
        return self.inner.commit(writes)


def test_the_bot_takes_over_and_the_handoff_is_resolved(store: DocumentStore):
    data.conversation(mode=Mode.HUMAN, owner_epoch=4, assigned_to="marcos")
    data.handoff(status=Handoff.Status.TAKEN)
    assert release().mode == Mode.BOT
    assert header()["owner_epoch"] == 5
    assert header()["assigned_to"] is None
    handoff = get_store().get("handoffs/ana-session").data
    assert (handoff["status"], handoff["resolved_at"]) == ("RESOLVED", LATER)


def test_the_trail_says_who_did_it_and_still_verifies(store: DocumentStore):
    head = data.audit_events(count=2)
    data.conversation(mode=Mode.WAITING_HUMAN, audit_head=head.to_document())
    data.handoff()
    release()
    assert [event["event_type"] for event in trail()[2:]] == ["HANDOFF_RELEASED", "MODE_CHANGED"]
    assert {event["actor"] for event in trail()[2:]} == {"user:7"}
    assert verify("ana-conversation", trail()) == []
    assert header()["audit_head"] == {"seq": 4, "hash": trail()[-1]["current_hash"]}


def test_a_conversation_with_the_bot_stays_as_it_is(store: DocumentStore):
    data.conversation(mode=Mode.BOT)
    with pytest.raises(NotWithHuman):
        release()
    with pytest.raises(NoConversation):
        release_to_bot(user_key="nobody", agent="user:7", now=LATER)
    assert trail() == []


def test_a_lost_race_is_tried_again_on_what_is_there_then(embedded_store: DocumentStore):
    data.conversation(mode=Mode.WAITING_HUMAN)
    calls = []

    def another_writer(inner: DocumentStore, writes: Sequence[Write]) -> None:
        calls.append(1)
        if len(calls) == 1:
            inner.commit([Update("conversations/ana", {"owner_epoch": 7})])

    with use_store(Interfering(embedded_store, another_writer)):
        release()
    assert header()["owner_epoch"] == 8
    assert len(trail()) == 2


def test_a_commit_whose_answer_was_lost_is_not_done_twice(embedded_store: DocumentStore):
    data.conversation(mode=Mode.WAITING_HUMAN)

    def lose_the_answer(inner: DocumentStore, writes: Sequence[Write]) -> None:
        inner.commit(writes)
        raise Unavailable("the answer was lost")

    with use_store(Interfering(embedded_store, lose_the_answer)):
        assert release().mode == Mode.BOT
    assert len(trail()) == 2


def test_a_commit_whose_answer_was_lost_and_that_others_went_on_from_is_still_ours(embedded_store: DocumentStore):
    data.conversation(mode=Mode.WAITING_HUMAN)

    def lose_the_answer(inner: DocumentStore, writes: Sequence[Write]) -> None:
        inner.commit(writes)
        inner.commit([Update("conversations/ana", {"attempt": "a turn of the bot"})])
        raise Unavailable("the answer was lost")

    with use_store(Interfering(embedded_store, lose_the_answer)):
        assert release().mode == Mode.BOT
    assert len(trail()) == 2


def test_it_gives_up_after_a_few_lost_races(embedded_store: DocumentStore):
    data.conversation(mode=Mode.WAITING_HUMAN)
    tries = []

    def always_first(inner: DocumentStore, writes: Sequence[Write]) -> None:
        tries.append(1)
        raise PreconditionFailed("somebody was first")

    with use_store(Interfering(embedded_store, always_first)), pytest.raises(Contended):
        release()
    assert len(tries) == TRIES
    assert header()["mode"] == Mode.WAITING_HUMAN


def test_the_button_gives_the_conversation_back(admin_client: Client, embedded_store: DocumentStore):
    data.conversation(mode=Mode.WAITING_HUMAN)
    data.handoff()
    assert "Sim, devolver ao bot" in admin_client.get("/admin/conversations/conversation/ana/change/").content.decode()
    html = admin_client.post(URL, follow=True).content.decode()
    assert "Conversa devolvida ao bot" in html
    assert "Sim, devolver ao bot" not in html
    assert header()["mode"] == Mode.BOT
    assert "já está com o bot" in admin_client.post(URL, follow=True).content.decode()


def test_only_a_post_by_somebody_with_the_permission_counts(client: Client, embedded_store: DocumentStore):
    data.conversation(mode=Mode.WAITING_HUMAN)
    user = User.objects.create_user("agente", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    client.force_login(user)
    assert client.post(URL).status_code == 403
    assert "Devolver ao bot" not in client.get("/admin/conversations/conversation/ana/change/").content.decode()
    user.user_permissions.add(Permission.objects.get(codename="release_conversation"))
    assert client.get(URL).status_code == 405
    assert (
        Client(enforce_csrf_checks=True, headers={"cookie": client.cookies.output(header="")}).post(URL).status_code
        == 403
    )
    assert header()["mode"] == Mode.WAITING_HUMAN
    assert client.post(URL).status_code == 302
    assert header()["mode"] == Mode.BOT


def test_what_can_be_no_conversation_is_not_found(admin_client: Client, embedded_store: DocumentStore):
    for user_key in ("__x__", ".", "%00"):
        assert admin_client.post(URL.replace("ana", user_key)).status_code == 404


def test_the_bot_answers_the_next_message(customer: Customer):
    customer.writes("quero falar com uma pessoa").is_served()
    customer.writes("alguém aí?").is_served()
    assert customer.header.mode == Mode.WAITING_HUMAN
    before = len(customer.outside.sent)
    release_to_bot(user_key=customer.user_key, agent="user:7", now=timezone.now())
    customer.writes("Onde vocês ficam?").is_served()
    assert len(customer.outside.sent) == before + 1
    assert "Ponta Grossa" in customer.outside.texts[-1]
