"""What a prior is to a model, and that any module which does the same can stand in its place."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.distributions import Distribution, Independent, Normal

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError
from lowerbound.nn.networks import mlp
from lowerbound.recipes.priors import PRIORS, prior
from lowerbound.vae import priors
from lowerbound.vae.conditional import WithContext

OWN = """
import torch
import lowerbound as lb
from lowerbound.vae.loss import loss

class Wide(torch.nn.Module):
    def forward(self):
        return torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 3.0), 1)

linear = torch.nn.Linear
vae = lb.VAE(Wide(), lb.likelihoods.Gaussian(linear(2, 5)), lb.posteriors.DiagonalGaussian(linear(5, 4)))
loss(vae, torch.randn(8, 5), lb.objectives.ELBO(), lb.estimators.Pathwise()).value.backward()
print(tuple(vae.sample(3).shape))
"""


@pytest.mark.parametrize("word", PRIORS)
def test_every_prior_is_one(word: str) -> None:
    posterior = lb.posteriors.DiagonalGaussian(torch.nn.Linear(5, 4))
    made = prior(word, 2, posterior, DataSpec((5,)), (3,) if word == "given-context" else ())
    assert isinstance(made, priors.Prior)
    assert isinstance(made, WithContext) == (word == "given-context")


def test_the_contract_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        priors.Prior()


def test_a_prior_of_one_s_own_is_a_class_of_one_method() -> None:
    class Wide(priors.Prior):
        def forward(self) -> Distribution:
            return Independent(Normal(torch.zeros(2), 3.0), 1)

    vae = lb.VAE(Wide(), lb.likelihoods.Gaussian(mlp(2, 8, 5)), lb.posteriors.DiagonalGaussian(mlp(5, 8, 4)))
    assert vae.sample(3).shape == (3, 5)


def test_a_plain_module_can_stand_in_its_place() -> None:
    """In a process of its own: here signatures are checked, and say what is meant."""
    found = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "(3, 5)", found.stderr


def test_a_prior_given_the_context_wants_one() -> None:
    prior = priors.GivenContext(mlp(3, 8, 4))
    with pytest.raises(RecipeError, match="given"):
        prior()
    given = prior.given(torch.eye(3))
    assert (given().batch_shape, given().event_shape) == ((3,), (2,))
    assert given.network is prior.network
    assert prior.context is None
