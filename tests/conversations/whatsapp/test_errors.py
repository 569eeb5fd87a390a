import pytest

from conversations.whatsapp.errors import ErrorClass, classify


@pytest.mark.parametrize(
    ("code", "http_status", "is_transient", "expected"),
    [
        (130429, 429, False, ErrorClass.RETRY),
        (131056, 400, False, ErrorClass.RETRY),
        (80007, 400, False, ErrorClass.RETRY),
        (131016, 500, False, ErrorClass.RETRY),
        (131053, 400, False, ErrorClass.FIX_ONCE),
        (131047, 400, False, ErrorClass.CHANGE_ROUTE),
        (131049, 400, False, ErrorClass.WAIT_LONG),
        (131026, 400, False, ErrorClass.PERMANENT),
        (100, 400, False, ErrorClass.PERMANENT),
        (190, 401, False, ErrorClass.CHANNEL_BROKEN),
        (200, 403, False, ErrorClass.CHANNEL_BROKEN),
        (299, 403, False, ErrorClass.CHANNEL_BROKEN),
        (0, 401, False, ErrorClass.CHANNEL_BROKEN),
        (1, 500, False, ErrorClass.AMBIGUOUS),
        (2, 503, True, ErrorClass.AMBIGUOUS),
        (131000, 500, False, ErrorClass.AMBIGUOUS),  # it may have been accepted before Meta failed
        (131000, 0, False, ErrorClass.RETRY),  # in a status: it was not delivered
        (999999, 500, False, ErrorClass.AMBIGUOUS),
        (None, 500, False, ErrorClass.AMBIGUOUS),
        (999999, 400, True, ErrorClass.RETRY),
        (999999, 429, False, ErrorClass.RETRY),
        (999999, 400, False, ErrorClass.PERMANENT),
        (None, 400, False, ErrorClass.PERMANENT),
    ],
)
def test_code_decides_the_class(code: int | None, http_status: int, is_transient: bool, expected: ErrorClass) -> None:
    assert classify(code, http_status, is_transient) is expected
