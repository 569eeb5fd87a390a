"""The files that customers sent: one folder for each customer, and nothing else lies there."""

from contextlib import suppress

from conversations.services.media import media_folder
from conversations.stores import MEDIA_FILES
from pyloto.errors import StorageUnavailable
from pyloto.privacy.encrypted_files import delete_file, files_in


def files_of(user_key: str) -> list[str]:
    """The files of one customer, also those that no message names (any more). Raises `StorageUnavailable`."""
    return files_in(MEDIA_FILES, user_key)


def delete_folder(user_key: str) -> int:
    """Delete all of a customer's files; return how many. Raises `StorageUnavailable`."""
    files = files_of(user_key)
    for file in files:
        delete_file(MEDIA_FILES, file)
    with suppress(StorageUnavailable):  # something came in meanwhile: it is found when all is looked for once more
        delete_file(MEDIA_FILES, media_folder(user_key))
    return len(files)
