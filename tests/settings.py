"""The product's settings, with what tests need otherwise."""

from kb.settings import *  # noqa: F403

EMBEDDER = "tests.fakes.HashEmbedder"
EMBEDDING_MODEL = "hash"
LOGGING = {"version": 1, "disable_existing_loggers": True}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Files under their plain names: tests do not collect static files first.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
STATIC_ROOT = None
# The running site must not hold connections to a database that is about to be dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
RUNS = "open"
RUN_QUOTA_ANONYMOUS = (100, 1000)
