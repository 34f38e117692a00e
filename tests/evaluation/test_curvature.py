"""Derivatives of log p(x, z): by the Jacobian what autograd finds, for each kind of decoder that is linear in pieces."""

from __future__ import annotations

import pytest
import torch

import lowerbound as lb
from lowerbound.evaluation.curvature import by_autograd, by_jacobian
from lowerbound.nn.jacobian import is_piecewise_linear
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe

SHAPE = (1, 9, 6)
RECIPES = [
    Recipe(network="mlp:24-16", latent=3),
    Recipe(network="conv:4-6", latent=5),
    Recipe(network="mlp:24", likelihood="gaussian", scale="learned", latent=2),
    Recipe(network="mlp:24", likelihood="gaussian", latent=2),
    Recipe(network="mlp:24", likelihood="beta", latent=2),
    Recipe(network="mlp:24", likelihood="bernoulli", given="label", latent=2),
    Recipe(network="mlp:24", likelihood="bernoulli", given="label", latent=3),
    Recipe(network="mlp:24", prior="vamp:3", latent=2),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_both_ways_find_the_same_derivatives(recipe: Recipe) -> None:
    spec = lb.data.DataSpec(SHAPE, classes=("a", "b")) if recipe.given else SHAPE
    vae = build(recipe, spec).vae.eval().double()
    x = vae.likelihood.observe(torch.rand(4, *SHAPE, dtype=torch.double))
    if vae.context is not None:
        vae = vae.given(torch.eye(2, dtype=torch.double)[[0, 1, 1, 0] if recipe.latent == 2 else [1]])
    z, rows = torch.randn(3, recipe.latent, dtype=torch.double), torch.tensor([0, 1, 3])

    def log_prior(z: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return vae.some(rows).prior().log_prob(z)

    def log_joint(z: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return vae.some(rows).log_likelihood(x[rows], z) + log_prior(z, rows)

    by_columns = by_jacobian(vae, x, log_prior)
    assert by_columns is not None
    for found, exact in zip(by_columns(z, rows), by_autograd(log_joint)(z, rows), strict=True):
        torch.testing.assert_close(found, exact)


def test_what_bends_or_is_hooked_into_is_not_taken_for_linear_in_pieces() -> None:
    assert is_piecewise_linear(lb.nn.mlp(2, 8, 5))
    assert not is_piecewise_linear(lb.nn.mlp(2, 8, 5, activation=torch.nn.Tanh))
    hooked = lb.nn.mlp(2, 8, 5)
    hooked[1].register_forward_hook(lambda layer, given, found: 2 * found)
    assert not is_piecewise_linear(hooked)
    assert not is_piecewise_linear(torch.nn.utils.parametrizations.weight_norm(lb.nn.mlp(2, 8, 5)[1]))
