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
