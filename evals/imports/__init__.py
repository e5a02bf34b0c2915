"""Evidence from other tools: read, mapped to risks and mitigations, kept apart from our runs.

``read`` parses a garak report, an Inspect log or a promptfoo result into findings with
intervals of their own; what cannot be used is said row by row. ``storing`` keeps them.
"""

from .parts import Finding, NotReadable, Parsed, Problem
from .reading import read

__all__ = ["Finding", "NotReadable", "Parsed", "Problem", "read"]
