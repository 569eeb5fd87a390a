import pytest

from conversations.whatsapp.errors import CLASS_BY_CODE, ErrorClass, classify


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


# Meta's error-codes page of 15 May 2026, as gathered in July 2026: what may be done about each.
TABLE = {
    ErrorClass.RETRY: (4, 80007, 130429, 131056, 131000, 131016, 131057, 2494100, 135000),
    ErrorClass.FIX_ONCE: (131053, 131052, 137000, 131062),
    ErrorClass.CHANGE_ROUTE: (131047, 132015, 131063),
    ErrorClass.WAIT_LONG: (131049, 130472, 131050, 132069),
    ErrorClass.PERMANENT: (
        *(100, 131008, 131009, 131021, 131026, 131030, 131051),
        *(132000, 132001, 132005, 132007, 132008, 132012, 132016, 132068),
        *(138000, 139000, 147001, 131200),  # families that we never call, and what Meta may invent
    ),
    ErrorClass.CHANNEL_BROKEN: (
        *(0, 3, 10, 190, *range(200, 300), 368),
        *(131005, 131031, 131037, 131042, 131045, 131048, 131064, 130497, 133016),
    ),
}


@pytest.mark.parametrize(("expected", "code"), [(each, code) for each, codes in TABLE.items() for code in codes])
def test_every_code_that_meta_lists_has_its_class(expected: ErrorClass, code: int) -> None:
    assert classify(code, 400) is expected


def test_no_code_is_in_the_table_that_meta_does_not_list() -> None:
    listed = {code for codes in TABLE.values() for code in codes}
    assert {code for code in CLASS_BY_CODE if code not in (1, 2)} <= listed
