"""The evaluation engine: how much does a mitigation help, and what does it cost?

Plain Python, usable without Django::

    from evals.engine import registry, runner
    from evals.engine.spec import Spec

    result = runner.run(Spec.create("perplexity-filter", seed=0))

or ``python -m evals.engine run --spec spec.json --out result.json``.
"""

VERSION = "1.0.0"
