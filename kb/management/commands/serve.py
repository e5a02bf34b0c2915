"""Bring everything up to date, then serve the site and work off its queue."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb import database


class Command(BaseCommand):
    help = "Start database, web server and worker; the first time, load and index everything."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen, and how many of what."""
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
        parser.add_argument("--threads", type=int, default=8)
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--prepare", action="store_true", help="stop before serving")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the steps, each with its time, then serve until stopped."""
        start = time.perf_counter()
        if not options["prepare"]:
            _refuse_taken(options["host"], options["port"])
        self._step("database", self._database)
        compiling = _compile()
        self._step("tables", lambda: call_command("migrate", verbosity=0))
        self._step("static files", self._static)
        self._step("corpus and taxonomy", self._fixtures)
        self._step("vectors and index", self._index)
        self._step("offers for placement", self._offers)
        self._step("embedding model", lambda: self._compiled(compiling))
        self.stdout.write(f"{'ready':24}{time.perf_counter() - start:6.1f} s")
        if not options["prepare"]:
            self._serve(options)

    def _step(self, name: str, work: Callable[[], Any]) -> None:
        start = time.perf_counter()
        self.stdout.write(f"{name:24}", ending="")
        self.stdout.flush()
        said = work()
        note = f"  {said}" if said else ""
        self.stdout.write(f"{time.perf_counter() - start:6.1f} s{note}")

    def _database(self) -> str:
        named = "DATABASE_URL" in os.environ
        address = database.ensure()
        _reconnect(address)
        return "the one DATABASE_URL names" if named else "embedded, under var/"

    def _static(self) -> None:
        call_command("collectstatic", interactive=False, verbosity=0)

    def _fixtures(self) -> str:
        from evals.operations import sync_targets
        from kb.loading import load_all
        from taxonomy.fixtures import FixtureError

        try:
            counts = load_all()
        except FixtureError as error:
            raise CommandError(f"Nothing was loaded: {error}", returncode=2) from None
        sync_targets()
        return "loaded already" if counts is None else f"{counts['papers']['created']} papers"

    def _index(self) -> str:
        from kb import search
        from kb.triage import rate_suggestions

        try:
            done = search.embed_stale(self._show)
            rows = search.rebuild().rows
            if done:
                rate_suggestions()
        except search.EmbedderError as error:
            self.stderr.write(f"\nSearch by meaning is off: {error}")
            return "keyword search only"
        return f"{rows} searchable, {done} new"

    def _offers(self) -> str:
        from kb import search
        from kb.placing import offers

        try:
            made = offers.refresh()
        except search.EmbedderError:
            return "none without vectors"
        return f"{made} made" if made else "made already"

    def _compiled(self, compiling: subprocess.Popen[str] | None) -> str:
        if compiling is None:
            return "compiled already"
        said = compiling.communicate()[1].strip().splitlines()
        if compiling.returncode:
            return f"not compiled, so slower: {said[-1] if said else 'no reason given'}"
        return "compiled beside the steps above"

    def _show(self, done: int, total: int) -> None:
        if total and self.stdout.isatty():
            self.stdout.write(f"\r{'vectors and index':24}{done} of {total}", ending="\r")
            self.stdout.flush()

    def _serve(self, options: dict[str, Any]) -> None:
        from django.db import connections

        from kb import supervisor

        connections.close_all()
        self.stdout.write(f"http://{options['host']}:{options['port']}  (Ctrl-C stops everything)")
        self.stdout.flush()
        keys = ("host", "port", "threads", "workers")
        code = supervisor.run(**{key: options[key] for key in keys})
        if code:
            raise SystemExit(code)


def _compile() -> subprocess.Popen[str] | None:
    """Start to compile the packaged embedding model, unless that was done or another is named."""
    from kb.search._embedder import PACKAGED, graph_path

    if settings.EMBEDDING_MODEL != PACKAGED or graph_path().exists():
        return None
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "compile_embedder"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _refuse_taken(host: str, port: int) -> None:
    """Say at once that the address is taken, and not after all the preparation."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = f"{host}:{port} cannot be used ({error.strerror}). Choose another: PORT=8001"
            raise CommandError(hint, returncode=2) from None


def _reconnect(address: str) -> None:
    """Point this process at a server that was started after the settings were read."""
    import dj_database_url
    from django.db import connections

    connections["default"].close()
    connections["default"].settings_dict.update(dj_database_url.parse(address))
