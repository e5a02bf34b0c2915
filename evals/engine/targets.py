"""The bundled victims."""

from __future__ import annotations

from .registry import Target, add_target

SMOLLM2 = add_target(
    Target(
        slug="smollm2-135m-instruct",
        name="SmolLM2-135M-Instruct",
        summary=(
            "A stock chat model of 135 million parameters (Allal et al. 2025, arXiv:2502.02737), "
            "four-bit weights as packaged, run in single precision with greedy decoding. It has "
            "little safety training: it rarely refuses, and many of its answers ramble."
        ),
    )
)

TINY = add_target(
    Target(
        slug="tiny-transformer",
        name="Tiny transformer",
        summary=(
            "A transformer of 0.1 to 0.5 million parameters over words and digits, trained in "
            "the run on a made-up corpus of the experiment. It memorises what is repeated and "
            "repeats what its corpus says; it is no evidence of how often large models do."
        ),
    )
)

TINY_CLASSIFIER = add_target(
    Target(
        slug="tiny-classifier",
        name="Tiny classifier",
        summary=(
            "A sentiment classifier over words with one hidden layer, trained in the run on "
            "made-up reviews. It learns a backdoor from a few per cent of poison."
        ),
    )
)
