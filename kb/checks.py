"""System checks: what must hold between the taxonomy, the engine and the search."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from kb.search import EmbedderError


@register()
def weights_are_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The packaged embedding weights are there and have the known checksum."""
    from kb.search._embedder import locate

    try:
        locate(settings.EMBEDDING_MODEL)
    except EmbedderError as error:
        return [Warning(str(error), hint="Search by meaning is off until then.", id="kb.W001")]
    return []


@register(Tags.database)
def engine_keys_resolve(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each mitigation that says it runs is in the engine, and the engine's risks exist."""
    from evals.engine import registry
    from taxonomy.models import Mitigation, Risk

    known = {mitigation.slug: mitigation for mitigation in registry.mitigations()}
    try:
        keys = set(Mitigation.objects.exclude(engine_key="").values_list("engine_key", flat=True))
        risks = set(Risk.objects.values_list("slug", flat=True))
    except DatabaseError:
        return []  # not migrated yet
    errors: list[CheckMessage] = [
        Error(f"Mitigation {key!r} says it runs, and the engine has no such key.", id="kb.E001")
        for key in sorted(keys - known.keys())
    ]
    errors += [
        Error(f"The engine's {name!r} answers the unknown risk {risk!r}.", id="kb.E002")
        for name, mitigation in known.items()
        for risk in mitigation.risks
        if risks and risk not in risks
    ]
    return errors
