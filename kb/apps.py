from django.apps import AppConfig
from django.db.models.signals import post_migrate


class KbConfig(AppConfig):
    """The project shell and the reading room."""

    name = "kb"
    verbose_name = "Knowledge base"

    def ready(self) -> None:
        """Register checks, roles, what curation may change, and what may not be run."""
        from evals import operations as runs

        from . import checks, curation, lookups, operations  # noqa: F401
        from .accounts import roles, tokens
        from .placing import decisions  # noqa: F401  (lets a paper be placed)

        lookups.register()
        curation.register_kinds()
        post_migrate.connect(roles.sync_roles, sender=self, dispatch_uid="kb.roles")
        tokens.schema_extension()
        runs.REFUSALS.append(operations.refuse_retired)
