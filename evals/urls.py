"""Addresses of runs."""

from django.urls import path

from . import views

urlpatterns = [
    path("runs/", views.runs, name="runs"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/compare/", views.compare, name="compare"),
    path("runs/portfolio/", views.portfolio, name="portfolio"),
    path("runs/record/<str:digest>/", views.record, name="record"),
    path("runs/<uuid:pk>/download/<str:form>/", views.download, name="download-run"),
    path("runs/<uuid:pk>/cancel/", views.cancel, name="cancel-run"),
    path("mitigations/<slug:mitigation>/run/", views.request_run, name="request-run"),
]
