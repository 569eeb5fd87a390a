import pytest
import time_machine

from conversations.whatsapp.checks import check_graph_url, check_graph_version


@pytest.mark.parametrize(
    ("version", "today", "expected"),
    [
        ("v26.0", "2030-01-01", []),
        ("v25.0", "2026-08-01", []),
        ("v25.0", "2028-05-01", ["conversations.W002"]),
        ("v25.0", "2028-08-01", ["conversations.W002"]),
        ("v99.0", "2026-08-01", ["conversations.W001"]),
    ],
)
def test_ending_or_unknown_graph_version_is_told(settings, version: str, today: str, expected: list[str]) -> None:
    settings.WHATSAPP_GRAPH_VERSION = version
    with time_machine.travel(today):
        assert [message.id for message in check_graph_version()] == expected


@pytest.mark.parametrize(
    ("url", "debug", "expected"),
    [
        ("https://graph.facebook.com", False, []),
        ("http://graph.facebook.com", False, ["conversations.E003"]),
        ("http://127.0.0.1:8001", False, ["conversations.E003"]),
        ("http://127.0.0.1:8001", True, []),
    ],
)
def test_the_token_is_not_sent_in_the_clear(settings, url: str, debug: bool, expected: list[str]) -> None:
    settings.WHATSAPP_GRAPH_URL, settings.DEBUG = url, debug
    assert [message.id for message in check_graph_url()] == expected
