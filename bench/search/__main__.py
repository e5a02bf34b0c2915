"""Run every system in every world that can be made here, score, store and print."""

import json
import subprocess
import sys

from . import collection, score, world

for texts in world.available():
    print(f"ranking with {texts}", flush=True)
    subprocess.run([sys.executable, "-m", "bench.search.runs", texts], check=True)
results = score.measured()
collection.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
score.show(results)
