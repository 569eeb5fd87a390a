"""Meta's error codes, and what may be done about each. Pure.

Keyed by `code`, never by `type`: that is `OAuthException` even where a rate limit is meant. Source: Meta's error-codes
page of 15 May 2026; the classes are our reading of its wording.
"""

from enum import StrEnum


class ErrorClass(StrEnum):
    RETRY = "RETRY"  # not sent: again, with backoff
    FIX_ONCE = "FIX_ONCE"  # not sent: mend the cause, then once more
    CHANGE_ROUTE = "CHANGE_ROUTE"  # not sent: another form may pass, e.g. a template outside the 24-hour window
    WAIT_LONG = "WAIT_LONG"  # not sent: not before a day has passed, if ever
    PERMANENT = "PERMANENT"  # this message will never pass
    CHANNEL_BROKEN = "CHANNEL_BROKEN"  # nothing will pass: stop sending and call a person
    AMBIGUOUS = "AMBIGUOUS"  # it may have been sent: wait for its status


CLASS_BY_CODE: dict[int, ErrorClass] = {
    **dict.fromkeys((4, 80007, 130429, 131056, 131000, 131016, 131057, 2494100, 135000), ErrorClass.RETRY),
    **dict.fromkeys((131052, 131053, 131062, 137000), ErrorClass.FIX_ONCE),
    **dict.fromkeys((131047, 131063, 132015), ErrorClass.CHANGE_ROUTE),
    **dict.fromkeys((130472, 131049, 131050, 132069), ErrorClass.WAIT_LONG),
    **dict.fromkeys((100, 131008, 131009, 131021, 131026, 131030, 131051), ErrorClass.PERMANENT),
    **dict.fromkeys((132000, 132001, 132005, 132007, 132008, 132012, 132016, 132068), ErrorClass.PERMANENT),
    **dict.fromkeys((0, 3, 10, 190, *range(200, 300), 368), ErrorClass.CHANNEL_BROKEN),
    **dict.fromkeys((131005, 131031, 131037, 131042, 131045, 131048, 131064), ErrorClass.CHANNEL_BROKEN),
    **dict.fromkeys((130497, 133016), ErrorClass.CHANNEL_BROKEN),
    1: ErrorClass.AMBIGUOUS,  # "unknown error": says nothing about whether the message left
    2: ErrorClass.AMBIGUOUS,  # "temporary, service down"
}


def classify(code: int | None, http_status: int = 0, is_transient: bool = False) -> ErrorClass:
    """What an error of Meta's allows. `http_status` is 0 for an error that came in a webhook.

    A failure inside Meta (131000, or a code we do not know, with HTTP 5xx) may have happened after the message was
    accepted, so it is ambiguous; the same code in a status means that the message was not delivered.
    """
    server_failed = http_status >= 500
    known = CLASS_BY_CODE.get(code) if code is not None else None
    if server_failed and (known is None or code == 131000):
        return ErrorClass.AMBIGUOUS
    if known is not None:
        return known
    return ErrorClass.RETRY if is_transient or http_status == 429 else ErrorClass.PERMANENT
