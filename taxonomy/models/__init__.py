"""The taxonomy: stages, categories, risks, mitigations, frameworks, and their memory.

Every row that a curator can change is recorded by database triggers (django-pghistory),
bulk changes too; ``version`` is the optimistic lock of editing forms.
"""

from .crosswalk import Framework, FrameworkEntry, Mapping, Relation
from .lifecycle import Category, Direction, Origin, Risk, RiskStage, Stage, Status
from .memory import ChangeItem, ChangeSet, Comment, EditDraft, Release
from .mitigations import EvidenceGrade, Mitigation, MitigationStage, RiskMitigation

__all__ = [
    "Category",
    "ChangeItem",
    "ChangeSet",
    "Comment",
    "Direction",
    "EditDraft",
    "EvidenceGrade",
    "Framework",
    "FrameworkEntry",
    "Mapping",
    "Mitigation",
    "MitigationStage",
    "Origin",
    "Relation",
    "Release",
    "Risk",
    "RiskMitigation",
    "RiskStage",
    "Stage",
    "Status",
]
