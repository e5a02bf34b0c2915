"""Addresses of the API, version 1."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from kb import problems

from . import changes, papers, runs, taxonomy
from .root import root

# The documentation page brings styles of its own into the page.
docs = csp_update({"style-src": [SELF, UNSAFE_INLINE]})(
    SpectacularSwaggerSplitView.as_view(url_name="api:schema")
)

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
    path("coverage/", taxonomy.Coverage.as_view(), name="coverage"),
    path("targets/", runs.Targets.as_view(), name="targets"),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<uuid:pk>/", runs.RunOne.as_view(), name="run"),
    path("runs/<uuid:pk>/cancel/", runs.Cancel.as_view(), name="cancel-run"),
    path("changesets/", changes.ChangeSets.as_view(), name="changesets"),
    path("releases/", changes.Releases.as_view(), name="releases"),
    path("releases/<int:number>/", changes.ReleaseOne.as_view(), name="release"),
    path("changes/", changes.Changes.as_view(), name="changes"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
    re_path(r"^.*$", problems.not_found),
]
