"""What of conversations goes when a customer is erased; their headers end and go with the erasure's own commits."""

from redis.exceptions import RedisError

from conversations.models import Handoff, Message, Session
from conversations.outbox import is_to_send
from conversations.pacing import pair_key
from conversations.stores import ConversationStore
from conversations.turn_lock import keys_of
from pyloto.documents import Delete, Query, Snapshot, get_store
from pyloto.documents.removal import delete_found
from pyloto.errors import TransientError
from pyloto.observability.alerts import alert
from pyloto.privacy import registry
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.registry import ErasureStep, Phase, Subject
from pyloto.privacy.removal import owned_step
from pyloto.redis_client import get_redis

from . import media, quarantine

conversations = ConversationStore()

OPEN_PAGE = 200


def _stop_outbox(subject: Subject) -> int:
    """Nothing of it is sent any more; what a worker is sending right now may still arrive."""
    paths = _unsent(subject)
    get_store().commit([Delete(path) for path in paths])
    return len(paths)


def _unsent(subject: Subject) -> list[str]:
    return [
        item.path
        for user_key in subject.user_keys
        for item in conversations.open_items(user_key, limit=OPEN_PAGE)
        if is_to_send(item)
    ]


def _erase_messages(subject: Subject) -> int:
    """All but what came in later and waits: a worker moves that to the new customer it belongs to."""

    def came_later(found: Snapshot) -> bool:
        message = Message.from_snapshot(found)
        if subject.asked_at is not None and message.came_in_after(subject.asked_at) and not _has_sender(message):
            alert("message_not_moved", message_key=message.pk)
        return _came_later(message, subject)

    return sum(delete_found(query, keep=came_later) for query in _messages(subject))


def _count_messages(subject: Subject) -> int:
    waiting = (item for user_key in subject.user_keys for item in conversations.open_items(user_key, limit=OPEN_PAGE))
    later = sum(_came_later(item, subject) for item in waiting)
    return max(sum(get_store().count(query) for query in _messages(subject)) - later, 0)


def _messages(subject: Subject) -> list[Query]:
    return [conversations.messages_query(user_key) for user_key in subject.user_keys]


def _came_later(message: Message, subject: Subject) -> bool:
    """Not where nobody can tell whose it is: no worker could move it, so it would stay."""
    return _has_sender(message) and subject.asked_at is not None and message.came_in_after(subject.asked_at)


def _has_sender(message: Message) -> bool:
    try:
        return bool(decrypt(message.sender or "", path=message.path, field="sender"))
    except DecryptionFailed:
        return False


def _erase_quarantine(subject: Subject) -> int:
    erased, place = quarantine.erase_page(subject, "")
    while place is not None:
        more, place = quarantine.erase_page(subject, place)
        erased += more
    return erased


def _count_quarantine(subject: Subject) -> int:
    return sum(1 for _ in quarantine.find_naming(subject)) + sum(1 for _ in quarantine.find_left_over(subject))


def _erase_media(subject: Subject) -> int:
    """Everything in the customer's folders, whichever message it is of. A message that a worker moves to somebody new has
    its file fetched again."""
    return sum(media.delete_folder(user_key) for user_key in subject.user_keys)


class RedisUnavailable(TransientError):
    """Nobody knows what it holds."""


def _forget_in_redis(subject: Subject) -> int:
    try:
        return int(get_redis().delete(*_redis_keys(subject)))
    except RedisError as exc:
        raise RedisUnavailable("Redis did not answer") from exc


def _count_in_redis(subject: Subject) -> int:
    try:
        return int(get_redis().exists(*_redis_keys(subject)))
    except RedisError as exc:
        raise RedisUnavailable("Redis did not answer") from exc


def _redis_keys(subject: Subject) -> list[str]:
    """Locks, counters and flags under the person's random keys."""
    return [key for user_key in subject.user_keys for key in (*keys_of(user_key), pair_key(user_key))]


registry.register(
    ErasureStep(
        "conversations.outbox", "Mensagens que esperavam para sair", Phase.STOP, _stop_outbox, lambda s: len(_unsent(s))
    ),
    ErasureStep(
        "conversations.quarantine",
        "Entregas em quarentena, com seus arquivos",
        Phase.FILES,
        _erase_quarantine,
        _count_quarantine,
        walk=quarantine.erase_page,
    ),
    ErasureStep(
        "conversations.media",
        "Imagens, áudios, vídeos e outros arquivos",
        Phase.FILES,
        _erase_media,
        lambda subject: sum(len(media.files_of(user_key)) for user_key in subject.user_keys),
    ),
    ErasureStep(
        "conversations.messages",
        "Mensagens, também as que esperavam para sair",
        Phase.DOCUMENTS,
        _erase_messages,
        _count_messages,
    ),
    owned_step("conversations.sessions", "Sessões", Session.collection),
    owned_step("conversations.handoffs", "Atendimentos humanos", Handoff.collection),
    ErasureStep("conversations.redis", "Marcas de processamento", Phase.CACHES, _forget_in_redis, _count_in_redis),
)
