"""Zeros and ones of given chances, and their log-probability in few passes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lowerbound.distributions.bernoulli import drawn, log_prob_of_bits
from lowerbound.system.seeding import seeded


def of_chance(chance: float, *shape: int) -> Tensor:
    with seeded(0, "bits"):
        return drawn(torch.full(shape, chance))


@pytest.mark.parametrize("chance", [1 / 255, 0.1, 0.25, 0.5, 100 / 255, 0.9, 254 / 255, 2.0**-17])
def test_their_share_is_the_chance(chance: float) -> None:
    n = 4_000_000
    with seeded(0, "bits"):
        ones = sum(float(drawn(torch.full((100, 400), chance)).double().sum()) for _ in range(n // 40_000))
    assert abs(ones / n - chance) < 4 * (chance * (1 - chance) / n) ** 0.5 + 1e-7  # 2^-24, the grain of a uniform number


@pytest.mark.parametrize(("chance", "value"), [(0.0, 0.0), (1.0, 1.0)])
def test_black_and_white_stay_what_they_are(chance: float, value: float) -> None:
    with seeded(0, "bits"):
        assert all((drawn(torch.full((1000, 401), chance)) == value).all() for _ in range(20))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 784])
def test_neighbours_are_independent(lag: int) -> None:
    x = of_chance(0.5, 2000, 784).flatten().double() - 0.5
    correlation = float((x[lag:] * x[:-lag]).mean() / x.square().mean())
    assert abs(correlation) < 4 / len(x) ** 0.5


@pytest.mark.parametrize("shape", [(3,), (2, 5), (1, 1), (4, 3, 7, 7), (0, 4)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert of_chance(0.5, *shape).shape == shape


def test_they_are_of_their_chances_type() -> None:
    x = drawn(torch.rand(20, 30, dtype=torch.float64))
    assert x.dtype == torch.float64
    assert set(x.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
@pytest.mark.parametrize(("draws", "rows"), [(1, 6), (4, 6), (9, 1)])
def test_log_prob_is_that_of_double_precision(scale: float, draws: int, rows: int) -> None:
    torch.manual_seed(0)
    logits, x = torch.randn(draws, rows, 784) * scale, (torch.rand(rows, 784) < 0.2).float()
    right = torch.distributions.Bernoulli(logits=logits.double()).log_prob(x.double().expand(logits.shape)).sum(-1)
    torch.testing.assert_close(log_prob_of_bits(logits, x).double(), right, rtol=2e-6, atol=1e-3)
