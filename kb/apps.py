from django.apps import AppConfig


class KbConfig(AppConfig):
    """The project shell and the reading room."""

    name = "kb"
    verbose_name = "Knowledge base"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks  # noqa: F401
