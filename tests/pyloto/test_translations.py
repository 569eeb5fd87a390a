"""Our translations of the admin's theme."""

import gettext
import re
from pathlib import Path

from django.conf import settings

FOLDER = Path(settings.LOCALE_PATHS[0]) / "pt_BR" / "LC_MESSAGES"


def test_what_is_compiled_is_what_is_written():
    written = dict(re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', (FOLDER / "django.po").read_text(), re.M))
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert len(written) > 40
    assert {text: compiled.gettext(text) for text in written} == written
