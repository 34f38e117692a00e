"""The normal law and the curve by which values are missing, found from one column alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lowerbound.distributions.masking import LOGISTIC, PROBIT, Link
from lowerbound.distributions.selection import LEAST, Selection, is_cut_off, selection

LINKS = pytest.mark.parametrize("link", [LOGISTIC, PROBIT], ids=["logistic", "probit"])


def standardized(values: Tensor, missing: Tensor) -> tuple[Tensor, float, float]:
    """What is there, standardized, and the location and σ of the whole in its unit."""
    there = values[~missing]
    mean, scale = there.mean(), there.std()
    return (there - mean) / scale, float(-mean / scale), float(1 / scale)


@LINKS
def test_of_values_that_are_cut_off(link: Link) -> None:
    """Those of N(0, 1) above its mean. In 20 samples μ is 4% too small, with a standard error of 2.2%, σ 2% (2%), the step .06 (.01)."""
    values = torch.randn(3000, generator=torch.Generator().manual_seed(0))
    missing = values > 0
    there, loc, scale = standardized(values, missing)
    for sign, some in ((0, there), (1, there), (-1, -there)):
        found = selection(some, int(missing.sum()), link, sign)
        side = sign or 1
        assert side * found.loc == pytest.approx(loc, rel=0.11)
        assert found.scale == pytest.approx(scale, rel=0.08)
        assert -side * found.intercept / found.slope == pytest.approx(float(there.max()), abs=0.1)
        assert side * found.slope > 5


@LINKS
def test_of_values_missing_by_a_curve(link: Link) -> None:
    """π = link(3v − 1): all four numbers, within five of the standard errors that 20 samples have: .016, .012, .12 and .075."""
    chance = torch.Generator().manual_seed(3)
    values = torch.randn(20_000, generator=chance)
    missing = torch.rand(20_000, generator=chance) < link.log(3 * values - 1).exp()
    there, loc, scale = standardized(values, missing)
    found = selection(there, int(missing.sum()), link, 1)
    truth = (loc, scale, -1 - 3 * loc / scale, 3 / scale)
    for one, right, error in zip(found, truth, (0.016, 0.012, 0.12, 0.075), strict=True):
        assert one == pytest.approx(right, abs=5 * error)


@LINKS
def test_it_is_flat_where_nothing_says_otherwise(link: Link) -> None:
    """Missing completely at random, in 20 samples; and where there is little or nothing to learn it from."""
    for seed in range(20):
        chance = torch.Generator().manual_seed(seed)
        values = torch.randn(300, generator=chance)
        missing = torch.rand(300, generator=chance) < 0.4
        there, _, _ = standardized(values, missing)
        found = selection(there, int(missing.sum()), link)
        assert (found.loc, found.scale, found.slope) == (0, 1, 0)
        share = (int(missing.sum()) + 0.5) / 301
        assert link.log(torch.tensor(found.intercept)).exp().item() == pytest.approx(share, rel=1e-6)
    assert selection(torch.randn(100), 0, link, 1).slope == 0
    assert selection(torch.randn(LEAST - 1), 50, link, 1).slope == 0


def values_by(chance: torch.Generator, n: int, skewed: bool) -> Tensor:
    normal = torch.randn(n, 3, generator=chance)
    return normal.square().sum(1) if skewed else normal[:, 0]


@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "skewed"])
def test_it_sees_where_values_are_cut_off(skewed: bool) -> None:
    """Above their mean, of 300 values, in 20 samples; and seldom where tails are whole or thinned out by a curve."""
    seen = torch.zeros(3)
    for seed in range(20):
        chance = torch.Generator().manual_seed(seed)
        values = values_by(chance, 300, skewed)
        by_curve = torch.rand(300, generator=chance) > (3 * (values - values.mean()) / values.std() - 1).sigmoid()
        some = values[values < values.mean()], values, values[by_curve]
        seen += torch.tensor([is_cut_off(each) for each in some])
    assert seen[0] >= 19
    assert seen[1] <= 2
    assert seen[2] <= 4


def behind(found: Selection) -> float:
    """E[v] where v is missing."""
    v = found.loc + found.scale * torch.linspace(-8, 8, 4001, dtype=torch.float64)
    weight = (-((v - found.loc) / found.scale).square() / 2).exp() * LOGISTIC.log(found.intercept + found.slope * v).exp()
    return float((weight * v).sum() / weight.sum())


def test_skewed_values_that_are_cut_off_are_missing_beyond_the_cut() -> None:
    """χ² of three above its mean, 4.9 σ beyond the mean of what is there: 3 σ, and .5 where there is no room beyond the cut."""
    for seed in range(5):
        values = values_by(torch.Generator().manual_seed(seed), 2000, True)
        missing = values > values.mean()
        there, _, _ = standardized(values, missing)
        for side in (1, -1):
            found, near = (selection(side * there, int(missing.sum()), LOGISTIC, side, room) for room in (True, False))
            assert side * found.slope >= 10 - 1e-6
            assert 2.5 < side * behind(found) < 4
            assert side * behind(near) < 1


def test_values_that_are_all_alike_and_heavy_tails_have_a_fit() -> None:
    for values in (torch.zeros(50), torch.randn(500).exp(), torch.distributions.StudentT(1.0).sample((500,)), torch.arange(20.0) % 2):
        assert all(torch.isfinite(torch.tensor([*selection(values, 40, LOGISTIC, sign)])).all() for sign in (-1, 0, 1))
