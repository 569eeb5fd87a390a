"""Settings, grouped by owner and read from the environment; `.env.example` lists every variable.

A `.env` beside `manage.py` is read where it exists; what the environment already holds wins.
"""

import math
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from dotenv import load_dotenv

from pyloto import env
from pyloto.embedded_valkey import socket_url
from pyloto.observability.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(os.environ.get("PYLOTO_ENV_FILE", BASE_DIR / ".env"))

# --- Django -----------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.secret("DJANGO_SECRET_KEY")
# The loopback names are for probes and `manage.py dev`; nothing is addressed by the host a request names.
ALLOWED_HOSTS = [*env.items("ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
ROOT_URLCONF = "pyloto.urls"
WSGI_APPLICATION = "pyloto.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
RUN_DIR = Path(env.text("PYLOTO_RUN_DIR", str(BASE_DIR / "run")))  # databases, sockets and files of the embedded mode

INSTALLED_APPS = [
    "pyloto",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_celery_beat",
    "pyloto.documents",
    "audit",
    "profiles",
    "ai",
    "conversations",
    "exports",
]

MIDDLEWARE = [
    "pyloto.observability.correlation.CorrelationMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pyloto.content_security.ContentSecurityPolicyMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "pyloto" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "pt-br"
LOCALE_PATHS = [BASE_DIR / "pyloto" / "locale"]
TIME_ZONE = "America/Sao_Paulo"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEBUG  # a try-out needs no collectstatic
MEDIA_BUCKET = env.text("MEDIA_BUCKET")  # Cloud Storage, for the files of customers (encrypted); unset: as below
EXPORTS_BUCKET = env.text("EXPORTS_BUCKET")  # Cloud Storage, for what leaves the database; unset: files in RUN_DIR
STORAGES = {
    "exports": (
        {
            "BACKEND": "storages.backends.gcloud.GoogleCloudStorage",
            "OPTIONS": {"bucket_name": EXPORTS_BUCKET, "file_overwrite": False, "default_acl": None},
        }
        if EXPORTS_BUCKET
        else {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": RUN_DIR / "exports", "file_permissions_mode": 0o600},
        }
    ),
    "media": (
        {
            "BACKEND": "storages.backends.gcloud.GoogleCloudStorage",
            "OPTIONS": {
                "bucket_name": MEDIA_BUCKET,
                "file_overwrite": False,
                "default_acl": None,
                "blob_chunk_size": 8 * 1024 * 1024,  # so much of a file is in memory; the library's own: 100 MB
                "max_memory_size": 1024 * 1024,  # of a file that is read; more goes to the disk, encrypted
            },
        }
        if MEDIA_BUCKET
        else {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": RUN_DIR / "files", "file_permissions_mode": 0o600},
        }
    ),
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": RUN_DIR / "files"}},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Django's own tables: users, permissions, admin log, beat schedule. SQLite unless DATABASE_URL names a PostgreSQL.
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {**dj_database_url.parse(env.text("DATABASE_URL", f"sqlite:///{RUN_DIR}/django.sqlite3"))},
    # The embedded documents: a file of their own. FULL: a webhook is answered 200 only once its messages are on disk.
    "documents": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": RUN_DIR / "documents.sqlite3",
        "CONN_MAX_AGE": None,  # kept: the last one that closes writes the whole log back into the file
        "OPTIONS": {
            **_SQLITE_OPTIONS,
            # secure_delete: what is erased is overwritten in the file too.
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA secure_delete=ON;",
        },
    },
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = _SQLITE_OPTIONS
DATABASE_ROUTERS = ["pyloto.documents.router.DocumentsRouter"]

# Identities, for at most 60 s in each process; nothing else is cached.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
}

# --- Browser security -------------------------------------------------------------------------------------------------
SECURE_COOKIES = env.flag("SECURE_COOKIES", not DEBUG)  # off only where the admin is served over plain HTTP
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 0 if DEBUG else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", False)  # binds the whole domain
SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", False)
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes come over plain HTTP
X_FRAME_OPTIONS = "DENY"
if env.flag("BEHIND_TLS_PROXY", False):  # only where the proxy strips this header from what clients send
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- DRF --------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

# --- Documents --------------------------------------------------------------------------------------------------------
DOCUMENTS_BACKEND = env.choice("DOCUMENTS_BACKEND", "embedded", {"embedded", "firestore"})
FIRESTORE_PROJECT = env.text("FIRESTORE_PROJECT")
FIRESTORE_DATABASE = env.text("FIRESTORE_DATABASE", "(default)")
if DOCUMENTS_BACKEND == "firestore" and not FIRESTORE_PROJECT:
    raise ImproperlyConfigured("DOCUMENTS_BACKEND=firestore needs FIRESTORE_PROJECT")

# --- Redis and Celery -------------------------------------------------------------------------------------------------
# One Redis database for each installation: dedupe marks, locks and the broker's queues carry no prefix of their own.
REDIS_URL = env.text("REDIS_URL", socket_url(RUN_DIR))  # unset: the embedded Valkey that `manage.py dev` starts
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,  # above the hard time limit of any task
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_POOL_START_METHOD = "spawn"  # gRPC does not survive a fork
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DIRECT = True  # a queue for each worker, where its own canaries come
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60  # Celery's own 4 s to start are never enough on a busy machine: it kills each
CELERY_WORKER_ETA_TASK_LIMIT = 1000  # rings with a countdown held by one worker
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_TASK_TIME_LIMIT = 60
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "turns"
CELERY_TASK_ROUTES = {
    "conversations.tasks.sweep": {"queue": "sweep"},
    "conversations.tasks.fetch_media": {"queue": "media"},  # of its own: a slow download holds up no turn
    "conversations.tasks.remove_leftover_files": {"queue": "media"},
    "audit.tasks.write_audit_checkpoint": {"queue": "checkpoints"},  # only its workers need AUDIT_SIGNING_KEY
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"
SWEEP_SECONDS = env.seconds("SWEEP_SECONDS", 10, minimum=1)
CELERY_BEAT_SCHEDULE = {  # "expire_seconds" is the database scheduler's word; it drops Celery's "expires"
    "sweep": {
        "task": "conversations.tasks.sweep",
        "schedule": SWEEP_SECONDS,
        "options": {"expire_seconds": math.ceil(SWEEP_SECONDS.total_seconds())},
    },
    "session-timeouts": {
        "task": "conversations.tasks.check_session_timeouts",
        "schedule": timedelta(minutes=5),
        "options": {"expire_seconds": 300},
    },
    "left-conversations": {
        "task": "conversations.tasks.put_back_left_conversations",
        "schedule": timedelta(minutes=5),
        "options": {"expire_seconds": 300},
    },
    "audit-checkpoint": {
        "task": "audit.tasks.write_audit_checkpoint",
        "schedule": timedelta(hours=1),
        "options": {"expire_seconds": 3600},
    },
    "erasures": {
        "task": "profiles.tasks.continue_erasures",
        "schedule": timedelta(minutes=1),
        "options": {"expire_seconds": 60},
    },
    "retention": {
        "task": "profiles.tasks.apply_retention",
        "schedule": crontab(hour="6", minute="0"),  # 3:00 in São Paulo
        "options": {"expire_seconds": 3600},
    },
    "leftover-files": {
        "task": "conversations.tasks.remove_leftover_files",
        "schedule": crontab(hour="7", minute="0"),
        "options": {"expire_seconds": 3600},
    },
    # They do not expire: a worker whose clock is fast would drop each unread, and could never tell of its clock.
    **{
        f"canary-{queue}": {
            "task": "pyloto.tasks.canary",
            "schedule": timedelta(seconds=20),
            "args": [queue],
            "options": {"queue": queue},
        }
        for queue in ("turns", "sweep", "checkpoints", "media")
    },
}

# --- Deduplication ----------------------------------------------------------------------------------------------------
DEDUPE_BACKEND = env.text(
    "DEDUPE_BACKEND", "redis"
)  # "redis" (an outage stops intake) or "firestore"; checked at start
DEDUPE_TTL_DAYS = env.number("DEDUPE_TTL_DAYS", 8, minimum=1)  # Meta retries for up to 7 days

# --- Privacy ----------------------------------------------------------------------------------------------------------
# "version:base64", newest first: "2:…,1:…". The first one is written; all are read.
PRIVACY_PEPPERS = env.secret("PRIVACY_PEPPERS")
PRIVACY_KEYS = env.secret("PRIVACY_KEYS")
PRIVACY_CONTACT = env.text("PRIVACY_CONTACT", "contato@pyloto.com.br")  # the encarregado's, as access reports name it
# How long each kind of data is kept, in days; 0 keeps it for ever. A legal hold on a customer stops the clock.
RETENTION_MESSAGES_DAYS = env.number("RETENTION_MESSAGES_DAYS", 730, minimum=0)
RETENTION_SESSIONS_DAYS = env.number("RETENTION_SESSIONS_DAYS", 730, minimum=0)  # with their handoffs
RETENTION_CLASSIFICATIONS_DAYS = env.number("RETENTION_CLASSIFICATIONS_DAYS", 180, minimum=0)
RETENTION_HISTORY_DAYS = env.number("RETENTION_HISTORY_DAYS", 1825, minimum=0)  # changes of profiles
RETENTION_QUARANTINE_DAYS = env.number("RETENTION_QUARANTINE_DAYS", 30, minimum=0)
RETENTION_CUSTOMERS_DAYS = env.number(
    "RETENTION_CUSTOMERS_DAYS", 1825, minimum=0
)  # silent that long: erased as a whole

# --- Audit ------------------------------------------------------------------------------------------------------------
AUDIT_SIGNING_KEY = env.text("AUDIT_SIGNING_KEY")  # base64 of 32 random bytes; only where checkpoints are signed
AUDIT_PUBLIC_KEY = env.text("AUDIT_PUBLIC_KEY")  # its public half, a vkey: enough for all others
AUDIT_ORIGIN = env.text("AUDIT_ORIGIN", "pyloto/audit")  # the log's name, in every checkpoint and in the key's
AUDIT_PREVIOUS_PUBLIC_KEYS = env.items("AUDIT_PREVIOUS_PUBLIC_KEYS")  # vkeys that signed before the key was rotated

# --- WhatsApp ---------------------------------------------------------------------------------------------------------
WHATSAPP_APP_SECRET = env.secret("WHATSAPP_APP_SECRET")
WHATSAPP_APP_SECRET_PREVIOUS = env.text("WHATSAPP_APP_SECRET_PREVIOUS")  # accepted too, while the secret is rotated
WHATSAPP_VERIFY_TOKEN = env.secret("WHATSAPP_VERIFY_TOKEN")
WHATSAPP_ACCESS_TOKEN = env.secret("WHATSAPP_ACCESS_TOKEN")
WHATSAPP_PHONE_NUMBER_IDS = env.items("WHATSAPP_PHONE_NUMBER_IDS")  # the numbers that are ours
WHATSAPP_GRAPH_URL = env.text("WHATSAPP_GRAPH_URL", "https://graph.facebook.com")
WHATSAPP_GRAPH_VERSION = env.text("WHATSAPP_GRAPH_VERSION", "v26.0")
# Exact names of the hosts that files of customers are fetched from, and that the token goes to.
WHATSAPP_MEDIA_HOSTS = env.items("WHATSAPP_MEDIA_HOSTS", "lookaside.fbsbx.com")
WHATSAPP_WEBHOOK_MAX_BYTES = 4 * 1024 * 1024  # Meta sends up to 3 MB
ZERO_TRUST_MODE = env.flag("ZERO_TRUST_MODE", True)  # false skips the signature check; refused unless DEBUG
if not ZERO_TRUST_MODE and not DEBUG:
    raise ImproperlyConfigured("ZERO_TRUST_MODE=false is for development: it needs DEBUG=true")
if not WHATSAPP_PHONE_NUMBER_IDS:
    raise ImproperlyConfigured("WHATSAPP_PHONE_NUMBER_IDS must name the number this installation answers for")

# --- Turns and outbox -------------------------------------------------------------------------------------------------
TURN_QUIET_SECONDS = env.seconds("TURN_QUIET_SECONDS", 3)  # a turn starts when the customer has paused this long
TURN_MAX_SECONDS = env.seconds("TURN_MAX_SECONDS", 15)  # ... or when the first message has waited this long
FLOOD_MESSAGES_MAX = env.number("FLOOD_MESSAGES_MAX", 10, minimum=0)  # more in 60 s are a flood; 0: nothing is
LOOP_TURNS_MAX = env.number("LOOP_TURNS_MAX", 40, minimum=0)  # more answers in a day call a person; 0: nor do loops
OUTBOX_STALE_SECONDS = env.seconds("OUTBOX_STALE_SECONDS", 30, minimum=6)  # above the client's longest request
OUTBOX_UNKNOWN_SECONDS = env.seconds("OUTBOX_UNKNOWN_SECONDS", 120, minimum=1)  # wait for the status of a doubtful send
WHATSAPP_SENDS_PER_SECOND = env.number("WHATSAPP_SENDS_PER_SECOND", 60, minimum=1)  # of one number; Meta: 80, some 20
HANDOFF_TARGET_MINUTES = env.number("HANDOFF_TARGET_MINUTES", 60, minimum=1)  # of opening hours, until a person answers
DELIVERY_DESK_WHATSAPP = env.text("DELIVERY_DESK_WHATSAPP")  # the external number for deliveries, as customers read it

# --- Simulator (development only) -------------------------------------------------------------------------------------
SIMULATOR_URL = env.text("SIMULATOR_URL")  # set by `manage.py dev`; the page is refused unless DEBUG

FAILPOINTS = env.text("FAILPOINTS")  # the directory of the chaos test's orders; refused unless DEBUG
if FAILPOINTS and not DEBUG:
    raise ImproperlyConfigured("FAILPOINTS is for the chaos test: it needs DEBUG=true")

# --- Logs and metrics -------------------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})
LOGGING = logging_config(LOG_LEVEL)  # JSON lines; applied by Django in every process
METRICS_TOKEN = env.text("METRICS_TOKEN")  # bearer token for /metrics, which does not exist without one

# --- Admin (unfold) ---------------------------------------------------------------------------------------------------
LOGIN_REDIRECT_URL = "admin:index"  # for who opens /admin/login/ itself: unfold's form names no next page
UNFOLD = {
    "SITE_TITLE": "Pyloto",
    "SITE_HEADER": "Pyloto",
    "SITE_SUBHEADER": "Painel da equipe",
    "SITE_SYMBOL": "forum",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("pyloto/icon.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "STYLES": [lambda request: static("pyloto/admin.css")],
    "DASHBOARD_CALLBACK": "conversations.dashboard.dashboard",
    "SIDEBAR": {"navigation": "pyloto.navigation.navigation"},
    "COLORS": {
        "primary": {  # a teal, dark enough for white text from 600 on
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(60% .118 184.704)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(32% .055 190)",
            "950": "oklch(27.7% .046 192.524)",
        }
    },
}
