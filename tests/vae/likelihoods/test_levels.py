"""Laws of the levels of a pixel: probabilities that are of one whole, and cuts that are the data's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

import lowerbound as lb
from lowerbound.distributions.discrete import BetaBinomial
from lowerbound.distributions.ordinal import DiscretizedLogistic, OrderedLogistic
from lowerbound.vae.likelihoods.counts import cuts_of

TOP = 9
CUTS = torch.tensor([-3.0, -1.0, -0.99, 0.0, 0.5, 0.7, 2.0, 2.01, 6.0]).double()
#: laws of 0 … TOP by two numbers, of which the second is positive
LAWS: dict[str, Callable[[Tensor, Tensor], Distribution]] = {
    "discretised logistic": lambda loc, scale: DiscretizedLogistic(5 + 3 * loc, scale, TOP),
    "ordered logistic": lambda loc, scale: OrderedLogistic(loc, scale, CUTS),
    "beta-binomial": lambda loc, scale: BetaBinomial(loc.exp(), scale, TOP),
}
K = torch.arange(TOP + 1.0).double()


def laws(name: str, n: int = 60) -> Distribution:
    torch.manual_seed(0)
    return LAWS[name](2 * torch.randn(n).double(), torch.randn(n).double().exp())


@pytest.mark.parametrize("name", LAWS)
def test_mean_and_variance_are_those_of_probabilities_that_sum_to_one(name: str) -> None:
    law = laws(name)
    p = law.log_prob(K[:, None]).exp()
    torch.testing.assert_close(p.sum(0), torch.ones(60).double(), atol=1e-12, rtol=0)
    mean = (p * K[:, None]).sum(0)
    torch.testing.assert_close(law.mean, mean, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(law.variance, (p * (K[:, None] - mean) ** 2).sum(0), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", LAWS)
def test_draws_are_as_often_as_they_are_probable(name: str) -> None:
    law, n = laws(name, 8), 20_000
    p, drawn = law.log_prob(K[:, None]).exp(), law.sample((n,))
    share = torch.stack([(drawn == k).double().mean(0) for k in K])
    z = (share - p) / (p * (1 - p) / n).clamp(min=1e-9).sqrt()
    assert z[p * n > 20].abs().max() < 4.5  # of 80 comparisons


def test_levels_are_as_far_apart_as_they_are_frequent() -> None:
    """At μ = 0 and s = 1 they have the shares of the data, holes aside; what never occurs is rare, not impossible."""
    likelihood = lb.likelihoods.OrderedLogistic(nn.Identity(), components=1, holes=True)
    values = torch.tensor([0.0] * 700 + [253.0] * 200 + [255.0] * 100 + [float("nan")] * 50) / 255
    likelihood.meet([values[:500], values[500:]])
    p = likelihood.law(torch.zeros(1, 3, 1), 1).base_dist.log_prob(torch.arange(256.0)[:, None] / 255).exp().flatten()
    expected = (torch.tensor([700.0 if k == 0 else 200.0 if k == 253 else 100.0 if k == 255 else 0.0 for k in range(256)]) + 0.5) / 1128
    torch.testing.assert_close(p, expected, atol=1e-7, rtol=1e-3)


def test_levels_stay_apart_however_rare_they_are() -> None:
    """Of 65,536 levels only two occur, a hundred million times; single precision still tells all cuts apart."""
    likelihood = lb.likelihoods.OrderedLogistic(nn.Identity(), steps=65535, components=1)
    counts = torch.zeros(65536)
    counts[[0, 40000]] = torch.tensor([9e7, 1e7])
    likelihood.cuts.copy_(cuts_of(counts))
    assert (likelihood.cuts.diff() > 0).all()
    output = torch.tensor([[0.0, 0.0, 0.0], [0.0, -40.0, -9.0], [0.0, 40.0, 9.0]])[:, :, None].requires_grad_()
    log_p = likelihood.law(output, 1).log_prob(torch.tensor([[0.3], [0.0], [1.0]]))
    (gradient,) = torch.autograd.grad(log_p.sum(), output)
    assert log_p.isfinite().all()
    assert gradient.isfinite().all()


def test_training_takes_the_cuts_and_weights_keep_them() -> None:
    parts = lb.build(lb.Recipe(likelihood="ordered-logistic:2"), (1, 4, 4))
    before = parts.vae.likelihood.cuts.clone()
    for _ in lb.fit(parts.vae, torch.randint(200, 256, (40, 1, 4, 4)) / 255, epochs=1, batch=20):
        pass
    assert not torch.equal(parts.vae.likelihood.cuts, before)
    assert torch.equal(parts.vae.state_dict()["likelihood.cuts"], parts.vae.likelihood.cuts)
