"""Confidence of suggestions: the neighbours' vote."""

import numpy as np
import pytest

from kb import search
from kb.models import Paper, Placement
from kb.triage import rate_suggestions
from taxonomy.models import Category, Risk

pytestmark = pytest.mark.django_db


def paper(name: str, title: str) -> Paper:
    return Paper.objects.create(key=f"triage-{name}", title=title, year=2025)


def test_confidence_is_the_share_of_neighbours_that_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    Placement.objects.filter(origin="curated").delete()
    deepfake, bias = (Risk.objects.get(slug=slug) for slug in ("deepfake", "social-bias"))
    near = [paper(str(i), f"near {i}") for i in range(4)]
    for place, one in enumerate(near):
        risk = deepfake if place < 3 else bias
        Placement.objects.create(paper=one, risk=risk, kind="attack", origin="curated")
    asked = paper("asked", "asked")
    at_risk = Placement.objects.create(
        paper=asked, risk=deepfake, kind="attack", origin="suggested"
    )
    misuse = Category.objects.get(slug="7-safety-in-llm-based-application")
    above = Placement.objects.create(
        paper=asked, category=misuse, kind="attack", origin="suggested"
    )
    ids = [*(one.pk for one in near), asked.pk]
    monkeypatch.setattr(search, "vectors", lambda: (ids, np.full((5, 4), 0.5, dtype=np.float32)))
    assert rate_suggestions() == 2
    at_risk.refresh_from_db()
    above.refresh_from_db()
    assert at_risk.confidence == 0.75
    assert above.confidence == 1.0  # both risks stand under this category
    assert rate_suggestions() == 0


def test_every_suggestion_gets_one_from_the_stored_vectors() -> None:
    if not Placement.objects.filter(origin="curated").exists():
        risk = Risk.objects.get(slug="deepfake")
        Placement.objects.create(
            paper=Paper.objects.get(key="arxiv:2307.15043"),
            risk=risk,
            kind="attack",
            origin="curated",
        )
    rate_suggestions()
    assert not Placement.objects.filter(origin="suggested", confidence=None).exists()
