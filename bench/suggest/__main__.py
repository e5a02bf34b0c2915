"""Measure, store and print."""

import json
import sys

from . import score

results = score.measured()
score.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
score.show(results, sys.stdout)
