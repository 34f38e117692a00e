"""Draws by row: of each law those of a share are that share of the batch's, as the law's own draws in law and in gradient."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Size, Tensor
from torch import distributions as td
from toys import z_score

from lowerbound import distributions as laws
from lowerbound.distributions import drawing, flows
from lowerbound.distributions.gamma_beta import log_gamma
from lowerbound.distributions.mixture import Mixture
from lowerbound.errors import UsageError
from lowerbound.system.noise import by_row

ROWS = torch.tensor([3, 14, 15, 92, 65, 35, 89])


def positive(n: int) -> Tensor:
    """Numbers ``(n, 3)`` from .05 on, another for each row of ``ROWS[:n]``."""
    return torch.linspace(0.05, 5.0, 21).view(7, 3)[:n]


def mixture(components: td.Distribution) -> Mixture:
    return Mixture(td.Categorical(logits=torch.tensor([0.0, 1.0, -1.0])), components, validate_args=False)


def autoregressive() -> Callable[[Tensor], td.Distribution]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = flows.affine(3, 3).requires_grad_(False)
    return lambda x: flow(x)


FLOW = autoregressive()
LAWS: dict[str, Callable[[Tensor], td.Distribution]] = {
    "normal": lambda x: td.Independent(td.Normal(x, x), 1),
    "full": lambda x: td.MultivariateNormal(x, scale_tril=torch.diag_embed(x) + torch.ones(3, 3).tril(-1)),
    "log-normal": lambda x: td.Independent(td.LogNormal(x, x), 1),
    "flow": FLOW,
    "gamma": lambda x: td.Independent(laws.Gamma(x, x + 1), 1),
    "torch's gamma": lambda x: td.Independent(td.Gamma(x, x + 1), 1),
    "beta": lambda x: td.Independent(laws.Beta(x, x + 1), 1),
    "torch's beta": lambda x: td.Independent(td.Beta(x, x + 1), 1),
    "von Mises-Fisher": lambda x: laws.VonMisesFisher(torch.nn.functional.normalize(x + 1, dim=-1), 20 * x[:, 0]),
    "sphere": lambda x: laws.UniformSphere(3, (len(x),)),
    "point": lambda x: laws.Delta(x),
    "label": lambda x: laws.OneHotCategorical(x),
    "class": lambda x: td.Categorical(logits=x),
    "bits": lambda x: td.Independent(td.Bernoulli(logits=x - 1), 1),
    "one mixture": lambda x: mixture(td.Independent(td.Normal(torch.eye(3), 0.5 + torch.eye(3)), 1)),
    "one mixture of spheres": lambda x: mixture(laws.VonMisesFisher(torch.eye(3), torch.tensor([1.0, 5.0, 50.0]))),
}


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", LAWS)
def test_a_share_gets_its_part_of_the_draws_of_the_batch(name: str, size: int) -> None:
    def draws(first: int, last: int, alone: bool) -> Tensor:
        law = LAWS[name](positive(7)[first:last])
        with by_row(8, ROWS[first:last], alone):
            return torch.stack([drawing.sample(law, [4] if law.batch_shape else [4, last - first]) for _ in range(2)])

    ends = [0, *(len(part) for part in ROWS.tensor_split(size))]
    ends = np.cumsum(ends).tolist()
    parts = [draws(first, last, False) for first, last in pairwise(ends)]
    torch.testing.assert_close(torch.cat(parts, 2), draws(0, 7, True), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_a_block_changes_no_law(name: str) -> None:
    """First and second moments of each value against torch's own draws."""
    law, n = LAWS[name](positive(7)), 20_000
    shape = [n] if law.batch_shape else [n, 7]
    with by_row(8, ROWS):
        ours = drawing.sample(law, shape).double()
    theirs = law.sample(Size(shape)).double()
    cut = theirs.abs().flatten(1).quantile(0.99, 0).view(theirs.shape[1:])  # moments of a log-normal are those of its tail
    for f in (lambda z: z.clamp(-cut, cut), lambda z: z.clamp(-cut, cut).square()):
        a, b = f(ours), f(theirs)
        error = ((a.var(0) + b.var(0)) / n).sqrt()
        assert float(((a.mean(0) - b.mean(0)).abs() / (error + 1e-9)).max()) < 4.5


@pytest.mark.parametrize("name", LAWS)
def test_outside_a_block_draws_are_the_laws_own(name: str) -> None:
    law = LAWS[name](positive(7))
    draw = drawing.rsample if law.has_rsample else drawing.sample
    torch.manual_seed(1)
    ours = draw(law, [5])
    torch.manual_seed(1)
    assert torch.equal(ours, law.rsample(Size([5])) if law.has_rsample else law.sample(Size([5])))


@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.999, 1.0, 2.5, 50.0])
def test_gamma_by_row_has_the_distribution_function_of_a_gamma(alpha: float) -> None:
    with by_row(2, torch.arange(500)):
        log_g = log_gamma(torch.full((500, 400), alpha, dtype=torch.float64), 0)
    assert stats.kstest(log_g.flatten().numpy(), lambda x: stats.gamma.cdf(np.exp(x), alpha)).pvalue > 1e-3
    for x, y in ((log_g[1:], log_g[:-1]), (log_g[:, 1:], log_g[:, :-1])):
        assert abs(float(torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1])) < 4 / x.numel() ** 0.5


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 3.0, 50.0])
def test_gammas_gradient_by_row_is_torchs_implicit_one(alpha: float) -> None:
    shape = torch.full((500, 400), alpha, dtype=torch.float64, requires_grad=True)
    with by_row(2, torch.arange(500)):
        g = log_gamma(shape, 0).exp()
    (ours,) = torch.autograd.grad(g.sum(), shape)
    there = g.detach() > 1e-12
    expected = torch._standard_gamma_grad(shape.detach(), g.detach())
    torch.testing.assert_close(ours[there], expected[there], rtol=1e-6, atol=1e-9)
    assert z_score(ours, torch.tensor(1.0)) < 4, "d E[g]/dα = 1"


@pytest.mark.parametrize(("d", "kappa"), [(2, 0.1), (2, 30.0), (3, 5.0), (10, 100.0)])
def test_the_angle_of_a_von_mises_fisher_has_its_density(d: int, kappa: float) -> None:
    loc = torch.zeros(200, d, dtype=torch.float64)
    loc[:, 0] = 1
    with by_row(2, torch.arange(200)):
        cosine = drawing.sample(laws.VonMisesFisher(loc, kappa), [500])[..., 0].flatten()
    theirs = laws.VonMisesFisher(loc[:1], kappa).sample(Size([100_000]))[..., 0].flatten()
    grid = np.linspace(0, np.pi, 200_001)
    density = np.exp(kappa * (np.cos(grid) - 1)) * np.sin(grid) ** (d - 2)
    cdf = np.cumsum(density) / density.sum()
    for found in (cosine, theirs):
        assert stats.kstest(found.clamp(-1, 1).acos().numpy(), lambda x: np.interp(x, grid, cdf)).pvalue > 1e-3


def test_a_law_without_a_row_is_drawn_by_torch_alone_and_refused_of_a_share() -> None:
    law = td.Independent(td.Laplace(torch.zeros(7, 3), 1.0), 1)
    assert not drawing.is_known(law)
    with by_row(8, ROWS):
        torch.manual_seed(1)
        ours = drawing.rsample(law, [2])
    torch.manual_seed(1)
    assert torch.equal(ours, law.rsample(Size([2])))
    with by_row(8, ROWS, alone=False), pytest.raises(UsageError, match="Laplace"):
        drawing.rsample(law, [2])
