"""Addresses of the API, version 1."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from kb import problems
from kb.curation.verbs import VERBS

from . import changes, edits, imports, intake, papers, placing, runs, sets, taxonomy, tokens
from .root import root

# The documentation page brings styles of its own into the page.
docs = csp_update({"style-src": [SELF, UNSAFE_INLINE]})(
    SpectacularSwaggerSplitView.as_view(url_name="api:schema")
)

# What a curator does, under one address for each kind of row.
ACTS = {
    "category": ("move", "retire", "restore"),
    "risk": ("move", "merge", "split", "retire", "restore"),
    "mitigation": ("retire", "restore"),
    "direction": ("retire", "restore"),
}
KINDS = (
    "category",
    "risk",
    "mitigation",
    "direction",
    "placement",
    "mapping",
    "answer",
    "paper",
)
curation = [
    path("curate/placement/bulk/", edits.Bulk.as_view(), name="bulk"),
    *(
        path(
            f"curate/{kind}/<slug:key>/{op}/",
            edits.Act.as_view(kind=kind, op=op),
            name=f"{op}-{kind}",
        )
        for kind, ops in ACTS.items()
        for op in ops
    ),
    path(
        "curate/paper/<path:key>/merge/",
        edits.Act.as_view(kind="paper", op="merge"),
        name="merge-paper",
    ),
    *(
        path(f"curate/{kind}/<path:key>/", edits.Row.as_view(kind=kind), name=f"curate-{kind}")
        for kind in KINDS
    ),
    *(
        path(f"curate/{kind}/", edits.New.as_view(kind=kind), name=f"new-{kind}")
        for kind in KINDS
        if kind != "paper"
    ),
]

app_name = "api"
urlpatterns = [
    path("", root, name="root"),
    path("stages/", taxonomy.Stages.as_view(), name="stages"),
    path("stages/<slug:slug>/", taxonomy.StageOne.as_view(), name="stage"),
    path("categories/", taxonomy.Categories.as_view(), name="categories"),
    path("categories/<slug:slug>/", taxonomy.CategoryOne.as_view(), name="category"),
    path("risks/", taxonomy.Risks.as_view(), name="risks"),
    path("risks/<slug:slug>/", taxonomy.RiskOne.as_view(), name="risk"),
    path("papers/", papers.Papers.as_view(), name="papers"),
    path("papers/<path:key>/similar/", papers.Similar.as_view(), name="similar"),
    path("papers/<path:key>/", papers.PaperOne.as_view(), name="paper"),
    path("search/", papers.Search.as_view(), name="search"),
    path("mitigations/", taxonomy.Mitigations.as_view(), name="mitigations"),
    path("mitigations/<slug:slug>/", taxonomy.MitigationOne.as_view(), name="mitigation"),
    path("frameworks/", taxonomy.Frameworks.as_view(), name="frameworks"),
    path("frameworks/<slug:slug>/", taxonomy.FrameworkOne.as_view(), name="framework"),
    path("directions/", taxonomy.Directions.as_view(), name="directions"),
    path("directions/<slug:slug>/", taxonomy.DirectionOne.as_view(), name="direction"),
    path("coverage/", taxonomy.Coverage.as_view(), name="coverage"),
    path("targets/", runs.Targets.as_view(), name="targets"),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<uuid:pk>/", runs.RunOne.as_view(), name="run"),
    path("runs/<uuid:pk>/cancel/", runs.Cancel.as_view(), name="cancel-run"),
    path("imports/", imports.Imports.as_view(), name="imports"),
    path("imports/<int:pk>/", imports.ImportOne.as_view(), name="import"),
    *curation,
    path("paper-imports/", intake.Imports.as_view(), name="paper-imports"),
    path("paper-imports/<int:pk>/", intake.ImportOne.as_view(), name="paper-import"),
    path("paper-imports/<int:pk>/rows/", intake.Rows.as_view(), name="paper-import-rows"),
    path("paper-imports/<int:pk>/choices/", intake.Choices.as_view(), name="paper-import-choices"),
    path("paper-imports/<int:pk>/confirm/", intake.Confirm.as_view(), name="paper-import-confirm"),
    path("queue/", placing.Queue.as_view(), name="queue"),
    path("queue/<path:key>/", placing.QueueOne.as_view(), name="queue-paper"),
    path("suggestions/", placing.Suggestions.as_view(), name="suggestions"),
    path("suggestions/<int:pk>/answer/", placing.Answer.as_view(), name="answer-suggestion"),
    path("suggestions/<slug:secret>/", placing.Followed.as_view(), name="suggestion"),
    path("changesets/", sets.ChangeSets.as_view(), name="changesets"),
    path("changesets/<int:pk>/", sets.ChangeSetOne.as_view(), name="changeset"),
    path("changesets/<int:pk>/items/", sets.Items.as_view(), name="changeset-items"),
    path("changesets/<int:pk>/items/<int:position>/", sets.ItemOne.as_view(), name="item"),
    path("changesets/<int:pk>/preview/", sets.Preview.as_view(), name="changeset-preview"),
    path("changesets/<int:pk>/effect/", sets.EffectOf.as_view(), name="changeset-effect"),
    path("changesets/<int:pk>/revert/", sets.Revert.as_view(), name="changeset-revert"),
    *(
        path(
            f"changesets/<int:pk>/{verb}/",
            sets.Verb.as_view(verb=verb),
            name=f"changeset-{verb}",
        )
        for verb in VERBS
    ),
    path("tokens/", tokens.Tokens.as_view(), name="tokens"),
    path("tokens/<int:pk>/", tokens.TokenOne.as_view(), name="token"),
    path("releases/", changes.Releases.as_view(), name="releases"),
    path("releases/<int:number>/", changes.ReleaseOne.as_view(), name="release"),
    path("releases/<int:number>/diff/", changes.ReleaseDiff.as_view(), name="release-diff"),
    path("releases/<int:number>/manifest/", changes.Manifest.as_view(), name="manifest"),
    path("history/<slug:kind>/<path:key>/", changes.History.as_view(), name="history"),
    path("changes/", changes.Changes.as_view(), name="changes"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
    re_path(r"^", csrf_exempt(problems.not_found)),
]
