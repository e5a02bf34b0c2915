"""Measure, store and print: ``python -m bench.suggest [abstracts.jsonl]``."""

import json
import sys
from pathlib import Path

from . import score

abstracts = Path(sys.argv[1]) if len(sys.argv) > 1 else None
results = score.measured(abstracts)
score.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
score.show(results, sys.stdout)
