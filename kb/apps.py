from django.apps import AppConfig


class KbConfig(AppConfig):
    """The project shell and the reading room."""

    name = "kb"
    verbose_name = "Knowledge base"

    def ready(self) -> None:
        """Register the system checks, and what the knowledge base forbids to run."""
        from evals import operations as runs

        from . import checks, operations  # noqa: F401

        runs.REFUSALS.append(operations.refuse_retired)
