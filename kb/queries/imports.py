"""Imported evidence: the list, one import, and what it may be mapped to."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from evals.imports.storing import Known
from evals.models import EvidenceImport
from taxonomy.models import Mitigation, Risk


def imports(drafts: bool = False) -> QuerySet[EvidenceImport]:
    """Imports, the newest first, with ``finding_count`` and ``mapped_count``; drafts if asked."""
    mapped = ~Q(findings__risk="")
    found = EvidenceImport.objects.select_related("imported_by").annotate(
        finding_count=Count("findings"), mapped_count=Count("findings", filter=mapped)
    )
    return found if drafts else found.filter(published_at__isnull=False)


def one(pk: int, drafts: bool = False) -> EvidenceImport | None:
    """One import with its findings."""
    return imports(drafts).prefetch_related("findings").filter(pk=pk).first()


def known() -> Known:
    """The risks and mitigations that a finding may be mapped to."""
    risks = Risk.objects.values_list("slug", flat=True)
    return Known(list(risks), list(Mitigation.objects.values_list("slug", flat=True)))
