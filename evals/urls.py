"""Addresses of runs."""

from django.urls import path

from . import views

urlpatterns = [
    path("runs/", views.runs, name="runs"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/<uuid:pk>/cancel/", views.cancel, name="cancel-run"),
    path("mitigations/<slug:mitigation>/run/", views.request_run, name="request-run"),
]
