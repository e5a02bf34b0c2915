"""Settings, all from the environment, with defaults that serve one machine.

| variable | default | meaning |
| --- | --- | --- |
| DATABASE_URL | embedded server in ``var/`` | an existing PostgreSQL |
| SECRET_KEY | made once in ``var/secret-key`` | signs sessions |
| ALLOWED_HOSTS | localhost addresses | host names served, by commas |
| CSRF_TRUSTED_ORIGINS | none | origins behind a proxy, by commas |
| KB_DEBUG | off | Django's debug pages |
| KB_HTTPS | off | the site is served over HTTPS: secure cookies, HSTS, redirect |
| KB_EMBEDDING_MODEL | packaged MiniLM | a sentence-transformers name or folder |
| KB_HARVEST | on | fetch missing abstracts from arXiv in the background |
| KB_RUNS | signed-in | who may start a run: ``signed-in`` or ``open`` |
| KB_RUN_QUOTA | 5,50 | runs of one person that may wait at once, and be started in a day |
| KB_RUN_QUOTA_ANONYMOUS | 2,20 | the same for all anonymous visitors together |
| KB_LOCAL_ENDPOINTS | on; off with KB_HTTPS | endpoints on this machine may be registered |
| KB_RUN_DAYS | 30 | days for which failed and cancelled runs are kept |
| KB_MAIL | console | ``smtp`` sends password resets by mail: EMAIL_HOST, EMAIL_PORT, |
| | | EMAIL_USER, EMAIL_PASSWORD, EMAIL_TLS, EMAIL_FROM |
| SAFESTACK_VAR | ``var`` | everything that can be made again |
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import dj_database_url
import django_stubs_ext
import pghistory
from csp.constants import NONE, SELF

from kb import database

# Lets generic classes such as ModelAdmin[Risk] be written as their types say.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = database.VAR


def flag(name: str, default: bool = False) -> bool:
    """Whether an environment variable says on."""
    return os.environ.get(name, str(default)).lower() in {"1", "on", "true", "yes"}


def numbers(name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """As many whole numbers as the default has, from an environment variable."""
    given = tuple(int(part) for part in listed(name))
    return given if len(given) == len(default) else default


def listed(name: str, default: str = "") -> list[str]:
    """An environment variable split at commas."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def secret_key() -> str:
    """The key from the environment, or one made once and kept readable to us alone."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    path = VAR / "secret-key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(64))
    return path.read_text()


DEBUG = flag("KB_DEBUG")
SECRET_KEY = secret_key()
ALLOWED_HOSTS = listed("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = listed("CSRF_TRUSTED_ORIGINS")
ROOT_URLCONF = "kb.urls"
WSGI_APPLICATION = "kb.wsgi.application"

INSTALLED_APPS = [
    "kb",
    "taxonomy",
    "evals",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pghistory",
    "pghistory.admin",
    "pgtrigger",
    "procrastinate.contrib.django",
    "rest_framework",
    "template_partials",
    "tree_queries",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "kb.middleware.NulMiddleware",
    "kb.middleware.SizeMiddleware",
    "kb.middleware.DatabaseDownMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "kb.accounts.middleware.MustChangePassword",
    "pghistory.middleware.HistoryMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "kb.middleware.ReleaseMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["kb.templatetags.kb", "template_partials.templatetags.partials"],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(database.url(), conn_max_age=60, conn_health_checks=True)
}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MANIFEST_STRICT = False

AUTHENTICATION_BACKENDS = ["kb.accounts.throttle.ThrottledBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

EMAIL_BACKEND = f"django.core.mail.backends.{os.environ.get('KB_MAIL', 'console')}.EmailBackend"
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("EMAIL_PORT", "25"))
EMAIL_HOST_USER = os.environ.get("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_PASSWORD", "")
EMAIL_USE_TLS = flag("EMAIL_TLS")
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "safestack@localhost")

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "kb.accounts.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["kb.api.parsing.PlainJSON"],
    "EXCEPTION_HANDLER": "kb.problems.handler",
    "DEFAULT_METADATA_CLASS": None,  # the description at /api/v1/schema/ says it all
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Safestack",
    "DESCRIPTION": (
        "LLM and LLM-agent full-stack safety: stages, risks, papers, and mitigations that run."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "HeadingOriginEnum": "taxonomy.models.lifecycle.Origin",
        "NodeStatusEnum": "taxonomy.models.lifecycle.Status",
        "ProvenanceEnum": "kb.models.Provenance",
        "SuggestionStateEnum": "kb.placing.models.VisitorNote.State",
        "PaperKindEnum": "kb.models.Kind",
        "ImportStateEnum": "kb.imports.models.PaperImport.State",
        "RunStatusEnum": "evals.models.Run.Status",
        "StateEnum": "taxonomy.models.memory.ChangeSet.State",
    },
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

if flag("KB_HTTPS"):
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

PGHISTORY_ADMIN_ALL_EVENTS = False
PGHISTORY_DEFAULT_TRACKERS = (
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
)

EMBEDDER = "kb.search._embedder.SentenceEmbedder"
EMBEDDING_MODEL = os.environ.get("KB_EMBEDDING_MODEL", "all-MiniLM-L6-v2")
HARVEST = flag("KB_HARVEST", default=True)
RUNS = os.environ.get("KB_RUNS", "signed-in")
RUN_QUOTA = numbers("KB_RUN_QUOTA", (5, 50))
RUN_QUOTA_ANONYMOUS = numbers("KB_RUN_QUOTA_ANONYMOUS", (2, 20))
LOCAL_ENDPOINTS = flag("KB_LOCAL_ENDPOINTS", default=not flag("KB_HTTPS"))
RUN_DAYS = numbers("KB_RUN_DAYS", (30,))[0]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    # A bad request is its sender's affair; only our own errors are worth a line.
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "WARNING")},
}
