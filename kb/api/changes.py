"""Change sets, releases, and the log of every change."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError

from taxonomy import history
from taxonomy.models import ChangeSet, Release

from .base import Listing, One
from .rows import ChangeRow, ChangeSetRow, ReleaseFull, ReleaseRow


class ChangeSets(Listing):
    """Proposals and what became of them, newest first."""

    queryset = ChangeSet.objects.all()
    serializer_class = ChangeSetRow
    order = ("-id",)


class Releases(Listing):
    """Immutable snapshots of the taxonomy, newest first."""

    queryset = Release.objects.defer("snapshot")
    serializer_class = ReleaseRow
    order = ("-number",)


class ReleaseOne(One):
    """A release with its whole snapshot."""

    serializer_class = ReleaseFull

    def found(self, name: str) -> Any:
        return Release.objects.filter(number=int(name)).first()


class Changes(Listing):
    """Every recorded change of taxonomy and placements, newest first; ``since`` narrows."""

    serializer_class = ChangeRow
    known = {"since", "what"}
    order = ("-pgh_created_at", "-pgh_id")

    def get_queryset(self) -> Any:
        """The log; raises ValidationError where ``since`` is no time or ``what`` is unknown."""
        try:
            return history.log(
                since=self.request.query_params.get("since", ""),
                what=self.request.query_params.get("what", ""),
            )
        except ValueError as error:
            raise ValidationError({"detail": [str(error)]}) from None
