"""Every address of the site; the API is in kb/api/urls.py, runs in evals/urls.py."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from .views import health, lifecycle, mitigations, papers, search

urlpatterns = [
    path("", lifecycle.home, name="home"),
    path("search/", search.search, name="search"),
    path("search/feed/", search.feed, name="feed"),
    path("search/how-good/", search.how_good, name="how-good"),
    path("search/papers.<slug:kind>", search.export, name="export"),
    path("stages/<slug:slug>/", lifecycle.stage, name="stage"),
    path("categories/<slug:slug>/", lifecycle.category, name="category"),
    path("risks/", lifecycle.risks, name="risks"),
    path("risks/<slug:slug>/", lifecycle.risk, name="risk"),
    path("papers/<path:key>/", papers.paper, name="paper"),
    path("mitigations/", mitigations.mitigations, name="mitigations"),
    path("mitigations/<slug:slug>/", mitigations.mitigation, name="mitigation"),
    path("directions/", lifecycle.directions, name="directions"),
    path("directions/<slug:slug>/", lifecycle.direction, name="direction"),
    path("frameworks/", lifecycle.frameworks, name="frameworks"),
    path("frameworks/<slug:slug>/", lifecycle.framework, name="framework"),
    path("coverage/", lifecycle.coverage, name="coverage"),
    path("about/", lifecycle.about, name="about"),
    path("", include("evals.urls")),
    path("accounts/login/", auth.LoginView.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", include("kb.api.urls")),
]
