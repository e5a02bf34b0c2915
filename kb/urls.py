"""Every address of the site; the API is in kb/api/urls.py, runs in evals/urls.py."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import RedirectView

from .views import accounts, health, lifecycle, mitigations, papers

urlpatterns = [
    path("", lifecycle.home, name="home"),
    path("search/", papers.search, name="search"),
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
    path("accounts/", accounts.account, name="account"),
    path("accounts/tokens/<int:pk>/revoke/", accounts.revoke_token, name="revoke-token"),
    path("accounts/login/", accounts.SignIn.as_view(), name="login"),
    path("accounts/password/", accounts.ChangePassword.as_view(), name="password_change"),
    path("accounts/reset/", auth.PasswordResetView.as_view(), name="password_reset"),
    path("accounts/reset/sent/", auth.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "accounts/reset/<uidb64>/<token>/",
        accounts.ResetPassword.as_view(),
        name="password_reset_confirm",
    ),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", include("kb.api.urls")),
]
