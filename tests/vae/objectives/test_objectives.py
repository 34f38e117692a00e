"""What holds for every objective of the table: its bound is one, and draws that are weighted count as much as they weigh."""

from __future__ import annotations

import itertools

import pytest
import torch
from rows import long_if
from torch import Size, Tensor, nn
from torch.distributions import Bernoulli, Independent
from toys import Constant, LinearGaussian, bounds

from lowerbound.errors import RecipeError
from lowerbound.nn.jacobian import contraction
from lowerbound.recipes.grammar import make
from lowerbound.recipes.objectives import KLS, OBJECTIVES
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.renyi import Renyi
from lowerbound.vae.terms import Node, Terms


def objectives() -> list[object]:
    made = (make("objective", word, OBJECTIVES, kl=KLS[kl].make()) for word in OBJECTIVES for kl in KLS)
    return list(made)


@pytest.mark.parametrize("objective", objectives(), ids=str)
@pytest.mark.parametrize("seed", long_if(bool, [0, 1, 2]))
def test_a_bound_stays_below_the_evidence(objective, seed: int) -> None:
    """Bounds are means over draws, so the mean may be above by its standard error and no more."""
    toy = LinearGaussian(seed=seed)
    torch.manual_seed(seed)
    vae = toy.vae(Constant(torch.randn(4) * 0.3))
    x = toy.evidence.sample(torch.Size([4]))
    draws = bounds(vae, x, objective, 2000)
    gap = toy.evidence.log_prob(x) - draws.mean(0)
    assert (gap > -3 * draws.std(0) / len(draws) ** 0.5).all()
    assert (gap > 0.1).any(), "a posterior this wrong must cost something"


# --- draws that are weighted: two binary latents, of which all values are listed ----------------------

VALUES = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
EXAMPLES = 3


class OfPrior(Independent):
    """Whose draws are the same however many are wanted, so that what is left of chance is that of q."""

    def sample(self, sample_shape: Size = torch.Size()) -> Tensor:  # noqa: B008 - torch's own signature
        return VALUES[[0, 1, 1, 3, 2]]


def terms_of(z: Tensor, weighted: bool, logits: Tensor) -> Terms:
    """Of latents ``(K, B, 2)`` under p(x|z) = a number for each of the four values of z and each example."""
    torch.manual_seed(5)
    scores, encoder = 3 * torch.randn(4, EXAMPLES), nn.Linear(2, 3)
    q = Independent(Bernoulli(logits=logits), 1)
    which = (z @ torch.tensor([2.0, 1.0])).long()
    log_likelihood = scores.gather(0, which)
    prior = OfPrior(Bernoulli(probs=torch.tensor([0.3, 0.6]).repeat(EXAMPLES, 1)), 1)
    node = Node(z, prior, q, weights=q.log_prob(z).exp() if weighted else None)
    return Terms(log_likelihood, (node,), lambda: contraction(encoder, torch.ones(EXAMPLES, 2)))


@pytest.mark.parametrize("objective", objectives(), ids=str)
def test_listed_values_give_the_mean_over_all_draws_or_are_refused(objective: Objective) -> None:
    """Of the value, the bound and their gradients: over one draw for each example, of which there are 4³ outcomes.

    A bound that is a function of the mean weight is that of the mean over all values.
    """
    logits = torch.tensor([[0.5, -1.0], [2.0, 0.3], [-0.7, 0.0]], requires_grad=True)
    listed = terms_of(VALUES[:, None].expand(4, EXAMPLES, 2), True, logits)
    if not objective.mean_over_draws and not isinstance(objective, Renyi):
        with pytest.raises(RecipeError, match="listed"):
            objective.value(listed)
        return
    if isinstance(objective, Renyi):
        log_q, power = listed.log_posterior, 1 - objective.alpha
        truth = (log_q + power * (listed.log_likelihood + listed.log_prior - log_q)).logsumexp(0) / power
        assert torch.allclose(objective.value(listed), truth, rtol=1e-5, atol=1e-5)
        slopes = [torch.autograd.grad(each.sum(), logits, retain_graph=True)[0] for each in (objective.value(listed), truth)]
        assert torch.allclose(*slopes, rtol=1e-4, atol=1e-5)
        return
    for what in (objective.value, objective.bound):
        found, truth = what(listed), torch.zeros(EXAMPLES)
        for drawn in itertools.product(VALUES, repeat=EXAMPLES):
            terms = terms_of(torch.stack(drawn)[None], False, logits)
            truth = truth + terms.log_posterior.sum().exp() * what(terms)
        assert torch.allclose(found, truth, rtol=1e-4, atol=1e-4)
        slopes = [torch.autograd.grad(each.sum(), logits, retain_graph=True)[0] for each in (found, truth)]
        assert torch.allclose(*slopes, rtol=1e-3, atol=1e-3 * slopes[1].abs().max())
