"""A database of a bench's own, made before it measures and dropped after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def database() -> Iterator[str]:
    """Set Django up on an empty, migrated database; its name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    from kb import database as given

    given.ensure()
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["TEST"]["NAME"] = "safestack_bench"
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield name
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
