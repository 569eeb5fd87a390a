"""The person behind a customer: found from any of their keys, whatever was merged and undone."""

from datetime import UTC, datetime
from typing import Any

import pytest

from conversations.models import Conversation
from profiles.models import Merge, UserProfile
from profiles.services.subjects import subject_of
from pyloto.documents import DocumentStore, get_store
from pyloto.privacy.fields import encrypt
from pyloto.privacy.registry import Subject

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


def customer(user_key: str, **contact: str) -> None:
    path = f"user_profiles/{user_key}"
    sealed: dict[str, Any] = {field: encrypt(value, path=path, field=field) for field, value in contact.items()}
    profile = UserProfile(id=user_key, created_at=NOW, updated_at=NOW, last_interaction=NOW, **sealed)
    header = Conversation(id=user_key, conversation_id=f"c-{user_key}", created_at=NOW, updated_at=NOW)
    get_store().create(path, profile.to_document())
    get_store().create(f"conversations/{user_key}", header.to_document())


def merged(source: str, target: str, *, undone: bool = False) -> None:
    merge = Merge(source=source, target=target, merged_by="user:7", merged_at=NOW, undone_at=NOW if undone else None)
    get_store().create(f"merges/{source}-{target}", merge.to_document())


def test_all_keys_of_a_person_lead_to_the_same_subject(store: DocumentStore) -> None:
    """a and b went into c, d into b; e was merged by mistake."""
    for user_key in "abcde":
        customer(user_key)
    for source, target in (("a", "c"), ("d", "b"), ("b", "c")):
        merged(source, target)
    merged("e", "c", undone=True)
    found = {user_key: subject_of(user_key) for user_key in "abcd"}
    for subject in found.values():
        assert subject.user_keys[0] == "c"
        assert sorted(subject.user_keys) == ["a", "b", "c", "d"]
        assert sorted(subject.conversation_ids) == ["c-a", "c-b", "c-c", "c-d"]
    assert subject_of("e").user_keys == ("e",)


def test_documents_that_lead_in_a_circle_end_somewhere(embedded_store: DocumentStore) -> None:
    for source, target in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")):
        merged(source, target)
    assert sorted(subject_of("a").user_keys) == ["a", "b", "c"]
    assert subject_of("d").user_keys == ("d",)


def test_a_person_is_known_by_what_all_their_profiles_hold(embedded_store: DocumentStore) -> None:
    customer("a", phone="+5542999990001", username="Ana.Souza")
    customer("b", phone="+5542999990001", bsuid="BR.6120487795311")
    merged("a", "b")
    assert set(subject_of("a").identifiers) == {
        ("PHONE", "+5542999990001"), ("BSUID", "BR.6120487795311"), ("USERNAME", "ana.souza"),
    }  # fmt: skip
    assert len(subject_of("a").identifiers) == 3


def test_what_cannot_be_decrypted_is_left_out_with_an_alert(
    embedded_store: DocumentStore, capsys: pytest.CaptureFixture[str]
) -> None:
    customer("a", phone="+5542999990001", bsuid="BR.6120487795311")
    get_store().update("user_profiles/a", {"phone": "9.AAAA"})
    assert subject_of("a").identifiers == (("BSUID", "BR.6120487795311"),)
    assert "profile_unreadable" in capsys.readouterr().out


def test_a_key_that_nobody_has_stands_for_itself(embedded_store: DocumentStore) -> None:
    assert subject_of("a" * 32) == Subject(("a" * 32,))
