"""The one door to Opacus: differentially private training of a tiny model.

DP-SGD (Abadi et al. 2016, arXiv:1607.00133): batches drawn by Poisson sampling, each
example's gradient cut to a norm, noise added to their sum; Opacus (Meta, Apache-2.0) counts
the budget. The promise is per record: a record that stands k times in the corpus is k records.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from . import tiny
from .tiny import Recipe, TinyModel


def fit(
    model: TinyModel,
    texts: Sequence[str],
    recipe: Recipe,
    *,
    noise: float,
    clip: float,
    delta: float,
    seed: int,
) -> float:
    """Train the model itself with clipping and noise; return epsilon at ``delta``.

    ``noise`` is the noise's standard deviation over ``clip``; with none, epsilon is infinite.
    ``recipe.batch`` is the expected size of a batch.
    """
    import torch
    from opacus import PrivacyEngine

    data = tiny.encode(texts, model.vocabulary, recipe.length)
    wanted = tiny.targets(data, 1.0)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data, wanted),
        batch_size=recipe.batch,
        generator=torch.Generator().manual_seed(seed),
    )
    optimiser = torch.optim.Adam(model.network.parameters(), lr=recipe.rate)
    with warnings.catch_warnings(), tiny.one_thread():
        warnings.simplefilter("ignore")
        engine = PrivacyEngine(accountant="rdp")
        network, optimiser, loader = engine.make_private(
            module=model.network,
            optimizer=optimiser,
            data_loader=loader,
            noise_multiplier=noise,
            max_grad_norm=clip,
            noise_generator=torch.Generator().manual_seed(seed),
        )
        _run(network, optimiser, loader, recipe)
        spent = engine.get_epsilon(delta) if noise else float("inf")
    network.remove_hooks()
    for weights in model.network.parameters():
        del weights.grad_sample
    return float(spent)


def _run(network: object, optimiser: object, loader: object, recipe: Recipe) -> None:
    step = 0
    while step < recipe.steps:
        for data, wanted in loader:  # type: ignore[attr-defined]
            if step == recipe.steps:
                break
            if not len(data):
                continue
            for group in optimiser.param_groups:  # type: ignore[attr-defined]
                group["lr"] = tiny.pace(recipe, step)
            tiny.token_losses(network, data, wanted).mean().backward()
            optimiser.step()  # type: ignore[attr-defined]
            optimiser.zero_grad()  # type: ignore[attr-defined]
            step += 1
