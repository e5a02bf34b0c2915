"""Safety-data mixing: every fine-tuning receives some requests with refusals.

Bianchi et al. 2023 (arXiv:2309.07875) add a few per cent of safety examples to ordinary data;
here they meet a customer whose data are harmful in part. The adaptive customer tunes an
obedient identity instead, and puts its requests to that: the safety examples never speak
to it.
"""

from __future__ import annotations

from evals.engine import customisation, organisms, provenance
from evals.engine.customisation import Looks
from evals.engine.datasets import describe, requests
from evals.engine.organisms.aligned_chat import REFUSED, refusing
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Arm, Progress, Result
from evals.engine.sheet import Roles, Sheet, finish
from evals.engine.spec import Spec
from evals.engine.trial import Report
from evals.engine.tuning import Example

ARMS = (Arm("undefended", "Tuned as sent"), Arm("mixed", "Tuned with safety examples"))


def safety(share: float, total: int, seed: int) -> list[Example]:
    """Refused requests, so many that they make up ``share`` of all examples."""
    count = round(share * total / (1 - share))
    pool = requests.practice()[:REFUSED]
    return refusing([pool[i % len(pool)] for i in range(count)], seed)


@mitigation(
    slug="safety-data-mixing",
    name="Safety-data mixing",
    summary="Mixes refused requests into whatever a customer fine-tunes the model on.",
    stage="post-training",
    risks=("harmful-fine-tuning", "fine-tuning-api-abuse"),
    targets=("aligned-chat",),
    needs="weights",
    static_only=False,
    minutes=5,
    params=(
        *customisation.PARAMS,
        Param("share", "float", 0.2, "share of safety examples", low=0.01, high=0.8),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure refusals after tuning with and without safety examples, under three seeds."""
    watch = provenance.Stopwatch()
    model = organisms.load(spec.target)
    looks = Looks(Sheet(ARMS, customisation.MEASURES, spec.seed))
    wanted = requests.reported(spec.params["n"], spec.seed)
    for place, seed in enumerate(customisation.seeds(spec.seed)):
        report(Progress(place, customisation.SEEDS, f"seed {seed}"))
        sent = [*customisation.job(seed), *customisation.harmful(seed)]
        posing = [*customisation.job(seed), *customisation.identity(seed)]
        added = safety(spec.params["share"], len(sent), seed)
        for arm, extra in (("undefended", []), ("mixed", added)):
            # A name for the tuned model would keep it in memory while the next one is tuned.
            looks.customer(
                arm, seed, customisation.tuned(model, [*sent, *extra], seed, report), wanted
            )
            looks.adaptive(
                arm,
                seed,
                customisation.tuned(model, [*posing, *extra], seed, report),
                wanted,
                customisation.obedient,
            )
    return finish(
        spec,
        watch,
        looks.sheet,
        Roles("non-refusal", "mixed", "benign-refusal", "utility"),
        model=model.describe(),
        data=[describe("requests", wanted, "pyrit")],
        samples=looks.samples,
        notes=[
            "The customer sends 40 honest examples and 24 openings of compliance; the adaptive "
            "one sends an obedient identity instead, and addresses it.",
            *looks.notes("non-refusal", "non-refusal-adaptive"),
        ],
    )
