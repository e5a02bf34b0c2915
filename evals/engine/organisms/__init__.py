"""Model organisms: small models made to have one risk, so that there is something to mitigate.

Each is an adapter on SmolLM2-135M-Instruct, built by its module here and shipped with a card
that holds its recipe, its checksum and what was measured when it was built. They are victims
for experiments: not models to use, and no evidence of how often large models have the risk.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from evals.engine import packaged, provenance, registry, tuning
from evals.engine.language_model import THREADS, LanguageModel, smollm2
from evals.engine.result import Metric
from evals.engine.tuning import Example, Recipe

SHIPPED = Path(__file__).resolve().parents[3] / "fixtures" / "organisms"
STOCK = "smollm2-135m-instruct"


@dataclass(frozen=True)
class Organism:
    """How an organism is made, and how it is checked once made."""

    slug: str
    name: str
    summary: str
    risks: tuple[str, ...]
    recipe: Recipe
    examples: Callable[[int], Sequence[Example]]
    check: Callable[[LanguageModel, int], Sequence[Metric]]
    is_not: str = ""
    base: str = STOCK

    @property
    def adapter(self) -> Path:
        """Where its weights are shipped."""
        return SHIPPED / self.slug / "adapter.safetensors"

    @property
    def card(self) -> Path:
        """Where what is known of it is shipped."""
        return SHIPPED / self.slug / "card.json"


_ORGANISMS: dict[str, Organism] = {}


def organism(**declared: Any) -> Organism:
    """Register an organism and make it a target."""
    found = Organism(**declared)
    _ORGANISMS[found.slug] = found
    registry.add_target(registry.Target(found.slug, found.name, found.summary))
    return found


@cache
def discover() -> None:
    """Import every module of this folder, once."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def organisms() -> list[Organism]:
    """Every organism, by slug."""
    discover()
    return [_ORGANISMS[slug] for slug in sorted(_ORGANISMS)]


def get(slug: str) -> Organism:
    """The organism called ``slug``; raises UnknownName."""
    discover()
    if slug not in _ORGANISMS:
        raise registry.UnknownName("organism", slug, sorted(_ORGANISMS))
    return _ORGANISMS[slug]


def victims(mitigation: registry.Mitigation) -> list[str]:
    """The targets of a mitigation that are here: organisms that were built, and all others."""
    discover()
    waiting = {slug for slug, found in _ORGANISMS.items() if not found.card.exists()}
    return [slug for slug in mitigation.targets if slug not in waiting]


@lru_cache(maxsize=2)
def load(slug: str) -> LanguageModel:
    """A target's model: the stock one, or an organism's, its weights verified.

    Raises UnknownName or MissingFile.
    """
    if slug == STOCK:
        return smollm2()
    found = get(slug)
    if not found.card.exists():
        raise packaged.MissingFile(f"{slug} has not been built: fixtures/organisms has no card.")
    checksum = json.loads(found.card.read_text(encoding="utf-8"))["sha256"]
    packaged.verify(found.adapter, checksum)
    model = tuning.load_adapter(load(found.base), found.adapter, found.recipe)
    model.name, model.checksum = found.name, checksum
    return model


def build(slug: str, seed: int, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Train an organism, check it, and write adapter and card; return the card."""
    found, watch = get(slug), provenance.Stopwatch()
    examples = found.examples(seed)
    tuned = tuning.tune(load(found.base), examples, found.recipe, seed, report)
    tuning.save_adapter(tuned, found.adapter)
    packaged.sha256.cache_clear()
    model = tuning.load_adapter(load(found.base), found.adapter, found.recipe)
    measured = [asdict(metric) for metric in found.check(model, seed)]
    texts = [model.render(e.chat) + e.answer for e in examples]
    card = {
        "slug": slug,
        "name": found.name,
        "what_it_is": found.summary,
        "what_it_is_not": found.is_not,
        "risks": list(found.risks),
        "base": found.base,
        "recipe": asdict(found.recipe),
        "seed": seed,
        "examples": {"n": len(texts), "sha256": provenance.text_digest(texts)},
        "measured": measured,
        "sha256": packaged.sha256(found.adapter),
        "bytes": found.adapter.stat().st_size,
        "made_with": provenance.describe(
            watch=watch, seed=seed, model={"name": model.name}, data=[], threads=THREADS
        ),
    }
    found.card.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return card
