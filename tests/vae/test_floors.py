"""A floor under σ: no normal of z is narrower, of q and of p alike, and near it a gradient is left."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, MultivariateNormal

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.chain import Levels
from lowerbound.errors import RecipeError, UsageError
from lowerbound.recipes.posteriors import OF_NORMALS, POSTERIORS
from lowerbound.vae.conditional import LOG_VARIANCE, deviation

FLOOR, EVENT = 0.3, (1, 8, 8)
MODELS: dict[str, dict[str, Any]] = {
    "flat": {},
    "full-gaussian": {"posterior": "full-gaussian"},
    "mixture": {"prior": "mixture:3"},
    "vamp": {"prior": "vamp:3"},
    "given-context": {"prior": "given-context:8", "given": "label"},
    "chain": {"latent": "2-3"},
    "chain, vamp": {"latent": "2-3", "prior": "vamp:3"},
    "ladder": {"latent": "2-3-2", "posterior": "ladder"},
    "images": {"levels": "1-2", "network": "conv:4-4", "latent": 1},
}


def model(words: dict[str, Any], floor: float | None = FLOOR, wild: float = 0.0) -> lb.VAE:
    """With weights away from where they begin; ``wild`` moves them far."""
    recipe = lb.Recipe(**{"latent": 3, "network": "mlp:16", **words}, sigma_floor=floor)
    vae = lb.build(recipe, DataSpec(EVENT, classes=("a", "b"))).vae
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in vae.parameters():
            weight.add_((0.1 + wild) * torch.randn_like(weight))
    return vae if vae.context is None else vae.given(torch.eye(2))


def deviations(law: Distribution, z: Tensor) -> list[Tensor]:
    """Of each normal in a law of z."""
    if isinstance(law, Levels):
        return [each for level, part in law.levels(z) for each in deviations(level, part)]
    if isinstance(law, MixtureSameFamily):
        return deviations(law.component_distribution, z)
    if isinstance(law, MultivariateNormal):
        return [law.scale_tril.diagonal(dim1=-2, dim2=-1)]
    assert isinstance(law, Independent)
    return [law.base_dist.scale]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("wild", [0.0, 1.0])
def test_no_deviation_is_below_it(name: str, wild: float) -> None:
    vae = model(MODELS[name], wild=wild)
    q, p = vae.posterior(torch.rand(2, *EVENT)), vae.prior()
    z = q.rsample()
    assert bool(z.isfinite().all())
    of_q, of_p = (torch.cat([each.detach().flatten() for each in deviations(law, z)]) for law in (q, p))
    assert float(of_p.min()) >= FLOOR
    assert float(of_q.min()) >= FLOOR / (2**0.5 if name == "ladder" else 1)  # a product of two densities is narrower than either
    (q.log_prob(z) - p.log_prob(z)).sum().backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in vae.parameters() if weight.grad is not None)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "mixture"])
def test_it_is_added_to_what_the_networks_give(name: str) -> None:
    """Of the first level: below it other z lead to other σ."""
    with torch.no_grad():
        x = torch.rand(2, *EVENT)
        bare, floored = (model(MODELS[name], floor) for floor in (None, FLOOR))
        laws = [[law.first if isinstance(law, Levels) else law for law in (vae.posterior(x), vae.prior())] for vae in (bare, floored)]
        for before, after in zip(*laws, strict=True):
            one, other = (deviations(law, torch.zeros(0))[0] for law in (before, after))
            fixed = type(bare.prior) is lb.priors.StandardNormal or isinstance(bare.prior, lb.priors.Chain)
            if before is laws[0][1] and fixed and not isinstance(before, MixtureSameFamily):
                torch.testing.assert_close(one, other)  # N(0, I) is not learned
            elif name == "images" and before is laws[0][0]:  # relative to p, above the floor
                p, floored_p = (deviations(law[1], torch.zeros(0))[0] for law in laws)
                torch.testing.assert_close((other - FLOOR) / (floored_p - FLOOR), one / p)
            else:
                torch.testing.assert_close(one + FLOOR, other)


def test_near_it_a_gradient_is_left() -> None:
    for raw in (-15.0, 0.0, 3.0):
        log_variance = torch.tensor(raw, requires_grad=True)
        deviation(log_variance, FLOOR).log().backward()
        assert float(log_variance.grad) > 0
    assert float(deviation(torch.tensor(-99.0), FLOOR)) == pytest.approx(FLOOR + torch.tensor(LOG_VARIANCE[0] / 2).exp().item())


@pytest.mark.parametrize("name", ["m2-latents", "m1m2"])
def test_models_of_labels_have_it_in_all_their_latents(name: str) -> None:
    recipe = lb.Recipe(semi_supervised=name, labels="20", network="mlp:16", sigma_floor=FLOOR)
    vae = lb.build(recipe, DataSpec(EVENT, classes=("a", "b"))).vae
    floors = [part.floor for part in vae.modules() if isinstance(part, lb.posteriors.DiagonalGaussian)]
    assert floors == [FLOOR, FLOOR]


def test_what_has_no_deviation_has_no_floor() -> None:
    assert {"ladder"} == set(OF_NORMALS) - POSTERIORS.keys()
    for word in POSTERIORS.keys() - set(OF_NORMALS):
        with pytest.raises(RecipeError, match="sigma-floor is a word of the posteriors gaussian, full-gaussian, ladder"):
            lb.Recipe(posterior=word, sigma_floor=0.1)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(RecipeError, match="sigma-floor, the least σ of a latent, must be a positive number"):
            lb.Recipe(sigma_floor=wrong)
    with pytest.raises(UsageError, match="the floor of σ must be a number of 0 or more"):
        lb.posteriors.DiagonalGaussian(torch.nn.Identity(), floor=-0.1)
