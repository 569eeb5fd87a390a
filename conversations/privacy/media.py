"""The files that customers sent: one folder for each customer, and nothing else lies there."""

from contextlib import suppress

from conversations.services.media import media_folder
from conversations.stores import MEDIA_FILES
from pyloto.privacy.encrypted_files import list_folder, storage_of


def files_of(user_key: str) -> list[str]:
    """The files of one customer, also those that no message names (any more)."""
    folder = media_folder(user_key)
    return [f"{folder}/{name}" for name in list_folder(storage_of(MEDIA_FILES), folder)[1]]


def delete_folder(user_key: str) -> int:
    """Delete all of a customer's files; return how many."""
    storage, files = storage_of(MEDIA_FILES), files_of(user_key)
    for file in files:
        storage.delete(file)
    with suppress(OSError):  # something came in meanwhile: it is found when all is looked for once more
        storage.delete(media_folder(user_key))
    return len(files)
