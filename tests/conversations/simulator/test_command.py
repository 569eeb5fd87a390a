import pytest
from django.core.management import CommandError, call_command


def test_simulator_refuses_to_exist_without_debug(settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("simulator", "--port", "0")
