"""A database that is overloaded says so at once: the webhook answers 503, a worker comes back later."""

import pytest
from google.api_core import exceptions

from pyloto.documents import Unavailable
from pyloto.documents.firestore import _RETRY, _error


@pytest.mark.parametrize("name", ["ResourceExhausted", "DeadlineExceeded", "Aborted", "InternalServerError"])
def test_it_is_unavailable_and_not_tried_again_here(name: str) -> None:
    """C6: the library's own client would go on for a minute."""
    error = getattr(exceptions, name)("no")
    assert isinstance(_error(error, "a commit"), Unavailable)
    assert not _RETRY._predicate(error)
