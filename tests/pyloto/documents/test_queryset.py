"""What the admin asks of documents: filters, pages, and nothing that a store could not answer."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import FieldError
from django.db import NotSupportedError
from django.db.models import Q

from conversations.models import Conversation, Mode
from pyloto.documents import DocumentStore, use_store
from pyloto.documents.queryset import BadCursor, DocumentQuerySet
from tests.conversations.chat_data import NOON, conversation

ALL = DocumentQuerySet(Conversation)


@pytest.fixture
def plain(store: DocumentStore) -> Iterator[DocumentStore]:
    """Both stores; the questions of these tests are nobody's, so that they need no index."""
    with use_store(store):
        yield store


def ids(queryset):
    return [row.pk for row in queryset]


def test_filters_and_order_reach_the_store(plain: DocumentStore):
    conversation("a", mode=Mode.BOT)
    conversation("b", mode=Mode.HUMAN, last_message_at=NOON.replace(hour=16))
    conversation("c", mode=Mode.HUMAN)
    assert ids(ALL.filter(mode="HUMAN").order_by("-last_message_at", "-pk")) == ["b", "c"]
    assert ids(ALL.filter(last_message_at__gt=NOON).order_by("last_message_at")) == ["b"]


def test_alternatives_of_one_field_become_one_question(plain: DocumentStore):
    for number, mode in enumerate(Mode):
        conversation(f"u{number}", mode=mode)
    either = ALL.filter(Q(mode__exact="BOT") | Q(mode__in=["HUMAN"]))
    assert {row.mode for row in either} == {Mode.BOT, Mode.HUMAN}


@pytest.mark.parametrize(
    "question",
    [
        ~Q(mode="BOT"),
        Q(mode="BOT") | Q(paused=True),
        Q(pk__gt="a"),
        (Q(mode="BOT") & Q(mode="HUMAN")) | Q(mode="HUMAN"),
    ],
)
def test_questions_that_no_index_answers_are_refused(question: Q):
    with pytest.raises(NotSupportedError):
        ALL.filter(question)


@pytest.mark.parametrize("lookup", ["bogus", "mode__icontains", "lead__name"])
def test_unknown_fields_and_lookups_are_errors(lookup: str):
    with pytest.raises(FieldError):
        ALL.filter(**{lookup: "x"})


def test_documents_are_read_by_their_ids(plain: DocumentStore):
    for user_key in "abc":
        conversation(user_key, mode=Mode.BOT if user_key == "b" else Mode.HUMAN)
    assert ids(ALL.filter(pk__in=["c", "a", "nobody", "b/messages/m"])) == ["c", "a"]
    assert ids(ALL.filter(pk__in=["a", "b"], mode="BOT")) == ["b"]
    assert ALL.get(pk="a").pk == "a"
    with pytest.raises(Conversation.DoesNotExist):
        ALL.get(pk="nobody")


def test_pages_follow_each_other_without_overlap(plain: DocumentStore):
    for number in range(7):
        conversation(f"u{number}")  # all at the same time: the id settles the order
    queryset = ALL.order_by("-last_message_at")
    seen, cursor = [], None
    while page := (queryset.after(cursor) if cursor else queryset)[:3]:
        seen += [row.pk for row in page]
        cursor = queryset.cursor_of(page[-1])
    assert sorted(seen) == [f"u{number}" for number in range(7)]


def test_a_cursor_is_good_for_its_own_list_only(store: DocumentStore):
    cursor = ALL.order_by("-last_message_at").cursor_of(conversation("a"))
    for queryset, given in (
        (ALL.order_by("-created_at"), cursor),
        (ALL.order_by("-last_message_at"), cursor[:-1] + "x"),
    ):
        with pytest.raises(BadCursor):
            queryset.after(given)


def test_nothing_can_be_written_through_it():
    for write in (ALL.delete, ALL.update):
        with pytest.raises(TypeError, match="ConversationStore"):
            write()


def test_offsets_do_not_exist():
    with pytest.raises(NotSupportedError):
        ALL[10:20]
