"""Addresses of runs."""

from django.urls import path

from . import shown, views

urlpatterns = [
    path("runs/", views.runs, name="runs"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/compare/", views.compare, name="compare"),
    path("runs/portfolio/", views.portfolio, name="portfolio"),
    path("runs/record/<str:digest>/", shown.record, name="record"),
    path("runs/<uuid:pk>/download/<str:form>/", shown.download, name="download-run"),
    path("runs/<uuid:pk>/logs/<str:name>", shown.log, name="run-log"),
    path("runs/<uuid:pk>/again/", views.run_again, name="run-again"),
    path("runs/<uuid:pk>/cancel/", views.cancel, name="cancel-run"),
    path("mitigations/<slug:mitigation>/run/", views.request_run, name="request-run"),
]
