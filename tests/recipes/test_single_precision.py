"""What single precision leaves of a trained model's figures: beside the same weights and draws in double precision."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from rows import long_if
from torch import Tensor
from torch.distributions import Distribution

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.distributions import Delta
from lowerbound.errors import NoClosedForm
from lowerbound.nn.mode import in_evaluation
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.estimators import Enumerated, PerNode, ScoreFunction
from lowerbound.vae.model import Model
from lowerbound.vae.objectives import ClosedKL, SampledKL
from lowerbound.vae.observation import Observation, observe
from lowerbound.vae.semi_supervised import SemiSupervised
from lowerbound.vae.terms import Node, Sampler, Terms

WITHIN = 1e-3  # nats an example
DRAWS, ROWS = 20, 64
QUICK = ("vae", "iwae", "svae", "m2", "miwae", "scvi", "ladder-vae")  # tried each time


def replayed(nodes: Sequence[Node]) -> Sampler:
    """The same draws in double precision; the weights of values that are listed are those of q, here in double precision too."""
    left = iter(nodes)

    def sampler(posterior: Distribution, prior: Distribution, name: str) -> Node:
        node = next(left)
        z = node.z.double()
        return Node(z, prior, posterior, weights=None if node.weights is None else posterior.log_prob(z).softmax(0), name=name)

    return sampler


def figures(terms: Terms) -> dict[str, Tensor]:
    """Of each example log p(x|z), and where q has a density KL sampled and closed, the bound, and log p(x) by importance."""
    found = {"log p(x|z)": terms.mean(terms.log_likelihood)}
    if isinstance(terms.nodes[0].posterior, Delta):  # a point
        return found
    found |= {"sampled KL": SampledKL()(terms), "bound": terms.mean(terms.log_weight)}
    found["log p(x)"] = (terms.log_weight + terms.shares(torch.ones_like(terms.log_weight)).log()).logsumexp(0)
    try:
        found["closed KL"] = ClosedKL()(terms)
    except NoClosedForm:
        return found
    return found | {"bound by closed KL": found["log p(x|z)"] - found["closed KL"]}


def both(vae: Model, data: lb.Dataset) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The figures of the first rows in single and in double precision."""
    vae, rows = in_evaluation(vae), torch.arange(ROWS)
    scoring = PerNode(y=Enumerated(), z=ScoreFunction())
    with torch.no_grad(), seeded_by_row(rows, 0, "precision"):
        listed = isinstance(vae, SemiSupervised)  # what it bounds without labels
        seen = Observation(vae, vae.likelihood.observe(data[rows])) if listed else observe(vae, data, rows)
        single = seen.vae.terms(seen.x, scoring.sampler(DRAWS))
        context, twin = seen.vae.likelihood.context, copy.deepcopy(vae).double()
        twin = twin if context is None else twin.given(context.double())
        return figures(single), figures(twin.terms(seen.x.double(), replayed(single.nodes)))


@pytest.mark.parametrize("epochs", [2, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", long_if(lambda name: name not in QUICK, ZOO))
def test_its_figures_are_those_of_double_precision(name: str, epochs: int) -> None:
    splits = lb.data.load("digits")
    train, held_out = splits.validation()
    parts = build(Recipe(**ZOO[name].words), DataSpec.of(train, splits.test))
    for _ in lb.fit(parts.vae, train, epochs=epochs, objective=parts.objective, estimator=parts.estimator, loss=parts.loss):
        pass
    single, double = both(parts.vae, held_out)
    assert single.keys() == double.keys()
    for figure, right in double.items():
        assert right.dtype == torch.float64
        torch.testing.assert_close(single[figure].double(), right, rtol=0, atol=WITHIN, msg=lambda text, figure=figure: f"{figure}: {text}")
