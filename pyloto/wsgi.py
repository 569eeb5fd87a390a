"""The web process. What it needs is made before it takes its first request, so that a bad setting stops the start."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pyloto.settings")

application = get_wsgi_application()

from conversations.views import dedupe_store  # noqa: E402  (models are ready only now)
from pyloto.documents import get_store  # noqa: E402

dedupe_store()
get_store()
