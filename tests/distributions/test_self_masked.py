"""Laws of values that may be missing by what they are: closed forms, integrals, sums and draws."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch import distributions as td
from toys import z_score

from lowerbound.data.column import OF_CLASSES, Column
from lowerbound.data.marginals import Marginal
from lowerbound.distributions.masking import LOGISTIC, PROBIT, Link, OfNumbers
from lowerbound.distributions.mixed import Mixed
from lowerbound.distributions.self_masked import SelfMasked
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.self_masking import SelfMasking

LINKS = pytest.mark.parametrize("link", [LOGISTIC, PROBIT], ids=["logistic", "probit"])
KINDS = {
    "number": Column("x", "number"),
    "mapped": Column("x", "number", loc=3.0, scale=2.0, marginal=Marginal("log", low=0.0, width=1e-6, loc=0.2, scale=0.7)),
    "spiked": Column("x", "number", loc=3.0, scale=2.0, marginal=Marginal("log", low=0.0, width=1e-6, spikes=(0.0, 4.0))),
    "date": Column("x", "date", format="%Y-%m-%d"),
    "count": Column("x", "count", loc=1.5, scale=0.8),
    "boolean": Column("x", "boolean", ("no", "yes")),
    "category": Column("x", "category", ("a", "b", "c")),
    "ordinal": Column("x", "ordinal", ("a", "b", "c"), shares=(0.2, 0.5, 0.3)),
}


def standard(link: Link, intercept: float, slope: float, loc: float = 0.0, scale: float = 1.0) -> SelfMasked:
    """Of one value N(loc, scale²)."""
    law = td.Normal(torch.tensor([[loc]]).double(), torch.tensor([[scale]]).double())
    masking = OfNumbers(link, torch.tensor([intercept]).double(), torch.tensor([slope]).double(), torch.zeros(0, 0).double())
    return SelfMasked(Mixed([law], [[0]]), [masking])


def by_hand(link: Link, intercept: float, slope: float, loc: float, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """log ∫ p π, and mean and variance of p π/∫ p π, of a million points."""
    x = torch.linspace(loc - 9 * scale, loc + 9 * scale, 1_000_001).double()
    p = (td.Normal(loc, scale).log_prob(x) + link.log(intercept + slope * x)).exp()
    total = torch.trapezoid(p, x)
    mean = torch.trapezoid(p * x, x) / total
    return total.log(), mean, torch.trapezoid(p * (x - mean).square(), x) / total


HOLE = torch.tensor([[torch.nan]]).double()


@LINKS
@pytest.mark.parametrize("numbers", [(0.0, 0.0, 0.0, 1.0), (-1.0, 2.0, 0.5, 1.0), (2.0, -8.0, 1.0, 0.5), (-30.0, 60.0, 0.0, 1.0)])
def test_a_hole_is_an_integral(link: Link, numbers: tuple[float, float, float, float]) -> None:
    """log ∫ p π of a normal, and the mean and variance of what is behind the hole, by steps that are flat, soft and steep."""
    law = standard(link, *numbers)
    behind = law.of(HOLE)
    for found, truth in zip((law.log_prob(HOLE), behind.mean, behind.variance), by_hand(link, *numbers), strict=True):
        torch.testing.assert_close(found.squeeze(), truth, atol=1e-4, rtol=1e-4)


def test_probit_of_a_normal_has_a_closed_form() -> None:
    """∫ N(x; μ, σ²) Φ(a + bx) dx = Φ((a + bμ)/√(1 + b²σ²))."""
    a, b, mean, scale = 0.3, -1.2, 0.4, 0.8
    truth = torch.special.log_ndtr(torch.tensor((a + b * mean) / (1 + (b * scale) ** 2) ** 0.5).double())
    torch.testing.assert_close(standard(PROBIT, a, b, mean, scale).log_prob(HOLE).squeeze(), truth, atol=1e-6, rtol=0)


def of_column(column: Column, link: Link, heavy: bool = True) -> SelfMasked:
    """Three laws of one column, their numbers and those of what is missing at random."""
    torch.manual_seed(1)
    masking = SelfMasking([column], link)
    for weight in masking.parameters():
        nn.init.normal_(weight, 0, 0.4)
    likelihood = Columns(nn.Identity(), [column], heavy, masking)
    (width,), _ = Columns.shape((1,), columns=[column], heavy=heavy)
    law = likelihood(torch.randn(3, width)).base_dist
    assert isinstance(law, SelfMasked)
    return law


def values_of(column: Column) -> tuple[Tensor, Tensor]:
    """All values that a column can have and what each stands for."""
    if column.kind in (*OF_CLASSES, "boolean"):
        values = torch.arange(float(max(2, len(column.levels))))
    elif column.kind == "count":
        values = torch.arange(6000.0)
    elif column.marginal is not None:
        t = torch.linspace(-12, 9, 60_001).double()
        values, step = (t.exp() - column.loc) / column.scale, t.exp() * (t[1] - t[0]) / column.scale
        spikes = torch.tensor([column.in_unit(each) for each in column.marginal.spikes])
        return torch.cat([values.float(), spikes]), torch.cat([step, torch.ones(len(spikes)).double()])
    else:
        t = torch.linspace(-8, 8, 40_001).double()
        return t.sinh().float(), t.cosh() * (t[1] - t[0])
    return values, torch.ones(len(values)).double()


@LINKS
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_values_and_the_hole_are_all_there_is(kind: str, link: Link) -> None:
    """They sum and integrate to one; behind a hole are p π/∫ p π: draws agree, and the mean."""
    column = KINDS[kind]
    law, (values, step) = of_column(column, link), values_of(column)
    x = values[:, None, None].expand(-1, 3, 1)
    there = law.log_prob(x)[..., 0].double().exp()
    hole = law.log_prob(torch.full((3, 1), torch.nan))[:, 0].double().exp()
    torch.testing.assert_close((there * step[:, None]).sum(0) + hole, torch.ones(3).double(), atol=1e-3, rtol=0)
    whole = law.law.log_prob(x)[..., 0].double().exp()
    behind = (whole - there) * step[:, None]
    torch.testing.assert_close(behind.sum(0), hole, atol=1e-3, rtol=0)
    at_hand = law.of(torch.full((3, 1), torch.nan))
    draws = at_hand.sample(torch.Size([20_000]))[..., 0].double()
    tests: tuple[Callable[[Tensor], Tensor], ...] = (torch.sin, lambda v: (v / 3).cos(), lambda v: (v > 0).double())
    for f in tests:
        truth = (f(values.double())[:, None] * behind).sum(0) / behind.sum(0)
        assert z_score(f(draws), truth) < 4.5
    if kind in ("mapped", "count", "boolean", "spiked"):  # whose tails leave a mean
        truth = (values.double()[:, None] * behind).sum(0) / behind.sum(0)
        torch.testing.assert_close(at_hand.mean[:, 0].double(), truth, atol=2e-3, rtol=2e-3)
        spread = ((values.double()[:, None] - truth).square() * behind).sum(0) / behind.sum(0)
        torch.testing.assert_close(at_hand.variance[:, 0].double(), spread, atol=5e-3, rtol=2e-2)
