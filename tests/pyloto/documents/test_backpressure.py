"""A database that is overloaded says so at once: the webhook answers 503, a worker comes back later."""

import pytest
from google.api_core import exceptions

from pyloto.documents import Unavailable
from pyloto.documents.firestore import _RETRY, _error


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResourceExhausted("quota"),
        exceptions.DeadlineExceeded("slow"),
        exceptions.Aborted("contention"),
        exceptions.InternalServerError("oops"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_it_is_unavailable_and_not_tried_again_here(error: exceptions.GoogleAPICallError) -> None:
    """C6: the library's own client would go on for a minute."""
    assert isinstance(_error(error, "a commit"), Unavailable)
    assert not _RETRY._predicate(error)
