"""What a model remembers of single texts, and how an attacker reads it out.

Extraction by prefix (Carlini et al. 2021, arXiv:2012.07805): the model continues what came
before the secret. Ranking (the exposure test of Carlini et al. 2019, arXiv:1802.08232): the
secret's likelihood among decoys of the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from . import statistics as stats
from .tiny import TinyModel, normal, words


def extracted(model: TinyModel, prefixes: Sequence[str], endings: Sequence[str]) -> list[bool]:
    """Whether the likeliest continuation of each prefix begins with its ending, word for word."""
    longest = max((len(words(ending)) for ending in endings), default=0)
    said = model.complete(prefixes, longest)
    return [text.startswith(normal(end)) for text, end in zip(said, endings, strict=True)]


def ranks(model: TinyModel, secrets: Sequence[str], decoys: Sequence[Sequence[str]]) -> list[float]:
    """For each secret the share of its decoys that the model finds likelier; chance is 0.5."""
    texts = [text for own, others in zip(secrets, decoys, strict=True) for text in (own, *others)]
    totals = iter([sum(row) for row in model.losses(texts)])
    found = []
    for others in decoys:
        own, *rest = islice(totals, len(others) + 1)
        found.append(float(np.mean([other <= own for other in rest])))
    return found


def membership(model: TinyModel, members: Sequence[str], others: Sequence[str]) -> list[float]:
    """For each member the share of ``others`` with a higher mean loss (ties half).

    The mean is the area under the ROC curve of the loss as a test of membership (Yeom et al.
    2018, arXiv:1709.01604); chance is 0.5.
    """
    unseen = [float(np.mean(row)) for row in model.losses(others)]
    return [
        stats.auc([-float(np.mean(row))], [-x for x in unseen]) for row in model.losses(members)
    ]
