"""The settings of the tests: the environment first, then the project's own.

Nothing of the developer's environment or `.env` gets in; processes that tests start inherit the same values.
"""

import base64
import os
import tempfile

_run_dir = tempfile.TemporaryDirectory(prefix="pyloto-test-")  # removed when the process ends

for _name in ("DATABASE_URL", "DOCUMENTS_BACKEND", "REDIS_URL", "DEDUPE_BACKEND", "ZERO_TRUST_MODE", "LOG_LEVEL"):
    os.environ.pop(_name, None)
os.environ.update(
    PYLOTO_ENV_FILE="",
    PYLOTO_RUN_DIR=_run_dir.name,
    DEBUG="true",  # plain HTTP and static files without a manifest; Django's test runner itself sets DEBUG to False
    DJANGO_SETTINGS_MODULE="tests.settings",
    DJANGO_SECRET_KEY="only-for-tests-only-for-tests-only-for-tests-only-for-tests",
    PRIVACY_PEPPERS="1:" + base64.b64encode(b"pepper-of-the-tests-32-bytes-ok!").decode(),
    PRIVACY_KEYS="1:" + base64.b64encode(b"a-key-of-the-tests-with-32-bytes").decode(),
    AUDIT_SIGNING_KEY=base64.b64encode(b"audit-seed-of-the-tests-32-bytes").decode(),
    WHATSAPP_APP_SECRET="app-secret-of-the-tests",
    WHATSAPP_VERIFY_TOKEN="verify-token-of-the-tests",
    WHATSAPP_ACCESS_TOKEN="access-token-of-the-tests",
    WHATSAPP_PHONE_NUMBER_IDS="106540352242922",
    WHATSAPP_GRAPH_URL="http://127.0.0.1:9",  # nobody listens: a test that sends names its fake
    FIRESTORE_PROJECT="pyloto-test",
)

from pyloto.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # each signed-in test would pay for a slow one
WHITENOISE_AUTOREFRESH = True  # Django's test runner sets DEBUG to False, and no static files are collected here
# A file, as in production: threads on SQLite's shared memory get "table is locked" at once instead of waiting.
DATABASES["documents"] |= {"TEST": {"NAME": f"{_run_dir.name}/test-documents.sqlite3"}}  # noqa: F405
# No power cut is tested, and each commit would wait for the disk.
DATABASES["documents"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"  # noqa: F405
