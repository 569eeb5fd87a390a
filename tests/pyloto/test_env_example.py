import re

from django.conf import settings


def test_the_example_lists_every_variable_that_the_settings_read() -> None:
    source = (settings.BASE_DIR / "pyloto" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:env\.\w+|os\.environ\.get)\(\s*"([A-Z_]+)"', source))
    listed = set(re.findall(r"^(?:# )?([A-Z_]+)=", (settings.BASE_DIR / ".env.example").read_text(), re.MULTILINE))
    assert read - listed == set()
    assert listed - read == {"PROMETHEUS_MULTIPROC_DIR"}  # read by the metrics library itself
