"""Every objective × estimator against the exact gradient of a toy."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.distributions import Independent, Poisson
from toys import Constant, LinearGaussian, z_score

from lowerbound import recipes
from lowerbound.errors import RecipeError
from lowerbound.estimators import Pathwise
from lowerbound.loss import loss

REPEATS, ROWS = 400, 256  # independent gradients, each the mean over that many equal rows


def exact_gradients(toy: LinearGaussian, x: torch.Tensor, parameters: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of the ELBO as a formula: E_q‖x − Wz − b‖² is known for a Gaussian q."""
    weight, bias = toy.weight.clone().requires_grad_(), toy.bias.clone().requires_grad_()
    values = parameters.clone().requires_grad_()
    mean, log_variance = values.chunk(2)
    error = (x - weight @ mean - bias).square().sum() + (weight.square() * log_variance.exp()).sum()
    log_likelihood = -error / (2 * toy.scale**2)
    kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()
    (kl - log_likelihood).backward()
    return {
        "posterior.network.values": values.grad,
        "likelihood.network.weight": weight.grad,
        "likelihood.network.bias": bias.grad,
    }


PAIRS = list(itertools.product(recipes.OBJECTIVES, recipes.KLS, recipes.ESTIMATORS))


@pytest.mark.parametrize(("objective", "kl", "estimator"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_the_gradient_is_unbiased(objective: str, kl: str, estimator: str) -> None:
    toy, parameters = LinearGaussian(), torch.tensor([0.4, -0.8, -0.5, 0.3])
    x = torch.tensor([0.5, -1.0, 0.2, 0.9, 0.0])
    vae = toy.vae(Constant(parameters))
    made = recipes.OBJECTIVES[objective](recipes.Recipe(kl=kl)), recipes.ESTIMATORS[estimator]()
    torch.manual_seed(0)
    found: dict[str, list[torch.Tensor]] = {name: [] for name, _ in vae.named_parameters()}
    for _ in range(REPEATS):
        vae.zero_grad()
        loss(vae, x.expand(ROWS, -1), *made).value.backward()
        for name, parameter in vae.named_parameters():
            found[name].append(parameter.grad.clone())
    truth = exact_gradients(toy, x, parameters)
    assert found.keys() == truth.keys()
    for name, gradient in truth.items():
        draws = torch.stack(found[name])
        assert z_score(draws, gradient) < 4.5, name
        assert (draws.std(0) / REPEATS**0.5 < 0.02 * gradient.abs().max()).all(), "too noisy to tell anything"


def test_a_law_without_a_path_is_refused() -> None:
    with pytest.raises(RecipeError, match="Poisson cannot be reparameterized"):
        Pathwise().draw(Independent(Poisson(torch.ones(1, 2)), 1), 1)
