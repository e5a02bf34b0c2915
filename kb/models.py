"""Papers, where they belong, and their vectors."""

from __future__ import annotations

import pghistory
import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Upper
from django.urls import reverse

from .accounts.models import Account, ApiToken, SignInAttempt
from .imports.models import ImportRow, PaperImport
from .placing.models import Decision, Offer, Training, VisitorNote

__all__ = [
    "Account",
    "ApiToken",
    "Basis",
    "Decision",
    "Embedding",
    "ImportRow",
    "Kind",
    "Offer",
    "Paper",
    "PaperImport",
    "PaperRedirect",
    "Placement",
    "Proposal",
    "Provenance",
    "SignInAttempt",
    "Training",
    "VisitorNote",
]
FIRST_YEAR, LAST_YEAR = 1950, 2100
KEY = r"(arxiv:\d{4}\.\d{4,5}|arxiv:[a-z.-]+/\d{7}|doi:10\.\d{4,9}/\S+|[a-z0-9][a-z0-9-]{2,99})"


class Kind(models.TextChoices):
    """What a paper does to the risk it is placed under; the columns of the matrix."""

    ATTACK = "attack", "attack"
    DEFENSE = "defense", "defense"
    BENCHMARK = "benchmark", "benchmark"
    SURVEY = "survey", "survey"
    ANALYSIS = "analysis", "analysis"


class Provenance(models.TextChoices):
    """Whether a person checked it or a rule proposed it."""

    CURATED = "curated", "curated"
    SUGGESTED = "suggested", "suggested"


class Basis(models.TextChoices):
    """What our summary was written from."""

    NONE = "", "no summary yet"
    ABSTRACT = "abstract", "the abstract"
    TITLE = "title", "title and listing only"


# Notes the transaction that last touched what a search reads; see kb/search/_changes.py.
NOTE_CHANGE = """
INSERT INTO kb_searchchange (paper_id, xact)
VALUES (COALESCE(NEW.{key}, OLD.{key}), pg_current_xact_id()::text::bigint)
ON CONFLICT (paper_id) DO UPDATE SET xact = EXCLUDED.xact;
RETURN NULL;
"""


def note_change(key: str, *columns: str) -> pgtrigger.Trigger:
    """The trigger that notes a change; ``key`` is the column that holds the paper's id."""
    update = pgtrigger.UpdateOf(*columns) if columns else pgtrigger.Update
    return pgtrigger.Trigger(
        name="note_change",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | update | pgtrigger.Delete,
        func=NOTE_CHANGE.format(key=key),
    )


@pghistory.track(exclude=["search"])
class Paper(models.Model):
    """A publication: facts, our summary, and its abstract once harvested."""

    key = models.CharField(max_length=200, unique=True, validators=[RegexValidator(rf"^{KEY}$")])
    title = models.CharField(max_length=500)
    authors = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    year = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(FIRST_YEAR), MaxValueValidator(LAST_YEAR)]
    )
    venue = models.CharField(max_length=300, blank=True)
    arxiv_id = models.CharField(max_length=30, blank=True)
    doi = models.CharField(max_length=200, blank=True)
    url = models.URLField(max_length=600, blank=True)
    lists = models.JSONField(default=list, blank=True, help_text="public lists that name it")
    survey_cited = models.BooleanField(
        null=True, blank=True, help_text="known to be cited by the survey; empty is unknown"
    )
    tldr = models.TextField(
        "in plain words", blank=True, help_text="what it found, as one would tell a newcomer"
    )
    summary = models.TextField(blank=True)
    summary_basis = models.CharField(max_length=10, choices=Basis, blank=True)
    abstract = models.TextField(blank=True)
    abstract_source = models.CharField(max_length=200, blank=True)
    abstract_at = models.DateTimeField(null=True, blank=True)
    extra = models.JSONField(
        default=dict, blank=True, help_text="by format: what an import said that has no place here"
    )
    status = models.CharField(max_length=10, choices=Provenance, default=Provenance.SUGGESTED)
    version = models.PositiveIntegerField(default=1)
    search = models.GeneratedField(
        expression=SearchVector("title", weight="A", config="english")
        + SearchVector("summary", weight="B", config="english")
        + SearchVector("tldr", weight="D", config="english")
        + SearchVector("abstract", weight="C", config="english"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        ordering = ("-year", "key")
        indexes = (
            GinIndex(fields=["search"], name="paper_search"),
            GinIndex(OpClass(Upper("title"), name="gin_trgm_ops"), name="paper_title_trigram"),
            models.Index(fields=["-year", "key"], name="paper_newest"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["arxiv_id"], condition=~models.Q(arxiv_id=""), name="arxiv_id_once"
            ),
            models.UniqueConstraint(fields=["doi"], condition=~models.Q(doi=""), name="doi_once"),
            models.CheckConstraint(
                condition=models.Q(year__range=(FIRST_YEAR, LAST_YEAR)), name="year_plausible"
            ),
            models.CheckConstraint(
                condition=models.Q(key__regex=rf"^{KEY}$"), name="paper_key_wellformed"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=Provenance.values), name="paper_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(abstract="") | ~models.Q(abstract_source=""),
                name="abstract_has_source",
            ),
        )
        triggers = (note_change("id", "title", "tldr", "summary", "abstract", "status"),)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("paper", args=[self.key])

    @property
    def extra_shown(self) -> list[tuple[str, str]]:
        """(name, value) of what imports said besides, as far as it is short text."""
        told = [part.get("fields", {}) for part in self.extra.values() if isinstance(part, dict)]
        pairs = [pair for fields in told for pair in fields.items()]
        return [(n, "; ".join(map(str, v)) if isinstance(v, list) else str(v)) for n, v in pairs]

    @property
    def text(self) -> str:
        """What is embedded: the title, the plain words, then the abstract, else our summary."""
        return "\n".join(filter(None, [self.title, self.tldr, self.abstract or self.summary]))


class PaperRedirect(models.Model):
    """An address that a merge left behind."""

    old_key = models.CharField(max_length=200, unique=True)
    paper = models.ForeignKey(Paper, models.CASCADE, related_name="redirects")

    class Meta:
        ordering = ("old_key",)

    def __str__(self) -> str:
        return f"{self.old_key} to {self.paper.key}"


@pghistory.track()
class Placement(models.Model):
    """A paper under one risk or one category, in one role, with the reason."""

    paper = models.ForeignKey(Paper, models.CASCADE, related_name="placements")
    risk = models.ForeignKey(
        "taxonomy.Risk", models.CASCADE, null=True, blank=True, related_name="placements"
    )
    category = models.ForeignKey(
        "taxonomy.Category", models.CASCADE, null=True, blank=True, related_name="placements"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    origin = models.CharField(max_length=10, choices=Provenance)
    confidence = models.FloatField(
        null=True, blank=True, help_text="0 to 1; empty where nobody measured it"
    )
    evidence = models.TextField(blank=True, help_text="why it belongs here")
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    placed_at = models.DateTimeField(auto_now=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=["risk", "kind"]), models.Index(fields=["category", "kind"]))
        constraints = (
            models.UniqueConstraint(
                fields=["paper", "risk", "category"],
                nulls_distinct=False,
                name="placed_once_there",
            ),
            models.CheckConstraint(
                condition=models.Q(risk__isnull=False, category__isnull=True)
                | models.Q(risk__isnull=True, category__isnull=False),
                name="placed_under_one_thing",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=Kind.values), name="kind_known"),
            models.CheckConstraint(
                condition=models.Q(origin__in=Provenance.values), name="origin_known"
            ),
            models.CheckConstraint(
                condition=models.Q(confidence__isnull=True)
                | models.Q(confidence__range=(0.0, 1.0)),
                name="confidence_is_probability",
            ),
        )
        triggers = (note_change("paper_id"),)

    def __str__(self) -> str:
        return f"{self.paper} as {self.kind} under {self.target}"

    @property
    def target(self) -> models.Model:
        """The risk or the category it stands under."""
        return self.risk or self.category  # type: ignore[return-value]


class Proposal(models.Model):
    """That a paper proposes or studies a mitigation."""

    paper = models.ForeignKey(Paper, models.CASCADE, related_name="proposals")
    mitigation = models.ForeignKey("taxonomy.Mitigation", models.CASCADE, related_name="proposals")

    class Meta:
        ordering = ("paper__year", "paper__key")
        constraints = (
            models.UniqueConstraint(fields=["paper", "mitigation"], name="proposed_once"),
        )

    def __str__(self) -> str:
        return f"{self.paper} proposes {self.mitigation}"


class Embedding(models.Model):
    """The vector of a paper's text under a named model; FAISS is only a cache of these."""

    paper = models.ForeignKey(Paper, models.CASCADE, related_name="embeddings")
    model = models.CharField(max_length=120, help_text="name and checksum of the model")
    text_digest = models.CharField(max_length=64, help_text="sha256 of the embedded text")
    vector = models.BinaryField(help_text="unit length, little-endian half precision")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = (models.Index(fields=["model", "updated_at"]),)
        constraints = (models.UniqueConstraint(fields=["paper", "model"], name="embedded_once"),)
        triggers = (note_change("paper_id"),)

    def __str__(self) -> str:
        return f"{self.paper} under {self.model}"


class SearchChange(models.Model):
    """The transaction that last touched what is searched of a paper; outlives the paper."""

    paper_id = models.BigIntegerField(primary_key=True)
    xact = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"paper {self.paper_id} in transaction {self.xact}"
