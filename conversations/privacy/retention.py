"""How long what conversations keep is kept."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from conversations.models import Conversation, Handoff, Message, Quarantined, Session
from conversations.services.media import delete_files
from conversations.services.silence import erase_silent, find_silent
from conversations.stores import QUARANTINE_PAGE, ConversationStore, HandoffStore
from profiles.stores import IdentityStore, UserProfileStore
from pyloto.documents import Delete, NotFound, PreconditionFailed, Query, Update, get_store, read_all, read_pages
from pyloto.privacy import registry
from pyloto.privacy.registry import Aged, Place, RetentionRule

from . import quarantine

RACES_MAX = 4  # with whoever else writes messages that old
FILES_MAX = 25  # messages at once: a bucket takes up to a second for each file, and the task has 30

conversations = ConversationStore()
profiles = UserProfileStore()


def _old_messages(cutoff: datetime, place: Place | None) -> Iterator[Aged]:
    """By the time of receipt, which is ours; those that wait to be answered or sent stay."""
    query = Query(Message.collection, where=(("received_at", "<=", cutoff),), start_after=place, group=True)
    for snapshot in read_all(query):
        user_key, waits = snapshot.path.split("/")[1], bool(snapshot.data.get("due"))
        yield Aged((snapshot.path,), snapshot.data["received_at"], user_key, stays=waits)


def _remove_messages(batch: Sequence[Aged]) -> int:
    """What hangs on them goes first: killed in between, the messages are found again."""
    newest = max(aged.at for aged in batch)
    user_keys = sorted({aged.user_key for aged in batch})
    headers = get_store().get_many([conversations.path(user_key) for user_key in user_keys])
    _forget_strangers([key for key in user_keys if conversations.path(key) not in headers], batch)
    for snapshot in headers.values():
        header = Conversation.from_snapshot(snapshot)
        if header.last_message_preview and header.last_message_at and header.last_message_at <= newest:
            with suppress(PreconditionFailed, NotFound):  # somebody writes: then it is another preview
                change = Update(header.path, {"last_message_preview": ""}, last_update_time=header.update_time)
                get_store().commit([change])
    _remove_with_files([path for aged in batch for path in aged.paths])
    return len(batch)


def _remove_with_files(paths: Sequence[str]) -> None:
    """Each message after its file. One that names another file by then, as keys are rotated, is looked at again."""
    for tries_left in range(RACES_MAX - 1, -1, -1):
        found = get_store().get_many(paths)
        for snapshot in found.values():
            delete_files(Message.from_snapshot(snapshot))
        try:
            get_store().commit([Delete(snapshot.path, snapshot.update_time) for snapshot in found.values()])
        except PreconditionFailed:
            if not tries_left:
                raise
        else:
            return


def _forget_strangers(user_keys: Sequence[str], batch: Sequence[Aged]) -> None:
    """Who wrote in groups only, or never had an answer, is known by messages alone: their identifiers go with the last."""
    known = profiles.find_many(user_keys)
    going = {path for aged in batch for path in aged.paths}
    for user_key in user_keys:
        if user_key in known:
            continue
        if all(snapshot.path in going for snapshot in read_all(conversations.messages_query(user_key))):
            with suppress(PreconditionFailed, NotFound):
                get_store().commit(IdentityStore().deletes_of(user_key))


def _old_sessions(cutoff: datetime, place: Place | None) -> Iterator[Aged]:
    """Each with its handoff; where that is still open, or was until after the cutoff, both stay."""
    for page in read_pages(Query(Session.collection, where=(("closed_at", "<=", cutoff),), start_after=place)):
        paths = {snapshot.path: HandoffStore.path(snapshot.id) for snapshot in page}
        handoffs = get_store().get_many(list(paths.values()))
        for snapshot in page:
            found = handoffs.get(paths[snapshot.path])
            stays = found is not None and not _is_over(Handoff.from_snapshot(found), cutoff)
            together = (snapshot.path, found.path) if found else (snapshot.path,)
            yield Aged(together, snapshot.data["closed_at"], snapshot.data.get("user_key", ""), stays)


def _is_over(handoff: Handoff, cutoff: datetime) -> bool:
    return (
        handoff.status == Handoff.Status.RESOLVED and handoff.resolved_at is not None and handoff.resolved_at <= cutoff
    )


def _old_quarantine(cutoff: datetime, place: Place | None) -> Iterator[Aged]:
    """Nobody knows whose they are, so that no hold keeps them."""
    query = Query(Quarantined.collection, where=(("received_at", "<=", cutoff),), start_after=place)
    for snapshot in read_all(query, page=QUARANTINE_PAGE):
        yield Aged((snapshot.path,), snapshot.data["received_at"])


def _remove_quarantine(batch: Sequence[Aged]) -> int:
    for snapshot in get_store().get_many([path for aged in batch for path in aged.paths]).values():
        quarantine.delete(Quarantined.from_snapshot(snapshot))
    return len(batch)


registry.register(
    RetentionRule(
        "conversations.customers",
        "Todos os dados de quem não fala conosco",
        "RETENTION_CUSTOMERS_DAYS",
        find_silent,
        remove=erase_silent,
        batch=10,
    ),
    RetentionRule(
        "conversations.messages",
        "Mensagens",
        "RETENTION_MESSAGES_DAYS",
        _old_messages,
        remove=_remove_messages,
        batch=FILES_MAX,
    ),
    RetentionRule(
        "conversations.sessions", "Sessões, dados coletados e atendimentos", "RETENTION_SESSIONS_DAYS", _old_sessions
    ),
    RetentionRule(
        "conversations.quarantine",
        "Entregas que não puderam ser lidas",
        "RETENTION_QUARANTINE_DAYS",
        _old_quarantine,
        remove=_remove_quarantine,
        batch=QUARANTINE_PAGE,
    ),
)
