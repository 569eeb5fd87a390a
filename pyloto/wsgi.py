"""The web process. What it needs is checked and made before its first request: a bad setting stops the start."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pyloto.settings")

application = get_wsgi_application()

from conversations.views import dedupe_store  # noqa: E402  (models are ready only now)
from pyloto.documents import warm_up  # noqa: E402
from pyloto.start_up import require_checks  # noqa: E402

require_checks()
dedupe_store()
warm_up()
