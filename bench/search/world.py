"""Two databases with the same papers: with our summaries alone, and with abstracts too.

Each lies under ``var/bench`` with an embedded server of its own, is made once, and is
brought up to the present fixtures at each use.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABSTRACTS = ROOT.parent / "shared/corpus/abstracts.jsonl"
TEXTS = ("summaries", "abstracts")


def available() -> list[str]:
    """The worlds that can be made here; abstracts are not part of the repository."""
    return [texts for texts in TEXTS if texts == "summaries" or ABSTRACTS.exists()]


def enter(texts: str) -> None:
    """Set Django up in the world of that name; once in a process, before kb is imported."""
    os.environ.pop("DATABASE_URL", None)
    os.environ["SAFESTACK_VAR"] = str(ROOT / "var/bench" / texts)
    os.environ["KB_HARVEST"] = "off"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    from kb import database

    database.ensure()
    import django

    django.setup()
    _bring_up(texts)


def _bring_up(texts: str) -> None:
    from django.core.management import call_command

    from kb import operations, search
    from kb.loading import load_all
    from kb.models import Paper

    call_command("migrate", verbosity=0)
    load_all()
    if texts == "abstracts" and not Paper.objects.exclude(abstract="").exists():
        operations.import_abstracts(path=ABSTRACTS, source="the collected abstracts")
    search.embed_stale(_say)


def _say(done: int, total: int) -> None:
    if total:
        print(f"\rembedded {done} of {total}", end="\n" if done >= total else "", flush=True)
